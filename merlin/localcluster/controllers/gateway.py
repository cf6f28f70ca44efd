"""GatewayClasses and Gateways that name Merlin's gateway: what it can do, where it answers, how many routes it has."""

from __future__ import annotations

import ipaddress
from typing import Any, Final

from merlin.localcluster.client import KubeClient, Manifest
from merlin.localcluster.controllers.cache import Cache
from merlin.localcluster.controllers.conditions import observed
from merlin.localcluster.controllers.defaults import CONTROLLER_NAME, host_and_port
from merlin.localcluster.controllers.kinds import GATEWAY_CLASSES, GATEWAYS, HTTP_ROUTES
from merlin.localcluster.informer import Key
from merlin.localcluster.workqueue import Workqueue

FEATURES: Final = (
    "Gateway",
    "HTTPRoute",
    "HTTPRouteBackendTimeout",
    "HTTPRouteHostRewrite",
    "HTTPRouteMethodMatching",
    "HTTPRoutePathRedirect",
    "HTTPRoutePathRewrite",
    "HTTPRoutePortRedirect",
    "HTTPRouteQueryParamMatching",
    "HTTPRouteRequestMirror",
    "HTTPRouteRequestMultipleMirrors",
    "HTTPRouteRequestPercentageMirror",
    "HTTPRouteRequestTimeout",
    "HTTPRouteResponseHeaderModification",
    "HTTPRouteSchemeRedirect",
)
"""What merlin/localcluster/gateway does, by the Gateway API's names, sorted."""


class GatewayController:
    """Reports the state of gateway classes and gateways of ours; others' are left alone."""

    def __init__(self, client: KubeClient, cache: Cache, *, address: str) -> None:
        self._client = client
        self._host, self._port = host_and_port(address)
        self._classes = cache.of(GATEWAY_CLASSES)
        self._gateways = cache.of(GATEWAYS)
        self._routes = cache.of(HTTP_ROUTES)
        self._queue: Workqueue[tuple[str, Key]] = Workqueue("gateway", self.reconcile)
        self._classes.subscribe(lambda before, now: self._class_changed(now or before))
        self._gateways.subscribe(lambda before, now: self._add("Gateway", now or before))
        self._routes.subscribe(self._route_changed)

    async def run(self) -> None:
        """Reconcile until cancelled. The cache must be complete."""
        await self._queue.run()

    def _add(self, kind: str, item: Manifest | None) -> None:
        if item is not None:
            metadata = item["metadata"]
            self._queue.add((kind, (metadata.get("namespace", ""), metadata["name"])))

    def _class_changed(self, item: Manifest | None) -> None:
        self._add("GatewayClass", item)
        for gateway in self._gateways.store.values():
            self._add("Gateway", gateway)

    def _route_changed(self, before: Manifest | None, now: Manifest | None) -> None:
        for route in (before, now):
            for parent in (route or {}).get("spec", {}).get("parentRefs") or []:
                namespace = parent.get("namespace") or route["metadata"]["namespace"]  # type: ignore[index]
                self._queue.add(("Gateway", (namespace, parent["name"])))

    async def reconcile(self, key: tuple[str, Key]) -> None:
        """Make the status of that GatewayClass or Gateway say what is so."""
        kind, place = key
        if kind == "GatewayClass":
            await self._settle_class(self._classes.store.get(place))
        else:
            await self._settle_gateway(self._gateways.store.get(place))

    async def _settle_class(self, found: Manifest | None) -> None:
        if found is None or found["spec"]["controllerName"] != CONTROLLER_NAME:
            return
        stored = (found.get("status") or {}).get("conditions") or []
        condition = observed(
            stored,
            "Accepted",
            met=True,
            reason="Accepted",
            message="Merlin's gateway takes this class.",
            generation=found["metadata"].get("generation", 1),
        )
        status = {"conditions": [condition], "supportedFeatures": [{"name": name} for name in FEATURES]}
        if found.get("status") != status:
            self._classes.note(await self._client.update_status(GATEWAY_CLASSES, {**found, "status": status}))

    async def _settle_gateway(self, found: Manifest | None) -> None:
        if found is None or not is_ours(found, self._classes.store):
            return
        status = self._gateway_status(found)
        if found.get("status") != status:
            self._gateways.note(await self._client.update_status(GATEWAYS, {**found, "status": status}))

    def _gateway_status(self, gateway: Manifest) -> dict[str, Any]:
        before = gateway.get("status") or {}
        generation = gateway["metadata"].get("generation", 1)
        stored = before.get("conditions") or []
        said = {"Accepted": "The gateway is accepted.", "Programmed": "The gateway serves on this machine."}
        return {
            "addresses": [{"type": _kind_of_address(self._host), "value": self._host}],
            "conditions": [
                observed(stored, kind, met=True, reason=kind, message=message, generation=generation)
                for kind, message in said.items()
            ],
            "listeners": [
                self._listener_status(gateway, listener, before) for listener in gateway["spec"]["listeners"]
            ],
        }

    def _listener_status(self, gateway: Manifest, listener: Manifest, before: Manifest) -> dict[str, Any]:
        known: Manifest = next((one for one in before.get("listeners") or [] if one["name"] == listener["name"]), {})
        stored = known.get("conditions") or []
        generation = gateway["metadata"].get("generation", 1)
        return {
            "name": listener["name"],
            "attachedRoutes": sum(
                1 for route in self._routes.store.values() if attaches(route, gateway, listener["name"])
            ),
            "supportedKinds": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute"}],
            "conditions": [
                observed(stored, kind, met=True, reason=reason, message="", generation=generation)
                for kind, reason in (
                    ("Accepted", "Accepted"),
                    ("Programmed", "Programmed"),
                    ("ResolvedRefs", "ResolvedRefs"),
                )
            ],
        }


def is_ours(gateway: Manifest, classes: dict[Key, Manifest]) -> bool:
    """Whether the Gateway's class is served by Merlin's gateway."""
    its_class = classes.get(("", gateway["spec"]["gatewayClassName"]))
    return its_class is not None and its_class["spec"]["controllerName"] == CONTROLLER_NAME


def attaches(route: Manifest, gateway: Manifest, listener: str | None = None) -> bool:
    """Whether the route names the gateway (and, if it names one, this listener) as a parent."""
    namespace, name = gateway["metadata"]["namespace"], gateway["metadata"]["name"]
    return any(
        parent["name"] == name
        and (parent.get("namespace") or route["metadata"]["namespace"]) == namespace
        and parent.get("kind", "Gateway") == "Gateway"
        and (listener is None or parent.get("sectionName") in (None, listener))
        for parent in route["spec"].get("parentRefs") or []
    )


def _kind_of_address(host: str) -> str:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return "Hostname"
    return "IPAddress"
