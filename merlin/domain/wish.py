"""What is wished of an endpoint and what is on record about it, as plain values: one half of what `settle` looks at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from merlin.domain.environment import EnvironmentConfig
from merlin.domain.failure import Failure
from merlin.domain.lifecycle import (
    LIVE_STATUSES,
    UNFINISHED_STATUSES,
    Desired,
    Lifecycle,
    ModelEndpointStatus,
    RevisionStatus,
)
from merlin.domain.revision import RevisionSpec
from merlin.domain.traffic import TrafficRule


@dataclass(frozen=True, slots=True)
class WishedRevision:
    """A revision on record. ``service_name`` is its InferenceService, which revisions changed in place share."""

    number: int
    status: RevisionStatus
    spec: RevisionSpec
    service_name: str
    workload_revision: int
    created_at: datetime
    drain_until: datetime | None = None
    failure: Failure | None = None

    @property
    def is_live(self) -> bool:
        """Whether its InferenceService must not be deleted."""
        return self.status in LIVE_STATUSES

    @property
    def is_unfinished(self) -> bool:
        """Whether it is on its way to ACTIVE."""
        return self.status in UNFINISHED_STATUSES

    @property
    def deadline(self) -> datetime:
        """When it has failed if it is not active by then."""
        return self.created_at + timedelta(seconds=self.spec.deadline_seconds)


@dataclass(frozen=True, slots=True)
class Wish:
    """A version endpoint: what is wished, what was recorded last, and where it stands."""

    endpoint_id: UUID
    generation: int
    observed_generation: int
    desired: Desired
    lifecycle: Lifecycle
    progressing: bool
    healthy: bool
    reason: str
    message: str
    failure: Failure | None
    target_revision: int | None
    active_revision: int | None
    revisions: tuple[WishedRevision, ...]
    project_id: UUID
    project: str
    model: str
    version: int
    storage_uri: str
    namespace: str
    url: str
    environment_id: UUID
    environment: EnvironmentConfig

    def revision(self, number: int | None) -> WishedRevision | None:
        """The revision of that number, if it is among those read."""
        return next((r for r in self.revisions if r.number == number), None)

    @property
    def target(self) -> WishedRevision | None:
        """The revision that is to be active."""
        return self.revision(self.target_revision)

    @property
    def active(self) -> WishedRevision | None:
        """The revision that is active."""
        return self.revision(self.active_revision)

    @property
    def live_services(self) -> frozenset[str]:
        """InferenceServices that a live revision names: all others are left-overs. None while it is to go."""
        if self.desired is Desired.TERMINATED:
            return frozenset()
        return frozenset(r.service_name for r in self.revisions if r.is_live)

    @property
    def is_settled(self) -> bool:
        """Whether the cluster was seen to match this generation, and nothing is draining."""
        draining = any(r.status is RevisionStatus.DRAINING for r in self.revisions)
        return self.observed_generation >= self.generation and not draining


@dataclass(frozen=True, slots=True)
class DestinationState:
    """A version endpoint that a rule names: its version, its Service, and whether it can take calls."""

    endpoint_id: UUID
    version: int
    service: str
    workload_revision: int | None
    timeout_seconds: int
    can_serve: bool


@dataclass(frozen=True, slots=True)
class TrafficWish:
    """A model endpoint: the rule that is wished, the one that was seen last, and the endpoints that they name."""

    endpoint_id: UUID
    generation: int
    observed_generation: int
    desired_rule: TrafficRule | None
    observed_rule: TrafficRule | None
    status: ModelEndpointStatus
    progressing: bool
    reason: str
    message: str
    failure: Failure | None
    deadline_at: datetime | None
    destinations: Mapping[UUID, DestinationState]
    project: str
    model: str
    namespace: str
    url: str
    environment_id: UUID
    environment: EnvironmentConfig

    def weights(self, rule: TrafficRule) -> dict[int, int]:
        """A rule as weights by version number, zeros left out; endpoints that are gone are left out too."""
        return {
            state.version: d.weight
            for d in rule.destinations
            if d.weight > 0 and (state := self.destinations.get(d.version_endpoint_id))
        }

    def timeout_seconds(self, rule: TrafficRule) -> int | None:
        """How long a call may take by that rule: as long as the most patient one of it; None when all are gone."""
        named = {d.version_endpoint_id for d in rule.destinations if d.weight > 0}
        return max((state.timeout_seconds for key, state in self.destinations.items() if key in named), default=None)

    @property
    def is_settled(self) -> bool:
        """Whether the gateway was seen to do what this generation wishes."""
        return self.observed_generation >= self.generation
