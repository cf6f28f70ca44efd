"""`merlin worker`: relay, queue, resync and prune side by side, until a signal ends them.

A Redis, a PostgreSQL, an MLflow or a cluster that goes away is waited for; the process itself keeps running.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
from collections.abc import Mapping

from merlin.db.doorbell import Doorbell
from merlin.db.environments import sync_environments
from merlin.db.locks import session_lock
from merlin.db.outbox import Work
from merlin.db.resync import wake_unsettled
from merlin.db.secrets import SecretKey
from merlin.domain.environment import Fallbacks, read_environments
from merlin.settings import Settings
from merlin.tracking.client import MlflowClient
from merlin.workers import queue
from merlin.workers.clusters import Clusters
from merlin.workers.dry_run import DryRunner
from merlin.workers.leftovers import Leftovers
from merlin.workers.lifetime import keep_doing, run_until, stop_signal
from merlin.workers.mirror import Mirror
from merlin.workers.opened import opened
from merlin.workers.prune import Pruner, prune_records
from merlin.workers.reconcile import Reconciler
from merlin.workers.relay import Relay
from merlin.workers.reroute import Rerouter
from merlin.workers.turns import Turns

_RECORDS_SECONDS = 600.0


async def run(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT. Raises Misconfigured (settings, key file, environments' file, schema)."""
    stop = stop_signal()
    key = SecretKey(settings.secret_key_file)
    environments = read_environments(settings.environments_file, fallbacks(settings))
    async with contextlib.AsyncExitStack() as stack:
        prepare = functools.partial(sync_environments, environments)
        installation_id = await stack.enter_async_context(opened(settings, stop, prepare))
        if installation_id is None:
            return
        doorbell = await stack.enter_async_context(Doorbell(settings.database_direct_url or settings.database_url))
        clusters, turns, mlflow = Clusters(), Turns(), tracking(settings)
        stack.push_async_callback(clusters.close)
        stack.push_async_callback(turns.close)
        stack.push_async_callback(mlflow.close)
        leftovers = Leftovers(mlflow)
        jobs: Mapping[str, queue.Job] = {
            Work.RECONCILE_VERSION_ENDPOINT: Reconciler(installation_id, clusters, turns, key).reconcile,
            Work.RECONCILE_MODEL_ENDPOINT: Rerouter(installation_id, clusters, turns).reconcile,
            Work.MIRROR_VERSION_TAGS: Mirror(mlflow).mirror,
            Work.DELETE_RUN: leftovers.delete_run,
            Work.DELETE_EXPERIMENT: leftovers.delete_experiment,
            Work.DELETE_UNNOTED_RUN: leftovers.delete_unnoted_run,
            Work.PLAN_DEPLOYMENT: DryRunner(installation_id, clusters, key).run,
        }
        resync, bell = Resync(settings.resync_seconds), asyncio.Event()
        gc.freeze()  # what start-up made lives as long as the process: collections need not walk it
        await run_until(
            stop,
            Relay(settings, doorbell, bell=bell).run(),
            queue.work(settings, jobs, bell=bell, lost=resync.forget),
            # Twice as often as a row must have been quiet: else the two waits add up where a job is lost.
            keep_doing("resync", resync.wake, settings.resync_seconds / 2),
            keep_doing("prune", Pruner(installation_id, clusters).prune, settings.prune_seconds),
            keep_doing("prune records", functools.partial(prune_records, settings), _RECORDS_SECONDS),
        )


class Resync:
    """One worker's: at its start everything unsettled is woken, since jobs may have died with the worker before."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._quiet_seconds = 0.0

    def forget(self) -> None:
        """The queue was lost, and whatever was in it: wake everything unsettled the next time."""
        self._quiet_seconds = 0.0

    async def wake(self) -> None:
        """Wake whatever is not settled, unless another worker is at it. Raises Unavailable."""
        async with session_lock("merlin resync") as connection:
            if connection is not None:
                await wake_unsettled(quiet_seconds=self._quiet_seconds)
                self._quiet_seconds = self._seconds


def fallbacks(settings: Settings) -> Fallbacks:
    """What environments that say nothing about it get."""
    return Fallbacks(
        deadline_seconds=settings.deploy_deadline_seconds,
        drain_seconds=settings.drain_seconds,
        keep_warm_seconds=settings.keep_warm_seconds,
    )


def tracking(settings: Settings) -> MlflowClient:
    """A client of the installation's MLflow."""
    return MlflowClient(
        settings.mlflow_url,
        artifact_map=settings.mlflow_artifact_map,
        timeout_seconds=settings.mlflow_timeout_seconds,
    )
