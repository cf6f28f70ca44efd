"""The status of a Deployment as Kubernetes derives it from its ReplicaSets. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from merlin.localcluster.client import Manifest
from merlin.localcluster.controllers import clock
from merlin.localcluster.controllers.rollout import Bounds, counted, replicas_of

Condition = dict[str, Any]


def status_of(
    deployment: Manifest, bounds: Bounds, new: Manifest | None, sets: Sequence[Manifest], conditions: list[Condition]
) -> dict[str, Any]:
    """The status as it should be now. ``conditions`` are the stored ones, with what this sync has to add."""
    available = sum(counted(r, "availableReplicas") for r in sets)
    counts = {
        "observedGeneration": deployment["metadata"].get("generation", 1),
        "replicas": sum(counted(r, "replicas") for r in sets),
        "updatedReplicas": counted(new, "replicas") if new is not None else 0,
        "readyReplicas": sum(counted(r, "readyReplicas") for r in sets),
        "availableReplicas": available,
        "unavailableReplicas": max(0, sum(replicas_of(r) for r in sets) - available),
    }
    conditions = _with_availability(conditions, available >= bounds.least_available)
    conditions = _with_progress(deployment, bounds, new, counts, conditions)
    conditions = _with_failure(new, sets, conditions)
    status: dict[str, Any] = {name: count for name, count in counts.items() if count}
    if "collisionCount" in (deployment.get("status") or {}):
        status["collisionCount"] = deployment["status"]["collisionCount"]
    status["conditions"] = conditions
    return status


def with_condition(
    conditions: Sequence[Condition], kind: str, status: str, reason: str, message: str
) -> list[Condition]:
    """The conditions with this one; the same status and reason again change nothing, a new message neither."""
    before = next((c for c in conditions if c["type"] == kind), None)
    if before is not None and (before["status"], before.get("reason")) == (status, reason):
        return list(conditions)
    at = clock.stamp()
    transition = before["lastTransitionTime"] if before is not None and before["status"] == status else at
    made = {
        "type": kind,
        "status": status,
        "lastUpdateTime": at,
        "lastTransitionTime": transition,
        "reason": reason,
        "message": message,
    }
    return [c for c in conditions if c["type"] != kind] + [made]


def seconds_to_deadline(deployment: Manifest, now: datetime) -> float | None:
    """After how many seconds it will have exceeded its progress deadline; ``None`` if it cannot."""
    seconds = deployment["spec"].get("progressDeadlineSeconds")
    progress = _progressing((deployment.get("status") or {}).get("conditions") or [])
    if seconds is None or progress is None:
        return None
    if progress.get("reason") in ("NewReplicaSetAvailable", "ProgressDeadlineExceeded"):
        return None
    due = clock.parsed(progress["lastUpdateTime"]) + timedelta(seconds=int(seconds))
    return max(0.0, (due - now).total_seconds())


def is_complete(bounds: Bounds, counts: dict[str, Any]) -> bool:
    """Whether all pods are new, there are as many as wanted, and all of them are available."""
    fields = ("updatedReplicas", "replicas", "availableReplicas")
    return all(int(counts.get(field) or 0) == bounds.wanted for field in fields)


def _with_availability(conditions: list[Condition], is_available: bool) -> list[Condition]:
    if is_available:
        text = "Deployment has minimum availability."
        return with_condition(conditions, "Available", "True", "MinimumReplicasAvailable", text)
    text = "Deployment does not have minimum availability."
    return with_condition(conditions, "Available", "False", "MinimumReplicasUnavailable", text)


def _with_progress(
    deployment: Manifest, bounds: Bounds, new: Manifest | None, counts: dict[str, Any], conditions: list[Condition]
) -> list[Condition]:
    if deployment["spec"].get("progressDeadlineSeconds") is None:
        return [c for c in conditions if c["type"] != "Progressing"]
    current = _progressing(conditions)
    if new is None or (
        current is not None
        and current.get("reason") == "NewReplicaSetAvailable"
        and counts["replicas"] == counts["updatedReplicas"]
    ):
        return conditions
    name = f'ReplicaSet "{new["metadata"]["name"]}"'
    if is_complete(bounds, counts):
        text = f"{name} has successfully progressed."
        return with_condition(conditions, "Progressing", "True", "NewReplicaSetAvailable", text)
    if _has_moved(deployment.get("status") or {}, counts):
        return _with_movement(conditions, f"{name} is progressing.")
    if _is_late(deployment, current):
        text = f"{name} has timed out progressing."
        return with_condition(conditions, "Progressing", "False", "ProgressDeadlineExceeded", text)
    return conditions


def _with_movement(conditions: list[Condition], message: str) -> list[Condition]:
    """Progressing afresh: its lastUpdateTime is where the deadline counts from."""
    before = _progressing(conditions)
    rest = [c for c in conditions if c["type"] != "Progressing"]
    made = with_condition(rest, "Progressing", "True", "ReplicaSetUpdated", message)
    if before is not None and before["status"] == "True":
        made[-1]["lastTransitionTime"] = before["lastTransitionTime"]
    return made


def _has_moved(before: dict[str, Any], counts: dict[str, Any]) -> bool:
    def old(field: str) -> int:
        return int(before.get(field) or 0)

    return bool(
        counts["updatedReplicas"] > old("updatedReplicas")
        or counts["replicas"] - counts["updatedReplicas"] < old("replicas") - old("updatedReplicas")
        or counts["readyReplicas"] > old("readyReplicas")
        or counts["availableReplicas"] > old("availableReplicas")
    )


def _is_late(deployment: Manifest, current: Condition | None) -> bool:
    if current is None or current.get("reason") == "NewReplicaSetAvailable":
        return False
    if current.get("reason") == "ProgressDeadlineExceeded":
        return True
    seconds = int(deployment["spec"]["progressDeadlineSeconds"])
    return clock.parsed(current["lastUpdateTime"]) + timedelta(seconds=seconds) <= clock.now()


def _with_failure(new: Manifest | None, sets: Sequence[Manifest], conditions: list[Condition]) -> list[Condition]:
    for replica_set in [new] if new is not None else list(sets):
        for found in (replica_set.get("status") or {}).get("conditions") or []:
            if found["type"] == "ReplicaFailure" and found["status"] == "True":
                return with_condition(conditions, "ReplicaFailure", "True", found["reason"], found["message"])
    return [c for c in conditions if c["type"] != "ReplicaFailure"]


def _progressing(conditions: Sequence[Condition]) -> Condition | None:
    return next((c for c in conditions if c["type"] == "Progressing"), None)
