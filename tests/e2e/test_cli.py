"""The user's half of the command `merlin` on a real platform: what it prints, and its exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.platform import Deployed, Platform, until

pytestmark = pytest.mark.xdist_group("platform")

MERLIN = str(Path(sys.executable).parent / "merlin")
CSV = "sepal length (cm),sepal width (cm),petal length (cm),petal width (cm)\n5.1,3.5,1.4,0.2\n6.7,3.1,5.6,2.4\n"

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def merlin(platform: Platform) -> Run:
    """The command, with this platform as its home."""

    def run(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [MERLIN, *arguments],
            env={**os.environ, "MERLIN_HOME": str(platform.home)},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


def out(done: subprocess.CompletedProcess[str], code: int = 0) -> str:
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def parsed(done: subprocess.CompletedProcess[str], code: int = 0) -> Any:
    return json.loads(out(done, code))


def a_version(platform: Platform, project: str, kind: str = "good") -> str:
    _, number = platform.finished_version(platform.model(project, "iris"), kind)
    return f"{project}/iris/{number}"


def test_a_version_is_deployed_served_rolled_back_and_undeployed(merlin: Run, platform: Platform) -> None:
    path = a_version(platform, "shell")
    done = merlin("deploy", path, "--comment", "from a shell")
    assert f"{path} is RUNNING" in out(done)
    assert "STARTING" in done.stderr, "progress goes to stderr"
    assert parsed(merlin("status", path, "--json"))["lifecycle"] == "RUNNING"

    assert "is SERVING (version 1 100 %)" in out(merlin("set-serving", path))
    refused = merlin("undeploy", path, "--json")
    assert parsed(refused, 6)["error"]["code"] == "STILL_SERVING"
    out(merlin("deploy", path, "--min-replicas", "2", "--max-replicas", "2"))
    out(merlin("rollback", path))
    history = parsed(merlin("history", path, "--json"))
    assert [(r["number"], r["cause"]) for r in history] == [(3, "ROLLBACK"), (2, "REDEPLOY"), (1, "DEPLOY")]
    assert history[2]["comment"] == "from a shell"

    assert "STOPPED" in out(merlin("stop-serving", "shell/iris"))
    assert "TERMINATED" in out(merlin("undeploy", path))


def test_a_failed_deploy_is_exit_code_1_with_cause_and_log(merlin: Run, platform: Platform) -> None:
    done = merlin("deploy", a_version(platform, "shell-broken", "broken"), "--json")
    error = parsed(done, 1)["error"]
    assert error["code"] == "MODEL_LOAD_FAILED"
    assert error["fix"]
    assert "the weights are corrupt" in done.stderr
    status = out(merlin("status", "shell-broken/iris/1"))
    assert "MODEL_LOAD_FAILED (revision 1 failed)" in status
    assert "  | RuntimeError: the weights are corrupt" in status
    assert out(merlin("logs", "shell-broken/iris/1")).splitlines()[-1] == "RuntimeError: the weights are corrupt"
    nothing_to_do = merlin("cancel", "shell-broken/iris/1", "--environment", "nope")
    assert "There are: local." in nothing_to_do.stderr


def test_lists_show_what_there_is(merlin: Run, running: Deployed) -> None:
    assert "shared" in out(merlin("projects"))
    assert out(merlin("models", "shared")).splitlines()[1].startswith("shared/iris")
    listed = parsed(merlin("versions", "shared/iris", "--json"))
    assert [version["number"] for version in listed] == [running.number]
    assert "accuracy=" in out(merlin("versions", "shared/iris"))


@pytest.mark.parametrize("form", ["csv", "records", "v2"])
def test_predictions_come_from_files_and_stdin(merlin: Run, running: Deployed, form: str, tmp_path: Path) -> None:
    names, *rows = [line.split(",") for line in CSV.splitlines()]
    values = [[float(cell) for cell in row] for row in rows]
    tensor = {"name": "x", "shape": [2, 4], "datatype": "FP64", "data": [cell for row in values for cell in row]}
    text = {
        "csv": CSV,
        "records": json.dumps([dict(zip(names, row, strict=True)) for row in values]),
        "v2": json.dumps({"inputs": [tensor]}),
    }[form]
    file = tmp_path / "data"
    file.write_text(text)
    path = f"shared/iris/{running.number}"
    from_file, from_stdin = out(merlin("predict", path, str(file))), out(merlin("predict", path, stdin=text))
    assert from_file == from_stdin
    found = json.loads(from_file)["outputs"][0]["data"] if form == "v2" else from_file.split()
    assert [int(value) for value in found] == [0, 2]


def test_a_refused_prediction_names_the_column(merlin: Run, running: Deployed) -> None:
    done = merlin("predict", f"shared/iris/{running.number}", stdin='[{"sepal length (cm)": 1}]')
    assert done.returncode == 1
    assert "sepal width (cm)" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["deploy", "shared/iris"], 2),
        (["deploy", "shared/iris/1", "--min-replicas", "5", "--max-replicas", "1"], 2),
        (["deploy", "shared/iris/1", "--variable", "no value"], 2),
        (["deploy", "--no-such-option"], 2),
        (["no-such-command"], 2),
        (["status", "nothing/there/1"], 3),
        (["deploy", "shared/iris/99"], 3),
        (["models", "nothing"], 3),
        (["projects", "--url", "http://127.0.0.1:9", "--token", "t"], 4),
        (["projects", "--token", "wrong"], 4),
        (["projects", "--home", "/no/such/home"], 4),
        (["cancel", "shared/iris/1"], 6),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_exit_codes_mean_something(merlin: Run, running: Deployed, arguments: list[str], code: int) -> None:
    done = merlin(*arguments)
    assert done.returncode == code, done.stdout + done.stderr
    assert done.stderr.strip()
    assert "Traceback" not in done.stderr


def test_waiting_can_be_given_up_and_the_deploy_goes_on(merlin: Run, platform: Platform) -> None:
    path = a_version(platform, "shell-hasty")
    assert parsed(merlin("deploy", path, "--no-wait", "--json"))["lifecycle"] == "PENDING"
    until(lambda: parsed(merlin("status", path, "--json"))["lifecycle"] == "RUNNING", 90, "it went on")
    done = merlin("deploy", path, "--variable", "A=1", "--timeout", "0.1")
    assert done.returncode == 5
    assert "goes on" in done.stderr
    until(lambda: parsed(merlin("status", path, "--json"))["activeRevision"]["number"] == 2, 90, "it went on")


def test_ctrl_c_leaves_the_deploy_running_and_says_so(platform: Platform) -> None:
    path = a_version(platform, "shell-interrupted")
    with subprocess.Popen(
        [MERLIN, "deploy", path],
        env={**os.environ, "MERLIN_HOME": str(platform.home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        while "ACCEPTED" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
        assert process.wait(30) == 130
    assert f"it goes on. `merlin cancel {path}` or" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("arguments", [("status", "--watch"), ("logs", "-f")])
def test_what_follows_shows_something_at_once_and_ends_with_ctrl_c(
    platform: Platform, running: Deployed, arguments: tuple[str, str]
) -> None:
    command, option = arguments
    with subprocess.Popen(
        [MERLIN, command, f"shared/iris/{running.number}", option],
        env={**os.environ, "MERLIN_HOME": str(platform.home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().strip()
        process.send_signal(signal.SIGINT)
        assert "Traceback" not in process.stderr.read()
        assert process.wait(30) == 130


def test_help_names_every_command_and_the_exit_codes(merlin: Run) -> None:
    text = out(merlin("--help"))
    for command in ("deploy", "set-serving", "status", "logs", "rollback", "undeploy", "predict", "up", "doctor"):
        assert command in text
    assert "130  interrupted" in text
