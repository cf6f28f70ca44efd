"""Versions."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import strawberry

from merlin.db.records import VersionRecord
from merlin.domain.example_request import example_request
from merlin.resolvers import endpoints as endpoint_reads
from merlin.resolvers import versions as version_reads
from merlin.schema.connection import Connection, connection
from merlin.schema.context import Info
from merlin.schema.enums import VersionState
from merlin.schema.event import EventPage, timeline
from merlin.schema.filters import VersionEndpointFilter, VersionEndpointOrder
from merlin.schema.parts import KeyValue, Metric
from merlin.schema.scalars import JSON
from merlin.schema.version_endpoint import VersionEndpoint
from merlin.schema.view import Node, made_by, node_id, read_as, resolved_by, shown, view

if TYPE_CHECKING:
    from merlin.schema.model import Model

LazyModel = Annotated["Model", strawberry.lazy("merlin.schema.model")]
InEnvironment = Annotated[
    str | None, strawberry.argument(description="The environment's name; the default one when not said.")
]


async def _endpoint(root: Any, info: Info, environment: InEnvironment = None) -> Any:
    return await endpoint_reads.endpoint_of_version(root, info.context, environment)


@view(of=VersionRecord)
class Run:
    """A version's run in MLflow."""

    id: str = read_as("mlflow_run_id", "MLflow's id of it.")
    name: str = read_as("run_name", "Its name.")
    url: str = resolved_by(version_reads.run_url, "Its page in MLflow.")
    artifact_uri: str | None = resolved_by(
        version_reads.run_artifact_uri, "Where its files go; null when MLflow does not answer."
    )
    status: str | None = resolved_by(version_reads.run_status, "MLflow's word for it; null when it does not answer.")


@view(of=VersionRecord)
class Version(Node):
    """A numbered iteration of a model: an MLflow run, and the model that it logged."""

    id: strawberry.ID = node_id("Version")
    number: int = shown("1, 2, 3 … within its model.")
    state: VersionState = shown("Whether it is complete.")
    adopted: bool = shown("Whether its run was there before it.")
    run: Run | None = made_by(
        lambda version: version if version.mlflow_run_id else None, "Its run; null until MLflow has it."
    )
    artifact_uri: str | None = shown("The model as it was logged.")
    storage_uri: str | None = shown("Where a cluster fetches the model.")
    labels: list[KeyValue] = made_by(lambda version: version_reads.pairs(version.labels), "Its labels, by key.")
    aliases: list[str] = shown("Its aliases, by name.")
    properties: JSON = shown("Anything its maker wanted to keep with it.")
    python_version: str | None = shown("The Python version it needs.")
    requirements: list[str] | None = shown("The packages it needs, one line each.")
    flavors: JSON | None = shown("Its MLflow flavours.")
    signature: JSON | None = shown("Its inputs, outputs and params, as MLflow writes them.")
    input_example: JSON | None = shown("An example of a request, if one was logged.")
    example_request: JSON | None = made_by(
        lambda version: example_request(version.signature, version.input_example),
        "A V2 request to try it with: from the example, else made up from the signature; null if neither says enough.",
    )
    metrics: list[Metric] = resolved_by(
        version_reads.metrics_of,
        "Latest metrics, by name: of now while OPEN and MLflow answers, else as mirrored.",
    )
    params: list[KeyValue] = resolved_by(version_reads.params_of, "Params, by name; as of `metrics`.")
    tags: list[KeyValue] = resolved_by(version_reads.tags_of, "The run's tags, by key; as of `metrics`.")
    mirrored_at: datetime | None = shown("When metrics, params and tags were mirrored last.")
    created_by: str = shown("Who made it.")
    created_at: datetime = shown("When that was.")
    updated_at: datetime = shown("When it last changed.")
    finished_at: datetime | None = shown("When it was finished.")
    model: LazyModel = resolved_by(version_reads.model_of, "The model it is of.")
    endpoints: Connection[VersionEndpoint] = connection(
        endpoint_reads.endpoints_of_version,
        "Its endpoints, one per environment.",
        filter=VersionEndpointFilter,
        order=VersionEndpointOrder,
    )
    endpoint: VersionEndpoint | None = strawberry.field(
        resolver=_endpoint, description="Its endpoint in one environment."
    )
    events: EventPage = timeline()
