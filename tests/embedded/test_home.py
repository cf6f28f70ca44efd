"""The data folder: one holder, private files, and one sentence for everything that is in the way."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from merlin.embedded import cluster, mlflow
from merlin.embedded.home import Home, unusable, write_private
from merlin.errors import Misconfigured

HOLD = """
import sys
from pathlib import Path
from merlin.embedded.home import Home
with Home(Path(sys.argv[1])).held():
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.prepare()
    return home


def test_a_folder_in_use_names_its_holder_and_is_free_after_a_kill(home: Home) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(home.folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(Misconfigured, match=str(holder.pid)) as in_use, home.held():
            pass
        assert "--home" in (in_use.value.hint or "")
        holder.kill()
        holder.wait(10)
    with home.held():
        assert (home.folder / "lock").read_text().strip() == str(os.getpid())


def test_what_was_made_since_is_forgotten_until_a_program_has_run(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    home = Home(tmp_path / "there" / "new" / "home")
    home.prepare()
    with home.held():
        home.secret("token")
        home.private_folder("mlflow")
        (home.logs / "postgresql.log").touch()
        home.forget()
        assert {path.name for path in home.folder.iterdir()} == {"config", "logs", "mlflow", "lock"}
        (home.logs / "postgresql.log").unlink()
        home.forget()
    assert list((tmp_path / "there").iterdir()) == []


def test_what_an_earlier_start_made_is_never_forgotten(home: Home) -> None:
    home.secret("token")
    again = Home(home.folder)
    again.prepare()
    with again.held():
        again.private_folder("mlflow")
        again.forget()
    assert (home.config / "token").exists()
    assert not (home.folder / "mlflow").exists()


def test_a_lock_that_was_taken_away_meanwhile_is_not_held(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("merlin.embedded.home.fcntl.flock", lambda *_: (home.folder / "lock").unlink())
    with pytest.raises(Misconfigured, match="given up"), home.held():
        pass


def test_secrets_are_made_once_and_private(home: Home) -> None:
    first = home.secret("token")
    assert first.stat().st_mode & 0o777 == 0o600
    text = first.read_text()
    assert home.secret("token").read_text() == text
    assert len(text) >= 32


def test_folders_of_servers_are_closed_to_others_also_those_of_earlier_starts(home: Home) -> None:
    for name in ("mlflow", "cluster"):
        (home.folder / name).mkdir(mode=0o755)
    mlflow.prepare(home, python=Path(sys.executable), port=1)
    cluster.prepare(home, models_python=Path(sys.executable), api_port=1, gateway_port=2)
    open_ones = {path.name for path in home.folder.iterdir() if path.stat().st_mode & 0o777 != 0o700}
    assert open_ones == set()


def test_what_is_remembered_is_recalled_and_garbage_is_not(home: Home) -> None:
    home.remember("ports", {"api": 1})
    assert home.recall("ports", {}) == {"api": 1}
    (home.config / "ports.json").write_text("{half")
    assert home.recall("ports", {"default": True}) == {"default": True}


def test_a_private_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(0o644)
    write_private(path, "new")
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_long_path_gets_a_short_socket_folder(tmp_path: Path) -> None:
    deep = Home(tmp_path / ("d" * 80))
    deep.prepare()
    assert len(str(deep.sockets)) <= 70
    assert deep.sockets.stat().st_mode & 0o777 == 0o700
    deep.sockets.rmdir()


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Misconfigured, match="not a folder"):
        Home(tmp_path / "file").prepare()


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "full"),
        (errno.EACCES, "No permission"),
        (errno.EROFS, "No permission"),
        (errno.EIO, "cannot be used"),
    ],
)
def test_every_trouble_with_the_folder_is_one_sentence(number: int, words: str) -> None:
    error = unusable(Path("/data"), OSError(number, os.strerror(number)))
    assert words in error.message
    assert "/data" in error.message
    assert error.hint
