"""Pods that run: on a local kubelet of Merlin's, whichever API server it is a client of."""

from __future__ import annotations

import re
from typing import Any

import pytest

from merlin.errors import NotFound, Rejected
from merlin.kube.client import Cluster
from merlin.kube.kinds import Manifest
from tests.contract.api import Api, address, ok, refusal
from tests.contract.objects import config_map, program
from tests.contract.test_quota import has_account
from tests.platform import until

pytestmark = pytest.mark.usefixtures("local_node")
SECONDS = 60.0


@pytest.fixture
def place(api: Api, namespace: str) -> str:
    """A namespace that takes pods."""
    until(lambda: has_account(api, namespace), 30, "the default service account")
    return namespace


def status_of(api: Api, manifest: Manifest) -> dict[str, Any]:
    status: dict[str, Any] = ok(api.get(address(manifest))).get("status", {})
    return status


def condition(api: Api, manifest: Manifest, kind: str) -> str:
    conditions = status_of(api, manifest).get("conditions", [])
    return str(next((one["status"] for one in conditions if one["type"] == kind), ""))


def container(api: Api, manifest: Manifest) -> dict[str, Any]:
    statuses = status_of(api, manifest).get("containerStatuses") or [{}]
    found: dict[str, Any] = statuses[0]
    return found


def running(api: Api, manifest: Manifest) -> Manifest:
    """The pod, once it is ready."""
    ok(api.create(manifest))
    until(lambda: condition(api, manifest, "Ready") == "True", SECONDS, "the pod is ready")
    return ok(api.get(address(manifest)))


def logs(api: Api, manifest: Manifest, **query: str) -> str:
    answer = api.get(address(manifest) + "/log", **query)
    assert answer.status_code == 200, answer.text
    return answer.text


def test_a_pod_gets_ready_and_says_how_it_is(api: Api, place: str, local_node: str) -> None:
    pod = running(api, program(place))
    assert pod["spec"]["nodeName"] == local_node
    status = pod["status"]
    assert status["phase"] == "Running"
    assert status["podIP"].count(".") == 3
    assert not status["podIP"].startswith("127."), "the real API server refuses loopback in EndpointSlices"
    assert status["podIPs"] == [{"ip": status["podIP"]}]
    (one,) = status["containerStatuses"]
    assert (one["name"], one["ready"], one["started"], one["restartCount"]) == ("main", True, True, 0)
    assert one["state"]["running"]["startedAt"]
    true = {stated["type"] for stated in status["conditions"] if stated["status"] == "True"}
    assert {"PodScheduled", "Initialized", "ContainersReady", "Ready"} <= true


def test_its_logs_are_read_through_the_api_server(api: Api, place: str) -> None:
    manifest = running(api, program(place, "pod", "--name=first"))
    assert logs(api, manifest) == "first starts\n"
    assert logs(api, manifest, container="main", tailLines="0") == ""
    stamped = logs(api, manifest, timestamps="true")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z first starts\n", stamped)


async def test_merlins_door_reads_them(api: Api, place: str, cluster: Cluster) -> None:
    running(api, program(place, "pod", "--name=first"))
    lines = [line async for line in cluster.logs(place, "pod", "main")]
    assert [line.text for line in lines] == ["first starts"]
    assert lines[0].at.tzinfo is not None


def test_logs_of_a_container_that_is_none_are_refused(api: Api, place: str) -> None:
    manifest = running(api, program(place))
    answer = api.get(address(manifest) + "/log", container="other")
    assert refusal(answer) == (400, "BadRequest", "container other is not valid for pod pod")
    assert refusal(api.get(address(program(place, "none")) + "/log")) == (404, "NotFound", 'pods "none" not found')


def test_a_pod_on_no_node_has_nothing_to_tell(api: Api, place: str) -> None:
    manifest = program(place)
    manifest["spec"]["schedulerName"] = "nobody"
    ok(api.create(manifest))
    answer = api.get(address(manifest) + "/log")
    assert (answer.status_code, answer.text) == (204, "")


async def test_logs_of_no_pod_are_not_found(place: str, cluster: Cluster) -> None:
    with pytest.raises(NotFound):
        _ = [line async for line in cluster.logs(place, "other", "main")]


async def test_logs_of_a_pod_without_its_image_are_refused(api: Api, place: str, cluster: Cluster) -> None:
    manifest = program(place)
    manifest["spec"]["containers"][0]["image"] = "example.test/no-such-image:1"
    ok(api.create(manifest))
    until(lambda: "waiting" in container(api, manifest).get("state", {}), SECONDS, "it waits")
    with pytest.raises(Rejected, match="waiting to start"):
        _ = [line async for line in cluster.logs(place, "pod", "main")]


def test_a_pod_that_is_not_ready_runs_all_the_same(api: Api, place: str) -> None:
    manifest = program(place, "pod", "--never-ready")
    ok(api.create(manifest))
    until(lambda: container(api, manifest).get("started"), SECONDS, "it has started")
    assert status_of(api, manifest)["phase"] == "Running"
    assert condition(api, manifest, "Ready") == "False"


def test_an_image_that_is_none_is_named(api: Api, place: str) -> None:
    manifest = program(place)
    manifest["spec"]["containers"][0]["image"] = "example.test/no-such-image:1"
    ok(api.create(manifest))

    def waiting() -> Any:
        return container(api, manifest).get("state", {}).get("waiting")

    found = until(waiting, SECONDS, "it waits")
    assert found["reason"] in {"ErrImagePull", "ImagePullBackOff"}
    assert "no-such-image" in found["message"]
    assert status_of(api, manifest)["phase"] == "Pending"
    until(lambda: "Failed" in reasons(api, place), SECONDS, "an event")


def test_a_container_that_ends_is_started_again_ever_later(api: Api, place: str) -> None:
    manifest = program(place, "pod", "--exit=3", "--name=short", probe=False)
    ok(api.create(manifest))
    until(lambda: container(api, manifest).get("restartCount", 0) >= 1, SECONDS, "a restart")
    until(
        lambda: container(api, manifest)["state"].get("waiting", {}).get("reason") == "CrashLoopBackOff",
        SECONDS,
        "it waits longer each time",
    )
    one = container(api, manifest)
    ended = one["lastState"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (3, "Error")
    assert logs(api, manifest, previous="true") == "short starts\nshort ends with 3\n"
    assert "BackOff" in reasons(api, place)


def test_a_container_that_is_to_run_once_succeeds_or_fails(api: Api, place: str) -> None:
    for code, phase in ((0, "Succeeded"), (4, "Failed")):
        manifest = program(place, f"pod-{code}", f"--exit={code}", probe=False)
        manifest["spec"]["restartPolicy"] = "Never"
        ok(api.create(manifest))
        until(lambda m=manifest, p=phase: status_of(api, m).get("phase") == p, SECONDS, phase)  # type: ignore[misc]
        assert container(api, manifest)["state"]["terminated"]["exitCode"] == code


def test_the_last_lines_are_the_message_where_that_is_asked_for(api: Api, place: str) -> None:
    manifest = program(place, "pod", "--exit=5", "--name=short", probe=False)
    manifest["spec"]["restartPolicy"] = "Never"
    manifest["spec"]["containers"][0]["terminationMessagePolicy"] = "FallbackToLogsOnError"
    ok(api.create(manifest))
    until(lambda: status_of(api, manifest).get("phase") == "Failed", SECONDS, "it has failed")
    assert "short ends with 5" in container(api, manifest)["state"]["terminated"]["message"]


def test_a_missing_config_is_named(api: Api, place: str) -> None:
    manifest = program(place)
    manifest["spec"]["containers"][0]["envFrom"] = [{"configMapRef": {"name": "map"}}]
    ok(api.create(manifest))

    def says_so() -> bool:
        # A new namespace lacks the cluster's own certificates for a moment, which is named first.
        waiting = container(api, manifest).get("state", {}).get("waiting", {})
        config_error = waiting.get("reason") == "CreateContainerConfigError"
        return config_error and 'configmap "map" not found' in waiting.get("message", "")

    until(says_so, SECONDS, "it waits and names it")
    ok(api.create(config_map(place)))
    until(lambda: condition(api, manifest, "Ready") == "True", SECONDS, "it goes on by itself")


def test_a_deleted_pod_ends_and_is_gone(api: Api, place: str) -> None:
    manifest = program(place)
    manifest["spec"]["terminationGracePeriodSeconds"] = 5
    running(api, manifest)
    ok(api.delete(address(manifest)))
    until(lambda: api.get(address(manifest)).status_code == 404, SECONDS, "the pod is gone")


def reasons(api: Api, namespace: str) -> set[str]:
    return {event["reason"] for event in ok(api.get(f"/api/v1/namespaces/{namespace}/events"))["items"]}
