"""How many pods each ReplicaSet of a Deployment may have next. Pure: Kubernetes' arithmetic of a rolling update."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from merlin.localcluster.client import Manifest


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a rollout has to keep to, as numbers of pods."""

    wanted: int
    surge: int
    unavailable: int

    @property
    def most(self) -> int:
        """Never more pods than that."""
        return self.wanted + self.surge

    @property
    def least_available(self) -> int:
        """Never fewer available pods than that, if there are so many."""
        return self.wanted - self.unavailable


def bounds_of(deployment: Manifest) -> Bounds:
    """The bounds that the Deployment's strategy sets. Recreate allows no surge, and everything to be unavailable."""
    spec = deployment["spec"]
    wanted = replicas_of(deployment)
    strategy = spec.get("strategy") or {}
    if strategy.get("type") == "Recreate":
        return Bounds(wanted, 0, wanted)
    rolling = strategy.get("rollingUpdate") or {}
    surge = _resolved(rolling.get("maxSurge", "25%"), wanted, up=True)
    unavailable = min(_resolved(rolling.get("maxUnavailable", "25%"), wanted, up=False), wanted)
    if surge == 0 and unavailable == 0:
        # Nothing could ever move.
        unavailable = 1
    return Bounds(wanted, surge, unavailable)


def next_scales(bounds: Bounds, new: Manifest, old: Sequence[Manifest]) -> dict[str, int]:
    """The ReplicaSets, by name, that are to be scaled now, and to how many.

    One step: it is asked again when the pods have followed.
    """
    grown = _grown(bounds, new, old)
    if grown is not None:
        return {new["metadata"]["name"]: grown}
    return _shrunk(bounds, new, sorted(old, key=lambda r: r["metadata"].get("creationTimestamp", "")))


def proportional_scales(bounds: Bounds, sets: Sequence[Manifest]) -> dict[str, int]:
    """Scales after the Deployment itself was scaled in the middle of a rollout: every set its share, newest first."""
    active = sorted((r for r in sets if replicas_of(r) > 0), key=_age, reverse=True)
    if len(active) <= 1:
        newest = active or sorted(sets, key=_age, reverse=True)[:1]
        return {r["metadata"]["name"]: bounds.wanted for r in newest if replicas_of(r) != bounds.wanted}
    total = sum(replicas_of(r) for r in active)
    allowed = bounds.most if bounds.wanted > 0 else 0
    missing = allowed - total
    scales: dict[str, int] = {}
    for replica_set in active:
        have = replicas_of(replica_set)
        share = round(have * allowed / total) - have if total else 0
        share = max(min(share, missing), 0) if missing > 0 else min(max(share, missing), 0)
        missing -= share
        scales[replica_set["metadata"]["name"]] = have + share
    first = active[0]["metadata"]["name"]
    scales[first] = max(0, scales[first] + missing)
    return {name: count for name, count in scales.items() if count != _by_name(active, name)}


def replicas_of(item: Manifest) -> int:
    """How many a Deployment or ReplicaSet asks for."""
    asked = item["spec"].get("replicas")
    return 1 if asked is None else int(asked)


def available_of(replica_set: Manifest) -> int:
    """How many can be counted on: its status may still count pods that it was told to give up."""
    return min(counted(replica_set, "availableReplicas"), replicas_of(replica_set))


def counted(item: Manifest, field: str) -> int:
    """A count of a status; absent is none."""
    return int((item.get("status") or {}).get(field) or 0)


def _grown(bounds: Bounds, new: Manifest, old: Sequence[Manifest]) -> int | None:
    have = replicas_of(new)
    if have == bounds.wanted:
        return None
    if have > bounds.wanted:
        return bounds.wanted
    # Old pods count until they are really being ended: Kubernetes itself may surge more for a moment.
    room = bounds.most - have - sum(max(replicas_of(r), counted(r, "replicas")) for r in old)
    if room <= 0:
        return None
    return have + min(room, bounds.wanted - have)


def _shrunk(bounds: Bounds, new: Manifest, old: Sequence[Manifest]) -> dict[str, int]:
    total = replicas_of(new) + sum(replicas_of(r) for r in old)
    new_unavailable = replicas_of(new) - available_of(new)
    spare = total - bounds.least_available - new_unavailable
    scales: dict[str, int] = {}
    for replica_set in old:
        # Pods that do not work are no loss.
        broken = replicas_of(replica_set) - available_of(replica_set)
        drop = min(spare, broken)
        if drop > 0:
            scales[replica_set["metadata"]["name"]] = replicas_of(replica_set) - drop
            spare -= drop
    spare = min(spare, available_of(new) + sum(available_of(r) for r in old) - bounds.least_available)
    for replica_set in old:
        name = replica_set["metadata"]["name"]
        have = scales.get(name, replicas_of(replica_set))
        drop = min(spare, have)
        if drop > 0:
            scales[name] = have - drop
            spare -= drop
    return scales


def _resolved(value: Any, of: int, *, up: bool) -> int:
    text = str(value)
    if not text.endswith("%"):
        return int(text)
    share = of * int(text.removesuffix("%")) / 100
    return math.ceil(share) if up else math.floor(share)


def _age(item: Manifest) -> tuple[str, int]:
    metadata = item["metadata"]
    annotations = metadata.get("annotations") or {}
    return metadata.get("creationTimestamp", ""), int(annotations.get("deployment.kubernetes.io/revision") or 0)


def _by_name(sets: Sequence[Manifest], name: str) -> int:
    return next(replicas_of(r) for r in sets if r["metadata"]["name"] == name)
