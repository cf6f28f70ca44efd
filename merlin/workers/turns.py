"""Whose turn it is: one reconciliation of one endpoint at a time, over all workers.

In this process by a lock in memory; between processes by a session advisory lock, which a kill -9 frees at once. The
connections that hold these locks are kept and used again, since opening one costs more than the rest of a job.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any
from weakref import WeakValueDictionary

import asyncpg

from merlin.db.connection import own_connection, translated
from merlin.db.locks import lock_number
from merlin.errors import MerlinError


class Turns:
    """Turns over keys; `close` at the end. At most ``most`` are held at once, others wait."""

    def __init__(self, most: int = 8) -> None:
        self._idle: list[tuple[contextlib.AsyncExitStack, asyncpg.Connection[Any]]] = []
        self._places = asyncio.Semaphore(most)
        self._local: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            stack, _ = self._idle.pop()
            await stack.aclose()

    @contextlib.asynccontextmanager
    async def take(self, key: str) -> AsyncIterator[bool]:
        """Whether the turn is ours until the block ends; false when another process has it. Raises Unavailable.

        Within this process it waits: the job that comes after reads what this one wrote.
        """
        local = self._local.setdefault(key, asyncio.Lock())
        async with local, self._places:
            stack, connection = await self._connection()
            number = lock_number(key)
            try:
                with translated():
                    held = bool(await connection.fetchval("SELECT pg_try_advisory_lock($1)", number))
                yield held
                if held:
                    with translated():
                        await connection.execute("SELECT pg_advisory_unlock($1)", number)
            except BaseException:  # the connection may still hold the lock: closing it lets go for certain
                with contextlib.suppress(MerlinError):
                    await stack.aclose()
                raise
            self._idle.append((stack, connection))

    async def _connection(self) -> tuple[contextlib.AsyncExitStack, asyncpg.Connection[Any]]:
        while self._idle:
            stack, connection = self._idle.pop()
            if not connection.is_closed():
                return stack, connection
            await stack.aclose()
        stack = contextlib.AsyncExitStack()
        return stack, await stack.enter_async_context(own_connection())
