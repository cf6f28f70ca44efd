"""What a fresh local cluster holds: the gateway that everybody routes through, and Merlin's model runtime."""

from __future__ import annotations

from importlib import metadata
from typing import Final
from urllib.parse import urlsplit

from merlin.localcluster.client import KubeClient, Manifest, Resource
from merlin.localcluster.controllers.kinds import CLUSTER_RUNTIMES, GATEWAY_CLASSES, GATEWAYS, NAMESPACES

CONTROLLER_NAME: Final = "merlin.dev/gateway"
NAMESPACE: Final = "merlin-system"
LEASES: Final = "kube-node-lease"
"""Where kubelets renew their leases; a real cluster brings it itself."""
GATEWAY: Final = "merlin"
RUNTIME: Final = "merlin-mlflow"
FIELD_MANAGER: Final = "merlin-defaults"


async def install_defaults(client: KubeClient, *, gateway_address: str, version: str | None = None) -> None:
    """Apply all of it; again changes nothing. ``version`` is that of the runtime's image (the installed Merlin's).

    Raises KubeErrors.
    """
    for resource, manifest in _defaults(gateway_address, version or metadata.version("merlin")):
        await client.apply(resource, manifest, field_manager=FIELD_MANAGER)


def host_and_port(address: str) -> tuple[str, int]:
    """Of ``127.0.0.1:8080`` or ``http://127.0.0.1:8080``; the port is 80 where none is named."""
    parts = urlsplit(address if "//" in address else f"//{address}")
    return parts.hostname or "127.0.0.1", parts.port or 80


def _defaults(gateway_address: str, version: str) -> list[tuple[Resource, Manifest]]:
    return [
        *((NAMESPACES, _namespace(name)) for name in (NAMESPACE, LEASES)),
        (GATEWAY_CLASSES, _gateway_class()),
        (GATEWAYS, _gateway(gateway_address)),
        (CLUSTER_RUNTIMES, _runtime(version)),
    ]


def _namespace(name: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def _gateway_class() -> Manifest:
    return {
        "apiVersion": GATEWAY_CLASSES.api_version,
        "kind": "GatewayClass",
        "metadata": {"name": GATEWAY},
        "spec": {"controllerName": CONTROLLER_NAME, "description": "Merlin's gateway on this machine"},
    }


def _gateway(address: str) -> Manifest:
    _, port = host_and_port(address)
    listener = {"name": "http", "port": port, "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": "All"}}}
    return {
        "apiVersion": GATEWAYS.api_version,
        "kind": "Gateway",
        "metadata": {"name": GATEWAY, "namespace": NAMESPACE},
        "spec": {"gatewayClassName": GATEWAY, "listeners": [listener]},
    }


def _runtime(version: str) -> Manifest:
    container = {
        "name": "kserve-container",
        "image": f"merlin/runtime:{version}",
        "args": ["--model-dir", "/mnt/models", "--port", "8080"],
    }
    return {
        "apiVersion": CLUSTER_RUNTIMES.api_version,
        "kind": "ClusterServingRuntime",
        "metadata": {"name": RUNTIME},
        "spec": {
            "supportedModelFormats": [{"name": "mlflow", "autoSelect": True, "priority": 1}],
            "protocolVersions": ["v2"],
            "containers": [container],
        },
    }
