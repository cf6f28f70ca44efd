"""What the API fills in where a built-in kind's object says nothing (custom kinds: decode.py, from their schema)."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from typing import Any, Final

from merlin.localcluster.api.kinds import (
    AUTOSCALERS,
    DEPLOYMENTS,
    INFERENCE_SERVICES,
    NAMESPACES,
    PODS,
    REPLICA_SETS,
    SECRETS,
    SERVICES,
    Manifest,
    Resource,
)

_PROBES: Final = ("livenessProbe", "readinessProbe", "startupProbe")


def with_defaults(resource: Resource, manifest: Manifest) -> Manifest:
    """A new object with the defaults of its kind; the same one where the kind has none."""
    fill = _FILLERS.get(resource.key)
    if fill is None:
        return manifest
    filled = {**manifest, "spec": dict(manifest.get("spec") or {})} if resource is not SECRETS else dict(manifest)
    fill(filled)
    return filled


def _namespace(manifest: Manifest) -> None:
    name = manifest["metadata"]["name"]
    manifest["spec"].setdefault("finalizers", ["kubernetes"])
    manifest["status"] = {"phase": "Active", **(manifest.get("status") or {})}
    labels = manifest["metadata"].get("labels") or {}
    manifest["metadata"] = {**manifest["metadata"], "labels": {**labels, "kubernetes.io/metadata.name": name}}


def _secret(manifest: Manifest) -> None:
    manifest.setdefault("type", "Opaque")
    plain = manifest.pop("stringData", None)
    if plain:
        encoded = {key: base64.b64encode(str(value).encode()).decode() for key, value in plain.items()}
        manifest["data"] = {**(manifest.get("data") or {}), **encoded}


def _service(manifest: Manifest) -> None:
    spec = manifest["spec"]
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    if spec["type"] != "ExternalName":
        spec.setdefault("internalTrafficPolicy", "Cluster")
        spec.setdefault("ipFamilies", ["IPv4"])
        spec.setdefault("ipFamilyPolicy", "SingleStack")
    if spec.get("clusterIP"):
        spec.setdefault("clusterIPs", [spec["clusterIP"]])
    spec["ports"] = [
        {**port, "protocol": port.get("protocol", "TCP"), "targetPort": port.get("targetPort", port.get("port"))}
        for port in spec.get("ports") or []
    ]
    if not spec["ports"]:
        del spec["ports"]
    manifest["status"] = manifest.get("status") or {"loadBalancer": {}}


def assigned_address(uid: str, taken: set[str]) -> str:
    """A free address of the range for Services (10.96.0.0/16)."""
    seed = int(hashlib.sha256(uid.encode()).hexdigest()[:8], 16)
    for step in range(65_000):
        number = 256 + (seed + step) % 65_000
        address = f"10.96.{number >> 8}.{number & 255}"
        if address not in taken:
            return address
    raise RuntimeError("no free address for a Service")


def _pod(manifest: Manifest) -> None:
    manifest["spec"] = pod_spec(manifest["spec"])
    spec = manifest["spec"]
    for name in ("containers", "initContainers"):
        if spec.get(name):
            # Of pods alone: a template keeps what was written.
            spec[name] = [{**one, "resources": _resources(one["resources"])} for one in spec[name]]
    spec.setdefault("enableServiceLinks", True)
    spec.setdefault("priority", 0)
    spec.setdefault("preemptionPolicy", "PreemptLowerPriority")
    account = spec.get("serviceAccountName") or spec.get("serviceAccount") or "default"
    spec["serviceAccountName"] = spec["serviceAccount"] = account
    manifest["status"] = {"phase": "Pending", "qosClass": qos_class(spec), **(manifest.get("status") or {})}


def qos_class(spec: Manifest) -> str:
    """Guaranteed, Burstable or BestEffort."""
    containers = [*(spec.get("containers") or []), *(spec.get("initContainers") or [])]
    asked = [container.get("resources") or {} for container in containers]
    if not any(one.get("requests") or one.get("limits") for one in asked):
        return "BestEffort"
    for one in asked:
        limits, requests = one.get("limits") or {}, one.get("requests") or {}
        if not all(name in limits and requests.get(name, limits[name]) == limits[name] for name in ("cpu", "memory")):
            return "Burstable"
    return "Guaranteed"


def pod_spec(spec: Manifest) -> Manifest:
    """The spec of a pod, or of a template, with its defaults."""
    result = dict(spec)
    result.setdefault("restartPolicy", "Always")
    result.setdefault("terminationGracePeriodSeconds", 30)
    result.setdefault("dnsPolicy", "ClusterFirst")
    result.setdefault("securityContext", {})
    result.setdefault("schedulerName", "default-scheduler")
    if result.get("serviceAccountName"):
        result.setdefault("serviceAccount", result["serviceAccountName"])
    for name in ("containers", "initContainers"):
        if result.get(name):
            result[name] = [_container(one) for one in result[name]]
    if result.get("volumes"):
        result["volumes"] = [_volume(one) for one in result["volumes"]]
    return result


def _container(container: Manifest) -> Manifest:
    result = dict(container)
    result.setdefault("terminationMessagePath", "/dev/termination-log")
    result.setdefault("terminationMessagePolicy", "File")
    image = str(result.get("image", ""))
    tag = image.rpartition("/")[2].partition("@")[0].partition(":")[2]
    always = tag in ("", "latest") and "@" not in image
    result.setdefault("imagePullPolicy", "Always" if always else "IfNotPresent")
    result.setdefault("resources", {})
    if result.get("ports"):
        result["ports"] = [{**port, "protocol": port.get("protocol", "TCP")} for port in result["ports"]]
    for name in _PROBES:
        if result.get(name):
            result[name] = _probe(result[name])
    if result.get("env"):
        result["env"] = [_variable(one) for one in result["env"]]
    return result


def _resources(resources: Manifest) -> Manifest:
    limits = resources.get("limits")
    if not limits:
        return resources
    return {**resources, "requests": {**limits, **(resources.get("requests") or {})}}


def _probe(probe: Manifest) -> Manifest:
    result = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3, **probe}
    if result.get("httpGet"):
        result["httpGet"] = {"path": "/", "scheme": "HTTP", **result["httpGet"]}
    return result


def _variable(variable: Manifest) -> Manifest:
    source = variable.get("valueFrom")
    if source and source.get("fieldRef"):
        return {**variable, "valueFrom": {**source, "fieldRef": {"apiVersion": "v1", **source["fieldRef"]}}}
    return variable


def _volume(volume: Manifest) -> Manifest:
    for kind in ("secret", "configMap", "projected", "downwardAPI"):
        if volume.get(kind) is not None:
            return {**volume, kind: {"defaultMode": 420, **volume[kind]}}
    return volume if len(volume) > 1 else {**volume, "emptyDir": {}}


def _template(spec: Manifest) -> None:
    template = dict(spec.get("template") or {})
    template["metadata"] = dict(template.get("metadata") or {})
    template["spec"] = pod_spec(template.get("spec") or {})
    spec["template"] = template


def _deployment(manifest: Manifest) -> None:
    spec = manifest["spec"]
    spec.setdefault("replicas", 1)
    strategy = dict(spec.get("strategy") or {})
    strategy.setdefault("type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.get("rollingUpdate") or {}
        strategy["rollingUpdate"] = {"maxUnavailable": "25%", "maxSurge": "25%", **rolling}
    spec["strategy"] = strategy
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("progressDeadlineSeconds", 600)
    _template(spec)
    manifest["status"] = manifest.get("status") or {}


def _replica_set(manifest: Manifest) -> None:
    manifest["spec"].setdefault("replicas", 1)
    if manifest["spec"].get("template"):
        _template(manifest["spec"])
    manifest["status"] = manifest.get("status") or {"replicas": 0}


def _autoscaler(manifest: Manifest) -> None:
    spec = manifest["spec"]
    spec.setdefault("minReplicas", 1)
    target: Any = {"type": "Utilization", "averageUtilization": 80}
    spec.setdefault("metrics", [{"type": "Resource", "resource": {"name": "cpu", "target": target}}])
    manifest["status"] = manifest.get("status") or {"currentMetrics": None, "desiredReplicas": 0}


def _inference_service(manifest: Manifest) -> None:
    """As KServe's defaulting webhook: the model has a name and resources, the annotation names its format."""
    predictor = manifest["spec"].get("predictor")
    model = predictor.get("model") if isinstance(predictor, dict) else None
    if isinstance(model, dict) and isinstance(model.get("modelFormat"), dict):
        filled = {"name": "", "resources": {}, **model}
        manifest["spec"]["predictor"] = {**predictor, "model": filled}
        annotations = {
            **(manifest["metadata"].get("annotations") or {}),
            "modelFormat": model["modelFormat"].get("name", ""),
        }
        manifest["metadata"] = {**manifest["metadata"], "annotations": annotations}


_FILLERS: Final[dict[str, Callable[[Manifest], None]]] = {
    NAMESPACES.key: _namespace,
    SECRETS.key: _secret,
    SERVICES.key: _service,
    PODS.key: _pod,
    DEPLOYMENTS.key: _deployment,
    REPLICA_SETS.key: _replica_set,
    AUTOSCALERS.key: _autoscaler,
    INFERENCE_SERVICES.key: _inference_service,
}
