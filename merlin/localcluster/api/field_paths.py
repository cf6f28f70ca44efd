"""Sets of field paths, and how two objects differ in them (what structured-merge-diff does in Kubernetes).

A path is a tuple of elements written as in `FieldsV1`: ``f:name`` for a field, ``k:{"name":"a"}`` for an item of a list
that is a map, ``v:"x"`` for an item of a set.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from merlin.localcluster.api.schema import ANY, Type

Path = tuple[str, ...]
PathSet = frozenset[Path]
_MISSING: Final = object()
_NO_PATHS: Final = frozenset[Path]()


@dataclass(slots=True)
class Difference:
    """Paths that only the new object has, only the old one has, or that have another value."""

    added: set[Path] = field(default_factory=set)
    removed: set[Path] = field(default_factory=set)
    modified: set[Path] = field(default_factory=set)


def paths_in(value: Any, kind: Type, path: Path = ()) -> PathSet:
    """What an applied configuration owns."""
    found: set[Path] = set()
    _collect(value, kind, path, found)
    return frozenset(found) if found else _NO_PATHS


def _collect(value: Any, kind: Type, path: Path, found: set[Path]) -> None:
    if isinstance(value, dict) and not kind.atomic and not kind.is_scalar:
        for name, part in value.items():
            inner = (*path, f"f:{name}")
            _collect(part, kind.child(name), inner, found)
            if part is None or part == {} or name not in kind.fields:
                found.add(inner)
    elif isinstance(value, list) and (kind.keys or kind.is_set):
        for element, part in items_of(value, kind):
            inner = (*path, element)
            _collect(part, kind.element or ANY, inner, found)
            found.add(inner)
    else:
        found.add(path)


def difference(old: Any, new: Any, kind: Type) -> Difference:
    """How ``new`` differs from ``old``."""
    result = Difference()
    _compare(old, new, kind, (), result)
    return result


def _compare(old: Any, new: Any, kind: Type, path: Path, result: Difference, *, embedded: bool = False) -> None:
    if old is not _MISSING and old == new:
        return
    either = new if old is _MISSING else old
    both = old is not _MISSING and new is not _MISSING
    if _is_granular(either, kind) and (not both or type(old) is type(new)):
        for element, before, after, inner in _pairs(old, new, kind):
            is_embedded = element.removeprefix("f:") in kind.embedded
            _compare(before, after, inner, (*path, element), result, embedded=is_embedded)
        if embedded and either:
            return  # it is always there, even when empty
        if old is _MISSING:
            result.added.add(path)
        elif new is _MISSING:
            result.removed.add(path)
    elif old is _MISSING:
        result.added.add(path)
    elif new is _MISSING:
        result.removed.add(path)
    else:
        result.modified.add(path)


def _is_granular(value: Any, kind: Type) -> bool:
    if kind.atomic or kind.is_scalar:
        return False
    return isinstance(value, dict) or (isinstance(value, list) and bool(kind.keys or kind.is_set))


def _pairs(old: Any, new: Any, kind: Type) -> Iterator[tuple[str, Any, Any, Type]]:
    if isinstance(new if old is _MISSING else old, dict):
        before, after = ({} if one is _MISSING else one for one in (old, new))
        for name in before.keys() | after.keys():
            yield f"f:{name}", before.get(name, _MISSING), after.get(name, _MISSING), kind.child(name)
        return
    former, latter = (dict(items_of([] if one is _MISSING else one, kind)) for one in (old, new))
    for element in former.keys() | latter.keys():
        yield element, former.get(element, _MISSING), latter.get(element, _MISSING), kind.element or ANY


def items_of(items: list[Any], kind: Type) -> Iterator[tuple[str, Any]]:
    """The items of a list that is a map or a set, each with its path element."""
    for item in items:
        yield element_of(item, kind), item


def element_of(item: Any, kind: Type) -> str:
    """The path element that names an item among its list."""
    if kind.keys and isinstance(item, dict):
        chosen = {}
        for key in kind.keys:
            value = item.get(key)
            if value is None and kind.element is not None and key in kind.element.fields:
                value = kind.element.fields[key].node.get("default")
            if value is not None:
                chosen[key] = value
        return "k:" + orjson.dumps(chosen, option=orjson.OPT_SORT_KEYS).decode()
    return "v:" + orjson.dumps(item).decode()


def merged(live: Any, wanted: Any, kind: Type) -> Any:
    """``live`` with every field of ``wanted`` put in; lists that are maps or sets keep their other items."""
    if isinstance(live, dict) and isinstance(wanted, dict) and not kind.atomic:
        result = dict(live)
        for name, part in wanted.items():
            result[name] = merged(live[name], part, kind.child(name)) if name in live else part
        return result
    if isinstance(live, list) and isinstance(wanted, list) and (kind.keys or kind.is_set):
        return _merged_items(live, wanted, kind)
    return wanted


def _merged_items(live: list[Any], wanted: list[Any], kind: Type) -> list[Any]:
    before, after = dict(items_of(live, kind)), dict(items_of(wanted, kind))
    both = {
        element: merged(before[element], part, kind.element or ANY) if element in before else part
        for element, part in after.items()
    }
    shared = [element for element in after if element in before]
    left, right = list(before), list(after)
    result = []
    while left or right:
        if left and right and left[0] == right[0]:
            result.append(both[left.pop(0)])
            shared.remove(right.pop(0))
        elif left and right and left[0] in after and shared and left[0] != shared[0]:
            left.pop(0)  # its turn is where ``wanted`` names it
        elif left and left[0] not in after:
            result.append(before[left.pop(0)])
        elif right:
            element = right.pop(0)
            result.append(both[element])
            if element in shared:
                shared.remove(element)
        else:
            left.pop(0)
    return result


def without(value: Any, kind: Type, gone: Iterable[Path]) -> Any:
    """``value`` without the parts at those paths; an object or list that this empties goes as well."""
    tree: dict[str, Any] = {}
    for path in gone:
        node = tree
        for element in path[:-1]:
            node = node.setdefault(element, {})
            if node is None:
                break
        if node is not None:
            node[path[-1]] = None
    return _pruned(value, kind, tree)


def _pruned(value: Any, kind: Type, tree: dict[str, Any]) -> Any:
    if isinstance(value, dict):
        result = {}
        for name, part in value.items():
            below = tree.get(f"f:{name}", _MISSING)
            if below is None:
                continue
            kept = part if below is _MISSING else _pruned(part, kind.child(name), below)
            if kept in ({}, []) and part not in ({}, []):
                continue
            result[name] = kept
        return result
    if isinstance(value, list):
        kept_items = []
        for element, item in items_of(value, kind):
            below = tree.get(element, _MISSING)
            if below is not None:
                kept_items.append(item if below is _MISSING else _pruned_item(item, kind, below))
        return kept_items
    return value


def _pruned_item(item: Any, kind: Type, tree: dict[str, Any]) -> Any:
    """An item that stays also keeps what it is named by."""
    kept = {element: below for element, below in tree.items() if element.removeprefix("f:") not in kind.keys}
    return _pruned(item, kind.element or ANY, kept)


def in_order(paths: Iterable[Path]) -> list[Path]:
    """As Kubernetes lists them: at each level what ends there, then what lies deeper."""
    return sorted(paths, key=lambda path: [(step < len(path) - 1, element) for step, element in enumerate(path)])


def with_parents(paths: Iterable[Path]) -> set[Path]:
    """The paths and the fields they lie in. An item of a list is not held by who owns only a part of it."""
    found: set[Path] = set()
    for path in paths:
        found.add(path)
        while path := path[:-1]:
            if path[-1].startswith("f:"):
                if path in found:
                    break
                found.add(path)
    return found


def from_fields(fields: dict[str, Any]) -> PathSet:
    """A set out of its `FieldsV1`."""
    found: set[Path] = set()
    _read(fields, (), found)
    return frozenset(found)


def _read(fields: dict[str, Any], path: Path, found: set[Path]) -> None:
    for element, below in fields.items():
        if element == ".":
            found.add(path)
        elif not below:
            found.add((*path, element))
        else:
            _read(below, (*path, element), found)


def to_fields(paths: Iterable[Path]) -> dict[str, Any]:
    """A set as `FieldsV1`."""
    tree: dict[str, Any] = {}
    ordered = sorted(paths)
    for path in ordered:
        node = tree
        for element in path:
            node = node.setdefault(element, {})
    for path in ordered:
        node = tree
        for element in path:
            node = node[element]
        if node:
            rest = dict(node)
            node.clear()
            node["."] = {}
            node.update(rest)
    return tree


def shown(path: Path) -> str:
    """A path as people read it: ``.spec.containers[name="a"].image``."""
    return "".join(_shown(element) for element in path)


def _shown(element: str) -> str:
    text = element[2:]
    if element.startswith("f:"):
        return f".{text}"
    if element.startswith("v:"):
        return f"[={text}]"
    keys = ((key, orjson.dumps(value).decode()) for key, value in orjson.loads(text).items())
    return "[" + ",".join(f"{key}={value}" for key, value in keys) + "]"
