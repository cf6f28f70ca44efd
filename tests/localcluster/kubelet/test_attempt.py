"""One run of a container without a kubelet: its log, its exit code, its group, its bounds."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from merlin.localcluster.kubelet.attempt import Attempt, Attempts, Ended
from merlin.localcluster.kubelet.logs import LogQuery, read_log
from merlin.localcluster.kubelet.storage import provide

PATIENCE = 60


@pytest.fixture
def attempt(tmp_path: Path) -> Iterator[Attempt]:
    """A run that was not started yet; ended after the test."""
    attempt = Attempts(tmp_path / "main").begin()
    yield attempt
    attempt.signal(signal.SIGKILL)


async def ended(attempt: Attempt, script: str) -> Ended:
    """How a Python script ended."""
    attempt.start([sys.executable, "-I", "-S", "-c", script], {"PATH": os.defpath}, attempt.folder.parent.parent)
    async with asyncio.timeout(PATIENCE):
        return await attempt.wait()


async def log_of(attempt: Attempt, **query: object) -> str:
    pieces = [piece async for piece in read_log(attempt, LogQuery(**query))]  # type: ignore[arg-type]
    return b"".join(pieces).decode()


async def test_both_streams_come_in_order_and_the_rest_without_a_line_end(attempt: Attempt) -> None:
    script = "import os; [os.write(n, t) for n, t in ((1, b'one\\n'), (2, b'two\\n'), (1, b'three'))]"
    assert (await ended(attempt, script)).exit_code == 0
    assert await log_of(attempt) == "one\ntwo\nthree\n"


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("pass", 0),
        ("import sys; sys.exit(5)", 5),
        ("import os; os.kill(os.getpid(), 9)", 137),
        ("import os; os.abort()", 134),
    ],
)
async def test_exit_codes_are_those_of_a_container(attempt: Attempt, script: str, code: int) -> None:
    assert (await ended(attempt, script)).exit_code == code


async def test_what_a_process_leaves_behind_ends_with_it(attempt: Attempt) -> None:
    """A child that holds the log's pipe open keeps neither the exit code waiting nor itself alive."""
    script = "import os, time\npid = os.fork()\nif pid == 0: time.sleep(600)\nprint(pid)"
    assert (await ended(attempt, script)).exit_code == 0
    child = int(await log_of(attempt))
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE


async def test_logs_are_bounded_and_keep_their_end(attempt: Attempt) -> None:
    script = "for n in range(400_000): print(f'{n:060d}')"
    assert (await ended(attempt, script)).exit_code == 0
    size = sum(path.stat().st_size for path in attempt.folder.glob("log*"))
    assert size < 20 << 20
    assert [int(line) for line in (await log_of(attempt, tail_lines=2)).split()] == [399_998, 399_999]
    lines = [int(line) for line in (await log_of(attempt)).split()]
    assert lines == list(range(lines[0], 400_000))


async def test_endless_lines_are_cut(attempt: Attempt) -> None:
    assert (await ended(attempt, "print('x' * 1_000_000)")).exit_code == 0
    lines = (await log_of(attempt)).splitlines()
    assert "".join(lines) == "x" * 1_000_000
    assert max(map(len, lines)) <= 80 * 1024


async def test_only_the_last_two_runs_are_kept(tmp_path: Path) -> None:
    attempts = Attempts(tmp_path / "main")
    for code in range(4):
        assert (await ended(attempts.begin(), f"import sys; sys.exit({code})")).exit_code == code
    found = Attempts(tmp_path / "main")  # as the next kubelet finds them
    assert sorted(path.name for path in (tmp_path / "main").iterdir()) == ["2", "3"]
    assert found.last is not None
    assert found.previous is not None
    assert [run.ended() for run in (found.previous, found.last)] != [None, None]
    assert (found.last.number, found.begin().number) == (3, 4)


async def test_a_run_that_never_came_to_start_is_lost(tmp_path: Path) -> None:
    (tmp_path / "main" / "0").mkdir(parents=True)
    last = Attempts(tmp_path / "main").last
    assert last is not None
    assert last.ended() == last.ended()
    assert (await last.wait()).exit_code == 137


def test_who_may_not_read_an_artifact_is_told_so() -> None:
    # Not in pytest's own folder, which nobody but its user may pass through.
    with tempfile.TemporaryDirectory() as folder:
        closed = Path(folder) / "model"
        closed.mkdir()
        (closed / "MLmodel").write_text("x")
        (closed / "MLmodel").chmod(0)
        code, lines = as_somebody_else(closed, Path(folder))
    assert code == 1
    assert lines[-1] == f"PermissionError: Permission denied: {closed / 'MLmodel'}"


def as_somebody_else(source: Path, folder: Path) -> tuple[int, list[str]]:
    """What the initializer says; root, who may read everything, takes another user's place meanwhile."""
    if os.geteuid() != 0:
        return provide(str(source), folder / "target")
    folder.chmod(0o777)
    os.seteuid(65534)
    try:
        return provide(str(source), folder / "target")
    finally:
        os.seteuid(0)
