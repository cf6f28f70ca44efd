"""The types of the kinds' fields, compiled from schemas.json (see tests/localcluster/api/make_schemas.py).

They say which fields exist, which lists are maps by a key, and which values stand for themselves; validation, apply,
strategic merge and OpenAPI all read this one source.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import orjson

from merlin.localcluster.api.kinds import Resource

_FILE: Final = Path(__file__).with_name("schemas.json")
Node = Mapping[str, Any]


class Type:
    """The type of one field: an object with known fields, a map, a list or a scalar."""

    __slots__ = (
        "atomic",
        "element",
        "embedded",
        "fields",
        "is_set",
        "json_type",
        "keys",
        "merge_key",
        "merges_lists",
        "node",
        "open",
    )

    def __init__(self, node: Node) -> None:
        self.node = node
        self.json_type = str(node.get("type", ""))
        self.fields: dict[str, Type] = {}
        self.element: Type | None = None
        # Objects that stand in this one by value: they are there even when nobody says so.
        self.embedded = frozenset(
            name for name, part in node.get("properties", {}).items() if "$ref" in part and part.get("default") == {}
        )
        list_type = node.get("x-kubernetes-list-type")
        is_list = self.json_type == "array"
        self.keys: tuple[str, ...] = tuple(node.get("x-kubernetes-list-map-keys", ())) if list_type == "map" else ()
        self.is_set = list_type == "set"
        self.atomic = (is_list and not self.keys and not self.is_set) or node.get("x-kubernetes-map-type") == "atomic"
        # Holds anything: neither its fields nor their types are known.
        self.open = bool(node.get("x-kubernetes-preserve-unknown-fields"))
        self.merge_key = node.get("x-kubernetes-patch-merge-key")
        self.merges_lists = "merge" in str(node.get("x-kubernetes-patch-strategy", ""))

    def child(self, name: str) -> Type:
        """The type of a field, or of a map's value."""
        return self.fields.get(name) or self.element or ANY

    @property
    def is_scalar(self) -> bool:
        """Whether a value of this type has no parts."""
        return self.json_type not in ("object", "array", "") and not self.open


ANY: Final = Type({"x-kubernetes-preserve-unknown-fields": True})


@functools.cache
def document() -> dict[str, Any]:
    """The whole file: ``kinds`` (kind → definition) and ``definitions``."""
    loaded: dict[str, Any] = orjson.loads(_FILE.read_bytes())
    return loaded


@functools.cache
def type_of(resource: Resource) -> Type:
    """The type of a kind's objects."""
    return _definition(document()["kinds"][resource.kind])


@functools.cache
def _definition(name: str) -> Type:
    return _compiled(document()["definitions"][name])


def _compiled(node: Node) -> Type:
    if "$ref" in node:
        return _definition(node["$ref"])
    found = Type(node)
    found.fields = {name: _compiled(value) for name, value in node.get("properties", {}).items()}
    inner = node.get("items") or node.get("additionalProperties")
    if inner:
        found.element = _compiled(inner)
    if found.json_type == "object" and not found.fields and found.element is None:
        found.open = True
    return found
