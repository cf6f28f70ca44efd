"""ReplicaSets: as many pods as asked for, no more, no fewer."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from merlin.localcluster.client import Forbidden, Invalid, KubeClient, KubeError, Manifest, NotFound
from merlin.localcluster.controllers import clock
from merlin.localcluster.controllers.cache import Cache
from merlin.localcluster.controllers.index import Index, by_owner
from merlin.localcluster.controllers.kinds import PODS, REPLICA_SETS
from merlin.localcluster.controllers.labels import selects
from merlin.localcluster.controllers.ownership import controller_of, owned_by
from merlin.localcluster.controllers.recorder import EventLog
from merlin.localcluster.controllers.rollout import replicas_of
from merlin.localcluster.informer import Key
from merlin.localcluster.workqueue import Workqueue

_PHASES: Final = {"Pending": 0, "Unknown": 1, "Running": 2}


class ReplicaSetController:
    """Makes and deletes pods. It counts what it has just made itself, so it never makes one twice."""

    def __init__(self, client: KubeClient, cache: Cache, events: EventLog) -> None:
        self._client = client
        self._recorder = events.recorder("replicaset-controller")
        self._sets = cache.of(REPLICA_SETS)
        self._pods = cache.of(PODS)
        self._pods_by_owner = Index(self._pods, by_owner)
        self._queue: Workqueue[Key] = Workqueue("replicaset", self.reconcile)
        self._sets.subscribe(lambda before, now: self._add(now))
        self._pods.subscribe(lambda before, now: self._add_owner(now or before))

    async def run(self) -> None:
        """Reconcile until cancelled. The cache must be complete."""
        await self._queue.run()

    def _add(self, replica_set: Manifest | None) -> None:
        if replica_set is not None:
            self._queue.add((replica_set["metadata"]["namespace"], replica_set["metadata"]["name"]))

    def _add_owner(self, pod: Manifest | None) -> None:
        owner = controller_of(pod, "ReplicaSet") if pod is not None else None
        if pod is not None and owner is not None:
            self._queue.add((pod["metadata"]["namespace"], owner["name"]))

    async def reconcile(self, key: Key) -> float | None:
        """Create or delete what is missing or too much, and write the status.

        Raises what a refused creation raised, once the status tells of it: the queue tries again, later and later.
        """
        replica_set = self._sets.store.get(key)
        if replica_set is None:
            return None
        pods = self._pods_of(replica_set)
        refused: KubeError | None = None
        if "deletionTimestamp" not in replica_set["metadata"]:
            missing = replicas_of(replica_set) - len(pods)
            if missing > 0:
                refused = await self._create(replica_set, missing)
            elif missing < 0:
                await self._delete(replica_set, pods, -missing)
            pods = self._pods_of(replica_set)
        await self._report(replica_set, pods, refused)
        if refused is not None:
            raise refused
        return self._seconds_to_availability(replica_set, pods)

    async def _create(self, replica_set: Manifest, missing: int) -> KubeError | None:
        """Make pods until all are there, or one is refused (then so would the others be)."""
        for _ in range(missing):
            try:
                pod = await self._client.create(PODS, _new_pod(replica_set))
            except (Forbidden, Invalid) as error:
                message = f"Error creating: {error.message}"
                self._recorder.warning(replica_set, "FailedCreate", message, same=True)
                return error
            self._pods.note(pod)
            message = f"Created pod: {pod['metadata']['name']}"
            self._recorder.normal(replica_set, "SuccessfulCreate", message)
        return None

    async def _delete(self, replica_set: Manifest, pods: Sequence[Manifest], surplus: int) -> None:
        for pod in sorted(pods, key=_worth)[:surplus]:
            metadata = pod["metadata"]
            try:
                answer = await self._client.delete(PODS, metadata["namespace"], metadata["name"], uid=metadata["uid"])
            except NotFound:
                continue
            if answer.get("kind") == "Pod" and "deletionTimestamp" in answer["metadata"]:
                self._pods.note(answer)
            message = f"Deleted pod: {metadata['name']}"
            self._recorder.normal(replica_set, "SuccessfulDelete", message)

    async def _report(self, replica_set: Manifest, pods: Sequence[Manifest], refused: KubeError | None) -> None:
        before = replica_set.get("status") or {}
        status = _status(replica_set, pods, refused)
        if {"replicas": 0, **before} == status:
            return
        try:
            answer = await self._client.update_status(REPLICA_SETS, {**replica_set, "status": status})
        except NotFound:
            return
        self._sets.note(answer)

    def _pods_of(self, replica_set: Manifest) -> list[Manifest]:
        """Its pods that are to stay: neither being deleted nor ended."""
        return [pod for pod in self._pods_by_owner.of(replica_set["metadata"]["uid"]) if _is_active(pod)]

    def _seconds_to_availability(self, replica_set: Manifest, pods: Sequence[Manifest]) -> float | None:
        wait = int(replica_set["spec"].get("minReadySeconds") or 0)
        if not wait:
            return None
        due = [clock.parsed(since) + timedelta(seconds=wait) for pod in pods if (since := _ready_since(pod))]
        ahead = [(at - clock.now()).total_seconds() for at in due if at > clock.now()]
        return min(ahead) + 0.01 if ahead else None


def _new_pod(replica_set: Manifest) -> Manifest:
    template = copy.deepcopy(replica_set["spec"]["template"])
    metadata = template.get("metadata") or {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": f"{replica_set['metadata']['name']}-",
            "namespace": replica_set["metadata"]["namespace"],
            "labels": metadata.get("labels") or {},
            "annotations": metadata.get("annotations") or {},
            "ownerReferences": [owned_by(replica_set)],
        },
        "spec": template["spec"],
    }


def _status(replica_set: Manifest, pods: Sequence[Manifest], refused: KubeError | None) -> dict[str, Any]:
    ready = [pod for pod in pods if _ready_since(pod)]
    wait = timedelta(seconds=int(replica_set["spec"].get("minReadySeconds") or 0))
    available = [pod for pod in ready if clock.parsed(_ready_since(pod)) + wait <= clock.now() or not wait]
    labels = replica_set["spec"]["template"]["metadata"].get("labels") or {}
    counts = {
        "fullyLabeledReplicas": sum(1 for p in pods if selects({"matchLabels": labels}, p["metadata"].get("labels"))),
        "readyReplicas": len(ready),
        "availableReplicas": len(available),
        "observedGeneration": replica_set["metadata"].get("generation", 1),
    }
    status: dict[str, Any] = {"replicas": len(pods), **{name: count for name, count in counts.items() if count}}
    if conditions := _conditions(replica_set, refused):
        status["conditions"] = conditions
    return status


def _conditions(replica_set: Manifest, refused: KubeError | None) -> list[dict[str, Any]]:
    stored: list[dict[str, Any]] = list((replica_set.get("status") or {}).get("conditions") or [])
    if refused is None:
        return [c for c in stored if c["type"] != "ReplicaFailure"]
    if any(c["type"] == "ReplicaFailure" for c in stored):
        # A retry names another pod; that is no news.
        return stored
    failure = {
        "type": "ReplicaFailure",
        "status": "True",
        "lastTransitionTime": clock.stamp(),
        "reason": "FailedCreate",
        "message": refused.message,
    }
    return [*stored, failure]


def _worth(pod: Manifest) -> tuple[Any, ...]:
    """The order in which pods are given up: unbound, not started, not ready, often restarted, youngest."""
    status = pod.get("status") or {}
    since = _ready_since(pod)
    restarts = sum(int(c.get("restartCount") or 0) for c in status.get("containerStatuses") or [])
    return (
        bool(pod["spec"].get("nodeName")),
        _PHASES.get(status.get("phase", "Pending"), 0),
        bool(since),
        -_seconds(since),
        -restarts,
        -_seconds(pod["metadata"].get("creationTimestamp", "")),
        pod["metadata"]["name"],
    )


def _seconds(text: str) -> float:
    return clock.parsed(text).timestamp() if text else 0.0


def _is_active(pod: Manifest) -> bool:
    phase = (pod.get("status") or {}).get("phase")
    return phase not in ("Succeeded", "Failed") and "deletionTimestamp" not in pod["metadata"]


def _ready_since(pod: Manifest) -> str:
    """Since when the pod is ready; nothing if it is not."""
    for condition in (pod.get("status") or {}).get("conditions") or []:
        if condition["type"] == "Ready" and condition["status"] == "True":
            return str(condition.get("lastTransitionTime") or pod["metadata"]["creationTimestamp"])
    return ""
