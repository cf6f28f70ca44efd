"""What can be asked, but for logs."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated

import strawberry

from merlin.errors import InvalidInput
from merlin.resolvers import audit as audits
from merlin.resolvers import endpoints as endpoint_reads
from merlin.resolvers import environments as environment_reads
from merlin.resolvers import events as event_reads
from merlin.resolvers import models as model_reads
from merlin.resolvers import nodes as node_reads
from merlin.resolvers import projects as project_reads
from merlin.schema.audit import AuditEntry
from merlin.schema.connection import Connection, connection
from merlin.schema.context import Info
from merlin.schema.environment import Environment
from merlin.schema.event import After, Before, EventPage, First, Last, OfSeverity, Subjects, Types, subjects_of
from merlin.schema.filters import (
    EnvironmentFilter,
    EnvironmentOrder,
    ProjectFilter,
    ProjectOrder,
    VersionEndpointFilter,
    VersionEndpointOrder,
)
from merlin.schema.ids import parse_any_id
from merlin.schema.model import Model
from merlin.schema.mutation import as_shown
from merlin.schema.project import Project
from merlin.schema.server import Me, Server, server
from merlin.schema.version_endpoint import VersionEndpoint
from merlin.schema.view import Node

MOST_NODES = 100

Name = Annotated[str, strawberry.argument(description="Its name.")]
Subject = Annotated[
    strawberry.ID | None, strawberry.argument(description="Only what is about this thing, or belongs to it.")
]


@strawberry.type
class Queries:
    """Most of the root type Query; those with arguments of their own are methods."""

    projects: Connection[Project] = connection(
        project_reads.projects, "The projects that the caller is a member of.", filter=ProjectFilter, order=ProjectOrder
    )
    environments: Connection[Environment] = connection(
        environment_reads.environments, "All environments.", filter=EnvironmentFilter, order=EnvironmentOrder
    )
    version_endpoints: Connection[VersionEndpoint] = connection(
        endpoint_reads.version_endpoints,
        "Version endpoints of all projects that the caller is a member of.",
        filter=VersionEndpointFilter,
        order=VersionEndpointOrder,
    )

    @strawberry.field(description="Anything by its id; null where there is nothing, or nothing the caller may see.")
    async def node(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="Its id.")]
    ) -> Node | None:
        """See its description."""
        return as_shown(await node_reads.node(info.context, *parse_any_id(id)))

    @strawberry.field(description="Several things by their ids, at most 100, in that order; null as in `node`.")
    async def nodes(
        self, info: Info, ids: Annotated[list[strawberry.ID], strawberry.argument(description="Their ids.")]
    ) -> list[Node | None]:
        """See its description."""
        if len(ids) > MOST_NODES:
            raise InvalidInput(f"At most {MOST_NODES} ids can be given at once.", path=("ids",))
        wanted = [parse_any_id(one, path=("ids", place)) for place, one in enumerate(ids)]
        return as_shown(await asyncio.gather(*(node_reads.node(info.context, *one) for one in wanted)))

    @strawberry.field(description="Who calls.")
    async def me(self, info: Info) -> Me:
        """See its description."""
        return as_shown(info.context.actor)

    @strawberry.field(description="This server.")
    async def server(self, info: Info) -> Server:
        """See its description."""
        return await server(info.context)

    @strawberry.field(description="A project by name; null where there is none that the caller may see.")
    async def project(self, info: Info, name: Name) -> Project | None:
        """See its description."""
        return as_shown(await project_reads.project_by_name(info.context, name))

    @strawberry.field(description="A model by name; null where there is none that the caller may see.")
    async def model(
        self, info: Info, project: Annotated[str, strawberry.argument(description="Its project's name.")], name: Name
    ) -> Model | None:
        """See its description."""
        return as_shown(await model_reads.model_by_name(info.context, project, name))

    @strawberry.field(description="An environment by name; the default one when none is named.")
    async def environment(
        self,
        name: Annotated[str | None, strawberry.argument(description="Its name.")] = None,
    ) -> Environment | None:
        """See its description."""
        return as_shown(await environment_reads.environment_by_name(name))

    @strawberry.field(description="What happened, the oldest first. The subscription `events` goes on from `cursor`.")
    async def events(
        self,
        info: Info,
        project: Annotated[str | None, strawberry.argument(description="Only of the project of this name.")] = None,
        subject: Subject = None,
        types: Types = None,
        severity: OfSeverity = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        subjects: Subjects = None,
    ) -> EventPage:
        """See its description."""
        about = subjects_of(subject, subjects)
        wanted = await event_reads.event_filter(
            info.context, project=project, subjects=about, types=types, severity=severity
        )
        page = await event_reads.read_events(wanted, first=first, after=after, last=last, before=before)
        return as_shown(page)

    @strawberry.field(description="Who did what in a project, the newest first; for its administrators.")
    async def audit(
        self,
        info: Info,
        project: Annotated[str, strawberry.argument(description="The project's name.")],
        subject: Subject = None,
        actor: Annotated[str | None, strawberry.argument(description="Only what this subject did.")] = None,
        actions: Annotated[
            list[str] | None,
            strawberry.argument(
                description="Only these actions; one that ends with a dot is a beginning: `deployment.`."
            ),
        ] = None,
        since: Annotated[datetime | None, strawberry.argument(description="Only from this moment on.")] = None,
        until: Annotated[datetime | None, strawberry.argument(description="Only before this moment.")] = None,
        first: First = None,
        after: Annotated[str | None, strawberry.argument(description="Begin after this cursor.")] = None,
    ) -> Connection[AuditEntry]:
        """See its description."""
        key = None if subject is None else parse_any_id(subject, path=("subject",))[1]
        wanted = audits.AuditQuestion(key, actor, None if actions is None else tuple(actions), since, until)
        return as_shown(await audits.audit(info.context, project, wanted, first=first, after=after))
