"""The main job through GraphQL and HTTP: deploy, predict, serve, second version, switch, roll back, undeploy."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from tests.platform import ROW, Deployed, Platform, until

pytestmark = pytest.mark.xdist_group("platform")

MODEL_ENDPOINT = """query($id: ID!) { node(id: $id) { ... on ModelEndpoint {
  url status progressing message traffic { weight versionEndpoint { id } } servingVersion { number } } } }"""


@contextmanager
def steady_calls(url: str, model: str) -> Iterator[list[str]]:
    """Calls to an endpoint, one after the other, all the while; the list fills with what failed."""
    failed: list[str] = []
    stop = threading.Event()

    def call() -> None:
        with httpx.Client(timeout=10, trust_env=False) as http:
            while not stop.is_set():
                try:
                    answer = http.post(f"{url}/v2/models/{model}/infer", json=ROW)
                    if answer.status_code != 200:
                        failed.append(f"{answer.status_code} {answer.text[:200]}")
                except httpx.HTTPError as error:
                    failed.append(repr(error))

    thread = threading.Thread(target=call)
    thread.start()
    try:
        yield failed
    finally:
        stop.set()
        thread.join(20)


def serve(platform: Platform, endpoint_id: str) -> dict[str, Any]:
    """Make it the serving version, and the model endpoint once traffic has moved."""
    made = platform.change("serveVersion", "modelEndpoint { id }", versionEndpointId=endpoint_id)
    model_endpoint_id = made["modelEndpoint"]["id"]

    def moved() -> Any:
        found = platform.ask(MODEL_ENDPOINT, id=model_endpoint_id)["node"]
        there = [share["versionEndpoint"]["id"] for share in found["traffic"] if share["weight"] == 100]
        return there == [endpoint_id] and not found["progressing"] and {**found, "id": model_endpoint_id}

    result: dict[str, Any] = until(moved, 30, "traffic moved")
    return result


def test_a_deployed_version_answers_at_its_own_address(platform: Platform, running: Deployed) -> None:
    answer = platform.predict(running.url, running.model)
    assert answer.status_code == 200, answer.text
    assert answer.json()["outputs"][0]["data"] == [0]
    assert answer.headers["merlin-version"] == str(running.number)


def test_traffic_switches_between_versions_without_a_failed_call(platform: Platform) -> None:
    first = platform.deployed("switch", "iris")
    served = serve(platform, first.endpoint_id)
    assert served["status"] == "SERVING"
    assert platform.endpoint(first.endpoint_id)["lifecycle"] == "SERVING"
    assert platform.predict(served["url"], "iris").headers["merlin-version"] == "1"

    version_id, number = platform.finished_version(first.model_id)
    second_id = platform.deploy(version_id)
    assert platform.settled(second_id)["lifecycle"] == "RUNNING"
    with steady_calls(served["url"], "iris") as failed:
        switched = serve(platform, second_id)
        for _ in range(50):
            assert platform.predict(switched["url"], "iris").headers["merlin-version"] == str(number)
    assert failed == []
    assert switched["url"] == served["url"]
    assert platform.endpoint(first.endpoint_id)["lifecycle"] == "RUNNING"

    refused = platform.refusals("undeployVersion", versionEndpointId=second_id)
    assert [error["code"] for error in refused] == ["STILL_SERVING"]
    platform.change("stopServing", "modelEndpoint { id }", modelEndpointId=switched["id"])
    until(lambda: platform.predict(switched["url"], "iris").status_code == 404, 20, "the stable address is gone")
    platform.change("undeployVersion", "versionEndpoint { id }", versionEndpointId=second_id)
    assert platform.settled(second_id)["lifecycle"] == "TERMINATED"


def test_a_redeploy_replaces_the_pods_and_a_rollback_brings_the_old_settings_back(platform: Platform) -> None:
    deployed = platform.deployed("redeploy", "iris")
    with steady_calls(deployed.url, "iris") as failed:
        platform.deploy(deployed.version_id, variables=[{"name": "GREETING", "value": "hello"}])
        after = platform.settled(deployed.endpoint_id)
        assert after["activeRevision"]["number"] == 2, after
        platform.change("rollbackVersionEndpoint", "revision { number }", versionEndpointId=deployed.endpoint_id)
        back = platform.settled(deployed.endpoint_id)
        assert back["activeRevision"]["number"] == 3, back
    assert failed == []
    assert [r["cause"] for r in sorted(back["revisions"]["nodes"], key=lambda r: r["number"])] == [
        "DEPLOY",
        "REDEPLOY",
        "ROLLBACK",
    ]


def test_more_replicas_and_fewer_again_keep_the_pods_that_run(platform: Platform) -> None:
    deployed = platform.deployed("scale", "iris")
    platform.deploy(deployed.version_id, minReplicas=2, maxReplicas=2)
    after = platform.settled(deployed.endpoint_id)
    revisions = {r["number"]: r for r in after["revisions"]["nodes"]}
    assert after["activeRevision"]["number"] == 2, after
    assert revisions[2]["serviceName"] == revisions[1]["serviceName"]
    assert revisions[2]["workloadRevision"] == 1

    platform.change("rollbackVersionEndpoint", "revision { number }", versionEndpointId=deployed.endpoint_id)
    back = platform.settled(deployed.endpoint_id)
    newest = max(back["revisions"]["nodes"], key=lambda r: r["number"])
    assert (newest["number"], newest["status"], newest["workloadRevision"]) == (3, "ACTIVE", 1), back
    assert newest["serviceName"] == revisions[1]["serviceName"]


def test_a_pending_deploy_can_be_cancelled(platform: Platform) -> None:
    model_id = platform.model("cancel", "iris")
    version_id, _ = platform.finished_version(model_id)
    endpoint_id = platform.deploy(version_id)
    platform.change("cancelDeployment", "versionEndpoint { id }", versionEndpointId=endpoint_id)
    after = platform.settled(endpoint_id)
    assert after["lifecycle"] == "TERMINATED"
    assert after["revisions"]["nodes"][0]["status"] == "CANCELLED"


def test_a_model_that_cannot_load_names_its_cause_within_seconds(platform: Platform) -> None:
    model_id = platform.model("unloadable", "iris")
    version_id, _ = platform.finished_version(model_id, "broken")
    failed = platform.settled(platform.deploy(version_id), 40)
    assert failed["lifecycle"] == "FAILED"
    assert failed["failure"]["code"] == "MODEL_LOAD_FAILED"
    assert any("the weights are corrupt" in line for line in failed["failure"]["evidence"]["log_tail"])
    assert failed["failure"]["fix"]


def test_a_model_that_wants_other_packages_names_each(platform: Platform) -> None:
    model_id = platform.model("conflict", "iris")
    version_id, _ = platform.finished_version(model_id, "conflict")
    failed = platform.settled(platform.deploy(version_id), 40)
    assert failed["failure"]["code"] == "DEPENDENCY_CONFLICT"
    assert "scikit-learn" in failed["failure"]["message"]
    assert "no-such-package-at-all" in failed["failure"]["message"]


def test_a_failed_redeploy_leaves_the_old_revision_serving(platform: Platform) -> None:
    deployed = platform.deployed("survive", "iris")
    with steady_calls(deployed.url, "iris") as failed_calls:
        platform.deploy(deployed.version_id, variables=[{"name": "MERLIN_RUNTIME_MAX_BODY_BYTES", "value": "nonsense"}])
        after = platform.settled(deployed.endpoint_id, 60)
    assert failed_calls == []
    assert after["lifecycle"] == "RUNNING"
    assert after["activeRevision"]["number"] == 1
    assert after["failure"]["code"] in {"CRASH_LOOP", "MODEL_LOAD_FAILED"}
    assert {r["number"]: r["status"] for r in after["revisions"]["nodes"]}[2] == "FAILED"
