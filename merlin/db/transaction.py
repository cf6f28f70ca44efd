"""One transaction: SQL by hand on one connection, rows of `merlin.db.tables` in and out.

Writers use nothing else. An error in the block, or the process's death, leaves nothing written. Do not wait for
anybody but the database inside.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from enum import Enum
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
import asyncpg.transaction
import orjson
from tortoise import fields
from tortoise.models import Model as Table

from merlin.db.connection import borrowed, throw_away, translated
from merlin.errors import Unavailable

Row = TypeVar("Row", bound=Table)
_ATTEMPTS = 3


class Transaction:
    """An open transaction. Its methods raise Unavailable when the database goes away."""

    def __init__(self, connection: asyncpg.Connection[Any]) -> None:
        self.connection = connection

    async def rows(self, sql: str, *arguments: Any) -> list[dict[str, Any]]:
        """All rows of a statement, as plain dicts (JSON columns as text)."""
        with translated():
            return [dict(record) for record in await self.connection.fetch(sql, *arguments)]

    async def row(self, sql: str, *arguments: Any) -> dict[str, Any] | None:
        """The first row, or ``None``."""
        with translated():
            record = await self.connection.fetchrow(sql, *arguments)
        return dict(record) if record is not None else None

    async def value(self, sql: str, *arguments: Any) -> Any:
        """The first column of the first row, or ``None``."""
        with translated():
            return await self.connection.fetchval(sql, *arguments)

    async def execute(self, sql: str, *arguments: Any) -> int:
        """Run a statement; how many rows it touched."""
        with translated():
            status = await self.connection.execute(sql, *arguments)
        last = status.rsplit(" ", 1)[-1]
        return int(last) if last.isdigit() else 0

    async def find(self, table: type[Row], lock: str = "", **where: Any) -> Row | None:
        """The one row with these values. ``lock``: "FOR UPDATE", "FOR NO KEY UPDATE", …"""
        conditions = " AND ".join(f'"{name}" = ${index}' for index, name in enumerate(where, 1))
        sql = f'SELECT * FROM "{_name(table)}" WHERE {conditions} {lock}'  # noqa: S608 (names are ours)
        row = await self.row(sql, *_stored(table, where).values())
        return as_row(table, row) if row is not None else None

    async def insert(self, table: type[Row], **values: Any) -> Row:
        """Add a row, with the table's defaults for what is not given; as it was stored."""
        given = {**_defaults(table, values), **values}
        columns = ", ".join(f'"{name}"' for name in given)
        places = ", ".join(f"${index}" for index in range(1, len(given) + 1))
        sql = f'INSERT INTO "{_name(table)}" ({columns}) VALUES ({places}) RETURNING *'  # noqa: S608
        stored = await self.row(sql, *_stored(table, given).values())
        if stored is None:
            raise AssertionError("INSERT … RETURNING gave no row")
        return as_row(table, stored)

    async def update(self, table: type[Row], key: UUID, **values: Any) -> Row:
        """Change a row that exists (lock it first) and note the time; as it is stored now."""
        changes = [f'"{name}" = ${index}' for index, name in enumerate(values, 2)]
        if "updated_at" in table._meta.fields_map:
            # Not now(), when the transaction began: one that waited for the lock would go back in time.
            changes.append('"updated_at" = clock_timestamp()')
        sql = f'UPDATE "{_name(table)}" SET {", ".join(changes)} WHERE id = $1 RETURNING *'  # noqa: S608
        stored = await self.row(sql, key, *_stored(table, values).values())
        if stored is None:
            raise AssertionError(f"{_name(table)} {key} was not locked before it was changed")
        return as_row(table, stored)


@contextlib.asynccontextmanager
async def transaction(connection: asyncpg.Connection[Any] | None = None) -> AsyncIterator[Transaction]:
    """A transaction on a pooled connection, or on the given one. Commits at the end of the block.

    Raises Unavailable when the database goes away; then nothing was written, or (while committing) all of it.
    """
    async with contextlib.AsyncExitStack() as stack:
        own, block = await _begin(stack, connection)
        try:
            yield Transaction(own)
        except BaseException:  # whatever ended the block, nothing of it may be committed
            # A connection that is gone has rolled back by itself; the first error is the one to tell.
            with contextlib.suppress(
                asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError
            ):
                await block.rollback()
            raise
        with translated():
            await block.commit()


async def _begin(
    stack: contextlib.AsyncExitStack, connection: asyncpg.Connection[Any] | None
) -> tuple[asyncpg.Connection[Any], asyncpg.transaction.Transaction]:
    """A begun transaction. A pooled connection that turns out to be dead (PostgreSQL was restarted) is replaced."""
    for attempt in range(_ATTEMPTS):
        async with contextlib.AsyncExitStack() as trial:
            own = await trial.enter_async_context(borrowed(connection))
            block = own.transaction()
            try:
                with translated():
                    await block.start()
            except Unavailable:
                if connection is not None or attempt == _ATTEMPTS - 1:
                    raise
                throw_away(own)
                continue
            stack.push_async_exit(trial.pop_all())
            return own, block
    raise AssertionError("unreachable")


def as_row(table: type[Row], stored: Mapping[str, Any]) -> Row:
    """A plain row as an instance of its table (single rows only: instances are dear)."""
    return table._init_from_db(**stored)


def as_json(value: Any) -> str:
    """The text that a JSON column takes."""
    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS, default=str).decode()  # ids come as the driver's UUID


def _name(table: type[Table]) -> str:
    return str(table._meta.db_table)


def _stored(table: type[Table], values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _to_column(table._meta.fields_map[name], value) for name, value in values.items()}


def _to_column(field: fields.Field[Any], value: Any) -> Any:
    if isinstance(field, fields.JSONField):
        return None if value is None else as_json(value)
    return value.value if isinstance(value, Enum) else value


def _defaults(table: type[Table], given: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name in table._meta.fields_db_projection:
        field = table._meta.fields_map[name]
        if name in given or field.generated:
            continue
        if isinstance(field, fields.DatetimeField) and (field.auto_now or field.auto_now_add):
            continue  # the migration gives these columns now() as their default
        default = field.default
        values[name] = default() if callable(default) else default
    return values
