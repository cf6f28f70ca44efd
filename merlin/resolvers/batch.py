"""Loads that are asked for one by one and done together.

All keys asked for in one turn of the event loop become one call. Nothing is kept afterwards, so a loader may live as
long as a WebSocket and never shows anything old.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Batch(Generic[Key, Value]):
    """A loader over ``load``, which answers many keys at once; keys that it leaves out are ``None``."""

    def __init__(self, load: Callable[[Sequence[Key]], Awaitable[Mapping[Key, Value]]]) -> None:
        self._load = load
        self._waiting: dict[Key, asyncio.Future[Value | None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def __call__(self, key: Key) -> Value | None:
        """The value of one key. Raises what the load raises."""
        future = self._waiting.get(key)
        if future is None:
            loop = asyncio.get_running_loop()
            if not self._waiting:
                loop.call_soon(self._begin)
            future = self._waiting[key] = loop.create_future()
        # One of several who wait for it may be cancelled; the others still want it.
        return await asyncio.shield(future)

    def _begin(self) -> None:
        waiting, self._waiting = self._waiting, {}
        task = asyncio.get_running_loop().create_task(self._run(waiting))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, waiting: Mapping[Key, asyncio.Future[Value | None]]) -> None:
        try:
            found = await self._load(list(waiting))
        except Exception as error:  # noqa: BLE001 (whoever waits gets it)
            for future in waiting.values():
                future.set_exception(error)
                future.exception()  # if nobody waits any more, nobody needs to be told
            return
        for key, future in waiting.items():
            future.set_result(found.get(key))
