"""Make a model endpoint's route match the rule that is to hold. See `merlin.workers.reconcile` for how jobs behave.

A route never gives weight to a Service without ready pods: some gateways answer such a share with 500.
"""

from __future__ import annotations

import logging
from uuid import UUID

from merlin.db import model_endpoints
from merlin.domain.failure import FailureCode
from merlin.domain.settle_traffic import blocking_versions, is_given_up, rule_to_hold
from merlin.domain.traffic import TrafficRule
from merlin.domain.wish import TrafficWish
from merlin.errors import Conflict, Misconfigured, NotFound, Rejected, Unavailable
from merlin.kube import names
from merlin.kube.client import Cluster
from merlin.kube.kinds import HTTP_ROUTE, Manifest
from merlin.kube.manifests import render_model_route
from merlin.workers.apply import Superseded, apply_over, check_generation, check_owner
from merlin.workers.backoff import Backoff
from merlin.workers.clusters import Clusters
from merlin.workers.refused_rule import record_refused_rule
from merlin.workers.turns import Turns
from merlin.workers.wishes import read_traffic_wish

log = logging.getLogger(__name__)

OTHERS_TURN_SECONDS = 0.2


class Rerouter:
    """Model endpoints of one worker process."""

    def __init__(self, installation_id: UUID, clusters: Clusters, turns: Turns) -> None:
        self._installation_id = installation_id
        self._clusters = clusters
        self._turns = turns
        self._backoff = Backoff()

    async def reconcile(self, key: str, generation: int) -> None:
        """The job `reconcile_model_endpoint`. Ends without an error whatever happened."""
        endpoint_id = UUID(key)
        async with self._turns.take(f"model_endpoint:{key}") as is_ours:
            if not is_ours:
                await model_endpoints.bump_wake(endpoint_id, delay_seconds=OTHERS_TURN_SECONDS)
                return
            wish = await read_traffic_wish(endpoint_id)
            if wish is not None:
                await self._carry_out(wish, asked=generation)

    async def _carry_out(self, wish: TrafficWish, *, asked: int) -> None:
        fields = {"model_endpoint_id": str(wish.endpoint_id), "generation": wish.generation, "asked": asked}
        try:
            await self._match(wish)
            self._backoff.reset(wish.endpoint_id)
        except Superseded:
            log.info("older generation was left alone", extra=fields)
        except (Conflict, Unavailable) as error:
            delay = self._backoff.next(wish.endpoint_id)
            log.warning("reroute is tried again", extra={**fields, "reason": error.message, "delay": delay})
            await model_endpoints.bump_wake(wish.endpoint_id, delay_seconds=delay)
        except (Rejected, NotFound, Misconfigured) as error:
            log.warning("the cluster refused", extra={**fields, "code": error.code, "reason": error.message})
            await record_refused_rule(wish, error)

    async def _match(self, wish: TrafficWish) -> None:
        cluster = await self._clusters.of(wish.environment)
        name = names.model_route(wish.model)
        found = await cluster.get(HTTP_ROUTE, wish.namespace, name)
        rule = rule_to_hold(wish)
        if rule is None:
            await _remove(cluster, wish, found)
            return
        check_owner(found, label=names.MODEL_ENDPOINT, endpoint_id=wish.endpoint_id)
        check_generation(found, wish.generation)
        if not is_given_up(wish) and blocking_versions(wish):
            return  # the watcher wakes us when their pods are ready, resync at the latest
        seconds = wish.timeout_seconds(rule)
        if seconds is None:
            raise Rejected("No version endpoint of the rule is left.", code=FailureCode.ROUTE_NOT_ACCEPTED)
        await apply_over(cluster, found, await self._render(wish, rule, seconds))

    async def _render(self, wish: TrafficWish, rule: TrafficRule, seconds: int) -> Manifest:
        return render_model_route(
            installation_id=self._installation_id,
            model_endpoint_id=wish.endpoint_id,
            project=wish.project,
            model=wish.model,
            namespace=wish.namespace,
            environment=wish.environment,
            generation=wish.generation,
            weights=wish.weights(rule),
            timeout_seconds=seconds,
            features=await self._clusters.features(wish.environment),
        )


async def _remove(cluster: Cluster, wish: TrafficWish, found: Manifest | None) -> None:
    """Only as it was read: a newer wish uses the same route, and writes into it whose it is."""
    owner = (found["metadata"].get("labels") or {}).get(names.MODEL_ENDPOINT) if found else None
    if found is None or owner != str(wish.endpoint_id):
        return
    check_generation(found, wish.generation)
    metadata = found["metadata"]
    await cluster.delete(
        HTTP_ROUTE,
        wish.namespace,
        metadata["name"],
        uid=metadata.get("uid"),
        resource_version=metadata["resourceVersion"],
    )
