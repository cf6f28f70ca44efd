"""Every pair of state and event. The tables here are design section 3 written out once more, by hand.

Version endpoint (rows: lifecycle, columns: event; — = refused):

                 deploy    ready    failed    cancelled    undeploy   gone
    (none)       PENDING   —        —         —            —          —
    PENDING      PENDING   RUNNING  FAILED    TERMINATED   PENDING    TERMINATED
    RUNNING      RUNNING   RUNNING  RUNNING   RUNNING      RUNNING    TERMINATED
    FAILED       PENDING   —        —         —            FAILED     TERMINATED
    TERMINATED   PENDING   —        —         —            —          TERMINATED
"""

from __future__ import annotations

from itertools import product

import pytest

from merlin.domain.lifecycle import (
    EndpointEvent,
    Lifecycle,
    ModelEndpointStatus,
    RevisionStatus,
    Role,
    ShownLifecycle,
    TrafficEvent,
    advance,
    advance_traffic,
    check_move,
    check_traffic_move,
    shown,
    walk,
)
from merlin.errors import NotAllowed

P, R, F, T = Lifecycle.PENDING, Lifecycle.RUNNING, Lifecycle.FAILED, Lifecycle.TERMINATED
ENDPOINT: dict[Lifecycle | None, tuple[Lifecycle | None, ...]] = {
    None: (P, None, None, None, None, None),
    P: (P, R, F, T, P, T),
    R: (R, R, R, R, R, T),
    F: (P, None, None, None, F, T),
    T: (P, None, None, None, None, T),
}
STOPPED, PENDING, SERVING = ModelEndpointStatus
TRAFFIC: dict[ModelEndpointStatus | None, tuple[ModelEndpointStatus | None, ...]] = {
    # rule accepted, rule applied, rule refused, stop accepted, route gone
    None: (PENDING, None, None, None, None),
    STOPPED: (PENDING, None, None, None, STOPPED),
    PENDING: (PENDING, SERVING, PENDING, PENDING, STOPPED),
    SERVING: (SERVING, SERVING, SERVING, SERVING, STOPPED),
}
Q, S, Y, A, D, X = list(RevisionStatus)[:6]
FAILED, CANCELLED, SUPERSEDED = list(RevisionStatus)[6:]
WALKS: dict[tuple[RevisionStatus, RevisionStatus], tuple[RevisionStatus, ...]] = {
    **{(status, status): () for status in RevisionStatus},
    **{(early, end): (end,) for early in (Q, S, Y) for end in (FAILED, CANCELLED, SUPERSEDED)},
    (Q, S): (S,),
    (Q, Y): (S, Y),
    (Q, A): (S, Y, A),
    (Q, D): (S, Y, A, D),
    (S, Y): (Y,),
    (S, A): (Y, A),
    (S, D): (Y, A, D),
    (Y, A): (A,),
    (Y, D): (A, D),
    (A, D): (D,),
    (A, X): (X,),
    (D, X): (X,),
}


@pytest.mark.parametrize(("lifecycle", "event"), list(product([None, *Lifecycle], EndpointEvent)))
def test_each_event_leads_where_the_table_says(lifecycle: Lifecycle | None, event: EndpointEvent) -> None:
    expected = ENDPOINT[lifecycle][list(EndpointEvent).index(event)]
    if expected is None:
        with pytest.raises(NotAllowed, match=event.value):
            advance(lifecycle, event)
    else:
        assert advance(lifecycle, event) is expected


@pytest.mark.parametrize(("current", "new"), list(product(Lifecycle, Lifecycle)))
def test_a_lifecycle_changes_only_along_some_event(current: Lifecycle, new: Lifecycle) -> None:
    if new is current or new in ENDPOINT[current]:
        check_move(current, new)
    else:
        with pytest.raises(NotAllowed):
            check_move(current, new)


@pytest.mark.parametrize(("status", "event"), list(product([None, *ModelEndpointStatus], TrafficEvent)))
def test_each_traffic_event_leads_where_the_table_says(status: ModelEndpointStatus | None, event: TrafficEvent) -> None:
    expected = TRAFFIC[status][list(TrafficEvent).index(event)]
    if expected is None:
        with pytest.raises(NotAllowed, match=event.value):
            advance_traffic(status, event)
    else:
        assert advance_traffic(status, event) is expected


@pytest.mark.parametrize(("current", "new"), list(product(ModelEndpointStatus, ModelEndpointStatus)))
def test_a_status_changes_only_along_some_event(current: ModelEndpointStatus, new: ModelEndpointStatus) -> None:
    if new is current or new in TRAFFIC[current]:
        check_traffic_move(current, new)
    else:
        with pytest.raises(NotAllowed):
            check_traffic_move(current, new)


@pytest.mark.parametrize(("current", "to"), list(product(RevisionStatus, RevisionStatus)))
def test_a_revision_walks_forward_only(current: RevisionStatus, to: RevisionStatus) -> None:
    expected = WALKS.get((current, to))
    if expected is None:
        with pytest.raises(NotAllowed, match=to.value):
            walk(current, to)
    else:
        assert walk(current, to) == expected


@pytest.mark.parametrize(("lifecycle", "weight"), list(product(Lifecycle, (0, 1, 100))))
def test_serving_is_running_with_weight(lifecycle: Lifecycle, weight: int) -> None:
    serving = lifecycle is Lifecycle.RUNNING and weight > 0
    assert shown(lifecycle, weight) is (ShownLifecycle.SERVING if serving else ShownLifecycle(lifecycle.value))


@pytest.mark.parametrize(("role", "needed"), list(product(Role, Role)))
def test_each_role_includes_those_before_it(role: Role, needed: Role) -> None:
    order = [Role.READER, Role.EDITOR, Role.ADMINISTRATOR]
    assert role.includes(needed) is (order.index(role) >= order.index(needed))
