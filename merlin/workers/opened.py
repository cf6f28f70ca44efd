"""The database as a worker's process opens it: waited for when it is away, refused when its schema does not fit."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import UUID

from merlin.db.connection import open_database
from merlin.db.migrate import check_schema
from merlin.db.transaction import transaction
from merlin.errors import Misconfigured, Unavailable
from merlin.settings import Settings

log = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 2.0


@contextlib.asynccontextmanager
async def opened(
    settings: Settings, stop: asyncio.Event, prepare: Callable[[], Awaitable[object]] | None = None
) -> AsyncIterator[UUID | None]:
    """The installation's id, with the database open until the block ends; ``None`` when it was stopped before.

    ``prepare`` is done first, and again (so it must be idempotent) when the database goes away meanwhile. Raises what
    that raises, and Misconfigured when schema and code do not fit; a PostgreSQL that does not answer is waited for.
    """
    direct_url = settings.database_direct_url or settings.database_url
    async with contextlib.AsyncExitStack() as stack:
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                await check_schema(direct_url)
                await stack.enter_async_context(
                    open_database(settings.database_url, direct_url=direct_url, pool_size=settings.database_pool_size)
                )
                installation_id = await _installation_id()
                if prepare is not None:
                    await prepare()
                break
            except Unavailable as error:
                log.warning("waiting for the database", extra={"reason": error.message})
                await stack.aclose()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await stop.wait()
                if stop.is_set():
                    yield None
                    return
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
        yield installation_id


async def _installation_id() -> UUID:
    async with transaction() as tx:
        found: UUID | None = await tx.value("SELECT id FROM installation")
    if found is None:
        raise Misconfigured("The database has no identity yet.", hint="Run `merlin migrate`.")
    return found
