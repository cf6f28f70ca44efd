"""The event log: numbered in the order in which events become visible, never changed, kept for a bounded time.

A number taken at INSERT becomes visible at COMMIT; two writers may commit in the other order, and a reader that
remembers the highest number would miss the late one. So `append_events` takes one advisory lock that is held until
the commit. It must be the last lock of its transaction: whoever waits for a row while holding it would stop everybody.
Cursors carry the installation's epoch; one from another epoch, or from before what was pruned, is CURSOR_EXPIRED.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from merlin.db.connection import borrowed, translated
from merlin.db.transaction import Transaction, as_json, transaction
from merlin.domain.lifecycle import Severity
from merlin.errors import CursorExpired, InvalidInput

CHANNEL = "merlin_events"
LOCK_KEY = 0x6D65726C696E0001  # "merlin", 1
MOST_PER_PAGE = 1000

_BEYOND_ALL = 2**63 - 1
_CURSOR = re.compile(r"([0-9a-z]{1,16})\.(\d{1,18})")
_INSERT = """
WITH inserted AS (
  INSERT INTO event
    (project_id, subject_type, subject_id, model_id, type, reason, severity, message, data, revision, actor)
  SELECT project_id, subject_type, subject_id, model_id, type, reason, severity, message, data, revision, actor
  FROM ROWS FROM (jsonb_to_recordset($1::jsonb) AS (
    project_id uuid, subject_type text, subject_id uuid, model_id uuid, type text, reason text, severity text,
    message text, data jsonb, revision int, actor text)) WITH ORDINALITY
  ORDER BY ordinality
  RETURNING id, subject_id)
SELECT id, pg_notify('merlin_events', subject_id::text) FROM inserted ORDER BY id
"""
_SELECT = """
SELECT id, project_id, subject_type, subject_id, model_id, type, reason, severity, message, data, revision, actor, at
FROM event WHERE id {beyond} $1
"""
_LOG = """
SELECT epoch, pruned_through, coalesce(pg_sequence_last_value(pg_get_serial_sequence('event', 'id')), 0) AS last
FROM installation
"""


@dataclass(frozen=True, slots=True)
class NewEvent:
    """A line to be written. ``subject_type``: the GraphQL type's name; ``model_id`` puts it on the model's timeline."""

    type: str
    subject_type: str
    subject_id: UUID
    message: str
    project_id: UUID | None = None
    model_id: UUID | None = None
    reason: str = ""
    severity: Severity = Severity.INFO
    data: dict[str, Any] = field(default_factory=dict)
    revision: int | None = None
    actor: str = ""


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """A line as it was written. ``cursor`` resumes after it."""

    id: int
    cursor: str
    project_id: UUID | None
    subject_type: str
    subject_id: UUID
    model_id: UUID | None
    type: str
    reason: str
    severity: Severity
    message: str
    data: dict[str, Any]
    revision: int | None
    actor: str
    at: datetime


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events: all given conditions hold. A subject's timeline holds what is about it, its model or project.

    ``subjects``: on the timeline of any of them.

    ``projects``: ids of the projects that the caller may see; ``None`` = every event.
    """

    subjects: frozenset[UUID] | None = None
    project: UUID | None = None
    types: frozenset[str] | None = None
    severity: Severity | None = None
    projects: frozenset[UUID] | None = None

    def matches(self, event: StoredEvent) -> bool:
        """Whether the event passes; the same conditions as in SQL."""
        return (
            (
                self.subjects is None
                or not self.subjects.isdisjoint((event.subject_id, event.model_id, event.project_id))
            )
            and (self.project is None or event.project_id == self.project)
            and (self.types is None or event.type in self.types)
            and (self.severity is None or event.severity is self.severity)
            and (self.projects is None or event.project_id in self.projects)
        )


@dataclass(frozen=True, slots=True)
class EventPage:
    """Events in order. ``cursor`` resumes after the last one (or after the given cursor when there is none).

    ``has_more``: whether the log goes on in the direction that was read.
    """

    events: tuple[StoredEvent, ...]
    cursor: str
    has_more: bool


async def append_events(tx: Transaction, events: Sequence[NewEvent]) -> list[int]:
    """Write events as the last act of a transaction and ring the doorbell on commit; their numbers, ascending.

    Takes the log's lock until the commit: nothing may be locked after it.
    """
    if not events:
        return []
    await tx.execute("SELECT pg_advisory_xact_lock($1)", LOCK_KEY)
    return [row["id"] for row in await tx.rows(_INSERT, as_json([_as_record(event) for event in events]))]


async def ring(tx: Transaction, subjects: Iterable[UUID]) -> None:
    """Tell subscribers on commit that something about these subjects changed, without a line in the log."""
    names = [str(subject) for subject in subjects]
    if names:
        await tx.execute("SELECT pg_notify($1, name) FROM unnest($2::text[]) AS name", CHANNEL, names)


async def events_after(
    cursor: str | None,
    *,
    filter: EventFilter | None = None,
    limit: int = 100,
    connection: asyncpg.Connection[Any] | None = None,
) -> EventPage:
    """The first ``limit`` (at most 1000) matching events after a cursor; ``None`` = from the oldest that is kept.

    Raises InvalidInput for no cursor at all, CursorExpired (its hint is the oldest cursor) when some may be gone.
    """
    epoch_given, after = parse_cursor(cursor) if cursor is not None else (None, 0)
    limit = max(1, min(limit, MOST_PER_PAGE))
    conditions, arguments = _conditions(filter or EventFilter())
    sql = f"{_SELECT.format(beyond='>')} {conditions} ORDER BY id LIMIT {limit + 1}"
    records, log = await _read(sql, after, *arguments, connection=connection)
    if epoch_given is not None and (epoch_given != log["epoch"] or not log["pruned_through"] <= after <= log["last"]):
        raise expired(log["epoch"], log["pruned_through"])
    events = tuple(_as_event(record, log["epoch"]) for record in records[:limit])
    last = events[-1].cursor if events else cursor or format_cursor(log["epoch"], log["pruned_through"])
    return EventPage(events, last, len(records) > limit)


async def events_before(cursor: str | None, *, filter: EventFilter | None = None, limit: int = 100) -> EventPage:
    """The last ``limit`` (at most 1000) matching events before a cursor, oldest first; ``None`` = the newest there are.

    Events that were pruned are simply no longer there. Raises InvalidInput for no cursor at all, CursorExpired for one
    of another epoch.
    """
    epoch_given, before = parse_cursor(cursor, argument="before") if cursor is not None else (None, _BEYOND_ALL)
    limit = max(1, min(limit, MOST_PER_PAGE))
    conditions, arguments = _conditions(filter or EventFilter())
    sql = f"{_SELECT.format(beyond='<')} {conditions} ORDER BY id DESC LIMIT {limit + 1}"
    records, log = await _read(sql, before, *arguments)
    if epoch_given is not None and epoch_given != log["epoch"]:
        raise expired(log["epoch"], log["pruned_through"])
    events = tuple(_as_event(record, log["epoch"]) for record in reversed(records[:limit]))
    last = events[-1].cursor if events else format_cursor(log["epoch"], log["pruned_through"])
    return EventPage(events, last, len(records) > limit)


async def _read(
    sql: str, *arguments: Any, connection: asyncpg.Connection[Any] | None = None
) -> tuple[list[asyncpg.Record], asyncpg.Record]:
    """Events and where the log stands."""
    async with borrowed(connection) as own:
        with translated():
            records = await own.fetch(sql, *arguments)
            # Read after the events: what a prune removed between the two is seen as removed.
            log = await own.fetchrow(_LOG)
    if log is None:
        raise InvalidInput("The installation has no identity yet; run `merlin migrate`.")
    return records, log


async def newest_cursor() -> str:
    """The cursor after everything that is visible now."""
    async with borrowed() as own:
        with translated():
            row = await own.fetchrow(
                "SELECT epoch, coalesce((SELECT max(id) FROM event), pruned_through) AS last FROM installation"
            )
    return format_cursor(row["epoch"], row["last"]) if row else format_cursor("0", 0)


async def prune_events(*, older_than_days: float, most: int = 10_000) -> int:
    """Remove events past their time, the oldest first, at most ``most`` in one transaction; how many went."""
    async with transaction() as tx:
        # The longest beginning of the log that is old: an old event behind a young one stays, so that what a cursor
        # may still be asked for is one unbroken range.
        row = await tx.row(
            """
            WITH old AS (SELECT id, at FROM event ORDER BY id LIMIT $2),
                 young AS (SELECT min(id) AS id FROM old WHERE at >= now() - make_interval(secs => $1)),
                 gone AS (DELETE FROM event USING old, young
                          WHERE event.id = old.id AND (young.id IS NULL OR old.id < young.id) RETURNING event.id)
            SELECT count(*) AS count, max(id) AS last FROM gone
            """,
            older_than_days * 86400,
            most,
        )
        if row is None or not row["count"]:
            return 0
        await tx.execute("UPDATE installation SET pruned_through = greatest(pruned_through, $1)", row["last"])
        return int(row["count"])


def parse_cursor(cursor: str, *, argument: str = "after") -> tuple[str, int]:
    """Epoch and number. Raises InvalidInput for text that is no cursor."""
    match = _CURSOR.fullmatch(cursor)
    if match is None:
        raise InvalidInput(
            "That is not a cursor of this API; pass one as you got it.",
            path=(argument,),
            hint="Leave it out to begin.",
        )
    return match[1], int(match[2])


def format_cursor(epoch: str, number: int) -> str:
    """The text users keep; it means nothing to them."""
    return f"{epoch}.{number}"


def expired(epoch: str, pruned_through: int) -> CursorExpired:
    """The error for a cursor whose events are gone; its hint is the oldest cursor there is."""
    return CursorExpired(
        "Events after that cursor are gone; read the present state, then go on from the cursor in the hint.",
        hint=format_cursor(epoch, pruned_through),
    )


def _conditions(filter: EventFilter) -> tuple[str, list[Any]]:
    parts: list[str] = []
    arguments: list[Any] = []

    def add(sql: str, value: Any) -> None:
        arguments.append(value)
        parts.append("AND " + sql.replace("?", f"${len(arguments) + 1}"))

    if filter.subjects is not None:
        about = " OR ".join(f"{column} = ANY(?::uuid[])" for column in ("subject_id", "model_id", "project_id"))
        add(f"({about})", list(filter.subjects))
    if filter.project is not None:
        add("project_id = ?", filter.project)
    if filter.types is not None:
        add("type = ANY(?::text[])", list(filter.types))
    if filter.severity is not None:
        add("severity = ?", filter.severity.value)
    if filter.projects is not None:
        add("project_id = ANY(?::uuid[])", list(filter.projects))
    return " ".join(parts), arguments


def _as_record(event: NewEvent) -> dict[str, Any]:
    return {
        "type": event.type,
        "subject_type": event.subject_type,
        "subject_id": event.subject_id,
        "message": event.message,
        "project_id": event.project_id,
        "model_id": event.model_id,
        "reason": event.reason,
        "severity": event.severity.value,
        "data": event.data,
        "revision": event.revision,
        "actor": event.actor,
    }


def _as_event(record: asyncpg.Record, epoch: str) -> StoredEvent:
    values = dict(record)
    values["severity"] = Severity(values["severity"])
    values["data"] = orjson.loads(values["data"])
    return StoredEvent(cursor=format_cursor(epoch, values["id"]), **values)
