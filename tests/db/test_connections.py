"""Connections that die, and those that are used again: nothing done twice, nothing left behind, no round trip lost.

A backend that is terminated first says FATAL and then closes its socket. In between asyncpg takes the connection for
open and refuses the next statement with InternalClientError ("another operation is in progress").
"""

from __future__ import annotations

import asyncio
from uuid import uuid4

import asyncpg
import pytest

from merlin.db import tables
from merlin.db.connection import Database, borrowed, open_database, own_connection, read
from merlin.db.outbox import enqueue
from merlin.db.transaction import transaction
from merlin.errors import Unavailable
from tests.db.worlds import a_project, fetch

KILL = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()"""
WRITERS = 6
WRITES = 30


async def test_a_transaction_commits_once_or_raises_however_often_the_backends_are_killed(database: Database) -> None:
    done: list[str] = []
    unsure: list[str] = []
    through = asyncio.Event()

    async def write() -> None:
        for _ in range(WRITES):
            key = uuid4().hex
            try:
                async with transaction() as tx:
                    await enqueue("test", key, tx=tx)
                    await tx.value("SELECT count(*) FROM outbox")
                done.append(key)
                through.set()
            except Unavailable:
                unsure.append(key)

    async def kill() -> None:
        async with own_connection() as connection:
            while True:
                await connection.fetch(KILL)
                through.clear()
                await through.wait()  # one at least gets through between two kills

    killing = asyncio.create_task(kill())
    await asyncio.gather(*(write() for _ in range(WRITERS)))
    killing.cancel()
    await asyncio.gather(killing, return_exceptions=True)
    async with transaction() as tx:
        counts = {row["key"]: row["n"] for row in await tx.rows("SELECT key, count(*) AS n FROM outbox GROUP BY key")}
    assert [key for key in done if counts.get(key) != 1] == []
    assert [key for key in unsure if counts.get(key, 0) > 1] == []
    assert len(done) + len(unsure) == WRITERS * WRITES
    assert unsure, "the kills hit some in the middle"


async def test_idle_connections_that_were_killed_are_replaced_without_an_error(database: Database) -> None:
    for _ in range(20):
        async with transaction() as one, transaction() as other:
            assert (await one.value("SELECT 1"), await other.value("SELECT 1")) == (1, 1)
        async with own_connection() as connection:
            await connection.fetch(KILL)
        async with transaction() as tx:
            assert await tx.value("SELECT 1") == 1


async def test_what_is_only_read_is_read_though_connections_die(database: Database) -> None:
    async with own_connection() as killer:
        for _ in range(30):
            async with borrowed() as one, borrowed() as other:
                pids = [one.get_server_pid(), other.get_server_pid()]
            await killer.fetch("SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) AS pid", pids)
            assert [row["n"] for row in await read("SELECT 7 AS n")] == [7]


async def test_a_connection_that_the_pool_took_back_since_it_died_is_unavailable(database: Database) -> None:
    ended = asyncio.Event()
    async with own_connection() as killer:
        with pytest.raises(Unavailable, match="released back"):
            async with transaction() as tx:
                tx.connection.add_termination_listener(lambda _: ended.set())
                await killer.fetch("SELECT pg_terminate_backend($1)", tx.connection.get_server_pid())
                async with asyncio.timeout(20):
                    await ended.wait()
                await tx.execute("SELECT 1")


async def test_a_connection_that_breaks_as_it_is_closed_is_closed(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def breaks(*_: object, **__: object) -> None:
        raise ConnectionResetError("by peer")

    async with open_database(database_url):
        monkeypatch.setattr(asyncpg.Connection, "close", breaks)
    monkeypatch.undo()
    async with open_database(database_url):
        assert [row["n"] for row in await read("SELECT 7 AS n")] == [7]


async def test_what_was_done_is_done_though_its_connection_dies_before_it_is_given_back(database: Database) -> None:
    async with own_connection() as killer:
        for _ in range(10):
            done = 0
            async with transaction() as tx:
                done = await tx.value("SELECT 1")
            async with borrowed() as connection:
                await killer.fetch("SELECT pg_terminate_backend($1)", connection.get_server_pid())
            assert done == 1


async def test_giving_a_connection_back_asks_the_server_nothing(database: Database) -> None:
    asked: list[str] = []
    async with borrowed() as connection:
        connection.add_query_logger(lambda record: asked.append(record.query))
        assert await connection.fetchval("SELECT 1") == 1
    assert asked == ["SELECT 1"]


async def test_what_a_borrower_leaves_open_is_not_the_next_ones(database: Database) -> None:
    with pytest.raises(RuntimeError, match="left"):
        async with borrowed() as connection:
            pid = connection.get_server_pid()
            await connection.transaction().start()
            await connection.execute("CREATE TABLE left_over (id int)")
            raise RuntimeError("left")
    async with borrowed() as again:
        assert again.get_server_pid() == pid
        assert not again.is_in_transaction()
        with pytest.raises(asyncpg.UndefinedTableError):
            await again.fetch("SELECT * FROM left_over")


async def test_a_cancelled_statement_leaves_a_connection_that_works(database: Database) -> None:
    async def hang() -> None:
        async with transaction() as tx:
            await tx.execute("SELECT pg_sleep(60)")

    for _ in range(5):
        task = asyncio.create_task(hang())
        while not await fetch("SELECT FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)' AND state = 'active'"):
            pass
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        async with transaction() as tx:
            assert await tx.value("SELECT 1") == 1


async def test_what_changes_a_row_later_notes_a_later_time_though_it_began_earlier(database: Database) -> None:
    project = await a_project()
    async with own_connection() as connection, transaction(connection) as early:
        await early.value("SELECT now()")
        async with transaction() as late:
            between = await late.update(tables.Project, project.id, description="first")
        after = await early.update(tables.Project, project.id, description="second")
    assert project.updated_at < between.updated_at < after.updated_at
