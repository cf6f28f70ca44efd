"""Events: the lines of timelines."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import strawberry

from merlin.db import events as stored
from merlin.errors import InvalidInput
from merlin.resolvers import events as event_reads
from merlin.schema.context import Info
from merlin.schema.enums import Severity
from merlin.schema.ids import global_id, parse_any_id
from merlin.schema.public_data import public_data
from merlin.schema.scalars import JSON, Cursor
from merlin.schema.view import Node, made_by, resolved_by, shown, view

if TYPE_CHECKING:
    from merlin.schema.model import Model
    from merlin.schema.project import Project

LazyProject = Annotated["Project", strawberry.lazy("merlin.schema.project")]
LazyModel = Annotated["Model", strawberry.lazy("merlin.schema.model")]


@view(of=stored.StoredEvent)
class Event:
    """One line of a timeline: numbered, typed, never changed."""

    cursor: Cursor = shown("Its place in the log; `after: cursor` goes on behind it, in queries and subscriptions.")
    at: datetime = shown("When it happened.")
    type: str = shown("What happened, for programs: deployment.failed, traffic.changed, …")
    subject_type: str = shown("The type of what it is about.")
    subject: strawberry.ID = made_by(
        lambda event: global_id(event.subject_type, event.subject_id), "What it is about; give it to `node(id)`."
    )
    node: Node | None = resolved_by(event_reads.node_of, "What it is about, as it is now; null when that is gone.")
    reason: str = shown("Why, for programs; may be empty.")
    severity: Severity = shown("How loud it is.")
    message: str = shown("What happened, for people.")
    data: JSON = made_by(lambda event: public_data(event.data), "More about it; its keys depend on the type.")
    revision: int | None = shown("The number of the revision it is about.")
    actor: str = shown("Who caused it; empty for the platform itself.")
    project: LazyProject | None = resolved_by(event_reads.project_of, "Its project, if that is still there.")
    model: LazyModel | None = resolved_by(event_reads.model_of, "Its model, if that is still there.")


@view(of=stored.EventPage)
class EventPage:
    """Events in the order they happened."""

    nodes: list[Event] = made_by(lambda page: page.events, "The events.")
    cursor: Cursor = shown("Resumes after the last of them: this query, and the subscription `events`.")
    has_more: bool = shown("Whether there are more in the direction that was read.")


First = Annotated[int | None, strawberry.argument(description="How many at most, up to 100; 20 when not said.")]
After = Annotated[
    Cursor | None, strawberry.argument(description="Begin after this cursor; without it with the oldest kept event.")
]
Last = Annotated[
    int | None, strawberry.argument(description="The newest ones, this many at most, still the oldest of them first.")
]
Before = Annotated[
    Cursor | None, strawberry.argument(description="End before this cursor; without it with the newest event.")
]
Types = Annotated[list[str] | None, strawberry.argument(description="Only events of these types.")]
Subjects = Annotated[
    list[strawberry.ID] | None,
    strawberry.argument(description="Only what is about one of these things (at most 32), or belongs to it."),
]
OfSeverity = Annotated[Severity | None, strawberry.argument(description="Only events of this severity.")]

MOST_SUBJECTS = 32


def subjects_of(subject: str | None, subjects: list[strawberry.ID] | None) -> list[UUID] | None:
    """The keys of the things that are asked for; ``None`` = of everything. Raises InvalidInput."""
    if subjects is None:
        return None if subject is None else [parse_any_id(subject, path=("subject",))[1]]
    if subject is not None:
        raise InvalidInput("Give `subject` or `subjects`, not both.", path=("subjects",))
    if len(subjects) > MOST_SUBJECTS:
        raise InvalidInput(f"`subjects` holds at most {MOST_SUBJECTS} ids.", path=("subjects",))
    return [parse_any_id(each, path=("subjects", place))[1] for place, each in enumerate(subjects)]


async def _timeline(
    root: Any,
    info: Info,
    first: First = None,
    after: After = None,
    types: Types = None,
    severity: OfSeverity = None,
    last: Last = None,
    before: Before = None,
) -> Any:
    return await event_reads.events_of(root, info.context, first, after, last, before, types, severity)


def timeline() -> Any:
    """The field ``events`` of a thing."""
    return strawberry.field(
        resolver=_timeline, description="Its timeline, the oldest first; of what belongs to it as well."
    )
