"""What routes and Merlin's gateway say of themselves."""

from __future__ import annotations

from typing import Any

from merlin.localcluster.client import Manifest
from merlin.localcluster.controllers.kinds import GATEWAY_CLASSES, GATEWAYS, HTTP_ROUTES, SERVICES
from tests.localcluster.controllers.world import World

OURS = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "namespace": "merlin-system", "name": "merlin"}


def route(backend: str = "web", parent: dict[str, Any] | None = None, **backend_fields: Any) -> Manifest:
    """A route of one rule."""
    reference = {"group": "", "kind": "Service", "name": backend, "port": 80, "weight": 1, **backend_fields}
    match = {"path": {"type": "PathPrefix", "value": "/web"}}
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "web"},
        "spec": {"parentRefs": [parent or OURS], "rules": [{"matches": [match], "backendRefs": [reference]}]},
    }


def service(name: str = "web") -> Manifest:
    """A Service with a port 80."""
    port = {"name": "http", "protocol": "TCP", "port": 80, "targetPort": 8080}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": [port]},
    }


def verdicts(world: World) -> dict[str, tuple[str, str]]:
    """By condition: status and reason, of the generation there is now."""
    found = world.one(HTTP_ROUTES, "web")
    (parent,) = [p for p in found["status"]["parents"] if p["controllerName"] == "merlin.dev/gateway"]
    assert parent["parentRef"] == found["spec"]["parentRefs"][0]
    generation = found["metadata"]["generation"]
    current = [c for c in parent["conditions"] if c["observedGeneration"] == generation]
    return {c["type"]: (c["status"], c["reason"]) for c in current}


ACCEPTED = {"Accepted": ("True", "Accepted"), "ResolvedRefs": ("True", "ResolvedRefs")}


async def test_a_route_to_a_service_is_accepted_and_resolved(world: World) -> None:
    await world.apply(SERVICES, service())
    await world.apply(HTTP_ROUTES, route())
    await world.until(lambda: verdicts(world) == ACCEPTED, "it is accepted")


async def test_a_backend_that_comes_later_is_found_and_one_that_goes_is_missed(world: World) -> None:
    await world.apply(HTTP_ROUTES, route())
    missing = {**ACCEPTED, "ResolvedRefs": ("False", "BackendNotFound")}
    await world.until(lambda: verdicts(world) == missing, "its backend is missing")
    await world.apply(SERVICES, service())
    await world.until(lambda: verdicts(world) == ACCEPTED, "its backend is found")
    await world.client.delete(SERVICES, world.namespace, "web")
    await world.until(lambda: verdicts(world) == missing, "its backend is missing again")


async def test_a_new_generation_is_observed(world: World) -> None:
    await world.apply(SERVICES, service())
    await world.apply(HTTP_ROUTES, route())
    await world.until(lambda: verdicts(world) == ACCEPTED, "it is accepted")
    changed = await world.apply(HTTP_ROUTES, route(weight=5))
    assert changed["metadata"]["generation"] == 2
    await world.until(
        lambda: world.one(HTTP_ROUTES, "web")["metadata"]["generation"] == 2 and verdicts(world) == ACCEPTED,
        "the new generation is accepted",
    )


async def test_a_service_of_another_namespace_may_not_be_named(world: World) -> None:
    await world.apply(HTTP_ROUTES, route(namespace="default"))
    expected = {**ACCEPTED, "ResolvedRefs": ("False", "RefNotPermitted")}
    await world.until(lambda: verdicts(world) == expected, "it is refused")


async def test_a_listener_that_is_not_there_is_no_parent(world: World) -> None:
    await world.apply(SERVICES, service())
    await world.apply(HTTP_ROUTES, route(parent={**OURS, "sectionName": "https"}))
    expected = {**ACCEPTED, "Accepted": ("False", "NoMatchingParent")}
    await world.until(lambda: verdicts(world) == expected, "it is refused")


async def test_what_the_gateway_would_leave_out_is_not_accepted(world: World) -> None:
    await world.apply(SERVICES, service())
    change = {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "a", "value": "b"}]}}
    await world.apply(HTTP_ROUTES, route(filters=[change]))
    expected = {**ACCEPTED, "Accepted": ("False", "UnsupportedValue")}
    await world.until(lambda: verdicts(world) == expected, "it is refused")


async def test_a_mirror_to_a_service_that_is_not_there_is_not_resolved(world: World) -> None:
    await world.apply(SERVICES, service())
    manifest = route()
    mirror = {"backendRef": {"group": "", "kind": "Service", "name": "shadow", "port": 80}}
    manifest["spec"]["rules"][0]["filters"] = [{"type": "RequestMirror", "requestMirror": mirror}]
    await world.apply(HTTP_ROUTES, manifest)
    expected = {**ACCEPTED, "ResolvedRefs": ("False", "BackendNotFound")}
    await world.until(lambda: verdicts(world) == expected, "its mirror is missing")
    await world.apply(SERVICES, service("shadow"))
    await world.until(lambda: verdicts(world) == ACCEPTED, "its mirror is found")


async def test_what_another_controller_says_of_a_route_stays(world: World) -> None:
    await world.apply(SERVICES, service())
    made = await world.apply(HTTP_ROUTES, route())
    condition = {
        "type": "Accepted",
        "status": "True",
        "reason": "Accepted",
        "message": "",
        "observedGeneration": 1,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    parent = {"parentRef": {**OURS, "name": "other"}, "controllerName": "example.test/gateway"}
    await world.until(lambda: verdicts(world) == ACCEPTED, "it is accepted")
    read = await world.client.get(HTTP_ROUTES, world.namespace, made["metadata"]["name"])
    parents = [{**parent, "conditions": [condition]}, *read["status"]["parents"]]
    await world.client.update_status(HTTP_ROUTES, {**read, "status": {"parents": parents}})
    await world.apply(HTTP_ROUTES, route(weight=7))
    await world.until(
        lambda: world.one(HTTP_ROUTES, "web")["metadata"]["generation"] == 2 and verdicts(world) == ACCEPTED
    )
    names = [one["controllerName"] for one in world.one(HTTP_ROUTES, "web")["status"]["parents"]]
    assert sorted(names) == ["example.test/gateway", "merlin.dev/gateway"]


async def test_the_gateway_says_where_it_answers_and_its_class_what_it_can_do(world: World) -> None:
    gateway = await world.until_read(
        GATEWAYS, "merlin", lambda found: found.get("status", {}).get("addresses"), namespace="merlin-system"
    )
    assert gateway["status"]["addresses"] == [{"type": "IPAddress", "value": "127.0.0.1"}]
    assert {c["type"]: c["status"] for c in gateway["status"]["conditions"]} == {
        "Accepted": "True",
        "Programmed": "True",
    }
    found = await world.until_read(
        GATEWAY_CLASSES, "merlin", lambda found: found.get("status", {}).get("supportedFeatures"), namespace=""
    )
    features = {feature["name"] for feature in found["status"]["supportedFeatures"]}
    assert {"HTTPRoutePathRewrite", "HTTPRouteRequestTimeout", "HTTPRouteRequestMirror"} <= features
