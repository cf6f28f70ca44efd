"""Version endpoints: what was done and seen in the cluster. Written only while the generation is still the same.

A record that finds everything as it states writes nothing and makes no event, so all of these may be repeated. They
lock the endpoint alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg

from merlin.db.events import NewEvent, append_events, ring
from merlin.db.outbox import Work, enqueue, enqueue_once
from merlin.db.tables import Revision, VersionEndpoint
from merlin.db.transaction import Transaction, transaction
from merlin.domain.failure import Failure
from merlin.domain.lifecycle import (
    UNFINISHED_STATUSES,
    EndpointEvent,
    Lifecycle,
    RevisionStatus,
    Severity,
    advance,
    check_move,
    walk,
)
from merlin.domain.settlement import Happening, RevisionMove, Settlement

_TIMES = {
    RevisionStatus.STARTING: "applied_at",
    RevisionStatus.READY: "ready_at",
    RevisionStatus.ACTIVE: "active_at",
    RevisionStatus.REMOVED: "finished_at",
    RevisionStatus.FAILED: "finished_at",
    RevisionStatus.CANCELLED: "finished_at",
    RevisionStatus.SUPERSEDED: "finished_at",
}


async def record_applied(
    endpoint_id: UUID, *, generation: int, revision: int, message: str = "Applied to the cluster."
) -> bool:
    """Note that a revision's objects are in the cluster: QUEUED becomes STARTING. False = the generation moved on."""
    async with transaction() as tx:
        endpoint = await _locked(tx, endpoint_id, generation)
        if endpoint is None:
            return False
        moved = await _move(tx, endpoint_id, RevisionMove(revision, RevisionStatus.STARTING), lenient=True)
        if moved:
            line = Happening("deployment.applied", message, revision=revision)
            await append_events(tx, await _lines(tx, endpoint_id, [line]))
    return True


async def record_failure(
    endpoint_id: UUID, *, generation: int, failure: Failure, connection: asyncpg.Connection[Any] | None = None
) -> bool:
    """Note a final failure to bring about what was wished. False = the generation moved on.

    A revision on its way is FAILED: the endpoint is FAILED too, or goes on with its active revision. Without one on
    its way the endpoint is unhealthy. The failed objects are to be cleaned up, so it is reconciled once more.
    """
    async with transaction(connection) as tx:
        endpoint = await _locked(tx, endpoint_id, generation)
        if endpoint is None:
            return False
        target = await tx.find(Revision, "FOR UPDATE", endpoint_id=endpoint_id, number=endpoint.target_revision or 0)
        if target is None or target.status not in UNFINISHED_STATUSES:
            return await _record_unhealthy(tx, endpoint, failure)
        lifecycle = advance(endpoint.lifecycle, EndpointEvent.REVISION_FAILED)
        settlement = Settlement(
            lifecycle=lifecycle,
            progressing=False,
            healthy=endpoint.healthy and lifecycle is Lifecycle.RUNNING,
            settled=False,
            reason=failure.code.value,
            message=failure.message,
            failure=failure,
            target_revision=endpoint.active_revision or endpoint.target_revision,
            active_revision=endpoint.active_revision,
            moves=(RevisionMove(target.number, RevisionStatus.FAILED, failure),),
            happenings=(_failed(failure, target.number),),
            wake_after_seconds=0,
        )
        await _write(tx, endpoint, settlement)
    return True


async def record_observation(
    connection: asyncpg.Connection[Any] | None, endpoint_id: UUID, *, generation: int, settlement: Settlement
) -> bool:
    """Write what was settled, with its events, on the connection that holds the observer's lock.

    False = the generation moved on, or the endpoint is gone: nothing was written, look again. When the row and its
    revisions say the same already, nothing is written and happenings without a ``key`` are not told again. Raises
    NotAllowed for a move that does not exist.
    """
    async with transaction(connection) as tx:
        endpoint = await _locked(tx, endpoint_id, generation)
        if endpoint is None:
            return False
        await _write(tx, endpoint, settlement)
    return True


async def bump_wake(endpoint_id: UUID, *, delay_seconds: float = 0.0) -> bool:
    """Have an endpoint reconciled once more in the same generation; false when it is gone.

    The queue refuses a job's id for some time after its worker was killed: counting wakes gives it another one.
    """
    async with transaction() as tx:
        row = await tx.row(
            "UPDATE version_endpoint SET wake = wake + 1 WHERE id = $1 RETURNING generation, wake", endpoint_id
        )
        if row is None:
            return False
        await enqueue_once(Work.RECONCILE_VERSION_ENDPOINT, endpoint_id, **row, delay_seconds=delay_seconds, tx=tx)
    return True


async def _locked(tx: Transaction, endpoint_id: UUID, generation: int) -> VersionEndpoint | None:
    endpoint = await tx.find(VersionEndpoint, "FOR UPDATE", id=endpoint_id)
    return endpoint if endpoint is not None and endpoint.generation == generation else None


async def _write(tx: Transaction, endpoint: VersionEndpoint, settlement: Settlement) -> None:
    """The one place where a lifecycle changes by what was seen."""
    check_move(endpoint.lifecycle, settlement.lifecycle)
    moved = [await _move(tx, endpoint.id, move) for move in _in_order(settlement.moves)]
    changes = _changes(endpoint, settlement)
    changed = bool(changes) or any(moved)
    happenings = await untold(tx, endpoint.id, settlement.happenings, changed=changed)
    if not changed and not happenings:
        return
    if changed and settlement.wake_after_seconds is not None:
        changes["wake"] = endpoint.wake + 1
        await enqueue(
            Work.RECONCILE_VERSION_ENDPOINT,
            endpoint.id,
            generation=endpoint.generation,
            wake=endpoint.wake + 1,
            delay_seconds=settlement.wake_after_seconds,
            tx=tx,
        )
    if changes:
        await tx.update(VersionEndpoint, endpoint.id, **changes)
    await append_events(tx, await _lines(tx, endpoint.id, happenings))
    if not happenings:
        await ring(tx, [endpoint.id])


def _in_order(moves: Sequence[RevisionMove]) -> list[RevisionMove]:
    """Who leaves first: there is one active revision, and one on its way, at any moment."""
    return sorted(moves, key=lambda move: move.status not in (RevisionStatus.REMOVED, RevisionStatus.DRAINING))


def _changes(endpoint: VersionEndpoint, settlement: Settlement) -> dict[str, Any]:
    stated: dict[str, Any] = {
        "lifecycle": settlement.lifecycle,
        "progressing": settlement.progressing,
        "healthy": settlement.healthy,
        "reason": settlement.reason,
        "message": settlement.message,
        "failure": settlement.failure.as_json() if settlement.failure else None,
        "target_revision": settlement.target_revision,
        "active_revision": settlement.active_revision,
    }
    if settlement.settled:
        stated["observed_generation"] = endpoint.generation
    return {name: value for name, value in stated.items() if getattr(endpoint, name) != value}


async def _move(tx: Transaction, endpoint_id: UUID, move: RevisionMove, *, lenient: bool = False) -> bool:
    """Bring a revision to a status, noting the time of every step; false when it is there already.

    ``lenient``: one that is further, or ended, is left alone. Raises NotAllowed.
    """
    revision = await tx.find(Revision, "FOR UPDATE", endpoint_id=endpoint_id, number=move.number)
    if revision is None or (lenient and revision.status is not RevisionStatus.QUEUED):
        return False
    now = datetime.now(UTC)
    steps = walk(revision.status, move.status)
    changes: dict[str, Any] = {_TIMES[step]: now for step in steps if step in _TIMES}
    if steps:
        changes["status"] = move.status
    if move.failure is not None and revision.failure != move.failure.as_json():
        changes["failure"] = move.failure.as_json()
    if move.drain_until is not None and revision.drain_until != move.drain_until:
        changes["drain_until"] = move.drain_until
    if changes:
        await tx.update(Revision, revision.id, **changes)
    return bool(changes)


async def untold(
    tx: Transaction, subject_id: UUID, happenings: Sequence[Happening], *, changed: bool
) -> list[Happening]:
    """Those to tell: with a key, once for ever; without one, only together with a change."""
    keys = [happening.key for happening in happenings if happening.key]
    told: set[tuple[str, str]] = set()
    if keys:
        rows = await tx.rows(
            "SELECT type, data ->> 'key' AS key FROM event WHERE subject_id = $1 AND data ->> 'key' = ANY($2::text[])",
            subject_id,
            keys,
        )
        told = {(row["type"], row["key"]) for row in rows}
    return [h for h in happenings if (changed if not h.key else (h.type, h.key) not in told)]


async def _lines(tx: Transaction, endpoint_id: UUID, happenings: Sequence[Happening]) -> list[NewEvent]:
    if not happenings:
        return []
    about = await tx.row(
        "SELECT m.project_id, m.id AS model_id FROM version_endpoint e JOIN version v ON v.id = e.version_id "
        "JOIN model m ON m.id = v.model_id WHERE e.id = $1",
        endpoint_id,
    )
    if about is None:
        return []
    return [event_of(happening, "VersionEndpoint", endpoint_id, **about) for happening in happenings]


def event_of(
    happening: Happening, subject_type: str, subject_id: UUID, *, project_id: UUID, model_id: UUID
) -> NewEvent:
    """The line for the log; its key stands in its data."""
    return NewEvent(
        type=happening.type,
        subject_type=subject_type,
        subject_id=subject_id,
        project_id=project_id,
        model_id=model_id,
        message=happening.message,
        reason=happening.reason,
        severity=happening.severity,
        data={**happening.data, "key": happening.key} if happening.key else happening.data,
        revision=happening.revision,
    )


async def _record_unhealthy(tx: Transaction, endpoint: VersionEndpoint, failure: Failure) -> bool:
    state = {"reason": failure.code.value, "message": failure.message, "failure": failure.as_json(), "healthy": False}
    if all(getattr(endpoint, name) == value for name, value in state.items()):
        return True
    await tx.update(VersionEndpoint, endpoint.id, **state)
    line = replace(_failed(failure, endpoint.active_revision), type="endpoint.unhealthy")
    await append_events(tx, await _lines(tx, endpoint.id, [line]))
    return True


def _failed(failure: Failure, revision: int | None) -> Happening:
    return Happening(
        "deployment.failed",
        failure.message,
        reason=failure.code.value,
        severity=Severity.ERROR,
        data={"failure": failure.as_json()},
        revision=revision,
    )
