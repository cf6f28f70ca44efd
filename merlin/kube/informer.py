"""What a cluster holds of one kind, kept up to date: list, watch, and list again where the watch was lost.

Objects are reduced to what is asked of them before they are kept: thousands of whole pods would not fit. Who reads the
store before `complete` is set must treat what is not in it as unknown.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Final, Generic, Protocol, TypeVar

from merlin.errors import MerlinError
from merlin.kube.client import Listed, WatchEvent
from merlin.kube.kinds import Kind, Manifest
from merlin.kube.refusals import Expired

log = logging.getLogger(__name__)

WATCH_SECONDS: Final = 60  # a watch on a dead connection is found out after this and a margin
FIRST_PAUSE_SECONDS: Final = 0.1
LONGEST_PAUSE_SECONDS: Final = 3.0
RELIST_AFTER: Final = 3

Kept = TypeVar("Kept")
Key = tuple[str, str]
Changed = Callable[[Kept | None, Kept | None], None]


class Watchable(Protocol):
    """The two calls of a cluster's door that an informer needs."""

    async def list_all(self, kind: Kind, namespace: str | None = None, *, labels: str = "", fields: str = "") -> Listed:
        """See `merlin.kube.client.ReadOnlyCluster.list_all`."""

    def watch(
        self,
        kind: Kind,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
        resource_version: str,
        seconds: int,
    ) -> AsyncIterator[WatchEvent]:
        """See `merlin.kube.client.ReadOnlyCluster.watch`."""


class Informer(Generic[Kept]):
    """Objects of one kind, by (namespace, name).

    ``keep`` reduces an object (``None`` = not of interest); ``changed`` is called with what was kept before and is
    kept now, once the store says so. Neither may raise or wait.
    """

    def __init__(
        self,
        cluster: Watchable,
        kind: Kind,
        *,
        keep: Callable[[Manifest], Kept | None],
        changed: Changed[Kept],
        namespace: str | None = None,
        labels: str = "",
        on_reachable: Callable[[bool, str], None] | None = None,
    ) -> None:
        self._cluster = cluster
        self._kind = kind
        self._keep = keep
        self._changed = changed
        self._namespace = namespace
        self._labels = labels
        self._on_reachable = on_reachable
        self.store: dict[Key, Kept] = {}
        self.complete = asyncio.Event()
        self.unreachable_since: datetime | None = None
        self._seen = ""
        self._failures = 0

    async def run(self) -> None:
        """Keep the store up to date until cancelled; survives every trouble of the cluster."""
        pause = FIRST_PAUSE_SECONDS
        version: str | None = None
        while True:
            try:
                if version is None:
                    version = await self._list()
                    pause = FIRST_PAUSE_SECONDS
                version = await self._watch(version)
                pause = FIRST_PAUSE_SECONDS
            except Expired:
                version = None
            except MerlinError as error:
                self._note_trouble(error)
                # From the same version: nothing is missed, and a list of everything is spared. But a server that lost
                # its state may wait for that version for ever.
                self._failures += 1
                version = self._seen if self._seen and self._failures < RELIST_AFTER else None
                # Apart from each other, so that all watches of all processes do not come back at once.
                await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _list(self) -> str:
        listed = await self._cluster.list_all(self._kind, self._namespace, labels=self._labels)
        self._note_well()
        current: dict[Key, Kept] = {}
        for item in listed.items:
            kept = self._keep(item)
            if kept is not None:
                current[_key(item)] = kept
        before, self.store = self.store, current
        self.complete.set()
        self._failures = 0
        self._seen = listed.resource_version
        for key in before.keys() | current.keys():
            if before.get(key) != current.get(key):
                self._changed(before.get(key), current.get(key))
        return listed.resource_version

    async def _watch(self, version: str) -> str:
        """Follow the changes after ``version`` for a while; the version to go on from."""
        seconds = WATCH_SECONDS + random.randrange(10)  # noqa: S311
        async for event in self._cluster.watch(
            self._kind, self._namespace, labels=self._labels, resource_version=version, seconds=seconds
        ):
            self._note_well()
            if event.type == "OPENED":
                continue
            self._failures = 0
            self._seen = version = str(event.object["metadata"]["resourceVersion"])
            if event.type != "BOOKMARK":
                self._take(event)
        self._note_well()
        return version

    def _take(self, event: WatchEvent) -> None:
        key = _key(event.object)
        before = self.store.pop(key, None)
        kept = None if event.type == "DELETED" else self._keep(event.object)
        if kept is not None:
            self.store[key] = kept
        if before != kept:
            self._changed(before, kept)

    def _note_well(self) -> None:
        if self.unreachable_since is not None:
            self.unreachable_since = None
            log.info("cluster answers again", extra={"kind": self._kind.kind})
            if self._on_reachable is not None:
                self._on_reachable(True, "")

    def _note_trouble(self, error: MerlinError) -> None:
        if self.unreachable_since is None:
            self.unreachable_since = datetime.now(UTC)
            log.warning("watch was lost", extra={"kind": self._kind.kind, "reason": error.message})
            if self._on_reachable is not None:
                self._on_reachable(False, error.message)


def _key(manifest: Manifest) -> Key:
    metadata = manifest["metadata"]
    return str(metadata.get("namespace", "")), str(metadata["name"])
