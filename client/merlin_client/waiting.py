"""Waiting for the cluster to do what was asked: steps that can be shown, an end, a deadline, and a way out.

Giving up (a timeout, Ctrl-C) never stops the thing itself, and says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from merlin_client import portal
from merlin_client.display import Display, display_for
from merlin_client.errors import TimedOut, Unavailable

_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Step:
    """What is now true. ``phase`` is one word, ``thing`` the object as it is, ``done`` that this is the end.

    Without a phase there is nothing to show; without a thing nothing goes on once the wait is given up."""

    phase: str
    message: str
    thing: Any
    done: bool = False


Steps = AsyncGenerator[Step, None]

# How to stop what goes on, as the one who waits would do it; the command line says it in its own words.
way_out: ContextVar[str] = ContextVar("way_out", default="cancel() or undeploy() stops it.")


async def awaited(steps: Steps, title: str, show: bool) -> Any:
    """Show every step and return the last one's object."""
    with display_for(title, show) as display:
        last = None
        async with contextlib.aclosing(steps):
            async for last in steps:
                _show(display, last)
        return last.thing if last else None


def waited(steps: Steps, title: str, show: bool) -> Any:
    """The same for callers without a loop. The steps are shown from the caller's thread, where notebooks want it."""
    with display_for(title, show) as display:
        last = None
        try:
            for last in portal.iterate(steps):
                _show(display, last)
        except KeyboardInterrupt:
            if last is not None and last.thing is not None:
                display.note(f"Interrupted: you stopped waiting, it goes on. {way_out.get()}".rstrip())
            raise
        return last.thing if last else None


async def within(stream: AsyncIterator[Step], seconds: float | None, what: str) -> Steps:
    """The same steps; raises TimedOut, with what was seen last, when the end has not come by then."""
    deadline = None if seconds is None else time.monotonic() + seconds
    last: Step | None = None
    while True:
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        try:
            async with asyncio.timeout(left):
                step = await anext(stream)
        except StopAsyncIteration:
            return
        except TimeoutError:
            seen = f" It is {last.phase}: {last.message}" if last else ""
            raise TimedOut(
                f"{what} took longer than {seconds:g} s.{seen}",
                hint="You stopped waiting; it goes on. Ask again with a longer timeout, or cancel it.",
            ) from None
        last = step
        yield step


async def once_mlflow_answers(change: Callable[[], Awaitable[Any]], seconds: float, hint: str) -> Steps:
    """What the change returns; repeated with growing pauses while Merlin's MLflow does not answer, as when it starts.

    Only for a change that is done once however often it is asked for. Raises Unavailable at last, with this hint."""
    deadline = time.monotonic() + seconds
    pause = _FIRST_PAUSE_SECONDS
    late = False
    while True:
        try:
            thing = await change()
        except Unavailable as error:
            if error.code != "MLFLOW_UNAVAILABLE":
                raise
            if time.monotonic() + pause > deadline:
                raise Unavailable(error.message, code=error.code, hint=hint) from error
        else:
            yield Step("READY" if late else "", "MLflow answers.", thing, done=True)
            return
        late = True
        yield Step("WAITING", f"MLflow does not answer yet; asking for up to {seconds:g} s.", None)
        await asyncio.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)


def _show(display: Display, step: Step) -> None:
    if not step.phase:
        return
    display.step(step.phase, step.message, done=step.done)
