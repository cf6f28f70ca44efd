"""Pods that fit on no node say so; pods that fit are bound to one that takes them."""

from __future__ import annotations

from typing import Any

from merlin.kube.kinds import Manifest
from tests.contract.api import Api, address, ok
from tests.contract.objects import pod
from tests.contract.test_quota import has_account
from tests.platform import until


def scheduled(api: Api, manifest: Manifest) -> dict[str, Any]:
    conditions = ok(api.get(address(manifest))).get("status", {}).get("conditions", [])
    return next((one for one in conditions if one["type"] == "PodScheduled"), {})


def test_a_pod_that_asks_for_too_much_is_unschedulable(api: Api, namespace: str) -> None:
    until(lambda: has_account(api, namespace), 30, "the default service account")
    manifest = pod(namespace)
    manifest["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "9000"}}
    ok(api.create(manifest))
    found = until(lambda: scheduled(api, manifest), 30, "a verdict")
    assert (found["status"], found["reason"]) == ("False", "Unschedulable")
    assert "nodes" in found["message"]
    path = f"/api/v1/namespaces/{namespace}/events"

    def told() -> list[Manifest]:
        items: list[Manifest] = ok(api.get(path, fieldSelector="reason=FailedScheduling"))["items"]
        return items

    event = until(told, 30, "an event FailedScheduling")[0]
    assert event["type"] == "Warning"
    assert (event["involvedObject"]["kind"], event["involvedObject"]["name"]) == ("Pod", "pod")
    assert event["message"] == found["message"]
    assert ok(api.get(address(manifest)))["status"]["phase"] == "Pending"
