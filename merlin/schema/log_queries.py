"""Lines of pods' logs: the types, and the query that is the twin of the subscription `logs`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import strawberry

from merlin.resolvers import logs
from merlin.schema.context import Info
from merlin.schema.ids import parse_id
from merlin.schema.mutation import as_shown
from merlin.schema.scalars import Cursor
from merlin.schema.view import shown, view

EndpointId = Annotated[strawberry.ID, strawberry.argument(description="The endpoint whose pods write.")]
Tail = Annotated[int, strawberry.argument(description="How many of the last lines, where there is no cursor.")]
Previous = Annotated[bool, strawberry.argument(description="Of the container that ran before a restart.")]
PodName = Annotated[str | None, strawberry.argument(description="Of one pod only.")]
Search = Annotated[
    str | None,
    strawberry.argument(
        description="Only lines that hold this text, whatever the case; it looks through 5,000 lines of each pod."
    ),
]
After = Annotated[Cursor | None, strawberry.argument(description="Only what came after this line's cursor.")]


@view(of=logs.LogLine)
class LogLine:
    """One line that a model's process wrote."""

    cursor: Cursor = shown("Goes on after this line, in the query and in the subscription.")
    at: datetime = shown("When it was written, by the node's clock.")
    pod: str = shown("The pod.")
    container: str = shown("The container.")
    revision: int | None = shown("The revision that the pod was made for.")
    text: str = shown("The line.")


@strawberry.type(description="Lines of logs, in order of time.")
class LogPage:
    """See the fields."""

    lines: list[LogLine] = strawberry.field(description="The lines.")
    cursor: Cursor | None = strawberry.field(description="Goes on after the last line; null when there is none.")


def log_question(
    version_endpoint_id: strawberry.ID,
    tail: int,
    previous: bool,
    pod: str | None,
    after: Cursor | None,
    search: str | None,
) -> logs.LogQuestion:
    """What is asked for. Raises InvalidInput (INVALID_ID)."""
    key = parse_id(version_endpoint_id, "VersionEndpoint", path=("versionEndpointId",))
    return logs.LogQuestion(key, tail, previous, pod, after, search)


@strawberry.type
class LogQueries:
    """A part of the root type Query."""

    @strawberry.field(description="What an endpoint's pods wrote last, or since a cursor.")
    async def logs(
        self,
        info: Info,
        version_endpoint_id: EndpointId,
        tail: Tail = 100,
        previous: Previous = False,
        pod: PodName = None,
        after: After = None,
        search: Search = None,
    ) -> LogPage:
        """See the description."""
        asked = log_question(version_endpoint_id, tail, previous, pod, after, search)
        lines, cursor = await logs.page_of_logs(info.context, asked)
        return LogPage(lines=as_shown(lines), cursor=Cursor(cursor) if cursor else None)
