"""A server as the supervisor's own child: started, asked whether it is ready, restarted when it dies, stopped.

Children run in sessions of their own, so that Ctrl-C in the terminal reaches the supervisor alone and it decides on
the order. A child is always waited for: a killed one must not stay a zombie where pid 1 reaps nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from merlin.embedded.ports import listens
from merlin.errors import Misconfigured, Unavailable

log = logging.getLogger(__name__)

_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 10.0
_STEADY_SECONDS = 30.0  # who ran this long starts again without a pause
_PROBE_SECONDS = 0.03
_KEPT_LOG_BYTES = 16 * 1024 * 1024
_CLOCK_SECONDS = 5.0  # start times are told by the system's clock, which may be set meanwhile

# Waits for a line before it becomes the program. Until its pid is noted, a supervisor's death ends the child, too: its
# input ends then. A child that nobody knows of would hold its port and its folder for ever.
_GATE = ("/bin/sh", "-c", 'read -r _ && exec "$@" < /dev/null', "merlin")


@dataclass(frozen=True, slots=True)
class Identity:
    """A process, told apart from a later one with the same pid by its start time."""

    pid: int
    started: float


@dataclass(frozen=True, slots=True)
class Program:
    """How to run one server. ``ready`` answers whether it can be used; it is asked until it does.

    Where a ``port`` is named, it must be the child itself that listens there: an answer may come from another program.
    """

    name: str
    command: Sequence[str]
    log_file: Path
    ready: Callable[[], Awaitable[bool]]
    port: int | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    user: int | None = None
    ready_seconds: float = 60.0  # a busy machine takes its time to import
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 10.0


class Process:
    """One program kept running. `start` once, `stop` once; between them it is restarted whenever it ends."""

    def __init__(self, program: Program, *, on_change: Callable[[], None] = lambda: None) -> None:
        self.program = program
        self.restarts = 0
        self._on_change = on_change
        self._child: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._stopping = False

    @property
    def identity(self) -> Identity | None:
        """The running child, if there is one."""
        if self._child is None or self._child.returncode is not None:
            return None
        return identity_of(self._child.pid)

    async def start(self) -> None:
        """Start it and return once it is ready. Raises Unavailable with the log's last lines when it is not in time."""
        started = time.monotonic()
        await self._spawn()
        if not await self._becomes_ready():
            tail = last_lines(self.program.log_file)
            await self.stop()
            raise Unavailable(
                f"{self.program.name} was not ready after {time.monotonic() - started:.0f} s.",
                hint=f"Its log is {self.program.log_file}; it ends with: {tail}",
            )
        self._keeper = asyncio.create_task(self._keep(), name=f"keep {self.program.name}")

    async def stop(self) -> None:
        """End it: its stop signal, then SIGKILL to its session. Idempotent."""
        self._stopping = True
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
            self._keeper = None
        child = self._child
        if child is None or child.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            child.send_signal(self.program.stop_signal)
        try:
            async with asyncio.timeout(self.program.stop_seconds):
                await child.wait()
        except TimeoutError:
            log.warning("did not stop in time, killing", extra={"program": self.program.name})
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            await child.wait()

    async def _spawn(self) -> None:
        shorten(self.program.log_file)
        with self.program.log_file.open("ab") as output:
            self._child = await asyncio.create_subprocess_exec(
                *_GATE,
                *self.program.command,
                stdin=asyncio.subprocess.PIPE,
                stdout=output,
                stderr=output,
                env={**os.environ, **self.program.environment},
                start_new_session=True,
                user=self.program.user,
                extra_groups=[] if self.program.user is not None else None,
            )
        try:
            self._on_change()
        except OSError:  # no room to note it: that it runs matters more
            log.exception("its pid could not be noted", extra={"program": self.program.name})
        await _open_gate(self._child)

    async def _becomes_ready(self) -> bool:
        deadline = time.monotonic() + self.program.ready_seconds
        while time.monotonic() < deadline:
            if self._child is None or self._child.returncode is not None:
                return False
            if await self.program.ready() and self._listens(self._child.pid):
                return True
            await asyncio.sleep(_PROBE_SECONDS)
        return False

    def _listens(self, pid: int) -> bool:
        return self.program.port is None or listens(pid, self.program.port)

    async def _keep(self) -> None:
        pause = _FIRST_PAUSE_SECONDS
        while not self._stopping and self._child is not None:
            started = time.monotonic()
            code = await self._child.wait()
            if time.monotonic() - started > _STEADY_SECONDS:
                pause = _FIRST_PAUSE_SECONDS
            log.warning("ended, starting it again", extra={"program": self.program.name, "exit_code": code})
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
            self.restarts += 1
            try:
                await self._spawn()
            except OSError:
                log.exception("could not be started, trying again", extra={"program": self.program.name})


async def _open_gate(child: asyncio.subprocess.Process) -> None:
    if child.stdin is None:
        raise AssertionError("The gate is a pipe.")
    with contextlib.suppress(ConnectionError):  # it was killed at the gate
        child.stdin.write(b"\n")
        await child.stdin.drain()
    child.stdin.close()


async def run_once(
    command: Sequence[str], *, environment: Mapping[str, str], log_file: Path, user: int | None = None, seconds: float
) -> None:
    """Run a command to its end. Raises Misconfigured with its last words when it fails, Unavailable on its deadline."""
    with log_file.open("ab") as output:
        child = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **environment},
            start_new_session=True,
            user=user,
            extra_groups=[] if user is not None else None,
        )
    try:
        async with asyncio.timeout(seconds):
            code = await child.wait()
    except BaseException as error:  # however the wait ended, no child may be left
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        await child.wait()
        if isinstance(error, TimeoutError):
            raise Unavailable(
                f"{Path(command[0]).name} had not ended after {seconds:g} s.",
                hint=f"Its log is {log_file}; it ends with: {last_lines(log_file, 3)}",
            ) from error
        raise
    if code != 0:
        tail = last_lines(log_file, 3)
        raise Misconfigured(f"{Path(command[0]).name} failed ({code}): {tail}", hint=f"Its log is {log_file}.")


def identity_of(pid: int) -> Identity | None:
    """The process with that pid, or ``None`` when there is none (a zombie counts as none)."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return Identity(pid, process.create_time())
    except psutil.NoSuchProcess:
        return None


def _runs(identity: Identity) -> bool:
    now = identity_of(identity.pid)
    return now is not None and abs(now.started - identity.started) < _CLOCK_SECONDS


async def end_left_over(identity: Identity, *, program: str = "a process", seconds: float = 10.0) -> None:
    """End a process that an earlier supervisor left behind; one that is gone, or another with its pid, is let be."""
    if not _runs(identity):
        return
    log.warning("was left behind by an earlier run, ending it", extra={"program": program, "pid": identity.pid})
    for attempt in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(identity.pid, attempt)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if not _runs(identity):
                return
            await asyncio.sleep(_PROBE_SECONDS)


def last_lines(log_file: Path, count: int = 5) -> str:
    """The last lines of a log, joined; empty when there is none."""
    try:
        with log_file.open("rb") as file:
            file.seek(max(0, log_file.stat().st_size - 4096))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    return " | ".join(line.strip() for line in lines[-count:] if line.strip())


def shorten(log_file: Path) -> None:
    """Keep a log that grew large as ``.1`` and begin anew, so that logs never fill the disk."""
    log_file.parent.mkdir(parents=True, exist_ok=True)
    if log_file.exists() and log_file.stat().st_size > _KEPT_LOG_BYTES:
        log_file.replace(log_file.with_suffix(log_file.suffix + ".1"))
