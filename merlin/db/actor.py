"""Who acts: known once per request, written into audit and events."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class IdempotencyClaim:
    """A caller's key for one act, and the hash of what was asked; see `merlin.db.idempotency`."""

    key: str
    request_hash: str


@dataclass(frozen=True, slots=True)
class Actor:
    """A caller. ``subject`` names a person or a program; an administrator may do everything in every project."""

    subject: str
    is_administrator: bool
    request_id: str = ""
    idempotency: IdempotencyClaim | None = None
