"""From the outbox to the queue. Runs in every worker; each row is enqueued at least once and then deleted,
or is due again later if its work must be done and not only enqueued (`comeback`).

Rung by PostgreSQL's NOTIFY; a slow poll takes what nobody rang for and what was scheduled for later.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable

from arq.connections import ArqRedis

from merlin.db import outbox
from merlin.db.doorbell import Doorbell
from merlin.errors import MerlinError
from merlin.settings import Settings
from merlin.workers import comeback
from merlin.workers.queue import check_takes_jobs, connect, enqueue

log = logging.getLogger(__name__)

BATCH = 50
POLL_SECONDS = 1.0
PAUSE_SECONDS = 0.25


class Relay:
    """One worker's relay."""

    def __init__(self, settings: Settings, doorbell: Doorbell, *, bell: asyncio.Event | None = None) -> None:
        """``bell`` is set after each job that was enqueued: see `queue.work`."""
        self._settings = settings
        self._doorbell = doorbell
        self._bell = bell or asyncio.Event()
        self._rung = asyncio.Event()

    async def run(self) -> None:
        """Relay until cancelled; a queue or a database that is gone is waited for, and no row is touched meanwhile."""
        listening = asyncio.create_task(self._listen())
        try:
            while True:
                try:
                    await self._relay_for_ever()
                except MerlinError as error:
                    log.warning("relay waits", extra={"reason": error.message})
                    await asyncio.sleep(PAUSE_SECONDS)
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    async def _listen(self) -> None:
        async for _ in self._doorbell.rings(outbox.CHANNEL, at_least_every=POLL_SECONDS):
            self._rung.set()

    async def _relay_for_ever(self) -> None:
        pool = await connect(self._settings)
        try:
            while True:
                self._rung.clear()
                while await relay_batch(pool, enqueued=self._bell.set) == BATCH:
                    pass
                await self._wait()
        finally:
            await pool.aclose(close_connection_pool=True)

    async def _wait(self) -> None:
        if self._rung.is_set():
            return
        due = await outbox.seconds_until_due()
        seconds = POLL_SECONDS if due is None else min(due + 0.001, POLL_SECONDS)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._rung.wait()


async def relay_batch(pool: ArqRedis, *, enqueued: Callable[[], None] = lambda: None) -> int:
    """Enqueue what is due; how many rows that were. Raises Unavailable, before touching a row if it can.

    ``enqueued`` is called after each: its job need not wait for the others, nor for the row's deletion.
    """
    # Rows that fail are put off for longer each time; a queue that is away, or full, must not cost them that.
    await check_takes_jobs(pool)
    async with outbox.claim(BATCH) as claim:
        for row in claim.rows:
            comes_back = row.kind in comeback.KINDS
            # Such work has no generation of its own: the row's number tells its job from another row's that runs.
            wake = row.id if comes_back else row.wake
            if not await enqueue(pool, row.kind, row.key, generation=row.generation, wake=wake):
                # The same wish is queued or running already. Should its worker have been killed, resync wakes it.
                log.info("job was there already", extra={"kind": row.kind, "key": row.key, "wake": row.wake})
            if comes_back:
                claim.come_back(row, comeback.pause_seconds(row))
            else:
                claim.done(row)
            enqueued()
    return len(claim.rows)
