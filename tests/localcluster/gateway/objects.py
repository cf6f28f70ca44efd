"""Objects that a gateway reads, small and valid, and a table filled with them."""

from __future__ import annotations

from typing import Any

from merlin.localcluster.gateway.endpoints import Endpoints
from merlin.localcluster.gateway.rules import Route, route_of

GATEWAY = ("merlin-system", "merlin")
Manifest = dict[str, Any]


def rule(
    *matches: Manifest, to: str | list[Manifest] = "web", filters: list[Manifest] | None = None, **more: Any
) -> Manifest:
    """A rule to one Service or to several backends."""
    backends = [{"name": to, "port": 80}] if isinstance(to, str) else to
    return {"matches": list(matches), "backendRefs": backends, "filters": filters or [], **more}


def prefix(path: str, **more: Any) -> Manifest:
    """A match of a path prefix."""
    return {"path": {"type": "PathPrefix", "value": path}, **more}


def exact(path: str, **more: Any) -> Manifest:
    """A match of one path."""
    return {"path": {"type": "Exact", "value": path}, **more}


def regex(path: str, **more: Any) -> Manifest:
    """A match of a regular expression."""
    return {"path": {"type": "RegularExpression", "value": path}, **more}


def a_route(
    *rules: Manifest, name: str = "route", namespace: str = "shop", hosts: tuple[str, ...] = (), created: str = ""
) -> Manifest:
    """An HTTPRoute of the gateway."""
    parent = {"namespace": GATEWAY[0], "name": GATEWAY[1]}
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": name, "namespace": namespace, **({"creationTimestamp": created} if created else {})},
        "spec": {"parentRefs": [parent], "rules": list(rules), **({"hostnames": list(hosts)} if hosts else {})},
    }


def read(manifest: Manifest) -> Route:
    """The route as the gateway reads it."""
    route = route_of(manifest, GATEWAY)
    assert route is not None
    return route


def a_service(name: str = "web", namespace: str = "shop") -> Manifest:
    """A Service with port 80, whose endpoints are made by hand (it has no selector)."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"ports": [{"name": "http", "protocol": "TCP", "port": 80, "targetPort": 8080}]},
    }


def a_pod(name: str, port: int, namespace: str = "shop", *, ready: bool = True, leaving: bool = False) -> Manifest:
    """A pod that really listens on a loopback port."""
    metadata: Manifest = {
        "name": name,
        "namespace": namespace,
        "uid": name,
        "annotations": {"merlin.dev/address": f"127.0.0.1:{port}"},
    }
    if leaving:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return {"metadata": metadata, "status": {"conditions": [{"type": "Ready", "status": str(ready)}]}}


def a_slice(service: str, *pods: str, namespace: str = "shop", ready: bool = True, leaving: bool = False) -> Manifest:
    """An EndpointSlice with those pods."""
    conditions = {"ready": ready and not leaving, "serving": ready, "terminating": leaving}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{service}-1",
            "namespace": namespace,
            "labels": {"kubernetes.io/service-name": service},
        },
        "addressType": "IPv4",
        "ports": [{"name": "http", "protocol": "TCP", "port": 8080}],
        "endpoints": [
            {
                "addresses": [f"10.244.0.{number}"],
                "conditions": conditions,
                "targetRef": {"kind": "Pod", "name": pod, "namespace": namespace},
            }
            for number, pod in enumerate(pods, 1)
        ],
    }


class World:
    """Endpoints as the watches would fill them."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints
        self._pods: dict[str, Manifest] = {}
        self._slices: dict[str, Manifest] = {}

    def service(self, name: str, ports: dict[str, int], *, leaving: tuple[str, ...] = ()) -> None:
        """A Service with those pods (name: port), and no others."""
        self._endpoints.service_changed(None, a_service(name))
        for pod, port in ports.items():
            manifest = a_pod(pod, port, leaving=pod in leaving)
            self._endpoints.pod_changed(self._pods.get(pod), manifest)
            self._pods[pod] = manifest
        piece = a_slice(name, *ports)
        self._endpoints.slice_changed(self._slices.get(name), piece)
        self._slices[name] = piece
