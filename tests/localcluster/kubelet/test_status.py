"""A pod's status from what is known of its containers, as a table."""

from __future__ import annotations

from typing import Any

import pytest

from merlin.localcluster.kubelet.attempt import Ended
from merlin.localcluster.kubelet.status import ContainerView, Run, phase, pod_status

DONE = Ended(0, "Completed", 1.0, 2.0)
BROKEN = Ended(1, "Error", 1.0, 2.0)


def a_view(ended: Ended | None = None, *, runs: bool = True, waiting: str = "", ready: bool = False) -> ContainerView:
    last = Run(0, 1.0, ended, "why" if ended else "") if runs else None
    return ContainerView("main", "image", "", (waiting, "so") if waiting else None, last, None, True, ready)


def a_pod(policy: str = "Always", **status: Any) -> dict[str, Any]:
    metadata = {"uid": "u", "name": "p", "namespace": "n"}
    return {"metadata": metadata, "spec": {"restartPolicy": policy, "containers": [{}]}, "status": status}


@pytest.mark.parametrize(
    ("policy", "inits", "containers", "expected"),
    [
        ("Always", [], [a_view(runs=False)], "Pending"),
        ("Always", [a_view()], [a_view(runs=False)], "Pending"),
        ("Always", [a_view(BROKEN)], [a_view(runs=False)], "Pending"),
        ("Never", [a_view(BROKEN)], [a_view(runs=False)], "Failed"),
        ("Always", [a_view(DONE)], [a_view()], "Running"),
        ("Always", [], [a_view(BROKEN, waiting="CrashLoopBackOff")], "Running"),
        ("Always", [], [a_view(DONE)], "Running"),
        ("OnFailure", [], [a_view(DONE)], "Succeeded"),
        ("OnFailure", [], [a_view(BROKEN)], "Running"),
        ("Never", [], [a_view(BROKEN)], "Failed"),
        ("Never", [], [a_view(DONE), a_view()], "Running"),
    ],
)
def test_phases(policy: str, inits: list[ContainerView], containers: list[ContainerView], expected: str) -> None:
    assert phase(a_pod(policy), inits, containers) == expected


def status(pod: dict[str, Any], view: ContainerView, now: float = 100.0) -> dict[str, Any]:
    return pod_status(pod, [], [view], ip="10.244.1.2", host_ip="127.0.0.1", started_at=1.0, now=now)


def test_a_condition_keeps_its_time_until_it_changes() -> None:
    first = status(a_pod(), a_view(ready=False))
    again = status(a_pod(**first), a_view(ready=False), now=200.0)
    ready = status(a_pod(**first), a_view(ready=True), now=200.0)
    assert again["conditions"] == first["conditions"]
    assert condition(ready, "Ready")["lastTransitionTime"] == "1970-01-01T00:03:20Z"
    assert condition(ready, "PodReadyToStartContainers") == condition(first, "PodReadyToStartContainers")


def test_what_others_wrote_is_kept() -> None:
    scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    assert scheduled in status(a_pod(conditions=[scheduled], qosClass="Burstable"), a_view())["conditions"]


def test_backing_off_shows_how_it_ended_as_its_last_state() -> None:
    [container] = status(a_pod(), a_view(BROKEN, waiting="CrashLoopBackOff"))["containerStatuses"]
    assert container["state"] == {"waiting": {"reason": "CrashLoopBackOff", "message": "so"}}
    assert container["lastState"]["terminated"]["message"] == "why"
    assert not container["ready"]


def condition(status: dict[str, Any], kind: str) -> dict[str, Any]:
    return dict(next(c for c in status["conditions"] if c["type"] == kind))
