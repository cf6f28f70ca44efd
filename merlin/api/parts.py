"""What a running API process holds: database, feed, doors to clusters and MLflow; opened and closed together."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from merlin.api.engine import Caller, Engine
from merlin.api.metrics import Metrics
from merlin.db.actor import Actor
from merlin.db.connection import open_database
from merlin.db.doorbell import Doorbell
from merlin.db.environments import sync_environments
from merlin.db.feed import EventFeed
from merlin.db.migrate import check_schema
from merlin.db.secrets import SecretKey
from merlin.db.tokens import accept_file_token, actor_of, forget_file_token
from merlin.domain.environment import Fallbacks, read_environments
from merlin.errors import Misconfigured, Unauthenticated
from merlin.resolvers.clusters import Clusters
from merlin.resolvers.context import Context
from merlin.resolvers.runs import RunReader
from merlin.schema import build_schema
from merlin.settings import Settings
from merlin.tracking.client import MlflowClient

ADMINISTRATOR = "admin"
_BEARER = "bearer "
_LONGEST_TOKEN = 4096


def holds_token(authorization: str) -> bool:
    """Whether an Authorization header holds a token at all, good or not."""
    return authorization.lower().startswith(_BEARER) and bool(authorization[len(_BEARER) :].strip())


@dataclass
class Parts:
    """One process's. ``stopping`` is set when it is to end: streams finish by themselves then."""

    settings: Settings
    public_url: str
    doorbell: Doorbell
    feed: EventFeed
    clusters: Clusters
    mlflow: MlflowClient
    runs: RunReader
    secret_key: SecretKey
    engine: Engine
    metrics: Metrics
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def caller(self, authorization: str, request_id: str) -> Caller | None:
        """Whose token an Authorization header holds; ``None`` when it holds none that is good."""
        if not holds_token(authorization) or len(authorization) > _LONGEST_TOKEN:
            return None
        token = authorization[len(_BEARER) :].strip()
        actor = await actor_of(token, request_id=request_id)
        if actor is None:
            return None

        async def recheck() -> None:
            if await actor_of(token, request_id=request_id) != actor:
                raise Unauthenticated("The token is no longer good.", hint="Connect again with a new one.")

        return Caller(request_id, lambda: self._context(actor), recheck)

    def _context(self, actor: Actor) -> Context:
        return Context(
            actor=actor,
            settings=self.settings,
            public_url=self.public_url,
            mlflow=self.mlflow,
            runs=self.runs,
            clusters=self.clusters,
            secret_key=self.secret_key,
            feed=self.feed,
            doorbell=self.doorbell,
        )


@contextlib.asynccontextmanager
async def open_parts(settings: Settings, *, public_url: str) -> AsyncIterator[Parts]:
    """Everything open, the environments synced, the administrator's token accepted.

    Raises Misconfigured (schema older or newer, a bad file or key), Unavailable (no database).
    """
    direct = settings.database_direct_url or settings.database_url
    await check_schema(direct)
    secret_key = SecretKey(settings.secret_key_file)
    fallbacks = Fallbacks(settings.deploy_deadline_seconds, settings.drain_seconds, settings.keep_warm_seconds)
    environments = read_environments(settings.environments_file, fallbacks)
    async with contextlib.AsyncExitStack() as stack:
        pool = settings.database_pool_size
        await stack.enter_async_context(open_database(settings.database_url, direct_url=direct, pool_size=pool))
        await sync_environments(environments)
        await _accept_administrator(settings)
        doorbell = await stack.enter_async_context(Doorbell(direct))
        feed = await stack.enter_async_context(EventFeed(doorbell))
        clusters = Clusters()
        stack.push_async_callback(clusters.close)
        mlflow = MlflowClient(
            settings.mlflow_url,
            artifact_map=settings.mlflow_artifact_map,
            timeout_seconds=settings.mlflow_timeout_seconds,
        )
        stack.push_async_callback(mlflow.close)
        metrics = Metrics()
        engine = Engine(build_schema(), settings, metrics)
        yield Parts(
            settings,
            public_url,
            doorbell,
            feed,
            clusters,
            mlflow,
            RunReader(mlflow),
            secret_key,
            engine=engine,
            metrics=metrics,
        )


async def _accept_administrator(settings: Settings) -> None:
    if settings.admin_token_file is None:
        await forget_file_token()
        return
    try:
        token = settings.admin_token_file.read_text().strip()
    except OSError as error:
        raise Misconfigured(
            f"The token file {settings.admin_token_file} cannot be read: {error.strerror}.",
            hint="Set MERLIN_ADMIN_TOKEN_FILE.",
        ) from error
    if len(token) < 16:
        raise Misconfigured(f"{settings.admin_token_file} holds no token of at least 16 characters.")
    await accept_file_token(token, subject=ADMINISTRATOR)
