"""One run of one container: a folder, a shim, a process group, and how it ended.

Everything that must outlive the kubelet lies in the folder (see `shim`). Whether a run is over is told by the lock that
its shim holds, never by a pid alone, since pids are used again.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_SHIM: Final = Path(__file__).with_name("shim.py")
_POLL_SECONDS: Final = 0.02
_LOST: Final = 137
_TERMINATION_BYTES: Final = 4096
_LOG_TAIL_BYTES: Final = 2048
_LOG_TAIL_LINES: Final = 80
TERMINATION_FILE: Final = "termination"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended; times are seconds since 1970. ``reason`` as Kubernetes words it."""

    exit_code: int
    reason: str
    started_at: float
    finished_at: float


@dataclass(frozen=True, slots=True)
class Running:
    """The process of a run: its pid is its group's, too."""

    pid: int
    start_ticks: str
    started_at: float


class Attempt:
    """Run number ``number`` of a container, in ``folder``."""

    def __init__(self, folder: Path, number: int) -> None:
        self.folder = folder
        self.number = number
        self._child: subprocess.Popen[bytes] | None = None
        self._ended: Ended | None = None
        self._running: Running | None = None

    @property
    def log(self) -> Path:
        """Its log: lines with the time in front. An older half may lie beside it, as ``log.1``."""
        return self.folder / "log"

    @property
    def running(self) -> Running | None:
        """Its process, once it was started (even if it ended since)."""
        if self._running is None:
            with contextlib.suppress(OSError, ValueError):
                pid, ticks, started_at = (self.folder / "running").read_text().split()
                self._running = Running(int(pid), ticks, float(started_at))
        return self._running

    def start(self, command: Sequence[str], environment: Mapping[str, str], cwd: Path) -> None:
        """Start the shim, which starts the command. Raises OSError (disk full, no processes left)."""
        self.folder.mkdir(parents=True, mode=0o700)
        _write_items(self.folder / "command", command)
        _write_items(self.folder / "environment", [f"{key}={value}" for key, value in environment.items()])
        _write_items(self.folder / "cwd", [str(cwd)])
        lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._child = subprocess.Popen(
                [sys.executable, "-I", "-S", "-E", str(_SHIM), str(self.folder)],
                stdin=lock,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={"PATH": os.defpath, "LANG": "C.UTF-8"},
                cwd="/",
                start_new_session=True,
            )
        finally:
            os.close(lock)

    def finish(self, exit_code: int, lines: Sequence[str], *, started_at: float) -> None:
        """Write down a run that needed no process (a built-in image)."""
        self.folder.mkdir(parents=True, mode=0o700)
        now = time.time()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1e9):09d}Z"
        self.log.write_text("".join(f"{stamp} {line}\n" for line in lines))
        if exit_code and lines:
            (self.folder / TERMINATION_FILE).write_text(lines[-1])
        (self.folder / "running").write_text(f"0 0 {started_at}")
        (self.folder / "exit").write_text(f"{exit_code} {now}")

    def ended(self) -> Ended | None:
        """How it ended; ``None`` while it runs. Ends what a killed shim left behind."""
        if self._ended is None:
            if self._child is not None:
                self._child.poll()  # reaps it
            self._ended = self._read_exit()
            if self._ended is None and not self._is_held():
                # The shim writes and then lets go, so look again before calling it lost.
                self._ended = self._read_exit() or self._lost()
        return self._ended

    async def begun(self) -> Running | None:
        """Its process, as soon as the shim has started it; ``None`` when it could not."""
        while self.running is None and self.ended() is None:  # noqa: ASYNC110 - told by files alone
            await asyncio.sleep(_POLL_SECONDS / 4)
        return self.running

    async def wait(self) -> Ended:
        """Return once it has ended."""
        while (ended := self.ended()) is None:
            if not await self._wait_for_shim():
                await asyncio.sleep(_POLL_SECONDS)
        return ended

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the whole process group, if it still runs."""
        running = self.running
        if running is not None and self.ended() is None and start_ticks(running.pid) == running.start_ticks:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(running.pid, number)

    def kill_for_memory(self) -> None:
        """End it as the kernel ends who has used up its memory."""
        (self.folder / "oom").touch()
        self.signal(signal.SIGKILL)

    def stopped_by_kubelet(self) -> None:
        """Remember that the kubelet itself stopped it on its own way out: no failure, and no reason to wait."""
        (self.folder / "stopped").touch()

    @property
    def was_stopped(self) -> bool:
        """Whether the kubelet stopped it on its own way out."""
        return (self.folder / "stopped").exists()

    def termination_message(self, policy: str) -> str:
        """What it said of its end: the termination file, else (by policy, after a failure) its last log lines."""
        with contextlib.suppress(OSError):
            with (self.folder / TERMINATION_FILE).open("rb") as file:
                text = file.read(_TERMINATION_BYTES).decode("utf-8", "replace")
            if text:
                return text
        ended = self.ended()
        if policy != "FallbackToLogsOnError" or ended is None or ended.exit_code == 0:
            return ""
        return self._log_tail()

    def discard(self) -> None:
        """Remove its folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _log_tail(self) -> str:
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, self.log.stat().st_size - 4 * _LOG_TAIL_BYTES))
                lines = file.read().decode("utf-8", "replace").splitlines()
        except OSError:
            return ""
        texts = [line.partition(" ")[2] for line in lines[-_LOG_TAIL_LINES:]]
        return "\n".join(texts)[-_LOG_TAIL_BYTES:]

    async def _wait_for_shim(self) -> bool:
        """Wait until the shim is gone; False where that cannot be told without asking again and again."""
        if self._child is None or not hasattr(os, "pidfd_open"):
            return False
        try:
            handle = os.pidfd_open(self._child.pid)
        except OSError:
            return False
        loop = asyncio.get_running_loop()
        gone = asyncio.Event()
        loop.add_reader(handle, gone.set)
        try:
            await gone.wait()
        finally:
            loop.remove_reader(handle)
            os.close(handle)
        return True

    def _is_held(self) -> bool:
        try:
            lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(lock)
        return False

    def _read_exit(self) -> Ended | None:
        try:
            code, finished_at = (self.folder / "exit").read_text().split()
        except (OSError, ValueError):
            return None
        started_at = self.running.started_at if self.running else float(finished_at)
        return Ended(int(code), self._reason(int(code)), started_at, float(finished_at))

    def _lost(self) -> Ended:
        """Nobody saw the end: the shim was killed, or never came to start. What it left behind is ended now."""
        running = self.running
        if running is not None and running.pid and start_ticks(running.pid) == running.start_ticks:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(running.pid, signal.SIGKILL)
        now = time.time()
        with contextlib.suppress(OSError):
            (self.folder / "exit").write_text(f"{_LOST} {now}")
        return Ended(_LOST, self._reason(_LOST), running.started_at if running else now, now)

    def _reason(self, code: int) -> str:
        if (self.folder / "oom").exists():
            return "OOMKilled"
        return "Completed" if code == 0 else "Error"


class Attempts:
    """All runs of one container that are still on disk: the last one and the one before it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        numbers = sorted(int(entry.name) for entry in folder.glob("*") if entry.name.isdigit())
        self._kept = [Attempt(folder / str(number), number) for number in numbers]

    @property
    def last(self) -> Attempt | None:
        """The newest run."""
        return self._kept[-1] if self._kept else None

    @property
    def previous(self) -> Attempt | None:
        """The run before the newest."""
        return self._kept[-2] if len(self._kept) > 1 else None

    def begin(self, at_least: int = 0) -> Attempt:
        """A new run, not started yet; of the older ones only the newest is kept."""
        number = self._kept[-1].number + 1 if self._kept else at_least
        while len(self._kept) > 1:
            self._kept.pop(0).discard()
        attempt = Attempt(self.folder / str(number), number)
        self._kept.append(attempt)
        return attempt

    def drop_last(self) -> None:
        """Forget a run that could not be started."""
        self._kept.pop().discard()


def start_ticks(pid: int) -> str:
    """When the process started, in the kernel's ticks; "0" where that cannot be told, "" when there is none."""
    stat = Path("/proc")
    if not stat.is_dir():
        return "0"
    try:
        return (stat / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()[19].decode()
    except OSError:
        return ""


def _write_items(path: Path, items: Sequence[str]) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write("".join(f"{item}\0" for item in items))
