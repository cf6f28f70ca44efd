"""PostgreSQL's programs run from where another user can reach them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from merlin.embedded import postgres

NOBODY = 65534


def test_programs_that_lie_in_a_private_folder_run_from_their_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "_STATE", tmp_path / "state")
    monkeypatch.setattr(postgres, "_can_reach", lambda path, user: False)
    copied = postgres._reachable_binaries(postgres._binaries(), NOBODY)
    assert copied.folder.is_relative_to(tmp_path)
    for program in ("initdb", "postgres"):
        done = subprocess.run([copied.folder / program, "--version"], capture_output=True, text=True, timeout=30)
        assert (done.returncode, done.stderr) == (0, "")
    assert postgres._reachable_binaries(postgres._binaries(), NOBODY) == copied
