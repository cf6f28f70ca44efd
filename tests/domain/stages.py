"""Wishes and observations for tests of `settle`: a settled world, and words to change it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from merlin.domain.environment import EnvironmentConfig, parse_environments
from merlin.domain.lifecycle import Desired, Lifecycle, ModelEndpointStatus, RevisionStatus
from merlin.domain.observation import (
    ContainerSeen,
    DeploymentSeen,
    InferenceServiceSeen,
    Observation,
    PodSeen,
    RouteSeen,
    ServiceSeen,
    Termination,
    Workload,
)
from merlin.domain.revision import RevisionSpec
from merlin.domain.settle_traffic import TrafficObservation
from merlin.domain.traffic import TrafficRule
from merlin.domain.wish import DestinationState, TrafficWish, Wish, WishedRevision

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
ENDPOINT = UUID(int=1)
OTHER = UUID(int=2)
ENVIRONMENT: EnvironmentConfig = parse_environments(
    [
        {
            "name": "local",
            "cluster": {"name": "local", "in_cluster": True},
            "gateway": {"namespace": "g", "name": "g", "url": "http://g"},
            "drain_seconds": 30,
        }
    ]
)[0]
SPEC: RevisionSpec = ENVIRONMENT.defaults


def a_revision(number: int, status: RevisionStatus, **changes: Any) -> WishedRevision:
    made = WishedRevision(number, status, SPEC, f"iris-1-r{number}", number, NOW - timedelta(seconds=10))
    return replace(made, **changes)


def a_wish(*revisions: WishedRevision, **changes: Any) -> Wish:
    """An endpoint in its second generation whose target is the newest revision; the active one is found out."""
    active = next((r.number for r in revisions if r.status is RevisionStatus.ACTIVE), None)
    wish = Wish(
        endpoint_id=ENDPOINT,
        generation=2,
        observed_generation=1,
        desired=Desired.DEPLOYED,
        lifecycle=Lifecycle.RUNNING if active else Lifecycle.PENDING,
        progressing=True,
        healthy=active is not None,
        reason="",
        message="",
        failure=None,
        target_revision=revisions[-1].number if revisions else None,
        active_revision=active,
        revisions=revisions,
        project_id=OTHER,
        project="fraud",
        model="iris",
        version=1,
        storage_uri="file:///m",
        namespace="fraud",
        url="http://g/fraud/iris/versions/1",
        environment_id=OTHER,
        environment=ENVIRONMENT,
    )
    return replace(wish, **changes)


def first_deploy(status: RevisionStatus = RevisionStatus.STARTING, **changes: Any) -> Wish:
    return a_wish(a_revision(1, status), **changes)


def redeploy(status: RevisionStatus = RevisionStatus.STARTING, **changes: Any) -> Wish:
    return a_wish(a_revision(1, RevisionStatus.ACTIVE), a_revision(2, status), **changes)


def running(**changes: Any) -> Wish:
    settled = {"progressing": False, "observed_generation": 2, **changes}
    return a_wish(a_revision(1, RevisionStatus.ACTIVE), **settled)


def a_deployment(number: int, **changes: Any) -> DeploymentSeen:
    return replace(DeploymentSeen(f"iris-1-r{number}", number, 1, 1, 1, 1, 1, 1), **changes)


def an_isvc(number: int, **changes: Any) -> InferenceServiceSeen:
    seen = InferenceServiceSeen(f"iris-1-r{number}", number, False, SPEC.min_replicas, SPEC.max_replicas, None, None)
    return replace(seen, **changes)


def rolled_out(number: int, **changes: Any) -> Workload:
    return Workload(an_isvc(number), a_deployment(number, **changes))


def starting(number: int, *pods: PodSeen) -> Workload:
    return Workload(an_isvc(number), a_deployment(number, available=0, updated=1), pods)


def crashed(number: int) -> Workload:
    ended = Termination(137, "OOMKilled", "", NOW)
    container = ContainerSeen("kserve-container", False, False, False, 1, "CrashLoopBackOff", "", ended)
    return starting(number, a_pod(number, containers=(container,)))


def a_pod(number: int, **changes: Any) -> PodSeen:
    name = f"iris-1-r{number}"
    pod = PodSeen(f"{name}-x", "fraud", name, number, ENDPOINT, "Pending", False, False, NOW, NOW, None, "")
    return replace(pod, **changes)


def a_service(number: int, **changes: Any) -> ServiceSeen:
    return replace(ServiceSeen("iris-1", f"iris-1-r{number}", 2), **changes)


def a_route(**changes: Any) -> RouteSeen:
    return replace(RouteSeen("iris-1", 2, True, "", "", None, {"iris-1": 1}), **changes)


def seen(*workloads: Workload, selected: int | None = None, **changes: Any) -> Observation:
    """A complete observation; with ``selected`` the Service stands for that revision and the route is accepted."""
    named = {w.service.name: w for w in workloads if w.service is not None}
    shared: dict[str, Any] = {"service": a_service(selected), "route": a_route()} if selected else {}
    return Observation(**{"complete": True, "workloads": named, **shared, **changes})


# Traffic

ONE, TWO = UUID(int=11), UUID(int=12)


def a_destination(endpoint_id: UUID, version: int, *, can_serve: bool = True) -> DestinationState:
    return DestinationState(endpoint_id, version, f"iris-{version}", 1, 60, can_serve)


def a_traffic_wish(**changes: Any) -> TrafficWish:
    """Traffic that goes to version 1 and is wished to go to version 2."""
    wish = TrafficWish(
        endpoint_id=ENDPOINT,
        generation=2,
        observed_generation=1,
        desired_rule=TrafficRule.all_to(TWO),
        observed_rule=TrafficRule.all_to(ONE),
        status=ModelEndpointStatus.SERVING,
        progressing=True,
        reason="",
        message="",
        failure=None,
        deadline_at=NOW + timedelta(seconds=60),
        destinations={ONE: a_destination(ONE, 1), TWO: a_destination(TWO, 2)},
        project="fraud",
        model="iris",
        namespace="fraud",
        url="http://g/fraud/iris",
        environment_id=OTHER,
        environment=ENVIRONMENT,
    )
    return replace(wish, **changes)


def a_model_route(version: int, **changes: Any) -> RouteSeen:
    return replace(RouteSeen("iris", 2, True, "", "", None, {f"iris-{version}": 100}), **changes)


def traffic_seen(route: RouteSeen | None, **changes: Any) -> TrafficObservation:
    return replace(TrafficObservation(complete=True, route=route), **changes)
