"""Scalars of this schema."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NewType

import strawberry
from strawberry.types.scalar import ScalarDefinition

JSON = NewType("JSON", object)
Cursor = NewType("Cursor", str)


def _write_time(value: datetime) -> str:
    # All of one length: sorted as texts they are sorted as times.
    return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _read_time(value: str) -> datetime:
    read = datetime.fromisoformat(value)
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def _read_cursor(value: Any) -> Cursor:
    if not isinstance(value, str):
        raise TypeError("A cursor is a text.")
    return Cursor(value)


SCALARS: Mapping[object, ScalarDefinition] = {
    JSON: strawberry.scalar(
        name="JSON",
        description="Any JSON value.",
        serialize=lambda value: value,
        parse_value=lambda value: value,
    ),
    Cursor: strawberry.scalar(
        name="Cursor",
        description="A place in the event log (or in a log of lines). Opaque: pass it back as it came.",
        serialize=str,
        parse_value=_read_cursor,
    ),
    datetime: strawberry.scalar(
        name="DateTime",
        description="A moment in UTC, as RFC 3339 text: 2026-11-24T20:25:37.123456Z.",
        serialize=_write_time,
        parse_value=_read_time,
    ),
}
