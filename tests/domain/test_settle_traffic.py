"""What `settle_traffic` says of a model endpoint: every branch, and what must hold whatever is seen."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta

import pytest

from merlin.domain.failure import Failure, FailureCode
from merlin.domain.lifecycle import ModelEndpointStatus, check_traffic_move
from merlin.domain.observation import RouteSeen
from merlin.domain.settle_traffic import (
    TrafficObservation,
    awaits_traffic_answer,
    blocking_versions,
    needs_rerouting,
    rule_to_hold,
    settle_traffic,
)
from merlin.domain.settlement import TrafficSettlement
from merlin.domain.traffic import TrafficRule
from merlin.domain.wish import TrafficWish
from tests.domain.stages import (
    NOW,
    ONE,
    TWO,
    a_destination,
    a_model_route,
    a_traffic_wish,
    traffic_seen,
)

FAILURE = Failure(FailureCode.ROUTE_NOT_ACCEPTED, "refused", "mend it")
LATE = NOW + timedelta(seconds=61)
FIRST = a_traffic_wish(observed_rule=None, status=ModelEndpointStatus.PENDING)
STOPPING = a_traffic_wish(desired_rule=None, deadline_at=None)
GIVEN_UP = a_traffic_wish(failure=FAILURE, progressing=False)
SETTLED = a_traffic_wish(observed_rule=TrafficRule.all_to(TWO), observed_generation=2, progressing=False)
STOPPED = a_traffic_wish(
    desired_rule=None,
    observed_rule=None,
    status=ModelEndpointStatus.STOPPED,
    observed_generation=2,
    progressing=False,
)


def told(settlement: TrafficSettlement) -> list[str]:
    return [happening.type for happening in settlement.happenings]


@pytest.mark.parametrize("wish", [FIRST, a_traffic_wish()], ids=["first", "switch"])
@pytest.mark.parametrize("answered_by", [2, 0])
def test_a_rule_holds_once_somebody_of_it_has_answered(wish: TrafficWish, answered_by: int) -> None:
    now = settle_traffic(wish, traffic_seen(a_model_route(2), answered_by=answered_by), NOW)
    assert (now.status, now.progressing, now.settled) == (ModelEndpointStatus.SERVING, False, True)
    assert (now.observed_rule, told(now)) == (TrafficRule.all_to(TWO), ["traffic.switched"])


@pytest.mark.parametrize(
    ("observation", "reason"),
    [
        (traffic_seen(None), "applying"),
        (traffic_seen(a_model_route(1)), "applying"),
        (traffic_seen(a_model_route(2)), "switching"),
        (traffic_seen(a_model_route(2), answered_by=1), "switching"),
        (traffic_seen(a_model_route(2, accepted=None), answered_by=2), "switching"),
        (traffic_seen(a_model_route(2, generation=1), answered_by=2), "switching"),
        (traffic_seen(a_model_route(2, terminating=True), answered_by=2), "applying"),
        (traffic_seen(a_model_route(2), answered_by=2, complete=False), "switching"),
        (TrafficObservation(complete=False, unreachable_since=NOW), "CLUSTER_UNREACHABLE"),
    ],
)
def test_until_then_the_old_rule_is_shown_and_what_is_waited_for(observation: TrafficObservation, reason: str) -> None:
    now = settle_traffic(a_traffic_wish(), observation, NOW)
    assert (now.observed_rule, now.status) == (TrafficRule.all_to(ONE), ModelEndpointStatus.SERVING)
    assert (now.progressing, now.settled, now.reason, now.failure) == (True, False, reason, None)


def test_pods_that_cannot_take_calls_are_waited_for_by_name() -> None:
    wish = a_traffic_wish(destinations={TWO: a_destination(TWO, 2, can_serve=False)})
    assert blocking_versions(wish) == [2]
    now = settle_traffic(wish, traffic_seen(None), NOW)
    assert (now.reason, now.message) == ("waiting", "Waiting for ready pods of version 2.")


def test_a_refused_rule_is_given_up_and_the_old_one_holds() -> None:
    refusing = a_model_route(2, accepted=False, reason="UnsupportedValue", since=NOW - timedelta(seconds=6))
    now = settle_traffic(a_traffic_wish(), traffic_seen(refusing), NOW)
    assert now.failure is not None
    assert now.failure.code is FailureCode.ROUTE_NOT_ACCEPTED
    assert (now.observed_rule, now.progressing, now.wake_after_seconds) == (TrafficRule.all_to(ONE), False, 0)
    assert told(now) == ["traffic.failed"]
    assert rule_to_hold(GIVEN_UP) == TrafficRule.all_to(ONE)
    assert needs_rerouting(GIVEN_UP, traffic_seen(a_model_route(2)))
    back = settle_traffic(GIVEN_UP, traffic_seen(a_model_route(1)), NOW)
    assert (back.settled, back.failure, back.happenings) == (True, FAILURE, ())


@pytest.mark.parametrize(
    ("observation", "code"),
    [
        (traffic_seen(None), FailureCode.DEADLINE_EXCEEDED),
        (traffic_seen(a_model_route(2, accepted=None)), FailureCode.ROUTE_NOT_ACCEPTED),
        (traffic_seen(a_model_route(2), answer="HTTP 503"), FailureCode.PROBE_FAILED),
        (TrafficObservation(complete=False, unreachable_since=NOW), FailureCode.CLUSTER_UNREACHABLE),
    ],
)
def test_the_deadline_names_what_was_missing(observation: TrafficObservation, code: FailureCode) -> None:
    assert settle_traffic(a_traffic_wish(), observation, NOW).failure is None
    late = settle_traffic(a_traffic_wish(), observation, LATE)
    assert late.failure is not None
    assert late.failure.code is code


def test_stopping_ends_when_the_route_is_gone() -> None:
    assert not settle_traffic(STOPPING, traffic_seen(a_model_route(1)), NOW).settled
    assert not settle_traffic(STOPPING, TrafficObservation(complete=False), NOW).settled
    now = settle_traffic(STOPPING, traffic_seen(None), NOW)
    assert (now.status, now.observed_rule, now.settled) == (ModelEndpointStatus.STOPPED, None, True)
    assert told(now) == ["traffic.stopped"]
    again = settle_traffic(STOPPED, traffic_seen(None), NOW)
    assert (again.happenings, again.settled) == ((), True)


def test_a_gateway_that_changes_its_mind_is_shown_and_forgotten() -> None:
    refusing = a_model_route(2, accepted=False, reason="x", since=NOW - timedelta(seconds=6))
    now = settle_traffic(SETTLED, traffic_seen(refusing), NOW)
    assert (now.reason, now.observed_rule) == ("ROUTE_NOT_ACCEPTED", TrafficRule.all_to(TWO))
    assert settle_traffic(replace(SETTLED, failure=FAILURE), traffic_seen(a_model_route(2)), NOW).failure is None


@pytest.mark.parametrize(
    ("wish", "route", "needed"),
    [
        (SETTLED, a_model_route(2), False),
        (SETTLED, None, True),
        (SETTLED, a_model_route(1), True),
        (SETTLED, a_model_route(2, timeout="60s"), False),
        (SETTLED, a_model_route(2, timeout="85s"), True),
        (SETTLED, a_model_route(2, terminating=True), True),
        (STOPPED, None, False),
        (STOPPED, a_model_route(1), True),
        (GIVEN_UP, a_model_route(1), False),
    ],
)
def test_the_worker_is_needed_exactly_where_the_route_differs(
    wish: TrafficWish, route: RouteSeen | None, needed: bool
) -> None:
    assert needs_rerouting(wish, traffic_seen(route)) is needed
    assert not needs_rerouting(wish, traffic_seen(route, complete=False))


@pytest.mark.parametrize("wish", [SETTLED, STOPPED, STOPPING, GIVEN_UP])
def test_nobody_is_asked_for_what_is_not_on_its_way(wish: TrafficWish) -> None:
    assert not awaits_traffic_answer(wish, traffic_seen(a_model_route(2)))
    assert awaits_traffic_answer(a_traffic_wish(), traffic_seen(a_model_route(2)))


@pytest.mark.parametrize("wish", [FIRST, a_traffic_wish(), STOPPING, GIVEN_UP, SETTLED, STOPPED])
def test_every_settlement_is_a_move_that_exists_and_says_the_same_when_it_is_asked_again(wish: TrafficWish) -> None:
    routes = (None, a_model_route(1), a_model_route(2), a_model_route(2, accepted=False, since=None))
    for route, answered, complete, now in itertools.product(routes, (None, 0, 1, 2), (True, False), (NOW, LATE)):
        observation = TrafficObservation(complete=complete, route=route, answered_by=answered)
        settlement = settle_traffic(wish, observation, now)
        check_traffic_move(wish.status, settlement.status)
        assert settlement == settle_traffic(wish, observation, now)
        if not complete and wish is not SETTLED:
            assert settlement.observed_rule == wish.observed_rule
