"""Label and field selectors of lists, watches and collections."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from merlin.localcluster.api.errors import Refused, bad_request
from merlin.localcluster.api.kinds import EVENTS, NAMESPACES, PODS, SECRETS, Manifest, Resource

Selector = Callable[[Manifest], bool]

_SET: Final = re.compile(r"^\s*([^\s=!,()]+)\s+(in|notin)\s*\(([^()]*)\)\s*$")
_EQUAL: Final = re.compile(r"^\s*([^\s=!,()]+)\s*(==|=|!=)\s*([^\s=!,()]*)\s*$")
_NUMBER: Final = re.compile(r"^\s*([^\s=!,()<>]+)\s*([<>])\s*(-?[0-9]+)\s*$")
_EXISTS: Final = re.compile(r"^\s*(!?)\s*([^\s=!,()]+)\s*$")
_FIELDS: Final = {
    PODS.key: ("status.phase", "spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName"),
    EVENTS.key: (
        *("involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid"),
        *("involvedObject.apiVersion", "involvedObject.resourceVersion", "involvedObject.fieldPath"),
        *("reason", "type", "source", "reportingComponent"),
    ),
    NAMESPACES.key: ("status.phase",),
    SECRETS.key: ("type",),
}


def selector_of(resource: Resource, labels: str, fields: str) -> Selector | None:
    """What chooses objects; ``None`` when everything is chosen. Raises Refused (400)."""
    tests = [*_label_tests(labels), *_field_tests(resource, fields)]
    if not tests:
        return None
    return tests[0] if len(tests) == 1 else lambda found: all(test(found) for test in tests)


def _label_tests(text: str) -> list[Selector]:
    return [_label_test(part, text) for part in _split(text)]


def _split(text: str) -> list[str]:
    """At commas outside parentheses."""
    parts = re.split(r",(?![^()]*\))", text) if text.strip() else []
    return [part for part in parts if part.strip()]


def _label_test(part: str, whole: str) -> Selector:
    if found := _SET.match(part):
        key, operator, listed = found.groups()
        values = {value.strip() for value in listed.split(",")}
        if operator == "in":
            return lambda one: _labels(one).get(key) in values
        return lambda one: _labels(one).get(key) not in values
    if found := _NUMBER.match(part):
        key, operator, limit = found.groups()
        return lambda one: _is_beyond(_labels(one).get(key, ""), operator, int(limit))
    if found := _EQUAL.match(part):
        key, operator, value = found.groups()
        if operator == "!=":
            return lambda one: _labels(one).get(key) != value
        return lambda one: _labels(one).get(key) == value
    if found := _EXISTS.match(part):
        absent, key = found.groups()
        return (lambda one: key not in _labels(one)) if absent else (lambda one: key in _labels(one))
    raise bad_request(f"unable to parse requirement: found '{part.strip()}', expected: a requirement in {whole!r}")


def _is_beyond(value: str, operator: str, limit: int) -> bool:
    if not re.fullmatch("-?[0-9]+", value):
        return False
    return int(value) > limit if operator == ">" else int(value) < limit


def _labels(one: Manifest) -> dict[str, str]:
    return one["metadata"].get("labels") or {}


def _field_tests(resource: Resource, text: str) -> list[Selector]:
    return [_field_test(resource, part) for part in text.split(",") if part.strip()]


def _field_test(resource: Resource, part: str) -> Selector:
    found = re.match(r"^([^=!]+?)(==|=|!=)(.*)$", part.strip())
    if found is None:
        raise bad_request(f"invalid selector: '{part}'; can't understand '{part}'")
    path, operator, value = found.groups()
    if path not in ("metadata.name", "metadata.namespace", *_FIELDS.get(resource.key, ())):
        raise _unknown_field(resource, path, value)
    steps = path.split(".")
    if operator == "!=":
        return lambda one: _at(one, steps) != value
    return lambda one: _at(one, steps) == value


def _unknown_field(resource: Resource, path: str, value: str) -> Refused:
    del resource, value
    return bad_request(f"field label not supported: {path}")


def _at(one: Any, steps: list[str]) -> str:
    for step in steps:
        one = one.get(step) if isinstance(one, dict) else None
    if isinstance(one, dict):
        one = one.get("component")
    return "" if one is None else str(one)
