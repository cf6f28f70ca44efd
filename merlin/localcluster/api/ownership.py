"""Who owns which field (`metadata.managedFields`), and what an apply may change. See k8s "Server-Side Apply"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from merlin.localcluster.api.errors import Cause, apply_conflict
from merlin.localcluster.api.field_paths import (
    Path,
    PathSet,
    difference,
    from_fields,
    in_order,
    merged,
    paths_in,
    shown,
    to_fields,
    with_parents,
    without,
)
from merlin.localcluster.api.kinds import Manifest
from merlin.localcluster.api.schema import Type

_SYSTEM_METADATA: Final = (
    *("name", "namespace", "creationTimestamp", "selfLink", "uid", "generation", "managedFields", "resourceVersion"),
    *("deletionTimestamp", "deletionGracePeriodSeconds"),
)


_NOBODYS: Final = frozenset({(), ("f:metadata",)})


@dataclass(frozen=True, slots=True)
class Manager:
    """Somebody who writes: an Apply and an Update of the same name are two."""

    name: str
    operation: str
    subresource: str = ""


Owners = dict[Manager, PathSet]


def applied(
    live: Manifest | None, wanted: Manifest, kind: Type, manager: Manager, *, force: bool
) -> tuple[Manifest, Owners]:
    """The object that holds ``wanted``, without what this manager applied before and no longer does; and its owners.

    Raises Refused (409) when others own a field that would change, unless forced.
    """
    before = _owned_part(live or {})
    owners = owners_of(live or {})
    last = owners.get(manager, frozenset())
    owners[manager] = paths_in(_owned_part(wanted), kind)
    result = merged(before, _owned_part(wanted), kind)
    if last:
        kept = with_parents(path for paths in owners.values() for path in paths)
        result = without(result, kind, [path for path in last if path not in kept])
    change = difference(before, result, kind)
    written = change.added | change.modified
    conflicts = {
        other: in_order(paths & written) for other, paths in owners.items() if other != manager and paths & written
    }
    if conflicts and not force:
        raise _conflict(live or {}, conflicts)
    return result, _after(owners, manager, written, change.removed)


def updated(live: Manifest, new: Manifest, kind: Type, manager: Manager) -> Owners:
    """The owners after ``manager`` wrote ``new`` in place of ``live`` without applying: it owns what it changed."""
    owners = owners_of(live)
    change = difference(_owned_part(live), _owned_part(new), kind)
    written = change.added | change.modified
    if written:
        owners[manager] = owners.get(manager, frozenset()) | (written - _NOBODYS)
    return _after(owners, manager, written, change.removed)


def _after(owners: Owners, manager: Manager, written: set[Path], removed: set[Path]) -> Owners:
    result: Owners = {}
    for one, paths in owners.items():
        kept = paths - removed if one == manager else paths - removed - written
        if kept:
            result[one] = kept
    return result


def owners_of(live: Manifest) -> Owners:
    """What `managedFields` says."""
    return {
        Manager(entry["manager"], entry["operation"], entry.get("subresource", "")): from_fields(entry["fieldsV1"])
        for entry in live.get("metadata", {}).get("managedFields") or []
    }


def entries(owners: Mapping[Manager, PathSet], live: Manifest | None, api_version: str, now: str) -> list[Manifest]:
    """The owners as `managedFields`; an entry that did not change keeps its time."""
    former = {
        Manager(entry["manager"], entry["operation"], entry.get("subresource", "")): entry
        for entry in (live or {}).get("metadata", {}).get("managedFields") or []
    }
    written = []
    for manager, paths in owners.items():
        fields = to_fields(paths)
        known = former.get(manager)
        if known is not None and known["fieldsV1"] == fields:
            written.append(known)
            continue
        entry: dict[str, Any] = {"manager": manager.name, "operation": manager.operation, "apiVersion": api_version}
        entry |= {"time": now, "fieldsType": "FieldsV1", "fieldsV1": fields}
        if manager.subresource:
            entry["subresource"] = manager.subresource
        written.append(entry)
    return sorted(written, key=lambda entry: (entry["operation"], entry["time"], entry["manager"]))


def _owned_part(whole: Manifest) -> Manifest:
    """Without what the system alone writes."""
    part = {name: value for name, value in whole.items() if name not in ("apiVersion", "kind", "metadata")}
    metadata = {name: value for name, value in (whole.get("metadata") or {}).items() if name not in _SYSTEM_METADATA}
    return {**part, "metadata": metadata} if metadata else part


def _conflict(live: Manifest, conflicts: Mapping[Manager, list[Path]]) -> Exception:
    times = {
        Manager(entry["manager"], entry["operation"], entry.get("subresource", "")): entry
        for entry in live["metadata"]["managedFields"]
    }
    told = {_told(manager, times[manager]): paths for manager, paths in sorted(conflicts.items(), key=str)}
    causes = [
        Cause("FieldManagerConflict", shown(path), f"conflict with {who}")
        for who, paths in told.items()
        for path in paths
    ]
    if len(causes) == 1:
        return apply_conflict(f"Apply failed with 1 conflict: {causes[0].message}: {causes[0].field}", causes)
    lines = [
        line
        for who, paths in told.items()
        for line in (f"conflicts with {who}:", *(f"- {shown(path)}" for path in paths))
    ]
    return apply_conflict(f"Apply failed with {len(causes)} conflicts: " + "\n".join(lines), causes)


def _told(manager: Manager, entry: Manifest) -> str:
    text = f'"{manager.name}"'
    if manager.subresource:
        text += f' with subresource "{manager.subresource}"'
    if manager.operation == "Update":
        text += f" using {entry['apiVersion']}"
    return text
