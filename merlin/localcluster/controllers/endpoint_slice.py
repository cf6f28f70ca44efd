"""EndpointSlices: the addresses of the pods behind every Service that has a selector."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from merlin.localcluster.client import AlreadyExists, KubeClient, Manifest, NotFound
from merlin.localcluster.controllers.cache import Cache
from merlin.localcluster.controllers.index import Index, by_namespace
from merlin.localcluster.controllers.kinds import ENDPOINT_SLICES, PODS, SERVICES
from merlin.localcluster.controllers.labels import matches
from merlin.localcluster.controllers.ownership import belongs_to, owned_by
from merlin.localcluster.informer import Key
from merlin.localcluster.workqueue import Workqueue

SERVICE: Final = "kubernetes.io/service-name"
MANAGER: Final = "endpointslice.kubernetes.io/managed-by"


class EndpointSliceController:
    """One slice per Service (a machine's pods fit into one)."""

    def __init__(self, client: KubeClient, cache: Cache) -> None:
        self._client = client
        self._services = cache.of(SERVICES)
        self._pods = cache.of(PODS)
        self._slices = cache.of(ENDPOINT_SLICES)
        self._pods_in = Index(self._pods, by_namespace)
        self._services_in = Index(self._services, by_namespace)
        self._queue: Workqueue[Key] = Workqueue("endpointslice", self.reconcile)
        self._services.subscribe(lambda before, now: self._add(now))
        self._slices.subscribe(lambda before, now: self._slice_changed(now or before))
        self._pods.subscribe(self._pod_changed)

    async def run(self) -> None:
        """Reconcile until cancelled. The cache must be complete."""
        await self._queue.run()

    def _add(self, service: Manifest | None) -> None:
        if service is not None:
            self._queue.add((service["metadata"]["namespace"], service["metadata"]["name"]))

    def _slice_changed(self, item: Manifest | None) -> None:
        name = ((item or {}).get("metadata", {}).get("labels") or {}).get(SERVICE)
        if item is not None and name:
            self._queue.add((item["metadata"]["namespace"], name))

    def _pod_changed(self, before: Manifest | None, now: Manifest | None) -> None:
        if before is not None and now is not None and _seen(before) == _seen(now):
            return
        pods = [pod for pod in (before, now) if pod is not None]
        for service in self._services_in.of(by_namespace(pods[0])):
            if service["spec"].get("selector") and any(_selects(service, pod) for pod in pods):
                self._add(service)

    async def reconcile(self, key: Key) -> None:
        """Make the Service's slice list the pods that there are."""
        service = self._services.store.get(key)
        if service is None or not service["spec"].get("selector") or "deletionTimestamp" in service["metadata"]:
            return
        wanted = _slice(service, [pod for pod in self._pods_in.of(key[0]) if _selects(service, pod)])
        existing = self._slices.get(key[0], wanted["metadata"]["name"])
        if existing is None:
            try:
                self._slices.note(await self._client.create(ENDPOINT_SLICES, wanted))
            except AlreadyExists:
                self._slices.note(await self._client.get(ENDPOINT_SLICES, key[0], wanted["metadata"]["name"]))
                raise
        elif not belongs_to(existing, service):
            # Of a Service of that name that is gone.
            await self._remove(existing)
        elif any(existing.get(part) != wanted[part] for part in ("endpoints", "ports")):
            changed = {**existing, "endpoints": wanted["endpoints"], "ports": wanted["ports"]}
            self._slices.note(await self._client.update(ENDPOINT_SLICES, changed))

    async def _remove(self, existing: Manifest) -> None:
        metadata = existing["metadata"]
        try:
            await self._client.delete(ENDPOINT_SLICES, metadata["namespace"], metadata["name"], uid=metadata["uid"])
        except NotFound:
            return


def _slice(service: Manifest, pods: Sequence[Manifest]) -> Manifest:
    metadata = service["metadata"]
    # Named by the Service's uid, so that a restart finds it and a new Service of that name does not.
    digest = hashlib.sha256(metadata["uid"].encode()).hexdigest()[:5]
    everyone = bool(service["spec"].get("publishNotReadyAddresses"))
    endpoints = [_endpoint(pod, everyone=everyone) for pod in sorted(pods, key=lambda p: str(p["metadata"]["name"]))]
    return {
        "apiVersion": ENDPOINT_SLICES.api_version,
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{metadata['name'][:200]}-{digest}",
            "namespace": metadata["namespace"],
            "labels": {
                **(metadata.get("labels") or {}),
                SERVICE: metadata["name"],
                MANAGER: "endpointslice-controller.k8s.io",
            },
            "ownerReferences": [owned_by(service)],
        },
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": [_port(port, pods) for port in service["spec"].get("ports") or []],
    }


def _endpoint(pod: Manifest, *, everyone: bool) -> dict[str, Any]:
    metadata, status = pod["metadata"], pod.get("status") or {}
    serving = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or [])
    terminating = "deletionTimestamp" in metadata
    reference = {"kind": "Pod", **{key: metadata[key] for key in ("namespace", "name", "uid")}}
    endpoint: dict[str, Any] = {
        "addresses": [status["podIP"]],
        "conditions": {
            "ready": everyone or (serving and not terminating),
            "serving": everyone or serving,
            "terminating": terminating,
        },
        "targetRef": reference,
    }
    if pod["spec"].get("nodeName"):
        endpoint["nodeName"] = pod["spec"]["nodeName"]
    return endpoint


def _port(port: Mapping[str, Any], pods: Sequence[Manifest]) -> dict[str, Any]:
    target = port.get("targetPort", port["port"])
    if isinstance(target, str):
        target = next((number for pod in pods if (number := _named_port(pod, str(target)))), port["port"])
    return {"name": port.get("name", ""), "port": target, "protocol": port.get("protocol", "TCP")}


def _named_port(pod: Manifest, name: str) -> int | None:
    for container in pod["spec"]["containers"]:
        for port in container.get("ports") or []:
            if port.get("name") == name:
                return int(port["containerPort"])
    return None


def _selects(service: Manifest, pod: Manifest) -> bool:
    """Whether the pod is one of the Service's, and has an address to be reached at."""
    status = pod.get("status") or {}
    return (
        pod["metadata"]["namespace"] == service["metadata"]["namespace"]
        and bool(status.get("podIP"))
        and status.get("phase") not in ("Succeeded", "Failed")
        and matches(pod["metadata"].get("labels"), service["spec"].get("selector") or {})
    )


def _seen(pod: Manifest) -> tuple[Any, ...]:
    """Everything of a pod that its endpoints show."""
    status = pod.get("status") or {}
    ready = [c["status"] for c in status.get("conditions") or [] if c["type"] == "Ready"]
    metadata = pod["metadata"]
    return metadata.get("labels"), "deletionTimestamp" in metadata, status.get("podIP"), status.get("phase"), ready
