"""EndpointSlices: which pods stand behind a Service; the gateway sends its calls by them."""

from __future__ import annotations

from typing import Any

from merlin.kube.kinds import Manifest
from tests.contract.api import ENDPOINT_SLICE, Api, address, ok
from tests.contract.objects import pod, service
from tests.contract.pods import say_ready
from tests.platform import until

SECONDS = 30.0


def slices(api: Api, namespace: str) -> list[Manifest]:
    found: list[Manifest] = ok(api.get(ENDPOINT_SLICE.path(namespace), labelSelector="kubernetes.io/service-name=web"))[
        "items"
    ]
    return found


def endpoints(api: Api, namespace: str) -> dict[str, Any]:
    """Readiness by address, over all slices."""
    return {
        endpoint["addresses"][0]: endpoint["conditions"]["ready"]
        for one in slices(api, namespace)
        for endpoint in one.get("endpoints") or []
    }


def test_they_follow_the_pods_readiness(api: Api, namespace: str, idle_node: str) -> None:
    ok(api.create(service(namespace)))
    made = ok(api.create(pod(namespace, node=idle_node, labels={"app": "web"})))
    say_ready(api, made, "10.99.1.1", is_ready=False)
    until(lambda: endpoints(api, namespace) == {"10.99.1.1": False}, SECONDS, "there, and not ready")
    say_ready(api, made, "10.99.1.1")
    until(lambda: endpoints(api, namespace) == {"10.99.1.1": True}, SECONDS, "ready")
    (one,) = slices(api, namespace)
    assert one["addressType"] == "IPv4"
    assert one["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"] == "endpointslice-controller.k8s.io"
    assert [(port["name"], port["port"], port["protocol"]) for port in one["ports"]] == [("http", 8080, "TCP")]
    (endpoint,) = one["endpoints"]
    assert endpoint["targetRef"]["name"] == "pod"
    assert endpoint["targetRef"]["uid"] == made["metadata"]["uid"]
    assert endpoint["nodeName"] == idle_node
    assert endpoint["conditions"] == {"ready": True, "serving": True, "terminating": False}
    say_ready(api, made, "10.99.1.1", is_ready=False)
    until(lambda: endpoints(api, namespace) == {"10.99.1.1": False}, SECONDS, "not ready again")


def test_a_leaving_pod_is_not_ready(api: Api, namespace: str, idle_node: str) -> None:
    ok(api.create(service(namespace)))
    manifest = pod(namespace, node=idle_node, labels={"app": "web"})
    manifest["spec"]["terminationGracePeriodSeconds"] = 30
    made = ok(api.create(manifest))
    say_ready(api, made, "10.99.1.2")
    until(lambda: endpoints(api, namespace) == {"10.99.1.2": True}, SECONDS, "ready")
    ok(api.delete(address(made)))
    until(lambda: endpoints(api, namespace) == {"10.99.1.2": False}, SECONDS, "not ready")
    (endpoint,) = slices(api, namespace)[0]["endpoints"]
    assert endpoint["conditions"] == {"ready": False, "serving": True, "terminating": True}
    ok(api.delete(address(made), gracePeriodSeconds=0))
    until(lambda: endpoints(api, namespace) == {}, SECONDS, "gone")


def test_another_selector_moves_them(api: Api, namespace: str, idle_node: str) -> None:
    """How a version endpoint switches from one revision's pods to the next one's."""
    ok(api.create(service(namespace, selector={"app": "old"})))
    for number, name in enumerate(("old", "new")):
        made = ok(api.create(pod(namespace, name, node=idle_node, labels={"app": name})))
        say_ready(api, made, f"10.99.2.{number}")
    until(lambda: endpoints(api, namespace) == {"10.99.2.0": True}, SECONDS, "the old one")
    ok(api.apply(service(namespace, selector={"app": "new"}), force="true"))
    until(lambda: endpoints(api, namespace) == {"10.99.2.1": True}, SECONDS, "the new one")


def test_they_go_with_their_service(api: Api, namespace: str, idle_node: str) -> None:
    made = ok(api.create(service(namespace)))
    until(lambda: slices(api, namespace), SECONDS, "a slice was made")
    ok(api.delete(address(made), "Background"))
    until(lambda: not slices(api, namespace), SECONDS, "the slices are gone")
