"""What KServe makes of an InferenceService: Deployment, Service, autoscaler. Pure.

Names, labels, annotations and defaults are those that KServe 0.20 writes in Standard mode; one thing differs: the init
container that fetches the model stands in the Deployment, since no webhook of ours could add it to the pods.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from merlin.localcluster.client import Manifest
from merlin.localcluster.controllers.ownership import owned_by
from merlin.localcluster.controllers.serving_runtime import InvalidModel, ServingRuntime

CONTAINER: Final = "kserve-container"
INITIALIZER: Final = "storage-initializer"
INITIALIZER_IMAGE: Final = "kserve/storage-initializer:v0.20.0"
MODEL_FOLDER: Final = "/mnt/models"
AUTOSCALER: Final = "serving.kserve.io/autoscalerClass"
MODE: Final = "serving.kserve.io/deploymentMode"
STOP: Final = "serving.kserve.io/stop"
LABEL: Final = "serving.kserve.io/inferenceservice"
SOURCE: Final = "internal.serving.kserve.io/storage-initializer-sourceuri"

_VOLUME: Final = "kserve-provision-location"
_SCHEMES: Final = (
    *("gs://", "s3://", "pvc://", "file://", "https://", "http://"),
    *("hdfs://", "webhdfs://", "oci://", "oci+native://", "hf://"),
)
_NOT_PASSED_ON: Final = {"modelFormat", "kubectl.kubernetes.io/last-applied-configuration"}
# What stands in a predictor beside the pod's own fields.
_NOT_OF_A_POD: Final = {
    *("minReplicas", "maxReplicas", "scaleTarget", "scaleMetric", "scaleMetricType", "autoScaling", "timeout"),
    *("containerConcurrency", "canaryTrafficPercent", "canary", "logger", "batcher", "labels", "annotations"),
    *("deploymentStrategy", "model", "workerSpec", "containers", "name", "storageUris", "storageContainerName"),
    *("confidential", "sklearn", "xgboost", "tensorflow", "pytorch", "triton", "onnx", "huggingface", "pmml"),
    *("lightgbm", "paddle"),
}
_NOT_OF_A_CONTAINER: Final = {
    *("modelFormat", "protocolVersion", "runtime", "runtimeVersion", "storageUri", "storageUris", "storage", "name"),
}
_OF_A_RUNTIME_POD: Final = ("volumes", "nodeSelector", "affinity", "tolerations", "imagePullSecrets", "hostIPC")
# Lists that are merged by a key instead of replaced.
_MERGED_BY: Final = {"env": "name", "volumeMounts": "mountPath", "volumes": "name", "imagePullSecrets": "name"}


def name_of(service: Manifest) -> str:
    """The name of everything that belongs to the predictor."""
    return f"{service['metadata']['name']}-predictor"


def app_of(service: Manifest) -> str:
    """The label ``app`` of its pods."""
    return f"isvc.{name_of(service)}"


def is_stopped(service: Manifest) -> bool:
    """Whether its annotation asks for no workload."""
    return str((service["metadata"].get("annotations") or {}).get(STOP, "")).lower() == "true"


def check_storage(uri: str) -> None:
    """Raises ValueError with KServe's words for a scheme that its initialiser does not know."""
    if "://" not in uri or uri.startswith(_SCHEMES):
        return
    raise ValueError(
        f"StorageURI not supported: storageUri, must be one of: [{', '.join(_SCHEMES)}] or match "
        "https://{}.blob.core.windows.net/{}/{} or be an absolute or relative local path. "
        f"StorageUri [{uri}] is not supported"
    )


def children(service: Manifest, runtime: ServingRuntime | None) -> list[Manifest]:
    """The objects that shall be there, Service first. Raises InvalidModel."""
    metadata = _metadata(service, runtime.spec if runtime else {})
    pod = _pod(service, runtime)
    made = [_service(service, metadata, pod), _deployment(service, metadata, pod)]
    if _autoscaler_class(service) == "hpa":
        made.append(_autoscaler(service, metadata))
    return made


def _autoscaler_class(service: Manifest) -> str:
    return str((service["metadata"].get("annotations") or {}).get(AUTOSCALER, "hpa"))


def _metadata(service: Manifest, runtime: Mapping[str, Any]) -> dict[str, Any]:
    metadata, spec = service["metadata"], service["spec"]["predictor"]
    annotations = {k: v for k, v in (metadata.get("annotations") or {}).items() if k not in _NOT_PASSED_ON}
    if uri := _storage_uri(spec):
        annotations[SOURCE] = uri
    return {
        "name": name_of(service),
        "namespace": metadata["namespace"],
        "labels": {
            **(runtime.get("labels") or {}),
            **(metadata.get("labels") or {}),
            **(spec.get("labels") or {}),
            LABEL: metadata["name"],
            "component": "predictor",
            "app": app_of(service),
        },
        "annotations": {**(runtime.get("annotations") or {}), **annotations, **(spec.get("annotations") or {})},
    }


def _storage_uri(spec: Mapping[str, Any]) -> str:
    return str((spec.get("model") or {}).get("storageUri") or "")


def _pod(service: Manifest, runtime: ServingRuntime | None) -> dict[str, Any]:
    spec = service["spec"]["predictor"]
    own = {key: value for key, value in spec.items() if key not in _NOT_OF_A_POD}
    if runtime is None:
        pod: dict[str, Any] = {**copy.deepcopy(own), "containers": copy.deepcopy(spec.get("containers") or [])}
    else:
        shared = {key: runtime.spec[key] for key in _OF_A_RUNTIME_POD if key in runtime.spec}
        others = [c for c in runtime.spec.get("containers") or [] if c["name"] != CONTAINER]
        containers = [_container(service, runtime), *others, *(spec.get("containers") or [])]
        pod = {**_merged(shared, own), "containers": containers}
    for container in pod["containers"]:
        container["env"] = _merged_list(
            container.get("env") or [],
            [{"name": "INFERENCE_SERVICE_NAME", "value": service["metadata"]["name"]}],
            "name",
        )
    if uri := _storage_uri(spec):
        _add_initializer(pod, uri)
    return _with_defaults(pod)


def _container(service: Manifest, runtime: ServingRuntime) -> dict[str, Any]:
    model = service["spec"]["predictor"]["model"]
    base = next((c for c in runtime.spec.get("containers") or [] if c["name"] == CONTAINER), None)
    if base is None:
        said = f"failed to find {CONTAINER} in ServingRuntime containers"
        raise InvalidModel("InvalidPredictorSpec", said, said)
    overlay = {key: value for key, value in model.items() if key not in _NOT_OF_A_CONTAINER}
    merged = _merged(base, overlay)
    if "args" in overlay:
        merged["args"] = [*(base.get("args") or []), *overlay["args"]]
    filled = _filled(merged, service, runtime.name)
    if model.get("runtimeVersion"):
        image, _, tag = str(filled["image"]).rpartition(":")
        filled["image"] = f"{image if image and '/' not in tag else filled['image']}:{model['runtimeVersion']}"
    return filled


def _filled(container: dict[str, Any], service: Manifest, runtime: str) -> dict[str, Any]:
    """The container with its ``{{.Name}}`` and the like replaced from the InferenceService's metadata.

    KServe runs it through Go's templates; only fields can be named here, and anything else is refused as KServe
    refuses what does not parse.
    """
    metadata = service["metadata"]
    known: dict[str, Any] = {"Name": metadata["name"], "Namespace": metadata["namespace"]}
    maps = {"Labels": metadata.get("labels") or {}, "Annotations": metadata.get("annotations") or {}}

    def replaced(match: re.Match[str]) -> str:
        field, _, key = match.group(1).partition(".")
        value = maps[field].get(key, "<no value>") if key and field in maps else known.get(match.group(1))
        if value is None:
            raise _unfillable(runtime, match.group(0))
        return json.dumps(str(value))[1:-1]

    text = re.sub(r"\{\{-?\s*\.([A-Za-z0-9_.]+)\s*-?\}\}", replaced, json.dumps(container))
    # Nested objects end in "}}", but two opening braces stand together in a template only.
    if "{{" in text:
        raise _unfillable(runtime, "{{")
    filled: dict[str, Any] = json.loads(text)
    return filled


def _unfillable(runtime: str, what: str) -> InvalidModel:
    said = f"failed to replace placeholders in serving runtime {runtime} Container {CONTAINER}"
    return InvalidModel("InvalidPredictorSpec", said, f"{said}: {what}")


def _add_initializer(pod: dict[str, Any], uri: str) -> None:
    mount = {"name": _VOLUME, "mountPath": MODEL_FOLDER}
    pod["volumes"] = [*(pod.get("volumes") or []), {"name": _VOLUME, "emptyDir": {}}]
    pod["initContainers"] = [
        {
            "name": INITIALIZER,
            "image": INITIALIZER_IMAGE,
            "args": [uri, MODEL_FOLDER],
            "resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "100m", "memory": "100Mi"}},
            "volumeMounts": [mount],
            "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "FallbackToLogsOnError",
            "imagePullPolicy": "IfNotPresent",
        },
        *(pod.get("initContainers") or []),
    ]
    container = next((c for c in pod["containers"] if c["name"] == CONTAINER), pod["containers"][0])
    container["volumeMounts"] = [*(container.get("volumeMounts") or []), {**mount, "readOnly": True}]


def _with_defaults(pod: dict[str, Any]) -> dict[str, Any]:
    for container in pod["containers"]:
        container.setdefault("terminationMessagePath", "/dev/termination-log")
        container.setdefault("terminationMessagePolicy", "File")
        container.setdefault("imagePullPolicy", "IfNotPresent")
        if container["name"] == CONTAINER and "readinessProbe" not in container:
            ports = container.get("ports") or [{"containerPort": 8080}]
            container["readinessProbe"] = {
                "tcpSocket": {"port": ports[0]["containerPort"]},
                "timeoutSeconds": 1,
                "periodSeconds": 10,
                "successThreshold": 1,
                "failureThreshold": 3,
            }
    defaults = {
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "securityContext": {},
        "schedulerName": "default-scheduler",
    }
    return {**defaults, **pod}


def _deployment(service: Manifest, metadata: dict[str, Any], pod: dict[str, Any]) -> Manifest:
    predictor = service["spec"]["predictor"]
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}}
    spec: dict[str, Any] = {
        "selector": {"matchLabels": {"app": app_of(service)}},
        "template": {"metadata": {k: metadata[k] for k in ("labels", "annotations")}, "spec": pod},
        "strategy": predictor.get("deploymentStrategy") or rolling,
        "revisionHistoryLimit": 10,
        "progressDeadlineSeconds": 600,
    }
    if _autoscaler_class(service) == "none" and predictor.get("minReplicas") is not None:
        spec["replicas"] = predictor["minReplicas"]
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": _owned(metadata, service), "spec": spec}


def _service(service: Manifest, metadata: dict[str, Any], pod: dict[str, Any]) -> Manifest:
    first = (pod["containers"][0].get("ports") or [None])[0]
    port = {"name": name_of(service), "protocol": "TCP", "port": 80, "targetPort": 8080}
    if first is not None:
        port = {
            "name": first.get("name") or "",
            "protocol": first.get("protocol") or "TCP",
            "port": 80,
            "targetPort": first["containerPort"],
        }
        if not port["name"]:
            del port["name"]
    spec = {"selector": {"app": app_of(service)}, "ports": [port]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": _owned(metadata, service), "spec": spec}


def _autoscaler(service: Manifest, metadata: dict[str, Any]) -> Manifest:
    predictor = service["spec"]["predictor"]
    least = max(1, int(predictor.get("minReplicas", 1)))
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": metadata["name"]},
        "minReplicas": least,
        "maxReplicas": max(least, int(predictor.get("maxReplicas") or 0)),
        "metrics": _metrics(predictor),
    }
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": _owned(metadata, service),
        "spec": spec,
    }


def _metrics(predictor: Mapping[str, Any]) -> list[dict[str, Any]]:
    name, target = predictor.get("scaleMetric") or "cpu", predictor.get("scaleTarget")
    if name not in ("cpu", "memory") or (name == "memory" and target is None):
        return []
    utilization = {"type": "Utilization", "averageUtilization": 80 if target is None else target}
    return [{"type": "Resource", "resource": {"name": name, "target": utilization}}]


def _owned(metadata: Mapping[str, Any], service: Manifest) -> dict[str, Any]:
    return {**metadata, "ownerReferences": [owned_by(service)]}


def _merged(base: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    """A strategic merge: objects by field, the lists of `_MERGED_BY` by their key, everything else replaced."""
    merged: dict[str, Any] = copy.deepcopy(dict(base))
    for key, value in overlay.items():
        if isinstance(value, Mapping) and isinstance(merged.get(key), Mapping) and not _is_choice(key):
            merged[key] = _merged(merged[key], value)
        elif key in _MERGED_BY and merged.get(key):
            merged[key] = _merged_list(merged[key], value or [], _MERGED_BY[key])
        else:
            merged[key] = copy.deepcopy(value)
    return merged


def _is_choice(key: str) -> bool:
    # One probe's handler must not be mixed with another's.
    return key.endswith("Probe")


def _merged_list(
    base: Sequence[Mapping[str, Any]], overlay: Sequence[Mapping[str, Any]], key: str
) -> list[dict[str, Any]]:
    by_key: dict[Any, dict[str, Any]] = {entry[key]: dict(entry) for entry in base}
    by_key.update({entry[key]: dict(entry) for entry in overlay})
    return copy.deepcopy(list(by_key.values()))
