"""Where a Service's pods really listen: Services, EndpointSlices, and the address that the kubelet wrote on pods."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from merlin.localcluster.client import Manifest
from merlin.localcluster.gateway.balance import Address
from merlin.localcluster.gateway.rules import Key

ADDRESS: Final = "merlin.dev/address"
_SERVICE_NAME: Final = "kubernetes.io/service-name"


class Endpoints:
    """What the watches of services, endpointslices and pods have told so far, and what follows from it."""

    def __init__(self) -> None:
        self._services: dict[Key, Manifest] = {}
        self._slices: dict[Key, dict[str, Manifest]] = {}
        self._pods: dict[Key, Manifest] = {}
        self._found: dict[str, dict[tuple[str, int], list[Address] | None]] = {}

    def service_changed(self, before: Manifest | None, now: Manifest | None) -> None:
        """A Service appeared, changed or went."""
        _put(self._services, before, now)
        self._forget(now or before)

    def slice_changed(self, before: Manifest | None, now: Manifest | None) -> None:
        """An EndpointSlice appeared, changed or went."""
        if before is not None:
            self._slices.get(_service_of(before), {}).pop(str(before["metadata"]["name"]), None)
        if now is not None:
            self._slices.setdefault(_service_of(now), {})[str(now["metadata"]["name"])] = now
        self._forget(now or before)

    def pod_changed(self, before: Manifest | None, now: Manifest | None) -> None:
        """A pod appeared, changed or went."""
        if before is not None and now is not None and _facts(before) == _facts(now):
            return
        _put(self._pods, before, now)
        self._forget(now or before)

    def of(self, service: Key, port: int) -> list[Address] | None:
        """The addresses to send requests to; empty = no endpoint is ready; ``None`` = no such Service or port."""
        known = self._found.setdefault(service[0], {})
        key = (service[1], port)
        if key not in known:
            known[key] = self._look_up(service, port)
        return known[key]

    def _look_up(self, service: Key, port: int) -> list[Address] | None:
        manifest = self._services.get(service)
        ports = (manifest or {}).get("spec", {}).get("ports") or []
        wanted = next((p for p in ports if int(p["port"]) == port), None)
        if wanted is None:
            return None
        name = str(wanted.get("name") or "")
        ready: dict[Address, None] = {}
        leaving: dict[Address, None] = {}
        for piece in self._slices.get(service, {}).values():
            number = next((p.get("port") for p in piece.get("ports") or [] if (p.get("name") or "") == name), None)
            for address, is_ready in self._addresses(piece, service[0], number):
                (ready if is_ready else leaving)[address] = None
        # Those on their way out still serve, and are better than nobody (as kube-proxy does it).
        return list(ready or leaving)

    def _addresses(self, piece: Manifest, namespace: str, port: int | None) -> Iterator[tuple[Address, bool]]:
        for endpoint in piece.get("endpoints") or []:
            conditions = endpoint.get("conditions") or {}
            pod = self._pods.get((namespace, str((endpoint.get("targetRef") or {}).get("name", ""))))
            address = _real_address(pod, endpoint, port)
            # The pod's own object may know already what the slice is yet to be told.
            is_leaving = bool(conditions.get("terminating")) or (pod is not None and _is_leaving(pod))
            if address is None or not _serves(conditions, pod):
                continue
            yield address, not is_leaving

    def _forget(self, changed: Manifest | None) -> None:
        if changed is not None:
            self._found.pop(str(changed["metadata"].get("namespace", "")), None)


def _serves(conditions: Mapping[str, Any], pod: Manifest | None) -> bool:
    """Whether it answers: ``ready``, or ``serving`` while it terminates."""
    stated = conditions.get("serving")
    if stated is None:
        stated = conditions.get("ready")
    return stated is not False and (pod is None or _is_ready(pod))


def _real_address(pod: Manifest | None, endpoint: Mapping[str, Any], port: int | None) -> Address | None:
    text = ((pod or {}).get("metadata", {}).get("annotations") or {}).get(ADDRESS, "")
    host, _, number = str(text).rpartition(":")
    if host and number.isdigit():
        return host, int(number)
    addresses = endpoint.get("addresses") or []
    return (str(addresses[0]), int(port)) if addresses and port else None


def _is_ready(pod: Manifest) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def _is_leaving(pod: Manifest) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def _facts(pod: Manifest) -> tuple[object, ...]:
    metadata = pod["metadata"]
    return metadata.get("uid"), (metadata.get("annotations") or {}).get(ADDRESS), _is_ready(pod), _is_leaving(pod)


def _service_of(piece: Manifest) -> Key:
    metadata = piece["metadata"]
    return str(metadata.get("namespace", "")), str((metadata.get("labels") or {}).get(_SERVICE_NAME, ""))


def _put(store: dict[Key, Manifest], before: Manifest | None, now: Manifest | None) -> None:
    for gone in (before,) if before is not None else ():
        store.pop((str(gone["metadata"].get("namespace", "")), str(gone["metadata"]["name"])), None)
    if now is not None:
        store[(str(now["metadata"].get("namespace", "")), str(now["metadata"]["name"]))] = now
