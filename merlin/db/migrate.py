"""Brings the schema up to this version of the code, and tells when the two do not fit.

Several processes may migrate at once: one does it, under an advisory lock, the others wait and find it done.
"""

from __future__ import annotations

import contextlib
import secrets
from pathlib import Path
from typing import Any

import asyncpg
from tortoise.context import TortoiseContext
from tortoise.exceptions import BaseORMException
from tortoise.migrations.api.migrate import migrate as run_migrations

from merlin.db.connection import APP, own_connection, tortoise_config, translated
from merlin.db.locks import lock_number
from merlin.errors import Misconfigured, Unavailable

_FOLDER = Path(__file__).parent / "migrations"
_LOCK = lock_number("merlin migrate")
_WAIT_SECONDS = 120


async def migrate(url: str) -> None:
    """Apply every migration that is missing and give a new database its identity. Idempotent.

    Raises Misconfigured when the schema is newer than the code, Unavailable when PostgreSQL does not answer.
    """
    async with own_connection(url) as connection:
        await _lock(connection)
        _refuse_newer(await _applied(connection))
        with translated():
            try:
                async with TortoiseContext():
                    await run_migrations(config=tortoise_config(url, pool_size=2))
            except BaseORMException as error:
                raise Misconfigured(f"The schema could not be migrated: {error}.") from error
            await connection.execute(
                """
                INSERT INTO installation (id, epoch, pruned_through) SELECT gen_random_uuid(), $1, 0
                WHERE NOT EXISTS (SELECT FROM installation)
                """,
                secrets.token_hex(4),
            )


async def check_schema(url: str) -> None:
    """Return when schema and code fit. Raises Misconfigured: older (says how to migrate), or newer."""
    async with own_connection(url) as connection:
        applied = await _applied(connection)
    _refuse_newer(applied)
    missing = sorted(_known() - applied)
    if missing:
        raise Misconfigured(f"The database lacks {', '.join(missing)}.", hint="Run `merlin migrate`.")


async def _lock(connection: asyncpg.Connection[Any]) -> None:
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", _LOCK, timeout=_WAIT_SECONDS)
    except TimeoutError as error:
        raise Unavailable("Another process has been migrating the database for long.", hint="Try again.") from error


async def _applied(connection: asyncpg.Connection[Any]) -> set[str]:
    with translated(), contextlib.suppress(asyncpg.UndefinedTableError):
        return {
            row["name"] for row in await connection.fetch("SELECT name FROM tortoise_migrations WHERE app = $1", APP)
        }
    return set()


def _known() -> set[str]:
    return {path.stem for path in _FOLDER.glob("[0-9]*.py")}


def _refuse_newer(applied: set[str]) -> None:
    newer = sorted(applied - _known())
    if newer:
        raise Misconfigured(
            f"The database was migrated by a newer Merlin ({', '.join(newer)}).",
            hint="Run that version, or a newer one; schemas are not taken back.",
        )
