"""`merlin doctor` and `token` find their platform as the user's commands do, and say in a line that none runs there."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from merlin.cli import _home_here, doctor, token
from merlin.embedded.home import Home


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("MERLIN_DATABASE_URL", "MERLIN_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_platform_of_this_folder_or_one_above_is_examined(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / ".merlin").mkdir()
    (here / "notebooks").mkdir()
    monkeypatch.chdir(here / "notebooks")
    assert _home_here() == here / ".merlin"
    monkeypatch.setenv("MERLIN_HOME", str(here / "elsewhere"))
    assert _home_here() == here / "elsewhere"


def test_a_servers_own_settings_win(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / ".merlin").mkdir()
    monkeypatch.setenv("MERLIN_DATABASE_URL", "postgresql://db/merlin")
    assert _home_here() is None


@pytest.mark.parametrize("arguments", [[], ["--home", "other"]])
def test_where_nothing_runs_that_is_all_it_says(here: Path, arguments: list[str]) -> None:
    folder = arguments[-1] if arguments else ".merlin"
    done = CliRunner().invoke(doctor, arguments)
    assert (done.exit_code, done.stdout) == (4, "")
    assert done.stderr == f"merlin: No platform runs in {folder}. Start one: merlin up --home {folder}\n"


def test_no_token_is_issued_where_nothing_runs(here: Path) -> None:
    done = CliRunner().invoke(token, ["create", "rita"])
    assert (done.exit_code, done.stdout) == (4, "")
    assert done.stderr == "merlin: No platform runs in .merlin. Start one: merlin up --home .merlin\n"


@pytest.mark.parametrize(("command", "arguments"), [(doctor, []), (token, ["create", "rita"]), (token, ["list"])])
def test_for_scripts_a_platform_that_does_not_run_is_an_error_in_json(
    here: Path, command: click.Command, arguments: list[str]
) -> None:
    done = CliRunner().invoke(command, [*arguments, "--home", "stopped", "--json"])
    assert done.exit_code == 4
    error = json.loads(done.stdout)["error"]
    assert error["code"] == "UNAVAILABLE"
    assert error["message"].startswith("No platform runs in stopped.")


def test_a_stopped_platform_is_told_in_one_line(here: Path) -> None:
    home = Home(here / ".merlin")
    home.prepare()
    home.remember("settings", {"MERLIN_DATABASE_URL": "postgresql://127.0.0.1:9/merlin"})
    done = CliRunner().invoke(doctor, [])
    assert done.exit_code == 4
    assert "No platform runs in" in done.output
    assert done.output.count("\n") == 1
