"""Models."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import strawberry

from merlin.db import read_models
from merlin.db.records import ModelRecord
from merlin.resolvers import endpoints as endpoint_reads
from merlin.resolvers import models as model_reads
from merlin.resolvers import versions as version_reads
from merlin.schema.connection import Connection, connection
from merlin.schema.context import Info
from merlin.schema.event import EventPage, timeline
from merlin.schema.filters import ModelEndpointFilter, ModelEndpointOrder, VersionFilter, VersionOrder
from merlin.schema.model_endpoint import ModelEndpoint
from merlin.schema.version import InEnvironment, Version
from merlin.schema.view import Node, node_id, resolved_by, shown, view

if TYPE_CHECKING:
    from merlin.schema.project import Project

LazyProject = Annotated["Project", strawberry.lazy("merlin.schema.project")]


async def _version(
    root: Any,
    info: Info,
    number: Annotated[int | None, strawberry.argument(description="Its number.")] = None,
    alias: Annotated[str | None, strawberry.argument(description="One of its aliases.")] = None,
) -> Any:
    return await version_reads.version_of(root, info.context, number, alias)


async def _endpoint(root: Any, info: Info, environment: InEnvironment = None) -> Any:
    return await endpoint_reads.endpoint_of_model(root, info.context, environment)


@view(of=read_models.ModelSummary)
class ModelSummary:
    """How a model's versions are."""

    serving: int = shown("Version endpoints with traffic of the model.")
    running: int = shown("Version endpoints that run without.")
    pending: int = shown("Version endpoints that are on their way for the first time.")
    failed: int = shown("Version endpoints that did not come up.")
    progressing: int = shown("Version endpoints with something under way: a deploy, a rollback, an undeploy.")
    unhealthy: int = shown("Version endpoints that run or serve and are not well.")


@view(of=ModelRecord)
class Model(Node):
    """A prediction service of a project; an MLflow experiment."""

    id: strawberry.ID = node_id("Model")
    name: str = shown("Its name within the project; part of its addresses.")
    type: str = shown("What kind of model it is: mlflow.")
    description: str = shown("What it is for.")
    mlflow_experiment_id: str | None = shown("Its experiment in MLflow, once that is made.")
    mlflow_url: str | None = resolved_by(model_reads.mlflow_url, "Its experiment's page in MLflow.")
    created_by: str = shown("Who made it.")
    created_at: datetime = shown("When that was.")
    updated_at: datetime = shown("When it last changed.")
    summary: ModelSummary = resolved_by(
        model_reads.summary_of, "How its versions are; of all models of a list in one statement."
    )
    project: LazyProject = resolved_by(model_reads.project_of, "The project it belongs to.")
    versions: Connection[Version] = connection(
        version_reads.versions_of, "Its versions, the newest first.", filter=VersionFilter, order=VersionOrder
    )
    version: Version | None = strawberry.field(resolver=_version, description="One version by number or by alias.")
    latest_version: Version | None = resolved_by(version_reads.latest_version, "The version with the highest number.")
    endpoints: Connection[ModelEndpoint] = connection(
        endpoint_reads.endpoints_of_model,
        "Its endpoints, one per environment.",
        filter=ModelEndpointFilter,
        order=ModelEndpointOrder,
    )
    endpoint: ModelEndpoint | None = strawberry.field(
        resolver=_endpoint, description="Its endpoint in one environment."
    )
    events: EventPage = timeline()
