"""What a cluster holds of one kind, kept up to date: list, watch, and list again where the watch was lost.

A client that has just written tells the informer what the server answered (`note`), so that it never acts on a state
older than its own last write. That takes the place of the "expectations" of Kubernetes' own controllers, and it needs
resourceVersions that can be compared (both etcd's and ours are counters).
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Final

from merlin.localcluster.client import Expired, KubeClient, KubeError, Manifest, Resource

log = logging.getLogger(__name__)

Key = tuple[str, str]
"""(namespace, name); the namespace is empty for what has none."""

Changed = Callable[[Manifest | None, Manifest | None], None]
"""Called with the object before and now; ``None`` where there was or is none. May neither raise nor wait."""

WATCH_SECONDS: Final = 300  # a watch on a dead connection is found out after this and a margin
FIRST_PAUSE_SECONDS: Final = 0.05
LONGEST_PAUSE_SECONDS: Final = 3.0


class Informer:
    """Objects of one kind by (namespace, name). Until ``complete`` is set, what is not in the store is unknown."""

    def __init__(
        self, client: KubeClient, resource: Resource, namespace: str | None = None, labels: str = "", fields: str = ""
    ) -> None:
        self._client = client
        self._resource = resource
        self._namespace = namespace
        self._labels = labels
        self._fields = fields
        self._callbacks: list[Changed] = []
        self._version: str | None = None
        self.store: dict[Key, Manifest] = {}
        self.complete = asyncio.Event()

    @property
    def resource(self) -> Resource:
        """The kind that is kept."""
        return self._resource

    def subscribe(self, changed: Changed) -> None:
        """Call ``changed`` for every object there is now, and for every change from now on."""
        self._callbacks.append(changed)
        for item in self.store.values():
            changed(None, item)

    def get(self, namespace: str | None, name: str) -> Manifest | None:
        """The object as last seen."""
        return self.store.get((namespace or "", name))

    def note(self, written: Manifest) -> None:
        """Take what the server answered to a write, before the watch tells of it."""
        if "kind" in written and written["kind"] != "Status":
            self._take("MODIFIED", written)

    async def run(self) -> None:
        """Keep the store up to date until cancelled; survives every trouble of the API server."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                if self._version is None:
                    await self._list()
                started = asyncio.get_running_loop().time()
                await self._watch(self._version or "0")
                if asyncio.get_running_loop().time() - started < 1:
                    await asyncio.sleep(FIRST_PAUSE_SECONDS)  # a server that ends every watch at once
                pause = FIRST_PAUSE_SECONDS
            except Expired:
                self._version = None
            except KubeError as error:
                log.info("watch was lost", extra={"resource": self._resource.plural, "reason": error.message})
                if error.status:
                    # The server answered, so its state may be another than the one this version was of.
                    self._version = None
                await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _list(self) -> None:
        listed = await self._client.list(self._resource, self._namespace, labels=self._labels, fields=self._fields)
        found = {_key(item): item for item in listed.items}
        for key, item in self.store.items():
            # Written by ourselves after this list was made.
            if key not in found and _version(item) > int(listed.resource_version):
                found[key] = item
        before, self.store = self.store, found
        self._version = listed.resource_version
        self.complete.set()
        for key in before.keys() | found.keys():
            if before.get(key) != found.get(key):
                self._tell(before.get(key), found.get(key))

    async def _watch(self, version: str) -> None:
        seconds = WATCH_SECONDS + random.randrange(30)  # noqa: S311
        async for event in self._client.watch(
            self._resource,
            self._namespace,
            labels=self._labels,
            fields=self._fields,
            resource_version=version,
            seconds=seconds,
        ):
            self._version = str(event.object["metadata"]["resourceVersion"])
            if event.type != "BOOKMARK":
                self._take(event.type, event.object)

    def _take(self, type_: str, item: Manifest) -> None:
        key = _key(item)
        before = self.store.get(key)
        if before is not None and _version(item) < _version(before):
            return
        if type_ == "DELETED":
            if self.store.pop(key, None) is not None:
                self._tell(before, None)
        elif before != item:
            self.store[key] = item
            self._tell(before, item)

    def _tell(self, before: Manifest | None, now: Manifest | None) -> None:
        for changed in self._callbacks:
            changed(before, now)


def _key(item: Manifest) -> Key:
    metadata = item["metadata"]
    return str(metadata.get("namespace", "")), str(metadata["name"])


def _version(item: Manifest) -> int:
    text = str(item["metadata"].get("resourceVersion", "0"))
    return int(text) if text.isdigit() else 0
