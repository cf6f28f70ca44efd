"""The root type Subscription. State streams send a snapshot and each change; lines of logs resume after a cursor."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Annotated

import strawberry

from merlin.resolvers import streams
from merlin.schema.context import Info
from merlin.schema.enums import Severity
from merlin.schema.event import Event, Subjects, subjects_of
from merlin.schema.ids import parse_id
from merlin.schema.log_queries import After, EndpointId, LogLine, PodName, Previous, Search, Tail, log_question
from merlin.schema.model_endpoint import ModelEndpoint
from merlin.schema.mutation import as_shown
from merlin.schema.scalars import Cursor
from merlin.schema.version_endpoint import VersionEndpoint

Id = Annotated[strawberry.ID, strawberry.argument(description="Its id.")]
ProjectName = Annotated[str | None, strawberry.argument(description="Only of this project.")]
SubjectId = Annotated[
    strawberry.ID | None,
    strawberry.argument(description="Only about this thing; of a project or model also what is in it."),
]
Types = Annotated[list[str] | None, strawberry.argument(description="Only of these types.")]
SeverityArgument = Annotated[Severity | None, strawberry.argument(description="Only of this severity.")]
AfterEvent = Annotated[
    Cursor | None, strawberry.argument(description="First what came after this cursor; from now on if absent.")
]
Follow = Annotated[bool, strawberry.argument(description="Whether to go on with what is written from now on.")]


@strawberry.type(description="What is sent as it happens, over WebSocket or server-sent events.")
class Subscription:
    """See the fields."""

    @strawberry.subscription(description="A version endpoint now, and after each change of what is asked for.")
    async def version_endpoint(self, info: Info, id: Id) -> AsyncGenerator[VersionEndpoint, None]:
        """See the description."""
        return as_shown(await streams.follow_version_endpoint(info.context, parse_id(id, "VersionEndpoint")))

    @strawberry.subscription(description="A model endpoint now, and after each change of what is asked for.")
    async def model_endpoint(self, info: Info, id: Id) -> AsyncGenerator[ModelEndpoint, None]:
        """See the description."""
        return as_shown(await streams.follow_model_endpoint(info.context, parse_id(id, "ModelEndpoint")))

    @strawberry.subscription(
        description="The event log: what came after a cursor, then what happens. No gap, no duplicate."
    )
    async def events(
        self,
        info: Info,
        project: ProjectName = None,
        subject: SubjectId = None,
        types: Types = None,
        severity: SeverityArgument = None,
        after: AfterEvent = None,
        subjects: Subjects = None,
    ) -> AsyncGenerator[Event, None]:
        """See the description."""
        found = await streams.follow_events(
            info.context,
            project=project,
            subjects=subjects_of(subject, subjects),
            types=types,
            severity=severity,
            after=after,
        )
        return as_shown(found)

    @strawberry.subscription(description="What an endpoint's pods write, across redeploys and restarts.")
    async def logs(
        self,
        info: Info,
        version_endpoint_id: EndpointId,
        follow: Follow = True,
        tail: Tail = 100,
        previous: Previous = False,
        pod: PodName = None,
        after: After = None,
        search: Search = None,
    ) -> AsyncGenerator[LogLine, None]:
        """See the description."""
        asked = log_question(version_endpoint_id, tail, previous, pod, after, search)
        return as_shown(await streams.follow_log_lines(info.context, asked, follow=follow))
