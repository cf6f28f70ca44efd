"""The kinds of objects that Merlin reads or writes, and where the API keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

Manifest = dict[str, Any]
"""An object as the API takes and gives it: plain JSON."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of the Kubernetes API."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool = True

    def path(self, namespace: str | None = None, name: str | None = None) -> str:
        """The address of one object, of all in a namespace, or (namespace ``None``) of all there are."""
        root = f"/api/{self.api_version}" if "/" not in self.api_version else f"/apis/{self.api_version}"
        place = f"/namespaces/{quote(namespace, safe='')}" if self.namespaced and namespace else ""
        return f"{root}{place}/{self.plural}" + (f"/{quote(name, safe='')}" if name else "")


NAMESPACE: Final = Kind("v1", "Namespace", "namespaces", namespaced=False)
CONFIG_MAP: Final = Kind("v1", "ConfigMap", "configmaps")
SECRET: Final = Kind("v1", "Secret", "secrets")
SERVICE: Final = Kind("v1", "Service", "services")
POD: Final = Kind("v1", "Pod", "pods")
EVENT: Final = Kind("v1", "Event", "events")
DEPLOYMENT: Final = Kind("apps/v1", "Deployment", "deployments")
INFERENCE_SERVICE: Final = Kind("serving.kserve.io/v1beta1", "InferenceService", "inferenceservices")
CLUSTER_RUNTIME: Final = Kind(
    "serving.kserve.io/v1alpha1", "ClusterServingRuntime", "clusterservingruntimes", namespaced=False
)
HTTP_ROUTE: Final = Kind("gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes")
GATEWAY: Final = Kind("gateway.networking.k8s.io/v1", "Gateway", "gateways")
GATEWAY_CLASS: Final = Kind("gateway.networking.k8s.io/v1", "GatewayClass", "gatewayclasses", namespaced=False)

WRITTEN: Final = (INFERENCE_SERVICE, SERVICE, HTTP_ROUTE, SECRET)
"""What an endpoint has in a cluster, all of it carrying its label."""

_BY_NAME: Final = {
    kind.kind: kind
    for kind in (NAMESPACE, CONFIG_MAP, SECRET, SERVICE, INFERENCE_SERVICE, HTTP_ROUTE, DEPLOYMENT, POD, EVENT)
}


def kind_of(manifest: Manifest) -> Kind:
    """The kind of a manifest that Merlin renders."""
    return _BY_NAME[manifest["kind"]]
