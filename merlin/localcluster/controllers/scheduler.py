"""The scheduler: binds each pod to a node that it fits on, or says why there is none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from merlin.localcluster.client import Conflict, KubeClient, Manifest, NotFound
from merlin.localcluster.controllers import clock
from merlin.localcluster.controllers.cache import Cache
from merlin.localcluster.controllers.index import Index
from merlin.localcluster.controllers.kinds import NODES, PODS
from merlin.localcluster.controllers.labels import matches
from merlin.localcluster.controllers.recorder import EventLog
from merlin.localcluster.informer import Key
from merlin.localcluster.quantity import amount
from merlin.localcluster.workqueue import Workqueue

NAME: Final = "default-scheduler"
COUNTED: Final = ("cpu", "memory")

_DEFAULT_PODS: Final = Decimal(110)


class SchedulerController:
    """Binds pods one after the other, so that no two take the same room."""

    def __init__(self, client: KubeClient, cache: Cache, events: EventLog) -> None:
        self._client = client
        self._recorder = events.recorder(NAME)
        self._pods = cache.of(PODS)
        self._nodes = cache.of(NODES)
        self._pods_by_node = Index(self._pods, _node_of)
        # Bound by us, and not yet seen so: uid -> node.
        self._assumed: dict[str, str] = {}
        self._queue: Workqueue[Key] = Workqueue("scheduler", self.reconcile, concurrency=1)
        self._pods.subscribe(self._pod_changed)
        self._nodes.subscribe(self._node_changed)

    async def run(self) -> None:
        """Reconcile until cancelled. The cache must be complete."""
        await self._queue.run()

    def _pod_changed(self, before: Manifest | None, now: Manifest | None) -> None:
        if now is None or not is_running(now):
            if before is not None and is_running(before):
                self._assumed.pop(before["metadata"]["uid"], None)
                self._add_waiting()
        elif now["spec"].get("nodeName"):
            self._assumed.pop(now["metadata"]["uid"], None)
        elif before is None or before["spec"] != now["spec"]:
            self._queue.add(_key(now))

    def _node_changed(self, before: Manifest | None, now: Manifest | None) -> None:
        # A heartbeat is no news.
        if before is None or now is None or _offer(before) != _offer(now):
            self._add_waiting()

    def _add_waiting(self) -> None:
        for pod in self._pods_by_node.of(""):
            self._queue.add(_key(pod))

    async def reconcile(self, key: Key) -> None:
        """Bind the pod, or state that it cannot be scheduled; freed room brings it back."""
        pod = self._pods.store.get(key)
        if pod is None or not is_running(pod) or pod["spec"].get("nodeName") or "deletionTimestamp" in pod["metadata"]:
            return
        if pod["metadata"]["uid"] in self._assumed or pod["spec"].get("schedulerName", NAME) != NAME:
            return
        refusals: list[Refusal] = []
        for node in sorted(self._nodes.store.values(), key=lambda n: n["metadata"]["name"]):
            refusal = refusal_of(pod, node, self._taken(node["metadata"]["name"]))
            if refusal is None:
                await self._bind(pod, node["metadata"]["name"])
                return
            refusals.append(refusal)
        await self._refuse(pod, said(refusals))

    def _taken(self, node: str) -> list[Manifest]:
        waiting = self._pods_by_node.of("") if self._assumed else []
        assumed = [pod for pod in waiting if self._assumed.get(pod["metadata"]["uid"]) == node]
        return [*self._pods_by_node.of(node), *assumed]

    async def _bind(self, pod: Manifest, node: str) -> None:
        metadata = pod["metadata"]
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {key: metadata[key] for key in ("name", "namespace", "uid")},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        }
        self._assumed[metadata["uid"]] = node
        try:
            await self._client.create(PODS, binding, subresource="binding")
        except (NotFound, Conflict):
            # Gone, or somebody else was faster.
            self._assumed.pop(metadata["uid"], None)
            return
        except BaseException:  # not bound, whatever the cause: its room is free again
            self._assumed.pop(metadata["uid"], None)
            raise
        place = f"{metadata['namespace']}/{metadata['name']}"
        self._recorder.normal(pod, "Scheduled", f"Successfully assigned {place} to {node}")

    async def _refuse(self, pod: Manifest, message: str) -> None:
        status = pod.get("status") or {}
        stored = status.get("conditions") or []
        before: Mapping[str, Any] = next((c for c in stored if c["type"] == "PodScheduled"), {})
        if before.get("reason") == "Unschedulable" and before.get("message") == message:
            return
        at = before["lastTransitionTime"] if before.get("status") == "False" else clock.stamp()
        condition = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": message,
            "lastProbeTime": None,
            "lastTransitionTime": at,
        }
        conditions = [c for c in stored if c["type"] != "PodScheduled"] + [condition]
        answer = await self._client.update_status(PODS, {**pod, "status": {**status, "conditions": conditions}})
        self._pods.note(answer)
        self._recorder.warning(pod, "FailedScheduling", message)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why one node cannot take a pod; whether fewer pods on it would help."""

    reasons: tuple[str, ...]
    is_curable: bool = field(default=False)


def refusal_of(pod: Manifest, node: Manifest, taken: Sequence[Manifest]) -> Refusal | None:
    """Why the node cannot take the pod beside those that it has; ``None`` if it can."""
    metadata, spec = node["metadata"], node.get("spec") or {}
    if spec.get("unschedulable"):
        return Refusal(("node(s) were unschedulable",))
    if taint := _untolerated(pod, node):
        return Refusal((f"node(s) had untolerated taint(s) {{{taint['key']}: {taint.get('value', '')}}}",))
    if not matches(metadata.get("labels"), pod["spec"].get("nodeSelector") or {}):
        return Refusal(("node(s) didn't match Pod's node affinity/selector",))
    allocatable = (node.get("status") or {}).get("allocatable") or {}
    reasons, is_curable = [], True
    if len(taken) + 1 > amount(allocatable.get("pods", _DEFAULT_PODS)):
        reasons.append("Too many pods")
    for resource in COUNTED:
        wanted, has = request_of(pod, resource), amount(allocatable.get(resource, 0))
        if wanted and wanted + sum(request_of(other, resource) for other in taken) > has:
            reasons.append(f"Insufficient {resource}")
            is_curable = is_curable and wanted <= has
    return Refusal(tuple(reasons), is_curable) if reasons else None


def request_of(pod: Manifest, resource: str) -> Decimal:
    """What the pod asks for: its containers together, or its greediest init container, whichever is more."""
    together = sum((_request(c, resource) for c in pod["spec"]["containers"]), Decimal(0))
    first = max((_request(c, resource) for c in pod["spec"].get("initContainers") or []), default=Decimal(0))
    return max(together, first)


def said(refusals: Sequence[Refusal]) -> str:
    """The scheduler's words."""
    if not refusals:
        return "no nodes available to schedule pods"
    count = len(refusals)
    reasons = Counter(reason for refusal in refusals for reason in refusal.reasons)
    listed = ", ".join(sorted(f"{times} {reason}" for reason, times in reasons.items()))
    hopeless = sum(1 for refusal in refusals if not refusal.is_curable)
    cures = []
    if count - hopeless:
        cures.append(f"{count - hopeless} No preemption victims found for incoming pod")
    if hopeless:
        cures.append(f"{hopeless} Preemption is not helpful for scheduling")
    return (
        f"0/{count} nodes are available: {listed}. no new claims to deallocate, "
        f"preemption: 0/{count} nodes are available: {', '.join(cures)}."
    )


def is_running(pod: Manifest) -> bool:
    """Whether it takes room, or will: it has not ended."""
    return (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")


def _request(container: Mapping[str, Any], resource: str) -> Decimal:
    resources = container.get("resources") or {}
    asked = (resources.get("requests") or {}).get(resource, (resources.get("limits") or {}).get(resource, 0))
    return amount(asked)


def _untolerated(pod: Manifest, node: Manifest) -> Mapping[str, Any] | None:
    conditions = (node.get("status") or {}).get("conditions") or []
    taints: list[Mapping[str, Any]] = list((node.get("spec") or {}).get("taints") or [])
    if not any(c["type"] == "Ready" and c["status"] == "True" for c in conditions):
        taints.append({"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"})
    tolerations = pod["spec"].get("tolerations") or []
    for taint in taints:
        if taint.get("effect") in ("NoSchedule", "NoExecute") and not _tolerates(tolerations, taint):
            return taint
    return None


def _tolerates(tolerations: Iterable[Mapping[str, Any]], taint: Mapping[str, Any]) -> bool:
    for one in tolerations:
        if one.get("effect") not in (None, "", taint.get("effect")) or one.get("key") not in (None, "", taint["key"]):
            continue
        if one.get("operator") == "Exists" or one.get("value", "") == taint.get("value", ""):
            return True
    return False


def _offer(node: Manifest) -> tuple[Any, ...]:
    """Everything about a node that could let a pod on it."""
    status = node.get("status") or {}
    ready = [c["status"] for c in status.get("conditions") or [] if c["type"] == "Ready"]
    return node["metadata"].get("labels"), node.get("spec"), status.get("allocatable"), ready


def _node_of(pod: Manifest) -> str | None:
    """Where the pod takes room; nothing if it is yet to be bound, ``None`` if it takes none any more."""
    return str(pod["spec"].get("nodeName") or "") if is_running(pod) else None


def _key(pod: Manifest) -> Key:
    return pod["metadata"]["namespace"], pod["metadata"]["name"]
