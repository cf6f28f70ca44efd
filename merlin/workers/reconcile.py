"""Make the cluster match what is wished of a version endpoint.

Everything is read afresh under the endpoint's turn, so a job may come twice, late or out of order, and may die at every
await: the next one goes on from what is there. A wish that the cluster refuses for good becomes a named failure; what a
retry may mend is tried again, later each time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from merlin.db import endpoints
from merlin.db.secrets import SecretKey, reveal_secrets
from merlin.domain.lifecycle import RevisionStatus
from merlin.domain.plan import Plan, plan
from merlin.domain.wish import Wish, WishedRevision
from merlin.errors import Conflict, Misconfigured, NotFound, Rejected, Unavailable
from merlin.kube import names
from merlin.kube.client import Cluster
from merlin.kube.kinds import HTTP_ROUTE, INFERENCE_SERVICE, POD, SECRET, SERVICE, WRITTEN, Kind, Manifest
from merlin.kube.manifests import (
    Place,
    Workload,
    render_inference_service,
    render_secret,
    render_service,
    render_version_route,
)
from merlin.workers.apply import (
    Namespaces,
    Superseded,
    apply_over,
    apply_workload,
    check_generation,
    check_owner,
    is_namespace_missing,
)
from merlin.workers.backoff import Backoff
from merlin.workers.clusters import Clusters
from merlin.workers.failures import failure_of
from merlin.workers.turns import Turns
from merlin.workers.wishes import read_wish

log = logging.getLogger(__name__)

OTHERS_TURN_SECONDS = 0.2
ROOM_SECONDS = 0.3


@dataclass(frozen=True, slots=True)
class _Found:
    """What the cluster held when it was read, all at once, before anything was written."""

    target: Manifest | None
    standing: Manifest | None
    service: Manifest | None
    route: Manifest | None


class Reconciler:
    """Version endpoints of one worker process."""

    def __init__(self, installation_id: UUID, clusters: Clusters, turns: Turns, key: SecretKey) -> None:
        self._installation_id = installation_id
        self._clusters = clusters
        self._turns = turns
        self._key = key
        self._namespaces = Namespaces(installation_id)
        self._backoff = Backoff()

    async def reconcile(self, key: str, generation: int) -> None:
        """The job `reconcile_version_endpoint`. Ends without an error whatever happened: see the module."""
        endpoint_id = UUID(key)
        async with self._turns.take(f"version_endpoint:{key}") as is_ours:
            if not is_ours:
                # Another process has it, and may have read the row before this wish was written.
                await endpoints.bump_wake(endpoint_id, delay_seconds=OTHERS_TURN_SECONDS)
                return
            wish = await read_wish(endpoint_id)
            if wish is not None:
                await self._carry_out(wish, asked=generation)

    async def _carry_out(self, wish: Wish, *, asked: int) -> None:
        fields = {"endpoint_id": str(wish.endpoint_id), "generation": wish.generation, "asked": asked}
        try:
            await self._match(wish)
            self._backoff.reset(wish.endpoint_id)
        except Superseded:
            log.info("older generation was left alone", extra=fields)
        except (Conflict, Unavailable) as error:
            delay = self._backoff.next(wish.endpoint_id)
            log.warning("reconcile is tried again", extra={**fields, "reason": error.message, "delay": delay})
            await endpoints.bump_wake(wish.endpoint_id, delay_seconds=delay)
        except (Rejected, NotFound, Misconfigured) as error:
            log.warning("the cluster refused", extra={**fields, "code": error.code, "reason": error.message})
            await endpoints.record_failure(wish.endpoint_id, generation=wish.generation, failure=failure_of(error))

    async def _match(self, wish: Wish) -> None:
        cluster = await self._clusters.of(wish.environment)
        wanted = plan(wish)
        if wanted is None:
            await remove_all(cluster, wish)
            return
        await self._namespaces.ensure(cluster, wish.namespace, wish.project)
        found = await self._read(cluster, wish, wanted)
        check_generation(found.service, wish.generation)
        if wanted.makes_room and not await _is_room(cluster, wish, wanted, found):
            await endpoints.bump_wake(wish.endpoint_id, delay_seconds=ROOM_SECONDS)
            return
        try:
            await self._apply(cluster, wish, wanted, found)
        except NotFound as error:
            if not is_namespace_missing(error):
                raise
            self._namespaces.forget(cluster, wish.namespace)
            raise Unavailable("The namespace vanished; it is made again.") from error
        if wanted.target.status is RevisionStatus.QUEUED:
            await endpoints.record_applied(wish.endpoint_id, generation=wish.generation, revision=wanted.target.number)
        if wish.generation > 1:
            await _remove_left_overs(cluster, wish)

    async def _read(self, cluster: Cluster, wish: Wish, wanted: Plan) -> _Found:
        service, route = names.service(wish.model, wish.version), names.version_route(wish.model, wish.version)
        standing = wanted.standing
        found = await _all(
            cluster.get(INFERENCE_SERVICE, wish.namespace, wanted.target.service_name),
            cluster.get(INFERENCE_SERVICE, wish.namespace, standing.service_name) if standing else _nothing(),
            cluster.get(SERVICE, wish.namespace, service),
            cluster.get(HTTP_ROUTE, wish.namespace, route),
        )
        for manifest in found:
            check_owner(manifest, label=names.ENDPOINT, endpoint_id=wish.endpoint_id)
        return _Found(*found)

    async def _apply(self, cluster: Cluster, wish: Wish, wanted: Plan, found: _Found) -> None:
        place = self._place(wish)
        features = await self._clusters.features(wish.environment)
        service = render_service(place, generation=wish.generation, selected=wanted.selected.service_name)
        route = render_version_route(
            place, generation=wish.generation, timeout_seconds=wanted.timeout_seconds, features=features
        )
        target = await self._workload(wish, wanted.target)
        if found.target is None:
            # All of it must be new, which fails if somebody was faster.
            await _all(
                self._apply_workload(cluster, place, target, found.target),
                apply_over(cluster, found.service, service),
                apply_over(cluster, found.route, route),
            )
            return
        # The Service first, as a fence: it fails if a newer generation wrote it since it was read, and then what was
        # read of the InferenceService, which carries no generation, may be old too.
        await apply_over(cluster, found.service, service)
        await _all(
            self._apply_workload(cluster, place, target, found.target),
            self._make_standing(cluster, wish, wanted, place, found),
            apply_over(cluster, found.route, route),
        )

    async def _apply_workload(self, cluster: Cluster, place: Place, workload: Workload, found: Manifest | None) -> None:
        secret = render_secret(place, workload)
        if secret is not None:
            held = await cluster.get(SECRET, place.namespace, workload.service_name)
            check_owner(held, label=names.ENDPOINT, endpoint_id=place.endpoint_id)
            await apply_workload(cluster, held, secret)
        await apply_workload(cluster, found, render_inference_service(place, workload))

    async def _make_standing(self, cluster: Cluster, wish: Wish, wanted: Plan, place: Place, found: _Found) -> None:
        """The active revision's workload, if somebody removed it."""
        if wanted.standing is not None and found.standing is None and not wanted.makes_room:
            await self._apply_workload(cluster, place, await self._workload(wish, wanted.standing), None)

    async def _workload(self, wish: Wish, revision: WishedRevision) -> Workload:
        secrets = await reveal_secrets(wish.project_id, {s.secret for s in revision.spec.secrets}, key=self._key)
        variables = {v.name: v.value for v in revision.spec.variables}
        variables.update({s.variable: secrets[s.secret] for s in revision.spec.secrets})
        return Workload(revision.service_name, revision.workload_revision, revision.spec, wish.storage_uri, variables)

    def _place(self, wish: Wish) -> Place:
        return Place(
            installation_id=self._installation_id,
            endpoint_id=wish.endpoint_id,
            project=wish.project,
            model=wish.model,
            version=wish.version,
            namespace=wish.namespace,
            environment=wish.environment,
        )


async def remove_all(cluster: Cluster, wish: Wish) -> None:
    """Remove everything that carries the endpoint's label. Idempotent; what is gone already is fine.

    Raises Superseded when there is a newer wish.
    """
    await _remove(cluster, wish, WRITTEN, keep=frozenset())


async def _remove_left_overs(cluster: Cluster, wish: Wish) -> None:
    """Remove workloads that no live revision names: failed, cancelled, superseded and drained ones."""
    await _remove(cluster, wish, (INFERENCE_SERVICE, SECRET), keep=wish.live_services)


async def _remove(cluster: Cluster, wish: Wish, kinds: Sequence[Kind], *, keep: frozenset[str]) -> None:
    """Listed first, then the wish is read anew: what a newer wish made is in no list that is older than that wish.

    So a worker that was paused, and lost its turn meanwhile, removes nothing newer. What revisions share would be used
    again by a newer wish, so it goes only as it was listed.
    """
    lists = await _all(
        *(cluster.list_all(kind, wish.namespace, labels=f"{names.ENDPOINT}={wish.endpoint_id}") for kind in kinds)
    )
    doomed = [
        (kind, manifest["metadata"])
        for kind, listed in zip(kinds, lists, strict=True)
        for manifest in listed.items
        if manifest["metadata"]["name"] not in keep
    ]
    if not doomed:
        return
    await _read_again(wish)
    await _all(
        *(
            cluster.delete(
                kind,
                wish.namespace,
                metadata["name"],
                uid=metadata.get("uid"),
                resource_version=metadata["resourceVersion"] if kind in (SERVICE, HTTP_ROUTE) else None,
            )
            for kind, metadata in doomed
        )
    )


async def _read_again(wish: Wish) -> Wish:
    """The wish as it is on record by now. Raises Superseded when there is a newer one."""
    now = await read_wish(wish.endpoint_id)
    if now is None or now.generation != wish.generation:
        raise Superseded("A newer wish was written meanwhile.")
    return now


async def _is_room(cluster: Cluster, wish: Wish, wanted: Plan, found: _Found) -> bool:
    """Take the standing revision's workload away first; whether its pods are gone.

    It is the active one's, which is the target again after a cancel or a failure (of the same generation): so what is
    planned is judged anew, and it goes only as it was read. Raises Superseded when another plan is due.
    """
    standing = wanted.standing
    if standing is None:
        return True
    if found.standing is not None:
        if plan(await _read_again(wish)) != wanted:
            raise Superseded("Its room is no longer needed.")
        metadata = found.standing["metadata"]
        await cluster.delete(
            INFERENCE_SERVICE,
            wish.namespace,
            standing.service_name,
            uid=metadata["uid"],
            resource_version=metadata["resourceVersion"],
        )
        return False
    pods = await cluster.list_all(POD, wish.namespace, labels=f"app={names.predictor_app(standing.service_name)}")
    return not pods.items


async def _all(*works: Awaitable[Any]) -> list[Any]:
    """Side by side, all to their end; then the first error of any."""
    results = await asyncio.gather(*works, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results


async def _nothing() -> None:
    return None
