"""Real worker and watcher processes: they take over, survive and stop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest

from merlin.db.connection import own_connection
from merlin.db.locks import lock_number
from merlin.db.tables import VersionEndpoint
from merlin.db.transaction import transaction
from merlin.settings import Settings
from tests.platform import ROOT
from tests.workers.plays import Play, until


class Processes:
    """Worker and watcher processes of a test; all of them end with it."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._folder = folder
        self._running: list[subprocess.Popen[bytes]] = []
        given = settings.model_dump(mode="json", exclude_defaults=True)
        self._environment = {f"MERLIN_{name.upper()}": str(value) for name, value in given.items()}

    def start(self, role: str) -> subprocess.Popen[bytes]:
        log = (self._folder / f"{role}-{len(self._running)}.log").open("wb")
        process = subprocess.Popen(
            [sys.executable, "-m", "merlin.cli", role],
            cwd=ROOT,
            env={**os.environ, **self._environment},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        log.close()
        self._running.append(process)
        return process

    def said(self, process: subprocess.Popen[bytes], text: str) -> bool:
        index = self._running.index(process)
        log = next(self._folder.glob(f"*-{index}.log"))
        return text in log.read_text()

    def end(self) -> None:
        for process in self._running:
            if process.poll() is None:
                process.kill()
                process.wait(10)


@pytest.fixture
async def processes(settings: Settings, play: Play, tmp_path: Path) -> AsyncIterator[Processes]:
    entry = play.config.as_json()
    settings.environments_file.write_bytes(orjson.dumps([entry]))  # JSON is YAML
    processes = Processes(settings, tmp_path)
    yield processes
    processes.end()


async def test_a_standby_watcher_takes_over_when_the_active_one_is_killed(processes: Processes, play: Play) -> None:
    processes.start("worker")
    first = processes.start("watcher")
    await until(lambda: _said(processes, first, '"watching"'), "the first one watches", 40)
    standby = processes.start("watcher")
    await until(lambda: _listening(3), "the other one stands by", 40)
    endpoint, revision = await play.deploy()
    await play.roll_out(revision.service_name)
    assert not processes.said(standby, '"watching"')
    first.kill()
    killed = time.monotonic()
    await until(lambda: _said(processes, standby, '"watching"'), "the standby watches", 20)
    assert time.monotonic() - killed < 5  # half a second on a machine that has nothing else to do
    await play.bring_up(endpoint, revision)


@pytest.mark.parametrize("role", ["worker", "watcher"])
async def test_a_signal_ends_it_within_ten_seconds(processes: Processes, play: Play, role: str) -> None:
    process = processes.start(role)
    await until(lambda: _listening(1), "it is at work", 40)
    process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(process.wait, 10) == 0


async def test_a_worker_outlives_a_database_that_drops_every_connection(processes: Processes, play: Play) -> None:
    worker, watcher = processes.start("worker"), processes.start("watcher")
    await until(lambda: _said(processes, watcher, '"watching"'), "the watcher watches", 40)
    endpoint, revision = await play.deploy()
    for _ in range(3):
        with contextlib.suppress(Exception):
            async with transaction() as tx:
                await tx.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
    await play.bring_up(await VersionEndpoint.get(id=endpoint.id), revision)
    assert worker.poll() is None
    assert watcher.poll() is None


async def test_a_worker_outlives_a_database_that_drops_its_connection_while_it_starts(processes: Processes) -> None:
    async with own_connection() as holder:
        await holder.execute("SELECT pg_advisory_lock($1)", lock_number("merlin environments"))
        worker = processes.start("worker")
        killed = await until(_killed_while_it_waits, "it waits for the lock, to write the environments", 40)
        assert killed == 1
        await until(lambda: _said(processes, worker, "waiting for the database"), "it waits", 20)
    await until(lambda: _listening(1), "it is at work", 40)
    assert worker.poll() is None


async def _killed_while_it_waits() -> int:
    """How many connections that wait for an advisory lock were ended."""
    async with transaction() as tx:
        rows = await tx.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND wait_event = 'advisory'"
        )
    return len(rows)


async def _said(processes: Processes, process: subprocess.Popen[bytes], text: str) -> bool:
    assert process.poll() is None
    return processes.said(process, text)


async def _listening(processes: int) -> bool:
    """Whether so many processes are up: each has a doorbell."""
    async with transaction() as tx:
        count = await tx.value(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND application_name LIKE 'merlin doorbell%'"
        )
    return bool(count >= processes)
