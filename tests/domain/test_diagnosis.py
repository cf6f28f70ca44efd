"""The root cause of each recorded failure, and when it is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from merlin.domain.diagnosis import FIXES, diagnose, diagnose_deadline
from merlin.domain.failure import FailureCode
from merlin.domain.observation import ClusterEvent, ContainerSeen, Observation, PodSeen, Termination, Workload
from tests.kube.faults import RECORDED, Fault

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

# What each recorded failure is called, and the seconds after the create at which it must be known.
CAUSES: dict[str, tuple[FailureCode | None, float]] = {
    "badscheme": (FailureCode.ARTIFACT_NOT_FOUND, 3),
    "crash": (FailureCode.CRASH_LOOP, 20),
    "deadline": (None, 600),  # another controller took the events along: the deadline must do
    "deadline-oom": (None, 600),
    "deadline-update": (FailureCode.IMAGE_NOT_FOUND, 3),
    "imagepull": (FailureCode.IMAGE_NOT_FOUND, 3),
    "longname": (FailureCode.ADMISSION_REFUSED, 3),
    "mode-serverless": (None, 600),
    "mode-unknown": (FailureCode.ADMISSION_REFUSED, 3),
    "noformat": (FailureCode.NO_RUNTIME, 3),
    "noprotocol": (FailureCode.NO_RUNTIME, 3),
    "noruntime": (FailureCode.NO_RUNTIME, 3),
    "notready": (None, 600),
    "oom": (FailureCode.OUT_OF_MEMORY, 3),
    "podsecurity": (FailureCode.ADMISSION_REFUSED, 5),
    "quota": (FailureCode.QUOTA_EXCEEDED, 5),
    "slow": (None, 600),
    "storage": (FailureCode.ARTIFACT_NOT_FOUND, 3),
    "unschedulable": (FailureCode.UNSCHEDULABLE, 12),
}


@pytest.mark.parametrize("name", sorted(RECORDED))
def test_a_recorded_failure_is_named_in_time(name: str) -> None:
    fault = Fault(name)
    code, seconds = CAUSES[name]
    found = diagnose(fault.workload, fault.events, fault.after(seconds))
    assert (found.code if found else None) == code
    if found is not None:
        assert found.message
        assert found.fix == FIXES[found.code]
        assert found.evidence.get("pod") or found.evidence.get("event")


def test_a_container_that_never_says_ready_has_failed_its_probe_at_the_deadline() -> None:
    fault = Fault("notready")
    seen = Observation(complete=True, workloads={"iris": fault.workload}, events=fault.events)
    assert diagnose_deadline(fault.workload, seen).code is FailureCode.PROBE_FAILED


def test_a_cluster_that_is_away_at_the_deadline_is_the_cause() -> None:
    seen = Observation(complete=False, unreachable_since=NOW)
    assert diagnose_deadline(Workload(), seen).code is FailureCode.CLUSTER_UNREACHABLE


def test_an_unschedulable_pod_is_the_cause_at_the_deadline() -> None:
    fault = Fault("unschedulable")
    assert diagnose_deadline(fault.workload, Observation(complete=True)).code is FailureCode.UNSCHEDULABLE


@pytest.mark.parametrize("workload", [Workload(), Fault("slow").workload])
def test_without_any_cause_the_deadline_itself_is_named_with_what_was_missing(workload: Workload) -> None:
    pods = tuple(replace(p, containers=(), ready=False) for p in workload.pods)
    found = diagnose_deadline(replace(workload, pods=pods), Observation(complete=True))
    assert found.code is FailureCode.DEADLINE_EXCEEDED
    assert "its InferenceService" in found.message or "its pods" in found.message


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ('MERLIN_FAILURE {"code": "MODEL_LOAD_FAILED", "message": "bad pickle"}', FailureCode.MODEL_LOAD_FAILED),
        (
            'line\nMERLIN_FAILURE {"code": "DEPENDENCY_CONFLICT", "message": "x", "details": {"missing": ["a"]}}\nend',
            FailureCode.DEPENDENCY_CONFLICT,
        ),
        ('{"code": "PYTHON_NOT_AVAILABLE", "message": "3.9"}', FailureCode.PYTHON_NOT_AVAILABLE),
    ],
)
def test_what_the_runtime_says_of_its_end_is_believed_at_once(message: str, code: FailureCode) -> None:
    found = diagnose(a_workload(a_container(ended=an_end(message=message))), (), NOW)
    assert found is not None
    assert found.code is code
    assert found.evidence["exit_code"] == 1


@pytest.mark.parametrize(
    "message", ["", "no json", "MERLIN_FAILURE {", 'MERLIN_FAILURE {"code": "NO_SUCH_CODE", "message": "x"}', "{}"]
)
def test_what_is_not_the_runtimes_own_word_is_only_a_crash(message: str) -> None:
    once = a_container(ended=an_end(message=message), restarts=1)
    assert diagnose(a_workload(once), (), NOW) is None
    twice = diagnose(a_workload(replace(once, restarts=2)), (), NOW)
    assert twice is not None
    assert twice.code is FailureCode.CRASH_LOOP


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("NoSuchKey: the key does not exist", FailureCode.ARTIFACT_NOT_FOUND),
        ("HTTP 404", FailureCode.ARTIFACT_NOT_FOUND),
        ("403 Forbidden", FailureCode.ARTIFACT_ACCESS_DENIED),
        ("Unable to locate credentials", FailureCode.ARTIFACT_ACCESS_DENIED),
        ("connection reset", None),
    ],
)
def test_an_artifact_that_cannot_be_fetched_is_told_apart(message: str, code: FailureCode | None) -> None:
    container = a_container(name="storage-initializer", is_init=True, ended=an_end(message=message))
    found = diagnose(a_workload(container), (), NOW)
    assert (found.code if found else None) == code


def test_a_secret_that_is_missing_is_told_once_it_had_time_to_be_written() -> None:
    waiting = a_container(waiting="CreateContainerConfigError", waiting_message='secret "x" not found')
    young = a_workload(waiting, created_at=NOW - timedelta(seconds=1))
    assert diagnose(young, (), NOW) is None
    found = diagnose(a_workload(waiting, created_at=NOW - timedelta(seconds=6)), (), NOW)
    assert found is not None
    assert found.code is FailureCode.CONFIG_MISSING


def test_a_registry_that_is_only_slow_gets_time() -> None:
    waiting = a_container(waiting="ErrImagePull", waiting_message="i/o timeout")
    assert diagnose(a_workload(waiting, created_at=NOW - timedelta(seconds=3)), (), NOW) is None
    found = diagnose(a_workload(waiting, created_at=NOW - timedelta(seconds=21)), (), NOW)
    assert found is not None
    assert found.code is FailureCode.IMAGE_NOT_FOUND


def test_a_pod_that_an_autoscaler_brings_a_node_for_is_waited_for() -> None:
    pod = replace(a_pod(), unschedulable_since=NOW - timedelta(seconds=60), created_at=NOW - timedelta(seconds=60))
    scaling = ClusterEvent("u", "Pod", pod.name, False, "TriggeredScaleUp", "1->2", 1, NOW)
    assert diagnose(Workload(pods=(pod,)), (scaling,), NOW) is None
    assert diagnose(Workload(pods=(pod,)), (), NOW) is not None


def test_pods_on_their_way_out_are_no_cause() -> None:
    ended = a_container(ended=an_end(reason="OOMKilled", exit_code=137))
    assert diagnose(Workload(pods=(replace(a_pod(ended), terminating=True),)), (), NOW) is None


def test_a_container_that_is_ready_again_is_no_cause() -> None:
    healed = a_container(ended=an_end(), ready=True, running=True, restarts=5)
    assert diagnose(a_workload(healed), (), NOW) is None


def test_every_code_has_a_fix() -> None:
    assert set(FIXES) == set(FailureCode)


def an_end(**changes: Any) -> Termination:
    return replace(Termination(1, "Error", "", NOW - timedelta(seconds=1)), **changes)


def a_container(**changes: Any) -> ContainerSeen:
    plain = ContainerSeen("kserve-container", False, False, False, 0, "", "", None)
    return replace(plain, **changes)


def a_pod(*containers: ContainerSeen, **changes: Any) -> PodSeen:
    pod = PodSeen("iris-1", "ns", "iris", 1, None, "Pending", False, False, NOW, NOW, None, "", containers)
    return replace(pod, **changes)


def a_workload(*containers: ContainerSeen, **changes: Any) -> Workload:
    return Workload(pods=(a_pod(*containers, **changes),))
