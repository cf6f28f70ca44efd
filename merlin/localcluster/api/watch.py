"""Streams of changes: a bounded window of the past for each kind, and everybody who listens.

An event is given to every watcher in the same turn of the loop as the write itself; a watcher that does not read is cut
off rather than waited for.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

import orjson

from merlin.localcluster.api.errors import Refused, expired
from merlin.localcluster.api.kinds import RESOURCES, Manifest, Resource
from merlin.localcluster.api.selectors import Selector
from merlin.localcluster.api.store import Change, Key, Store, Stored

WINDOW: Final = 1024  # events of each kind
BOOKMARK_SECONDS: Final = 10.0
_LONGEST_QUEUE: Final = 10_000
_INITIAL_END: Final = "k8s.io/initial-events-end"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a watcher asked for. ``after`` is the version to go on from; ``None`` begins with all there is."""

    resource: Resource
    namespace: str
    selector: Selector | None
    after: int | None
    seconds: float
    bookmarks: bool = False
    initial_bookmark: bool = False


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a stream."""

    type: str
    stored: Stored

    def line(self) -> bytes:
        """As it goes over the wire."""
        return b'{"type":"' + self.type.encode() + b'","object":' + self.stored.text + b"}\n"


class Watcher:
    """One stream; `events` yields batches until its time is over."""

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self.queue: deque[Event] = deque()
        self.ready = asyncio.Event()
        self.overrun = False

    def offer(self, change: Change) -> None:
        """Take the change, if it concerns this stream."""
        event = _seen(self.wanted, change)
        if event is None:
            return
        if len(self.queue) >= _LONGEST_QUEUE:
            self.overrun = True
        else:
            self.queue.append(event)
        self.ready.set()

    def drained(self) -> list[Event]:
        """Everything waiting."""
        events = list(self.queue)
        self.queue.clear()
        self.ready.clear()
        return events


class Hub:
    """The window of past changes, and the watchers of each kind."""

    def __init__(self, store: Store, *, window: int = WINDOW) -> None:
        self._store = store
        self._window = window
        self._past: dict[str, deque[Change]] = {resource.key: deque(maxlen=window) for resource in RESOURCES}
        self._forgotten: dict[str, int] = {resource.key: store.version for resource in RESOURCES}
        self._watchers: dict[str, set[Watcher]] = {resource.key: set() for resource in RESOURCES}
        self._stopping = asyncio.Event()
        store.listeners.append(self._take)

    def stop(self) -> None:
        """End every stream soon."""
        self._stopping.set()
        for watchers in self._watchers.values():
            for watcher in watchers:
                watcher.overrun = True
                watcher.ready.set()

    def oldest(self, resource: Resource) -> int:
        """A watch may go on from this version or any newer one."""
        return self._forgotten[resource.key]

    def listed_at(self, resource: Resource, namespace: str, version: int) -> list[tuple[Key, Stored]]:
        """All of a kind as it was at that version, which the window must reach."""
        found = dict(self._store.listed(resource, namespace))
        for change in reversed(self._past[resource.key]):
            if change.last.version <= version:
                break
            if change.old is None:
                found.pop(change.key, None)
            elif not namespace or change.key[0] == namespace:
                found[change.key] = change.old
        return sorted(found.items(), key=lambda one: one[0])

    async def events(self, wanted: Wanted) -> AsyncIterator[list[Event]]:
        """Batches of events. An expired version is one ERROR event, as a real server sends it."""
        if wanted.after is not None and wanted.after < self.oldest(wanted.resource):
            yield [_error(expired(f"too old resource version: {wanted.after} ({self.oldest(wanted.resource)})"))]
            return
        watcher = Watcher(wanted)
        initial = self._initial(wanted)  # in the same turn as the registration: nothing falls between
        watchers = self._watchers[wanted.resource.key]
        watchers.add(watcher)
        try:
            yield initial
            async for batch in self._live(watcher):
                yield batch
        finally:
            watchers.discard(watcher)

    async def _live(self, watcher: Watcher) -> AsyncIterator[list[Event]]:
        wanted, loop = watcher.wanted, asyncio.get_running_loop()
        end = loop.time() + wanted.seconds
        told = self._store.version
        while not self._stopping.is_set():
            left = end - loop.time()
            if left <= 0 or watcher.overrun:
                break
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left, BOOKMARK_SECONDS)):
                    await watcher.ready.wait()
            # Whatever ended the wait, what is queued goes first: behind a bookmark nobody would ask for it again.
            if events := watcher.drained():
                yield events
            elif wanted.bookmarks and self._store.version != told and left > BOOKMARK_SECONDS:
                told = self._store.version
                yield [_bookmark(wanted.resource, told)]
        if wanted.bookmarks and not watcher.overrun:
            # In one batch, as a change during the writing of the events would be older than a bookmark made after it.
            yield [*watcher.drained(), _bookmark(wanted.resource, self._store.version)]

    def _initial(self, wanted: Wanted) -> list[Event]:
        if wanted.after is not None:
            past = (change for change in self._past[wanted.resource.key] if change.last.version > wanted.after)
            return [event for change in past if (event := _seen(wanted, change)) is not None]
        listed = self._store.listed(wanted.resource, wanted.namespace)
        choose = wanted.selector
        events = [Event("ADDED", one) for _, one in listed if choose is None or choose(one.manifest)]
        if wanted.initial_bookmark:
            events.append(_bookmark(wanted.resource, self._store.version, {_INITIAL_END: "true"}))
        return events

    def _take(self, change: Change) -> None:
        past = self._past[change.resource.key]
        if len(past) == self._window:
            self._forgotten[change.resource.key] = past[0].last.version
        past.append(change)
        for watcher in self._watchers[change.resource.key]:
            watcher.offer(change)


def _seen(wanted: Wanted, change: Change) -> Event | None:
    """The change as this stream sees it: leaving the selection is a deletion, entering it an addition."""
    if wanted.namespace and change.key[0] != wanted.namespace:
        return None
    choose = wanted.selector
    was = change.old is not None and (choose is None or choose(change.old.manifest))
    now = change.new is not None and (choose is None or choose(change.new.manifest))
    if now:
        return Event("MODIFIED" if was else "ADDED", change.last)
    if not was:
        return None
    return Event("DELETED", change.last if change.new is None else _as_it_was(change))


def _as_it_was(change: Change) -> Stored:
    """The object when it was last in the selection, with the version of the change that took it out."""
    assert change.old is not None  # noqa: S101  # it was in the selection
    manifest, version = change.old.manifest, change.last.version
    manifest = {**manifest, "metadata": {**manifest["metadata"], "resourceVersion": str(version)}}
    return Stored(manifest, orjson.dumps(manifest), version)


def _bookmark(resource: Resource, version: int, annotations: Manifest | None = None) -> Event:
    metadata: Manifest = {"resourceVersion": str(version), "creationTimestamp": None}
    if annotations:
        metadata["annotations"] = annotations
    manifest = {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": metadata}
    return Event("BOOKMARK", Stored(manifest, orjson.dumps(manifest), version))


def _error(refused: Refused) -> Event:
    return Event("ERROR", Stored(refused.body, orjson.dumps(refused.body), 0))
