"""Locks that live as long as a connection: one holder at a time over all processes, freed at once by its death."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import AsyncIterator
from typing import Any

import asyncpg

from merlin.db.connection import own_connection, translated


@contextlib.asynccontextmanager
async def session_lock(key: str, *, url: str | None = None) -> AsyncIterator[asyncpg.Connection[Any] | None]:
    """The connection that holds the lock named ``key``, or ``None`` when somebody else does: it does not wait.

    The lock is exactly as alive as this connection. Who must not act without the lock does its writes on it
    (``transaction(connection)``): a connection that is lost then fails the write. Raises Unavailable.
    """
    async with own_connection(url, name=f"merlin lock {key}"[:63]) as connection:
        with translated():
            held = await connection.fetchval("SELECT pg_try_advisory_lock($1)", lock_number(key))
        yield connection if held else None


def lock_number(key: str) -> int:
    """The advisory lock's number for a name: 63 bits of its SHA-256, never the event log's."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") >> 1
