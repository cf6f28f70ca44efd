"""One request, read: which object of which kind, and how it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from merlin.localcluster.api.errors import Cause, Refused, bad_request, invalid_options, required_value, unknown_path
from merlin.localcluster.api.kinds import Resource, resource_at

_LONGEST_MANAGER: Final = 128


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the API: a collection (``name`` empty), an object, or a part of an object."""

    resource: Resource
    namespace: str = ""
    name: str = ""
    subresource: str = ""


@dataclass(frozen=True, slots=True)
class Options:
    """How a write is meant."""

    manager: str
    dry_run: bool = False
    force: bool = False
    validation: str = "Warn"


def place_at(path: str) -> Place:
    """The place of a path. Raises Refused (404)."""
    match path.strip("/").split("/"):
        case ["api", version, *rest]:
            group = ""
        case ["apis", group, version, *rest]:
            pass
        case _:
            raise unknown_path()
    if len(rest) >= 3 and rest[0] == "namespaces" and (found := resource_at(group, version, rest[2])):
        if not found.namespaced:
            raise unknown_path()
        return _place(found, rest[1], rest[3:])
    if rest and (found := resource_at(group, version, rest[0])):
        if found.namespaced and len(rest) > 1:
            raise unknown_path()
        return _place(found, "", rest[1:])
    raise unknown_path()


def _place(resource: Resource, namespace: str, rest: list[str]) -> Place:
    name, subresource = [*rest, "", ""][:2]
    if len(rest) > 2 or (subresource and subresource not in resource.subresources):
        raise unknown_path()
    return Place(resource, namespace, name, subresource)


def options_of(query: Mapping[str, str], agent: str, *, applies: bool) -> Options:
    """What the query says of a write. Raises Refused (400, 422)."""
    dry_run = query.get("dryRun", "")
    if dry_run not in ("", "All"):
        raise invalid_options(
            "PatchOptions",
            [Cause("FieldValueNotSupported", "dryRun", f'Unsupported value: "{dry_run}": supported values: "All"')],
        )
    manager = query.get("fieldManager", "")
    if applies and not manager:
        raise invalid_options("PatchOptions", [required_value("fieldManager", "is required for apply patch")])
    if len(manager) > _LONGEST_MANAGER:
        raise invalid_options(
            "PatchOptions", [Cause("FieldValueTooLong", "fieldManager", "Too long: may not be more than 128 bytes")]
        )
    force = query.get("force", "").lower() in ("true", "1")
    if force and not applies:
        raise invalid_options(
            "PatchOptions",
            [Cause("FieldValueForbidden", "force", "Forbidden: may not be specified for non-apply patch")],
        )
    validation = query.get("fieldValidation", "") or "Warn"
    if validation not in ("Warn", "Strict", "Ignore"):
        raise _validation(validation)
    return Options(manager or agent.partition("/")[0] or "unknown", bool(dry_run), force, validation)


def _validation(value: str) -> Refused:
    cause = Cause(
        "FieldValueNotSupported",
        "fieldValidation",
        f'Unsupported value: "{value}": supported values: "Ignore", "Strict", "Warn"',
    )
    return invalid_options("CreateOptions", [cause])


def number_of(query: Mapping[str, str], name: str) -> int | None:
    """A whole number of the query, ``None`` when it is not there. Raises Refused (400)."""
    text = query.get(name, "")
    if not text:
        return None
    if not text.isdigit():
        raise bad_request(f'{name}: Invalid value: "{text}": must be a whole number')
    return int(text)
