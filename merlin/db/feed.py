"""One reader of the event log per process: it fetches each new event once and hands it to every subscriber in memory.

A subscriber replays what it missed from the table, then goes on live, without a gap and without a duplicate: it joins
the live ones first and reads the table once more after that, and numbers only ever rise. Nobody waits for a slow
subscriber: when its queue is full it is cut off with an error that says where to resume.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Collection, Iterator
from uuid import UUID

from merlin.db.doorbell import Doorbell, Ring
from merlin.db.events import (
    CHANNEL,
    EventFilter,
    StoredEvent,
    events_after,
    newest_cursor,
    parse_cursor,
)
from merlin.errors import CursorExpired, MerlinError, Unavailable

log = logging.getLogger(__name__)

QUEUE_LENGTH = 1000
PAGE = 500
POLL_SECONDS = 5.0  # heard notifications come at once; this is for the ones that were not


class _Subscriber:
    def __init__(self, filter: EventFilter, length: int) -> None:
        self.filter = filter
        # None, put when it is cut off while empty, wakes a reader that waits.
        self.queue: asyncio.Queue[StoredEvent | None] = asyncio.Queue(length)
        self.is_cut_off = False

    def offer(self, event: StoredEvent) -> None:
        if self.is_cut_off or not self.filter.matches(event):
            return
        try:
            self.queue.put_nowait(event)
        except asyncio.QueueFull:
            self.is_cut_off = True

    def cut_off(self) -> None:
        self.is_cut_off = True
        with contextlib.suppress(asyncio.QueueFull):
            self.queue.put_nowait(None)


class _Watcher:
    def __init__(self, subjects: Collection[UUID]) -> None:
        self.subjects = frozenset(map(str, subjects))
        self.changed = asyncio.Event()


class EventFeed:
    """Use as ``async with EventFeed(doorbell) as feed``, inside `open_database`."""

    def __init__(self, doorbell: Doorbell, *, queue_length: int = QUEUE_LENGTH) -> None:
        self._doorbell = doorbell
        self._queue_length = queue_length
        self._subscribers: set[_Subscriber] = set()
        self._watchers: set[_Watcher] = set()
        self._cursor: str | None = None
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> EventFeed:
        self._cursor = await newest_cursor()
        self._task = asyncio.create_task(self._read(), name="event feed")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    @property
    def followers(self) -> int:
        """How many follow live now; for metrics."""
        return len(self._subscribers)

    async def follow(
        self, *, after: str | None = None, filter: EventFilter | None = None
    ) -> AsyncGenerator[StoredEvent, None]:
        """Matching events after a cursor, then new ones for ever, in order; ``None`` = from now.

        Raises CursorExpired and InvalidInput (see `events_after`); Unavailable, its hint the cursor to resume after,
        when the reader is too slow. Close it (``aclosing``) when you leave early.
        """
        wanted = filter or EventFilter()
        cursor = after if after is not None else await newest_cursor()
        page = await events_after(cursor, filter=wanted, limit=PAGE)
        while page.has_more:  # far behind: catch up before joining, so that the queue need not hold all of that time
            for event in page.events:
                yield event
            page = await events_after(page.cursor, filter=wanted, limit=PAGE)
        for event in page.events:
            yield event
        with self._joined(wanted) as subscriber:
            cursor = page.cursor
            async for event in self._replayed(cursor, wanted):
                yield event
                cursor = event.cursor
            async for event in self._live(subscriber, cursor):
                yield event

    async def changes(self, subjects: Collection[UUID], *, at_least_every: float = 60.0) -> AsyncGenerator[None, None]:
        """An item at once, then one whenever something about the subjects changed; several changes fold into one.

        Whoever gets it reads the state afresh. After a lost connection, and now and then, it comes without a change.
        """
        watcher = _Watcher(subjects)
        watcher.changed.set()
        self._watchers.add(watcher)
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(at_least_every):
                        await watcher.changed.wait()
                watcher.changed.clear()
                yield
        finally:
            self._watchers.discard(watcher)

    @contextlib.contextmanager
    def _joined(self, filter: EventFilter) -> Iterator[_Subscriber]:
        subscriber = _Subscriber(filter, self._queue_length)
        self._subscribers.add(subscriber)
        try:
            yield subscriber
        finally:
            self._subscribers.discard(subscriber)

    async def _replayed(self, cursor: str, filter: EventFilter) -> AsyncGenerator[StoredEvent, None]:
        while True:
            page = await events_after(cursor, filter=filter, limit=PAGE)
            for event in page.events:
                yield event
            if not page.has_more:
                return
            cursor = page.cursor

    async def _live(self, subscriber: _Subscriber, cursor: str) -> AsyncGenerator[StoredEvent, None]:
        _, last = parse_cursor(cursor)
        while True:
            event = None if subscriber.is_cut_off and subscriber.queue.empty() else await subscriber.queue.get()
            if event is None:
                raise Unavailable("This reader cannot follow; go on after the cursor in the hint.", hint=cursor)
            if event.id > last:
                last, cursor = event.id, event.cursor
                yield event

    async def _read(self) -> None:
        async for ring in self._doorbell.rings(CHANNEL, at_least_every=POLL_SECONDS):
            self._tell_watchers(ring)
            try:
                await self._fetch()
            except MerlinError as error:
                # The next ring, or the doorbell's reconnect, reads from the same place again.
                log.warning("events could not be read", extra={"reason": error.message})
            except Exception:  # the loop's edge: else every subscriber would wait for ever
                log.exception("events could not be read")

    def _tell_watchers(self, ring: Ring) -> None:
        for watcher in self._watchers:
            if ring.gap or not watcher.subjects.isdisjoint(ring.payloads):
                watcher.changed.set()

    async def _fetch(self) -> None:
        while True:
            try:
                page = await events_after(self._cursor, limit=PAGE)
            except CursorExpired as error:
                await self._start_over(error)
                return
            for event in page.events:
                for subscriber in self._subscribers:
                    subscriber.offer(event)
            # Also those whose ring was lost with the connection.
            self._tell_watchers(Ring(frozenset(str(event.subject_id) for event in page.events)))
            self._cursor = page.cursor
            if not page.has_more:
                return

    async def _start_over(self, error: CursorExpired) -> None:
        """The log is not the one we knew (pruned under us, or another epoch): every subscriber resumes by itself."""
        log.warning("the event log moved on", extra={"oldest": error.hint})
        self._cursor = await newest_cursor()
        for subscriber in self._subscribers:
            subscriber.cut_off()
