"""Asking before doing, on the whole platform: an endpoint is tried with its example, a worker plans a redeploy."""

from __future__ import annotations

import pytest

from tests.platform import ROW, Deployed, Platform

pytestmark = pytest.mark.xdist_group("platform")

EXAMPLE = "query($id: ID!) { node(id: $id) { ... on VersionEndpoint { version { id exampleRequest signature } } } }"
PLAN = "plan { revisionNumber makesPods changes { action kind name fields { path before after } } }"


def test_an_endpoint_is_tried_with_its_own_example(platform: Platform, running: Deployed) -> None:
    version = platform.ask(EXAMPLE, id=running.endpoint_id)["node"]["version"]
    request = version["exampleRequest"] or ROW
    returns = "trial { status answer version revision latencyMs }"
    payload = platform.change("tryVersionEndpoint", returns, versionEndpointId=running.endpoint_id, request=request)
    trial = payload["trial"]
    assert (trial["status"], trial["version"], trial["revision"]) == (200, running.number, 1), trial
    assert trial["answer"]["outputs"][0]["data"]
    assert 0 < trial["latencyMs"] < 20_000


def test_a_redeploy_is_planned_by_the_worker(platform: Platform, running: Deployed) -> None:
    version = platform.ask(EXAMPLE, id=running.endpoint_id)["node"]["version"]["id"]
    name = f"iris-{running.number}"
    changed = platform.change("planDeployment", PLAN, versionId=version, variables=[{"name": "A", "value": "b"}])[
        "plan"
    ]
    assert (changed["revisionNumber"], changed["makesPods"]) == (2, True)
    assert [(change["action"], change["kind"], change["name"]) for change in changed["changes"]] == [
        ("CREATE", "InferenceService", f"{name}-r2"),
        ("CREATE", "Secret", f"{name}-r2"),
        ("UPDATE", "Service", name),
        ("UPDATE", "HTTPRoute", name),
        ("DELETE", "InferenceService", f"{name}-r1"),
    ]
    scaled = platform.change("planDeployment", PLAN, versionId=version, minReplicas=2, maxReplicas=2)["plan"]
    (workload,) = [change for change in scaled["changes"] if change["kind"] == "InferenceService"]
    assert {field["path"]: field["after"] for field in workload["fields"]} == {
        "spec.predictor.minReplicas": 2,
        "spec.predictor.maxReplicas": 2,
    }
