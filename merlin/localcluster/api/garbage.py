"""What follows from a deletion: dependents of what is gone, contents of a namespace that ends; and quotas' status.

One task, woken by every change; it works from the state alone, so after a restart it goes on where it was.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from datetime import UTC, datetime, timedelta
from typing import Final

from merlin.localcluster.api import quota
from merlin.localcluster.api.deleting import FOREGROUND, ORPHAN, Deleter
from merlin.localcluster.api.errors import Refused
from merlin.localcluster.api.kinds import EVENTS, NAMESPACES, PODS, RESOURCE_QUOTAS, STORED, Manifest, Resource
from merlin.localcluster.api.store import Change, Store

log = logging.getLogger(__name__)

EVENTS_KEPT: Final = timedelta(hours=1)
_SWEEP_SECONDS: Final = 60.0
_BACKGROUND: Final[Manifest] = {"propagationPolicy": "Background"}
_FOREGROUND: Final[Manifest] = {"propagationPolicy": "Foreground"}
Found = tuple[Resource, Manifest]


class Collector:
    """Runs until cancelled."""

    def __init__(self, store: Store, deleter: Deleter) -> None:
        self._store = store
        self._deleter = deleter
        self._dependents: dict[str, set[str]] = {}  # by the uid of an owner
        self._suspects: dict[str, None] = {}  # uids of objects to look at, oldest first
        self._orphaned: dict[str, None] = {}  # uids of owners that are gone
        self._namespaces: dict[str, None] = {}
        self._quotas: dict[str, None] = {}
        self._wake = asyncio.Event()
        for resource in STORED:
            for manifest in store.manifests(resource):
                self._note(resource, manifest, None)
        store.listeners.append(self._take)

    async def run(self) -> None:
        """Collect whatever there is to collect, then wait for changes."""
        loop = asyncio.get_running_loop()
        sweep = loop.time() + _SWEEP_SECONDS
        while True:
            self._collect()
            if loop.time() >= sweep:
                sweep = loop.time() + _SWEEP_SECONDS
                self._forget_old_events()
            try:
                async with asyncio.timeout(_SWEEP_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                continue
            # Let the writer answer first.
            await asyncio.sleep(0)

    def _collect(self) -> None:
        self._wake.clear()
        while self._orphaned or self._suspects or self._namespaces or self._quotas:
            try:
                self._step()
            except (Refused, sqlite3.Error) as error:
                log.warning("collecting failed", extra={"reason": str(error)})

    def _step(self) -> None:
        if self._orphaned:
            owner = _first(self._orphaned)
            self._suspects.update(dict.fromkeys(self._dependents.get(owner, ())))
        elif self._suspects:
            found = self._store.by_uid(_first(self._suspects))
            if found is not None:
                self._examine(*found)
        elif self._namespaces:
            self._empty(_first(self._namespaces))
        else:
            self._count(_first(self._quotas))

    def _take(self, change: Change) -> None:
        if change.new is None:
            manifest = change.last.manifest
            uid = manifest["metadata"]["uid"]
            self._forget(uid, manifest)
            if uid in self._dependents:
                self._orphaned[uid] = None
            for owner in _owner_uids(manifest):
                self._look_at(owner)
        else:
            self._note(change.resource, change.new.manifest, change.old.manifest if change.old else None)
        self._wake_for_namespace(change)
        if self._orphaned or self._suspects or self._namespaces or self._quotas:
            self._wake.set()

    def _wake_for_namespace(self, change: Change) -> None:
        namespace = change.key[0]
        if change.resource is NAMESPACES and change.new is not None:
            if "deletionTimestamp" in change.new.manifest["metadata"]:
                self._namespaces[change.key[1]] = None
        elif namespace:
            if change.new is None:
                ending = self._store.get(NAMESPACES, "", namespace)
                if ending is not None and "deletionTimestamp" in ending["metadata"]:
                    self._namespaces[namespace] = None
            if (
                change.resource is PODS or change.new is None or change.old is None
            ) or change.resource is RESOURCE_QUOTAS:
                self._quotas[namespace] = None

    def _note(self, resource: Resource, manifest: Manifest, old: Manifest | None) -> None:
        metadata = manifest["metadata"]
        owners = _owner_uids(manifest)
        if old is None or _owner_uids(old) != owners:
            if old is not None:
                self._forget(metadata["uid"], old)
            for owner in owners:
                self._dependents.setdefault(owner, set()).add(metadata["uid"])
            if owners:
                self._look_at(metadata["uid"])
        if "deletionTimestamp" in metadata:
            if {FOREGROUND, ORPHAN} & set(metadata.get("finalizers") or []):
                self._look_at(metadata["uid"])
            if resource is NAMESPACES:
                self._namespaces[metadata["name"]] = None

    def _look_at(self, uid: str) -> None:
        self._suspects[uid] = None

    def _forget(self, uid: str, manifest: Manifest) -> None:
        for owner in _owner_uids(manifest):
            dependents = self._dependents.get(owner)
            if dependents is not None:
                dependents.discard(uid)
                if not dependents:
                    del self._dependents[owner]

    def _examine(self, resource: Resource, manifest: Manifest) -> None:
        metadata = manifest["metadata"]
        finalizers = metadata.get("finalizers") or []
        if "deletionTimestamp" in metadata and ORPHAN in finalizers:
            for dependent in self._dependents_of(metadata["uid"]):
                self._disown(*dependent, {metadata["uid"]})
            self._release(resource, manifest, ORPHAN)
        elif "deletionTimestamp" in metadata and FOREGROUND in finalizers:
            self._end_dependents(resource, manifest)
        elif owners := metadata.get("ownerReferences") or []:
            self._judge(resource, manifest, owners)

    def _judge(self, resource: Resource, manifest: Manifest, owners: list[Manifest]) -> None:
        gone = {owner["uid"] for owner in owners if not self._owner_lives(manifest, owner)}
        if not gone:
            return
        if len(gone) < len(owners):
            self._disown(resource, manifest, gone)
        elif "deletionTimestamp" not in manifest["metadata"]:
            self._deleter.delete(resource, manifest, _BACKGROUND)

    def _owner_lives(self, manifest: Manifest, owner: Manifest) -> bool:
        found = self._store.by_uid(owner["uid"])
        if found is None:
            return False
        namespace = found[1]["metadata"].get("namespace")
        return namespace is None or namespace == manifest["metadata"].get("namespace")

    def _dependents_of(self, uid: str) -> list[Found]:
        found = (self._store.by_uid(one) for one in list(self._dependents.get(uid, ())))
        return [one for one in found if one is not None]

    def _end_dependents(self, resource: Resource, manifest: Manifest) -> None:
        uid = manifest["metadata"]["uid"]
        for dependent in self._dependents_of(uid):
            if "deletionTimestamp" not in dependent[1]["metadata"]:
                self._deleter.delete(*dependent, _FOREGROUND)
        blocking = [
            one
            for _, one in self._dependents_of(uid)
            if any(ref["uid"] == uid and ref.get("blockOwnerDeletion") for ref in one["metadata"]["ownerReferences"])
        ]
        if not blocking:
            self._release(resource, manifest, FOREGROUND)

    def _disown(self, resource: Resource, manifest: Manifest, gone: set[str]) -> None:
        owners = [owner for owner in manifest["metadata"].get("ownerReferences") or [] if owner["uid"] not in gone]
        metadata = {**manifest["metadata"], "ownerReferences": owners}
        if not owners:
            del metadata["ownerReferences"]
        self._store.put(resource, {**manifest, "metadata": metadata})

    def _release(self, resource: Resource, manifest: Manifest, finalizer: str) -> None:
        kept = [one for one in manifest["metadata"].get("finalizers") or [] if one != finalizer]
        metadata = {**manifest["metadata"], "finalizers": kept}
        if kept or (metadata.get("deletionGracePeriodSeconds") or 0) > 0:
            if not kept:
                del metadata["finalizers"]
            self._store.put(resource, {**manifest, "metadata": metadata})
        else:
            self._store.remove(resource, {**manifest, "metadata": metadata})

    def _empty(self, name: str) -> None:
        """Delete what is in an ending namespace; when nothing is left, the namespace itself."""
        namespace = self._store.get(NAMESPACES, "", name)
        if namespace is None or "deletionTimestamp" not in namespace["metadata"]:
            return
        left = False
        for resource in STORED:
            if not resource.namespaced:
                continue
            for manifest in self._store.manifests(resource, name):
                current = self._store.by_uid(manifest["metadata"]["uid"])
                if current is not None and "deletionTimestamp" not in current[1]["metadata"]:
                    self._deleter.delete(resource, current[1], _BACKGROUND)
                left = left or self._store.by_uid(manifest["metadata"]["uid"]) is not None
        if not left:
            self._finish(namespace)

    def _finish(self, namespace: Manifest) -> None:
        spec = {**(namespace.get("spec") or {})}
        others = [one for one in spec.get("finalizers") or [] if one != "kubernetes"]
        if others or namespace["metadata"].get("finalizers"):
            spec["finalizers"] = others
            if spec != namespace.get("spec"):
                self._store.put(NAMESPACES, {**namespace, "spec": spec})
        else:
            self._store.remove(NAMESPACES, namespace)

    def _count(self, namespace: str) -> None:
        for found in self._store.manifests(RESOURCE_QUOTAS, namespace):
            status = quota.status_of(self._store, found)
            if status != found.get("status"):
                self._store.put(RESOURCE_QUOTAS, {**found, "status": status})

    def _forget_old_events(self) -> None:
        oldest = (datetime.now(UTC) - EVENTS_KEPT).strftime("%Y-%m-%dT%H:%M:%SZ")
        for event in self._store.manifests(EVENTS):
            stamp = event.get("lastTimestamp") or event.get("eventTime") or event["metadata"]["creationTimestamp"]
            if str(stamp) < oldest:
                self._store.remove(EVENTS, event)


def _owner_uids(manifest: Manifest) -> list[str]:
    return [owner["uid"] for owner in manifest["metadata"].get("ownerReferences") or []]


def _first(queue: dict[str, None]) -> str:
    first = next(iter(queue))
    del queue[first]
    return first
