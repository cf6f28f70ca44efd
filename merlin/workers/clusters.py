"""The doors of a worker process to the clusters of all environments, and what their gateways can do."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from merlin.domain.environment import ClusterConfig, EnvironmentConfig
from merlin.kube.client import Cluster
from merlin.kube.doors import Doors
from merlin.kube.route import RouteFeatures

FEATURES_SECONDS = 60.0
Connect = Callable[[ClusterConfig], Awaitable[Cluster]]


class Clusters:
    """The clusters of all environments; `close` at the end."""

    def __init__(self, connect: Connect = Cluster.connect) -> None:
        self._doors = Doors(connect)
        self._features: dict[tuple[ClusterConfig, str, str], tuple[float, RouteFeatures]] = {}

    async def of(self, environment: EnvironmentConfig) -> Cluster:
        """The environment's cluster. Raises Misconfigured, Unavailable."""
        return await self._doors.of(environment.cluster)

    async def features(self, environment: EnvironmentConfig) -> RouteFeatures:
        """What the environment's gateway can do; asked once a minute. Raises Unavailable."""
        gateway = environment.gateway
        key = (environment.cluster, gateway.namespace, gateway.name)
        known = self._features.get(key)
        if known is not None and time.monotonic() - known[0] < FEATURES_SECONDS:
            return known[1]
        cluster = await self.of(environment)
        found = await cluster.route_features(gateway.namespace, gateway.name, gateway.gateway_class)
        self._features[key] = (time.monotonic(), found)
        return found

    async def close(self) -> None:
        """Close all doors."""
        await self._doors.close()
