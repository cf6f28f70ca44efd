"""What must hold at every moment of a rollout, read from all states that were seen."""

from __future__ import annotations

import functools
from typing import Any

from merlin.localcluster.client import Manifest, Resource
from merlin.localcluster.controllers.kinds import DEPLOYMENTS, ENDPOINT_SLICES, PODS, REPLICA_SETS, SERVICES
from tests.localcluster.controllers.world import World, running

QUOTAS = Resource("v1", "resourcequotas")


def deployment(node: str, *, replicas: int = 1, version: str = "1", cpu: str = "10m", **spec: Any) -> Manifest:
    """A Deployment whose pods only the test's node can take."""
    container = {
        "name": "main",
        "image": f"example.test/web:{version}",
        "resources": {"requests": {"cpu": cpu, "memory": "16Mi"}, "limits": {"cpu": "2", "memory": "32Mi"}},
    }
    template = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [container], "nodeSelector": {"n": node}, "terminationGracePeriodSeconds": 5},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "template": template,
            **spec,
        },
    }


def is_complete(world: World, version: str, replicas: int) -> bool:
    found = world.one(DEPLOYMENTS, "web")
    counts = found["status"]
    image = found["spec"]["template"]["spec"]["containers"][0]["image"]
    return bool(
        image.endswith(f":{version}")
        and counts["observedGeneration"] == found["metadata"]["generation"]
        and counts["updatedReplicas"] == counts["replicas"] == counts["availableReplicas"] == replicas
        and len(world.all(PODS)) == replicas
    )


def image_of(pod: Manifest) -> str:
    return str(pod["spec"]["containers"][0]["image"])


def is_serving(pod: Manifest) -> bool:
    ready = [c["status"] for c in pod.get("status", {}).get("conditions", []) if c["type"] == "Ready"]
    return ready == ["True"] and "deletionTimestamp" not in pod["metadata"]


def moments(world: World, since: int) -> list[list[Manifest]]:
    """The pods there were, after each change of one from then on."""
    now: dict[str, Manifest] = {}
    seen: list[list[Manifest]] = []
    for index, item in enumerate(world.history):
        if item["kind"] == "Pod":
            now[item["metadata"]["uid"]] = item
            if "deletionTimestamp" in item["metadata"]:
                del now[item["metadata"]["uid"]]
            if index >= since:
                seen.append(list(now.values()))
    return seen


def wanted_pods(world: World, since: int) -> list[int]:
    """How many pods all ReplicaSets together asked for, after each change of one from then on."""
    now: dict[str, int] = {}
    seen: list[int] = []
    for index, item in enumerate(world.history):
        if item["kind"] == "ReplicaSet":
            now[item["metadata"]["uid"]] = item["spec"]["replicas"]
            if index >= since:
                seen.append(sum(now.values()))
    return seen


async def test_a_rolling_update_is_never_below_or_above_its_bounds(world: World, node: str) -> None:
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}}
    await world.apply(DEPLOYMENTS, deployment(node, replicas=4, strategy=rolling))
    await world.until(lambda: is_complete(world, "1", 4), "the first version is complete")
    since = len(world.history)
    await world.apply(DEPLOYMENTS, deployment(node, replicas=4, version="2", strategy=rolling))
    await world.until(lambda: is_complete(world, "2", 4), "the second version is complete")
    assert max(len(pods) for pods in moments(world, since)) <= 5
    assert min(sum(map(is_serving, pods)) for pods in moments(world, since)) >= 3


async def test_recreate_never_runs_two_versions_at_once(world: World, node: str) -> None:
    recreate = {"type": "Recreate"}
    await world.apply(DEPLOYMENTS, deployment(node, replicas=2, strategy=recreate))
    await world.until(lambda: is_complete(world, "1", 2), "the first version is complete")
    since = len(world.history)
    await world.apply(DEPLOYMENTS, deployment(node, replicas=2, version="2", strategy=recreate))
    await world.until(lambda: is_complete(world, "2", 2), "the second version is complete")
    for pods in moments(world, since):
        assert len({image_of(pod) for pod in pods}) <= 1


async def test_controllers_killed_in_the_middle_finish_after_a_restart(world: World, node: str) -> None:
    await world.apply(DEPLOYMENTS, deployment(node, replicas=3))
    await world.until(lambda: is_complete(world, "1", 3), "the first version is complete")
    since = len(world.history)
    await world.apply(DEPLOYMENTS, deployment(node, replicas=3, version="2"))

    def new_pods() -> int:
        return sum(image_of(pod).endswith(":2") for pod in world.all(PODS))

    for count in (1, 2):
        await world.until(functools.partial(lambda least: new_pods() >= least, count), f"{count} new pods")
        await world.stop()
        world.start()
    await world.until(lambda: is_complete(world, "2", 3), "the second version is complete")
    # Not the pods: one whose creation was under way may come on top for a moment, as with Kubernetes' own.
    assert max(wanted_pods(world, since)) <= 4
    assert min(sum(map(is_serving, pods)) for pods in moments(world, since)) >= 3
    assert len(world.all(REPLICA_SETS)) == 2


async def test_a_rollout_that_a_quota_refuses_says_so_and_goes_on_when_it_may(world: World, node: str) -> None:
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "small"},
        "spec": {"hard": {"pods": "1"}},
    }
    await world.apply(QUOTAS, quota)
    await world.until_read(QUOTAS, "small", lambda found: found.get("status", {}).get("hard"))
    await world.apply(DEPLOYMENTS, deployment(node, replicas=2))

    def refusal() -> str:
        conditions = world.one(DEPLOYMENTS, "web")["status"]["conditions"]
        return str(next(c["message"] for c in conditions if c["type"] == "ReplicaFailure"))

    message = await world.until(refusal, "ReplicaFailure")
    assert "exceeded quota: small, requested: pods=1, used: pods=1, limited: pods=1" in message
    (event,) = (await world.until(lambda: world.events("FailedCreate"), "the event"))[:1]
    assert event["message"].startswith("Error creating: pods ")
    await world.apply(QUOTAS, {**quota, "spec": {"hard": {"pods": "5"}}})
    await world.until(lambda: is_complete(world, "1", 2), "both pods run")
    conditions = world.one(DEPLOYMENTS, "web")["status"]["conditions"]
    assert not [c for c in conditions if c["type"] == "ReplicaFailure"]


async def test_a_pod_that_fits_nowhere_says_why_and_is_bound_when_there_is_room(world: World, node: str) -> None:
    await world.apply(DEPLOYMENTS, deployment(node, replicas=2, cpu="1500m"))

    def waiting() -> Manifest:
        return next(
            c
            for pod in world.all(PODS)
            for c in pod["status"].get("conditions", [])
            if (c["type"], c["status"]) == ("PodScheduled", "False")
        )

    found = await world.until(waiting, "a pod waits")
    assert found["reason"] == "Unschedulable"
    assert "Insufficient cpu" in found["message"]
    assert "nodes are available: " in found["message"]
    await world.until(lambda: world.events("FailedScheduling"), "the event")
    (bound,) = [pod for pod in world.all(PODS) if pod["spec"].get("nodeName")]
    await world.apply(DEPLOYMENTS, deployment(node, replicas=1, cpu="1500m"))
    # Not the one that runs is given up.
    await world.until(lambda: [p["metadata"]["uid"] for p in world.all(PODS)] == [bound["metadata"]["uid"]])


async def test_endpoints_are_ready_when_their_pods_are(world: World, node: str) -> None:
    def not_ready(pod: Manifest) -> dict[str, Any]:
        status = running(pod)
        status["conditions"][1]["status"] = "False"
        return status

    world.plays = lambda pod: [not_ready(pod)]
    port = {"name": "http", "protocol": "TCP", "port": 80, "targetPort": 8080}
    await world.apply(
        SERVICES,
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "web"},
            "spec": {"selector": {"app": "web"}, "ports": [port]},
        },
    )
    await world.apply(DEPLOYMENTS, deployment(node))

    def endpoint() -> dict[str, Any]:
        return dict(world.all(ENDPOINT_SLICES)[0]["endpoints"][0])

    found = await world.until(endpoint, "an endpoint")
    (pod,) = world.all(PODS)
    assert found["conditions"] == {"ready": False, "serving": False, "terminating": False}
    assert found["addresses"] == [pod["status"]["podIP"]]
    assert found["targetRef"]["uid"] == pod["metadata"]["uid"]
    patch = {"status": running(pod)}
    await world.client.patch_merge(PODS, world.namespace, pod["metadata"]["name"], patch, subresource="status")
    await world.until(lambda: endpoint()["conditions"]["ready"], "it is ready")
    labels = world.all(ENDPOINT_SLICES)[0]["metadata"]["labels"]
    assert labels["kubernetes.io/service-name"] == "web"
