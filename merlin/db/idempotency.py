"""A caller's key makes a repeated act give the answer of the first one.

The answer is a reference to what was changed, written in the same transaction as the change. So a process that dies
half-way leaves both or neither, and of two requests with one key at the same time the second waits for the first one's
commit and then rolls back; or it is refused because of what the first one did, and gets that one's answer all the same.
Refused acts wrote nothing and leave no key: a repetition is judged anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar
from uuid import UUID

import orjson

from merlin.db.actor import Actor, IdempotencyClaim
from merlin.db.connection import borrowed, translated
from merlin.db.transaction import Transaction, as_json, transaction
from merlin.errors import Conflict, InvalidInput, MerlinError

HOURS_KEPT = 24
LONGEST_KEY = 255

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Answer:
    """What an act changed. ``data`` holds what cannot be read back from the subject, such as a revision's number."""

    subject_type: str
    subject_id: UUID
    data: dict[str, Any] = field(default_factory=dict)


class AlreadyAnswered(Exception):
    """Another request with the same key has just done it; nothing was written. Only `once` catches it."""

    def __init__(self, answer: Answer, request_hash: str) -> None:
        super().__init__("another request with this idempotency key was first")
        self.answer = answer
        self.request_hash = request_hash


async def once(
    actor: Actor,
    key: str | None,
    *,
    request_hash: str,
    act: Callable[[Actor], Awaitable[Result]],
    recall: Callable[[Answer], Awaitable[Result]],
) -> Result:
    """Do ``act`` with the actor it is given, or, if this caller's key has done it before, ``recall`` its answer.

    Raises Conflict (IDEMPOTENCY_KEY_REUSED) when the key was used for another request within 24 hours.
    """
    if key is None:
        return await act(actor)
    if not key or len(key) > LONGEST_KEY:
        raise InvalidInput(
            f"An idempotency key has 1 to {LONGEST_KEY} characters.",
            path=("idempotencyKey",),
            hint="Use any text of that length, or none at all.",
        )
    known = await _known(actor.subject, key)
    if known is None:
        try:
            return await act(replace(actor, idempotency=IdempotencyClaim(key, request_hash)))
        except AlreadyAnswered as first:
            known = (first.answer, first.request_hash)
        except MerlinError:
            # What stood in the way may be what another request with this key did meanwhile: it wrote the key with it.
            known = await _known(actor.subject, key)
            if known is None:
                raise
    answer, known_hash = known
    if known_hash != request_hash:
        raise Conflict(
            "This idempotency key was used for another request.",
            code="IDEMPOTENCY_KEY_REUSED",
            path=("idempotencyKey",),
            hint="Use a new key for a new request.",
        )
    return await recall(answer)


def request_hash(operation: str, arguments: Mapping[str, Any]) -> str:
    """The same for the same request: SHA-256 over its name and its arguments, keys in order."""
    content = orjson.dumps([operation, arguments], option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS, default=str)
    return hashlib.sha256(content).hexdigest()


async def record_answer(tx: Transaction, actor: Actor, answer: Answer) -> None:
    """Keep the answer with the change it is about. Raises AlreadyAnswered when another request was first."""
    if actor.idempotency is None:
        return
    stored = {"subject_type": answer.subject_type, "subject_id": str(answer.subject_id), "data": answer.data}
    written = await tx.value(
        """
        INSERT INTO idempotency_key (id, caller, key, request_hash, answer) VALUES (gen_random_uuid(), $1, $2, $3, $4)
        ON CONFLICT (caller, key) DO UPDATE
          SET request_hash = excluded.request_hash, answer = excluded.answer, created_at = now()
          WHERE idempotency_key.created_at < now() - make_interval(hours => $5)
        RETURNING id
        """,
        actor.subject,
        actor.idempotency.key,
        actor.idempotency.request_hash,
        as_json(stored),
        HOURS_KEPT,
    )
    if written is None:
        row = await tx.row(_FIND, actor.subject, actor.idempotency.key, HOURS_KEPT)
        if row is None:
            raise Conflict("Another request with this idempotency key is under way.", hint="Try again.")
        raise AlreadyAnswered(_answer(row["answer"]), row["request_hash"])


async def prune_idempotency_keys(*, hours: float = HOURS_KEPT) -> int:
    """Forget keys past their time; how many went."""
    async with transaction() as tx:
        return await tx.execute(
            "DELETE FROM idempotency_key WHERE created_at < now() - make_interval(secs => $1)", hours * 3600
        )


async def _known(caller: str, key: str) -> tuple[Answer, str] | None:
    async with borrowed() as own:
        with translated():
            row = await own.fetchrow(_FIND, caller, key, HOURS_KEPT)
    return (_answer(row["answer"]), row["request_hash"]) if row else None


def _answer(stored: str) -> Answer:
    content = orjson.loads(stored)
    return Answer(content["subject_type"], UUID(content["subject_id"]), content["data"])


_FIND = """
SELECT request_hash, answer FROM idempotency_key
WHERE caller = $1 AND key = $2 AND created_at >= now() - make_interval(hours => $3)
"""
