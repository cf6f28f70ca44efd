"""Everything an accepted act leaves beside the state it changed: audit line, idempotency answer, work, events.

Writers call `record_act` last, in the transaction of the change: it takes the event log's lock, after which nothing
may be locked. Values of variables and secrets never come here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from merlin.db.actor import Actor
from merlin.db.events import NewEvent, append_events
from merlin.db.idempotency import Answer, record_answer
from merlin.db.outbox import enqueue
from merlin.db.transaction import Transaction, as_json


@dataclass(frozen=True, slots=True)
class WorkToDo:
    """A row for the outbox."""

    kind: str
    key: UUID | str
    generation: int = 0
    wake: int = 0


@dataclass(frozen=True, slots=True)
class Act:
    """What was done to what. ``before`` and ``after`` hold what changed; ``answer`` what a repetition is told."""

    action: str
    subject_type: str
    subject_id: UUID
    project_id: UUID | None
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    answer: Mapping[str, Any] = field(default_factory=dict)


async def record_act(
    tx: Transaction, actor: Actor, act: Act, *, events: Sequence[NewEvent], work: Sequence[WorkToDo] = ()
) -> None:
    """Write all of it. The last thing a transaction does. Raises AlreadyAnswered (see `merlin.db.idempotency`)."""
    await record_answer(tx, actor, Answer(act.subject_type, act.subject_id, dict(act.answer)))
    await tx.execute(
        """
        INSERT INTO audit (actor, action, project_id, subject_type, subject_id, before, after, request_id)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        """,
        actor.subject,
        act.action,
        act.project_id,
        act.subject_type,
        act.subject_id,
        None if act.before is None else as_json(act.before),
        None if act.after is None else as_json(act.after),
        actor.request_id,
    )
    for piece in work:
        await enqueue(piece.kind, piece.key, generation=piece.generation, wake=piece.wake, tx=tx)
    await append_events(tx, events)
