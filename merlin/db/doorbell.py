"""The doorbell: one connection per process that listens for what transactions notify on commit.

A notification is a hint, never content: who hears it reads again. One that was lost (the connection broke, or stalls
without a word) costs only time, for every reconnect rings everybody as a gap and every listener also wakes on its own
now and then. The connection must not pass a transaction pooler.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

import asyncpg

from merlin.db import dry_runs, events, outbox
from merlin.db.connection import own_connection, translated
from merlin.errors import MerlinError

log = logging.getLogger(__name__)

CHANNELS = (events.CHANNEL, outbox.CHANNEL, dry_runs.CHANNEL)
HEARTBEAT_SECONDS = 5.0
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Ring:
    """What came since the last ring. ``gap``: something may have been missed, read everything again."""

    payloads: frozenset[str] = frozenset()
    gap: bool = False


class _Listener:
    """Rings that one reader has not fetched yet, folded into one: it never grows with their number."""

    def __init__(self) -> None:
        self._payloads: set[str] = set()
        self._gap = True
        self._rung = asyncio.Event()
        self._rung.set()

    def ring(self, payload: str | None) -> None:
        if payload is None or len(self._payloads) >= 10_000:  # a gap says it all; the number is a guess
            self._gap = True
            self._payloads.clear()
        else:
            self._payloads.add(payload)
        self._rung.set()

    async def next(self, seconds: float) -> Ring:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        ring = Ring(frozenset(self._payloads), self._gap)
        self._payloads.clear()
        self._gap = False
        self._rung.clear()
        return ring


class Doorbell:
    """Use as ``async with Doorbell(direct_url) as doorbell``; it reconnects by itself until the block ends."""

    def __init__(self, direct_url: str, *, heartbeat_seconds: float = HEARTBEAT_SECONDS) -> None:
        self._url = direct_url
        self._heartbeat = heartbeat_seconds
        self._listeners: dict[str, set[_Listener]] = {channel: set() for channel in CHANNELS}
        self._task: asyncio.Task[None] | None = None
        self._connected = asyncio.Event()
        self.connections = 0

    async def __aenter__(self) -> Doorbell:
        self._task = asyncio.create_task(self._keep_listening(), name="doorbell")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def connected(self, seconds: float = 10.0) -> None:
        """Wait until it listens. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            await self._connected.wait()

    @property
    def is_connected(self) -> bool:
        """Whether it listens now, as far as the last heartbeat knows."""
        return self._connected.is_set()

    async def rings(self, channel: str, *, at_least_every: float = 5.0) -> AsyncGenerator[Ring, None]:
        """A ring at once (a gap), then one after notifications, after each reconnect, and at least that often.

        Notifications while the reader is busy fold into one ring. Ends only by the reader's leaving.
        """
        listener = _Listener()
        self._listeners[channel].add(listener)
        try:
            while True:
                yield await listener.next(at_least_every)
        finally:
            self._listeners[channel].discard(listener)

    async def _keep_listening(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            before = self.connections
            try:
                await self._listen()
            except MerlinError as error:
                log.warning("doorbell lost its connection", extra={"reason": error.message})
            except (asyncpg.PostgresError, OSError):
                log.warning("doorbell lost its connection", exc_info=True)
            finally:
                self._connected.clear()
            pause = FIRST_PAUSE_SECONDS if self.connections > before else min(pause * 2, LONGEST_PAUSE_SECONDS)
            await asyncio.sleep(pause)

    async def _listen(self) -> None:
        """Listen until the connection ends. Raises Unavailable, or returns, when it does."""
        async with own_connection(self._url, name="merlin doorbell") as connection:
            ended = asyncio.Event()
            connection.add_termination_listener(lambda _: ended.set())
            with translated():
                for channel in CHANNELS:
                    await connection.add_listener(channel, self._hear)
            self.connections += 1
            self._connected.set()
            self._ring_all()
            while not ended.is_set():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._heartbeat):
                        await ended.wait()
                    return
                with translated():
                    # A stalled connection says nothing at all: ask it.
                    await connection.fetchval("SELECT 1", timeout=self._heartbeat)

    def _hear(self, _connection: Any, _pid: int, channel: str, payload: object) -> None:
        for listener in self._listeners[channel]:
            listener.ring(str(payload))

    def _ring_all(self) -> None:
        for listeners in self._listeners.values():
            for listener in listeners:
                listener.ring(None)
