"""Why a workload does not become ready: the root cause, read from pods, Deployment, InferenceService and events.

Pure. A cause is told in seconds where Kubernetes itself would wait ten minutes; but what often mends itself within
seconds (a Secret that is still being written, an autoscaler that brings a node) gets that time first.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from merlin.domain.failure import Failure, FailureCode
from merlin.domain.observation import ClusterEvent, ContainerSeen, Observation, PodSeen, Termination, Workload

CRASHES = 2
CRASH_SECONDS = 15  # one crash may be an accident of the node; a container that is still down after this is not
UNSCHEDULABLE_SECONDS = 10
CONFIG_SECONDS = 5
REFUSED_SECONDS = 3
PULL_SECONDS = 20
REPEATS = 5  # of an error of KServe's controller before it counts: conflicts among controllers pass by themselves

_MARK: Final = "MERLIN_FAILURE"
_PULL = ("ErrImagePull", "ImagePullBackOff")
_PULL_FOR_GOOD = ("InvalidImageName", "ErrImageNeverPull")
_NO_SUCH_IMAGE = re.compile(r"not found|does not exist|manifest unknown|denied|unauthorized|no such image", re.I)
_CONFIG = ("CreateContainerConfigError", "CreateContainerError")
_ACCESS = re.compile(r"access ?denied|forbidden|unauthori[sz]ed|credential|permission denied|\b40[13]\b", re.I)
_ABSENT = re.compile(r"no such|no model found|not found|nosuchkey|does not exist|\b404\b|missing", re.I)
_NO_RUNTIME = ("NoSupportingRuntime", "RuntimeNotRecognized", "RuntimeDisabled")

FIXES: Final = {
    FailureCode.IMAGE_NOT_FOUND: "Check the image of the serving runtime and the cluster's right to pull it.",
    FailureCode.OUT_OF_MEMORY: "Raise the memory limit (resources.memoryLimit), or make the model smaller.",
    FailureCode.CRASH_LOOP: "Read the last log lines; run the model locally with the same Python packages.",
    FailureCode.MODEL_LOAD_FAILED: "Load the model locally with mlflow.pyfunc.load_model and mend what it says.",
    FailureCode.ARTIFACT_NOT_FOUND: "Check that the artifact is still where MLflow logged it; log the model again.",
    FailureCode.ARTIFACT_ACCESS_DENIED: "Give the namespace's service account the right to read the artifact store.",
    FailureCode.DEPENDENCY_CONFLICT: "Log the model again with the versions that are there, or install those it needs.",
    FailureCode.PYTHON_NOT_AVAILABLE: "Log the model from a Python version that the serving runtime has.",
    FailureCode.UNSCHEDULABLE: "Ask for less CPU or memory, free some, or add a node.",
    FailureCode.QUOTA_EXCEEDED: "Ask for less, undeploy something, or have the namespace's quota raised.",
    FailureCode.ADMISSION_REFUSED: "Ask the cluster's operator: a policy or an admission webhook refuses it.",
    FailureCode.PROBE_FAILED: "Read the last log lines: the server runs but does not say that the model is ready.",
    FailureCode.NO_RUNTIME: "Name a serving runtime that the environment has, or have this one installed.",
    FailureCode.ROUTE_NOT_ACCEPTED: "Check the environment's gateway: its listeners, allowed namespaces and status.",
    FailureCode.ROUTE_FEATURE_UNSUPPORTED: "Use a gateway that supports it, or url_style: host.",
    FailureCode.CLUSTER_UNREACHABLE: "Check the cluster and the environment's kubeconfig; then deploy again.",
    FailureCode.DEADLINE_EXCEEDED: "Look at the deployment's events; raise deadlineSeconds if it only needs longer.",
    FailureCode.CONFIG_MISSING: "Set the secret or variable that the message names, then deploy again.",
}


def failure(code: FailureCode, message: str, **evidence: Any) -> Failure:
    """A failure with the fix that belongs to its code."""
    return Failure(code, message, FIXES[code], {key: value for key, value in evidence.items() if value is not None})


def diagnose(workload: Workload, events: Sequence[ClusterEvent], now: datetime) -> Failure | None:
    """The cause why a workload cannot become ready, if it is clear by now."""
    return next(_causes(workload, events, now), None)


def diagnose_deadline(workload: Workload, seen: Observation) -> Failure:
    """What to say of one that was not ready in time: the nearest thing to a cause that was seen."""
    if seen.unreachable_since is not None:
        return failure(FailureCode.CLUSTER_UNREACHABLE, "The cluster did not answer until the deadline.")
    for pod in workload.pods:
        container = next((c for c in pod.containers if c.running and not c.is_init), None)
        if container is not None and not pod.ready:
            probe = next((e.message for e in reversed(seen.events) if e.reason == "Unhealthy"), None)
            return failure(
                FailureCode.PROBE_FAILED,
                f"The container runs but the model was not ready by the deadline{f': {probe}' if probe else '.'}",
                pod=pod.name,
                container=container.name,
                event=probe,
            )
        if pod.unschedulable_since is not None:
            return failure(FailureCode.UNSCHEDULABLE, f"No node takes the pod: {pod.message}", pod=pod.name)
    missing = "its InferenceService" if workload.service is None else "its pods"
    waiting = next((pod.message for pod in workload.pods if pod.message), "")
    return failure(
        FailureCode.DEADLINE_EXCEEDED,
        f"The deadline passed while waiting for {missing}{f': {waiting}' if waiting else '.'}",
        pod=workload.pods[0].name if workload.pods else None,
    )


def _causes(workload: Workload, events: Sequence[ClusterEvent], now: datetime) -> Iterator[Failure]:
    # Pods on their way out say nothing about what is to come.
    for pod in workload.pods:
        if not pod.terminating:
            yield from _pod(pod, events, now)
    yield from _deployment(workload, now)
    yield from _service(workload, events)


def _pod(pod: PodSeen, events: Sequence[ClusterEvent], now: datetime) -> Iterator[Failure]:
    since = pod.unschedulable_since
    scales_up = any(e.reason == "TriggeredScaleUp" and e.object_name == pod.name for e in events)
    if since is not None and not scales_up and _lasted(max(since, pod.created_at), UNSCHEDULABLE_SECONDS, now):
        yield failure(FailureCode.UNSCHEDULABLE, f"No node takes the pod: {pod.message}", pod=pod.name)
    for container in pod.containers:
        yield from _waiting(pod, container, now)
        if container.ended is not None and container.ended.exit_code != 0 and not container.ready:
            yield from _ended(pod, container, container.ended, now)


def _waiting(pod: PodSeen, container: ContainerSeen, now: datetime) -> Iterator[Failure]:
    said = f"{container.waiting}: {container.waiting_message}".rstrip(": ")
    where = {"pod": pod.name, "container": container.name, "event": said}
    if container.waiting in _PULL_FOR_GOOD or (
        container.waiting in _PULL
        and (_NO_SUCH_IMAGE.search(container.waiting_message) or _lasted(pod.created_at, PULL_SECONDS, now))
    ):
        yield failure(FailureCode.IMAGE_NOT_FOUND, f"The image cannot be had: {said}", **where)
    if container.waiting in _CONFIG and _lasted(pod.created_at, CONFIG_SECONDS, now):
        yield failure(FailureCode.CONFIG_MISSING, f"The container cannot be made: {said}", **where)


def _ended(pod: PodSeen, container: ContainerSeen, ended: Termination, now: datetime) -> Iterator[Failure]:
    where = {"pod": pod.name, "container": container.name, "exit_code": ended.exit_code}
    if ended.reason == "OOMKilled":
        yield failure(
            FailureCode.OUT_OF_MEMORY, f"{container.name} needed more memory than its limit and was killed.", **where
        )
        return
    told = _told_by_runtime(ended.message)
    if told is not None:
        code, message, details = told
        yield failure(code, message, **where, details=details or None)
        return
    is_down = container.waiting != "" or not container.running
    again = container.restarts >= CRASHES
    late = is_down and ended.finished_at is not None and _lasted(ended.finished_at, CRASH_SECONDS, now)
    if container.is_init:
        yield from _not_fetched(ended, where, certain=again or late)
    elif again or late:
        last = _last_line(ended.message)
        yield failure(
            FailureCode.CRASH_LOOP,
            f"{container.name} ended with {ended.exit_code} ({ended.reason or 'Error'}), {container.restarts} "
            f"restarts{f': {last}' if last else '.'}",
            **where,
        )


def _not_fetched(ended: Termination, where: dict[str, Any], *, certain: bool) -> Iterator[Failure]:
    """The storage initializer's end. Texts of many stores: the two causes that will not pass are told at once."""
    message = f"The artifact could not be fetched: {_last_line(ended.message) or 'no reason given'}"
    if _ABSENT.search(ended.message):
        yield failure(FailureCode.ARTIFACT_NOT_FOUND, message, **where)
    elif _ACCESS.search(ended.message):
        yield failure(FailureCode.ARTIFACT_ACCESS_DENIED, message, **where)
    elif certain:
        yield failure(FailureCode.ARTIFACT_NOT_FOUND, message, **where)


def _deployment(workload: Workload, now: datetime) -> Iterator[Failure]:
    deployment = workload.deployment
    if deployment is None or not deployment.refused or deployment.refused_since is None:
        return
    if not _lasted(deployment.refused_since, REFUSED_SECONDS, now):
        return
    is_quota = "exceeded quota" in deployment.refused
    code = FailureCode.QUOTA_EXCEEDED if is_quota else FailureCode.ADMISSION_REFUSED
    yield failure(code, f"The cluster does not let pods be made: {deployment.refused}", event=deployment.refused)


def _service(workload: Workload, events: Sequence[ClusterEvent]) -> Iterator[Failure]:
    service = workload.service
    if service is None:
        return
    if service.invalid is not None:
        reason, message = service.invalid
        said = next((e.message for e in reversed(events) if e.reason == "InternalError"), message)
        code = FailureCode.NO_RUNTIME if reason in _NO_RUNTIME else FailureCode.ADMISSION_REFUSED
        yield failure(code, f"KServe cannot run it: {said} ({reason})", event=said)
    for event in events:
        is_ours = event.object_kind == "InferenceService" and event.object_name == service.name and event.is_warning
        if is_ours and "storageuri" in event.message.lower():
            yield failure(FailureCode.ARTIFACT_NOT_FOUND, event.message, event=event.message)
        elif is_ours and event.reason == "InternalError" and event.count >= REPEATS and workload.deployment is None:
            said = f"KServe cannot make its Deployment: {event.message}"
            yield failure(FailureCode.ADMISSION_REFUSED, said, event=event.message)


def _told_by_runtime(message: str) -> tuple[FailureCode, str, Any] | None:
    """What Merlin's runtime says of its own end: JSON in the termination message, or in a marked log line."""
    for line in reversed(message.splitlines()):
        text = line.strip().removeprefix(_MARK).strip()
        if not text.startswith("{"):
            continue
        try:
            told = json.loads(text)
            return FailureCode(told["code"]), str(told["message"])[:2000], told.get("details")
        except (ValueError, KeyError, TypeError):
            continue
    return None


def _last_line(message: str) -> str:
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return lines[-1][:500] if lines else ""


def _lasted(since: datetime, seconds: float, now: datetime) -> bool:
    return now - since >= timedelta(seconds=seconds)
