"""One informer per kind, shared by all controllers of a process."""

from __future__ import annotations

import asyncio

from merlin.localcluster.client import KubeClient, Resource
from merlin.localcluster.informer import Informer


class Cache:
    """The informers that were asked for. Ask for all of them before `run`."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client
        self._informers: dict[Resource, Informer] = {}

    def of(self, resource: Resource) -> Informer:
        """The informer of that kind, of all namespaces."""
        if resource not in self._informers:
            self._informers[resource] = Informer(self._client, resource)
        return self._informers[resource]

    async def run(self) -> None:
        """Keep all of them up to date until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for informer in self._informers.values():
                tasks.create_task(informer.run(), name=f"informer of {informer.resource.plural}")

    async def complete(self) -> None:
        """Wait until every list is complete: before that, what is not there is unknown."""
        for informer in self._informers.values():
            await informer.complete.wait()
