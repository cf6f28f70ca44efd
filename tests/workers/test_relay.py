"""The relay when the queue answers but takes no jobs: its memory is full, it is a replica, it lacks a right."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from arq.connections import ArqRedis

from merlin.db import outbox
from merlin.db.connection import Database
from merlin.db.doorbell import Doorbell
from merlin.db.outbox import Work
from merlin.db.resync import wake_unsettled
from merlin.db.tables import Outbox
from merlin.db.transaction import transaction
from merlin.errors import Unavailable
from merlin.settings import Settings
from merlin.workers import comeback, queue
from merlin.workers.relay import Relay, relay_batch
from tests.db.worlds import World
from tests.workers.plays import until

FULL = (("CONFIG SET", "maxmemory", 1), ("CONFIG SET", "maxmemory", 0))
REPLICA = (("REPLICAOF", "127.0.0.1", 1), ("REPLICAOF", "NO", "ONE"))
WITHOUT_A_RIGHT = (("ACL SETUSER", "default", "-psetex"), ("ACL SETUSER", "default", "+psetex"))
RUN, ENDPOINT = "f" * 32, "0" * 32


@pytest.fixture
async def pool(settings: Settings) -> AsyncIterator[ArqRedis]:
    """The queue, which is as it was again at the end."""
    pool = await queue.connect(settings)
    yield pool
    for _, restored in (FULL, REPLICA, WITHOUT_A_RIGHT):
        await tell(pool, restored)
    await pool.aclose(close_connection_pool=True)


async def tell(pool: ArqRedis, command: tuple[str | int, ...]) -> None:
    await pool.execute_command(*command)  # type: ignore[no-untyped-call]  # redis-py


async def waiting() -> list[tuple[str, str, int, int]]:
    return [(row.kind, row.key, row.generation, row.attempts) for row in await Outbox.all().order_by("id")]


async def queued(pool: ArqRedis) -> set[tuple[str, str]]:
    return {(job.function, job.args[0]) for job in await pool.queued_jobs(queue_name=queue.QUEUE)}


@contextlib.asynccontextmanager
async def relaying(settings: Settings) -> AsyncIterator[None]:
    async with Doorbell(settings.database_url) as doorbell:
        relay = asyncio.create_task(Relay(settings, doorbell).run())
        try:
            yield
        finally:
            relay.cancel()
            await asyncio.gather(relay, return_exceptions=True)


@pytest.mark.parametrize("refusal", [FULL, REPLICA], ids=["full", "a replica"])
async def test_a_queue_that_refuses_writes_is_waited_for_and_no_row_is_touched(
    database: Database,
    settings: Settings,
    pool: ArqRedis,
    caplog: pytest.LogCaptureFixture,
    refusal: tuple[tuple[str | int, ...], tuple[str | int, ...]],
) -> None:
    refuse, take = refusal
    await tell(pool, refuse)
    await outbox.enqueue(Work.DELETE_RUN, RUN)
    await outbox.enqueue(Work.RECONCILE_VERSION_ENDPOINT, ENDPOINT, generation=3)
    before = await waiting()

    async def tried_again_and_again() -> bool:
        return sum(record.message == "relay waits" for record in caplog.records) >= 5

    async def both_are_queued() -> bool:
        return await queued(pool) == {(Work.DELETE_RUN, RUN), (Work.RECONCILE_VERSION_ENDPOINT, ENDPOINT)}

    async def only_what_comes_back_is_left() -> bool:
        return await waiting() == [(Work.DELETE_RUN, RUN, 1, 0)]

    async with relaying(settings):
        await until(tried_again_and_again, "the relay tries again and again")
        assert await waiting() == before
        await tell(pool, take)
        await until(both_are_queued, "both jobs are in the queue")
        await until(only_what_comes_back_is_left, "one row is left, to come back")


async def test_work_that_comes_back_is_one_row_however_often_its_job_is_refused(
    database: Database, pool: ArqRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "FIRST_PAUSE_SECONDS", 0.0)
    refuse, take = WITHOUT_A_RIGHT
    await tell(pool, refuse)
    await outbox.enqueue(Work.DELETE_RUN, RUN)
    for _ in range(3):
        with pytest.raises(Unavailable):
            await relay_batch(pool)
    assert await waiting() == [(Work.DELETE_RUN, RUN, 0, 3)]
    await tell(pool, take)
    await relay_batch(pool)
    assert await waiting() == [(Work.DELETE_RUN, RUN, 1, 0)]


async def test_work_that_is_done_before_its_relay_has_noted_it_does_not_come_back(database: Database) -> None:
    await outbox.enqueue(Work.DELETE_RUN, RUN)
    async with outbox.claim() as claim:
        (row,) = claim.rows
        async with transaction() as tx:
            read_at = await tx.value("SELECT clock_timestamp()")
        job = asyncio.create_task(comeback.done(Work.DELETE_RUN, RUN, read_at))
        await until(_somebody_waits_for_a_row, "the job waits for the relay")
        claim.come_back(row, 60)
    await job
    assert await waiting() == []


async def test_what_is_asked_for_after_a_job_has_read_comes_back(database: Database) -> None:
    async with transaction() as tx:
        await outbox.enqueue(Work.DELETE_RUN, RUN, tx=tx)  # created before the job reads, to be seen after that
        async with transaction() as other:
            read_at = await other.value("SELECT clock_timestamp()")
    async with outbox.claim() as claim:
        claim.come_back(claim.rows[0], 60)
    await comeback.done(Work.DELETE_RUN, RUN, read_at)
    assert await waiting() == [(Work.DELETE_RUN, RUN, 1, 0)]


async def test_an_endpoint_whose_work_was_put_off_is_not_woken_by_one_more_row(database: Database) -> None:
    endpoint, _ = await (await World.make()).deploy()
    with pytest.raises(Unavailable):
        async with outbox.claim() as claim:
            assert [row.key for row in claim.rows] == [str(endpoint.id)]
            raise Unavailable("The queue takes no jobs.")
    await Outbox.all().update(scheduled_for=datetime(2100, 1, 1, tzinfo=UTC))
    assert await wake_unsettled(quiet_seconds=0) == 0
    assert len(await waiting()) == 1


async def _somebody_waits_for_a_row() -> bool:
    async with transaction() as tx:
        return bool(
            await tx.value(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
        )
