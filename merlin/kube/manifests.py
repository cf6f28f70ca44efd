"""What a version endpoint is in a cluster, as manifests. Pure: the same wish renders the same bytes.

Labels and annotations of an InferenceService reach its pods' template, so nothing that changes without other pods may
stand there: no generation, and as revision the one that the pods were made for. User values never stand in it
literally either, since KServe passes the container through Go templates: they travel in a Secret.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from merlin.domain.environment import EnvironmentConfig
from merlin.domain.revision import PROCESS_TIMEOUT_SECONDS, RevisionSpec
from merlin.kube import names
from merlin.kube.kinds import CONFIG_MAP, HTTP_ROUTE, INFERENCE_SERVICE, NAMESPACE, SECRET, SERVICE, Kind, Manifest
from merlin.kube.route import Backend, RouteFeatures, route_spec

CONTAINER_PORT = 8080
SERVICE_PORT = 80
_PROCESS_TIMEOUT = "MERLIN_RUNTIME_TIMEOUT_SECONDS"


@dataclass(frozen=True, slots=True)
class Place:
    """Whose objects they are and where they stand."""

    installation_id: UUID
    endpoint_id: UUID
    project: str
    model: str
    version: int
    namespace: str
    environment: EnvironmentConfig


@dataclass(frozen=True, slots=True)
class Workload:
    """One revision's pods: its InferenceService, and the values of its variables (secrets' included)."""

    service_name: str
    workload_revision: int
    spec: RevisionSpec
    storage_uri: str
    variables: Mapping[str, str]


def render_namespace(name: str, installation_id: UUID, project: str) -> Manifest:
    """A project's namespace."""
    labels = {names.MANAGED_BY: "merlin", names.INSTALLATION: str(installation_id), names.PROJECT: project}
    return _object(NAMESPACE, None, name, labels)


def render_system_namespace() -> Manifest:
    """The namespace of what belongs to Merlin itself."""
    return _object(NAMESPACE, None, names.SYSTEM_NAMESPACE, {names.MANAGED_BY: "merlin"})


def render_installation(installation_id: UUID, *, waiting: str = "") -> Manifest:
    """The ConfigMap that says whose the marked objects of this cluster are, and what waits for an operator."""
    labels = {names.MANAGED_BY: "merlin", names.INSTALLATION: str(installation_id)}
    annotations = {names.PRUNE_WAITING: waiting} if waiting else None
    manifest = _object(CONFIG_MAP, names.SYSTEM_NAMESPACE, names.INSTALLATION_CONFIG_MAP, labels, annotations)
    return {**manifest, "data": {"installation": str(installation_id)}}


def render_secret(place: Place, workload: Workload) -> Manifest | None:
    """The workload's variables; ``None`` when it has none."""
    if not workload.variables:
        return None
    manifest = _object(SECRET, place.namespace, workload.service_name, _labels(place, workload.workload_revision))
    data = {key: base64.b64encode(value.encode()).decode() for key, value in sorted(workload.variables.items())}
    return {**manifest, "type": "Opaque", "data": data}


def render_inference_service(place: Place, workload: Workload) -> Manifest:
    """The workload itself. Only replicas and autoscaling may differ between two revisions that share it."""
    labels = _labels(place, workload.workload_revision)
    manifest = _object(
        INFERENCE_SERVICE,
        place.namespace,
        workload.service_name,
        {**labels, "networking.kserve.io/visibility": "cluster-local"},
        {
            "serving.kserve.io/deploymentMode": "Standard",
            "serving.kserve.io/autoscalerClass": "hpa" if workload.spec.autoscaling else "none",
        },
    )
    predictor = {
        **_scale(workload.spec),
        "labels": labels,
        "annotations": {names.WORKLOAD_REVISION: str(workload.workload_revision)},
        "model": _model(place, workload),
    }
    return {**manifest, "spec": {"predictor": predictor}}


def render_service(place: Place, *, generation: int, selected: str) -> Manifest:
    """The version endpoint's Service, in front of the pods of the InferenceService ``selected``."""
    manifest = _object(
        SERVICE,
        place.namespace,
        names.service(place.model, place.version),
        _labels(place),
        {names.GENERATION: str(generation)},
    )
    port = {"name": "http", "protocol": "TCP", "port": SERVICE_PORT, "targetPort": CONTAINER_PORT}
    return {**manifest, "spec": {"selector": {"app": names.predictor_app(selected)}, "ports": [port]}}


def render_version_route(place: Place, *, generation: int, timeout_seconds: int, features: RouteFeatures) -> Manifest:
    """The version endpoint's route to its own Service. Raises Rejected (ROUTE_FEATURE_UNSUPPORTED)."""
    environment = place.environment
    manifest = _object(
        HTTP_ROUTE,
        place.namespace,
        names.version_route(place.model, place.version),
        _labels(place),
        {names.GENERATION: str(generation)},
    )
    spec = route_spec(
        environment,
        hostname=environment.hostname(place.project, place.model),
        prefix=environment.version_path(place.project, place.model, place.version),
        backends=[Backend(names.service(place.model, place.version), SERVICE_PORT, 1)],
        timeout_seconds=timeout_seconds,
        features=features,
    )
    return {**manifest, "spec": spec}


def render_model_route(
    *,
    installation_id: UUID,
    model_endpoint_id: UUID,
    project: str,
    model: str,
    namespace: str,
    environment: EnvironmentConfig,
    generation: int,
    weights: Mapping[int, int],
    timeout_seconds: int,
    features: RouteFeatures,
) -> Manifest:
    """The model endpoint's route: ``weights`` by version number. Raises Rejected (ROUTE_FEATURE_UNSUPPORTED)."""
    labels = {
        names.MANAGED_BY: "merlin",
        names.INSTALLATION: str(installation_id),
        names.MODEL_ENDPOINT: str(model_endpoint_id),
        names.PROJECT: project,
        names.MODEL: model,
    }
    annotations = {names.GENERATION: str(generation)}
    manifest = _object(HTTP_ROUTE, namespace, names.model_route(model), labels, annotations)
    spec = route_spec(
        environment,
        hostname=environment.hostname(project, model),
        prefix=environment.model_path(project, model),
        backends=[Backend(names.service(model, number), SERVICE_PORT, weight) for number, weight in weights.items()],
        timeout_seconds=timeout_seconds,
        features=features,
    )
    return {**manifest, "spec": spec}


def _model(place: Place, workload: Workload) -> dict[str, Any]:
    spec = workload.spec
    formats = place.environment.runtimes.get(spec.runtime, ("mlflow",))
    ready = {"httpGet": {"path": f"/v2/models/{place.model}/ready", "port": CONTAINER_PORT}, "timeoutSeconds": 5}
    model: dict[str, Any] = {
        "modelFormat": {"name": "mlflow" if "mlflow" in formats else formats[0]},
        "protocolVersion": "v2",
        "runtime": spec.runtime,
        "storageUri": workload.storage_uri,
        "env": [{"name": name, "value": value} for name, value in _process_settings(place, workload).items()],
        "resources": _resources(spec),
        # KServe's own readiness probe only asks whether a port is open, not whether a model is loaded.
        "readinessProbe": {**ready, "periodSeconds": 2, "failureThreshold": 3},
        # Loading may take as long as the deploy may; only then is a container that does not answer restarted.
        "startupProbe": {**ready, "periodSeconds": 1, "failureThreshold": spec.startup_seconds},
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    if workload.variables:
        model["envFrom"] = [{"secretRef": {"name": workload.service_name}}]
    return model


def _process_settings(place: Place, workload: Workload) -> dict[str, str]:
    """What the model's process is told; what a user set of it comes from the Secret and is left alone."""
    settings = {
        "MERLIN_MODEL_NAME": place.model,
        "MERLIN_MODEL_VERSION": str(place.version),
        "MERLIN_REVISION": str(workload.workload_revision),
    }
    seconds = workload.spec.process_timeout_seconds
    if seconds > PROCESS_TIMEOUT_SECONDS and _PROCESS_TIMEOUT not in workload.variables:
        settings[_PROCESS_TIMEOUT] = str(seconds)
    return settings


def _scale(spec: RevisionSpec) -> dict[str, Any]:
    if spec.autoscaling is None:
        # Without an autoscaler KServe runs the minimum.
        return {"minReplicas": spec.min_replicas, "maxReplicas": max(spec.min_replicas, spec.max_replicas)}
    return {
        "minReplicas": spec.min_replicas,
        "maxReplicas": spec.max_replicas,
        "scaleMetric": spec.autoscaling.metric.value.lower(),
        "scaleTarget": spec.autoscaling.target_percent,
    }


def _resources(spec: RevisionSpec) -> dict[str, Any]:
    asked = spec.resources
    limits = {"cpu": asked.cpu_limit, "memory": asked.memory_limit}
    resources: dict[str, Any] = {"requests": {"cpu": asked.cpu_request, "memory": asked.memory_request}}
    if any(limits.values()):
        resources["limits"] = {name: amount for name, amount in limits.items() if amount}
    return resources


def _labels(place: Place, workload_revision: int | None = None) -> dict[str, str]:
    labels = {
        names.MANAGED_BY: "merlin",
        names.INSTALLATION: str(place.installation_id),
        names.ENDPOINT: str(place.endpoint_id),
        names.PROJECT: place.project,
        names.MODEL: place.model,
        names.VERSION: str(place.version),
    }
    if workload_revision is not None:
        labels[names.REVISION] = str(workload_revision)
    return labels


def _object(
    kind: Kind,
    namespace: str | None,
    name: str,
    labels: Mapping[str, str],
    annotations: Mapping[str, str] | None = None,
) -> Manifest:
    metadata: dict[str, Any] = {"name": name, "labels": dict(labels)}
    if namespace is not None:
        metadata["namespace"] = namespace
    if annotations:
        metadata["annotations"] = dict(annotations)
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata}
