"""`merlin api` as a process: how it starts, ends, and says why it cannot start."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import httpx
import pytest

from merlin.settings import Settings
from tests.api.served import ADMIN_TOKEN, a_settings
from tests.postgres import DatabaseServer

SECONDS = 60


def environment(settings: Settings, **changes: str) -> dict[str, str]:
    named = ("database_url", "redis_url", "mlflow_url", "environments_file", "secret_key_file", "admin_token_file")
    stated = {f"MERLIN_{name.upper()}": str(getattr(settings, name)) for name in named}
    return {**os.environ, **stated, "MERLIN_PORT": str(free_port()), **changes}


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextlib.contextmanager
def started(variables: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "merlin.cli", "api"], env=variables, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=10)


def until_ready(process: subprocess.Popen[str], url: str) -> None:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"{url}/readyz", timeout=5, trust_env=False).status_code == 200:
                return
    raise AssertionError("not ready")


def refused(variables: dict[str, str]) -> str:
    """What it says as it does not start."""
    with started(variables) as process:
        _, said = process.communicate(timeout=SECONDS)
        assert process.returncode == 1, said
    return said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_quickly_and_well_with_a_stream_open(
    tmp_path: Path, database_url: str, number: signal.Signals
) -> None:
    variables = environment(a_settings(tmp_path, database_url))
    url = f"http://127.0.0.1:{variables['MERLIN_PORT']}"
    headers = {"authorization": f"Bearer {ADMIN_TOKEN}", "accept": "text/event-stream"}
    query = {"query": "subscription { events { cursor } }"}
    with started(variables) as process:
        until_ready(process, url)
        with httpx.stream(
            "POST", f"{url}/graphql", json=query, headers=headers, timeout=SECONDS, trust_env=False
        ) as response:
            lines = response.iter_lines()
            assert next(lines) == ":"
            begun = time.monotonic()
            process.send_signal(number)
            assert [line for line in lines if line.startswith("event")] == []
        _, said = process.communicate(timeout=SECONDS)
        assert process.returncode == 0, said
        assert time.monotonic() - begun < 10
        assert ADMIN_TOKEN not in said


def test_a_port_that_is_taken_is_named(tmp_path: Path, database_url: str) -> None:
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        port = str(stranger.getsockname()[1])
        said = refused(environment(a_settings(tmp_path, database_url), MERLIN_PORT=port))
    assert port in said
    assert "MERLIN_PORT" in said


def test_an_older_schema_says_how_to_migrate(tmp_path: Path, empty_database_url: str) -> None:
    assert "merlin migrate" in refused(environment(a_settings(tmp_path, empty_database_url)))


def test_a_newer_schema_wants_a_newer_merlin(
    tmp_path: Path, database_url: str, database_server: DatabaseServer
) -> None:
    async def from_the_future() -> None:
        connection = await asyncpg.connect(database_url, timeout=10)
        await connection.execute(
            "INSERT INTO tortoise_migrations (app, name, applied_at) VALUES ('merlin', '9999_x', now())"
        )
        await connection.close()

    asyncio.run(from_the_future())
    assert "newer" in refused(environment(a_settings(tmp_path, database_url)))


@pytest.mark.parametrize("missing", ["environments_file", "secret_key_file", "admin_token_file"])
def test_a_file_that_is_missing_is_named_with_its_setting(tmp_path: Path, database_url: str, missing: str) -> None:
    name = f"MERLIN_{missing.upper()}"
    said = refused(environment(a_settings(tmp_path, database_url), **{name: str(tmp_path / "nowhere")}))
    assert "nowhere" in said
    assert name in said
