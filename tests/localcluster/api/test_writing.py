"""Writes: dry run, doors of their own, what the disk refuses."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from merlin.localcluster.api.server import serving
from tests.localcluster.api.caller import MAPS, MERGE, PODS, Caller, config_map, pod

DEPLOYMENTS = "/apis/apps/v1/namespaces/work/deployments"


def deployment(**spec: Any) -> dict[str, Any]:
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": pod()["spec"]}
    whole = {"selector": {"matchLabels": labels}, "template": template, **spec}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": whole}


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_a_dry_run_changes_nothing(caller: Caller, method: str) -> None:
    made = await caller.ok("POST", MAPS, config_map())
    path = MAPS if method == "POST" else f"{MAPS}/map"
    body = config_map("new" if method == "POST" else "map", {"colour": "blue"})
    kind = MERGE if method == "PATCH" else "application/json"
    await caller.ok(method, path, None if method == "DELETE" else body, kind=kind, dryRun="All")
    listed = await caller.ok("GET", MAPS)
    assert [one["metadata"] for one in listed["items"]] == [made["metadata"]]


async def test_a_full_disk_is_said_and_changes_nothing(tmp_path: Path) -> None:
    async with serving(tmp_path, 0) as (api, port), Caller.of(tmp_path, port) as caller:
        await caller.ok("POST", "/api/v1/namespaces", {"metadata": {"name": "work"}})
        connection: sqlite3.Connection = api.store._connection
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")
        answer = await caller.send("POST", MAPS, config_map(data={"large": "x" * 100_000}))
        assert (answer.status_code, answer.json()["reason"]) == (500, "InternalError")
        assert "full" in answer.json()["message"]
        assert (await caller.ok("GET", MAPS))["items"] == []
        connection.execute("PRAGMA max_page_count = 1000000")
        await caller.ok("POST", MAPS, config_map())


async def test_status_has_a_door_of_its_own(caller: Caller) -> None:
    made = await caller.ok("POST", DEPLOYMENTS, {**deployment(), "status": {"replicas": 7}})
    assert made["status"] == {}
    made["status"] = {"replicas": 1}
    made["spec"]["replicas"] = 5
    at_status = await caller.ok("PUT", f"{DEPLOYMENTS}/web/status", made)
    assert (at_status["spec"]["replicas"], at_status["status"], at_status["metadata"]["generation"]) == (
        *(1, {"replicas": 1}),
        1,
    )
    at_spec = await caller.ok("PATCH", f"{DEPLOYMENTS}/web", {"spec": {"replicas": 2}, "status": None}, kind=MERGE)
    assert (at_spec["status"], at_spec["metadata"]["generation"]) == ({"replicas": 1}, 2)
    owners = {
        (one["operation"], one.get("subresource", "")): one["fieldsV1"] for one in at_spec["metadata"]["managedFields"]
    }
    assert owners["Update", "status"] == {"f:status": {"f:replicas": {}}}
    assert "f:status" not in owners["Update", ""]


async def test_scale_changes_replicas_alone(caller: Caller) -> None:
    await caller.ok("POST", DEPLOYMENTS, deployment())
    scale = await caller.ok("PATCH", f"{DEPLOYMENTS}/web/scale", {"spec": {"replicas": 3}}, kind=MERGE)
    assert (scale["kind"], scale["spec"], scale["status"]["selector"]) == ("Scale", {"replicas": 3}, "app=web")
    assert (await caller.ok("GET", f"{DEPLOYMENTS}/web"))["spec"]["replicas"] == 3


async def test_a_pod_is_given_to_a_node_by_binding_alone(caller: Caller) -> None:
    await caller.ok("POST", PODS, pod())
    refused = await caller.send("PATCH", f"{PODS}/pod", {"spec": {"nodeName": "local"}}, kind=MERGE)
    assert refused.status_code == 422
    await caller.ok("POST", f"{PODS}/pod/binding", {"target": {"kind": "Node", "name": "local"}})
    bound = await caller.ok("GET", f"{PODS}/pod")
    assert bound["spec"]["nodeName"] == "local"
    assert [one["type"] for one in bound["status"]["conditions"]] == ["PodScheduled"]
    again = await caller.send("POST", f"{PODS}/pod/binding", {"target": {"kind": "Node", "name": "other"}})
    assert again.status_code == 409


@pytest.mark.parametrize(
    ("body", "kind", "code"),
    [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b"\xff", "application/json", 400),
        (b"", "application/json", 400),
        (b"k8s\x00nonsense", "application/vnd.kubernetes.protobuf", 400),
        (b'{"kind":"Secret","metadata":{"name":"x"}}', "application/json", 400),
        (b'{"metadata":[]}', "application/json", 400),
        (b'{"metadata":{"name":"x","labels":"none"}}', "application/json", 400),
        (b'{"metadata":{"name":"x"},"data":{"a":1}}', "application/json", 400),
        (b'{"metadata":{"name":"X"}}', "application/json", 422),
        (b'{"metadata":{}}', "application/json", 422),
    ],
)
async def test_what_is_no_object_is_refused(caller: Caller, body: bytes, kind: str, code: int) -> None:
    answer = await caller.http.post(MAPS, content=body, headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()["kind"]) == (code, "Status"), answer.text


@pytest.mark.parametrize(
    ("body", "kind", "code"),
    [
        (b"[]", "application/merge-patch+json", 400),
        (b'{"a":1}', "application/json-patch+json", 400),
        (b'[{"op":"test","path":"/data/colour","value":"blue"}]', "application/json-patch+json", 422),
        (b'[{"op":"remove","path":"/data/none"}]', "application/json-patch+json", 422),
        (b"{}", "text/plain", 415),
        (b"- a", "application/apply-patch+yaml", 400),
        (b"a: [", "application/apply-patch+yaml", 400),
        (b'{"metadata":null}', "application/merge-patch+json", 200),
        (b'{"metadata":{"labels":1}}', "application/merge-patch+json", 400),
        (b'{"metadata":{"ownerReferences":[{"name":"x"}]}}', "application/merge-patch+json", 422),
        (b'{"metadata":{"ownerReferences":["x"]}}', "application/merge-patch+json", 400),
    ],
)
async def test_what_is_no_patch_is_refused(caller: Caller, body: bytes, kind: str, code: int) -> None:
    await caller.ok("POST", MAPS, config_map())
    query = {"fieldManager": "tests"}
    answer = await caller.http.patch(f"{MAPS}/map", content=body, params=query, headers={"Content-Type": kind})
    assert answer.status_code == code, answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/apis/batch/v1/jobs",
        "/api/v2/pods",
        "/api/v1/namespaces/work/nothings",
        "/api/v1/namespaces/work/nodes",
        "/api/v1/pods/pod",
        "/nothing",
        "/openapi/v2",
        "/openapi/v3/apis/batch/v1",
        "/apis/batch",
    ],
)
async def test_what_is_not_served_is_404(caller: Caller, path: str) -> None:
    answer = await caller.send("GET", path)
    assert (answer.status_code, answer.text) == (404, "404 page not found\n")
