"""Stored JSON as users may see it: keys of endpoints become ids of this API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from merlin.schema.ids import global_id

_IDS = {"version_endpoint_id": "VersionEndpoint", "model_endpoint_id": "ModelEndpoint", "version_id": "Version"}


def public_data(value: Any) -> Any:
    """The same with every known key that holds a UUID made an id that `node(id)` finds."""
    if isinstance(value, Mapping):
        return {key: _public(key, inner) for key, inner in value.items()}
    return [public_data(inner) for inner in value] if isinstance(value, list) else value


def _public(key: str, value: Any) -> Any:
    if key in _IDS and isinstance(value, str):
        try:
            return global_id(_IDS[key], UUID(value))
        except ValueError:
            return value
    return public_data(value)
