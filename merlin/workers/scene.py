"""What one environment's cluster holds of each endpoint: informers, and their objects by the endpoint they belong to.

Never asked for what is only settled: changes come by themselves. An observation is complete only while every list was
read and every watch is open; until then what is missing is Unknown.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from merlin.domain.environment import EnvironmentConfig
from merlin.domain.observation import (
    ClusterEvent,
    DeploymentSeen,
    InferenceServiceSeen,
    Observation,
    PodSeen,
    RouteSeen,
    ServiceSeen,
    Workload,
)
from merlin.domain.settle_traffic import TrafficObservation
from merlin.domain.wish import TrafficWish, Wish
from merlin.kube import names, seen
from merlin.kube.client import ReadOnlyCluster
from merlin.kube.informer import Informer
from merlin.kube.kinds import DEPLOYMENT, HTTP_ROUTE, INFERENCE_SERVICE, POD, SERVICE, Kind, Manifest
from merlin.workers.answers import Answer

Changed = Callable[[UUID], None]
Seen = PodSeen | DeploymentSeen | InferenceServiceSeen | ServiceSeen | RouteSeen


@dataclass(frozen=True, slots=True)
class Sighting:
    """One object, reduced to what is judged, and the endpoint whose label it carries."""

    owner: UUID
    kind: str
    name: str
    seen: Seen


class Scene:
    """One environment's. ``changed`` is called with the endpoint's id; ``reachable`` when the cluster comes or goes."""

    def __init__(
        self,
        cluster: ReadOnlyCluster,
        environment: EnvironmentConfig,
        installation_id: UUID,
        *,
        changed: Changed,
        reachable: Callable[[bool, str], None],
    ) -> None:
        self._changed = changed
        self._reachable = reachable
        self._gateway = (environment.gateway.namespace, environment.gateway.name)
        self._objects: defaultdict[UUID, dict[tuple[str, str], Sighting]] = defaultdict(dict)
        self._away: dict[str, str] = {}
        readers: Mapping[Kind, Callable[[Manifest], Seen | None]] = {
            INFERENCE_SERVICE: seen.inference_service_seen,
            DEPLOYMENT: seen.deployment_seen,
            POD: seen.pod_seen,
            SERVICE: _own_service,
            HTTP_ROUTE: self._route,
        }
        self._informers = [
            Informer(
                cluster,
                kind,
                keep=_keeper(kind, read),
                changed=self._take,
                labels=f"{names.INSTALLATION}={installation_id}",
                on_reachable=_noting(self._note, kind),
            )
            for kind, read in readers.items()
        ]

    async def run(self) -> None:
        """Keep up until cancelled."""
        async with asyncio.TaskGroup() as group:
            for informer in self._informers:
                group.create_task(informer.run())

    async def listed(self) -> None:
        """Wait until every list was read once."""
        for informer in self._informers:
            await informer.complete.wait()

    @property
    def complete(self) -> bool:
        """Whether what is not here is absent."""
        return all(informer.complete.is_set() and informer.unreachable_since is None for informer in self._informers)

    @property
    def unreachable_since(self) -> datetime | None:
        """Since when the cluster does not answer."""
        return min((i.unreachable_since for i in self._informers if i.unreachable_since is not None), default=None)

    def owners(self) -> list[UUID]:
        """Every endpoint that has objects."""
        return list(self._objects)

    def observation(self, wish: Wish, events: Iterable[ClusterEvent], answer: Answer | None) -> Observation:
        """All that is known of a version endpoint."""
        found = self._objects.get(wish.endpoint_id, {}).values()
        service = names.service(wish.model, wish.version)
        route = names.version_route(wish.model, wish.version)
        return Observation(
            complete=self.complete,
            workloads=_workloads(found),
            service=cast("ServiceSeen | None", _named(found, SERVICE, service)),
            route=cast("RouteSeen | None", _named(found, HTTP_ROUTE, route)),
            events=tuple(events),
            answered_by=answer.answered_by if answer else None,
            answer=answer.text if answer else "",
            unreachable_since=self.unreachable_since,
        )

    def traffic_observation(self, wish: TrafficWish, answer: Answer | None) -> TrafficObservation:
        """All that is known of a model endpoint's route."""
        found = self._objects.get(wish.endpoint_id, {}).values()
        return TrafficObservation(
            complete=self.complete,
            route=cast("RouteSeen | None", _named(found, HTTP_ROUTE, names.model_route(wish.model))),
            answered_by=answer.answered_by if answer else None,
            answer=answer.text if answer else "",
            unreachable_since=self.unreachable_since,
        )

    def _route(self, route: Manifest) -> RouteSeen:
        return seen.route_seen(route, gateway=self._gateway)

    def _take(self, before: Sighting | None, after: Sighting | None) -> None:
        if before is not None:
            objects = self._objects[before.owner]
            objects.pop((before.kind, before.name), None)
            if not objects:
                del self._objects[before.owner]
        if after is not None:
            self._objects[after.owner][after.kind, after.name] = after
        for owner in {sighting.owner for sighting in (before, after) if sighting is not None}:
            self._changed(owner)

    def _note(self, kind: str, reachable: bool, message: str) -> None:
        if reachable:
            self._away.pop(kind, None)
        else:
            self._away[kind] = message
        self._reachable(not self._away, next(iter(self._away.values()), ""))


def _keeper(kind: Kind, read: Callable[[Manifest], Seen | None]) -> Callable[[Manifest], Sighting | None]:
    def keep(manifest: Manifest) -> Sighting | None:
        owner = seen.owner_of(manifest)
        found = read(manifest) if owner is not None else None
        if owner is None or found is None:
            return None
        return Sighting(owner[1], kind.kind, str(manifest["metadata"]["name"]), found)

    return keep


def _noting(note: Callable[[str, bool, str], None], kind: Kind) -> Callable[[bool, str], None]:
    return lambda reachable, message: note(kind.kind, reachable, message)


def _own_service(service: Manifest) -> ServiceSeen | None:
    """Merlin's, not the one that KServe makes beside it with the same labels."""
    return None if service["metadata"].get("ownerReferences") else seen.service_seen(service)


def _named(found: Iterable[Sighting], kind: Kind, name: str) -> Any:
    return next((s.seen for s in found if s.kind == kind.kind and s.name == name), None)


def _workloads(found: Iterable[Sighting]) -> dict[str, Workload]:
    services: dict[str, InferenceServiceSeen] = {}
    deployments: dict[str, DeploymentSeen] = {}
    pods: defaultdict[str, list[PodSeen]] = defaultdict(list)
    for sighting in found:
        match sighting.seen:
            case InferenceServiceSeen():
                services[sighting.seen.name] = sighting.seen
            case DeploymentSeen():
                deployments[sighting.seen.service_name] = sighting.seen
            case PodSeen(service_name=str(name)):
                pods[name].append(sighting.seen)
    return {
        name: Workload(
            services.get(name),
            deployments.get(name),
            tuple(sorted(pods.get(name, ()), key=lambda pod: (pod.created_at, pod.name))),
        )
        for name in services.keys() | deployments.keys() | pods.keys()
    }
