"""Removes what has this installation's mark in a cluster and no row in the database; and what was kept long enough.

An empty or restored database must not delete the world. So: only where the cluster's own ConfigMap names this
installation, only after every list was complete, and above a handful or a tenth of all endpoints only once an operator
confirmed exactly this set (docs/operations.md).
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from merlin.db.dry_runs import prune_dry_runs
from merlin.db.events import prune_events
from merlin.db.idempotency import prune_idempotency_keys
from merlin.db.locks import session_lock
from merlin.db.transaction import transaction
from merlin.domain.environment import ClusterConfig
from merlin.errors import MerlinError, NotFound
from merlin.kube import names
from merlin.kube.client import Cluster
from merlin.kube.covers import covers
from merlin.kube.kinds import CONFIG_MAP, WRITTEN, Kind, Manifest
from merlin.kube.manifests import render_installation, render_system_namespace
from merlin.kube.seen import owner_of
from merlin.settings import Settings
from merlin.workers.clusters import Clusters
from merlin.workers.places import watched_environments

log = logging.getLogger(__name__)

HANDFUL = 5
_BATCH = 10_000


@dataclass(frozen=True, slots=True)
class LeftOver:
    """An object whose endpoint has no row."""

    kind: Kind
    namespace: str
    name: str
    uid: str
    owner: UUID


@dataclass(frozen=True, slots=True)
class Pruned:
    """What one pass did: how many objects went, and the token that an operator must confirm ("" = nothing waits)."""

    removed: int
    waiting: str = ""


class Pruner:
    """Left-over objects of all clusters, one process at a time."""

    def __init__(self, installation_id: UUID, clusters: Clusters) -> None:
        self._installation_id = installation_id
        self._clusters = clusters

    async def prune(self) -> None:
        """One pass over every cluster; a cluster in trouble is left for the next pass. Raises Unavailable."""
        async with session_lock("merlin prune") as connection:
            if connection is None:
                return
            seen: set[ClusterConfig] = set()
            for _, environment in await watched_environments():
                if environment.cluster in seen:
                    continue
                seen.add(environment.cluster)
                try:
                    await self.prune_cluster(await self._clusters.of(environment))
                except MerlinError as error:
                    fields = {"cluster": environment.cluster.name, "reason": error.message}
                    log.warning("left-overs were not looked for", extra=fields)

    async def prune_cluster(self, cluster: Cluster) -> Pruned:
        """Remove the left-overs of one cluster, or say in its ConfigMap that an operator must confirm.

        Raises Unavailable, Rejected: then nothing more was removed.
        """
        installation = await self._installation(cluster)
        if installation is None:
            return Pruned(0)
        left, total = await self._left_overs(cluster)
        owners = {item.owner for item in left}
        token = _token(owners)
        confirmed = (installation["metadata"].get("annotations") or {}).get(names.PRUNE_CONFIRMED)
        if is_too_much(len(owners), total) and confirmed != token:
            fields = {"endpoints": len(owners), "of": total, "token": token}
            log.warning("left-overs wait for an operator's confirmation", extra=fields)
            await self._note(cluster, installation, f"{len(owners)} of {total} endpoints; to confirm: {token}")
            return Pruned(0, token)
        for item in left:
            log.info("left-over is removed", extra={"kind": item.kind.kind, "object": f"{item.namespace}/{item.name}"})
            await cluster.delete(item.kind, item.namespace, item.name, uid=item.uid)
        await self._note(cluster, installation, "")
        return Pruned(len(left))

    async def _installation(self, cluster: Cluster) -> Manifest | None:
        """The ConfigMap that names this installation, made if there is none; ``None`` if it names another one."""
        found = await cluster.get(CONFIG_MAP, names.SYSTEM_NAMESPACE, names.INSTALLATION_CONFIG_MAP)
        if found is None:
            wanted = render_installation(self._installation_id)
            try:
                return await cluster.apply(wanted)
            except NotFound:
                await cluster.apply(render_system_namespace())
                return await cluster.apply(wanted)
        named = (found.get("data") or {}).get("installation")
        if named == str(self._installation_id):
            return found
        fields = {"theirs": named, "ours": str(self._installation_id)}
        log.warning("the cluster belongs to another installation: left-overs are not looked for", extra=fields)
        return None

    async def _left_overs(self, cluster: Cluster) -> tuple[list[LeftOver], int]:
        """Objects without a row, and how many endpoints have objects at all."""
        found: list[LeftOver] = []
        for kind in WRITTEN:
            listed = await cluster.list_all(kind, labels=f"{names.INSTALLATION}={self._installation_id}")
            found += [item for m in listed.items if (item := _item(kind, m)) is not None]
        owners = {item.owner for item in found}
        # After the lists: whatever is in them was on record before it was applied.
        known = await _known(owners)
        return [item for item in found if item.owner not in known], len(owners)

    async def _note(self, cluster: Cluster, found: Manifest, waiting: str) -> None:
        wanted = render_installation(self._installation_id, waiting=waiting)
        noted = (found["metadata"].get("annotations") or {}).get(names.PRUNE_WAITING, "")
        if noted != waiting or not covers(found, wanted):
            await cluster.apply(wanted)


def is_too_much(orphans: int, total: int) -> bool:
    """Whether removing so many endpoints' objects needs an operator: above a handful, or above a tenth of all."""
    return orphans > HANDFUL or orphans * 10 > total


async def prune_records(settings: Settings) -> None:
    """Forget events, idempotency keys and unread dry runs that were kept long enough. Raises Unavailable."""
    async with session_lock("merlin prune records") as connection:
        if connection is None:
            return
        while await prune_events(older_than_days=settings.event_retention_days, most=_BATCH) == _BATCH:
            pass
        await prune_idempotency_keys(hours=settings.idempotency_hours)
        await prune_dry_runs()


def _item(kind: Kind, manifest: Manifest) -> LeftOver | None:
    metadata = manifest["metadata"]
    owner = owner_of(manifest)
    if owner is None or metadata.get("ownerReferences") or "deletionTimestamp" in metadata:
        return None
    return LeftOver(kind, metadata.get("namespace", ""), metadata["name"], metadata.get("uid", ""), owner[1])


def _token(owners: Iterable[UUID]) -> str:
    """Names exactly this set: another one needs another confirmation."""
    return hashlib.sha256(",".join(sorted(map(str, owners))).encode()).hexdigest()[:12]


async def _known(ids: Iterable[UUID]) -> set[UUID]:
    async with transaction() as tx:
        rows = await tx.rows(
            "SELECT id FROM version_endpoint WHERE id = ANY($1::uuid[]) "
            "UNION ALL SELECT id FROM model_endpoint WHERE id = ANY($1::uuid[])",
            list(ids),
        )
    return {row["id"] for row in rows}
