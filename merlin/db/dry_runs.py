"""Dry runs of deployments: asked for by the API, which may not write to a cluster, answered by a worker.

A row lives for the seconds that its asker waits: who reads the answer takes it out, who waits no longer withdraws it,
and what a killed asker left behind is pruned. The doorbell says that there is an answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from merlin.db import tables
from merlin.db.outbox import Work, enqueue
from merlin.db.transaction import as_json, transaction
from merlin.domain.environment import EnvironmentConfig
from merlin.domain.revision import RevisionSpec

CHANNEL = "merlin_dry_run"
WAIT_SECONDS = 10.0
SECONDS_KEPT = 300.0


@dataclass(frozen=True, slots=True)
class DryRun:
    """A revision that might be wished of a version endpoint (``endpoint_id`` ``None`` = of one that is not there yet).

    ``generation``, ``service_name`` and ``workload_revision`` are what they would be.
    """

    endpoint_id: UUID | None
    generation: int
    project_id: UUID
    project: str
    model: str
    version: int
    storage_uri: str
    namespace: str
    environment_id: UUID
    service_name: str
    workload_revision: int
    spec: RevisionSpec


@dataclass(frozen=True, slots=True)
class AskedDryRun:
    """One that waits for its answer, with the configuration of its environment."""

    id: UUID
    run: DryRun
    environment: EnvironmentConfig


async def ask(run: DryRun) -> UUID:
    """Ask for it, durably; the id to `take` the answer by."""
    asked = {name: getattr(run, name) for name in DryRun.__slots__} | {"spec": run.spec.as_json()}
    async with transaction() as tx:
        row = await tx.insert(tables.DryRun, asked=asked)
        await enqueue(Work.PLAN_DEPLOYMENT, row.id, tx=tx)
    return row.id


async def asked(dry_run_id: UUID, *, most_seconds: float) -> AskedDryRun | None:
    """What is asked; ``None`` when it was answered, withdrawn, or asked longer ago than anybody waits."""
    async with transaction() as tx:
        row = await tx.row(_ASKED, dry_run_id, most_seconds)
    if row is None:
        return None
    stored = orjson.loads(row["asked"])
    for name in ("endpoint_id", "project_id", "environment_id"):
        stored[name] = UUID(stored[name]) if stored[name] is not None else None
    stored["spec"] = RevisionSpec.from_json(stored["spec"])
    return AskedDryRun(dry_run_id, DryRun(**stored), EnvironmentConfig.from_json(orjson.loads(row["config"])))


async def answer(dry_run_id: UUID, answer: Mapping[str, Any]) -> None:
    """Answer it and ring; the first answer stays."""
    async with transaction() as tx:
        if await tx.execute(_ANSWER, dry_run_id, as_json(answer)):
            await tx.execute("SELECT pg_notify($1, $2)", CHANNEL, str(dry_run_id))


async def take(dry_run_id: UUID) -> dict[str, Any] | None:
    """The answer, which is gone from then on; ``None`` while there is none."""
    async with transaction() as tx:
        stored = await tx.value("DELETE FROM dry_run WHERE id = $1 AND answer IS NOT NULL RETURNING answer", dry_run_id)
    return orjson.loads(stored) if stored is not None else None


async def withdraw(dry_run_id: UUID) -> None:
    """Nobody waits for it any more."""
    async with transaction() as tx:
        await tx.execute("DELETE FROM dry_run WHERE id = $1", dry_run_id)
        await tx.execute("DELETE FROM outbox WHERE kind = $1 AND key = $2", Work.PLAN_DEPLOYMENT.value, str(dry_run_id))


async def prune_dry_runs(*, seconds: float = SECONDS_KEPT) -> int:
    """Forget what was left behind; how many went."""
    async with transaction() as tx:
        return await tx.execute("DELETE FROM dry_run WHERE created_at < now() - make_interval(secs => $1)", seconds)


_ASKED = """
SELECT d.asked, n.config FROM dry_run d JOIN environment n ON n.id = (d.asked ->> 'environment_id')::uuid
WHERE d.id = $1 AND d.answer IS NULL AND d.created_at >= now() - make_interval(secs => $2)
"""
_ANSWER = "UPDATE dry_run SET answer = $2 WHERE id = $1 AND answer IS NULL"
