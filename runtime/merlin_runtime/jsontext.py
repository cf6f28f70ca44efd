"""JSON in and out: orjson for speed, the standard library where senders write NaN and Infinity literally."""

from __future__ import annotations

import json
from typing import Any

import orjson

from merlin_runtime.datatypes import InvalidRequest


def decode_json(body: bytes) -> Any:
    """The value in a body; `NaN` and `Infinity`, as Python's json writes them, are read too. Raises InvalidRequest."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if not body.strip():
            raise InvalidRequest("the body is empty; JSON expected") from error
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            raise InvalidRequest(f"the body is not JSON: {error}") from error


def dump(value: Any) -> bytes:
    """JSON bytes; numpy arrays and scalars included, keys become strings, NaN and infinity null."""
    return orjson.dumps(value, default=_plain, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS)


def _plain(value: Any) -> Any:
    """What orjson does not know: arrays in foreign memory layouts, bytes, sets, Decimals and other objects."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, set | frozenset):
        return sorted(value, key=repr)
    return str(value)
