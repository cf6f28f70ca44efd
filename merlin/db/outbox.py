"""Work that must reach the queue: written in the transaction of the state it is about, deleted once it is enqueued.

At least once: a relay that dies between enqueueing and deleting leaves the row to the next one. Work that is to be done
and not only enqueued keeps its row, which is due again later. Rows carry an id and counters, never content.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from merlin.db.transaction import Transaction, transaction

CHANNEL = "merlin_outbox"
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 60.0


class Work(StrEnum):
    """Kinds of work: the names of the functions that the queue runs."""

    RECONCILE_VERSION_ENDPOINT = "reconcile_version_endpoint"
    RECONCILE_MODEL_ENDPOINT = "reconcile_model_endpoint"
    MIRROR_VERSION_TAGS = "mirror_version_tags"
    DELETE_RUN = "delete_run"  # its key and the next one's are MLflow's: the row they were noted in is gone
    DELETE_EXPERIMENT = "delete_experiment"
    DELETE_UNNOTED_RUN = "delete_unnoted_run"  # its key: the hexadecimal ids of the model and of the version
    PLAN_DEPLOYMENT = "plan_deployment"


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One piece of work. ``generation`` and ``wake`` make the job's id differ from an earlier job's.

    ``claimed_at`` (the database's clock): whatever it is about was committed before.
    """

    id: int
    kind: str
    key: str
    generation: int
    wake: int
    attempts: int
    claimed_at: datetime


@dataclass(frozen=True, slots=True)
class Claim:
    """Rows that are ours until the block ends. Mark each with `done` or `come_back` once it is in the queue."""

    rows: tuple[OutboxRow, ...]
    _done: set[int] = field(default_factory=set)
    _coming_back: dict[int, float] = field(default_factory=dict)

    def done(self, row: OutboxRow) -> None:
        """This row is in the queue: it is deleted even when a later one fails."""
        self._done.add(row.id)

    def come_back(self, row: OutboxRow, delay_seconds: float) -> None:
        """This row is in the queue, and stays: it is due again after that time, with the next generation."""
        self._coming_back[row.id] = delay_seconds

    @property
    def coming_back(self) -> list[tuple[OutboxRow, float]]:
        """Rows that stay, each with its delay."""
        return [(row, self._coming_back[row.id]) for row in self.rows if row.id in self._coming_back]

    @property
    def undone(self) -> list[int]:
        """Ids of rows that were not marked."""
        return [row.id for row in self.rows if row.id not in self._done and row.id not in self._coming_back]


@dataclass(frozen=True, slots=True)
class Depth:
    """How much waits: all rows, those that are due, and how long the oldest due one has been waiting."""

    rows: int
    due: int
    lag_seconds: float


async def enqueue(
    kind: str,
    key: UUID | str,
    *,
    generation: int = 0,
    wake: int = 0,
    delay_seconds: float = 0.0,
    tx: Transaction | None = None,
) -> None:
    """Ask for work, in the given transaction or one of its own. The relay's doorbell rings when it is due at once."""
    async with contextlib.AsyncExitStack() as stack:
        own = tx if tx is not None else await stack.enter_async_context(transaction())
        await own.execute(
            """
            WITH written AS (
              INSERT INTO outbox (kind, key, generation, wake, scheduled_for, attempts)
              VALUES ($1, $2, $3, $4, now() + make_interval(secs => $5), 0)
            )
            SELECT pg_notify($6, '') WHERE $5 <= 0
            """,
            str(kind),
            str(key),
            generation,
            wake,
            delay_seconds,
            CHANNEL,
        )


async def enqueue_once(
    kind: str, key: UUID | str, *, generation: int, wake: int, delay_seconds: float, tx: Transaction
) -> None:
    """The same for work that may be asked for again and again: one row that waits stands for all of it.

    So the outbox does not grow with time while the queue is away. A row that a relay has is left alone: its job may
    have read what there was already.
    """
    moved = await tx.execute(_MOVE_UP, str(kind), str(key), generation, wake, delay_seconds)
    if not moved:
        await enqueue(kind, key, generation=generation, wake=wake, delay_seconds=delay_seconds, tx=tx)
    elif delay_seconds <= 0:
        await tx.execute("SELECT pg_notify($1, '')", CHANNEL)


@contextlib.asynccontextmanager
async def claim(limit: int = 50) -> AsyncIterator[Claim]:
    """Up to ``limit`` rows that are due, oldest first, which no other relay has.

    They are deleted at the end of the block, but those that come back. If it raises, the rows that were not marked are
    due again after a pause that doubles with each attempt (0.2 s to 60 s); the error goes on. If the process dies, all
    of them are due at once. The block holds a transaction: enqueue with a deadline of a few seconds.
    """
    failure: Exception | None = None
    async with transaction() as tx:
        taken = Claim(tuple(OutboxRow(**row) for row in await tx.rows(_CLAIM, limit)))
        try:
            yield taken
        except Exception as error:  # noqa: BLE001 (whatever it was, the rows must be due again; raised below)
            failure = error
        await _settle(tx, taken, undone=taken.undone if failure else [])
    if failure is not None:
        raise failure


async def _settle(tx: Transaction, taken: Claim, *, undone: list[int]) -> None:
    back = taken.coming_back
    kept = {*undone, *(row.id for row, _ in back)}
    gone = [row.id for row in taken.rows if row.id not in kept]
    await tx.execute("DELETE FROM outbox WHERE id = ANY($1::bigint[])", gone)
    if undone:
        await tx.execute(_POSTPONE, undone, FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
    for row, delay_seconds in back:
        await tx.execute(_COME_BACK, row.id, row.claimed_at, delay_seconds)


async def seconds_until_due() -> float | None:
    """How long until the next row is due (0 = now); ``None`` when there is none. A slow poll waits this long."""
    async with transaction() as tx:
        wait: Any = await tx.value("SELECT extract(epoch FROM min(scheduled_for) - now())::float FROM outbox")
    return None if wait is None else max(0.0, wait)


async def depth() -> Depth:
    """What waits now, for metrics."""
    async with transaction() as tx:
        row = await tx.row(
            """
            SELECT count(*) AS rows, count(*) FILTER (WHERE scheduled_for <= now()) AS due,
                   coalesce(extract(epoch FROM now() - min(scheduled_for)), 0)::float AS lag
            FROM outbox
            """
        )
    return Depth(row["rows"], row["due"], max(0.0, row["lag"])) if row else Depth(0, 0, 0.0)


_CLAIM = """
SELECT id, kind, key, generation, wake, attempts, clock_timestamp() AS claimed_at FROM outbox
WHERE scheduled_for <= now() ORDER BY scheduled_for, id LIMIT $1 FOR UPDATE SKIP LOCKED
"""
_MOVE_UP = """
UPDATE outbox SET generation = $3, wake = $4,
  scheduled_for = least(scheduled_for, now() + make_interval(secs => $5))
WHERE id = (SELECT id FROM outbox WHERE kind = $1 AND key = $2 ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)
"""
_POSTPONE = """
UPDATE outbox SET attempts = attempts + 1,
  scheduled_for = clock_timestamp() + make_interval(secs => least($2 * power(2, least(attempts, 30)), $3))
WHERE id = ANY($1::bigint[])
"""
_COME_BACK = """
UPDATE outbox SET generation = generation + 1, attempts = 0, created_at = $2,
  scheduled_for = clock_timestamp() + make_interval(secs => $3)
WHERE id = $1
"""
