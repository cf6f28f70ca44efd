"""The read-only doors of the API process to the clusters of all environments."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from merlin.domain.environment import ClusterConfig, EnvironmentConfig
from merlin.kube.client import ReadOnlyCluster
from merlin.kube.doors import Doors

Connect = Callable[[ClusterConfig], Awaitable[ReadOnlyCluster]]


class Clusters:
    """The clusters of all environments; `close` at the end."""

    def __init__(self, connect: Connect = ReadOnlyCluster.connect) -> None:
        self._doors = Doors(connect)

    async def of(self, environment: EnvironmentConfig) -> ReadOnlyCluster:
        """The environment's cluster. Raises Misconfigured, Unavailable."""
        return await self._doors.of(environment.cluster)

    async def close(self) -> None:
        """Close all doors."""
        await self._doors.close()
