"""The API's JSON as the plain values that `merlin.domain` judges. Pure; a field that is missing is never an error."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from merlin.domain.observation import (
    ClusterEvent,
    ContainerSeen,
    DeploymentSeen,
    InferenceServiceSeen,
    PodSeen,
    RouteSeen,
    ServiceSeen,
    Termination,
)
from merlin.kube import names
from merlin.kube.kinds import Manifest

_NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST_MESSAGE = 4096  # of a termination; the kubelet's own limit
_LONGEST_REASON = 64  # as an event of ours; Kubernetes takes any from whoever may write events


def owner_of(manifest: Manifest) -> tuple[str, UUID] | None:
    """Which endpoint's it is: (label, id) of a version endpoint or a model endpoint; ``None`` if nobody's."""
    labels = manifest.get("metadata", {}).get("labels") or {}
    for label in (names.ENDPOINT, names.MODEL_ENDPOINT):
        if (text := labels.get(label)) and (endpoint_id := _uuid(text)):
            return label, endpoint_id
    return None


def generation_of(manifest: Manifest) -> int:
    """The endpoint's generation that an object was written for; 0 when it does not say."""
    return _number((manifest.get("metadata", {}).get("annotations") or {}).get(names.GENERATION)) or 0


def pod_seen(pod: Manifest) -> PodSeen:
    """A pod."""
    metadata, status = pod["metadata"], pod.get("status", {})
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    conditions = {c["type"]: c for c in status.get("conditions") or []}
    scheduled = conditions.get("PodScheduled", {})
    is_stuck = scheduled.get("status") == "False" and scheduled.get("reason") == "Unschedulable"
    containers = (
        *(_container(c, is_init=True) for c in status.get("initContainerStatuses") or []),
        *(_container(c, is_init=False) for c in status.get("containerStatuses") or []),
    )
    return PodSeen(
        name=metadata["name"],
        namespace=metadata.get("namespace", ""),
        service_name=names.inference_service_of(labels.get("app")),
        workload_revision=_number(annotations.get(names.WORKLOAD_REVISION) or labels.get(names.REVISION)),
        endpoint_id=_uuid(labels.get(names.ENDPOINT, "")),
        phase=status.get("phase", "Pending"),
        ready=conditions.get("Ready", {}).get("status") == "True",
        terminating="deletionTimestamp" in metadata,
        created_at=_time(metadata.get("creationTimestamp")) or _NEVER,
        started_at=_time(status.get("startTime")),
        unschedulable_since=_time(scheduled.get("lastTransitionTime")) or _NEVER if is_stuck else None,
        message=_text(scheduled.get("message") if is_stuck else status.get("message") or _waiting(containers)),
        containers=containers,
    )


def deployment_seen(deployment: Manifest) -> DeploymentSeen | None:
    """A predictor's Deployment; ``None`` for another Deployment."""
    metadata, spec, status = deployment["metadata"], deployment.get("spec", {}), deployment.get("status") or {}
    service_name = names.inference_service_of((metadata.get("labels") or {}).get("app"))
    if service_name is None:
        return None
    template = spec.get("template", {}).get("metadata", {}).get("annotations") or {}
    failed: Mapping[str, Any] = next((c for c in status.get("conditions") or [] if c["type"] == "ReplicaFailure"), {})
    is_refused = failed.get("status") == "True"
    return DeploymentSeen(
        service_name=service_name,
        workload_revision=_number(template.get(names.WORKLOAD_REVISION)),
        generation=int(metadata.get("generation", 0)),
        observed_generation=int(status.get("observedGeneration", 0)),
        wanted=int(spec.get("replicas", 1)),
        replicas=int(status.get("replicas", 0)),
        updated=int(status.get("updatedReplicas", 0)),
        available=int(status.get("availableReplicas", 0)),
        refused=_text(failed.get("message")) if is_refused else "",
        refused_since=_time(failed.get("lastTransitionTime")) or _NEVER if is_refused else None,
    )


def inference_service_seen(service: Manifest) -> InferenceServiceSeen:
    """An InferenceService."""
    metadata, predictor = service["metadata"], service.get("spec", {}).get("predictor", {})
    model = (service.get("status") or {}).get("modelStatus") or {}
    last = model.get("lastFailureInfo") or {}
    is_invalid = model.get("transitionStatus") == "InvalidSpec"
    return InferenceServiceSeen(
        name=metadata["name"],
        workload_revision=_number((predictor.get("annotations") or {}).get(names.WORKLOAD_REVISION)),
        terminating="deletionTimestamp" in metadata,
        min_replicas=int(predictor.get("minReplicas", 1)),
        max_replicas=int(predictor.get("maxReplicas", 0)),
        scale_metric=predictor.get("scaleMetric"),
        scale_target=predictor.get("scaleTarget"),
        invalid=(_text(last.get("reason")), _text(last.get("message"))) if is_invalid else None,
    )


def service_seen(service: Manifest) -> ServiceSeen:
    """A version endpoint's own Service."""
    selector = service.get("spec", {}).get("selector") or {}
    return ServiceSeen(
        name=service["metadata"]["name"],
        selected=names.inference_service_of(selector.get("app")),
        generation=generation_of(service),
        terminating="deletionTimestamp" in service["metadata"],
    )


def route_seen(route: Manifest, *, gateway: tuple[str, str]) -> RouteSeen:
    """An HTTPRoute as the gateway (namespace, name) takes it."""
    metadata = route["metadata"]
    rule = (route.get("spec", {}).get("rules") or [{}])[0]
    accepted, reason, message, since = _verdict(route, gateway)
    return RouteSeen(
        name=metadata["name"],
        generation=generation_of(route),
        accepted=accepted,
        reason=reason,
        message=message,
        since=since,
        weights={str(ref["name"]): int(ref.get("weight", 1)) for ref in rule.get("backendRefs") or []},
        timeout=str(rule.get("timeouts", {}).get("request", "")),
        terminating="deletionTimestamp" in metadata,
    )


def cluster_event(event: Manifest) -> ClusterEvent:
    """A line of the cluster's own event log."""
    about = event.get("involvedObject") or event.get("regarding") or {}
    stamp = event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp")
    return ClusterEvent(
        uid=str(event["metadata"].get("uid", event["metadata"]["name"])),
        object_kind=str(about.get("kind", "")),
        object_name=str(about.get("name", "")),
        is_warning=event.get("type") == "Warning",
        reason=_text(event.get("reason"))[:_LONGEST_REASON],
        message=_text(event.get("message"))[:_LONGEST_MESSAGE],
        count=int(event.get("count") or 1),
        at=_time(stamp) or _NEVER,
    )


def _verdict(route: Manifest, gateway: tuple[str, str]) -> tuple[bool | None, str, str, datetime | None]:
    """Accepted and all references resolved, both for what is written now; else the first condition that says no."""
    written = int(route["metadata"].get("generation", 0))
    namespace = route["metadata"].get("namespace", "")
    for parent in (route.get("status") or {}).get("parents") or []:
        ref = parent.get("parentRef", {})
        if (ref.get("namespace", namespace), ref.get("name")) != gateway:
            continue
        current = {
            c["type"]: c for c in parent.get("conditions") or [] if int(c.get("observedGeneration", 0)) >= written
        }
        for kind in ("Accepted", "ResolvedRefs"):
            condition = current.get(kind)
            if condition is None or condition.get("status") == "Unknown":
                return None, "", "", None
            if condition["status"] != "True":
                since = _time(condition.get("lastTransitionTime"))
                return False, _text(condition.get("reason")), _text(condition.get("message")), since
        return True, "", "", None
    return None, "", "", None


def _container(status: Mapping[str, Any], *, is_init: bool) -> ContainerSeen:
    state, last = status.get("state") or {}, status.get("lastState") or {}
    waiting = state.get("waiting") or {}
    ended = state.get("terminated") or last.get("terminated")
    return ContainerSeen(
        name=str(status.get("name", "")),
        is_init=is_init,
        running="running" in state,
        ready=bool(status.get("ready", False)),
        restarts=int(status.get("restartCount", 0)),
        waiting=_text(waiting.get("reason")),
        waiting_message=_text(waiting.get("message")),
        ended=Termination(
            exit_code=int(ended.get("exitCode", -1)),
            reason=_text(ended.get("reason")),
            message=_text(ended.get("message"))[-_LONGEST_MESSAGE:],
            finished_at=_time(ended.get("finishedAt")),
        )
        if ended
        else None,
    )


def _waiting(containers: tuple[ContainerSeen, ...]) -> str:
    for container in containers:
        if container.waiting and container.waiting != "PodInitializing":
            return (
                f"{container.waiting}: {container.waiting_message}" if container.waiting_message else container.waiting
            )
    return ""


def _text(given: Any) -> str:
    """A text as it can be stored: what a container wrote may hold NUL, which the database takes in no text."""
    return str(given or "").replace("\0", "\ufffd")


def _time(text: Any) -> datetime | None:
    if not text:
        return None
    try:
        parsed = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _number(text: Any) -> int | None:
    return int(text) if text is not None and str(text).isdigit() else None


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
