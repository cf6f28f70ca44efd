"""Who predicts next, and with whom.

A request that finds the model idle is predicted at once. Requests that come while it is busy, or in the same turn of
the event loop, wait; then neighbours of one layout share a call if the model works row by row. A shared call that
fails, or whose result has another length than its rows, is undone: each request is predicted alone, so that a bad
row spoils nobody else's answer.

Calls that are known to be short run on the event loop itself, which saves two thread switches (as much as the
prediction of a small model costs); all others run in the worker's thread. Nothing here waits for company.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from merlin_runtime.inputs import Inputs, joined
from merlin_runtime.metrics import Metrics
from merlin_runtime.predictor import Predictor
from merlin_runtime.worker import Worker

log = logging.getLogger(__name__)

# A call on the loop delays health checks and other requests by its own length, so only short ones run there.
QUICK_SECONDS = 0.003
QUICK_ROWS = 64
# How fast a long call is forgotten: after about 50 short ones the next may run on the loop again.
FORGET = 0.96


class Overloaded(Exception):
    """Too many requests are waiting already; trying again later helps."""


class Job:
    """One request's call of the model; ``answer`` gets the result or the exception."""

    __slots__ = ("answer", "deadline", "inputs", "params")

    def __init__(self, inputs: Inputs, params: Mapping[str, Any] | None, answer: asyncio.Future[Any], deadline: float):
        self.inputs = inputs
        self.params = params
        self.answer = answer
        self.deadline = deadline


class Outcome:
    """What became of a job, made in any thread and told to its future on the loop."""

    __slots__ = ("error", "result")

    def __init__(self, result: Any = None, error: Exception | None = None) -> None:
        self.result = result
        self.error = error


class Batcher:
    """The queue in front of one model. Use it on one event loop; ``close`` ends its thread."""

    def __init__(
        self,
        model: Predictor,
        metrics: Metrics,
        *,
        batching: bool,
        max_rows: int,
        max_queued: int,
        timeout_seconds: float,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._model = model
        self._metrics = metrics
        self._batching = batching
        self._max_rows = max_rows
        self._max_queued = max_queued
        self._timeout_seconds = timeout_seconds
        self._queue: deque[Job] = deque()
        self._running: list[Job] = []
        self._flush_due = False
        self._sweep_due = False
        self._worker = Worker(self._loop)
        # Until calls have been seen to be short they run in the thread.
        self._slowest_seconds = QUICK_SECONDS * 1.2

    @property
    def waiting(self) -> int:
        return len(self._queue)

    @property
    def outstanding(self) -> int:
        return len(self._queue) + len(self._running)

    def submit(self, inputs: Inputs, params: Mapping[str, Any] | None = None) -> asyncio.Future[Any]:
        """A future of the model's result; it fails with what ``predict`` raised, or TimeoutError after the timeout.

        Raises Overloaded when the queue is full."""
        if len(self._queue) >= self._max_queued:
            raise Overloaded(f"{len(self._queue)} requests are waiting for the model; try again later")
        answer = self._loop.create_future()
        self._queue.append(Job(inputs, params or None, answer, self._loop.time() + self._timeout_seconds))
        if not self._running and not self._flush_due:
            # Not now: requests that arrived in this turn of the loop are still being decoded.
            self._flush_due = True
            self._loop.call_soon(self._flush)
        if not self._sweep_due:
            self._arm_sweep()
        return answer

    def close(self) -> None:
        self._worker.close()

    # The next call ------------------------------------------------------------------------------------------------

    def _flush(self) -> None:
        self._flush_due = False
        if self._running:
            return
        batch = self._next_batch()
        if not batch:
            return
        rows = sum(job.inputs.rows for job in batch)
        self._metrics.batch(len(batch))
        if self._model.quick and rows <= QUICK_ROWS and self._slowest_seconds < QUICK_SECONDS:
            self._finish(batch, self._timed(batch))
            if self._queue and not self._flush_due:
                self._flush_due = True
                self._loop.call_soon(self._flush)
            return
        self._run_in_thread(batch)

    def _run_in_thread(self, batch: list[Job]) -> None:
        self._running = batch
        outcomes: list[Outcome] = []

        def task() -> None:
            outcomes.extend(self._timed(batch))

        def done() -> None:
            self._running = []
            self._finish(batch, outcomes)
            self._flush()

        self._worker.run(task, done)

    def _next_batch(self) -> list[Job]:
        """The oldest job that still waits for an answer, and its neighbours that may share its call."""
        queue = self._queue
        batch: list[Job] = []
        rows = 0
        while queue:
            job = queue[0]
            if job.answer.done():
                queue.popleft()
                continue
            if batch and not self._may_join(batch[0], job, rows):
                break
            batch.append(queue.popleft())
            rows += job.inputs.rows
        return batch

    def _may_join(self, first: Job, job: Job, rows: int) -> bool:
        return (
            self._batching
            and rows + job.inputs.rows <= self._max_rows
            and first.params is None
            and job.params is None
            and first.inputs.layout == job.inputs.layout
        )

    def _timed(self, batch: Sequence[Job]) -> list[Outcome]:
        started = time.perf_counter()
        outcomes = predict_all(self._model, batch)
        seconds = time.perf_counter() - started
        self._metrics.predicted(seconds)
        if sum(job.inputs.rows for job in batch) <= QUICK_ROWS:
            self._slowest_seconds = max(seconds, self._slowest_seconds * FORGET)
        return outcomes

    @staticmethod
    def _finish(batch: Sequence[Job], outcomes: Sequence[Outcome]) -> None:
        for job, outcome in zip(batch, outcomes, strict=True):
            if job.answer.done():
                continue
            if outcome.error is not None:
                job.answer.set_exception(outcome.error)
            else:
                job.answer.set_result(outcome.result)

    # Deadlines: one timer for all, since a timer per request would cost each of them -------------------------------

    def _arm_sweep(self) -> None:
        self._sweep_due = True
        self._loop.call_later(min(1.0, self._timeout_seconds / 10), self._sweep)

    def _sweep(self) -> None:
        now = self._loop.time()
        for job in [*self._running, *self._queue]:
            if job.deadline <= now and not job.answer.done():
                job.answer.set_exception(TimeoutError())
        if self._running and all(job.answer.done() for job in self._running) and self._running[0].deadline <= now:
            self._leave_stuck_call()
        self._sweep_due = False
        if self.outstanding:
            self._arm_sweep()

    def _leave_stuck_call(self) -> None:
        if self._worker.abandon():
            log.error("a prediction exceeded its time and was left behind", extra={"abandoned": self._worker.abandoned})
            self._running = []
            self._flush()


def predict_all(model: Predictor, batch: Sequence[Job]) -> list[Outcome]:
    """One outcome per job, in order; together if possible, else each alone. Never raises."""
    if len(batch) > 1:
        together = _together(model, batch)
        if together is not None:
            return together
    return [_alone(model, job) for job in batch]


def _alone(model: Predictor, job: Job) -> Outcome:
    try:
        return Outcome(result=model.predict(job.inputs, job.params))
    except Exception as error:  # noqa: BLE001 - handed to whoever asked
        return Outcome(error=error)


def _together(model: Predictor, batch: Sequence[Job]) -> list[Outcome] | None:
    try:
        whole = joined([job.inputs for job in batch])
        result = model.predict(whole, None)
        parts = split(result, [job.inputs.rows for job in batch])
    except Exception as error:  # noqa: BLE001 - the cause shows itself again when each is predicted alone
        log.debug("a shared call failed; each request is predicted alone", extra={"reason": str(error)})
        return None
    return None if parts is None else [Outcome(result=part) for part in parts]


def split(result: Any, rows: Sequence[int]) -> list[Any] | None:
    """A result cut into pieces of so many rows; None if it does not have exactly one entry per row."""
    if isinstance(result, Mapping):
        pieces = {key: split(value, rows) for key, value in result.items()}
        if any(piece is None for piece in pieces.values()):
            return None
        return [{key: piece[index] for key, piece in pieces.items() if piece} for index in range(len(rows))]
    take = _taker(result)
    if take is None or _length(result) != sum(rows):
        return None
    pieces_of: list[Any] = []
    start = 0
    for count in rows:
        pieces_of.append(take(start, start + count))
        start += count
    return pieces_of


def _taker(result: Any) -> Callable[[int, int], Any] | None:
    if hasattr(result, "iloc"):
        return lambda start, end: result.iloc[start:end]
    if isinstance(result, list) or (hasattr(result, "shape") and hasattr(result, "dtype")):
        return lambda start, end: result[start:end]
    return None


def _length(result: Any) -> int:
    shape = getattr(result, "shape", None)
    if shape is None:
        return len(result)
    return int(shape[0]) if len(shape) else -1
