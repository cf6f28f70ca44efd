"""The one event loop behind the synchronous half: private, in a thread of its own, made when it is first needed.

So everything is written once, as coroutines, and works in a notebook, whose own loop is running already.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Iterator
from typing import Any, Generic, TypeVar

Result = TypeVar("Result")

_lock = threading.Lock()
_loops: dict[int, asyncio.AbstractEventLoop] = {}  # by process: a forked child has the memory, but not the thread


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Its result, waited for. Ctrl-C cancels it. Not to be called from a coroutine of this package."""
    future = asyncio.run_coroutine_threadsafe(work, _loop())
    try:
        return future.result()
    except BaseException:  # whatever ends the wait, Ctrl-C above all, ends the work too
        future.cancel()
        raise


def run_soon(work: Coroutine[Any, Any, Any]) -> None:
    """Run it without waiting for it, from whatever thread, this loop's own too; when Python ends, for half a second."""
    loop = _loops.get(os.getpid())
    if loop is None:
        work.close()
        return
    future = asyncio.run_coroutine_threadsafe(work, loop)
    if not threading.main_thread().is_alive():  # so it is at exit, while this loop's thread still runs
        with contextlib.suppress(Exception):
            future.result(0.5)


def iterate(stream: AsyncIterator[Result]) -> Iterator[Result]:
    """Its items, each asked for when you want it; leaving the loop early, by Ctrl-C too, closes it."""
    reader = _Reader(stream)
    try:
        while True:
            try:
                yield run(reader.next())
            except StopAsyncIteration:
                return
    finally:
        run_soon(reader.close())


class _Reader(Generic[Result]):
    """Reads one stream, an item at a time, and can be closed while it waits for one."""

    def __init__(self, stream: AsyncIterator[Result]) -> None:
        self._stream = stream
        self._waiting: asyncio.Task[Any] | None = None

    async def next(self) -> Result:
        self._waiting = asyncio.current_task()
        return await anext(self._stream)

    async def close(self) -> None:
        waiting = self._waiting
        if waiting is not None and not waiting.done():
            waiting.cancel()
            await asyncio.wait({waiting}, timeout=5)
        if isinstance(self._stream, AsyncGenerator):
            await self._stream.aclose()


def _loop() -> asyncio.AbstractEventLoop:
    with _lock:
        loop = _loops.get(os.getpid())
        if loop is None:
            loop = _loops[os.getpid()] = asyncio.new_event_loop()
            threading.Thread(target=loop.run_forever, name="merlin-client", daemon=True).start()
        return loop
