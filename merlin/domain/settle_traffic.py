"""What is now true of a model endpoint, judged from the rule that was wished and the route that was seen. Pure.

A route's status shows a new rule before traffic has moved, so a switch is done when somebody of the new rule answered
through the gateway. A rule that the gateway refuses is given up, and the old one holds again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from merlin.domain.diagnosis import failure
from merlin.domain.failure import Failure, FailureCode
from merlin.domain.lifecycle import Severity, TrafficEvent, advance_traffic
from merlin.domain.observation import RouteSeen
from merlin.domain.settle import route_refusal
from merlin.domain.settlement import Happening, TrafficSettlement
from merlin.domain.traffic import TrafficRule
from merlin.domain.wish import TrafficWish


@dataclass(frozen=True, slots=True)
class TrafficObservation:
    """All that is known of a model endpoint's route. ``answered_by``: the version that answered through the gateway.

    0 = somebody who does not say. Without ``complete`` a route that is missing is Unknown, not absent.
    """

    complete: bool
    route: RouteSeen | None = None
    answered_by: int | None = None
    answer: str = ""
    unreachable_since: datetime | None = None


def settle_traffic(wish: TrafficWish, seen: TrafficObservation, now: datetime) -> TrafficSettlement:
    """The model endpoint as it is now: status, observed rule, what happened, and whether the worker is needed."""
    if wish.desired_rule is None:
        return _settle_stopping(wish, seen)
    if is_given_up(wish):
        return _as_recorded(wish, progressing=False, settled=seen.complete and not needs_rerouting(wish, seen))
    if wish.is_settled:
        return _settle_serving(wish, seen, now)
    if seen.complete and _holds(wish, wish.desired_rule, seen.route) and _is_answered(wish, wish.desired_rule, seen):
        return _switched(wish, wish.desired_rule)
    cause = _cause(wish, seen, now)
    if cause is not None:
        return refused(wish, cause)
    applied: tuple[Happening, ...] = ()
    if seen.complete and _is_written(wish, wish.desired_rule, seen.route):
        line = "The rule is in the cluster; waiting for the gateway."
        applied = (Happening("traffic.applied", line, key=f"applied:{wish.generation}"),)
    reason, message = _waiting_for(wish, seen)
    return _as_recorded(wish, progressing=True, settled=False, reason=reason, message=message, happenings=applied)


def rule_to_hold(wish: TrafficWish) -> TrafficRule | None:
    """The rule that the route is to have: the wished one, or after it was refused the one before."""
    return wish.observed_rule if is_given_up(wish) else wish.desired_rule


def is_given_up(wish: TrafficWish) -> bool:
    """Whether the wished rule was refused, so that the one before holds until there is another wish."""
    return wish.failure is not None and not wish.progressing and wish.observed_rule != wish.desired_rule


def awaits_traffic_answer(wish: TrafficWish, seen: TrafficObservation) -> bool:
    """Whether all that is missing is an answer through the gateway."""
    rule = wish.desired_rule
    if rule is None or wish.is_settled or is_given_up(wish) or not seen.complete:
        return False
    return _holds(wish, rule, seen.route)


def needs_rerouting(wish: TrafficWish, seen: TrafficObservation) -> bool:
    """Whether the route differs from what it is to be, so that only a worker can go on."""
    if not seen.complete:
        return False
    rule = rule_to_hold(wish)
    if rule is None:
        return seen.route is not None
    seconds = wish.timeout_seconds(rule)
    waits = seen.route is None or seconds is None or seen.route.waits(seconds)
    return not (_is_written(wish, rule, seen.route) and waits)


def is_traffic_on_record(wish: TrafficWish, settlement: TrafficSettlement) -> bool:
    """Whether writing the settlement would change nothing and tell nothing."""
    stated = ("status", "progressing", "observed_rule", "reason", "message", "failure")
    return (
        not any(happening.key for happening in settlement.happenings)
        and all(getattr(wish, name) == getattr(settlement, name) for name in stated)
        and (not settlement.settled or wish.observed_generation >= wish.generation)
    )


def _settle_stopping(wish: TrafficWish, seen: TrafficObservation) -> TrafficSettlement:
    if not seen.complete or seen.route is not None:
        return _as_recorded(wish, progressing=True, settled=False)
    if wish.is_settled:
        return _as_recorded(wish, progressing=False, settled=True)
    return TrafficSettlement(
        status=advance_traffic(wish.status, TrafficEvent.ROUTE_GONE),
        progressing=False,
        settled=True,
        observed_rule=None,
        happenings=(Happening("traffic.stopped", "The route is gone."),),
    )


def _settle_serving(wish: TrafficWish, seen: TrafficObservation, now: datetime) -> TrafficSettlement:
    refusal = route_refusal(seen.route, now) if seen.complete else wish.failure
    return _as_recorded(
        wish,
        progressing=False,
        settled=True,
        reason=refusal.code.value if refusal else "",
        message=refusal.message if refusal else "",
        failure=refusal,
    )


def _switched(wish: TrafficWish, rule: TrafficRule) -> TrafficSettlement:
    shares = ", ".join(f"version {number} {weight} %" for number, weight in wish.weights(rule).items())
    data = {"rule": rule.as_json(), "url": wish.url}
    return TrafficSettlement(
        status=advance_traffic(wish.status, TrafficEvent.RULE_APPLIED),
        progressing=False,
        settled=True,
        observed_rule=rule,
        happenings=(Happening("traffic.switched", f"Traffic: {shares}.", data=data),),
    )


def refused(wish: TrafficWish, cause: Failure) -> TrafficSettlement:
    """The wished rule is given up; the one that was observed last holds again."""
    line = Happening(
        "traffic.failed",
        cause.message,
        reason=cause.code.value,
        severity=Severity.ERROR,
        data={"failure": cause.as_json()},
    )
    return _as_recorded(
        wish,
        status=advance_traffic(wish.status, TrafficEvent.RULE_REFUSED),
        progressing=False,
        settled=False,
        reason=cause.code.value,
        message=cause.message,
        failure=cause,
        happenings=(line,),
        wake_after_seconds=0,
    )


def _cause(wish: TrafficWish, seen: TrafficObservation, now: datetime) -> Failure | None:
    rule = wish.desired_rule
    written = rule is not None and seen.complete and _is_written(wish, rule, seen.route)
    refusal = route_refusal(seen.route, now) if written else None
    if refusal is not None or wish.deadline_at is None or now < wish.deadline_at:
        return refusal
    if seen.unreachable_since is not None:
        return failure(FailureCode.CLUSTER_UNREACHABLE, "The cluster did not answer until the deadline.")
    if not written:
        return failure(
            FailureCode.DEADLINE_EXCEEDED, f"The rule was not applied by the deadline: {_waiting_for(wish, seen)[1]}"
        )
    if seen.route is None or seen.route.accepted is None:
        return failure(FailureCode.ROUTE_NOT_ACCEPTED, "No gateway said anything about the route until the deadline.")
    said = seen.answer or "no answer"
    return failure(FailureCode.PROBE_FAILED, f"The gateway did not lead to the new rule: {said}.", event=said)


def _waiting_for(wish: TrafficWish, seen: TrafficObservation) -> tuple[str, str]:
    if seen.unreachable_since is not None:
        return FailureCode.CLUSTER_UNREACHABLE.value, "The cluster does not answer; waiting for it."
    if blocked := blocking_versions(wish):
        return "waiting", f"Waiting for ready pods of version {', '.join(map(str, blocked))}."
    if wish.desired_rule is not None and _is_written(wish, wish.desired_rule, seen.route):
        return "switching", "Waiting for the gateway to follow the new rule."
    return "applying", "Waiting for the route in the cluster."


def blocking_versions(wish: TrafficWish) -> list[int]:
    """Versions that are to get traffic but cannot take it yet: a route must never lead to them."""
    if wish.desired_rule is None:
        return []
    named = [d.version_endpoint_id for d in wish.desired_rule.destinations if d.weight > 0]
    states = [wish.destinations[endpoint_id] for endpoint_id in named if endpoint_id in wish.destinations]
    return sorted(state.version for state in states if not state.can_serve)


def _is_written(wish: TrafficWish, rule: TrafficRule, route: RouteSeen | None) -> bool:
    if route is None or route.terminating:
        return False
    return {name: weight for name, weight in route.weights.items() if weight > 0} == _services(wish, rule)


def _holds(wish: TrafficWish, rule: TrafficRule, route: RouteSeen | None) -> bool:
    """Whether the gateway took the rule as it was written for this generation, not for an earlier one that said so."""
    if route is None or route.generation < wish.generation:
        return False
    return _is_written(wish, rule, route) and route.accepted is True


def _is_answered(wish: TrafficWish, rule: TrafficRule, seen: TrafficObservation) -> bool:
    return seen.answered_by == 0 or seen.answered_by in wish.weights(rule)


def _services(wish: TrafficWish, rule: TrafficRule) -> Mapping[str, int]:
    return {
        state.service: d.weight
        for d in rule.destinations
        if d.weight > 0 and (state := wish.destinations.get(d.version_endpoint_id))
    }


def _as_recorded(wish: TrafficWish, **changes: Any) -> TrafficSettlement:
    stated: dict[str, Any] = {
        "status": wish.status,
        "observed_rule": wish.observed_rule,
        "reason": wish.reason,
        "message": wish.message,
        "failure": wish.failure,
        **changes,
    }
    return TrafficSettlement(**stated)
