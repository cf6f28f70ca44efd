"""Pods that a test plays the kubelet of, on an idle node."""

from __future__ import annotations

from typing import Any

from merlin.kube.kinds import POD, Manifest
from tests.contract.api import Api, address, ok

_THEN = "2026-01-01T00:00:00Z"


def pods_of(api: Api, namespace: str, **query: str) -> list[Manifest]:
    """The pods that are not leaving, oldest first."""
    found = ok(api.get(POD.path(namespace), **query))["items"]
    # The entries of a list do not say what they are.
    staying = [{**pod, "apiVersion": "v1", "kind": "Pod"} for pod in found if not is_leaving(pod)]
    return sorted(staying, key=lambda pod: (pod["metadata"]["creationTimestamp"], pod["metadata"]["name"]))


def say_ready(api: Api, pod: Manifest, address_of_pod: str, *, is_ready: bool = True) -> Manifest:
    """Write the status of a pod that runs and is ready, or is not."""
    conditions = [
        {"type": kind, "status": "True" if is_ready else "False", "lastTransitionTime": _THEN}
        for kind in ("Ready", "ContainersReady")
    ]
    name = pod["spec"]["containers"][0]["name"]
    container = {
        "name": name,
        "image": "example.test/nothing:1",
        "imageID": "x",
        "containerID": "test://x",
        "ready": is_ready,
        "started": True,
        "restartCount": 0,
        "state": {"running": {"startedAt": _THEN}},
    }
    status: dict[str, Any] = {
        "phase": "Running",
        "conditions": conditions,
        "containerStatuses": [container],
        "podIP": address_of_pod,
        "podIPs": [{"ip": address_of_pod}],
        "startTime": _THEN,
    }
    return ok(api.patch(address(pod) + "/status", {"status": status}))


def let_go(api: Api, namespace: str) -> None:
    """Let leaving pods go, as their kubelet does once the containers have ended."""
    for pod in ok(api.get(POD.path(namespace)))["items"]:
        if is_leaving(pod):
            api.delete(POD.path(namespace, pod["metadata"]["name"]), gracePeriodSeconds=0)


def is_leaving(pod: Manifest) -> bool:
    """Whether its deletion was asked for."""
    return "deletionTimestamp" in pod["metadata"]
