"""Work for MLflow leaves the outbox only when it is done.

MLflow and PostgreSQL are two stores and the queue may be lost: such a row stays when it is relayed, due again later
(`pause_seconds`), and success deletes it (`done`). So a lost job and an MLflow that is away both cost time only.
"""

from __future__ import annotations

from datetime import datetime

from merlin.db.outbox import OutboxRow, Work
from merlin.db.transaction import transaction

KINDS = frozenset({Work.MIRROR_VERSION_TAGS, Work.DELETE_RUN, Work.DELETE_EXPERIMENT, Work.DELETE_UNNOTED_RUN})
FIRST_PAUSE_SECONDS = 5.0  # longer than a healthy job takes
LONGEST_PAUSE_SECONDS = 300.0


def pause_seconds(row: OutboxRow) -> float:
    """How long after this relaying the same work comes again, unless it is done: each time later."""
    return min(FIRST_PAUSE_SECONDS * 2.0 ** min(row.generation, 30), LONGEST_PAUSE_SECONDS)


async def done(kind: Work, key: str, read_at: datetime | None) -> None:
    """Delete what would come back, except what was asked for after ``read_at`` (the database's clock)."""
    async with transaction() as tx:
        # This job may be faster than the relay that enqueued it: only once that one lets go of the row, it comes back.
        await tx.execute(_LOCK, kind.value, key)
        await tx.execute(_DELETE, kind.value, key, read_at)


_LOCK = "SELECT FROM outbox WHERE kind = $1 AND key = $2 ORDER BY id FOR UPDATE"
_DELETE = """
DELETE FROM outbox WHERE kind = $1 AND key = $2 AND generation > 0 AND ($3::timestamptz IS NULL OR created_at < $3)
"""
