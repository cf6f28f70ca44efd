"""Timelines: pages of events that the caller may see."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from merlin.db.events import EventFilter, EventPage, StoredEvent, events_after, events_before
from merlin.db.listing import checked_window, read_by_key
from merlin.db.read_projects import PROJECTS
from merlin.db.records import ModelRecord, ProjectRecord
from merlin.domain.lifecycle import Severity
from merlin.errors import InvalidInput, NotFound
from merlin.resolvers.context import Context
from merlin.resolvers.nodes import node


async def event_filter(
    context: Context,
    *,
    project: str | None = None,
    subjects: Collection[UUID] | None = None,
    types: Sequence[str] | None = None,
    severity: Severity | None = None,
) -> EventFilter:
    """The filter of a query or subscription, narrowed to what the caller may see. Raises NotFound (project)."""
    visible = await context.visible()
    return EventFilter(
        subjects=None if subjects is None else frozenset(subjects),
        project=None if project is None else (await _project(context, project)).id,
        types=None if types is None else frozenset(types),
        severity=severity,
        projects=None if visible is None else frozenset(visible),
    )


async def read_events(
    filter: EventFilter, *, first: int | None, after: str | None, last: int | None = None, before: str | None = None
) -> EventPage:
    """The first events after a cursor, or the last before one; 20 when nothing is said.

    Raises InvalidInput (both directions at once, counts above 100, no cursor), CursorExpired.
    """
    window = checked_window(first=first, after=after, last=last, before=before)
    if last is None and before is None:
        return await events_after(after, filter=filter, limit=window.size)
    if first is not None or after is not None:
        raise InvalidInput("Give `first` and `after`, or `last` and `before`, not both.", path=("before",))
    return await events_before(before, filter=filter, limit=window.size)


async def events_of(
    record: Any,
    context: Context,
    first: int | None,
    after: str | None,
    last: int | None,
    before: str | None,
    types: Sequence[str] | None,
    severity: Severity | None,
) -> EventPage:
    """The timeline of a thing."""
    wanted = await event_filter(context, subjects=[record.id], types=types, severity=severity)
    return await read_events(wanted, first=first, after=after, last=last, before=before)


async def node_of(event: StoredEvent, context: Context) -> Any:
    """What it is about, as it is now, if that is still there."""
    return await node(context, event.subject_type, event.subject_id)


async def project_of(event: StoredEvent, context: Context) -> ProjectRecord | None:
    """The project it is about, if it is still there."""
    return await context.load.project(event.project_id) if event.project_id else None


async def model_of(event: StoredEvent, context: Context) -> ModelRecord | None:
    """The model it is about, if it is still there."""
    return await context.load.model(event.model_id) if event.model_id else None


async def _project(context: Context, name: str) -> ProjectRecord:
    project = (await read_by_key(PROJECTS, [name], "p.name")).get(name)
    if project is None or await context.role(project.id) is None:
        raise NotFound(f"There is no project {name!r}.", path=("project",), hint="You see only your own projects.")
    return project
