"""Resource quotas: what they refuse, how they say so, and what a Deployment makes of it."""

from __future__ import annotations

from typing import Any

from merlin.kube.kinds import POD, Manifest
from tests.contract.api import Api, address, ok, refusal
from tests.contract.objects import config_map, deployment, inference_service, pod
from tests.platform import until


def quota(namespace: str, **hard: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "few", "namespace": namespace},
        "spec": {"hard": {name.replace("__", "."): amount for name, amount in hard.items()}},
    }


def enforced(api: Api, manifest: Manifest) -> None:
    """Create the quota and wait until it is enforced: it is once its use was counted."""
    ok(api.create(manifest))

    def is_counted() -> bool:
        status = ok(api.get(address(manifest))).get("status", {})
        return bool(status.get("hard") == manifest["spec"]["hard"] and "used" in status)

    until(is_counted, 30, "the quota's use is counted")


def counted(api: Api, namespace: str, used: dict[str, str]) -> None:
    """Wait until that is used: what lets objects in may hear of a new quota after the first of them."""

    def is_used() -> bool:
        return bool(ok(api.get(address(quota(namespace))))["status"]["used"] == used)

    until(is_used, 30, "the quota tells what is used")


def has_account(api: Api, namespace: str) -> bool:
    """Pods are refused before their namespace has its default service account."""
    return api.get(f"/api/v1/namespaces/{namespace}/serviceaccounts/default").status_code == 200


def test_one_object_too_many_is_forbidden(api: Api, namespace: str) -> None:
    count = "count/inferenceservices.serving.kserve.io"
    enforced(api, {**quota(namespace), "spec": {"hard": {count: "1"}}})
    ok(api.apply(inference_service(namespace, "first", runtime="contract-no-such-runtime")))
    counted(api, namespace, {count: "1"})
    answer = api.apply(inference_service(namespace, "second"))
    assert refusal(answer) == (
        403,
        "Forbidden",
        f'inferenceservices.serving.kserve.io "second" is forbidden: exceeded quota: few, requested: {count}=1, '
        f"used: {count}=1, limited: {count}=1",
    )
    assert answer.json()["details"] == {"name": "second", "group": "serving.kserve.io", "kind": "inferenceservices"}


def test_what_a_pod_asks_for_is_counted(api: Api, namespace: str, idle_node: str) -> None:
    until(lambda: has_account(api, namespace), 30, "the default service account")
    enforced(api, quota(namespace, pods="5", requests__memory="20Mi"))
    ok(api.create(pod(namespace, "first", node=idle_node)))
    counted(api, namespace, {"pods": "1", "requests.memory": "16Mi"})
    answer = api.create(pod(namespace, "second", node=idle_node))
    assert refusal(answer) == (
        403,
        "Forbidden",
        'pods "second" is forbidden: exceeded quota: few, requested: requests.memory=16Mi, '
        "used: requests.memory=16Mi, limited: requests.memory=20Mi",
    )


def test_a_pod_that_does_not_say_what_it_asks_for_is_forbidden(api: Api, namespace: str, idle_node: str) -> None:
    until(lambda: has_account(api, namespace), 30, "the default service account")
    enforced(api, quota(namespace, requests__memory="20Mi"))
    manifest = pod(namespace, node=idle_node)
    del manifest["spec"]["containers"][0]["resources"]
    assert refusal(api.create(manifest)) == (
        403,
        "Forbidden",
        'pods "pod" is forbidden: failed quota: few: must specify requests.memory for: main',
    )


def test_a_dry_run_is_refused_as_well_and_counts_nothing(api: Api, namespace: str) -> None:
    enforced(api, {**quota(namespace), "spec": {"hard": {"count/secrets": "1"}}})
    assert api.create(secret(namespace, "dry"), dryRun="All").status_code == 201
    ok(api.create(secret(namespace, "real")))
    counted(api, namespace, {"count/secrets": "1"})
    assert refusal(api.create(secret(namespace, "more"), dryRun="All"))[:2] == (403, "Forbidden")


def secret(namespace: str, name: str) -> Manifest:
    return {**config_map(namespace, name, {}), "kind": "Secret"}


def test_a_deployment_over_the_quota_says_so(api: Api, namespace: str, idle_node: str) -> None:
    until(lambda: has_account(api, namespace), 30, "the default service account")
    enforced(api, quota(namespace, pods="1"))
    made = ok(api.create(deployment(namespace, replicas=2, node=idle_node)))

    def failure() -> Any:
        conditions = ok(api.get(address(made))).get("status", {}).get("conditions", [])
        return next((one for one in conditions if one["type"] == "ReplicaFailure"), None)

    found = until(failure, 60, "ReplicaFailure")
    assert (found["status"], found["reason"]) == ("True", "FailedCreate")
    assert "is forbidden: exceeded quota: few, requested: pods=1, used: pods=1, limited: pods=1" in found["message"]
    assert len(ok(api.get(POD.path(namespace)))["items"]) == 1
    events = until(lambda: _failed(api, namespace), 30, "an event FailedCreate")
    assert events[0]["involvedObject"]["kind"] == "ReplicaSet"
    assert "exceeded quota" in events[0]["message"]


def _failed(api: Api, namespace: str) -> list[Manifest]:
    path = f"/api/v1/namespaces/{namespace}/events"
    found: list[Manifest] = ok(api.get(path, fieldSelector="reason=FailedCreate"))["items"]
    return found
