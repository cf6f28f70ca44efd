"""A child of the supervisor: ready or refused, restarted after a kill, ended for good."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from merlin.embedded.process import Identity, Process, Program, end_left_over, identity_of, last_lines, run_once
from merlin.errors import Misconfigured, Unavailable

ROOT = Path(__file__).parent.parent.parent
FOREVER = "import pathlib,sys,time; pathlib.Path(sys.argv[1]).touch(); time.sleep(600)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + FOREVER


def a_program(folder: Path, code: str, *, ready_seconds: float = 10, stop_seconds: float = 5) -> Program:
    mark = folder / "mark"

    async def ready() -> bool:
        return mark.exists()

    return Program(
        name="test",
        command=[sys.executable, "-c", code, str(mark)],
        log_file=folder / "log",
        ready=ready,
        ready_seconds=ready_seconds,
        stop_seconds=stop_seconds,
    )


async def until(claim: Callable[[], bool | Awaitable[bool]], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while True:
            answer = claim()
            if answer if isinstance(answer, bool) else await answer:
                return
            await asyncio.sleep(0.01)


async def test_a_killed_child_is_started_again(tmp_path: Path) -> None:
    process = Process(a_program(tmp_path, FOREVER))
    await process.start()
    first = process.identity
    assert first is not None
    os.kill(first.pid, signal.SIGKILL)
    await until(lambda: process.restarts == 1 and process.identity not in (None, first))
    last = process.identity
    await process.stop()
    assert process.identity is None
    assert last is not None
    assert identity_of(last.pid) != last


async def test_a_child_that_ends_at_once_is_refused_with_its_last_words(tmp_path: Path) -> None:
    process = Process(a_program(tmp_path, "raise SystemExit('no such luck')"))
    with pytest.raises(Unavailable) as refused:
        await process.start()
    assert "no such luck" in (refused.value.hint or "")


async def test_a_child_that_never_gets_ready_is_ended(tmp_path: Path) -> None:
    process = Process(a_program(tmp_path, "import time; time.sleep(600)", ready_seconds=0.3))
    with pytest.raises(Unavailable):
        await process.start()
    assert process.identity is None


async def test_a_child_that_ignores_its_signal_is_killed(tmp_path: Path) -> None:
    process = Process(a_program(tmp_path, STUBBORN, stop_seconds=0.2))
    await process.start()
    await process.stop()
    await process.stop()
    assert process.identity is None


async def test_only_the_same_process_is_ended_as_a_left_over(tmp_path: Path) -> None:
    process = Process(a_program(tmp_path, FOREVER))
    await process.start()
    identity = process.identity
    assert identity is not None
    await end_left_over(Identity(identity.pid, identity.started - 100))
    assert process.identity == identity
    await end_left_over(identity)
    await until(lambda: process.identity != identity)
    await process.stop()


DIES_BEFORE_IT_NOTES = """
import asyncio, os, pathlib, signal, sys
from tests.embedded.test_process import FOREVER, a_program
from merlin.embedded.process import Process

def note():
    print(process.identity.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

process = Process(a_program(pathlib.Path(sys.argv[1]), FOREVER), on_change=note)
asyncio.run(process.start())
"""


async def test_a_child_that_was_not_noted_ends_with_its_supervisor(tmp_path: Path) -> None:
    supervisor = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", DIES_BEFORE_IT_NOTES, str(tmp_path)), stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    async with asyncio.timeout(30):
        said, _ = await supervisor.communicate()
    assert supervisor.returncode == -signal.SIGKILL
    await until(lambda: identity_of(int(said)) is None)
    assert not (tmp_path / "mark").exists()


async def test_a_child_runs_even_when_its_pid_cannot_be_noted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def note() -> None:
        raise OSError("disk full")

    process = Process(a_program(tmp_path, FOREVER), on_change=note)
    await process.start()
    assert process.identity is not None
    await process.stop()
    assert [record.message for record in caplog.records] == ["its pid could not be noted"]


async def test_a_clock_that_was_set_makes_no_process_another_one(tmp_path: Path) -> None:
    process = Process(a_program(tmp_path, FOREVER))
    await process.start()
    identity = process.identity
    assert identity is not None
    await end_left_over(Identity(identity.pid, identity.started + 1))
    await until(lambda: process.identity != identity)
    await process.stop()


async def test_a_command_that_fails_says_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="out of luck"):
        await run_once(
            [sys.executable, "-c", "raise SystemExit('out of luck')"],
            environment={},
            log_file=tmp_path / "log",
            seconds=10,
        )


async def test_a_command_that_takes_too_long_is_ended_and_says_its_last_words(tmp_path: Path) -> None:
    log_file = tmp_path / "log"
    log_file.write_text("still at it\n")
    mark = tmp_path / "pid"
    lasting = f"echo $$ > {mark}; exec sleep 600"
    with pytest.raises(Unavailable, match=r"sh had not ended after 0\.1 s") as refused:
        await run_once(["/bin/sh", "-c", lasting], environment={}, log_file=log_file, seconds=0.1)
    assert "still at it" in (refused.value.hint or "")
    assert not mark.exists() or not mark.read_text() or identity_of(int(mark.read_text())) is None


def test_last_lines_of_no_file_are_empty(tmp_path: Path) -> None:
    assert last_lines(tmp_path / "none") == ""
