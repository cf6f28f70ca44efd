"""API tokens: kept as their SHA-256 only, so that who reads the database cannot call the API."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from merlin.db.actor import Actor
from merlin.db.audit import Act, record_act
from merlin.db.connection import borrowed, read, translated
from merlin.db.transaction import Transaction, transaction
from merlin.errors import InvalidInput, NotAllowed, NotFound

ADMIN_SCOPE = "admin"
USER_SCOPE = "user"
OPERATOR = Actor("operator", is_administrator=True)
"""Who issues and revokes tokens: whoever runs `merlin token`, which needs the database's address."""

_LONGEST_SUBJECT = 255
_MOST_DAYS = 3650
_COLUMNS = "id, subject, scope, created_at, expires_at, from_file"


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """What is known of a token. ``from_file``: it is the one of MERLIN_ADMIN_TOKEN_FILE."""

    id: UUID
    subject: str
    scope: str
    created_at: datetime
    expires_at: datetime | None
    from_file: bool

    @property
    def has_expired(self) -> bool:
        """Whether its time is over."""
        return self.expires_at is not None and self.expires_at <= datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A token itself, which is shown once and never again, and what is kept of it."""

    token: str
    record: TokenRecord


async def issue_token(subject: str, *, scope: str = USER_SCOPE, expires_days: int | None = None) -> IssuedToken:
    """A new random token for a person or a program. Raises InvalidInput."""
    _check(subject, scope, expires_days)
    token = f"merlin_{secrets.token_urlsafe(32)}"
    expires_at = None if expires_days is None else datetime.now(UTC) + timedelta(days=expires_days)
    async with transaction() as tx:
        [row] = await tx.rows(
            "INSERT INTO api_token (id, hash, subject, scope, expires_at) "  # noqa: S608 (the columns are ours)
            f"VALUES (gen_random_uuid(), $1, $2, $3, $4) RETURNING {_COLUMNS}",
            _digest(token),
            subject,
            scope,
            expires_at,
        )
        record = _record(row)
        await _note(tx, "token.created", record)
    return IssuedToken(token, record)


async def accept_file_token(token: str, *, subject: str) -> None:
    """Accept the administrator's token of the file, and no earlier one of it. Idempotent.

    Tokens that were issued stay, whoever they are for.
    """
    async with transaction() as tx:
        await tx.execute("DELETE FROM api_token WHERE from_file AND hash <> $1", _digest(token))
        await tx.execute(
            """
            INSERT INTO api_token (id, hash, subject, scope, from_file) VALUES (gen_random_uuid(), $1, $2, $3, true)
            ON CONFLICT (hash) DO UPDATE
              SET subject = excluded.subject, scope = excluded.scope, expires_at = NULL, from_file = true
            """,
            _digest(token),
            subject,
            ADMIN_SCOPE,
        )


async def forget_file_token() -> None:
    """Refuse the administrator's token of a file that is no longer named. Idempotent."""
    async with transaction() as tx:
        await tx.execute("DELETE FROM api_token WHERE from_file")


async def actor_of(token: str, *, request_id: str = "") -> Actor | None:
    """Who calls with this token; ``None`` when it is not known or past its time."""
    async with borrowed() as connection:
        with translated():
            row = await connection.fetchrow(
                "SELECT subject, scope FROM api_token WHERE hash = $1 AND (expires_at IS NULL OR expires_at > now())",
                _digest(token),
            )
    return Actor(row["subject"], row["scope"] == ADMIN_SCOPE, request_id) if row else None


async def list_tokens() -> list[TokenRecord]:
    """All of them, by subject, the oldest first; those past their time, too."""
    rows = await read(f"SELECT {_COLUMNS} FROM api_token ORDER BY subject, created_at, id")  # noqa: S608
    return [_record(dict(row)) for row in rows]


async def revoke_token(token_id: str) -> TokenRecord:
    """Refuse a token from now on; what it was. Raises NotFound, NotAllowed for the file's."""
    async with transaction() as tx:
        # As text: what is no id at all names no token either. It is not repeated, since it may be a token itself.
        row = await tx.row(f"SELECT {_COLUMNS} FROM api_token WHERE id::text = $1 FOR UPDATE", token_id)  # noqa: S608
        if row is None:
            raise NotFound("There is no token with that id.", hint="`merlin token list` shows the ids.")
        record = _record(row)
        if record.from_file:
            raise NotAllowed(
                "That is the token of MERLIN_ADMIN_TOKEN_FILE.", hint="Change the file and start the API again."
            )
        await _remove(tx, record)
    return record


async def revoke_tokens_of(subject: str) -> list[TokenRecord]:
    """Refuse every token that was issued for a subject; what they were. Raises NotFound when there is none."""
    async with transaction() as tx:
        rows = await tx.rows(
            f"SELECT {_COLUMNS} FROM api_token WHERE subject = $1 AND NOT from_file "  # noqa: S608
            "ORDER BY created_at, id FOR UPDATE",
            subject,
        )
        if not rows:
            raise NotFound(f"No token was issued for {subject!r}.", hint="`merlin token list` shows all.")
        records = [_record(row) for row in rows]
        for record in records:
            await _remove(tx, record)
    return records


def _check(subject: str, scope: str, expires_days: int | None) -> None:
    if not 1 <= len(subject) <= _LONGEST_SUBJECT or not subject.isprintable() or subject != subject.strip():
        raise InvalidInput(f"A subject is 1 to {_LONGEST_SUBJECT} printable characters, without spaces around them.")
    if scope not in {USER_SCOPE, ADMIN_SCOPE}:
        raise InvalidInput(f"There is no scope {scope!r}.", hint=f"It is {USER_SCOPE} or {ADMIN_SCOPE}.")
    if expires_days is not None and not 1 <= expires_days <= _MOST_DAYS:
        raise InvalidInput(f"A token is good for 1 to {_MOST_DAYS} days, not {expires_days}.")


async def _remove(tx: Transaction, record: TokenRecord) -> None:
    await tx.execute("DELETE FROM api_token WHERE id = $1", record.id)
    await _note(tx, "token.revoked", record)


async def _note(tx: Transaction, action: str, record: TokenRecord) -> None:
    what = {"subject": record.subject, "scope": record.scope, "expires_at": record.expires_at}
    is_new = action == "token.created"
    before, after = (None, what) if is_new else (what, None)
    act = Act(action, subject_type="ApiToken", subject_id=record.id, project_id=None, before=before, after=after)
    await record_act(tx, OPERATOR, act, events=())


def _record(row: Mapping[str, Any]) -> TokenRecord:
    return TokenRecord(**row)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
