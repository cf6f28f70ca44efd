"""Jobs start when the bell rings, not at the next look at the queue; without a bell the slow look finds them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from merlin.settings import Settings
from merlin.workers import queue

LONG_SECONDS = 600.0


@contextlib.asynccontextmanager
async def worker(settings: Settings, done: asyncio.Queue[tuple[str, int]], bell: asyncio.Event) -> AsyncIterator[None]:
    """A worker whose job `note` tells what it was given."""

    async def note(key: str, generation: int) -> None:
        await done.put((key, generation))

    working = asyncio.create_task(queue.work(settings, {"note": note}, bell=bell))
    try:
        yield
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


@pytest.fixture
def slow(settings: Settings) -> Settings:
    """A worker that looks at the queue by itself only at its start."""
    return settings.model_copy(update={"poll_delay_seconds": LONG_SECONDS})


async def test_the_bell_starts_each_job_at_once(slow: Settings) -> None:
    done: asyncio.Queue[tuple[str, int]] = asyncio.Queue()
    bell = asyncio.Event()
    pool = await queue.connect(slow)
    async with worker(slow, done, bell), asyncio.timeout(20):
        for generation in range(5):
            assert await queue.enqueue(pool, "note", "one", generation=generation, wake=0)
            bell.set()
            assert await done.get() == ("one", generation)
    await pool.aclose(close_connection_pool=True)


async def test_a_bell_that_rings_while_the_queue_is_read_is_not_missed(slow: Settings) -> None:
    done: asyncio.Queue[tuple[str, int]] = asyncio.Queue()
    bell = asyncio.Event()
    pool = await queue.connect(slow)
    async with worker(slow, done, bell), asyncio.timeout(20):
        for generation in range(30):
            # Not waiting for the job: some of these fall into a look at the queue that has begun.
            await queue.enqueue(pool, "note", "many", generation=generation, wake=0)
            bell.set()
        assert {await done.get() for _ in range(30)} == {("many", generation) for generation in range(30)}
    await pool.aclose(close_connection_pool=True)


async def test_a_job_that_somebody_else_enqueued_is_found_without_a_bell(settings: Settings) -> None:
    done: asyncio.Queue[tuple[str, int]] = asyncio.Queue()
    pool = await queue.connect(settings)
    async with worker(settings, done, asyncio.Event()), asyncio.timeout(20):
        await queue.enqueue(pool, "note", "two", generation=1, wake=0)
        assert await done.get() == ("two", 1)
    await pool.aclose(close_connection_pool=True)
