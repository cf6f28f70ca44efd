"""The way to PostgreSQL: one small pool per process, and connections of one's own for LISTEN and session locks.

Everything that the database's driver raises leaves this room as a MerlinError: Unavailable when trying again helps.
Every statement has a deadline. Nothing here knows a table.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any, cast

import asyncpg
from tortoise import Tortoise
from tortoise.backends.asyncpg.client import AsyncpgDBClient
from tortoise.backends.base.config_generator import expand_db_url
from tortoise.exceptions import BaseORMException
from tortoise.exceptions import ConfigurationError as TortoiseMisconfigured

from merlin.errors import InvalidInput, Misconfigured, Unavailable

APP = "merlin"
STATEMENT_SECONDS = 15.0
CONNECT_SECONDS = 5.0
_IDLE_IN_TRANSACTION = "60s"  # longer than any batch of the relay; frees locks of a process that hangs

_UNAVAILABLE = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.LockNotAvailableError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.ReadOnlySQLTransactionError,
    # What a connection says that was ended by the server: "FATAL" has come, the end of the socket has not.
    asyncpg.InternalClientError,
)


# "connection is closed", "pool is closing"; and of one that the pool took back since it was ended under its borrower.
_ENDED = ("clos", "has been released back to the pool")
_ATTEMPTS = 3
_DIED = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.InternalClientError,
    asyncpg.InterfaceError,
)
_BROKEN = (OSError, asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError, asyncpg.InternalClientError)


@dataclass(frozen=True, slots=True)
class Database:
    """The open database of this process. ``direct_url`` passes no transaction pooler. Both hold the password."""

    url: str
    direct_url: str


_open: Database | None = None


@contextlib.asynccontextmanager
async def open_database(url: str, *, direct_url: str | None = None, pool_size: int = 8) -> AsyncIterator[Database]:
    """Open the pool for this process; all of `merlin.db` works inside. Once at a time per process.

    Raises Misconfigured for an address that is none, Unavailable when PostgreSQL does not answer.
    """
    global _open
    if _open is not None:
        raise Misconfigured("The database is open already in this process.")
    await Tortoise.init(config=tortoise_config(url, pool_size=pool_size), _enable_global_fallback=True)
    _open = Database(url, direct_url or url)
    try:
        with translated():
            await _client().create_connection(with_db=True)
        yield _open
    finally:
        _open = None
        await _close_pool()


async def _close_pool() -> None:
    try:
        await Tortoise.close_connections()
    except (*_UNAVAILABLE, asyncpg.InterfaceError):
        # A connection broke as it was closed, and the pool has ended the others: only Tortoise does not know yet.
        await Tortoise.close_connections()
    await Tortoise._reset_apps()


def current_database() -> Database:
    """The database that `open_database` opened. Raises Misconfigured outside of it."""
    if _open is None:
        raise Misconfigured("The database is not open; use `async with open_database(url)`.")
    return _open


@contextlib.asynccontextmanager
async def borrowed(connection: asyncpg.Connection[Any] | None = None) -> AsyncIterator[asyncpg.Connection[Any]]:
    """A connection from the pool, or the given one. Raises Unavailable when none is free in time."""
    if connection is not None:
        yield connection
        return
    pool = cast("asyncpg.Pool[Any] | None", _client()._pool)
    if pool is None:
        raise Unavailable("The database is not open.")
    with translated():
        taken = await pool.acquire(timeout=CONNECT_SECONDS * 2)
    try:
        yield cast("asyncpg.Connection[Any]", taken)
    except BaseException as error:  # only looked at: a broken connection must not be lent again
        if isinstance(error.__cause__ or error, _BROKEN):
            throw_away(cast("asyncpg.Connection[Any]", taken))
        raise
    finally:
        # A connection that cannot be given back is thrown away by the pool; what was done on it is done.
        with contextlib.suppress(*_UNAVAILABLE, asyncpg.InterfaceError):
            await pool.release(taken, timeout=CONNECT_SECONDS)


async def read(sql: str, *arguments: Any) -> list[asyncpg.Record]:
    """Rows of a statement that changes nothing; asked again elsewhere when its connection died. Raises Unavailable."""
    for attempt in range(_ATTEMPTS):
        try:
            async with borrowed() as connection:
                with translated():
                    return await connection.fetch(sql, *arguments)
        except Unavailable as error:
            if attempt == _ATTEMPTS - 1 or not isinstance(error.__cause__, _DIED):
                raise
    raise AssertionError("unreachable")


def throw_away(connection: asyncpg.Connection[Any]) -> None:
    """End a pooled connection that failed: it may look open still, and the next borrower must not get it."""
    with contextlib.suppress(asyncpg.InterfaceError):  # the pool has it back: it noticed by itself
        connection.terminate()


@contextlib.asynccontextmanager
async def own_connection(url: str | None = None, *, name: str = APP) -> AsyncIterator[asyncpg.Connection[Any]]:
    """A connection of one's own, outside the pool, through the direct address. Raises Unavailable.

    ``name`` is what operators see in pg_stat_activity.
    """
    with translated():
        connection = await asyncpg.connect(
            url or current_database().direct_url,
            timeout=CONNECT_SECONDS,
            command_timeout=STATEMENT_SECONDS,
            server_settings={"application_name": name},
        )
    try:
        yield connection
    finally:
        try:
            await connection.close(timeout=CONNECT_SECONDS)
        except (*_UNAVAILABLE, asyncpg.InterfaceError):
            connection.terminate()


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """The driver's errors as Merlin's. Wrap single statements, not code of others: its TimeoutError is not ours."""
    try:
        yield
    except _UNAVAILABLE as error:
        raise _unavailable(error) from error
    except asyncpg.InterfaceError as error:
        if not any(words in str(error) for words in _ENDED):  # anything else is our own mistake
            raise
        raise _unavailable(error) from error
    except (asyncpg.CharacterNotInRepertoireError, asyncpg.UntranslatableCharacterError) as error:
        raise InvalidInput("A text holds a character that cannot be stored (NUL).") from error
    except asyncpg.StringDataRightTruncationError as error:
        raise InvalidInput(f"A text is longer than can be stored ({error}).") from error
    except (asyncpg.InvalidCatalogNameError, asyncpg.InvalidAuthorizationSpecificationError) as error:
        raise Misconfigured(f"PostgreSQL refused us: {error}.", hint="Check MERLIN_DATABASE_URL.") from error


def tortoise_config(url: str, *, pool_size: int = 8) -> dict[str, Any]:
    """Tortoise's configuration for this database. Raises Misconfigured for an address that is none."""
    try:
        expanded = expand_db_url(url)
    except (TortoiseMisconfigured, ValueError) as error:
        raise Misconfigured(
            "The database's address is not one of PostgreSQL (postgres://user:password@host:port/name).",
            hint="Check MERLIN_DATABASE_URL.",
        ) from error
    if expanded["engine"] != "tortoise.backends.asyncpg":
        raise Misconfigured("Merlin's database is PostgreSQL; the address is another's.")
    credentials: dict[str, Any] = expanded["credentials"]
    if "sslmode" in credentials:
        credentials["ssl"] = credentials.pop("sslmode")
    credentials.update(
        minsize=1,
        maxsize=pool_size,
        timeout=CONNECT_SECONDS,
        command_timeout=STATEMENT_SECONDS,
        reset=_nothing,
        server_settings={"application_name": APP, "idle_in_transaction_session_timeout": _IDLE_IN_TRANSACTION},
    )
    return {
        "connections": {"default": {"engine": expanded["engine"], "credentials": credentials}},
        "apps": {
            APP: {
                "models": ["merlin.db.tables"],
                "default_connection": "default",
                "migrations": "merlin.db.migrations",
            }
        },
        "use_tz": True,
        "timezone": "UTC",
    }


async def _nothing(_: asyncpg.Connection[Any]) -> None:
    """What resets a pooled connection. The pool itself ends a transaction that was left open; nobody here leaves more.

    Session locks, LISTEN and settings are for connections of one's own. The pool's way would cost a round trip.
    """


def _client() -> AsyncpgDBClient:
    try:
        return cast(AsyncpgDBClient, Tortoise.get_connection("default"))
    except (BaseORMException, KeyError, RuntimeError) as error:
        raise Misconfigured("The database is not open; use `async with open_database(url)`.") from error


def _unavailable(error: BaseException) -> Unavailable:
    detail = str(error) or type(error).__name__
    return Unavailable(f"The database did not answer: {detail}.", hint="Try again in a moment.")
