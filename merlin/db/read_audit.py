"""Who did what, the newest first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from merlin.db.listing import Condition, Kind, Listing, Sort
from merlin.db.records import make_audit

AUDIT = Listing("a.*", "FROM audit a", "a.id", make_audit, Kind.WHOLE)
NEWEST_FIRST = (Sort("number", "a.id", Kind.WHOLE, descending=True),)


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """All given conditions hold. ``actions``: names, or beginnings that end with a dot (`deployment.`)."""

    project_id: UUID
    subject_id: UUID | None = None
    actor: str | None = None
    actions: tuple[str, ...] | None = None
    since: datetime | None = None
    until: datetime | None = None


def audit_conditions(wanted: AuditFilter) -> tuple[Condition, ...]:
    """The filter as SQL."""
    found = [Condition("a.project_id = ?", (wanted.project_id,))]
    if wanted.subject_id is not None:
        found.append(Condition("a.subject_id = ?", (wanted.subject_id,)))
    if wanted.actor is not None:
        found.append(Condition("a.actor = ?", (wanted.actor,)))
    if wanted.actions is not None:
        found.append(Condition(_ACTIONS, (wanted.actions,)))
    if wanted.since is not None:
        found.append(Condition("a.at >= ?", (wanted.since,)))
    if wanted.until is not None:
        found.append(Condition("a.at < ?", (wanted.until,)))
    return tuple(found)


_ACTIONS = (
    "EXISTS (SELECT FROM unnest(?::text[]) AS w (action) WHERE a.action = w.action "
    "OR right(w.action, 1) = '.' AND starts_with(a.action, w.action))"
)
