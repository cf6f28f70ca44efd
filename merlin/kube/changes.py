"""What an apply would change in a cluster, object by object: what is there against the answer of a dry run. Pure.

What the server keeps for itself (status, versions, managed fields, addresses that it hands out) is no change, and
values of a Secret are never told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Final

from merlin.domain.difference import FieldChange, differences, masked_where
from merlin.kube.kinds import SECRET, Manifest

_SERVERS: Final = frozenset(
    {
        *("managedFields", "resourceVersion", "uid", "generation", "creationTimestamp", "selfLink"),
        *("deletionTimestamp", "deletionGracePeriodSeconds", "name", "namespace", "ownerReferences", "finalizers"),
    }
)
_HANDED_OUT: Final = frozenset({"clusterIP", "clusterIPs"})


class ChangeAction(Enum):
    """What becomes of an object."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class ObjectChange:
    """An object and its fields that change; of one that goes no fields are told."""

    action: ChangeAction
    api_version: str
    kind: str
    name: str
    namespace: str | None
    fields: tuple[FieldChange, ...] = ()


def change_of(found: Manifest | None, then: Manifest | None) -> ObjectChange:
    """What is done to an object that is ``found`` so and will be so ``then``; ``None`` = not there (never both)."""
    known = then or found
    if known is None:
        raise AssertionError("an object that neither is nor will be")
    fields: tuple[FieldChange, ...] = ()
    if then is None:
        action = ChangeAction.DELETE
    else:
        fields = differences(_essence(found), _essence(then))
        if known["kind"] == SECRET.kind:
            fields = masked_where(fields, "data", "stringData")
        action = ChangeAction.CREATE if found is None else ChangeAction.UPDATE if fields else ChangeAction.UNCHANGED
    metadata = known["metadata"]
    return ObjectChange(action, known["apiVersion"], known["kind"], metadata["name"], metadata.get("namespace"), fields)


def with_unknown(change: ObjectChange, unknown: str, shown: str) -> ObjectChange:
    """The change with ``shown`` wherever a value is ``unknown``: an id that only the deploy itself will make."""

    def told(value: Any) -> Any:
        return shown if value == unknown else value

    fields = tuple(FieldChange(f.path, told(f.before), told(f.after)) for f in change.fields)
    return replace(change, fields=fields)


def _essence(manifest: Manifest | None) -> Mapping[str, Any] | None:
    if manifest is None:
        return None
    kept = {key: value for key, value in manifest.items() if key not in ("apiVersion", "kind", "status", "metadata")}
    metadata = {key: value for key, value in manifest["metadata"].items() if key not in _SERVERS}
    if isinstance(kept.get("spec"), Mapping):
        kept["spec"] = {key: value for key, value in kept["spec"].items() if key not in _HANDED_OUT}
    return {"metadata": metadata, **kept}
