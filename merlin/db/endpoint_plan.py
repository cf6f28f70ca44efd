"""What a wished revision will be: its spec, and whether it keeps the InferenceService of one that lives.

Decided under the endpoint's lock from its live revisions. An InferenceService is alive while a live revision (queued,
starting, ready, active, draining) names it: who removes objects marks the revision REMOVED first, in the database, and
removes only what no live revision names. So a revision that is found live here cannot lose its objects afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

import orjson

from merlin.db.connection import borrowed, translated
from merlin.db.tables import Revision, VersionEndpoint
from merlin.db.transaction import Transaction, as_row, transaction
from merlin.domain.lifecycle import LIVE_STATUSES, UNFINISHED_STATUSES, Cause, Desired, Lifecycle, RevisionStatus
from merlin.domain.revision import RevisionSpec, changes_workload
from merlin.errors import NotAllowed, NotFound

SpecOf = Callable[[RevisionSpec | None], RevisionSpec]


@dataclass(frozen=True, slots=True)
class Requested:
    """What was asked for; see `merlin.db.endpoints.request_deployment`."""

    spec: RevisionSpec | SpecOf | None
    is_rollback: bool
    rollback_to: int | None
    workload_of: Callable[[int], str]


@dataclass(frozen=True, slots=True)
class Plan:
    """The revision to write, and what becomes of the ones before. ``starts_anew``: nothing of an old life is kept."""

    number: int
    spec: RevisionSpec
    service_name: str
    workload_revision: int
    cause: Cause
    rollback_to: int | None
    starts_anew: bool
    superseded: tuple[Revision, ...] = ()
    removed: tuple[Revision, ...] = ()


@dataclass(frozen=True, slots=True)
class Preview:
    """A plan that was not carried out. ``endpoint_id`` ``None`` = there is no such endpoint yet."""

    endpoint_id: UUID | None
    generation: int
    plan: Plan


async def plan_revision(tx: Transaction, endpoint: VersionEndpoint | None, requested: Requested) -> Plan:
    """The plan for the next revision of a locked endpoint (``None`` = a first deploy). Raises NotFound, NotAllowed."""
    if endpoint is None:
        if requested.is_rollback:
            raise NotFound("The version was never deployed there.", path=("versionEndpointId",), hint="Deploy it.")
        spec = _spec(requested, None)
        return Plan(1, spec, requested.workload_of(1), 1, Cause.DEPLOY, None, starts_anew=True)
    live = await live_revisions(tx, endpoint.id)
    going = endpoint.desired is Desired.TERMINATED
    unfinished = tuple(r for r in live if r.status in UNFINISHED_STATUSES)
    alive = [] if going else live
    kept: Revision | None
    if requested.is_rollback:
        goal = await _rollback_goal(tx, endpoint, requested.rollback_to, under_way=bool(unfinished))
        spec, cause, rollback_to = RevisionSpec.from_json(goal.spec), Cause.ROLLBACK, goal.number
        kept = next((r for r in alive if r.number == goal.number), None) or _changed_in_place(alive, spec)
    else:
        spec = _spec(requested, await _base(tx, endpoint, live))
        cause = Cause.DEPLOY if _starts_anew(endpoint) else Cause.REDEPLOY
        rollback_to, kept = None, _changed_in_place(_not_draining(alive), spec)
    return Plan(
        number=endpoint.next_revision,
        spec=spec,
        service_name=kept.service_name if kept else requested.workload_of(endpoint.next_revision),
        workload_revision=kept.workload_revision if kept else endpoint.next_revision,
        cause=cause,
        rollback_to=rollback_to,
        starts_anew=_starts_anew(endpoint),
        superseded=unfinished,
        removed=tuple(r for r in live if going and r.status not in UNFINISHED_STATUSES),
    )


async def live_revisions(tx: Transaction, endpoint_id: UUID) -> list[Revision]:
    """Revisions whose objects may be in the cluster, oldest first, locked."""
    rows = await tx.rows(
        "SELECT * FROM revision WHERE endpoint_id = $1 AND status = ANY($2::text[]) ORDER BY number FOR UPDATE",
        endpoint_id,
        [status.value for status in LIVE_STATUSES],
    )
    return [as_row(Revision, row) for row in rows]


async def base_spec(*, version_id: UUID, environment_id: UUID) -> RevisionSpec | None:
    """The spec that a redeploy would change; ``None`` when the environment's defaults are the base."""
    async with borrowed() as connection:
        with translated():
            stored = await connection.fetchval(_BASE, version_id, environment_id)
    return RevisionSpec.from_json(orjson.loads(stored)) if stored is not None else None


async def active_before(endpoint_id: UUID) -> int:
    """The number of the revision that was active before: what a rollback without a number goes back to.

    Raises NotFound when none was.
    """
    async with transaction() as tx:
        return (await _active_before(tx, endpoint_id)).number


def _spec(requested: Requested, base: RevisionSpec | None) -> RevisionSpec:
    if requested.spec is None:
        raise AssertionError("only a rollback brings no spec")
    return requested.spec if isinstance(requested.spec, RevisionSpec) else requested.spec(base)


def _starts_anew(endpoint: VersionEndpoint) -> bool:
    return endpoint.desired is Desired.TERMINATED or endpoint.lifecycle in (Lifecycle.TERMINATED, Lifecycle.FAILED)


async def _base(tx: Transaction, endpoint: VersionEndpoint, live: list[Revision]) -> RevisionSpec | None:
    """What was last wished and is wished still; after a failed first deploy that one; nothing after an undeploy.

    `_BASE` says the same in SQL.
    """
    if endpoint.desired is Desired.TERMINATED or endpoint.lifecycle is Lifecycle.TERMINATED:
        return None
    number = endpoint.target_revision or endpoint.next_revision - 1
    revision = next((r for r in live if r.number == number), None)
    revision = revision or await tx.find(Revision, endpoint_id=endpoint.id, number=number)
    return RevisionSpec.from_json(revision.spec) if revision is not None else None


_BASE = """
SELECT r.spec FROM version_endpoint e JOIN revision r
  ON r.endpoint_id = e.id AND r.number = coalesce(e.target_revision, e.next_revision - 1)
WHERE e.version_id = $1 AND e.environment_id = $2 AND e.desired <> 'terminated' AND e.lifecycle <> 'terminated'
"""


def _changed_in_place(alive: list[Revision], spec: RevisionSpec) -> Revision | None:
    """The newest of these revisions whose pods can go on as they are.

    An identical spec gets pods of its own: that is how users restart, and how changed secrets are taken.
    """
    for revision in reversed(alive):
        old = RevisionSpec.from_json(revision.spec)
        if old != spec and not changes_workload(old, spec):
            return revision
    return None


def _not_draining(alive: list[Revision]) -> list[Revision]:
    return [r for r in alive if r.status is not RevisionStatus.DRAINING]


async def _rollback_goal(
    tx: Transaction, endpoint: VersionEndpoint, number: int | None, *, under_way: bool
) -> Revision:
    if number is None:
        return await _active_before(tx, endpoint.id)
    goal = await tx.find(Revision, endpoint_id=endpoint.id, number=number)
    if goal is None:
        raise NotFound(
            f"There is no revision {number}.", path=("toRevision",), hint="Its history tells which there are."
        )
    if goal.active_at is None:
        raise NotAllowed(
            f"Revision {number} was never active ({goal.status.value}).",
            path=("toRevision",),
            hint="Choose one that ran, or redeploy with its values.",
        )
    if number == endpoint.active_revision and endpoint.desired is Desired.DEPLOYED and not under_way:
        raise NotAllowed(
            f"Revision {number} is the active one.",
            code="NO_CHANGE",
            path=("toRevision",),
            hint="There is nothing to do.",
        )
    return goal


async def _active_before(tx: Transaction, endpoint_id: UUID) -> Revision:
    row = await tx.row(_ACTIVE_BEFORE, endpoint_id)
    if row is None:
        raise NotFound("No earlier revision was ever active.", path=("toRevision",), hint="Deploy a change instead.")
    return as_row(Revision, row)


_ACTIVE_BEFORE = """
SELECT r.* FROM revision r JOIN version_endpoint e ON e.id = r.endpoint_id
WHERE e.id = $1 AND r.active_at IS NOT NULL AND r.number <> coalesce(e.active_revision, 0)
ORDER BY r.active_at DESC, r.number DESC LIMIT 1
"""
