"""HTTPRoutes: what the local controller says of them, and what the local gateway does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from merlin.kube.kinds import Manifest
from tests.contract.api import Api, address, ok
from tests.contract.objects import http_route, program, service
from tests.contract.test_quota import has_account
from tests.platform import until

SECONDS = 60.0


@pytest.fixture
def gateway(gateway_url: str) -> Iterator[httpx.Client]:
    """A client of the gateway."""
    with httpx.Client(base_url=gateway_url, timeout=10, trust_env=False) as http:
        yield http


@pytest.fixture
def two_backends(api: Api, namespace: str, local_node: str) -> str:
    """A namespace with the Services `one` and `two`, a ready pod behind each that answers with its name."""
    assert local_node
    until(lambda: has_account(api, namespace), 30, "the default service account")
    for name in ("one", "two"):
        ok(api.create(service(namespace, name)))
        ok(api.create(program(namespace, name, f"--name={name}", app=name)))

    def are_ready() -> bool:
        pods = ok(api.get(f"/api/v1/namespaces/{namespace}/pods"))["items"]
        true = [one for pod in pods for one in pod["status"].get("conditions", []) if one["status"] == "True"]
        return [one["type"] for one in true].count("Ready") == 2

    until(are_ready, SECONDS, "both pods are ready")
    return namespace


def condition(api: Api, manifest: Manifest, kind: str) -> dict[str, Any]:
    parents = ok(api.get(address(manifest))).get("status", {}).get("parents", [])
    return next((one for parent in parents for one in parent["conditions"] if one["type"] == kind), {})


def route(namespace: str, **weights: int) -> Manifest:
    """A route to these Services, which strips its prefix."""
    manifest = http_route(namespace)
    rule = manifest["spec"]["rules"][0]
    rule["backendRefs"] = [{"name": name, "port": 80, "weight": weight} for name, weight in weights.items()]
    rewrite = {"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}}
    rule["filters"] = [rewrite]
    return manifest


def answer(gateway: httpx.Client, namespace: str, path: str = "/v2/models/iris") -> dict[str, Any]:
    response = gateway.get(f"/{namespace}/route{path}")
    found: dict[str, Any] = response.json() if response.status_code == 200 else {"code": response.status_code}
    return found


@pytest.mark.usefixtures("gateway_url")
def test_a_route_is_accepted_with_its_generation(api: Api, namespace: str) -> None:
    manifest = http_route(namespace)
    ok(api.create(service(namespace)))
    ok(api.apply(manifest))
    until(lambda: condition(api, manifest, "Accepted").get("status") == "True", SECONDS, "it is accepted")
    assert condition(api, manifest, "ResolvedRefs")["status"] == "True"
    assert condition(api, manifest, "Accepted")["observedGeneration"] == 1
    changed = http_route(namespace, weight=2)
    ok(api.apply(changed))
    until(lambda: condition(api, manifest, "Accepted")["observedGeneration"] == 2, SECONDS, "the change was seen")
    (parent,) = ok(api.get(address(manifest)))["status"]["parents"]
    assert parent["parentRef"]["name"] == "merlin"
    assert parent["controllerName"]


@pytest.mark.usefixtures("gateway_url")
def test_a_service_that_is_not_there_is_named(api: Api, namespace: str) -> None:
    manifest = http_route(namespace)
    ok(api.apply(manifest))
    until(lambda: condition(api, manifest, "ResolvedRefs").get("status") == "False", SECONDS, "it is told")
    assert condition(api, manifest, "ResolvedRefs")["reason"] == "BackendNotFound"
    ok(api.create(service(namespace)))
    until(lambda: condition(api, manifest, "ResolvedRefs").get("status") == "True", SECONDS, "it is mended")


def test_calls_reach_the_pods_with_the_prefix_stripped(api: Api, two_backends: str, gateway: httpx.Client) -> None:
    ok(api.apply(route(two_backends, one=1)))
    until(lambda: answer(gateway, two_backends).get("name") == "one", SECONDS, "an answer")
    assert answer(gateway, two_backends) == {"name": "one", "path": "/v2/models/iris"}
    assert gateway.get(f"/{two_backends}/routes").status_code == 404, "a prefix ends where a segment ends"


def test_weights_are_kept(api: Api, two_backends: str, gateway: httpx.Client) -> None:
    ok(api.apply(route(two_backends, one=80, two=20)))
    until(lambda: answer(gateway, two_backends).get("name"), SECONDS, "an answer")
    until(lambda: answer(gateway, two_backends).get("name") == "two", SECONDS, "both are known")
    counts = Counter(answer(gateway, two_backends)["name"] for _ in range(200))
    assert 15 <= counts["two"] <= 75, counts
    ok(api.apply(route(two_backends, one=0, two=1)))
    until(lambda: all(answer(gateway, two_backends)["name"] == "two" for _ in range(20)), SECONDS, "all to two")


def test_a_switch_of_a_selector_fails_no_call(api: Api, two_backends: str, gateway: httpx.Client) -> None:
    """How a version endpoint moves to its next revision: its own Service selects other pods."""
    ok(api.apply(service(two_backends, "own", {"app": "one"})))
    ok(api.apply(route(two_backends, own=1)))
    until(lambda: answer(gateway, two_backends).get("name") == "one", SECONDS, "an answer of the first")
    ok(api.apply(service(two_backends, "own", {"app": "two"}), force="true"))
    names: list[str] = []

    def has_moved() -> bool:
        names.append(str(answer(gateway, two_backends).get("name")))
        return names[-1] == "two"

    until(has_moved, SECONDS, "an answer of the second")
    assert set(names) <= {"one", "two"}


def test_without_a_ready_pod_the_gateway_says_so(api: Api, namespace: str, gateway: httpx.Client) -> None:
    ok(api.create(service(namespace)))
    ok(api.apply(route(namespace, web=1)))
    until(lambda: gateway.get(f"/{namespace}/route/x").status_code == 503, SECONDS, "503")


def test_a_deleted_route_answers_404(api: Api, two_backends: str, gateway: httpx.Client) -> None:
    made = ok(api.apply(route(two_backends, one=1)))
    until(lambda: answer(gateway, two_backends).get("name") == "one", SECONDS, "an answer")
    ok(api.delete(address(made)))
    until(lambda: answer(gateway, two_backends) == {"code": 404}, SECONDS, "it is gone")
