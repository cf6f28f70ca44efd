"""Deployments and their pods; the tests play the kubelet."""

from __future__ import annotations

from typing import Any

from merlin.kube.kinds import POD, Manifest
from tests.contract.api import REPLICA_SET, Api, address, ok
from tests.contract.objects import deployment
from tests.contract.pods import let_go, pods_of, say_ready
from tests.platform import until

SECONDS = 30.0


def status_of(api: Api, manifest: Manifest) -> dict[str, Any]:
    status: dict[str, Any] = ok(api.get(address(manifest))).get("status", {})
    return status


def condition(api: Api, manifest: Manifest, kind: str) -> dict[str, Any]:
    conditions = status_of(api, manifest).get("conditions", [])
    return next((one for one in conditions if one["type"] == kind), {})


def pods(api: Api, namespace: str, count: int) -> list[Manifest]:
    """The pods, once there are that many."""
    until(lambda: len(pods_of(api, namespace)) == count, SECONDS, f"{count} pods")
    return pods_of(api, namespace)


def running(api: Api, namespace: str, node: str, replicas: int = 1, **spec: Any) -> Manifest:
    """A Deployment with all its pods ready."""
    manifest = deployment(namespace, replicas=replicas, node=node)
    manifest["spec"].update(spec)
    made = ok(api.create(manifest))
    for number, pod in enumerate(pods(api, namespace, replicas)):
        say_ready(api, pod, f"10.99.0.{number + 1}")
    until(lambda: status_of(api, made).get("availableReplicas") == replicas, SECONDS, "all pods are available")
    return made


def redeploy(api: Api, made: Manifest, image: str = "example.test/nothing:2") -> Manifest:
    """Another image, so other pods."""
    steps = [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": image}]
    return ok(api.patch(address(made), steps, "application/json-patch+json"))


def images(found: list[Manifest]) -> list[str]:
    return sorted(pod["spec"]["containers"][0]["image"] for pod in found)


def test_a_deployment_makes_a_replica_set_and_that_its_pods(api: Api, namespace: str, idle_node: str) -> None:
    made = ok(api.create(deployment(namespace, replicas=2, node=idle_node)))
    found = pods(api, namespace, 2)
    (replica_set,) = ok(api.get(REPLICA_SET.path(namespace)))["items"]
    hashed = replica_set["metadata"]["labels"]["pod-template-hash"]
    assert replica_set["metadata"]["name"] == f"web-{hashed}"
    assert replica_set["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "1"
    (reference,) = replica_set["metadata"]["ownerReferences"]
    assert (reference["kind"], reference["uid"]) == ("Deployment", made["metadata"]["uid"])
    assert (reference["controller"], reference["blockOwnerDeletion"]) == (True, True)
    for pod in found:
        assert pod["metadata"]["name"].startswith(f"web-{hashed}-")
        assert pod["metadata"]["labels"] == {"app": "web", "pod-template-hash": hashed}
        assert pod["metadata"]["ownerReferences"][0]["uid"] == replica_set["metadata"]["uid"]


def test_its_status_follows_its_pods(api: Api, namespace: str, idle_node: str) -> None:
    made = ok(api.create(deployment(namespace, node=idle_node)))
    (pod,) = pods(api, namespace, 1)
    until(lambda: status_of(api, made).get("unavailableReplicas") == 1, SECONDS, "its pod is not available")
    assert condition(api, made, "Available")["reason"] == "MinimumReplicasUnavailable"
    say_ready(api, pod, "10.99.0.1")
    until(lambda: status_of(api, made).get("availableReplicas") == 1, SECONDS, "its pod is available")
    status = status_of(api, made)
    assert (status["replicas"], status["updatedReplicas"], status["readyReplicas"]) == (1, 1, 1)
    assert status["observedGeneration"] == 1
    assert "unavailableReplicas" not in status
    assert condition(api, made, "Available")["status"] == "True"
    until(
        lambda: condition(api, made, "Progressing")["reason"] == "NewReplicaSetAvailable",
        SECONDS,
        "the rollout is complete",
    )
    say_ready(api, pod, "10.99.0.1", is_ready=False)
    until(lambda: condition(api, made, "Available").get("status") == "False", SECONDS, "not available any more")
    assert condition(api, made, "Progressing")["reason"] == "NewReplicaSetAvailable"


def test_the_generation_is_observed(api: Api, namespace: str, idle_node: str) -> None:
    made = running(api, namespace, idle_node)
    changed = redeploy(api, made)
    assert changed["metadata"]["generation"] == 2
    until(lambda: status_of(api, made)["observedGeneration"] == 2, SECONDS, "the generation is observed")


def test_a_rolling_update_brings_the_new_pod_before_the_old_one_goes(api: Api, namespace: str, idle_node: str) -> None:
    made = running(api, namespace, idle_node)
    redeploy(api, made)
    old, new = sorted(pods(api, namespace, 2), key=lambda pod: pod["spec"]["containers"][0]["image"])
    assert images([old, new]) == ["example.test/nothing:1", "example.test/nothing:2"]
    until(lambda: status_of(api, made).get("updatedReplicas") == 1, SECONDS, "the new pod is counted")
    assert status_of(api, made)["availableReplicas"] == 1
    say_ready(api, new, "10.99.0.9")
    until(lambda: pods_of(api, namespace) and images(pods_of(api, namespace)) == ["example.test/nothing:2"], SECONDS)
    let_go(api, namespace)
    until(lambda: status_of(api, made).get("replicas") == 1, SECONDS, "one pod is left")
    sets = ok(api.get(REPLICA_SET.path(namespace)))["items"]
    by_revision = {one["metadata"]["annotations"]["deployment.kubernetes.io/revision"]: one for one in sets}
    assert {revision: one["spec"]["replicas"] for revision, one in by_revision.items()} == {"1": 0, "2": 1}


def test_an_update_that_never_gets_ready_leaves_the_old_pod_alone(api: Api, namespace: str, idle_node: str) -> None:
    made = running(api, namespace, idle_node, progressDeadlineSeconds=1)
    redeploy(api, made)
    pods(api, namespace, 2)
    until(
        lambda: condition(api, made, "Progressing").get("reason") == "ProgressDeadlineExceeded", SECONDS, "its deadline"
    )
    progressing = condition(api, made, "Progressing")
    assert progressing["status"] == "False"
    assert progressing["message"].endswith("has timed out progressing.")
    assert status_of(api, made)["availableReplicas"] == 1
    assert images(pods_of(api, namespace)) == ["example.test/nothing:1", "example.test/nothing:2"]
    redeploy(api, made, "example.test/nothing:1")
    until(lambda: images(pods_of(api, namespace)) == ["example.test/nothing:1"], SECONDS, "back to the old image")
    assert status_of(api, made)["availableReplicas"] == 1


def test_recreate_ends_the_old_pod_first(api: Api, namespace: str, idle_node: str) -> None:
    made = running(api, namespace, idle_node, strategy={"type": "Recreate"})
    version = ok(api.get(POD.path(namespace)))["metadata"]["resourceVersion"]
    with api.watch(POD.path(namespace), resourceVersion=version, timeoutSeconds=int(SECONDS)) as events:
        redeploy(api, made)
        seen = next(event for event in events if event["type"] in {"ADDED", "DELETED"})
        assert (seen["type"], images([seen["object"]])) == ("DELETED", ["example.test/nothing:1"])
    (new,) = pods(api, namespace, 1)
    assert images([new]) == ["example.test/nothing:2"]


def test_more_replicas_keep_the_pods_there_are(api: Api, namespace: str, idle_node: str) -> None:
    made = running(api, namespace, idle_node)
    (before,) = pods_of(api, namespace)
    ok(api.patch(address(made), {"spec": {"replicas": 3}}))
    after = {pod["metadata"]["uid"] for pod in pods(api, namespace, 3)}
    assert before["metadata"]["uid"] in after
    assert len(ok(api.get(REPLICA_SET.path(namespace)))["items"]) == 1


def test_fewer_replicas_end_those_that_are_not_ready_first(api: Api, namespace: str, idle_node: str) -> None:
    made = running(api, namespace, idle_node)
    (ready,) = pods_of(api, namespace)
    ok(api.patch(address(made), {"spec": {"replicas": 2}}))
    pods(api, namespace, 2)
    ok(api.patch(address(made), {"spec": {"replicas": 1}}))
    (left,) = pods(api, namespace, 1)
    assert left["metadata"]["uid"] == ready["metadata"]["uid"]


def test_a_pod_that_is_lost_is_replaced(api: Api, namespace: str, idle_node: str) -> None:
    running(api, namespace, idle_node)
    (pod,) = pods_of(api, namespace)
    ok(api.delete(address(pod), gracePeriodSeconds=0))
    (new,) = pods(api, namespace, 1)
    assert new["metadata"]["uid"] != pod["metadata"]["uid"]


def test_a_label_on_the_deployment_makes_no_new_pods(api: Api, namespace: str, idle_node: str) -> None:
    made = running(api, namespace, idle_node)
    (before,) = pods_of(api, namespace)
    ok(api.patch(address(made), {"metadata": {"labels": {"other": "yes"}}, "spec": {"progressDeadlineSeconds": 300}}))
    until(lambda: status_of(api, made)["observedGeneration"] == 2, SECONDS, "the generation is observed")
    assert [pod["metadata"]["uid"] for pod in pods_of(api, namespace)] == [before["metadata"]["uid"]]


def test_its_doings_are_told_as_events(api: Api, namespace: str, idle_node: str) -> None:
    running(api, namespace, idle_node)
    path = f"/api/v1/namespaces/{namespace}/events"

    def told() -> dict[str, str]:
        found = ok(api.get(path))["items"]
        return {event["reason"]: event["message"] for event in found}

    until(lambda: {"ScalingReplicaSet", "SuccessfulCreate"} <= told().keys(), SECONDS, "events")
    reasons = told()
    assert reasons["ScalingReplicaSet"].startswith("Scaled up replica set web-")
    assert reasons["SuccessfulCreate"].startswith("Created pod: web-")
