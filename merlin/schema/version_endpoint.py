"""Version endpoints."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import strawberry

from merlin.db.records import VersionEndpointRecord
from merlin.resolvers import endpoints as endpoint_reads
from merlin.schema.connection import Connection, connection
from merlin.schema.context import Info
from merlin.schema.enums import Desired, ShownLifecycle
from merlin.schema.event import EventPage, timeline
from merlin.schema.filters import RevisionFilter, RevisionOrder
from merlin.schema.parts import Failure
from merlin.schema.pod import Pod
from merlin.schema.revision import Revision
from merlin.schema.view import Node, node_id, read_as, resolved_by, shown, view

if TYPE_CHECKING:
    from merlin.schema.environment import Environment
    from merlin.schema.version import Version

LazyVersion = Annotated["Version", strawberry.lazy("merlin.schema.version")]
LazyEnvironment = Annotated["Environment", strawberry.lazy("merlin.schema.environment")]


async def _revision(
    root: Any,
    info: Info,
    number: Annotated[int, strawberry.argument(description="Its number within the endpoint.")],
) -> Any:
    return await endpoint_reads.revision_of(root, info.context, number)


@view(of=VersionEndpointRecord)
class VersionEndpoint(Node):
    """The HTTP endpoint of one version in one environment; its address never changes."""

    id: strawberry.ID = node_id("VersionEndpoint")
    url: str = shown("Where it answers: POST {url}/v2/models/{model}/infer.")
    lifecycle: ShownLifecycle = read_as("shown_lifecycle", "Where it stands.")
    desired: Desired = shown("What was last wished.")
    progressing: bool = shown("Whether something is under way: a deploy, a rollback, an undeploy.")
    healthy: bool = shown("Whether the pods of the active revision are well.")
    settled: bool = shown("Whether the cluster was seen to match the newest wish, one way or the other.")
    reason: str = shown("Why it stands so, for programs; may be empty.")
    message: str = shown("Why it stands so, for people; may be empty.")
    failure: Failure | None = shown("The newest failure: of a revision, or of the pods that run.")
    generation: int = shown("Counts wishes.")
    observed_generation: int = shown("The newest wish that the cluster was seen to match.")
    target_revision: Revision | None = resolved_by(endpoint_reads.target_revision, "The revision that is to be active.")
    active_revision: Revision | None = resolved_by(endpoint_reads.active_revision, "The revision that answers.")
    serving_weight: int = shown("Its part of the model endpoint's observed traffic, in percent.")
    namespace: str = shown("The namespace of its objects in the cluster.")
    service_name: str = shown("Its Service in the cluster, the same for ever.")
    created_by: str = shown("Who deployed it first.")
    created_at: datetime = shown("When that was.")
    updated_at: datetime = shown("When it last changed.")
    version: LazyVersion = resolved_by(endpoint_reads.version_of, "The version behind it.")
    environment: LazyEnvironment = resolved_by(endpoint_reads.environment_of, "Where it is.")
    revisions: Connection[Revision] = connection(
        endpoint_reads.revisions_of, "Its history, the newest first.", filter=RevisionFilter, order=RevisionOrder
    )
    revision: Revision | None = strawberry.field(resolver=_revision, description="One of its history by number.")
    pods: list[Pod] | None = resolved_by(
        endpoint_reads.pods_of, "Its pods, asked of the cluster now; null with an error when that does not answer."
    )
    events: EventPage = timeline()
