"""The states that things pass through, and the only moves there are between them.

Pure values and rules. Stored states change in one place per noun (`merlin.db.endpoints`, `merlin.db.model_endpoints`),
which asks `advance`, `check_move` or `walk` first. Design section 3 has the tables.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from merlin.errors import NotAllowed


class Desired(StrEnum):
    """What a user last wished for a version endpoint."""

    DEPLOYED = "deployed"
    TERMINATED = "terminated"


class Lifecycle(StrEnum):
    """The stored life of a version endpoint. SERVING, which users see too, is derived (`shown`)."""

    PENDING = "pending"
    RUNNING = "running"
    FAILED = "failed"
    TERMINATED = "terminated"


class ShownLifecycle(StrEnum):
    """What users see: the stored lifecycle, or SERVING: RUNNING with weight in the observed rule."""

    PENDING = "pending"
    RUNNING = "running"
    SERVING = "serving"
    FAILED = "failed"
    TERMINATED = "terminated"


class EndpointEvent(StrEnum):
    """What happens to a version endpoint."""

    DEPLOY_ACCEPTED = "deploy accepted"
    REVISION_READY = "revision ready"
    REVISION_FAILED = "revision failed"
    REVISION_CANCELLED = "revision cancelled"
    UNDEPLOY_ACCEPTED = "undeploy accepted"
    OBJECTS_GONE = "objects gone"


class RevisionStatus(StrEnum):
    """The life of a revision. FAILED, CANCELLED and SUPERSEDED are reached only before ACTIVE."""

    QUEUED = "queued"
    STARTING = "starting"
    READY = "ready"
    ACTIVE = "active"
    DRAINING = "draining"
    REMOVED = "removed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"


class Cause(StrEnum):
    """Why a revision was made."""

    DEPLOY = "deploy"
    REDEPLOY = "redeploy"
    ROLLBACK = "rollback"


class ModelEndpointStatus(StrEnum):
    """The life of a model endpoint."""

    STOPPED = "stopped"
    PENDING = "pending"
    SERVING = "serving"


class TrafficEvent(StrEnum):
    """What happens to a model endpoint."""

    RULE_ACCEPTED = "rule accepted"
    RULE_APPLIED = "rule applied"
    RULE_REFUSED = "rule refused by the gateway"
    STOP_ACCEPTED = "stop accepted"
    ROUTE_GONE = "route gone"


class VersionState(StrEnum):
    """A version is OPEN while its MLflow run is being written to, FINISHED once its artifact was resolved."""

    OPEN = "open"
    FINISHED = "finished"


class Severity(StrEnum):
    """How loud an event is."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Role(StrEnum):
    """What a member of a project may do; each includes the ones before it."""

    READER = "reader"
    EDITOR = "editor"
    ADMINISTRATOR = "administrator"

    def includes(self, needed: Role) -> bool:
        """Whether this role may do what ``needed`` may."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


_ENDPOINT_MOVES: Final[dict[tuple[Lifecycle | None, EndpointEvent], Lifecycle]] = {
    (None, EndpointEvent.DEPLOY_ACCEPTED): Lifecycle.PENDING,
    (Lifecycle.FAILED, EndpointEvent.DEPLOY_ACCEPTED): Lifecycle.PENDING,
    (Lifecycle.TERMINATED, EndpointEvent.DEPLOY_ACCEPTED): Lifecycle.PENDING,
    (Lifecycle.PENDING, EndpointEvent.DEPLOY_ACCEPTED): Lifecycle.PENDING,
    (Lifecycle.PENDING, EndpointEvent.REVISION_READY): Lifecycle.RUNNING,
    (Lifecycle.PENDING, EndpointEvent.REVISION_FAILED): Lifecycle.FAILED,
    (Lifecycle.PENDING, EndpointEvent.REVISION_CANCELLED): Lifecycle.TERMINATED,
    (Lifecycle.RUNNING, EndpointEvent.DEPLOY_ACCEPTED): Lifecycle.RUNNING,
    (Lifecycle.RUNNING, EndpointEvent.REVISION_READY): Lifecycle.RUNNING,
    (Lifecycle.RUNNING, EndpointEvent.REVISION_FAILED): Lifecycle.RUNNING,
    (Lifecycle.RUNNING, EndpointEvent.REVISION_CANCELLED): Lifecycle.RUNNING,
    (Lifecycle.PENDING, EndpointEvent.UNDEPLOY_ACCEPTED): Lifecycle.PENDING,
    (Lifecycle.RUNNING, EndpointEvent.UNDEPLOY_ACCEPTED): Lifecycle.RUNNING,
    (Lifecycle.FAILED, EndpointEvent.UNDEPLOY_ACCEPTED): Lifecycle.FAILED,
    (Lifecycle.PENDING, EndpointEvent.OBJECTS_GONE): Lifecycle.TERMINATED,
    (Lifecycle.RUNNING, EndpointEvent.OBJECTS_GONE): Lifecycle.TERMINATED,
    (Lifecycle.FAILED, EndpointEvent.OBJECTS_GONE): Lifecycle.TERMINATED,
    (Lifecycle.TERMINATED, EndpointEvent.OBJECTS_GONE): Lifecycle.TERMINATED,
}

_TRAFFIC_MOVES: Final[dict[tuple[ModelEndpointStatus | None, TrafficEvent], ModelEndpointStatus]] = {
    (None, TrafficEvent.RULE_ACCEPTED): ModelEndpointStatus.PENDING,
    (ModelEndpointStatus.STOPPED, TrafficEvent.RULE_ACCEPTED): ModelEndpointStatus.PENDING,
    (ModelEndpointStatus.PENDING, TrafficEvent.RULE_ACCEPTED): ModelEndpointStatus.PENDING,
    (ModelEndpointStatus.SERVING, TrafficEvent.RULE_ACCEPTED): ModelEndpointStatus.SERVING,
    (ModelEndpointStatus.PENDING, TrafficEvent.RULE_APPLIED): ModelEndpointStatus.SERVING,
    (ModelEndpointStatus.SERVING, TrafficEvent.RULE_APPLIED): ModelEndpointStatus.SERVING,
    (ModelEndpointStatus.PENDING, TrafficEvent.RULE_REFUSED): ModelEndpointStatus.PENDING,
    (ModelEndpointStatus.SERVING, TrafficEvent.RULE_REFUSED): ModelEndpointStatus.SERVING,
    (ModelEndpointStatus.PENDING, TrafficEvent.STOP_ACCEPTED): ModelEndpointStatus.PENDING,
    (ModelEndpointStatus.SERVING, TrafficEvent.STOP_ACCEPTED): ModelEndpointStatus.SERVING,
    (ModelEndpointStatus.PENDING, TrafficEvent.ROUTE_GONE): ModelEndpointStatus.STOPPED,
    (ModelEndpointStatus.SERVING, TrafficEvent.ROUTE_GONE): ModelEndpointStatus.STOPPED,
    (ModelEndpointStatus.STOPPED, TrafficEvent.ROUTE_GONE): ModelEndpointStatus.STOPPED,
}

_BEFORE_ACTIVE: Final = (RevisionStatus.QUEUED, RevisionStatus.STARTING, RevisionStatus.READY)
_ENDED_EARLY: Final = (RevisionStatus.FAILED, RevisionStatus.CANCELLED, RevisionStatus.SUPERSEDED)
_PATH: Final = (*_BEFORE_ACTIVE, RevisionStatus.ACTIVE, RevisionStatus.DRAINING, RevisionStatus.REMOVED)

LIVE_STATUSES: Final = frozenset({*_BEFORE_ACTIVE, RevisionStatus.ACTIVE, RevisionStatus.DRAINING})
"""Revisions whose InferenceService must not be deleted."""

UNFINISHED_STATUSES: Final = frozenset(_BEFORE_ACTIVE)
"""Revisions that are still on their way to ACTIVE: they can be cancelled or superseded, and they can fail."""


def advance(current: Lifecycle | None, event: EndpointEvent) -> Lifecycle:
    """The lifecycle after that event; ``None`` is an endpoint that does not exist yet. Raises NotAllowed."""
    try:
        return _ENDPOINT_MOVES[current, event]
    except KeyError:
        state = current.value if current else "not deployed"
        raise NotAllowed(f"A version endpoint that is {state} cannot take: {event.value}.") from None


def check_move(current: Lifecycle, new: Lifecycle) -> None:
    """Raise NotAllowed unless staying, or some event leads from one to the other."""
    if current is not new and not any(c is current and to is new for (c, _), to in _ENDPOINT_MOVES.items()):
        raise NotAllowed(f"A version endpoint cannot go from {current.value} to {new.value}.")


def advance_traffic(current: ModelEndpointStatus | None, event: TrafficEvent) -> ModelEndpointStatus:
    """A model endpoint's status after that event. Raises NotAllowed."""
    try:
        return _TRAFFIC_MOVES[current, event]
    except KeyError:
        state = current.value if current else "not there"
        raise NotAllowed(f"A model endpoint that is {state} cannot take: {event.value}.") from None


def check_traffic_move(current: ModelEndpointStatus, new: ModelEndpointStatus) -> None:
    """Raise NotAllowed unless staying, or some event leads from one to the other."""
    if current is not new and not any(c is current and to is new for (c, _), to in _TRAFFIC_MOVES.items()):
        raise NotAllowed(f"A model endpoint cannot go from {current.value} to {new.value}.")


def walk(current: RevisionStatus, to: RevisionStatus) -> tuple[RevisionStatus, ...]:
    """Every status a revision passes on its way, ``to`` last; empty when it is there already.

    Forward along QUEUED → STARTING → READY → ACTIVE → DRAINING → REMOVED (what was seen late is passed at once;
    draining may be left out), or from before ACTIVE to FAILED, CANCELLED or SUPERSEDED. Raises NotAllowed otherwise.
    """
    if current is to:
        return ()
    if to in _ENDED_EARLY and current in _BEFORE_ACTIVE:
        return (to,)
    if to is RevisionStatus.REMOVED and current in (RevisionStatus.ACTIVE, RevisionStatus.DRAINING):
        return (to,)
    if current in _PATH and to in _PATH and to is not RevisionStatus.REMOVED:
        here, there = _PATH.index(current), _PATH.index(to)
        if here < there:
            return _PATH[here + 1 : there + 1]
    raise NotAllowed(f"A revision cannot go from {current.value} to {to.value}.")


def shown(lifecycle: Lifecycle, weight: int) -> ShownLifecycle:
    """What users see; ``weight`` is the endpoint's in its model endpoint's observed rule (0 = none)."""
    if lifecycle is Lifecycle.RUNNING and weight > 0:
        return ShownLifecycle.SERVING
    return ShownLifecycle(lifecycle.value)
