"""What a pod's status says, from what is known of its containers. Pure: the same facts give the same status."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from merlin.localcluster.client import Manifest
from merlin.localcluster.kubelet.attempt import Ended

_OURS: Final = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady")


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a container: since when, and how it ended."""

    number: int
    started_at: float | None
    ended: Ended | None
    message: str = ""


@dataclass(frozen=True, slots=True)
class ContainerView:
    """What is known of one container. ``waiting`` (reason, message) stands before a run that has ended."""

    name: str
    image: str
    image_id: str
    waiting: tuple[str, str] | None
    last: Run | None
    previous: Run | None
    started: bool = False
    ready: bool = False

    @property
    def is_running(self) -> bool:
        """Whether its process runs now."""
        return self.waiting is None and self.last is not None and self.last.ended is None

    @property
    def ended(self) -> Ended | None:
        """How it ended, when it neither runs nor waits for another run."""
        return self.last.ended if self.waiting is None and self.last is not None else None


def pod_status(
    pod: Manifest,
    inits: Sequence[ContainerView],
    containers: Sequence[ContainerView],
    *,
    ip: str,
    host_ip: str,
    started_at: float,
    now: float,
) -> dict[str, Any]:
    """The pod's status; what others have written in it (PodScheduled, qosClass) is kept."""
    previous = pod.get("status") or {}
    uid = str(pod["metadata"]["uid"])
    status: dict[str, Any] = {
        "phase": phase(pod, inits, containers),
        "hostIP": host_ip,
        "hostIPs": [{"ip": host_ip}],
        "startTime": stamp(started_at),
        "conditions": _conditions(pod, inits, containers, has_ip=bool(ip), now=now),
        "containerStatuses": [_container(view, uid) for view in containers],
    }
    if ip:
        status |= {"podIP": ip, "podIPs": [{"ip": ip}]}
    if inits:
        status["initContainerStatuses"] = [_container(view, uid, is_init=True) for view in inits]
    if not previous.get("qosClass"):
        status["qosClass"] = _quality(pod)
    return status


def phase(pod: Manifest, inits: Sequence[ContainerView], containers: Sequence[ContainerView]) -> str:
    """Pending, Running, Succeeded or Failed, as Kubernetes tells them apart."""
    policy = pod["spec"].get("restartPolicy", "Always")
    if any(view.ended is not None and view.ended.exit_code != 0 for view in inits):
        return "Failed" if policy == "Never" else "Pending"
    if not all(view.ended is not None for view in inits) or any(view.last is None for view in containers):
        return "Pending"
    ends = [view.ended for view in containers]
    if policy == "Always" or any(end is None for end in ends):
        return "Running"
    if all(end is not None and end.exit_code == 0 for end in ends):
        return "Succeeded"
    return "Failed" if policy == "Never" else "Running"


def stamp(seconds: float) -> str:
    """A time as the API writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _container(view: ContainerView, uid: str, *, is_init: bool = False) -> dict[str, Any]:
    last = view.last
    ended = view.ended is not None
    previous = view.previous if view.waiting is None else last
    state: dict[str, Any]
    if view.waiting is not None or last is None:
        reason, message = view.waiting or ("PodInitializing", "")
        state = {"waiting": {"reason": reason, **({"message": message} if message else {})}}
    elif last.ended is not None:
        state = {"terminated": _terminated(view, last, uid)}
    else:
        state = {"running": {"startedAt": stamp(last.started_at or 0)}}
    was_ended = previous is not None and previous.ended is not None
    return {
        "name": view.name,
        "image": view.image,
        "imageID": view.image_id,
        "state": state,
        "lastState": {"terminated": _terminated(view, previous, uid)} if previous is not None and was_ended else {},
        "ready": (view.ended is not None and view.ended.exit_code == 0) if is_init else view.ready,
        "started": view.started and not ended,
        "restartCount": last.number if last is not None else 0,
        **({"containerID": _id(view, last, uid)} if last is not None else {}),
    }


def _terminated(view: ContainerView, run: Run, uid: str) -> dict[str, Any]:
    ended = run.ended
    if ended is None:
        return {}
    return {
        "exitCode": ended.exit_code,
        "reason": ended.reason,
        **({"message": run.message} if run.message else {}),
        "startedAt": stamp(ended.started_at),
        "finishedAt": stamp(ended.finished_at),
        "containerID": _id(view, run, uid),
    }


def _id(view: ContainerView, run: Run, uid: str) -> str:
    return f"merlin://{uid}/{view.name}/{run.number}"


def _conditions(
    pod: Manifest, inits: Sequence[ContainerView], containers: Sequence[ContainerView], *, has_ip: bool, now: float
) -> list[dict[str, Any]]:
    before = {c["type"]: c for c in (pod.get("status") or {}).get("conditions") or []}
    is_over = phase(pod, inits, containers) in {"Succeeded", "Failed"}
    unready = [view.name for view in containers if not view.ready]
    open_inits = [view.name for view in inits if view.ended is None or view.ended.exit_code != 0]
    ready = _condition(not unready, "ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]")
    if is_over:
        ready = {"status": "False", "reason": "PodCompleted"}
    gates = [str(gate["conditionType"]) for gate in pod["spec"].get("readinessGates") or []]
    closed = [gate for gate in gates if before.get(gate, {}).get("status") != "True"]
    initialized = _condition(
        not open_inits, "ContainersNotInitialized", f"containers with incomplete status: [{' '.join(open_inits)}]"
    )
    whole = ready
    if ready["status"] == "True" and closed:
        whole = _condition(
            False, "ReadinessGatesNotReady", f'corresponding condition of pod readiness gate "{closed[0]}"'
        )
    found = dict(zip(_OURS, (_condition(has_ip, "", ""), initialized, whole, ready), strict=True))
    ours = [_since(kind, condition, before.get(kind), now) for kind, condition in found.items()]
    return ours + [condition for kind, condition in before.items() if kind not in _OURS]


def _condition(holds: bool, reason: str, message: str) -> dict[str, Any]:
    if holds:
        return {"status": "True"}
    return {"status": "False", **({"reason": reason, "message": message} if reason else {})}


def _since(kind: str, condition: dict[str, Any], before: dict[str, Any] | None, now: float) -> dict[str, Any]:
    is_same = before is not None and before.get("status") == condition["status"]
    since = before.get("lastTransitionTime") if before is not None and is_same else None
    return {"type": kind, **condition, "lastProbeTime": None, "lastTransitionTime": since or stamp(now)}


def _quality(pod: Manifest) -> str:
    found = [(c.get("resources") or {}) for c in pod["spec"].get("containers") or []]
    if not any(r.get("requests") or r.get("limits") for r in found):
        return "BestEffort"
    limits_are_whole = all({"cpu", "memory"} <= set(r.get("limits") or {}) for r in found)
    requests_equal = all((r.get("requests") or r.get("limits")) == r.get("limits") for r in found)
    return "Guaranteed" if limits_are_whole and requests_equal else "Burstable"
