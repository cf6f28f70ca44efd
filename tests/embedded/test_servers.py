"""PostgreSQL and Valkey from their wheels: prepared, started, killed, found again with their data."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from redis.asyncio import Redis

from merlin.embedded import postgres, valkey
from merlin.embedded.home import Home
from merlin.embedded.process import Process
from merlin.errors import Misconfigured


@pytest.fixture
def home() -> Iterator[Home]:
    # Not tmp_path: pytest's folders are closed to others, and as root the database runs as another user.
    folder = Path(tempfile.mkdtemp(prefix="merlin-test-"))
    home = Home(folder)
    home.prepare()
    yield home
    placed = home.recall("postgres", {}).get("folder")
    shutil.rmtree(placed or folder, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


async def connected(url: str) -> asyncpg.Connection:
    async with asyncio.timeout(10):
        while True:
            try:
                return await asyncpg.connect(url)
            except (OSError, asyncpg.PostgresError):
                await asyncio.sleep(0.02)


async def test_postgres_keeps_its_data_through_a_kill_and_a_stop(home: Home) -> None:
    first = Process((await postgres.prepare(home)).program)
    url = (await postgres.prepare(home)).url
    await first.start()
    connection = await connected(url)
    await connection.execute("CREATE TABLE kept (n int)")
    await connection.execute("INSERT INTO kept VALUES (1)")
    await connection.close()
    identity = first.identity
    assert identity is not None
    os.kill(identity.pid, signal.SIGKILL)
    connection = await connected(url)
    assert await connection.fetchval("SELECT n FROM kept") == 1
    await connection.close()
    await first.stop()

    second = Process((await postgres.prepare(home)).program)
    await second.start()
    connection = await connected(url)
    assert await connection.fetchval("SELECT n FROM kept") == 1
    await connection.close()
    await second.stop()


async def test_a_database_of_another_major_version_says_what_to_do(home: Home) -> None:
    await postgres.prepare(home)
    data = Path(home.recall("postgres", {}).get("folder", home.folder / "postgres")) / "data"
    (data / "PG_VERSION").write_text("9\n")
    with pytest.raises(Misconfigured, match="PostgreSQL 9") as refused:
        await postgres.prepare(home)
    assert "pg_dump" in (refused.value.hint or "")


async def test_an_unreachable_folder_gets_a_second_one_and_keeps_its_rights(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    home = Home(closed / "home")
    home.prepare()
    prepared = await postgres.prepare(home)
    placed = Path(home.recall("postgres", {}).get("folder", home.folder / "postgres"))
    process = Process(prepared.program)
    await process.start()
    await (await connected(prepared.url)).close()
    await process.stop()
    assert closed.stat().st_mode & 0o777 == 0o700
    assert (os.geteuid() == 0) == (not placed.is_relative_to(closed))
    shutil.rmtree(placed)


async def test_valkey_answers_on_its_socket_alone(home: Home) -> None:
    server = valkey.prepare(home)
    process = Process(server.program)
    await process.start()
    redis = Redis.from_url(server.url)
    await redis.set("a", "b")
    assert await redis.get("a") == b"b"
    await redis.aclose()
    assert "--port" in server.program.command
    await process.stop()
