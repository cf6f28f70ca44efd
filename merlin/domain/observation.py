"""What was seen of one endpoint in its cluster, as plain values.

`merlin.kube.seen` makes them from the API's JSON; `settle` judges them. Nothing here knows how Kubernetes spells it.
An Observation that is not complete says nothing about what is missing from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Termination:
    """How a container ended."""

    exit_code: int
    reason: str
    message: str
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class ContainerSeen:
    """A container's state. ``waiting`` is "" unless it waits; ``ended`` is its newest end, ``None`` if it never did."""

    name: str
    is_init: bool
    running: bool
    ready: bool
    restarts: int
    waiting: str
    waiting_message: str
    ended: Termination | None


@dataclass(frozen=True, slots=True)
class PodSeen:
    """A pod of a workload. ``unschedulable_since`` is set while no node takes it."""

    name: str
    namespace: str
    service_name: str | None
    workload_revision: int | None
    endpoint_id: UUID | None
    phase: str
    ready: bool
    terminating: bool
    created_at: datetime
    started_at: datetime | None
    unschedulable_since: datetime | None
    message: str
    containers: tuple[ContainerSeen, ...] = ()

    @property
    def restarts(self) -> int:
        """Restarts of all its containers."""
        return sum(container.restarts for container in self.containers)

    @property
    def revision(self) -> int | None:
        """The revision it was made for."""
        return self.workload_revision


@dataclass(frozen=True, slots=True)
class DeploymentSeen:
    """The predictor's Deployment. ``refused``: why pods could not be created, with since when."""

    service_name: str
    workload_revision: int | None
    generation: int
    observed_generation: int
    wanted: int
    replicas: int
    updated: int
    available: int
    refused: str = ""
    refused_since: datetime | None = None

    @property
    def is_rolled_out(self) -> bool:
        """Whether every pod that is wanted is there, new and available, and no other."""
        return (
            self.observed_generation >= self.generation
            and self.wanted >= 1
            and self.wanted == self.replicas == self.updated == self.available
        )


@dataclass(frozen=True, slots=True)
class InferenceServiceSeen:
    """An InferenceService. ``invalid`` is (reason, message) when its spec cannot run as it is."""

    name: str
    workload_revision: int | None
    terminating: bool
    min_replicas: int
    max_replicas: int
    scale_metric: str | None
    scale_target: int | None
    invalid: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class ServiceSeen:
    """The endpoint's own Service. ``selected`` is the InferenceService whose pods it stands for."""

    name: str
    selected: str | None
    generation: int
    terminating: bool = False


@dataclass(frozen=True, slots=True)
class RouteSeen:
    """An HTTPRoute. ``accepted``: by our gateway, for what is written now; ``None`` = it has not said yet.

    ``timeout`` as it is written there (``60s``); empty where the gateway knows none.
    """

    name: str
    generation: int
    accepted: bool | None
    reason: str
    message: str
    since: datetime | None
    weights: Mapping[str, int] = field(default_factory=dict)
    timeout: str = ""
    terminating: bool = False

    def waits(self, seconds: int) -> bool:
        """Whether it gives a call that long, as far as the gateway lets it say so."""
        return self.timeout in ("", f"{seconds}s")


@dataclass(frozen=True, slots=True)
class ClusterEvent:
    """A line that Kubernetes wrote about an object of the endpoint."""

    uid: str
    object_kind: str
    object_name: str
    is_warning: bool
    reason: str
    message: str
    count: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Workload:
    """One InferenceService and what became of it."""

    service: InferenceServiceSeen | None = None
    deployment: DeploymentSeen | None = None
    pods: tuple[PodSeen, ...] = ()


@dataclass(frozen=True, slots=True)
class Observation:
    """All that is known of a version endpoint.

    ``complete`` is false until every list was read: then what is not in here is Unknown, not absent.
    ``answered_by`` is the workload revision that last answered through the gateway; 0 = somebody who does not say.
    ``unreachable_since`` is set while the cluster does not answer.
    """

    complete: bool
    workloads: Mapping[str, Workload] = field(default_factory=dict)
    service: ServiceSeen | None = None
    route: RouteSeen | None = None
    events: tuple[ClusterEvent, ...] = ()
    answered_by: int | None = None
    answer: str = ""
    unreachable_since: datetime | None = None

    def workload(self, service_name: str) -> Workload:
        """What is seen of that InferenceService; an empty one when nothing is."""
        return self.workloads.get(service_name, Workload())

    @property
    def is_empty(self) -> bool:
        """Whether nothing of the endpoint is left. Only a complete observation can tell."""
        return self.complete and not self.workloads and self.service is None and self.route is None
