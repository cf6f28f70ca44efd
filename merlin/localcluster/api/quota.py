"""ResourceQuotas: what a namespace uses, and whether one more object fits."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Final

from merlin.localcluster.api.errors import forbidden
from merlin.localcluster.api.kinds import PODS, RESOURCE_QUOTAS, STORED, Manifest, Resource
from merlin.localcluster.api.store import Store
from merlin.localcluster.quantity import amount, shown

_COUNTED: Final = ("pods", "services", "secrets", "configmaps", "resourcequotas")
_ZERO: Final = Decimal(0)
Amounts = Counter[str]


def admit(store: Store, resource: Resource, manifest: Manifest) -> None:
    """Raises Refused (403, in the words of a real server) when a quota of its namespace has no room for the object."""
    namespace = manifest["metadata"].get("namespace", "")
    if not namespace:
        return
    for quota in store.manifests(RESOURCE_QUOTAS, namespace):
        _admit_to(store, resource, manifest, quota)


def _admit_to(store: Store, resource: Resource, manifest: Manifest, quota: Manifest) -> None:
    hard = {name: amount(value) for name, value in ((quota.get("spec") or {}).get("hard") or {}).items()}
    asked = usage_of(resource, manifest)
    name, title = manifest["metadata"]["name"], quota["metadata"]["name"]
    if resource is PODS and (missing := _unsaid(manifest, hard)):
        raise forbidden(resource, name, f"failed quota: {title}: must specify {missing}")
    relevant = {key: value for key, value in asked.items() if key in hard}
    if not relevant:
        return
    used = usage(store, quota["metadata"]["namespace"], set(relevant))
    over = sorted(key for key, value in relevant.items() if used[key] + value > hard[key])
    if over:
        lists = ({key: values[key] for key in over} for values in (relevant, used, hard))
        requested, now, limited = (",".join(f"{k}={shown(Decimal(v), k)}" for k, v in one.items()) for one in lists)
        why = f"exceeded quota: {title}, requested: {requested}, used: {now}, limited: {limited}"
        raise forbidden(resource, name, why)


def _unsaid(pod: Manifest, hard: dict[str, Decimal]) -> str:
    """The limits and requests that a quota wants said and a pod leaves out, with the containers."""
    missing: dict[str, list[str]] = {}
    for container in pod["spec"].get("containers") or []:
        resources = container.get("resources") or {}
        for key in hard:
            listed, _, name = key.partition(".")
            if listed not in ("requests", "limits"):
                listed, name = "requests", key
            if name in ("cpu", "memory") and name not in (resources.get(listed) or {}):
                missing.setdefault(key, []).append(container["name"])
    return "; ".join(f"{key} for: {','.join(names)}" for key, names in sorted(missing.items()))


def usage(store: Store, namespace: str, wanted: set[str]) -> Amounts:
    """What the namespace uses of those resources."""
    total: Amounts = Counter()
    for resource in STORED:
        keys = {f"count/{resource.key}", resource.plural}
        if resource is PODS or keys & wanted:
            for manifest in store.manifests(resource, namespace):
                total.update(usage_of(resource, manifest))
    return total


def usage_of(resource: Resource, manifest: Manifest) -> Amounts:
    """What one object uses. A pod that has ended uses nothing."""
    if resource is not PODS:
        counted = {f"count/{resource.key}": 1}
        if resource.plural in _COUNTED and not resource.group:
            counted[resource.plural] = 1
        return Counter(counted)
    if (manifest.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return Counter({"count/pods": 1})
    total: Amounts = Counter({"count/pods": 1, "pods": 1})
    for key, value in _pod_amounts(manifest["spec"]).items():
        total[key] = value  # type: ignore[assignment]  # Counter counts decimals as well
    return total


def _pod_amounts(spec: Manifest) -> dict[str, Decimal]:
    amounts: dict[str, Decimal] = {}
    for listed in ("requests", "limits"):
        for name in ("cpu", "memory"):
            running = sum((_asked(one, listed, name) for one in spec.get("containers") or []), _ZERO)
            starting = max((_asked(one, listed, name) for one in spec.get("initContainers") or []), default=_ZERO)
            amounts[f"{listed}.{name}"] = max(running, starting)
            if listed == "requests":
                amounts[name] = amounts["requests." + name]
    return amounts


def _asked(container: Manifest, listed: str, name: str) -> Decimal:
    return amount(((container.get("resources") or {}).get(listed) or {}).get(name, 0))


def status_of(store: Store, quota: Manifest) -> Manifest:
    """What the quota's status should say now."""
    hard = (quota.get("spec") or {}).get("hard") or {}
    used = usage(store, quota["metadata"]["namespace"], set(hard))
    return {"hard": hard, "used": {key: shown(Decimal(used[key]), key) for key in hard}}
