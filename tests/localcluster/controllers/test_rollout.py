"""The arithmetic of a rolling update, as a table."""

from __future__ import annotations

from typing import Any

import pytest

from merlin.localcluster.client import Manifest
from merlin.localcluster.controllers.rollout import Bounds, bounds_of, next_scales, proportional_scales


def replica_set(name: str, replicas: int, available: int | None = None) -> Manifest:
    return {
        "metadata": {"name": name, "creationTimestamp": f"2026-01-01T00:00:0{name[-1]}Z"},
        "spec": {"replicas": replicas},
        "status": {"availableReplicas": replicas if available is None else available},
    }


@pytest.mark.parametrize(
    ("replicas", "rolling", "expected"),
    [
        (1, {}, Bounds(1, 1, 0)),
        (4, {}, Bounds(4, 1, 1)),
        (10, {"maxSurge": "25%", "maxUnavailable": "25%"}, Bounds(10, 3, 2)),
        (3, {"maxSurge": 0, "maxUnavailable": 2}, Bounds(3, 0, 2)),
        (1, {"maxSurge": 0, "maxUnavailable": "25%"}, Bounds(1, 0, 1)),
        (2, {"maxSurge": 5, "maxUnavailable": 9}, Bounds(2, 5, 2)),
    ],
)
def test_surge_rounds_up_and_unavailable_down_but_never_both_to_nothing(
    replicas: int, rolling: dict[str, Any], expected: Bounds
) -> None:
    strategy = {"type": "RollingUpdate", "rollingUpdate": rolling}
    assert bounds_of({"spec": {"replicas": replicas, "strategy": strategy}}) == expected


@pytest.mark.parametrize(
    ("bounds", "new", "old", "expected"),
    [
        pytest.param(Bounds(3, 1, 0), (0, 0), (3, 3), {"new-9": 1}, id="room for one more"),
        pytest.param(Bounds(3, 1, 0), (1, 0), (3, 3), {}, id="the new one is not available yet"),
        pytest.param(Bounds(3, 1, 0), (1, 1), (3, 3), {"old-1": 2}, id="an old one may go"),
        pytest.param(Bounds(3, 1, 0), (2, 1), (2, 3), {}, id="the old status still counts one that is going"),
        pytest.param(Bounds(3, 1, 0), (3, 3), (0, 0), {}, id="done"),
        pytest.param(Bounds(3, 0, 1), (0, 0), (3, 3), {"old-1": 2}, id="no surge: an old one goes first"),
        pytest.param(Bounds(3, 1, 0), (1, 0), (3, 1), {}, id="broken ones stay while nothing is spare"),
        pytest.param(Bounds(3, 1, 1), (1, 0), (3, 1), {"old-1": 2}, id="a broken one goes first"),
        pytest.param(Bounds(2, 1, 0), (5, 5), (0, 0), {"new-9": 2}, id="scaled down"),
    ],
)
def test_the_next_step(bounds: Bounds, new: tuple[int, int], old: tuple[int, int], expected: dict[str, int]) -> None:
    assert next_scales(bounds, replica_set("new-9", *new), [replica_set("old-1", *old)]) == expected


def test_an_old_pod_counts_until_it_is_being_ended() -> None:
    old = replica_set("old-1", 2, 3)
    old["status"]["replicas"] = 3
    assert next_scales(Bounds(3, 1, 0), replica_set("new-9", 1, 1), [old]) == {}
    old["status"]["replicas"] = 2
    assert next_scales(Bounds(3, 1, 0), replica_set("new-9", 1, 1), [old]) == {"new-9": 2}


def test_scaled_in_the_middle_every_set_gets_its_share() -> None:
    sets = [replica_set("old-1", 6), replica_set("new-9", 4)]
    assert proportional_scales(Bounds(20, 0, 0), sets) == {"old-1": 12, "new-9": 8}


def test_scaled_to_nothing_nothing_is_left() -> None:
    sets = [replica_set("old-1", 2), replica_set("new-9", 2)]
    assert proportional_scales(Bounds(0, 0, 0), sets) == {"old-1": 0, "new-9": 0}
