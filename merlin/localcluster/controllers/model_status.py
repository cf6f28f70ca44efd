"""The status that KServe 0.20 derives for an InferenceService in Standard mode. Pure, quirks included.

Follows PropagateRawStatus and PropagateModelStatus of pkg/apis/serving/v1beta1/inference_service_status.go, so that
whoever judges a local cluster judges it as a real one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from merlin.localcluster.client import Manifest
from merlin.localcluster.controllers.conditions import ReadyConditions
from merlin.localcluster.controllers.predictor import CONTAINER, INITIALIZER

PREDICTOR_READY: Final = "PredictorReady"
INGRESS_READY: Final = "IngressReady"
STOPPED: Final = "Stopped"


def take_deployment(status: dict[str, Any], conditions: ReadyConditions, deployment: Manifest | None, url: str) -> None:
    """PredictorReady, observedGeneration (the Deployment's!) and the predictor's url."""
    of = (deployment or {}).get("status") or {}
    stated = {c["type"]: c for c in of.get("conditions") or []}
    verdict, reason, message = _verdict(stated)
    component = status.setdefault("components", {}).setdefault("predictor", {})
    if verdict == "True":
        component["url"] = url
    conditions.mark(PREDICTOR_READY, verdict, reason, message)
    if of.get("observedGeneration"):
        status["observedGeneration"] = of["observedGeneration"]
    else:
        status.pop("observedGeneration", None)


def take_pods(status: dict[str, Any], conditions: ReadyConditions, pods: Sequence[Manifest]) -> bool:
    """modelStatus from the pods, newest first. False: nothing can be said now, look again in a second."""
    model = status.setdefault("modelStatus", {})
    copies = model.setdefault("copies", {})
    copies.setdefault("failedCopies", 0)
    ready = sum(1 for pod in pods if _is_ready(pod))
    copies.pop("totalCopies", None)
    if ready:
        copies["totalCopies"] = ready
    if not pods:
        _set_state(model, "Pending")
        return True
    newest = pods[0].get("status") or {}
    decided = _take_initializer(model, newest)
    if decided is not None:
        return decided
    if conditions.status("Ready") == "True":
        _set_state(model, "Loaded")
        return True
    for container in newest.get("containerStatuses") or []:
        if container["name"] == CONTAINER:
            failed = _failure(container)
            _set_state(model, "FailedToLoad" if failed else "Pending", failed)
    return True


def invalid_spec(status: dict[str, Any], reason: str, message: str) -> None:
    """What a model that no runtime can serve looks like."""
    model = status.setdefault("modelStatus", {})
    model["transitionStatus"] = "InvalidSpec"
    model.setdefault("states", {"activeModelState": ""})["targetModelState"] = "FailedToLoad"
    model["lastFailureInfo"] = {"reason": reason, "message": message}


def _verdict(stated: Mapping[str, Mapping[str, Any]]) -> tuple[str, str, str]:
    available, progressing = stated.get("Available", {}), stated.get("Progressing", {})
    verdict = ("False", "", "")
    if available.get("status") == "True":
        verdict = _as("True", available)
    if progressing.get("status") == "False" and progressing.get("message"):
        verdict = _as("False", progressing)
    elif progressing.get("status") == "True":
        if progressing.get("reason") == "NewReplicaSetAvailable":
            verdict = _as("True", progressing)
        elif available.get("status") != "True":
            verdict = _as("Unknown", progressing)
    # Applied after Progressing, so on a first deploy it hides an exceeded deadline for ever.
    if available.get("status") == "False":
        verdict = _as("False", available)
    failure = stated.get("ReplicaFailure", {})
    return _as("False", failure) if failure.get("status") == "True" else verdict


def _as(status: str, condition: Mapping[str, Any]) -> tuple[str, str, str]:
    return status, str(condition.get("reason", "")), str(condition.get("message", ""))


def _take_initializer(model: dict[str, Any], pod_status: Mapping[str, Any]) -> bool | None:
    """Whether a state was set (True), must wait (False), or is for the container to say (None)."""
    for container in pod_status.get("initContainerStatuses") or []:
        if container["name"] != INITIALIZER:
            continue
        if "running" in (container.get("state") or {}):
            if (container.get("lastState") or {}).get("terminated"):
                return False
            _set_state(model, "Loading")
            return True
        if failed := _failure(container):
            _set_state(model, "FailedToLoad", failed)
            return True
    return None


def _failure(container: Mapping[str, Any]) -> dict[str, Any] | None:
    state = container.get("state") or {}
    ended = state.get("terminated") or {}
    if ended.get("reason") != "Error":
        if (state.get("waiting") or {}).get("reason") != "CrashLoopBackOff":
            return None
        ended = (container.get("lastState") or {}).get("terminated") or {}
    info = {"reason": "ModelLoadFailed", "exitCode": ended.get("exitCode"), "message": ended.get("message")}
    return {key: value for key, value in info.items() if value}


def _is_ready(pod: Manifest) -> bool:
    status = pod.get("status") or {}
    conditions = status.get("conditions") or []
    return status.get("phase") == "Running" and any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def _set_state(model: dict[str, Any], state: str, failure: Mapping[str, Any] | None = None) -> None:
    states = model.setdefault("states", {"activeModelState": ""})
    states["targetModelState"] = state
    transitions = {"Loaded": "UpToDate", "FailedToLoad": "BlockedByFailedLoad"}
    model["transitionStatus"] = transitions.get(state, "InProgress")
    if state == "Loaded":
        states["activeModelState"] = "Loaded"
    if failure is not None:
        # Stays after success: so does KServe's.
        model["lastFailureInfo"] = dict(failure)
