"""`merlin watcher`: one observer per environment, each under a session advisory lock; others stand by.

The lock goes with the connection, so a watcher that is killed is followed at once by one that stands by.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
from dataclasses import dataclass
from uuid import UUID

from merlin.db.doorbell import Doorbell
from merlin.db.environments import record_health
from merlin.db.locks import session_lock
from merlin.domain.environment import EnvironmentConfig
from merlin.errors import MerlinError, Misconfigured, Unavailable
from merlin.kube.client import Cluster
from merlin.settings import Settings
from merlin.workers.clusters import Clusters
from merlin.workers.lifetime import run_until, stop_signal
from merlin.workers.observe import Observer, Watched
from merlin.workers.opened import opened
from merlin.workers.places import watched_environments

log = logging.getLogger(__name__)

STANDBY_SECONDS = 0.5
PAUSE_SECONDS = 0.5
ENVIRONMENTS_SECONDS = 5.0
FIRST_ENVIRONMENT_SECONDS = 0.5


async def run(settings: Settings) -> None:
    """Watch until SIGTERM or SIGINT. Raises Misconfigured (schema)."""
    stop = stop_signal()
    async with contextlib.AsyncExitStack() as stack:
        installation_id = await stack.enter_async_context(opened(settings, stop))
        if installation_id is None:
            return
        doorbell = await stack.enter_async_context(Doorbell(settings.database_direct_url or settings.database_url))
        clusters = Clusters()
        stack.push_async_callback(clusters.close)
        posts = Posts(installation_id, clusters, doorbell, resync_seconds=settings.resync_seconds)
        gc.freeze()  # what start-up made lives as long as the process: collections need not walk it
        await run_until(stop, posts.run())


@dataclass(frozen=True, slots=True)
class _Post:
    """A task that watches an environment, or stands by to."""

    environment: EnvironmentConfig
    task: asyncio.Task[None]


class Posts:
    """One post per environment on record; environments come, change and go."""

    def __init__(
        self, installation_id: UUID, clusters: Clusters, doorbell: Doorbell, *, resync_seconds: float = 5.0
    ) -> None:
        self._installation_id = installation_id
        self._clusters = clusters
        self._doorbell = doorbell
        self._resync_seconds = resync_seconds
        self._posts: dict[UUID, _Post] = {}

    async def run(self) -> None:
        """Keep all posts until cancelled; a database that is away is waited for."""
        try:
            while True:
                try:
                    await self._match(dict(await watched_environments()))
                except MerlinError as error:
                    log.warning("environments could not be read", extra={"reason": error.message})
                await asyncio.sleep(ENVIRONMENTS_SECONDS if self._posts else FIRST_ENVIRONMENT_SECONDS)
        finally:
            await self._end(list(self._posts))

    async def _match(self, wanted: dict[UUID, EnvironmentConfig]) -> None:
        await self._end([key for key, post in self._posts.items() if wanted.get(key) != post.environment])
        for key, environment in wanted.items():
            if key not in self._posts:
                task = asyncio.create_task(self._keep(key, environment), name=f"watch {environment.name}")
                self._posts[key] = _Post(environment, task)

    async def _end(self, keys: list[UUID]) -> None:
        tasks = [self._posts.pop(key).task for key in keys]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep(self, environment_id: UUID, environment: EnvironmentConfig) -> None:
        watched = Watched(self._installation_id, environment_id, environment, self._resync_seconds)
        fields = {"environment": environment.name}
        while True:
            pause = STANDBY_SECONDS
            try:
                async with session_lock(f"watcher {environment_id}") as connection:
                    if connection is not None:
                        log.info("watching", extra=fields)
                        cluster = await self._cluster(environment_id, environment)
                        if cluster is not None:
                            await Observer(watched, cluster, connection, self._doorbell).run()
                        pause = ENVIRONMENTS_SECONDS
            except MerlinError as error:
                log.warning("watch ended and begins again", extra={**fields, "reason": error.message})
                pause = PAUSE_SECONDS
            except Exception:  # the edge of one environment's loop: the others are watched on
                log.exception("watch ended unexpectedly and begins again", extra=fields)
                pause = PAUSE_SECONDS
            await asyncio.sleep(pause)

    async def _cluster(self, environment_id: UUID, environment: EnvironmentConfig) -> Cluster | None:
        """The environment's cluster; ``None`` when there is no door to it, which is shown on the environment."""
        try:
            return await self._clusters.of(environment)
        except (Misconfigured, Unavailable) as error:
            log.warning("no door to the cluster", extra={"environment": environment.name, "reason": error.message})
            await record_health(environment_id, reachable=False, message=error.message)
            return None
