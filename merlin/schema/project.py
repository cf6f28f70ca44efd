"""Projects."""

from __future__ import annotations

from datetime import datetime

import strawberry

from merlin.db import read_projects
from merlin.db.records import ProjectRecord
from merlin.resolvers import models as model_reads
from merlin.resolvers import projects as project_reads
from merlin.resolvers import versions as version_reads
from merlin.schema.connection import Connection, connection
from merlin.schema.enums import Role
from merlin.schema.event import EventPage, timeline
from merlin.schema.filters import ModelFilter, ModelOrder
from merlin.schema.model import Model
from merlin.schema.parts import KeyValue, Member, Secret
from merlin.schema.view import Node, made_by, node_id, resolved_by, shown, view


@view(of=read_projects.ProjectSummary)
class ProjectSummary:
    """How much is in a project, and how it is."""

    models: int = shown("Models.")
    serving: int = shown("Version endpoints with traffic of their model.")
    running: int = shown("Version endpoints that run without.")
    pending: int = shown("Version endpoints that are on their way for the first time.")
    failed: int = shown("Version endpoints that did not come up.")
    progressing: int = shown("Version endpoints with something under way: a deploy, a rollback, an undeploy.")
    unhealthy: int = shown("Version endpoints that run or serve and are not well.")


@view(of=ProjectRecord)
class Project(Node):
    """A namespace of models."""

    id: strawberry.ID = node_id("Project")
    name: str = shown("Its name; part of every address and namespace of it.")
    description: str = shown("What it is for.")
    team: str = shown("The team it belongs to.")
    stream: str = shown("The stream it belongs to.")
    labels: list[KeyValue] = made_by(lambda project: version_reads.pairs(project.labels), "Its labels, by key.")
    role: Role | None = resolved_by(project_reads.role_in, "What the caller may do here.")
    summary: ProjectSummary = resolved_by(
        project_reads.summary_of, "How much is in it, and how it is; of all projects of a list in one statement."
    )
    members: list[Member] | None = resolved_by(
        project_reads.members_of, "Who may do what here; null with PERMISSION_DENIED for all but its administrators."
    )
    secrets: list[Secret] = resolved_by(project_reads.secrets_of, "Its secrets, by name and without values.")
    created_by: str = shown("Who made it.")
    created_at: datetime = shown("When that was.")
    updated_at: datetime = shown("When it last changed.")
    models: Connection[Model] = connection(
        model_reads.models_of, "Its models, by name.", filter=ModelFilter, order=ModelOrder
    )
    events: EventPage = timeline()
