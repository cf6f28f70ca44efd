"""Deletion: at once, after a grace period, or once nothing holds the object any more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from merlin.localcluster.api import errors
from merlin.localcluster.api.kinds import NAMESPACES, PODS, Manifest, Resource
from merlin.localcluster.api.store import Store

FOREGROUND: Final = "foregroundDeletion"
ORPHAN: Final = "orphan"
_PROTECTED: Final = ("default", "kube-system", "kube-public")


class Deleter:
    """The one door to deleting objects."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def delete(
        self, resource: Resource, live: Manifest, options: Manifest, *, dry_run: bool = False
    ) -> tuple[Manifest, bool]:
        """The object as it looked last or looks now, and whether it is gone. Raises Refused (409, 403)."""
        metadata = live["metadata"]
        self._check_preconditions(resource, live, options)
        if resource is NAMESPACES and metadata["name"] in _PROTECTED:
            raise errors.forbidden(resource, metadata["name"], "this namespace may not be deleted")
        grace = _grace_seconds(resource, live, options)
        held = _finalizers(resource, live, options)
        known = metadata.get("deletionGracePeriodSeconds")
        if grace == 0 and not held:
            return (live if dry_run else self._store.remove(resource, live)), True
        if "deletionTimestamp" in metadata and known is not None and grace >= known:
            if held == (metadata.get("finalizers") or []):
                return live, False
            grace = known
        marked = _marked(live, grace, held)
        if resource is NAMESPACES:
            marked["status"] = {**(live.get("status") or {}), "phase": "Terminating"}
        return (marked if dry_run else self._store.put(resource, marked)), False

    def _check_preconditions(self, resource: Resource, live: Manifest, options: Manifest) -> None:
        wanted = options.get("preconditions") or {}
        metadata = live["metadata"]
        for field, what in (("uid", "UID"), ("resourceVersion", "ResourceVersion")):
            if wanted.get(field) and wanted[field] != metadata[field]:
                raise errors.wrong_precondition(resource, metadata["name"], what, wanted[field], metadata[field])


def _marked(live: Manifest, grace: int, held: list[str]) -> Manifest:
    metadata: dict[str, Any] = {**live["metadata"]}
    if "deletionTimestamp" not in metadata and metadata.get("generation"):
        metadata["generation"] += 1
    metadata["deletionTimestamp"] = (datetime.now(UTC) + timedelta(seconds=grace)).strftime("%Y-%m-%dT%H:%M:%SZ")
    if "deletionTimestamp" in live["metadata"] and grace == live["metadata"].get("deletionGracePeriodSeconds"):
        metadata["deletionTimestamp"] = live["metadata"]["deletionTimestamp"]
    metadata["deletionGracePeriodSeconds"] = grace
    if held and live["kind"] != "Namespace":
        metadata["finalizers"] = held
    return {**live, "metadata": metadata}


def _grace_seconds(resource: Resource, live: Manifest, options: Manifest) -> int:
    """Only pods that were given to a node, and run there, end gracefully: their kubelet says when."""
    if resource is not PODS or not (live["spec"].get("nodeName")):
        return 0
    if (live.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return 0
    asked = options.get("gracePeriodSeconds")
    return max(0, int(live["spec"].get("terminationGracePeriodSeconds", 30) if asked is None else asked))


def _finalizers(resource: Resource, live: Manifest, options: Manifest) -> list[str]:
    finalizers = list(live["metadata"].get("finalizers") or [])
    policy = options.get("propagationPolicy")
    if options.get("orphanDependents"):
        policy = "Orphan"
    for name, wanted in ((FOREGROUND, "Foreground"), (ORPHAN, "Orphan")):
        if policy == wanted and name not in finalizers:
            finalizers.append(name)
        elif policy and policy != wanted and name in finalizers:
            finalizers.remove(name)
    if resource is NAMESPACES:
        return finalizers + list((live.get("spec") or {}).get("finalizers") or [])
    return finalizers
