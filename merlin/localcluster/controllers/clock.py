"""Times as Kubernetes writes them: RFC 3339, UTC, whole seconds."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """The time."""
    return datetime.now(UTC)


def stamp(at: datetime | None = None) -> str:
    """A time (now, unless one is given) as text."""
    return (at or now()).strftime("%Y-%m-%dT%H:%M:%SZ")


def parsed(text: str) -> datetime:
    """A time that Kubernetes wrote."""
    return datetime.fromisoformat(text)
