"""The closed list of kinds that the API serves, one row each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

Manifest = dict[str, Any]
"""An object as the API takes and gives it: plain JSON. Once stored it is never changed in place."""

_ALL: Final = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind and where it lives in the API.

    ``custom`` kinds come from a CustomResourceDefinition on a real cluster: their schema is enforced with 422, they
    take no strategic merge patch, and an update must name a resourceVersion.
    """

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    has_generation: bool = False
    custom: bool = False
    verbs: tuple[str, ...] = _ALL
    key: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", f"{self.plural}.{self.group}" if self.group else self.plural)

    @property
    def api_version(self) -> str:
        """What stands in an object's ``apiVersion``."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def has_status(self) -> bool:
        """Whether ``status`` is written through a door of its own."""
        return "status" in self.subresources

    @property
    def qualified_kind(self) -> str:
        """As in "InferenceService.serving.kserve.io"."""
        return f"{self.kind}.{self.group}" if self.group else self.kind


_KSERVE: Final = "serving.kserve.io"
_GATEWAY: Final = "gateway.networking.k8s.io"
_STATUS: Final = ("status",)
_EVERYTHING: Final = ("all",)

NAMESPACES: Final = Resource("", "v1", "namespaces", "Namespace", False, ("ns",), (), _STATUS)
NODES: Final = Resource("", "v1", "nodes", "Node", False, ("no",), (), _STATUS)
PODS: Final = Resource(
    "", "v1", "pods", "Pod", True, ("po",), _EVERYTHING, ("status", "log", "binding", "eviction"), has_generation=True
)
SERVICES: Final = Resource("", "v1", "services", "Service", True, ("svc",), _EVERYTHING, _STATUS)
SECRETS: Final = Resource("", "v1", "secrets", "Secret")
CONFIG_MAPS: Final = Resource("", "v1", "configmaps", "ConfigMap", True, ("cm",))
SERVICE_ACCOUNTS: Final = Resource("", "v1", "serviceaccounts", "ServiceAccount", True, ("sa",))
EVENTS: Final = Resource("", "v1", "events", "Event", True, ("ev",))
RESOURCE_QUOTAS: Final = Resource("", "v1", "resourcequotas", "ResourceQuota", True, ("quota",), (), _STATUS)
LEASES: Final = Resource("coordination.k8s.io", "v1", "leases", "Lease")
ENDPOINT_SLICES: Final = Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", has_generation=True)
DEPLOYMENTS: Final = Resource(
    "apps", "v1", "deployments", "Deployment", True, ("deploy",), _EVERYTHING, ("status", "scale"), has_generation=True
)
REPLICA_SETS: Final = Resource(
    "apps", "v1", "replicasets", "ReplicaSet", True, ("rs",), _EVERYTHING, ("status", "scale"), has_generation=True
)
AUTOSCALERS: Final = Resource(
    "autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", True, ("hpa",), _EVERYTHING, _STATUS
)
ACCESS_REVIEWS: Final = Resource(
    "authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", False, verbs=("create",)
)
INFERENCE_SERVICES: Final = Resource(
    _KSERVE, "v1beta1", "inferenceservices", "InferenceService", True, ("isvc",), (), _STATUS, True, True
)
SERVING_RUNTIMES: Final = Resource(
    _KSERVE, "v1alpha1", "servingruntimes", "ServingRuntime", True, (), (), _STATUS, True, True
)
CLUSTER_RUNTIMES: Final = Resource(
    _KSERVE, "v1alpha1", "clusterservingruntimes", "ClusterServingRuntime", False, (), (), _STATUS, True, True
)
GATEWAYS: Final = Resource(_GATEWAY, "v1", "gateways", "Gateway", True, ("gtw",), ("gateway-api",), _STATUS, True, True)
GATEWAY_CLASSES: Final = Resource(
    _GATEWAY, "v1", "gatewayclasses", "GatewayClass", False, ("gc",), ("gateway-api",), _STATUS, True, True
)
HTTP_ROUTES: Final = Resource(
    _GATEWAY, "v1", "httproutes", "HTTPRoute", True, (), ("gateway-api",), _STATUS, True, True
)

RESOURCES: Final = (
    *(NAMESPACES, NODES, PODS, SERVICES, SECRETS, CONFIG_MAPS, SERVICE_ACCOUNTS, EVENTS, RESOURCE_QUOTAS),
    *(LEASES, ENDPOINT_SLICES, DEPLOYMENTS, REPLICA_SETS, AUTOSCALERS, ACCESS_REVIEWS),
    *(INFERENCE_SERVICES, SERVING_RUNTIMES, CLUSTER_RUNTIMES, GATEWAYS, GATEWAY_CLASSES, HTTP_ROUTES),
)
STORED: Final = tuple(resource for resource in RESOURCES if "get" in resource.verbs)
_BY_PATH: Final = {(resource.group, resource.version, resource.plural): resource for resource in RESOURCES}
_BY_KIND: Final = {(resource.api_version, resource.kind): resource for resource in RESOURCES}


def resource_at(group: str, version: str, plural: str) -> Resource | None:
    """The row of that address, or ``None``."""
    return _BY_PATH.get((group, version, plural))


def resource_of(api_version: str, kind: str) -> Resource | None:
    """The row of that kind, or ``None``."""
    return _BY_KIND.get((api_version, kind))
