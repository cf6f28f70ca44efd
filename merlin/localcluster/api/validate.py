"""What an object must be, beyond its schema: names, labels, what may not change."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

import orjson

from merlin.localcluster.api import rules
from merlin.localcluster.api.errors import Cause, forbidden_field, invalid, invalid_value, required_value
from merlin.localcluster.api.kinds import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    NAMESPACES,
    PODS,
    REPLICA_SETS,
    SECRETS,
    SERVICES,
    Manifest,
    Resource,
)
from merlin.localcluster.api.schema import Type, type_of

_LABEL: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN: Final = rf"{_LABEL}(\.{_LABEL})*"
_SERVICE_NAME: Final = "[a-z]([-a-z0-9]*[a-z0-9])?"
_LABEL_VALUE: Final = "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?"
_QUALIFIED: Final = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_SUBDOMAIN_TEXT: Final = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
    f"and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '{_SUBDOMAIN}')"
)
_LABEL_TEXT: Final = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
    f"with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '{_LABEL}')"
)
_SERVICE_TEXT: Final = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
    f"'{_SERVICE_NAME}')"
)
_VALUE_TEXT: Final = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    f"'{_LABEL_VALUE}')"
)
_KEY_TEXT: Final = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    f"'{_QUALIFIED}')"
)
_LONGEST_ANNOTATIONS: Final = 256 << 10
_IMMUTABLE: Final = "field is immutable"
_POD_CHANGEABLE: Final = (
    "activeDeadlineSeconds",
    "tolerations",
    "terminationGracePeriodSeconds",
    "schedulingGates",
    "nodeName",
)


def check(resource: Resource, new: Manifest, old: Manifest | None, found: Sequence[Cause] = ()) -> None:
    """Raises Refused (422, all causes at once) when the object may not be so, or not become so.

    ``found`` is what its schema says already.
    """
    causes = [*found, *_metadata(resource, new, old), *_required(resource, new), *rules.causes(resource, new)]
    if old is not None:
        causes += _unchangeable(resource, new, old)
    if causes:
        raise invalid(resource, new["metadata"].get("name", ""), causes)


def _metadata(resource: Resource, new: Manifest, old: Manifest | None) -> Iterator[Cause]:
    metadata = new["metadata"]
    if old is None or old["metadata"]["name"] != metadata.get("name"):
        yield from _name(resource, str(metadata.get("name", "")))
    if old is None or old["metadata"].get("labels") != metadata.get("labels"):
        yield from label_causes(metadata.get("labels") or {}, "metadata.labels")
    annotations = metadata.get("annotations") or {}
    if old is None or old["metadata"].get("annotations") != annotations:
        for key in annotations:
            yield from _key(key.lower(), key, "metadata.annotations")
        if sum(len(key) + len(str(value)) for key, value in annotations.items()) > _LONGEST_ANNOTATIONS:
            yield Cause("FieldValueTooLong", "metadata.annotations", "Too long: may not be more than 262144 bytes")
    for index, owner in enumerate(metadata.get("ownerReferences") or []):
        for name in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(name):
                yield required_value(f"metadata.ownerReferences[{index}].{name}", f"{name} must not be empty")
    if sum(bool(owner.get("controller")) for owner in metadata.get("ownerReferences") or []) > 1:
        yield Cause(
            "FieldValueInvalid",
            "metadata.ownerReferences",
            "Invalid value: only one reference can have Controller set to true",
        )


def _name(resource: Resource, name: str) -> Iterator[Cause]:
    pattern, text, longest = _SUBDOMAIN, _SUBDOMAIN_TEXT, 253
    if resource is NAMESPACES:
        pattern, text, longest = _LABEL, _LABEL_TEXT, 63
    elif resource is SERVICES:
        pattern, text, longest = _SERVICE_NAME, _SERVICE_TEXT, 63
    if not re.fullmatch(pattern, name):
        yield invalid_value("metadata.name", name, text)
    if len(name) > longest:
        yield invalid_value("metadata.name", name, f"must be no more than {longest} characters")


def label_causes(labels: dict[str, Any], field: str) -> Iterator[Cause]:
    """What is wrong with labels."""
    for key, value in labels.items():
        yield from _key(key, key, field)
        if not re.fullmatch(_LABEL_VALUE, str(value)):
            yield invalid_value(field, value, _VALUE_TEXT)
        elif len(str(value)) > 63:
            yield invalid_value(field, value, "must be no more than 63 characters")


def _key(key: str, told: str, field: str) -> Iterator[Cause]:
    prefix, slash, name = key.rpartition("/")
    if slash and (not re.fullmatch(_SUBDOMAIN, prefix) or len(prefix) > 253):
        yield invalid_value(field, told, f"prefix part {_SUBDOMAIN_TEXT}")
    if not re.fullmatch(_QUALIFIED, name):
        yield invalid_value(field, told, _KEY_TEXT)
    elif len(name) > 63:
        yield invalid_value(field, told, "name part must be no more than 63 characters")


def _required(resource: Resource, new: Manifest) -> Iterator[Cause]:
    if resource.custom:
        return  # said by its schema
    kind = type_of(resource)
    if "spec" in kind.fields:
        yield from _missing(new.get("spec") or {}, kind.fields["spec"], "spec")


def _missing(value: Any, kind: Type, path: str) -> Iterator[Cause]:
    if isinstance(value, dict):
        for name in kind.node.get("required", ()):
            if value.get(name) in (None, "", []):
                yield required_value(f"{path}.{name}")
        for name, part in value.items():
            if name in kind.fields:
                yield from _missing(part, kind.fields[name], f"{path}.{name}")
    elif isinstance(value, list) and kind.element is not None:
        for index, item in enumerate(value):
            yield from _missing(item, kind.element, f"{path}[{index}]")


def _unchangeable(resource: Resource, new: Manifest, old: Manifest) -> Iterator[Cause]:
    before, after = old["metadata"], new["metadata"]
    if "deletionTimestamp" in before:
        added = [one for one in after.get("finalizers") or [] if one not in (before.get("finalizers") or [])]
        if added:
            listed = ", ".join(f'"{one}"' for one in added)
            why = "no new finalizers can be added if the object is being deleted, found new finalizers "
            yield forbidden_field("metadata.finalizers", f"{why}[]string{{{listed}}}")
    spec, was = new.get("spec") or {}, old.get("spec") or {}
    if resource is PODS:
        yield from _pod_unchanged(spec, was)
    elif resource in (DEPLOYMENTS, REPLICA_SETS):
        if spec.get("selector") != was.get("selector"):
            yield invalid_value("spec.selector", spec.get("selector"), _IMMUTABLE)
    elif resource is SERVICES:
        if was.get("clusterIP") and spec.get("clusterIP") != was["clusterIP"]:
            why = "may not change once set"
            yield Cause(
                "FieldValueInvalid", "spec.clusterIPs[0]", f"Invalid value: {_go(spec.get('clusterIPs'))}: {why}"
            )
    elif resource in (CONFIG_MAPS, SECRETS):
        if old.get("immutable") and (new.get("data") != old.get("data") or not new.get("immutable")):
            yield forbidden_field("data", "field is immutable when `immutable` is set")
        if resource is SECRETS and new.get("type") != old.get("type"):
            yield invalid_value("type", new.get("type"), _IMMUTABLE)


def _go(value: Any) -> str:
    return "[]string{" + ",".join(orjson.dumps(one).decode() for one in value or []) + "}"


def _pod_unchanged(new: Manifest, old: Manifest) -> Iterator[Cause]:
    def frozen(spec: Manifest) -> Manifest:
        kept = {name: part for name, part in spec.items() if name not in _POD_CHANGEABLE}
        for name in ("containers", "initContainers"):
            kept[name] = [{key: part for key, part in one.items() if key != "image"} for one in spec.get(name) or []]
        return kept

    if frozen(new) != frozen(old) or (new.get("nodeName") != old.get("nodeName")):
        yield forbidden_field(
            "spec",
            "pod updates may not change fields other than `spec.containers[*].image`,"
            "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to "
            "existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously "
            "negative)",
        )
