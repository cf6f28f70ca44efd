"""Deployments: one ReplicaSet per pod template, and the way from the old one to the new."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Sequence
from typing import Any, Final

from merlin.localcluster.client import AlreadyExists, KubeClient, Manifest, NotFound
from merlin.localcluster.controllers import clock
from merlin.localcluster.controllers.cache import Cache
from merlin.localcluster.controllers.deployment_status import (
    is_complete,
    seconds_to_deadline,
    status_of,
    with_condition,
)
from merlin.localcluster.controllers.index import Index, by_owner
from merlin.localcluster.controllers.kinds import DEPLOYMENTS, PODS, REPLICA_SETS
from merlin.localcluster.controllers.ownership import belongs_to, controller_of, owned_by
from merlin.localcluster.controllers.recorder import EventLog
from merlin.localcluster.controllers.rollout import (
    Bounds,
    bounds_of,
    counted,
    next_scales,
    proportional_scales,
    replicas_of,
)
from merlin.localcluster.informer import Key
from merlin.localcluster.workqueue import Workqueue

HASH: Final = "pod-template-hash"
REVISION: Final = "deployment.kubernetes.io/revision"
DESIRED: Final = "deployment.kubernetes.io/desired-replicas"
MOST: Final = "deployment.kubernetes.io/max-replicas"

_NOT_COPIED: Final = {REVISION, DESIRED, MOST, "kubectl.kubernetes.io/last-applied-configuration"}
# The alphabet of Kubernetes' generated names: no vowels, so no words.
_ALPHABET: Final = "bcdfghjklmnpqrstvwxz2456789"


class DeploymentController:
    """Makes every Deployment's ReplicaSets what its strategy allows, step by step."""

    def __init__(self, client: KubeClient, cache: Cache, events: EventLog) -> None:
        self._client = client
        self._recorder = events.recorder("deployment-controller")
        self._deployments = cache.of(DEPLOYMENTS)
        self._sets = cache.of(REPLICA_SETS)
        self._pods = cache.of(PODS)
        self._sets_by_owner = Index(self._sets, by_owner)
        self._pods_by_owner = Index(self._pods, by_owner)
        self._queue: Workqueue[Key] = Workqueue("deployment", self.reconcile)
        self._deployments.subscribe(lambda before, now: self._add(now))
        self._sets.subscribe(lambda before, now: self._add_owner(now or before))
        self._pods.subscribe(self._pod_changed)

    async def run(self) -> None:
        """Reconcile until cancelled. The cache must be complete."""
        await self._queue.run()

    def _add(self, deployment: Manifest | None) -> None:
        if deployment is not None:
            self._queue.add((deployment["metadata"]["namespace"], deployment["metadata"]["name"]))

    def _add_owner(self, replica_set: Manifest | None) -> None:
        owner = controller_of(replica_set, "Deployment") if replica_set is not None else None
        if replica_set is not None and owner is not None:
            self._queue.add((replica_set["metadata"]["namespace"], owner["name"]))

    def _pod_changed(self, before: Manifest | None, now: Manifest | None) -> None:
        # Only Recreate waits for pods to be gone.
        if before is None or now is not None:
            return
        owner = controller_of(before, "ReplicaSet")
        if owner is not None:
            self._add_owner(self._sets.get(before["metadata"]["namespace"], owner["name"]))

    async def reconcile(self, key: Key) -> float | None:
        """One step of the rollout, and the status; the ReplicaSets' answers bring the next."""
        deployment = self._deployments.store.get(key)
        if deployment is None or "deletionTimestamp" in deployment["metadata"]:
            return None
        bounds = bounds_of(deployment)
        old = self._sets_of(deployment)
        new = self._new_among(deployment, old)
        old = [r for r in old if new is None or r["metadata"]["uid"] != new["metadata"]["uid"]]
        conditions = list((deployment.get("status") or {}).get("conditions") or [])
        if deployment["spec"].get("paused") or self._was_scaled(deployment, [*old, *([new] if new else [])]):
            scaled = await self._scale(deployment, bounds, proportional_scales(bounds, [*old, *([new] if new else [])]))
            old, new = _updated(old, scaled), _updated([new], scaled)[0] if new else None
        elif _is_recreate(deployment):
            old, new, conditions = await self._recreate(deployment, bounds, old, new, conditions)
        else:
            new, conditions = await self._ensure_new(deployment, bounds, old, new, conditions)
            scaled = await self._scale(deployment, bounds, next_scales(bounds, new, old))
            old, new = _updated(old, scaled), _updated([new], scaled)[0]
        return await self._report(deployment, bounds, old, new, conditions)

    async def _recreate(
        self,
        deployment: Manifest,
        bounds: Bounds,
        old: list[Manifest],
        new: Manifest | None,
        conditions: list[dict[str, Any]],
    ) -> tuple[list[Manifest], Manifest | None, list[dict[str, Any]]]:
        """No new pod before the last old one is gone."""
        scaled = await self._scale(deployment, bounds, {r["metadata"]["name"]: 0 for r in old if replicas_of(r) > 0})
        old = _updated(old, scaled)
        if any(counted(r, "replicas") for r in old) or self._has_pods(old):
            return old, new, conditions
        new, conditions = await self._ensure_new(deployment, bounds, old, new, conditions)
        if replicas_of(new) != bounds.wanted:
            scaled = await self._scale(deployment, bounds, {new["metadata"]["name"]: bounds.wanted})
            new = _updated([new], scaled)[0]
        return old, new, conditions

    async def _ensure_new(
        self,
        deployment: Manifest,
        bounds: Bounds,
        old: Sequence[Manifest],
        new: Manifest | None,
        conditions: list[dict[str, Any]],
    ) -> tuple[Manifest, list[dict[str, Any]]]:
        """The ReplicaSet of the template as it is, made if absent; its revision stands on it and on the Deployment."""
        revision = 1 + max((_revision(r) for r in old), default=0)
        if new is None:
            new = await self._create(deployment, bounds, old, revision)
            text = f'Created new replica set "{new["metadata"]["name"]}"'
            conditions = with_condition(conditions, "Progressing", "True", "NewReplicaSetCreated", text)
        else:
            revision = max(revision, _revision(new))
            new = await self._annotate(deployment, bounds, new, revision)
            if not any(c["type"] == "Progressing" for c in conditions):
                text = f'Found new replica set "{new["metadata"]["name"]}"'
                conditions = with_condition(conditions, "Progressing", "True", "FoundNewReplicaSet", text)
        if (deployment["metadata"].get("annotations") or {}).get(REVISION) != str(revision):
            metadata = deployment["metadata"]
            patch = {"metadata": {"annotations": {REVISION: str(revision)}}}
            answer = await self._client.patch_merge(DEPLOYMENTS, metadata["namespace"], metadata["name"], patch)
            self._deployments.note(answer)
        return new, conditions

    async def _create(self, deployment: Manifest, bounds: Bounds, old: Sequence[Manifest], revision: int) -> Manifest:
        for collisions in range(10):
            manifest = _new_set(deployment, bounds, old, revision, collisions)
            try:
                made = await self._client.create(REPLICA_SETS, manifest)
            except AlreadyExists:
                metadata = manifest["metadata"]
                there = await self._client.get(REPLICA_SETS, metadata["namespace"], metadata["name"])
                if belongs_to(there, deployment) and _template(there) == _template(manifest):
                    # Made before by us: the informer has not told yet.
                    self._sets.note(there)
                    return there
                continue
            self._sets.note(made)
            self._said_scaled(deployment, made, 0)
            return made
        raise RuntimeError(f"no free name for a ReplicaSet of {deployment['metadata']['name']}")

    async def _annotate(self, deployment: Manifest, bounds: Bounds, new: Manifest, revision: int) -> Manifest:
        wanted = _annotations(deployment, bounds, revision)
        have = new["metadata"].get("annotations") or {}
        if all(have.get(key) == value for key, value in wanted.items()):
            return new
        metadata = new["metadata"]
        answer = await self._client.patch_merge(
            REPLICA_SETS, metadata["namespace"], metadata["name"], {"metadata": {"annotations": wanted}}
        )
        self._sets.note(answer)
        return answer

    async def _scale(self, deployment: Manifest, bounds: Bounds, scales: dict[str, int]) -> dict[str, Manifest]:
        scaled: dict[str, Manifest] = {}
        for name, count in scales.items():
            namespace = deployment["metadata"]["namespace"]
            before = self._sets.store[namespace, name]
            patch = {
                "metadata": {
                    "resourceVersion": before["metadata"]["resourceVersion"],
                    "annotations": {DESIRED: str(bounds.wanted), MOST: str(bounds.most)},
                },
                "spec": {"replicas": count},
            }
            scaled[name] = await self._client.patch_merge(REPLICA_SETS, namespace, name, patch)
            self._sets.note(scaled[name])
            self._said_scaled(deployment, scaled[name], replicas_of(before))
        return scaled

    def _said_scaled(self, deployment: Manifest, replica_set: Manifest, before: int) -> None:
        count = replicas_of(replica_set)
        if count != before:
            way = "up" if count > before else "down"
            name = replica_set["metadata"]["name"]
            message = f"Scaled {way} replica set {name} from {before} to {count}"
            self._recorder.normal(deployment, "ScalingReplicaSet", message)

    async def _report(
        self,
        deployment: Manifest,
        bounds: Bounds,
        old: list[Manifest],
        new: Manifest | None,
        conditions: list[dict[str, Any]],
    ) -> float | None:
        """Write the status if it changed; after how many seconds the progress deadline has to be looked at."""
        status = status_of(deployment, bounds, new, [*old, *([new] if new else [])], conditions)
        metadata = deployment["metadata"]
        # The annotation may have been written since.
        current = self._deployments.get(metadata["namespace"], metadata["name"]) or deployment
        if status != (deployment.get("status") or {}):
            if current["metadata"].get("generation") != metadata.get("generation"):
                return 0.0
            current = await self._client.update_status(DEPLOYMENTS, {**current, "status": status})
            self._deployments.note(current)
        elif is_complete(bounds, status):
            await self._forget_old(deployment, old)
        return seconds_to_deadline(current, clock.now())

    async def _forget_old(self, deployment: Manifest, old: Sequence[Manifest]) -> None:
        limit = int(deployment["spec"].get("revisionHistoryLimit", 10))
        idle = [r for r in old if replicas_of(r) == counted(r, "replicas") == 0 and _is_observed(r)]
        for replica_set in sorted(idle, key=_revision)[: max(0, len(idle) - limit)]:
            metadata = replica_set["metadata"]
            try:
                await self._client.delete(
                    REPLICA_SETS, metadata["namespace"], metadata["name"], uid=metadata["uid"], propagation="Background"
                )
            except NotFound:
                continue

    def _sets_of(self, deployment: Manifest) -> list[Manifest]:
        owned = self._sets_by_owner.of(deployment["metadata"]["uid"])
        return [item for item in owned if "deletionTimestamp" not in item["metadata"]]

    def _new_among(self, deployment: Manifest, sets: Sequence[Manifest]) -> Manifest | None:
        wanted = deployment["spec"]["template"]
        same = [r for r in sets if _template(r) == _bare(wanted)]
        return min(same, key=lambda r: str(r["metadata"].get("creationTimestamp", "")), default=None)

    def _was_scaled(self, deployment: Manifest, sets: Sequence[Manifest]) -> bool:
        wanted = str(replicas_of(deployment))
        return any(
            replicas_of(r) > 0 and (r["metadata"].get("annotations") or {}).get(DESIRED, wanted) != wanted for r in sets
        )

    def _has_pods(self, sets: Sequence[Manifest]) -> bool:
        pods = [pod for one in sets for pod in self._pods_by_owner.of(one["metadata"]["uid"])]
        return any((pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed") for pod in pods)


def _is_recreate(deployment: Manifest) -> bool:
    return bool((deployment["spec"].get("strategy") or {}).get("type") == "Recreate")


def _new_set(deployment: Manifest, bounds: Bounds, old: Sequence[Manifest], revision: int, collisions: int) -> Manifest:
    metadata, template = deployment["metadata"], copy.deepcopy(deployment["spec"]["template"])
    digest = _hash(template, collisions)
    labels = {**(template["metadata"].get("labels") or {}), HASH: digest}
    template["metadata"]["labels"] = labels
    selector = copy.deepcopy(deployment["spec"]["selector"])
    selector["matchLabels"] = {**(selector.get("matchLabels") or {}), HASH: digest}
    running = 0 if _is_recreate(deployment) else sum(replicas_of(r) for r in old)
    spec: dict[str, Any] = {
        "replicas": max(0, min(bounds.wanted, bounds.most - running)),
        "selector": selector,
        "template": template,
    }
    if deployment["spec"].get("minReadySeconds"):
        spec["minReadySeconds"] = deployment["spec"]["minReadySeconds"]
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{metadata['name']}-{digest}",
            "namespace": metadata["namespace"],
            "labels": labels,
            "annotations": _annotations(deployment, bounds, revision),
            "ownerReferences": [owned_by(deployment)],
        },
        "spec": spec,
    }


def _annotations(deployment: Manifest, bounds: Bounds, revision: int) -> dict[str, str]:
    own = deployment["metadata"].get("annotations") or {}
    return {
        **{key: value for key, value in own.items() if key not in _NOT_COPIED},
        DESIRED: str(bounds.wanted),
        MOST: str(bounds.most),
        REVISION: str(revision),
    }


def _hash(template: Manifest, collisions: int) -> str:
    digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode() + str(collisions).encode()).digest()
    return "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in digest[:10])


def _template(replica_set: Manifest) -> Manifest:
    return _bare(replica_set["spec"]["template"])


def _bare(template: Manifest) -> Manifest:
    """The template without the hash, and without fields that only a server's defaulting leaves empty."""
    metadata = {k: v for k, v in (template.get("metadata") or {}).items() if v and k != "creationTimestamp"}
    metadata["labels"] = {k: v for k, v in (metadata.get("labels") or {}).items() if k != HASH}
    return {**template, "metadata": metadata}


def _revision(replica_set: Manifest) -> int:
    return int((replica_set["metadata"].get("annotations") or {}).get(REVISION) or 0)


def _is_observed(replica_set: Manifest) -> bool:
    return counted(replica_set, "observedGeneration") >= int(replica_set["metadata"].get("generation", 1))


def _updated(sets: Sequence[Manifest], scaled: dict[str, Manifest]) -> list[Manifest]:
    return [scaled.get(r["metadata"]["name"], r) for r in sets]
