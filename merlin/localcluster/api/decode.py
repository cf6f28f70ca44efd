"""A request's object, held against its schema: what is not known is dropped or refused, types are checked."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from merlin.localcluster.api import schema
from merlin.localcluster.api.errors import Cause, invalid_value, required_value, unsupported_value
from merlin.localcluster.api.kinds import Resource
from merlin.localcluster.api.schema import Type
from merlin.localcluster.quantity import canonical

_ALWAYS: Final = ("endpoints",)  # there even when empty
_NAMES: Final = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer", float: "number"}


@dataclass(slots=True)
class Decoded:
    """The object with its known fields only, and what was found on the way."""

    manifest: dict[str, Any]
    unknown: list[str] = field(default_factory=list)
    wrong_types: list[str] = field(default_factory=list)
    causes: list[Cause] = field(default_factory=list)
    types_wrong: bool = False


def decoded(resource: Resource, body: dict[str, Any]) -> Decoded:
    """``body`` as the kind's schema reads it; of custom kinds also with defaults, and each violation as a cause."""
    found = Decoded({})
    walk = _Walk(found, custom=resource.custom)
    found.manifest = walk.value(body, schema.type_of(resource), "")
    return found


def unknown_and_mistyped(resource: Resource, body: dict[str, Any]) -> str | None:
    """Why an applied configuration cannot be read by its schema, in the words of a real server; ``None`` if it can."""
    return _first_trouble(body, schema.type_of(resource), "")


class _Walk:
    def __init__(self, found: Decoded, *, custom: bool) -> None:
        self._found = found
        self._custom = custom

    def value(self, value: Any, kind: Type, path: str) -> Any:
        if kind.open and not kind.fields:
            return value
        if not _fits(value, kind):
            return self._mistyped(value, kind, path)
        if isinstance(value, dict) and kind.json_type == "object":
            return self._object(value, kind, path)
        if isinstance(value, list) and kind.element is not None:
            self._limits(value, kind, path)
            return [self.value(item, kind.element, f"{path}[{index}]") for index, item in enumerate(value)]
        self._limits(value, kind, path)
        return value if self._custom or not kind.node.get("x-kubernetes-int-or-string") else self._quantity(value)

    def _quantity(self, value: Any) -> Any:
        try:
            return canonical(value)
        except ValueError as error:
            self._found.wrong_types.append(str(error))
            return value

    def _object(self, value: dict[str, Any], kind: Type, path: str) -> dict[str, Any]:
        result: dict[str, Any] = {}
        # ObjectMeta and what is below it are Kubernetes' own, in custom kinds as well.
        was, self._custom = self._custom, self._custom and path != "metadata"
        for name, part in value.items():
            inner = kind.fields.get(name) or kind.element
            at = f"{path}.{name}" if path else name
            if inner is None:
                if kind.open:
                    result[name] = part
                else:
                    self._found.unknown.append(at)
            elif part is None and (not self._custom or "default" in inner.node):
                continue
            else:
                read = self.value(part, inner, at)
                if self._custom or not _is_omitted(read, inner) or name in _ALWAYS:
                    result[name] = read
        if self._custom:
            self._complete(result, kind, path)
        self._custom = was
        return result

    def _complete(self, result: dict[str, Any], kind: Type, path: str) -> None:
        for name, inner in kind.fields.items():
            if name not in result and "default" in inner.node:
                result[name] = inner.node["default"]
        if path.partition(".")[0] != "status":
            for name in kind.node.get("required", ()):
                if name not in result:
                    self._found.causes.append(required_value(f"{path}.{name}" if path else name))
        count = kind.node.get("minProperties")
        if count is not None and len(result) < count:
            why = f"{path} in body should have at least {count} properties"
            self._found.causes.append(invalid_value(path, len(result), why))

    def _mistyped(self, value: Any, kind: Type, path: str) -> Any:
        self._found.types_wrong = True
        wanted = kind.json_type or "string"
        if self._custom:
            shown = "null" if value is None else _NAMES[type(value)]
            self._found.causes.append(
                Cause(
                    "FieldValueTypeInvalid",
                    path,
                    f'Invalid value: "{shown}": {path} in body must be of type {wanted}: "{shown}"',
                )
            )
        else:
            self._found.wrong_types.append(
                f"json: cannot unmarshal {_go(value)} into Go struct field {path} of type {wanted}"
            )
        return value

    def _limits(self, value: Any, kind: Type, path: str) -> None:
        if self._custom:
            cause = _violated(value, kind.node, path)
            if cause is not None:
                self._found.causes.append(cause)
                self._found.types_wrong |= cause.reason in ("FieldValueNotSupported", "FieldValueTooMany")


def _is_omitted(value: Any, kind: Type) -> bool:
    """Whether Go leaves the value out: an empty list, or a map (not an object) without an entry."""
    return value == [] or (value == {} and kind.element is not None and not kind.fields)


def _go(value: Any) -> str:
    return {dict: "object", list: "array", str: "string", bool: "bool"}.get(type(value), "number")


def _fits(value: Any, kind: Type) -> bool:
    node = kind.node
    if node.get("x-kubernetes-int-or-string") or node.get("format") == "int-or-string":
        return isinstance(value, str | int | float) and not isinstance(value, bool)
    if value is None:
        return bool(node.get("nullable"))
    match kind.json_type:
        case "object":
            return isinstance(value, dict)
        case "array":
            return isinstance(value, list)
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return (isinstance(value, int) and not isinstance(value, bool)) or (
                isinstance(value, float) and value.is_integer()
            )
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
    return True


def _fits_roughly(value: Any, kind: Type) -> bool:
    """As apply checks types: a number is a number."""
    if kind.json_type == "integer" and isinstance(value, float):
        return True
    return _fits(value, kind)


@lru_cache(maxsize=512)
def _pattern(text: str) -> re.Pattern[str] | None:
    try:
        return re.compile(text.replace("\\x60", "`"))
    except re.error:
        return None


def _violated(value: Any, node: schema.Node, path: str) -> Cause | None:
    if isinstance(value, str):
        return _violated_text(value, node, path)
    if isinstance(value, list):
        return _violated_count(value, node, path)
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        if "minimum" in node and value < node["minimum"]:
            return invalid_value(path, value, f"{path} in body should be greater than or equal to {node['minimum']}")
        if "maximum" in node and value > node["maximum"]:
            return invalid_value(path, value, f"{path} in body should be less than or equal to {node['maximum']}")
    return None


def _violated_text(value: str, node: schema.Node, path: str) -> Cause | None:
    if "enum" in node and value not in node["enum"]:
        return unsupported_value(path, value, node["enum"])
    if "maxLength" in node and len(value) > node["maxLength"]:
        return Cause("FieldValueTooLong", path, f"Too long: may not be more than {node['maxLength']} bytes")
    if "minLength" in node and len(value) < node["minLength"]:
        return invalid_value(path, value, f"{path} in body should be at least {node['minLength']} chars long")
    if "pattern" in node:
        pattern = _pattern(node["pattern"])
        if pattern is not None and not pattern.search(value):
            return invalid_value(path, value, f"{path} in body should match '{node['pattern']}'")
    return None


def _violated_count(value: list[Any], node: schema.Node, path: str) -> Cause | None:
    if "maxItems" in node and len(value) > node["maxItems"]:
        text = f"Too many: {len(value)}: must have at most {node['maxItems']} items"
        return Cause("FieldValueTooMany", path, text)
    if "minItems" in node and len(value) < node["minItems"]:
        text = f"{path} in body should have at least {node['minItems']} items"
        return invalid_value(path, len(value), text)
    return None


def _first_trouble(value: Any, kind: Type, path: str) -> str | None:
    if value is None or (kind.open and not kind.fields):
        return None
    if not _fits_roughly(value, kind):
        return f"{path}: expected {_expected(kind)}, got {_got(value)}"
    if isinstance(value, dict):
        for name, part in value.items():
            inner = kind.fields.get(name) or kind.element
            if inner is None and not kind.open:
                return f"{path}.{name}: field not declared in schema"
            trouble = _first_trouble(part, inner or schema.ANY, f"{path}.{name}")
            if trouble:
                return trouble
    elif isinstance(value, list) and kind.element is not None:
        return _first_trouble_of_items(value, kind, path)
    return None


def _first_trouble_of_items(value: list[Any], kind: Type, path: str) -> str | None:
    from merlin.localcluster.api.field_paths import element_of, shown

    seen: set[str] = set()
    for index, item in enumerate(value):
        if kind.keys or kind.is_set:
            element = element_of(item, kind)
            if element in seen:
                return f"{path}: duplicate entries for key {shown((element,))}"
            seen.add(element)
        trouble = _first_trouble(item, kind.element or schema.ANY, f"{path}[{index}]")
        if trouble:
            return trouble
    return None


def _expected(kind: Type) -> str:
    known = {"integer": "numeric (int or float)", "number": "numeric (int or float)", "object": "map", "array": "list"}
    return known.get(kind.json_type, kind.json_type)


def _got(value: Any) -> str:
    return {dict: "map", list: "list", str: "string", bool: "boolean", int: "int", float: "float"}[type(value)]
