"""What differs between two JSON documents, field by field. Pure.

A path leads to a leaf: `spec.replicas`, `spec.env[A].value`, `metadata.annotations["a.b/c"]`. Objects in a list
are told apart by their names where all have one, else by their places. Empty, null and absent are the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

MASK: Final = "***"
_PLAIN = re.compile(r"[A-Za-z_$][\w$-]*")
_ABSENT: Final = object()


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field that differs; ``None`` = it is not there (or null)."""

    path: str
    before: Any
    after: Any


def differences(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> tuple[FieldChange, ...]:
    """Every leaf that differs, in the order of ``after``, then what only ``before`` has; ``None`` = nothing there."""
    return tuple(_differences("", before or {}, after or {}))


def masked_where(changes: tuple[FieldChange, ...], *prefixes: str) -> tuple[FieldChange, ...]:
    """The same changes with `***` for values below those paths: that they differ may be told, not what they are."""
    return tuple(
        FieldChange(change.path, _masked(change.before), _masked(change.after))
        if change.path.startswith(prefixes)
        else change
        for change in changes
    )


def _masked(value: Any) -> Any:
    return value if value is None else MASK


def _differences(path: str, before: Any, after: Any) -> Iterator[FieldChange]:
    left, right = _parts(before), _parts(after)
    if left is None and right is None:
        alike = before == after and isinstance(before, bool) is isinstance(after, bool)
        if not alike and not (_is_nothing(before) and _is_nothing(after)):
            yield FieldChange(path, _value(before), _value(after))
        return
    if left is None and not _is_nothing(before):
        yield FieldChange(path, before, None)
    if right is None and not _is_nothing(after):
        yield FieldChange(path, None, after)
    left, right = left or {}, right or {}
    if isinstance(before, list) and isinstance(after, list) and (_names(before) is None or _names(after) is None):
        left, right = dict(enumerate(before)), dict(enumerate(after))
    for key in [*right, *(key for key in left if key not in right)]:
        yield from _differences(_below(path, key), left.get(key, _ABSENT), right.get(key, _ABSENT))


def _is_nothing(value: Any) -> bool:
    return value is _ABSENT or value is None or value == {} or value == []


def _parts(value: Any) -> Mapping[Any, Any] | None:
    """What is in an object or a list, by key; ``None`` for a leaf (empty ones are leaves)."""
    if isinstance(value, Mapping) and value:
        return value
    if isinstance(value, list) and value:
        names = _names(value)
        return (
            dict(enumerate(value))
            if names is None
            else {("name", name): v for name, v in zip(names, value, strict=True)}
        )
    return None


def _names(items: list[Any]) -> list[str] | None:
    names = [item.get("name") if isinstance(item, Mapping) else None for item in items]
    usable = [name for name in names if isinstance(name, str)]
    return usable if len(usable) == len(items) == len(set(usable)) else None


def _below(path: str, key: Any) -> str:
    if isinstance(key, tuple):
        return f"{path}[{key[1]}]"
    if isinstance(key, int):
        return f"{path}[{key}]"
    if not _PLAIN.fullmatch(key):
        return f'{path}["{key}"]'
    return f"{path}.{key}" if path else str(key)


def _value(value: Any) -> Any:
    return None if value is _ABSENT else value
