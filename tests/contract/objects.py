"""Objects for contract tests, small and valid; a test changes what it is about."""

from __future__ import annotations

from typing import Any

from merlin.kube.kinds import Manifest
from tests.contract.images import PROGRAM


def config_map(namespace: str, name: str = "map", data: dict[str, str] | None = None, **metadata: Any) -> Manifest:
    """A ConfigMap: the plainest object there is."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace, **metadata},
        "data": data if data is not None else {"colour": "red"},
    }


def service(namespace: str, name: str = "web", selector: dict[str, str] | None = None) -> Manifest:
    """A Service with one port."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "selector": selector or {"app": name},
            "ports": [{"name": "http", "protocol": "TCP", "port": 80, "targetPort": 8080}],
        },
    }


def pod(namespace: str, name: str = "pod", node: str | None = None, **metadata: Any) -> Manifest:
    """A Pod; on ``node`` it waits for no scheduler."""
    spec = {**pod_spec(), **({"nodeName": node} if node else {})}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, **metadata},
        "spec": spec,
    }


def pod_spec() -> dict[str, Any]:
    """One container of an image that nobody runs."""
    container = {
        "name": "main",
        "image": "example.test/nothing:1",
        "ports": [{"containerPort": 8080, "protocol": "TCP"}],
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}},
    }
    return {"containers": [container], "terminationGracePeriodSeconds": 0}


def program(namespace: str, name: str = "pod", *arguments: str, probe: bool = True, **labels: str) -> Manifest:
    """A Pod that runs the tests' program on a local kubelet."""
    manifest = pod(namespace, name, labels=labels)
    manifest["spec"]["containers"][0].update({"image": PROGRAM, "args": ["--port=8080", *arguments]})
    if probe:
        ready = {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 1}
        manifest["spec"]["containers"][0]["readinessProbe"] = ready
    return manifest


def deployment(namespace: str, name: str = "web", *, replicas: int = 1, node: str | None = None) -> Manifest:
    """A Deployment whose pods run on ``node``."""
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {**pod_spec(), **({"nodeName": node} if node else {})}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template},
    }


def inference_service(namespace: str, name: str = "iris", runtime: str = "tests") -> Manifest:
    """An InferenceService as Merlin writes it."""
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {"networking.kserve.io/visibility": "cluster-local"},
            "annotations": {
                "serving.kserve.io/deploymentMode": "Standard",
                "serving.kserve.io/autoscalerClass": "none",
            },
        },
        "spec": {
            "predictor": {
                "minReplicas": 1,
                "maxReplicas": 1,
                "model": {
                    "modelFormat": {"name": "mlflow"},
                    "protocolVersion": "v2",
                    "runtime": runtime,
                    "storageUri": "file:///nowhere",
                },
            }
        },
    }


def http_route(namespace: str, name: str = "route", *, weight: Any = 1) -> Manifest:
    """An HTTPRoute to the Service `web`."""
    rule = {
        "matches": [{"path": {"type": "PathPrefix", "value": f"/{namespace}/{name}"}}],
        "backendRefs": [{"name": "web", "port": 80, "weight": weight}],
    }
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"parentRefs": [{"name": "merlin", "namespace": "merlin-system"}], "rules": [rule]},
    }
