"""One door per cluster for the life of a process, opened when it is first needed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from merlin.domain.environment import ClusterConfig
from merlin.kube.client import ReadOnlyCluster

Door = TypeVar("Door", bound=ReadOnlyCluster)


class Doors(Generic[Door]):
    """Doors to clusters; `close` at the end. No cluster waits for another one's credentials."""

    def __init__(self, connect: Callable[[ClusterConfig], Awaitable[Door]]) -> None:
        self._connect = connect
        self._doors: dict[ClusterConfig, asyncio.Future[Door]] = {}

    async def of(self, config: ClusterConfig) -> Door:
        """The door to that cluster: all who ask while it is being opened get that one, or its failure.

        After a failure it is tried anew. Raises Misconfigured, Unavailable.
        """
        door = self._doors.get(config)
        if door is None:
            door = self._doors[config] = asyncio.ensure_future(self._connect(config))
            door.add_done_callback(lambda opened: self._forget_failed(config, opened))
        return await asyncio.shield(door)

    async def close(self) -> None:
        """Close all doors, and open no more of those that are being opened."""
        doors, self._doors = [*self._doors.values()], {}
        for door in doors:
            door.cancel()
        for opened in await asyncio.gather(*doors, return_exceptions=True):
            if not isinstance(opened, BaseException):
                await opened.close()

    def _forget_failed(self, config: ClusterConfig, door: asyncio.Future[Door]) -> None:
        if (door.cancelled() or door.exception() is not None) and self._doors.get(config) is door:
            del self._doors[config]
