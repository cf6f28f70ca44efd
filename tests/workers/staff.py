"""A worker and a watcher inside the test's process, and what they wrote down."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from uuid import UUID

from merlin.db.connection import Database
from merlin.db.doorbell import Doorbell
from merlin.db.outbox import Work
from merlin.db.secrets import SecretKey
from merlin.db.tables import Event, Revision
from merlin.db.transaction import transaction
from merlin.settings import Settings
from merlin.workers import queue
from merlin.workers.clusters import Clusters
from merlin.workers.reconcile import Reconciler
from merlin.workers.relay import Relay
from merlin.workers.reroute import Rerouter
from merlin.workers.turns import Turns
from merlin.workers.watcher import Posts


@contextlib.asynccontextmanager
async def workers(settings: Settings, database: Database) -> AsyncIterator[UUID]:
    """A worker and a watcher, in this process."""
    async with transaction() as tx:
        installation_id: UUID = await tx.value("SELECT id FROM installation")
    clusters, turns = Clusters(), Turns()
    async with Doorbell(database.direct_url) as doorbell:
        jobs: dict[str, queue.Job] = {
            Work.RECONCILE_VERSION_ENDPOINT: Reconciler(
                installation_id, clusters, turns, SecretKey(settings.secret_key_file)
            ).reconcile,
            Work.RECONCILE_MODEL_ENDPOINT: Rerouter(installation_id, clusters, turns).reconcile,
        }
        tasks = [
            asyncio.create_task(work)
            for work in (
                Relay(settings, doorbell).run(),
                queue.work(settings, jobs),
                Posts(installation_id, clusters, doorbell, resync_seconds=0.5).run(),
            )
        ]
        try:
            yield installation_id
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await turns.close()
            await clusters.close()


async def lines(subject: UUID) -> list[str]:
    return [event.type for event in await Event.filter(subject_id=subject).order_by("id")]


async def statuses(endpoint_id: UUID) -> dict[int, str]:
    return {r.number: r.status.value for r in await Revision.filter(endpoint_id=endpoint_id).order_by("number")}
