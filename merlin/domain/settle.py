"""What is now true of a version endpoint, judged from what was wished and what was seen. Pure; asked again and again.

A Settlement states the endpoint as a whole, so judging twice gives the same twice. Nothing that was not seen is
assumed: an incomplete observation changes no more than the deadline does. Readiness is never read from the
InferenceService's own conditions (they show the old state for a while, and True during a bad update).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from merlin.domain.diagnosis import diagnose, diagnose_deadline, failure
from merlin.domain.failure import Failure, FailureCode
from merlin.domain.lifecycle import Desired, EndpointEvent, Lifecycle, RevisionStatus, Severity, advance
from merlin.domain.observation import ClusterEvent, InferenceServiceSeen, Observation, RouteSeen, Workload
from merlin.domain.plan import plan
from merlin.domain.settlement import Happening, RevisionMove, Settlement
from merlin.domain.wish import Wish, WishedRevision

ROUTE_SECONDS = 5  # a Service that was made together with its route may be unknown to the gateway for a moment
UNREACHABLE_SECONDS = 10
_TELLING = ("Scheduled", "Pulled", "Started")


def settle(wish: Wish, seen: Observation, now: datetime) -> Settlement:
    """The endpoint as it is now: lifecycle, revisions' moves, what happened, and whether the worker is needed."""
    if wish.desired is Desired.TERMINATED:
        return _settle_going(wish, seen)
    target = wish.target
    if target is None or not target.is_live:
        return _as_recorded(wish, progressing=False, healthy=False, settled=seen.is_empty)
    if target.is_unfinished:
        return _settle_on_its_way(wish, target, seen, now)
    return _settle_running(wish, target, seen, now)


def is_ready(revision: WishedRevision, workload: Workload) -> bool:
    """Whether the revision's pods, all of them and only they, run as wished."""
    service, deployment = workload.service, workload.deployment
    if service is None or service.terminating or deployment is None or not _is_as_wished(revision, service):
        return False
    if deployment.workload_revision != revision.workload_revision or not deployment.is_rolled_out:
        return False
    spec = revision.spec
    if spec.autoscaling is None:
        return deployment.wanted == spec.min_replicas
    return spec.min_replicas <= deployment.wanted <= spec.max_replicas


def awaits_answer(wish: Wish, seen: Observation) -> bool:
    """Whether all that is missing is an answer of the new pods through the gateway."""
    target = wish.target
    return (
        wish.desired is Desired.DEPLOYED
        and target is not None
        and target.is_unfinished
        and seen.complete
        and is_ready(target, seen.workload(target.service_name))
        and _is_selected(target, seen)
        and _is_written(wish, seen)
        and seen.route is not None
        and seen.route.accepted is True
        and not seen.route.terminating
    )


def needs_reconcile(wish: Wish, seen: Observation) -> bool:
    """Whether the cluster differs from what is on record, so that only a worker can go on."""
    if not seen.complete:
        return False
    wanted = plan(wish)
    if wanted is None:
        return not seen.is_empty
    if not wish.live_services >= seen.workloads.keys():
        return True
    if seen.service is None or seen.route is None or seen.service.terminating or seen.route.terminating:
        return True
    if not _is_selected(wanted.selected, seen) or not _is_written(wish, seen):
        return True
    if not seen.route.waits(wanted.timeout_seconds):
        return True
    service = seen.workload(wanted.target.service_name).service
    return service is None or service.terminating or not _is_as_wished(wanted.target, service)


def is_on_record(wish: Wish, settlement: Settlement) -> bool:
    """Whether writing the settlement would change nothing and tell nothing: then nobody need ask the database."""
    stated = ("lifecycle", "progressing", "healthy", "reason", "message", "failure", "target_revision")
    return (
        not settlement.moves
        and not any(happening.key for happening in settlement.happenings)
        and all(getattr(wish, name) == getattr(settlement, name) for name in (*stated, "active_revision"))
        and (not settlement.settled or wish.observed_generation >= wish.generation)
    )


def _settle_going(wish: Wish, seen: Observation) -> Settlement:
    if not seen.is_empty:
        is_gone = wish.lifecycle is Lifecycle.TERMINATED
        return _as_recorded(wish, progressing=not is_gone, healthy=False, settled=False)
    moves = tuple(
        RevisionMove(r.number, RevisionStatus.CANCELLED if r.is_unfinished else RevisionStatus.REMOVED)
        for r in wish.revisions
        if r.is_live
    )
    told = (
        () if wish.lifecycle is Lifecycle.TERMINATED else (Happening("endpoint.terminated", "Nothing of it is left."),)
    )
    return Settlement(
        lifecycle=advance(wish.lifecycle, EndpointEvent.OBJECTS_GONE),
        progressing=False,
        healthy=False,
        settled=True,
        reason=wish.reason if wish.lifecycle is Lifecycle.TERMINATED else "",
        message=wish.message if wish.lifecycle is Lifecycle.TERMINATED else "",
        moves=moves,
        happenings=told,
    )


def _settle_on_its_way(wish: Wish, target: WishedRevision, seen: Observation, now: datetime) -> Settlement:
    workload = seen.workload(target.service_name)
    if awaits_answer(wish, seen) and seen.answered_by in (target.workload_revision, 0):
        return _activated(wish, target, seen, now)
    cause = _cause(target, workload, seen, now)
    if cause is not None:
        return _failed(wish, target, cause, seen)
    if seen.complete and is_ready(target, workload):
        return _ready(wish, target, seen)
    happenings = _cluster_lines(target, seen)
    if workload.pods:
        started = Happening("deployment.starting", "The cluster is starting its pods.", revision=target.number)
        happenings = (replace(started, key=f"starting:{target.number}"), *happenings)
    reason, message = _progress(target, workload, seen, now)
    return _as_recorded(
        wish,
        progressing=True,
        healthy=_active_health(wish, seen),
        settled=False,
        reason=reason,
        message=message,
        happenings=happenings,
    )


def _cause(target: WishedRevision, workload: Workload, seen: Observation, now: datetime) -> Failure | None:
    if seen.complete:
        if not is_ready(target, workload):
            found = diagnose(workload, seen.events, now)
            if found is not None:
                return found
        refused = route_refusal(seen.route, now)
        if refused is not None:
            return refused
    if now < target.deadline:
        return None
    if seen.complete and is_ready(target, workload):
        return _not_answered(seen)
    return diagnose_deadline(workload, seen)


def route_refusal(route: RouteSeen | None, now: datetime) -> Failure | None:
    """ROUTE_NOT_ACCEPTED, once the gateway has stood by its refusal for some seconds."""
    if route is None or route.accepted is not False:
        return None
    if route.since is not None and now - route.since < timedelta(seconds=ROUTE_SECONDS):
        return None
    return failure(
        FailureCode.ROUTE_NOT_ACCEPTED,
        f"The gateway refuses the route {route.name}: {route.reason}: {route.message}".rstrip(": "),
        event=f"{route.reason}: {route.message}",
    )


def _not_answered(seen: Observation) -> Failure:
    if seen.route is None or seen.route.accepted is None:
        return failure(FailureCode.ROUTE_NOT_ACCEPTED, "No gateway said anything about the route until the deadline.")
    return failure(
        FailureCode.PROBE_FAILED,
        f"The pods are ready, but the gateway did not lead to them until the deadline: {seen.answer or 'no answer'}.",
        event=seen.answer or None,
    )


def _ready(wish: Wish, target: WishedRevision, seen: Observation) -> Settlement:
    is_new = target.status is not RevisionStatus.READY
    line = Happening("deployment.ready", f"Revision {target.number} is ready.", revision=target.number)
    return _as_recorded(
        wish,
        progressing=True,
        healthy=_active_health(wish, seen),
        settled=False,
        reason="switching",
        message="The pods are ready; waiting for the gateway to lead to them.",
        moves=(RevisionMove(target.number, RevisionStatus.READY),) if is_new else (),
        happenings=(line,) if is_new else (),
        wake_after_seconds=0 if is_new and not _is_selected(target, seen) else None,
    )


def _activated(wish: Wish, target: WishedRevision, seen: Observation, now: datetime) -> Settlement:
    moves = [RevisionMove(target.number, RevisionStatus.ACTIVE)]
    kept = max(wish.environment.drain_seconds, wish.environment.keep_warm_seconds)
    for revision in wish.revisions:
        if revision.number == target.number:
            continue
        if revision.status in (RevisionStatus.ACTIVE, RevisionStatus.DRAINING) and (
            revision.service_name == target.service_name or revision.service_name not in seen.workloads
        ):
            # Its pods are the target's now, or are gone already: nothing of its own is left to drain.
            moves.append(RevisionMove(revision.number, RevisionStatus.REMOVED))
        elif revision.status is RevisionStatus.ACTIVE:
            until = now + timedelta(seconds=kept)
            moves.append(RevisionMove(revision.number, RevisionStatus.DRAINING, drain_until=until))
    happenings = [
        Happening(
            "deployment.active", f"Revision {target.number} is active.", revision=target.number, data={"url": wish.url}
        )
    ]
    if target.status is not RevisionStatus.READY:
        line = Happening("deployment.ready", f"Revision {target.number} is ready.", revision=target.number)
        happenings.insert(0, line)
    return Settlement(
        lifecycle=advance(wish.lifecycle, EndpointEvent.REVISION_READY),
        progressing=False,
        healthy=True,
        settled=True,
        target_revision=target.number,
        active_revision=target.number,
        moves=tuple(moves),
        happenings=tuple(happenings),
    )


def _failed(wish: Wish, target: WishedRevision, cause: Failure, seen: Observation) -> Settlement:
    line = Happening(
        "deployment.failed",
        cause.message,
        reason=cause.code.value,
        severity=Severity.ERROR,
        data={"failure": cause.as_json()},
        revision=target.number,
    )
    return Settlement(
        lifecycle=advance(wish.lifecycle, EndpointEvent.REVISION_FAILED),
        progressing=False,
        healthy=_active_health(wish, seen),
        settled=False,
        reason=cause.code.value,
        message=cause.message,
        failure=cause,
        target_revision=wish.active_revision or wish.target_revision,
        active_revision=wish.active_revision,
        moves=(RevisionMove(target.number, RevisionStatus.FAILED, cause),),
        happenings=(*_cluster_lines(target, seen), line),
        wake_after_seconds=0,
    )


def _cluster_lines(target: WishedRevision, seen: Observation) -> tuple[Happening, ...]:
    """What Kubernetes says about the revision's pods and those who make them, each once, for the timeline."""
    return tuple(
        Happening(
            "cluster.event",
            f"{event.object_kind} {event.object_name}: {event.message}",
            reason=event.reason,
            severity=Severity.WARNING if event.is_warning else Severity.INFO,
            revision=target.number,
            key=event.uid,
        )
        for event in seen.events
        if event.object_name.startswith(f"{target.service_name}-") and _is_telling(event)
    )


def _is_telling(event: ClusterEvent) -> bool:
    # A probe that fails while a model loads is no news, nor is what KServe says of its own progress.
    return event.reason in _TELLING or (event.is_warning and event.reason != "Unhealthy")


def _settle_running(wish: Wish, active: WishedRevision, seen: Observation, now: datetime) -> Settlement:
    drained = _drained(wish, now)
    moves = tuple(RevisionMove(r.number, RevisionStatus.REMOVED) for r in drained)
    happenings = [
        Happening("deployment.drained", f"Revision {r.number} was drained and removed.", revision=r.number)
        for r in drained
    ]
    wake: float | None = 0 if drained else None
    if not seen.complete:
        reason, message = _unreachable(seen, now) or (wish.reason, wish.message)
        return _as_recorded(
            wish,
            progressing=False,
            healthy=wish.healthy,
            settled=False,
            reason=reason,
            message=message,
            moves=moves,
            happenings=tuple(happenings),
            wake_after_seconds=wake,
        )
    workload = seen.workload(active.service_name)
    healthy = _is_healthy(active, workload)
    cause, line = _health_line(wish, active, workload, seen, now, healthy=healthy)
    return _as_recorded(
        wish,
        progressing=False,
        healthy=healthy,
        settled=not needs_reconcile(wish, seen),
        reason=cause.code.value if cause else "" if healthy else "unhealthy",
        message=cause.message if cause else "" if healthy else "Its pods are not ready.",
        failure=cause,
        moves=moves,
        happenings=(*happenings, *line),
        wake_after_seconds=wake,
    )


def _health_line(
    wish: Wish, active: WishedRevision, workload: Workload, seen: Observation, now: datetime, *, healthy: bool
) -> tuple[Failure | None, tuple[Happening, ...]]:
    """The failure to show, and the line to write when the health changed (or its cause became known)."""
    if healthy:
        later = [r.failure for r in wish.revisions if r.failure is not None and r.number > active.number]
        line = Happening("endpoint.healed", "Its pods are ready again.", revision=active.number)
        return (later[-1] if later else None), () if wish.healthy else (line,)
    cause = diagnose(workload, seen.events, now)
    if cause is None and not wish.healthy:
        cause = wish.failure
    is_known = not wish.healthy and (cause is None or (wish.failure is not None and wish.failure.code is cause.code))
    if is_known:
        return wish.failure, ()
    line = Happening(
        "endpoint.unhealthy",
        cause.message if cause else "Its pods are not ready any more.",
        reason=cause.code.value if cause else "",
        severity=Severity.WARNING,
        data={"failure": cause.as_json()} if cause else {},
        revision=active.number,
    )
    return cause, (line,)


def _is_healthy(active: WishedRevision, workload: Workload) -> bool:
    """Whether enough of its pods take calls; more of them coming or going is no illness."""
    deployment = workload.deployment
    return workload.service is not None and deployment is not None and deployment.available >= active.spec.min_replicas


def _active_health(wish: Wish, seen: Observation) -> bool:
    active = wish.active
    if active is None:
        return False
    if not seen.complete:
        return wish.healthy
    deployment = seen.workload(active.service_name).deployment
    return deployment is not None and deployment.available >= 1


def _drained(wish: Wish, now: datetime) -> list[WishedRevision]:
    return [
        r
        for r in wish.revisions
        if r.status is RevisionStatus.DRAINING and (r.drain_until is None or r.drain_until <= now)
    ]


def _progress(target: WishedRevision, workload: Workload, seen: Observation, now: datetime) -> tuple[str, str]:
    unreachable = _unreachable(seen, now)
    if unreachable is not None:
        return unreachable
    if workload.service is None:
        return "applying", "Waiting for its objects in the cluster."
    waiting = next((pod.message for pod in workload.pods if pod.message), "")
    ready = workload.deployment.available if workload.deployment else 0
    message = f"{ready} of {target.spec.min_replicas} pods ready"
    return "starting", f"{message}: {waiting}" if waiting else f"{message}."


def _unreachable(seen: Observation, now: datetime) -> tuple[str, str] | None:
    since = seen.unreachable_since
    if since is None or now - since < timedelta(seconds=UNREACHABLE_SECONDS):
        return None
    return FailureCode.CLUSTER_UNREACHABLE.value, "The cluster does not answer; waiting for it."


def _is_selected(revision: WishedRevision, seen: Observation) -> bool:
    return seen.service is not None and seen.service.selected == revision.service_name


def _is_written(wish: Wish, seen: Observation) -> bool:
    """Whether what the revisions share was applied for this generation: else its old state would pass for the new."""
    shared = (seen.service, seen.route)
    return all(part is not None and part.generation >= wish.generation for part in shared)


def _is_as_wished(revision: WishedRevision, service: InferenceServiceSeen) -> bool:
    """Whether what may change in place is as the revision says."""
    spec = revision.spec
    if service.min_replicas != spec.min_replicas:
        return False
    if spec.autoscaling is None:
        return service.scale_metric is None
    return (service.max_replicas, service.scale_metric, service.scale_target) == (
        spec.max_replicas,
        spec.autoscaling.metric.value,
        spec.autoscaling.target_percent,
    )


def _as_recorded(wish: Wish, **changes: Any) -> Settlement:
    """The endpoint as it is on record, with these changes."""
    stated: dict[str, Any] = {
        "lifecycle": wish.lifecycle,
        "reason": wish.reason,
        "message": wish.message,
        "failure": wish.failure,
        "target_revision": wish.target_revision,
        "active_revision": wish.active_revision,
        **changes,
    }
    return Settlement(**stated)
