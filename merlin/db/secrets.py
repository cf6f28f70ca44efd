"""A project's secrets, encrypted with the installation's key; and API tokens' digest.

Values enter through `set_secret` and leave through `reveal_secrets` only, which the worker calls to make a Kubernetes
Secret. They never stand in events, audit or logs.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable
from pathlib import Path
from uuid import UUID

import asyncpg
from cryptography.fernet import Fernet, InvalidToken

from merlin.db.actor import Actor
from merlin.db.audit import Act, record_act
from merlin.db.connection import borrowed, translated
from merlin.db.events import NewEvent
from merlin.db.tables import Project, Secret
from merlin.db.transaction import Transaction, transaction
from merlin.errors import InvalidInput, Misconfigured, NotAllowed, NotFound

LONGEST_VALUE_BYTES = 64 * 1024


class SecretKey:
    """The installation's key, read from its file. Raises Misconfigured when there is none or it is no Fernet key."""

    def __init__(self, path: Path) -> None:
        try:
            text = path.read_text().strip()
            self._fernet = Fernet(text)
        except OSError as error:
            raise Misconfigured(
                f"The key file {path} cannot be read: {error.strerror}.", hint="Set MERLIN_SECRET_KEY_FILE."
            ) from error
        except ValueError as error:
            raise Misconfigured(f"{path} holds no Fernet key.", hint="Put the installation's own key there.") from error

        self._secret = base64.urlsafe_b64decode(text)

    def digest(self, value: str) -> str:
        """The same for the same value; without this key nobody can guess short values from it, as from a plain hash."""
        return hmac.new(self._secret, value.encode(), hashlib.sha256).hexdigest()

    def encrypt(self, value: str) -> bytes:
        """The value so that only this key opens it."""
        return self._fernet.encrypt(value.encode())

    def decrypt(self, ciphertext: bytes) -> str:
        """The value. Raises Misconfigured when another key made it."""
        try:
            return self._fernet.decrypt(ciphertext).decode()
        except InvalidToken as error:
            raise Misconfigured(
                "A secret was encrypted with another key.", hint="Restore the key file, or set the secret again."
            ) from error

    def decrypt_fresh(self, ciphertext: bytes, *, most_seconds: int) -> str | None:
        """The value; ``None`` when this key did not make it, or longer ago than that."""
        try:
            return self._fernet.decrypt(ciphertext, ttl=most_seconds).decode()
        except InvalidToken:
            return None


async def set_secret(actor: Actor, *, project_id: UUID, name: str, value: str, key: SecretKey) -> Secret:
    """Keep a value under a name (already checked), instead of the old one if there is one.

    Running endpoints take it with their next redeploy. Raises InvalidInput (empty, or above 64 KiB), NotFound.
    """
    if not value or len(value.encode()) > LONGEST_VALUE_BYTES:
        raise InvalidInput(f"A secret has 1 to {LONGEST_VALUE_BYTES} bytes.", path=("value",))
    ciphertext = key.encrypt(value)
    async with transaction() as tx:
        project = await _project(tx, project_id)
        held = await tx.find(Secret, "FOR UPDATE", project_id=project_id, name=name)
        if held is None:
            try:
                secret = await tx.insert(
                    Secret, project_id=project_id, name=name, ciphertext=ciphertext, updated_by=actor.subject
                )
            except asyncpg.UniqueViolationError as error:  # only without the project's lock: never
                raise NotAllowed(
                    "The secret is being set by somebody else.", path=("name",), hint="Try again."
                ) from error
        else:
            secret = await tx.update(Secret, held.id, ciphertext=ciphertext, updated_by=actor.subject)
        await _record(tx, actor, project, name, "set")
    return secret


async def delete_secret(actor: Actor, *, project_id: UUID, name: str) -> None:
    """Remove a secret. Raises NotFound; NotAllowed while a live revision refers to it."""
    async with transaction() as tx:
        project = await _project(tx, project_id)
        user = await tx.row(_FIND_USER, project_id, name)
        if user is not None:
            raise NotAllowed(
                f"Version {user['version']} of {user['model']} uses the secret {name!r}.",
                code="SECRET_IN_USE",
                path=("name",),
                hint="Redeploy it without the secret, or undeploy it.",
            )
        if not await tx.execute("DELETE FROM secret WHERE project_id = $1 AND name = $2", project_id, name):
            raise _unknown([name], path=("name",))
        await _record(tx, actor, project, name, "deleted")


async def check_secrets(project_id: UUID, names: Iterable[str]) -> list[str]:
    """Which of these names the project has no secret for."""
    wanted = set(names)
    if not wanted:
        return []
    async with borrowed() as connection:
        with translated():
            rows = await connection.fetch(
                "SELECT name FROM secret WHERE project_id = $1 AND name = ANY($2::text[])", project_id, list(wanted)
            )
    return sorted(wanted - {row["name"] for row in rows})


async def reveal_secrets(project_id: UUID, names: Iterable[str], *, key: SecretKey) -> dict[str, str]:
    """The values of these secrets. Raises NotFound (SECRET_UNKNOWN) that names every one there is not."""
    wanted = set(names)
    if not wanted:
        return {}
    async with borrowed() as connection:
        with translated():
            rows = await connection.fetch(
                "SELECT name, ciphertext FROM secret WHERE project_id = $1 AND name = ANY($2::text[])",
                project_id,
                list(wanted),
            )
    missing = sorted(wanted - {row["name"] for row in rows})
    if missing:
        raise _unknown(missing)
    return {row["name"]: key.decrypt(row["ciphertext"]) for row in rows}


def _unknown(names: list[str], *, path: tuple[str, ...] = ()) -> NotFound:
    message = f"The project has no secret {', '.join(map(repr, names))}."
    return NotFound(message, code="SECRET_UNKNOWN", path=path, hint="Set it first.")


async def _project(tx: Transaction, project_id: UUID) -> Project:
    project = await tx.find(Project, "FOR NO KEY UPDATE", id=project_id)
    if project is None:
        raise NotFound("There is no such project.", path=("projectId",))
    return project


async def _record(tx: Transaction, actor: Actor, project: Project, name: str, verb: str) -> None:
    event = NewEvent(
        type="project.updated",
        reason=f"secret_{verb}",
        subject_type="Project",
        subject_id=project.id,
        project_id=project.id,
        message=f"Secret {name} {verb}.",
        data={"secret": name},
        actor=actor.subject,
    )
    act = Act(f"secret.{verb}", "Project", project.id, project.id, after={"secret": name}, answer={"secret": name})
    await record_act(tx, actor, act, events=[event])


_FIND_USER = """
SELECT v.number AS version, m.name AS model FROM revision r
JOIN version_endpoint e ON e.id = r.endpoint_id JOIN version v ON v.id = e.version_id JOIN model m ON m.id = v.model_id
WHERE m.project_id = $1 AND r.status IN ('queued', 'starting', 'ready', 'active')
  AND r.spec @> jsonb_build_object('secrets', jsonb_build_array(jsonb_build_object('secret', $2::text)))
LIMIT 1
"""
