"""The life of a worker's process: tasks that must all run, until a signal ends them."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from merlin.errors import MerlinError

log = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0


def stop_signal() -> asyncio.Event:
    """Set by SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


async def run_until(stop: asyncio.Event, *works: Coroutine[Any, Any, None]) -> None:
    """Run all of them side by side until the event; then cancel them. The first error of one ends all and is raised."""
    tasks = [asyncio.create_task(work) for work in works]
    stopped = asyncio.create_task(stop.wait())
    try:
        done, _ = await asyncio.wait({stopped, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            if task is not stopped:
                task.result()
    finally:
        for task in (stopped, *tasks):
            task.cancel()
        await asyncio.gather(stopped, *tasks, return_exceptions=True)


async def keep_doing(name: str, work: Callable[[], Awaitable[None]], every_seconds: float) -> None:
    """Do it again and again with pauses, for ever; an error is logged, and the pause grows while errors last."""
    pause = every_seconds
    while True:
        try:
            await work()
            pause = every_seconds
        except MerlinError as error:
            log.warning("work failed and is tried again", extra={"work": name, "reason": error.message})
            pause = min(max(pause, FIRST_PAUSE_SECONDS) * 2, max(LONGEST_PAUSE_SECONDS, every_seconds))
        except Exception:  # the edge of the loop: logged, and tried again later
            log.exception("work failed unexpectedly and is tried again", extra={"work": name})
            pause = min(max(pause, FIRST_PAUSE_SECONDS) * 2, max(LONGEST_PAUSE_SECONDS, every_seconds))
        await asyncio.sleep(pause)
