"""HTTPRoutes whose parent is Merlin's gateway: accepted or not, and whether what they name is there.

Only the status is written here; the traffic is `merlin.localcluster.gateway`'s, which reads the same routes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from merlin.localcluster.client import KubeClient, Manifest
from merlin.localcluster.controllers.cache import Cache
from merlin.localcluster.controllers.conditions import observed
from merlin.localcluster.controllers.defaults import CONTROLLER_NAME
from merlin.localcluster.controllers.gateway import is_ours
from merlin.localcluster.controllers.kinds import GATEWAY_CLASSES, GATEWAYS, HTTP_ROUTES, SERVICES
from merlin.localcluster.informer import Key
from merlin.localcluster.workqueue import Workqueue

_FILTERS: Final = {"URLRewrite", "RequestMirror", "RequestHeaderModifier", "ResponseHeaderModifier", "RequestRedirect"}

Verdict = tuple[bool, str, str]
"""Whether it holds, the reason, the message."""


class HttpRouteController:
    """Writes ``status.parents`` for our gateways; entries of other controllers stay."""

    def __init__(self, client: KubeClient, cache: Cache) -> None:
        self._client = client
        self._routes = cache.of(HTTP_ROUTES)
        self._services = cache.of(SERVICES)
        self._gateways = cache.of(GATEWAYS)
        self._classes = cache.of(GATEWAY_CLASSES)
        self._queue: Workqueue[Key] = Workqueue("httproute", self.reconcile)
        self._routes.subscribe(lambda before, now: self._add(now))
        self._services.subscribe(self._service_changed)
        self._gateways.subscribe(lambda before, now: self._add_all(before, now))
        self._classes.subscribe(lambda before, now: self._add_all(before, now))

    async def run(self) -> None:
        """Reconcile until cancelled. The cache must be complete."""
        await self._queue.run()

    def _add(self, route: Manifest | None) -> None:
        if route is not None:
            self._queue.add((route["metadata"]["namespace"], route["metadata"]["name"]))

    def _add_all(self, before: Manifest | None, now: Manifest | None) -> None:
        if before is None or now is None or before["spec"] != now["spec"]:
            for key in self._routes.store:
                self._queue.add(key)

    def _service_changed(self, before: Manifest | None, now: Manifest | None) -> None:
        if before is not None and now is not None and before["spec"].get("ports") == now["spec"].get("ports"):
            return
        changed = now or before
        if changed is None:
            return
        name = changed["metadata"]["name"]
        for route in self._routes.store.values():
            if any(ref.get("name") == name for ref in _references(route)):
                self._add(route)

    async def reconcile(self, key: Key) -> None:
        """Make the route's status say what is so."""
        route = self._routes.store.get(key)
        if route is None:
            return
        before = (route.get("status") or {}).get("parents") or []
        others = [parent for parent in before if parent.get("controllerName") != CONTROLLER_NAME]
        ours = [parent for parent in before if parent.get("controllerName") == CONTROLLER_NAME]
        parents = others + [self._parent(route, ref, ours) for ref in self._our_references(route)]
        if parents == before:
            return
        status = {**(route.get("status") or {}), "parents": parents}
        self._routes.note(await self._client.update_status(HTTP_ROUTES, {**route, "status": status}))

    def _our_references(self, route: Manifest) -> Iterator[Manifest]:
        for ref in route["spec"].get("parentRefs") or []:
            gateway = self._gateway(route, ref)
            if gateway is not None and is_ours(gateway, self._classes.store):
                yield ref

    def _gateway(self, route: Manifest, ref: Mapping[str, Any]) -> Manifest | None:
        if ref.get("kind", "Gateway") != "Gateway":
            return None
        return self._gateways.get(ref.get("namespace") or route["metadata"]["namespace"], ref["name"])

    def _parent(self, route: Manifest, ref: Manifest, before: list[Manifest]) -> Manifest:
        known: Manifest = next((parent for parent in before if parent["parentRef"] == ref), {})
        stored = known.get("conditions") or []
        generation = route["metadata"].get("generation", 1)
        verdicts = {"Accepted": self._accepted(route, ref), "ResolvedRefs": self._resolved(route)}
        return {
            "parentRef": ref,
            "controllerName": CONTROLLER_NAME,
            "conditions": [
                observed(stored, kind, met=met, reason=reason, message=message, generation=generation)
                for kind, (met, reason, message) in verdicts.items()
            ],
        }

    def _accepted(self, route: Manifest, ref: Mapping[str, Any]) -> Verdict:
        listeners = (self._gateway(route, ref) or {}).get("spec", {}).get("listeners") or []
        wanted = [
            one
            for one in listeners
            if ref.get("sectionName") in (None, one["name"]) and ref.get("port") in (None, one["port"])
        ]
        if not wanted:
            return False, "NoMatchingParent", "The gateway has no such listener."
        hosts = route["spec"].get("hostnames") or []
        if hosts and not any(_meets(one.get("hostname"), host) for one in wanted for host in hosts):
            return False, "NoMatchingListenerHostname", "No listener has a hostname that the route names."
        if unsupported := _unsupported(route):
            return False, "UnsupportedValue", f"The gateway does not know {unsupported}."
        return True, "Accepted", "The route is accepted."

    def _resolved(self, route: Manifest) -> Verdict:
        namespace = route["metadata"]["namespace"]
        for ref in _references(route):
            name = ref.get("name")
            if ref.get("kind", "Service") != "Service" or ref.get("group") not in (None, "", "core"):
                return False, "InvalidKind", f"{ref.get('kind')} {name} is not a Service."
            if ref.get("namespace") not in (None, namespace):
                return False, "RefNotPermitted", f"Service {ref['namespace']}/{name} is in another namespace."
            service = self._services.get(namespace, str(name))
            if service is None:
                return False, "BackendNotFound", f"Service {namespace}/{name} was not found."
            ports = [port["port"] for port in service["spec"].get("ports") or []]
            if ref.get("port") not in ports:
                return False, "BackendNotFound", f"Service {namespace}/{name} has no port {ref.get('port')}."
        return True, "ResolvedRefs", "All references are resolved."


def _unsupported(route: Manifest) -> str:
    """What of the route the gateway would leave out; nothing if it takes all of it."""
    for rule in route["spec"].get("rules") or []:
        for used in rule.get("filters") or []:
            if used["type"] not in _FILTERS:
                return f"the filter {used['type']}"
        if any(ref.get("filters") for ref in rule.get("backendRefs") or []):
            return "filters of a single backend"
        for match in rule.get("matches") or []:
            for pattern in (match.get("path") or {}, *match.get("headers", []), *match.get("queryParams", [])):
                if pattern.get("type") == "RegularExpression" and not _compiles(pattern["value"]):
                    return f"the regular expression {pattern['value']}"
    return ""


def _compiles(expression: str) -> bool:
    try:
        re.compile(expression)
    except re.error:
        return False
    return True


def _references(route: Manifest) -> Iterator[Manifest]:
    """Everything that the route sends requests to, mirrors included."""
    for rule in route["spec"].get("rules") or []:
        yield from rule.get("backendRefs") or []
        for used in rule.get("filters") or []:
            if used["type"] == "RequestMirror":
                yield used["requestMirror"]["backendRef"]


def _meets(listener: str | None, host: str) -> bool:
    if not listener or listener == host:
        return True
    if listener.startswith("*."):
        return host.endswith(listener[1:])
    return host.startswith("*.") and listener.endswith(host[1:])
