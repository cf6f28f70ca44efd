"""Objects in protobuf, as kubectl sends built-in kinds when it made them itself (`create namespace`, `auth can-i`).

Read only: answers are JSON, which such clients accept as well. messages.json holds the field numbers (see
tests/localcluster/api/make_schemas.py).
"""

from __future__ import annotations

import base64
import functools
import struct
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import orjson

from merlin.localcluster.api.errors import bad_request
from merlin.localcluster.api.kinds import Manifest, resource_of
from merlin.localcluster.api.schema import document

CONTENT_TYPE: Final = "application/vnd.kubernetes.protobuf"

_FILE: Final = Path(__file__).with_name("messages.json")
_MAGIC: Final = b"k8s\x00"
_UNKNOWN: Final = "io.k8s.apimachinery.pkg.runtime.Unknown"
_META: Final = "io.k8s.apimachinery.pkg."
# Go writes zeros of plain fields too; these fields are pointers there, so that a zero was meant.
_MEANT: Final = frozenset(
    (
        *("replicas", "minReplicas", "terminationGracePeriodSeconds", "revisionHistoryLimit", "optional", "immutable"),
        *("progressDeadlineSeconds", "automountServiceAccountToken", "enableServiceLinks", "runAsNonRoot"),
        *("privileged", "allowPrivilegeEscalation", "readOnlyRootFilesystem", "runAsUser", "runAsGroup", "ready"),
    )
)


def read(content: bytes) -> Manifest:
    """The object. Raises Refused (400)."""
    if not content.startswith(_MAGIC):
        raise bad_request("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")
    try:
        envelope = _message(content[len(_MAGIC) :], _UNKNOWN)
        api_version, kind = (str(envelope["typeMeta"][name]) for name in ("apiVersion", "kind"))
        resource = resource_of(api_version, kind)
        name = document()["kinds"][kind] if resource is not None else None
        if name not in _messages():
            raise bad_request(f'no kind "{kind}" is registered for version "{api_version}"')
        manifest = _message(base64.b64decode(envelope["raw"]), name)
    except (IndexError, KeyError, UnicodeDecodeError, struct.error) as error:
        raise bad_request(f"the object is no protobuf that can be read: {error}") from error
    return {"apiVersion": api_version, "kind": kind, **manifest}


@functools.cache
def _messages() -> dict[str, dict[str, list[str]]]:
    loaded: dict[str, dict[str, list[str]]] = orjson.loads(_FILE.read_bytes())
    return loaded


def _message(content: bytes, name: str) -> Manifest:
    fields = _messages()[name]
    result: Manifest = {}
    for number, value in _parts(content):
        field = fields.get(str(number))
        if field is None:
            continue
        title, kind, how = field
        if how == "inline":
            result |= _message(value, kind)
        elif how == "map":
            key, item = _entry(value, kind)
            result.setdefault(title, {})[key] = item
        elif how == "list":
            result.setdefault(title, []).append(_value(value, kind))
        elif (read := _value(value, kind)) or title in _MEANT or isinstance(read, dict):
            result[title] = read
    return result


def _entry(content: bytes, kind: str) -> tuple[str, Any]:
    parts = dict(_parts(content))
    return _text(parts.get(1, b"")), _value(parts.get(2, b""), kind)


def _value(value: Any, kind: str) -> Any:
    if special := _SPECIAL.get(kind):
        return special(value)
    return _message(value, kind)


def _parts(content: bytes) -> Iterator[tuple[int, Any]]:
    """Field numbers with their raw values: whole numbers, or bytes."""
    at = 0
    while at < len(content):
        tag, at = _number(content, at)
        match tag & 7:
            case 0:
                value, at = _number(content, at)
                yield tag >> 3, value
            case 1:
                yield tag >> 3, content[at : at + 8]
                at += 8
            case 2:
                length, at = _number(content, at)
                yield tag >> 3, content[at : at + length]
                at += length
            case 5:
                yield tag >> 3, content[at : at + 4]
                at += 4
            case other:
                raise KeyError(f"wire type {other}")


def _number(content: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


def _text(value: bytes) -> str:
    return value.decode()


def _encoded(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _quantity(value: bytes) -> str:
    return _text(dict(_parts(value)).get(1, b""))


def _moment(value: bytes, *, micro: bool) -> str | None:
    parts = dict(_parts(value))
    if not parts.get(1):
        return None
    moment = datetime.fromtimestamp(_signed(parts[1]), UTC) + timedelta(microseconds=parts.get(2, 0) // 1000)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ" if micro else "%Y-%m-%dT%H:%M:%SZ")


def _int_or_string(value: bytes) -> int | str:
    parts = dict(_parts(value))
    return _text(parts.get(3, b"")) if parts.get(1) else _signed(parts.get(2, 0))


def _raw(value: bytes) -> Any:
    content = dict(_parts(value)).get(1, b"")
    return orjson.loads(content) if content else {}


_SPECIAL: Final[dict[str, Callable[[Any], Any]]] = {
    "string": _text,
    "bytes": _encoded,
    "bool": bool,
    "int32": _signed,
    "int64": _signed,
    "double": lambda value: struct.unpack("<d", value)[0],
    f"{_META}api.resource.Quantity": _quantity,
    f"{_META}apis.meta.v1.Time": functools.partial(_moment, micro=False),
    f"{_META}apis.meta.v1.MicroTime": functools.partial(_moment, micro=True),
    f"{_META}util.intstr.IntOrString": _int_or_string,
    f"{_META}apis.meta.v1.FieldsV1": _raw,
    f"{_META}runtime.RawExtension": _raw,
}
