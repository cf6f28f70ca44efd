"""What `settle` says of a version endpoint: every branch, and what must hold whatever is seen."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from merlin.domain.failure import Failure, FailureCode
from merlin.domain.lifecycle import Desired, Lifecycle, RevisionStatus, Severity, check_move, walk
from merlin.domain.observation import ClusterEvent, Observation
from merlin.domain.plan import plan
from merlin.domain.revision import Autoscaling, AutoscalingMetric, Strategy
from merlin.domain.settle import (
    UNREACHABLE_SECONDS,
    awaits_answer,
    is_on_record,
    is_ready,
    needs_reconcile,
    settle,
)
from merlin.domain.settlement import Settlement, with_log_tail
from merlin.domain.wish import Wish
from tests.domain.stages import (
    NOW,
    SPEC,
    a_deployment,
    a_pod,
    a_revision,
    a_route,
    a_service,
    a_wish,
    an_isvc,
    crashed,
    first_deploy,
    redeploy,
    rolled_out,
    running,
    seen,
    starting,
)

S = RevisionStatus
LATE = NOW + timedelta(seconds=SPEC.deadline_seconds)
FAILURE = Failure(FailureCode.CRASH_LOOP, "it crashed", "mend it", {"pod": "p"})


def told(settlement: Settlement) -> list[str]:
    return [happening.type for happening in settlement.happenings]


def moved(settlement: Settlement) -> dict[int, RevisionStatus]:
    return {move.number: move.status for move in settlement.moves}


# A first deploy


@pytest.mark.parametrize("status", [S.QUEUED, S.STARTING])
def test_nothing_seen_yet_is_progress(status: RevisionStatus) -> None:
    now = settle(first_deploy(status), seen(), NOW)
    assert (now.lifecycle, now.progressing, now.settled, now.reason) == (Lifecycle.PENDING, True, False, "applying")
    assert (now.moves, now.happenings) == ((), ())


def test_pods_that_start_are_told_once_with_what_they_wait_for() -> None:
    now = settle(first_deploy(), seen(starting(1, a_pod(1, message="ContainerCreating"))), NOW)
    assert told(now) == ["deployment.starting"]
    assert now.happenings[0].key == "starting:1"
    assert now.message == "0 of 1 pods ready: ContainerCreating"


def test_what_the_cluster_says_of_its_pods_is_told_once_each() -> None:
    def said(reason: str, name: str, *, is_warning: bool = False) -> ClusterEvent:
        return ClusterEvent(f"uid-{reason}-{name}", "Pod", name, is_warning, reason, "text", 1, NOW)

    events = (
        said("Scheduled", "iris-1-r1-predictor-x"),
        said("BackOff", "iris-1-r1-predictor-x", is_warning=True),
        said("Unhealthy", "iris-1-r1-predictor-x", is_warning=True),
        said("SuccessfulCreate", "iris-1-r1-predictor-y"),
        said("Scheduled", "iris-1-r10-predictor-x"),
    )
    now = settle(first_deploy(), seen(starting(1), events=events), NOW)
    lines = [(h.reason, h.severity, h.key) for h in now.happenings]
    assert lines == [
        ("Scheduled", Severity.INFO, "uid-Scheduled-iris-1-r1-predictor-x"),
        ("BackOff", Severity.WARNING, "uid-BackOff-iris-1-r1-predictor-x"),
    ]


def test_ready_pods_that_nobody_is_led_to_are_ready_and_the_worker_is_woken() -> None:
    now = settle(first_deploy(), seen(rolled_out(1)), NOW)
    assert (moved(now), told(now), now.reason) == ({1: S.READY}, ["deployment.ready"], "switching")
    assert now.wake_after_seconds == 0


def test_ready_pods_that_are_selected_wait_for_the_gateway_alone() -> None:
    now = settle(first_deploy(), seen(rolled_out(1), selected=1), NOW)
    assert moved(now) == {1: S.READY}
    assert now.wake_after_seconds is None
    again = settle(first_deploy(S.READY), seen(rolled_out(1), selected=1), NOW)
    assert (again.moves, again.happenings, again.reason) == ((), (), "switching")


@pytest.mark.parametrize("answered_by", [1, 0], ids=["the new pods", "a server that does not say"])
def test_an_answer_through_the_gateway_makes_it_active(answered_by: int) -> None:
    now = settle(first_deploy(S.READY), seen(rolled_out(1), selected=1, answered_by=answered_by), NOW)
    assert (now.lifecycle, now.healthy, now.settled, now.active_revision) == (Lifecycle.RUNNING, True, True, 1)
    assert (moved(now), told(now)) == ({1: S.ACTIVE}, ["deployment.active"])


def test_what_was_seen_late_is_told_in_order() -> None:
    now = settle(first_deploy(S.QUEUED), seen(rolled_out(1), selected=1, answered_by=1), NOW)
    assert told(now) == ["deployment.ready", "deployment.active"]


@pytest.mark.parametrize(
    "changes",
    [
        {"answered_by": 7},
        {"answered_by": None},
        {"answered_by": 1, "complete": False},
        {"answered_by": 1, "route": a_route(accepted=None)},
        {"answered_by": 1, "route": a_route(terminating=True)},
        {"answered_by": 1, "route": a_route(generation=1)},
        {"answered_by": 1, "service": a_service(1, generation=1)},
        {"answered_by": 1, "service": a_service(2)},
        {"answered_by": 1, "route": None},
    ],
    ids=str,
)
def test_anything_less_than_an_answer_of_the_new_pods_on_the_new_route_is_not_done(changes: dict[str, Any]) -> None:
    now = settle(first_deploy(S.READY), seen(rolled_out(1), selected=1, **changes), NOW)
    assert (now.lifecycle, now.active_revision, now.settled) == (Lifecycle.PENDING, None, False)


def test_a_failed_first_deploy_is_failed_and_the_worker_cleans_up() -> None:
    now = settle(first_deploy(), seen(crashed(1)), NOW)
    assert (now.lifecycle, now.progressing, now.settled, now.wake_after_seconds) == (Lifecycle.FAILED, False, False, 0)
    assert now.failure is not None
    assert now.failure.code is FailureCode.OUT_OF_MEMORY
    assert (moved(now), told(now), now.happenings[0].severity) == ({1: S.FAILED}, ["deployment.failed"], Severity.ERROR)


def test_it_is_settled_once_nothing_is_left() -> None:
    failed = a_wish(a_revision(1, S.FAILED), lifecycle=Lifecycle.FAILED, failure=FAILURE, progressing=False)
    assert not settle(failed, seen(rolled_out(1)), NOW).settled
    now = settle(failed, seen(), NOW)
    assert (now.settled, now.lifecycle, now.failure) == (True, Lifecycle.FAILED, FAILURE)


@pytest.mark.parametrize(
    ("observation", "code"),
    [
        (seen(), FailureCode.DEADLINE_EXCEEDED),
        (seen(starting(1, a_pod(1))), FailureCode.DEADLINE_EXCEEDED),
        (seen(rolled_out(1)), FailureCode.ROUTE_NOT_ACCEPTED),
        (seen(rolled_out(1), selected=1, route=a_route(accepted=None)), FailureCode.ROUTE_NOT_ACCEPTED),
        (seen(rolled_out(1), selected=1, answer="HTTP 404"), FailureCode.PROBE_FAILED),
        (Observation(complete=False, unreachable_since=NOW), FailureCode.CLUSTER_UNREACHABLE),
    ],
    ids=["nothing", "pods", "no route", "route in doubt", "no answer", "unreachable"],
)
def test_the_deadline_names_what_was_missing(observation: Observation, code: FailureCode) -> None:
    before = settle(first_deploy(), observation, NOW)
    assert before.failure is None
    after = settle(first_deploy(), observation, LATE)
    assert after.failure is not None
    assert (after.failure.code, after.lifecycle) == (code, Lifecycle.FAILED)


def test_a_route_that_the_gateway_stands_by_refusing_fails_the_deploy() -> None:
    route = a_route(accepted=False, reason="NotAllowedByListeners", message="no", since=NOW - timedelta(seconds=6))
    young = replace(route, since=NOW - timedelta(seconds=1))
    assert settle(first_deploy(), seen(rolled_out(1), selected=1, route=young), NOW).failure is None
    now = settle(first_deploy(), seen(rolled_out(1), selected=1, route=route), NOW)
    assert now.failure is not None
    assert now.failure.code is FailureCode.ROUTE_NOT_ACCEPTED
    assert "NotAllowedByListeners" in now.failure.message


def test_an_unreachable_cluster_is_said_after_some_seconds() -> None:
    wish = first_deploy()
    just_now = Observation(complete=False, unreachable_since=NOW)
    assert settle(wish, just_now, NOW).reason == "applying"
    later = settle(wish, just_now, NOW + timedelta(seconds=UNREACHABLE_SECONDS))
    assert later.reason == "CLUSTER_UNREACHABLE"


# A redeploy


def test_the_active_revision_serves_on_while_the_new_one_starts() -> None:
    now = settle(redeploy(), seen(rolled_out(1), starting(2), selected=1), NOW)
    assert (now.lifecycle, now.healthy, now.progressing) == (Lifecycle.RUNNING, True, True)
    assert (now.active_revision, now.target_revision) == (1, 2)


def test_the_old_one_drains_once_the_new_one_answers() -> None:
    now = settle(redeploy(S.READY), seen(rolled_out(1), rolled_out(2), selected=2, answered_by=2), NOW)
    assert moved(now) == {2: S.ACTIVE, 1: S.DRAINING}
    until = next(move.drain_until for move in now.moves if move.number == 1)
    assert until == NOW + timedelta(seconds=30)


def test_the_old_pods_answer_does_not_count() -> None:
    now = settle(redeploy(S.READY), seen(rolled_out(1), rolled_out(2), selected=2, answered_by=1), NOW)
    assert (now.active_revision, moved(now)) == (1, {})


def test_an_old_one_without_objects_has_nothing_to_drain() -> None:
    now = settle(redeploy(S.READY), seen(rolled_out(2), selected=2, answered_by=2), NOW)
    assert moved(now) == {2: S.ACTIVE, 1: S.REMOVED}


def test_a_failed_redeploy_keeps_the_active_one_and_shows_the_cause() -> None:
    now = settle(redeploy(), seen(rolled_out(1), crashed(2), selected=1), NOW)
    assert (now.lifecycle, now.healthy, now.progressing) == (Lifecycle.RUNNING, True, False)
    assert (now.target_revision, now.active_revision) == (1, 1)
    assert moved(now) == {2: S.FAILED}
    after = a_wish(
        a_revision(1, S.ACTIVE), a_revision(2, S.FAILED, failure=FAILURE), target_revision=1, failure=FAILURE
    )
    left = settle(after, seen(rolled_out(1), crashed(2), selected=1), NOW)
    assert (left.settled, left.failure, left.healthy) == (False, FAILURE, True)
    cleaned = settle(after, seen(rolled_out(1), selected=1), NOW)
    assert (cleaned.settled, cleaned.failure) == (True, FAILURE)


def test_a_change_in_place_is_done_when_the_same_pods_are_as_wished_and_nothing_drains() -> None:
    more = replace(SPEC, min_replicas=2, max_replicas=2)
    wish = a_wish(
        a_revision(1, S.ACTIVE), a_revision(2, S.STARTING, service_name="iris-1-r1", workload_revision=1, spec=more)
    )
    old = settle(wish, seen(rolled_out(1), selected=1, answered_by=1), NOW)
    assert (old.active_revision, old.moves) == (1, ())
    grown = replace(
        rolled_out(1, wanted=2, replicas=2, updated=2, available=2), service=an_isvc(1, min_replicas=2, max_replicas=2)
    )
    new = settle(wish, seen(grown, selected=1, answered_by=1), NOW)
    assert (new.active_revision, moved(new)) == (2, {2: S.ACTIVE, 1: S.REMOVED})


# Running


def test_a_settled_endpoint_stays_as_it_is() -> None:
    now = settle(running(), seen(rolled_out(1), selected=1), NOW)
    assert (now.settled, now.healthy, now.moves, now.happenings, now.reason) == (True, True, (), (), "")


@pytest.mark.parametrize(
    ("wish", "observation", "expected"),
    [
        (running(), seen(rolled_out(1), selected=1), True),
        (running(observed_generation=1), seen(rolled_out(1), selected=1), False),
        (running(), seen(crashed(1), selected=1), False),
        (running(healthy=False), seen(rolled_out(1), selected=1), False),
        (first_deploy(), seen(starting(1, a_pod(1))), False),
        (first_deploy(S.READY), seen(rolled_out(1), selected=1, answered_by=1), False),
    ],
)
def test_what_is_on_record_already_need_not_be_written(wish: Wish, observation: Observation, expected: bool) -> None:
    assert is_on_record(wish, settle(wish, observation, NOW)) is expected


def test_pods_that_fail_later_make_it_unhealthy_with_the_cause_and_it_heals() -> None:
    ill = settle(running(), seen(crashed(1), selected=1), NOW)
    assert (ill.lifecycle, ill.healthy, told(ill)) == (Lifecycle.RUNNING, False, ["endpoint.unhealthy"])
    assert ill.failure is not None
    assert ill.failure.code is FailureCode.OUT_OF_MEMORY
    on_record = running(healthy=False, failure=ill.failure)
    assert settle(on_record, seen(crashed(1), selected=1), NOW).happenings == ()
    healed = settle(on_record, seen(rolled_out(1), selected=1), NOW)
    assert (healed.healthy, healed.failure, told(healed)) == (True, None, ["endpoint.healed"])


def test_an_illness_without_a_cause_is_told_and_its_cause_when_it_is_known() -> None:
    unknown = settle(running(), seen(starting(1), selected=1), NOW)
    assert (unknown.reason, unknown.failure, told(unknown)) == ("unhealthy", None, ["endpoint.unhealthy"])
    known = settle(running(healthy=False), seen(crashed(1), selected=1), NOW)
    assert told(known) == ["endpoint.unhealthy"]
    assert settle(running(healthy=False, failure=FAILURE), seen(starting(1), selected=1), NOW).failure == FAILURE


def test_what_is_drained_is_removed_and_the_worker_woken() -> None:
    draining = a_revision(1, S.DRAINING, drain_until=NOW)
    wish = a_wish(draining, a_revision(2, S.ACTIVE), observed_generation=2, progressing=False)
    early = settle(wish, seen(rolled_out(1), rolled_out(2), selected=2), NOW - timedelta(seconds=1))
    assert (early.moves, early.wake_after_seconds, early.settled) == ((), None, True)
    now = settle(wish, seen(rolled_out(1), rolled_out(2), selected=2), NOW)
    assert (moved(now), told(now), now.wake_after_seconds) == ({1: S.REMOVED}, ["deployment.drained"], 0)


def test_drains_end_while_the_cluster_is_away() -> None:
    wish = a_wish(a_revision(1, S.DRAINING, drain_until=NOW), a_revision(2, S.ACTIVE))
    now = settle(wish, Observation(complete=False, unreachable_since=NOW), NOW)
    assert (moved(now), now.healthy, now.settled) == ({1: S.REMOVED}, True, False)


# Going


@pytest.mark.parametrize("lifecycle", [Lifecycle.PENDING, Lifecycle.RUNNING, Lifecycle.FAILED])
def test_an_endpoint_that_is_to_go_is_terminated_when_nothing_is_left(lifecycle: Lifecycle) -> None:
    wish = a_wish(a_revision(1, S.ACTIVE), desired=Desired.TERMINATED, lifecycle=lifecycle, target_revision=None)
    still = settle(wish, seen(rolled_out(1), selected=1), NOW)
    assert (still.lifecycle, still.progressing, still.settled) == (lifecycle, True, False)
    assert settle(wish, Observation(complete=False), NOW).lifecycle is lifecycle
    gone = settle(wish, seen(), NOW)
    assert (gone.lifecycle, gone.settled, gone.progressing) == (Lifecycle.TERMINATED, True, False)
    assert (moved(gone), told(gone)) == ({1: S.REMOVED}, ["endpoint.terminated"])


def test_a_cancelled_deploy_is_terminated_without_another_line() -> None:
    wish = a_wish(
        a_revision(1, S.CANCELLED),
        desired=Desired.TERMINATED,
        lifecycle=Lifecycle.TERMINATED,
        reason="cancelled",
        message="It was cancelled.",
        progressing=False,
    )
    gone = settle(wish, seen(), NOW)
    assert (gone.settled, gone.happenings, gone.reason) == (True, (), "cancelled")


# What must hold whatever is seen

WISHES: list[Wish] = [
    *(first_deploy(status) for status in (S.QUEUED, S.STARTING, S.READY, S.FAILED, S.CANCELLED)),
    *(redeploy(status) for status in (S.QUEUED, S.STARTING, S.READY)),
    a_wish(a_revision(1, S.ACTIVE), a_revision(2, S.FAILED, failure=FAILURE), target_revision=1),
    a_wish(a_revision(1, S.DRAINING, drain_until=NOW), a_revision(2, S.ACTIVE)),
    running(),
    running(healthy=False, failure=FAILURE),
    a_wish(a_revision(1, S.ACTIVE), desired=Desired.TERMINATED, target_revision=None),
    a_wish(
        a_revision(1, S.CANCELLED), desired=Desired.TERMINATED, lifecycle=Lifecycle.TERMINATED, target_revision=None
    ),
    a_wish(),
]
_WORKLOADS = [(), (rolled_out(1),), (rolled_out(1), rolled_out(2)), (crashed(1),), (rolled_out(1), crashed(2))]
SEEN: list[Observation] = [
    replace(seen(*workloads, selected=selected, answered_by=answered), complete=complete)
    for workloads, selected, answered, complete in itertools.product(
        _WORKLOADS, (None, 1, 2), (None, 0, 1, 2), (True, False)
    )
]


@pytest.mark.parametrize("wish", WISHES, ids=range(len(WISHES)))
def test_every_settlement_is_a_move_that_exists_and_says_the_same_when_it_is_asked_again(wish: Wish) -> None:
    for observation in SEEN:
        for now in (NOW, LATE):
            settlement = settle(wish, observation, now)
            check_move(wish.lifecycle, settlement.lifecycle)
            for move in settlement.moves:
                revision = wish.revision(move.number)
                assert revision is not None
                walk(revision.status, move.status)
            assert settlement == settle(wish, observation, now)
            if is_on_record(wish, settlement):
                assert not settlement.moves
                assert settlement.lifecycle is wish.lifecycle
            assert (settlement.failure is None) or settlement.failure.fix
            if settlement.active_revision != wish.active_revision:
                assert observation.complete


@pytest.mark.parametrize("wish", WISHES, ids=range(len(WISHES)))
def test_an_incomplete_observation_never_says_that_something_is_ready_gone_or_missing(wish: Wish) -> None:
    for observation in (o for o in SEEN if not o.complete):
        settlement = settle(wish, observation, NOW)
        assert settlement.lifecycle is wish.lifecycle
        assert settlement.active_revision == wish.active_revision
        assert not settlement.settled
        assert not needs_reconcile(wish, observation)
        assert not awaits_answer(wish, observation)


# When the worker is needed


@pytest.mark.parametrize(
    ("wish", "observation", "needed"),
    [
        (running(), seen(rolled_out(1), selected=1), False),
        (running(), seen(rolled_out(1)), True),
        (running(), seen(rolled_out(1), selected=1, route=None), True),
        (running(), seen(rolled_out(1), selected=1, service=a_service(1, terminating=True)), True),
        (running(), seen(rolled_out(1), selected=1, route=a_route(terminating=True)), True),
        (running(), seen(rolled_out(1), selected=1, route=a_route(generation=1)), True),
        (running(), seen(rolled_out(1), selected=1, route=a_route(timeout="60s")), False),
        (running(), seen(rolled_out(1), selected=1, route=a_route(timeout="85s")), True),
        (running(), seen(rolled_out(1), selected=2), True),
        (running(), seen(selected=1), True),
        (running(), seen(replace(rolled_out(1), service=an_isvc(1, terminating=True)), selected=1), True),
        (running(), seen(replace(rolled_out(1), service=an_isvc(1, min_replicas=5)), selected=1), True),
        (running(), seen(rolled_out(1), rolled_out(7), selected=1), True),
        (redeploy(S.READY), seen(rolled_out(1), rolled_out(2), selected=1), True),
        (redeploy(S.READY), seen(rolled_out(1), rolled_out(2), selected=2), False),
        (redeploy(), seen(rolled_out(1), starting(2), selected=1), False),
        (first_deploy(S.FAILED), seen(), False),
        (first_deploy(S.FAILED), seen(rolled_out(1)), True),
        (a_wish(desired=Desired.TERMINATED), seen(), False),
        (a_wish(desired=Desired.TERMINATED), seen(selected=1), True),
    ],
)
def test_the_worker_is_needed_exactly_where_the_cluster_differs(
    wish: Wish, observation: Observation, needed: bool
) -> None:
    assert needs_reconcile(wish, observation) is needed


# Readiness


@pytest.mark.parametrize(
    "changes",
    [
        {"workload_revision": 2},
        {"observed_generation": 0},
        {"available": 0},
        {"updated": 0},
        {"replicas": 2},
        {"wanted": 2, "replicas": 2, "updated": 2, "available": 2},
        {"wanted": 0, "replicas": 0, "updated": 0, "available": 0},
    ],
    ids=str,
)
def test_only_all_pods_and_only_they_are_ready(changes: dict[str, Any]) -> None:
    revision = a_revision(1, S.STARTING)
    assert is_ready(revision, rolled_out(1))
    assert not is_ready(revision, replace(rolled_out(1), deployment=a_deployment(1, **changes)))


def test_without_service_or_deployment_nothing_is_ready() -> None:
    revision = a_revision(1, S.STARTING)
    assert not is_ready(revision, replace(rolled_out(1), service=None))
    assert not is_ready(revision, replace(rolled_out(1), deployment=None))
    assert not is_ready(revision, replace(rolled_out(1), service=an_isvc(1, terminating=True)))


@pytest.mark.parametrize(("wanted", "ready"), [(1, False), (2, True), (4, True), (5, False)])
def test_an_autoscaled_one_is_ready_between_its_bounds(wanted: int, ready: bool) -> None:
    spec = replace(SPEC, min_replicas=2, max_replicas=4, autoscaling=Autoscaling(AutoscalingMetric.CPU, 70))
    service = an_isvc(1, min_replicas=2, max_replicas=4, scale_metric="cpu", scale_target=70)
    deployment = a_deployment(1, wanted=wanted, replicas=wanted, updated=wanted, available=wanted)
    workload = replace(rolled_out(1), service=service, deployment=deployment)
    assert is_ready(a_revision(1, S.STARTING, spec=spec), workload) is ready


# The plan


def test_the_service_stands_for_the_active_one_until_the_target_is_ready() -> None:
    early, late = plan(redeploy(S.STARTING)), plan(redeploy(S.READY))
    assert early is not None
    assert late is not None
    assert (early.target.number, early.selected.number) == (2, 1)
    assert (late.target.number, late.selected.number) == (2, 2)


def test_recreate_makes_room_first_and_not_again_once_it_is_ready() -> None:
    spec = replace(SPEC, strategy=Strategy.RECREATE)
    wish = a_wish(a_revision(1, S.ACTIVE), a_revision(2, S.STARTING, spec=spec))
    planned = plan(wish)
    assert planned is not None
    assert (planned.makes_room, planned.selected.number) == (True, 2)
    done = plan(a_wish(a_revision(1, S.ACTIVE), a_revision(2, S.READY, spec=spec)))
    assert done is not None
    assert (done.makes_room, done.standing, done.selected.number) == (False, None, 2)


@pytest.mark.parametrize("ended", [S.FAILED, S.CANCELLED])
def test_the_active_one_is_made_again_when_a_recreate_ends_early(ended: S) -> None:
    spec = replace(SPEC, strategy=Strategy.RECREATE)
    planned = plan(a_wish(a_revision(1, S.ACTIVE), a_revision(2, ended, spec=spec), target_revision=1))
    assert planned is not None
    assert (planned.target.number, planned.selected.number, planned.makes_room) == (1, 1, False)


def test_the_active_one_stands_beside_a_surge_that_supersedes_a_recreate() -> None:
    spec = replace(SPEC, strategy=Strategy.RECREATE)
    superseded = a_revision(2, S.SUPERSEDED, spec=spec)
    planned = plan(a_wish(a_revision(1, S.ACTIVE), superseded, a_revision(3, S.QUEUED)))
    assert planned is not None
    assert planned.standing is not None
    assert (planned.target.number, planned.standing.number, planned.selected.number) == (3, 1, 1)


@pytest.mark.parametrize(
    "wish", [a_wish(), first_deploy(S.FAILED), a_wish(a_revision(1, S.ACTIVE), desired=Desired.TERMINATED)]
)
def test_nothing_is_planned_for_what_is_to_go_or_has_failed(wish: Wish) -> None:
    assert plan(wish) is None


# Evidence


def test_the_log_tail_stands_wherever_the_failure_does() -> None:
    bare = settle(first_deploy(), seen(crashed(1)), NOW)
    full = with_log_tail(bare, ["last words"])
    assert full.failure is not None
    assert full.failure.evidence["log_tail"] == ["last words"]
    assert full.moves[0].failure == full.failure
    assert full.happenings[0].data["failure"] == full.failure.as_json()
    assert with_log_tail(bare, []) == bare
