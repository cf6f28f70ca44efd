"""HorizontalPodAutoscalers: kept, and their bounds enforced. Nothing measures load on one machine: the minimum runs."""

from __future__ import annotations

from typing import Any

from merlin.localcluster.client import KubeClient, Manifest
from merlin.localcluster.controllers import clock
from merlin.localcluster.controllers.cache import Cache
from merlin.localcluster.controllers.index import Index, by_namespace
from merlin.localcluster.controllers.kinds import AUTOSCALERS, DEPLOYMENTS
from merlin.localcluster.controllers.rollout import counted, replicas_of
from merlin.localcluster.informer import Key
from merlin.localcluster.workqueue import Workqueue


class AutoscalerController:
    """Scales a Deployment that is outside the bounds of its autoscaler to the nearest of them."""

    def __init__(self, client: KubeClient, cache: Cache) -> None:
        self._client = client
        self._autoscalers = cache.of(AUTOSCALERS)
        self._deployments = cache.of(DEPLOYMENTS)
        self._in = Index(self._autoscalers, by_namespace)
        self._queue: Workqueue[Key] = Workqueue("horizontalpodautoscaler", self.reconcile)
        self._autoscalers.subscribe(lambda before, now: self._add(now))
        self._deployments.subscribe(lambda before, now: self._add_targeting(now))

    async def run(self) -> None:
        """Reconcile until cancelled. The cache must be complete."""
        await self._queue.run()

    def _add(self, autoscaler: Manifest | None) -> None:
        if autoscaler is not None:
            self._queue.add((autoscaler["metadata"]["namespace"], autoscaler["metadata"]["name"]))

    def _add_targeting(self, deployment: Manifest | None) -> None:
        if deployment is not None:
            for autoscaler in self._in.of(by_namespace(deployment)):
                self._add(autoscaler)

    async def reconcile(self, key: Key) -> None:
        """Bring the target within bounds, and tell."""
        autoscaler = self._autoscalers.store.get(key)
        if autoscaler is None or "deletionTimestamp" in autoscaler["metadata"]:
            return
        spec = autoscaler["spec"]
        target = spec["scaleTargetRef"]
        deployment = self._deployments.get(key[0], target["name"]) if target["kind"] == "Deployment" else None
        if deployment is None or "deletionTimestamp" in deployment["metadata"]:
            return
        have = replicas_of(deployment)
        wanted = min(max(have, int(spec.get("minReplicas") or 1)), int(spec["maxReplicas"]))
        # Zero is switched off by hand.
        if have not in (wanted, 0):
            patch = {"spec": {"replicas": wanted}}
            answer = await self._client.patch_merge(DEPLOYMENTS, key[0], target["name"], patch)
            self._deployments.note(answer)
        await self._report(autoscaler, deployment, wanted)

    async def _report(self, autoscaler: Manifest, deployment: Manifest, wanted: int) -> None:
        before = autoscaler.get("status") or {}
        status: dict[str, Any] = {
            "currentReplicas": counted(deployment, "replicas"),
            "desiredReplicas": wanted,
            "observedGeneration": autoscaler["metadata"].get("generation", 1),
            "conditions": before.get("conditions") or [_not_measuring()],
        }
        comparable = {key: before.get(key, 0 if key != "conditions" else None) for key in status}
        if comparable != status:
            answer = await self._client.update_status(AUTOSCALERS, {**autoscaler, "status": status})
            self._autoscalers.note(answer)


def _not_measuring() -> dict[str, Any]:
    return {
        "type": "ScalingActive",
        "status": "False",
        "reason": "FailedGetResourceMetric",
        "message": "no metrics are collected on this machine: the minimum number of replicas runs",
        "lastTransitionTime": clock.stamp(),
    }
