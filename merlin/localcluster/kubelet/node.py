"""The machine as a node of the cluster: registered, described, and alive by its lease."""

from __future__ import annotations

import asyncio
import logging
import os
import platform
import time
from typing import Any, Final

from merlin.localcluster.client import AlreadyExists, Conflict, KubeClient, KubeError, Manifest, NotFound, Resource

log = logging.getLogger(__name__)

NODES: Final = Resource("v1", "nodes", namespaced=False)
LEASES: Final = Resource("coordination.k8s.io/v1", "leases")
LEASE_NAMESPACE: Final = "kube-node-lease"
CERTIFICATE: Final = "merlin.dev/kubelet-ca"
"""Annotation of a node: the certificate that its kubelet's HTTPS server shows, as PEM."""

LEASE_SECONDS: Final = 40
_RENEW_SECONDS: Final = 10.0
_STATUS_SECONDS: Final = 240.0
_RETRY_SECONDS: Final = 0.5
_PODS: Final = 110


class Node:
    """This machine's Node object and lease."""

    def __init__(self, client: KubeClient, name: str, *, port: int, certificate: str) -> None:
        self._client = client
        self._name = name
        self._port = port
        self._certificate = certificate

    async def run(self) -> None:
        """Register, then renew until cancelled; survives every trouble of the API."""
        told = float("-inf")
        while True:
            try:
                if time.monotonic() - told > _STATUS_SECONDS:
                    await self._register()
                    told = time.monotonic()
                await self._renew()
                await asyncio.sleep(_RENEW_SECONDS)
            except NotFound:
                told = float("-inf")  # somebody removed the node, or the server is a new one
                await asyncio.sleep(_RETRY_SECONDS)
            except KubeError as error:
                log.info("the node cannot be kept up to date", extra={"node": self._name, "reason": error.message})
                await asyncio.sleep(_RETRY_SECONDS)

    async def _register(self) -> None:
        metadata = {"name": self._name, "labels": self._labels(), "annotations": {CERTIFICATE: self._certificate}}
        node: Manifest = {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": {}}
        try:
            found = await self._client.create(NODES, node)
        except AlreadyExists:
            found = await self._client.patch_merge(NODES, None, self._name, {"metadata": metadata})
        status = self._status(found.get("status") or {})
        await self._client.patch_merge(NODES, None, self._name, {"status": status}, subresource="status")

    async def _renew(self) -> None:
        try:
            lease = await self._client.get(LEASES, LEASE_NAMESPACE, self._name)
        except NotFound:
            lease = {
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {"name": self._name, "namespace": LEASE_NAMESPACE},
            }
        lease["spec"] = {
            "holderIdentity": self._name,
            "leaseDurationSeconds": LEASE_SECONDS,
            "renewTime": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + ".000000Z",
        }
        if "resourceVersion" not in lease["metadata"]:
            await self._client.create(LEASES, lease)
            return
        try:
            await self._client.update(LEASES, lease)
        except Conflict:
            log.debug("the lease was written by somebody else")

    def _labels(self) -> dict[str, str]:
        machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
        return {
            "kubernetes.io/hostname": self._name,
            "kubernetes.io/os": platform.system().lower(),
            "kubernetes.io/arch": machine,
        }

    def _status(self, before: dict[str, Any]) -> dict[str, Any]:
        amounts = {
            "cpu": str(os.cpu_count() or 1),
            "memory": f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') >> 10}Ki",
            "pods": str(_PODS),
            "ephemeral-storage": "100Gi",
        }
        labels = self._labels()
        return {
            "capacity": amounts,
            "allocatable": amounts,
            "addresses": [
                {"type": "InternalIP", "address": "127.0.0.1"},
                {"type": "Hostname", "address": self._name},
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": self._port}},
            "conditions": _conditions(before),
            "nodeInfo": {
                "machineID": "",
                "systemUUID": "",
                "bootID": "",
                "kernelVersion": platform.release(),
                "osImage": platform.system(),
                "containerRuntimeVersion": "merlin://0.1.0",
                "kubeletVersion": "v1.34.0-merlin",
                "kubeProxyVersion": "",
                "operatingSystem": labels["kubernetes.io/os"],
                "architecture": labels["kubernetes.io/arch"],
            },
        }


def _conditions(before: dict[str, Any]) -> list[dict[str, str]]:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    known = {c["type"]: c for c in before.get("conditions") or []}
    wanted = {
        "MemoryPressure": ("False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        "DiskPressure": ("False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        "PIDPressure": ("False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        "Ready": ("True", "KubeletReady", "kubelet is posting ready status"),
    }
    return [
        {
            "type": kind,
            "status": status,
            "reason": reason,
            "message": message,
            "lastHeartbeatTime": now,
            "lastTransitionTime": str(known[kind]["lastTransitionTime"])
            if known.get(kind, {}).get("status") == status
            else now,
        }
        for kind, (status, reason, message) in wanted.items()
    ]
