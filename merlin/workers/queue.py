"""The queue (arq on Redis or Valkey): what a job looks like, and a worker that outlives a lost Redis.

The queue is disposable: jobs carry an id and a generation, the outbox holds what was not enqueued yet, and resync wakes
what was lost. Nobody here touches arq's own keys. arq is in maintenance only; what is used of it is small.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, cast

import orjson
from arq.connections import ArqRedis, RedisSettings, create_pool
from arq.typing import WorkerCoroutine
from arq.worker import Retry, Worker, func
from redis.exceptions import RedisError

from merlin.errors import Misconfigured, Unavailable
from merlin.settings import Settings

log = logging.getLogger(__name__)

QUEUE = "merlin:jobs"
ENQUEUE_SECONDS = 3.0
HEARTBEAT_SECONDS = 5.0
RETRY_SECONDS = 1.0
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 2.0
LOST = (RedisError, OSError, TimeoutError)

Job = Callable[..., Awaitable[None]]


def serialize(value: dict[str, Any]) -> bytes:
    """A job as JSON. Also its result, which may be an exception."""
    return orjson.dumps(value, default=_encode)


def deserialize(content: bytes) -> dict[str, Any]:
    """The job that was stored."""
    loaded: dict[str, Any] = orjson.loads(content)
    return loaded


async def connect(settings: Settings) -> ArqRedis:
    """A pool to enqueue with. Raises Unavailable, Misconfigured for an address that is none."""
    try:
        address = RedisSettings.from_dsn(settings.redis_url)
    except (RuntimeError, ValueError) as error:
        raise Misconfigured("The queue's address is not one of Redis.", hint="Check MERLIN_REDIS_URL.") from error
    address.conn_retries = 0
    try:
        async with asyncio.timeout(ENQUEUE_SECONDS):
            return await create_pool(
                address, job_serializer=serialize, job_deserializer=deserialize, default_queue_name=QUEUE
            )
    except LOST as error:
        raise Unavailable(f"The queue does not answer: {error}") from error


async def enqueue(pool: ArqRedis, function: str, key: str, *, generation: int, wake: int) -> bool:
    """Put a job into the queue; false when one of the same id is there, runs, or ran just now and was killed.

    Raises Unavailable.
    """
    try:
        async with asyncio.timeout(ENQUEUE_SECONDS):
            job = await pool.enqueue_job(function, key, generation, _job_id=f"{key}:{generation}:{wake}")
    except LOST as error:
        raise Unavailable(f"The queue takes no jobs: {error}") from error
    return job is not None


async def check_takes_jobs(pool: ArqRedis) -> None:
    """Raise Unavailable when the queue takes no jobs now.

    One whose memory is full, or that is a replica, answers a PING and refuses to write; so it is asked for a write,
    which changes nothing.
    """
    try:
        async with asyncio.timeout(ENQUEUE_SECONDS):
            await pool.zadd(QUEUE, {"no job": 0}, xx=True)  # xx: only if it is there, which it never is
    except LOST as error:
        raise Unavailable(f"The queue takes no jobs: {error}") from error


async def answers(pool: ArqRedis) -> bool:
    """Whether the queue answers now."""
    try:
        async with asyncio.timeout(ENQUEUE_SECONDS):
            await pool.ping()
    except LOST:
        return False
    return True


class BellWorker(Worker):
    """arq's worker, which also looks at the queue as soon as its bell rings, not only every ``poll_delay``.

    A job that this process has just enqueued starts at once, and the queue may be polled slowly: that is only for jobs
    that others enqueued and for those that are tried again later.
    """

    bell: asyncio.Event

    async def main(self) -> None:
        """What arq's own `main` does (0.28, pinned) outside its burst mode, with a wait that the bell ends."""
        self.ctx["redis"] = self.pool
        while True:
            self.bell.clear()
            await self._poll_iteration()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.poll_delay_s):
                    await self.bell.wait()

    def _release_sem_dec_counter_on_complete(self) -> None:
        super()._release_sem_dec_counter_on_complete()
        self.bell.set()  # there is room for a job that may be waiting for it


async def work(
    settings: Settings,
    jobs: Mapping[str, Job],
    *,
    bell: asyncio.Event | None = None,
    lost: Callable[[], None] = lambda: None,
) -> None:
    """Run jobs until cancelled; a Redis that is gone is waited for. ``lost`` is called when jobs may have gone too.

    Set ``bell`` after enqueueing in the same process, and the job starts at once.
    """
    bell = bell or asyncio.Event()
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            await _work_once(settings, jobs, bell)
            pause = FIRST_PAUSE_SECONDS
        except Unavailable as error:
            log.warning("queue was lost", extra={"reason": error.message})
        except LOST as error:
            log.warning("queue was lost", extra={"reason": str(error)})
            pause = FIRST_PAUSE_SECONDS
        lost()
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)


async def _work_once(settings: Settings, jobs: Mapping[str, Job], bell: asyncio.Event) -> None:
    pool = await connect(settings)
    worker = BellWorker(
        [func(cast(WorkerCoroutine, _with_context(job)), name=name) for name, job in jobs.items()],
        queue_name=QUEUE,
        redis_pool=pool,
        handle_signals=False,
        job_timeout=settings.job_timeout_seconds,
        keep_result=0,
        poll_delay=settings.poll_delay_seconds,
        max_jobs=settings.max_jobs,
        max_tries=5,
        health_check_interval=60,
        job_serializer=serialize,
        job_deserializer=deserialize,
        log_results=False,
    )
    worker.bell = bell
    running = [asyncio.create_task(worker.async_run()), asyncio.create_task(_heartbeat(pool))]
    try:
        done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        # Not Worker.close(): it asks the Redis that may be gone.
        await _cancelled(running)  # ends main_task too: who cancels that twice cuts off its cleaning up
        await _cancelled([task for task in (worker.main_task, *worker.tasks.values()) if task is not None])
        await pool.aclose(close_connection_pool=True)


async def _heartbeat(pool: ArqRedis) -> None:
    """Raise Unavailable once the Redis says nothing any more: arq would wait for it, for ever.

    Not redis-py's own socket_timeout: it goes through `asyncio.wait_for`, which may swallow a cancellation.
    """
    while True:
        if not await answers(pool):
            raise Unavailable("The queue says nothing any more.")
        await asyncio.sleep(HEARTBEAT_SECONDS)


async def _cancelled(tasks: Sequence[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _with_context(job: Job) -> Callable[..., Awaitable[None]]:
    async def run(_context: dict[str, Any], key: str, generation: int) -> None:
        try:
            await job(key, generation)
        except Unavailable as error:
            # The database went away under it; resync would come later.
            log.warning("job is tried again", extra={"key": key, "reason": error.message})
            raise Retry(defer=RETRY_SECONDS) from error

    return run


def _encode(value: object) -> str:
    return repr(value)
