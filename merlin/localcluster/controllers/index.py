"""Objects of an informer by something else than their name, so that nobody walks all pods to find a few."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from merlin.localcluster.client import Manifest
from merlin.localcluster.controllers.ownership import controller_of
from merlin.localcluster.informer import Informer, Key

By = TypeVar("By", bound=Hashable)


class Index(Generic[By]):
    """The objects of an informer by what ``by`` says of each (``None``: it is in no group)."""

    def __init__(self, informer: Informer, by: Callable[[Manifest], By | None]) -> None:
        self._by = by
        self._groups: dict[By, dict[Key, Manifest]] = {}
        informer.subscribe(self._changed)

    def of(self, group: By) -> list[Manifest]:
        """What is in that group now, in the order in which it came."""
        return list(self._groups.get(group, {}).values())

    def _changed(self, before: Manifest | None, now: Manifest | None) -> None:
        old = self._by(before) if before is not None else None
        new = self._by(now) if now is not None else None
        if before is not None and old is not None and old != new:
            group = self._groups.get(old, {})
            group.pop(_key(before), None)
            if not group:
                self._groups.pop(old, None)
        if now is not None and new is not None:
            self._groups.setdefault(new, {})[_key(now)] = now


def by_owner(item: Manifest) -> str | None:
    """The uid of the controlling owner."""
    owner = controller_of(item)
    return str(owner["uid"]) if owner is not None else None


def by_namespace(item: Manifest) -> str:
    """The namespace."""
    return str(item["metadata"].get("namespace", ""))


def _key(item: Manifest) -> Key:
    return by_namespace(item), str(item["metadata"]["name"])
