"""Wakes whatever is not settled: what makes every lost job, notification or watch event cost only time."""

from __future__ import annotations

from merlin.db.outbox import CHANNEL, Work
from merlin.db.transaction import transaction


async def wake_unsettled(*, quiet_seconds: float = 5.0, limit: int = 500) -> int:
    """Ask for another reconcile of endpoints that are progressing or not observed yet; how many were woken.

    Left alone: rows that changed within ``quiet_seconds`` (somebody is at it), that are locked, or whose work waits in
    the outbox already (due, or put off since the queue did not take it). Call it from one process at a time
    (`session_lock`), every few seconds.
    """
    woken = 0
    async with transaction() as tx:
        for kind, table in (
            (Work.RECONCILE_VERSION_ENDPOINT, "version_endpoint"),
            (Work.RECONCILE_MODEL_ENDPOINT, "model_endpoint"),
        ):
            woken += await tx.execute(_WAKE.replace("ENDPOINT", table), kind.value, quiet_seconds, limit)
        if woken:
            await tx.execute("SELECT pg_notify($1, '')", CHANNEL)
    return woken


_WAKE = """
WITH quiet AS (
  SELECT id FROM ENDPOINT AS e
  WHERE (progressing OR observed_generation < generation) AND updated_at < now() - make_interval(secs => $2)
    AND NOT EXISTS (
      SELECT FROM outbox WHERE kind = $1 AND key = e.id::text AND (scheduled_for <= now() OR attempts > 0)
    )
  ORDER BY updated_at LIMIT $3 FOR UPDATE SKIP LOCKED
), woken AS (
  UPDATE ENDPOINT AS e SET wake = wake + 1 FROM quiet WHERE e.id = quiet.id RETURNING e.id, e.generation, e.wake
)
INSERT INTO outbox (kind, key, generation, wake, scheduled_for, attempts)
SELECT $1, id::text, generation, wake, now(), 0 FROM woken
"""
