"""What Kubernetes itself says about endpoints that are not settled: one watch per namespace, while it is needed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from uuid import UUID

from merlin.domain.observation import ClusterEvent
from merlin.domain.wish import Wish
from merlin.kube import names
from merlin.kube.client import ReadOnlyCluster
from merlin.kube.informer import Informer
from merlin.kube.kinds import EVENT
from merlin.kube.seen import cluster_event

_LONGEST_LIST = 50


class ClusterEvents:
    """One environment's; ``changed`` is called with the id of every endpoint that is followed in that namespace."""

    def __init__(self, cluster: ReadOnlyCluster, changed: Callable[[UUID], None]) -> None:
        self._cluster = cluster
        self._changed = changed
        self._followers: dict[str, set[UUID]] = {}
        self._watches: dict[str, tuple[Informer[ClusterEvent], asyncio.Task[None]]] = {}

    async def close(self) -> None:
        """Watch nothing any more."""
        tasks = [task for _, task in self._watches.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def follow(self, wish: Wish) -> None:
        """Watch the endpoint's namespace. Idempotent."""
        self._followers.setdefault(wish.namespace, set()).add(wish.endpoint_id)
        if wish.namespace not in self._watches:
            informer = Informer(
                self._cluster,
                EVENT,
                keep=cluster_event,
                changed=lambda _, after: self._tell(wish.namespace) if after is not None else None,
                namespace=wish.namespace,
            )
            self._watches[wish.namespace] = (informer, asyncio.create_task(informer.run()))

    def leave(self, wish: Wish) -> None:
        """The endpoint is settled: its namespace's watch ends with the last that follows. Idempotent."""
        followers = self._followers.get(wish.namespace, set())
        followers.discard(wish.endpoint_id)
        if not followers and (watch := self._watches.pop(wish.namespace, None)) is not None:
            self._followers.pop(wish.namespace, None)
            watch[1].cancel()

    def about(self, wish: Wish) -> Iterable[ClusterEvent]:
        """The newest events about the endpoint's workloads, oldest first."""
        watch = self._watches.get(wish.namespace)
        if watch is None:
            return ()
        services = {r.service_name for r in wish.revisions if r.is_live}
        found = [event for event in watch[0].store.values() if _is_about(event, services)]
        return sorted(found, key=lambda event: event.at)[-_LONGEST_LIST:]

    def _tell(self, namespace: str) -> None:
        for endpoint_id in self._followers.get(namespace, ()):
            self._changed(endpoint_id)


def _is_about(event: ClusterEvent, services: set[str]) -> bool:
    return any(
        event.object_name == service
        or event.object_name == names.predictor(service)
        or event.object_name.startswith(f"{names.predictor(service)}-")
        for service in services
    )
