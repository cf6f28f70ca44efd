"""Model endpoints."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

from merlin.db.records import ModelEndpointRecord
from merlin.resolvers import endpoints as endpoint_reads
from merlin.schema.enums import ModelEndpointStatus
from merlin.schema.event import EventPage, timeline
from merlin.schema.parts import Failure
from merlin.schema.version_endpoint import VersionEndpoint
from merlin.schema.view import Node, node_id, resolved_by, shown, view

if TYPE_CHECKING:
    from merlin.schema.environment import Environment
    from merlin.schema.model import Model
    from merlin.schema.version import Version

LazyModel = Annotated["Model", strawberry.lazy("merlin.schema.model")]
LazyVersion = Annotated["Version", strawberry.lazy("merlin.schema.version")]
LazyEnvironment = Annotated["Environment", strawberry.lazy("merlin.schema.environment")]


@view(of=endpoint_reads.Share)
class TrafficShare:
    """A version endpoint's part of the traffic."""

    weight: int = shown("In percent.")
    version_endpoint: VersionEndpoint = shown("Who gets it.")


@view(of=ModelEndpointRecord)
class ModelEndpoint(Node):
    """The stable address of a model in one environment, and who its calls go to."""

    id: strawberry.ID = node_id("ModelEndpoint")
    url: str = shown("Where it answers, for ever: POST {url}/v2/models/{model}/infer.")
    status: ModelEndpointStatus = shown("Where it stands.")
    progressing: bool = shown("Whether a change of traffic is under way.")
    settled: bool = shown("Whether the gateway was seen to do what was last wished.")
    reason: str = shown("Why it stands so, for programs; may be empty.")
    message: str = shown("Why it stands so, for people; may be empty.")
    failure: Failure | None = shown("Why the last wish could not be met, if so.")
    generation: int = shown("Counts wishes.")
    observed_generation: int = shown("The newest wish that the gateway was seen to meet.")
    traffic: list[TrafficShare] = resolved_by(endpoint_reads.traffic, "Who was seen to get calls; empty = nobody.")
    desired_traffic: list[TrafficShare] = resolved_by(endpoint_reads.desired_traffic, "Who is to get calls.")
    serving_version: LazyVersion | None = resolved_by(
        endpoint_reads.serving_version, "The version that gets all calls, or most of them."
    )
    namespace: str = shown("The namespace of its route in the cluster.")
    created_by: str = shown("Who first served a version by it.")
    created_at: datetime = shown("When that was.")
    updated_at: datetime = shown("When it last changed.")
    model: LazyModel = resolved_by(endpoint_reads.model_of, "The model it stands for.")
    environment: LazyEnvironment = resolved_by(endpoint_reads.environment_of, "Where it is.")
    events: EventPage = timeline()
