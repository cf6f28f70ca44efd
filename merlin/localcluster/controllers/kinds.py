"""The kinds of objects that the controllers read and write."""

from __future__ import annotations

from typing import Final

from merlin.localcluster.client import Resource

NAMESPACES: Final = Resource("v1", "namespaces", namespaced=False)
NODES: Final = Resource("v1", "nodes", namespaced=False)
PODS: Final = Resource("v1", "pods")
SERVICES: Final = Resource("v1", "services")
EVENTS: Final = Resource("v1", "events")
DEPLOYMENTS: Final = Resource("apps/v1", "deployments")
REPLICA_SETS: Final = Resource("apps/v1", "replicasets")
AUTOSCALERS: Final = Resource("autoscaling/v2", "horizontalpodautoscalers")
ENDPOINT_SLICES: Final = Resource("discovery.k8s.io/v1", "endpointslices")
INFERENCE_SERVICES: Final = Resource("serving.kserve.io/v1beta1", "inferenceservices")
RUNTIMES: Final = Resource("serving.kserve.io/v1alpha1", "servingruntimes")
CLUSTER_RUNTIMES: Final = Resource("serving.kserve.io/v1alpha1", "clusterservingruntimes", namespaced=False)
GATEWAY_CLASSES: Final = Resource("gateway.networking.k8s.io/v1", "gatewayclasses", namespaced=False)
GATEWAYS: Final = Resource("gateway.networking.k8s.io/v1", "gateways")
HTTP_ROUTES: Final = Resource("gateway.networking.k8s.io/v1", "httproutes")
