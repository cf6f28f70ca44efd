"""`merlin up` itself: what is in the way is one line, Ctrl-C stops everything, a second start finds all data again."""

from __future__ import annotations

import contextlib
import functools
import json
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
import yaml

from merlin.embedded.ports import listens
from tests.mlflow_server import MODELS_PYTHON
from tests.platform import (
    ROOT,
    Deployed,
    Platform,
    await_addresses,
    end,
    launch,
    remove,
    running_platform,
    said_by,
    start,
    until,
)

pytestmark = pytest.mark.xdist_group("supervisor")

KEYS = {"graphql", "graphiql", "console", "mlflow", "gateway", "kubeconfig", "token", "pid", "started"}


@pytest.fixture
def folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="merlin-up-"))
    yield folder
    remove(folder)


@pytest.fixture
def another() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="merlin-up-"))
    yield folder
    remove(folder)


def refused(*arguments: str) -> str:
    """What `merlin up` says when it cannot start; it is one line."""
    return told_refusing(*arguments)[0]


def refused_at_once(*arguments: str) -> str:
    """The same, where nothing was started: so nothing is said of stopping."""
    line, output = told_refusing(*arguments)
    assert output == ""
    return line


def told_refusing(*arguments: str) -> tuple[str, str]:
    """The line, and what was printed beside it."""
    done = subprocess.run(
        [sys.executable, "-m", "merlin.cli", "up", "--empty", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, done.stderr
    return lines[0], done.stdout


def test_everything_is_found_again_after_ctrl_c(folder: Path) -> None:
    with running_platform(folder) as platform:
        assert set(platform.addresses) == KEYS
        assert (folder / "addresses.json").stat().st_mode & 0o777 == 0o600
        deployed = platform.deployed("again", "iris")
        returns = "modelEndpoint { url }"
        address = platform.change("serveVersion", returns, versionEndpointId=deployed.endpoint_id)["modelEndpoint"][
            "url"
        ]
        until(lambda: lifecycle(platform, deployed) == "SERVING", 30, "serving")
        gateway = platform.addresses["gateway"]
        children = psutil.Process(platform.process.pid).children(recursive=True)
        for log in (folder / "logs").iterdir():
            log.unlink()  # who clears the logs loses nothing else
        assert platform.stop() == 0
        assert not (folder / "addresses.json").exists()
        _, alive = psutil.wait_procs(children, timeout=10)
        assert [process.cmdline() for process in alive] == []
    with socket.create_server(("127.0.0.1", int(gateway.split(":")[2]))):
        assert "(gateway) is taken" in refused_at_once("--home", str(folder), "--port", "0")
    with running_platform(folder) as platform:
        assert platform.addresses["gateway"] == gateway
        until(lambda: platform.predict(deployed.url, "iris").status_code == 200, 30, "serving again")
        assert lifecycle(platform, deployed) == "SERVING"
        line = f"again/iris version {deployed.number} in local: {address}\n"
        until(lambda: line in said_by(folder).read_text(), 90, "what serves is told")


def lifecycle(platform: Platform, deployed: Deployed) -> str:
    told: str = platform.endpoint(deployed.endpoint_id)["lifecycle"]
    return told


def test_what_a_killed_supervisor_left_is_taken_over(folder: Path) -> None:
    first = start(folder)
    children = psutil.Process(first.pid).children(recursive=True)
    first.kill()
    first.wait(10)
    second = start_anew(folder)
    try:
        _, alive = psutil.wait_procs(children, timeout=10)
        assert [process.cmdline() for process in alive] == []
        platform = Platform(folder, second)
        with platform.http:
            assert platform.ask("{ me { subject } }")["me"]["subject"]
        platform.http.close()
    finally:
        end(second)


def start_anew(folder: Path) -> subprocess.Popen[bytes]:
    (folder / "addresses.json").unlink(missing_ok=True)  # the killed one could not
    return start(folder)


def test_two_that_start_together_do_not_get_in_each_others_way(folder: Path, another: Path) -> None:
    processes = [launch(where) for where in (folder, another)]
    try:
        for where, process in zip((folder, another), processes, strict=True):
            await_addresses(where, process)
        first, second = Platform(folder, processes[0]), Platform(another, processes[1])
        for platform in (first, second):
            assert listens(platform.pid("api"), port_of(platform, "graphql"))
            assert listens(platform.pid("gateway"), port_of(platform, "gateway"))
            until(functools.partial(runs_its_own_mlflow, platform), 90, "MLflow")

        kept = {path.name for path in folder.iterdir()}
        in_use = refused_at_once("--home", str(folder), "--port", "0")
        assert {path.name for path in folder.iterdir()} == kept
        assert f"pid {first.process.pid}" in in_use
        assert "--home" in in_use
        taken = refused_at_once("--home", str(folder / "inner"), "--port", str(port_of(second, "graphql")))
        assert str(port_of(second, "graphql")) in taken
        assert "0 = any free one" in taken
        assert not (folder / "inner").exists()
    finally:
        for process in processes:
            end(process)


def runs_its_own_mlflow(platform: Platform) -> bool:
    return listens(platform.pid("mlflow"), port_of(platform, "mlflow"))


def port_of(platform: Platform, name: str) -> int:
    return int(urlsplit(platform.addresses[name]).port or 0)


@contextlib.contextmanager
def with_example(folder: Path, example: Path) -> Iterator[Platform]:
    """`merlin up --example`, from when it has said where it is."""
    with said_by(folder).open("wb") as output:
        process = subprocess.Popen(
            [*(sys.executable, "-m", "merlin.cli", "up"), *("--home", folder, "--port", "0", "--example", example)],
            cwd=ROOT,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        await_addresses(folder, process)
        yield Platform(folder, process)
    finally:
        end(process)


def test_an_example_that_fails_ends_nothing_and_is_run_again(folder: Path, tmp_path: Path) -> None:
    example, tried = tmp_path / "example.py", tmp_path / "tried"
    example.write_text(
        f"import pathlib, sys\nt = pathlib.Path({str(tried)!r})\nt.exists() or (t.touch(), sys.exit(3))\n"
    )
    done = folder / "config" / "example.json"
    with with_example(folder, example) as platform:
        until(lambda: "Merlin is running" in said_by(folder).read_text(), 120, "the example has ended")
        said = said_by(folder).read_text()
        assert "The example failed (3)" in said
        assert str(folder / "logs") in said
        assert platform.ask("{ me { subject } }")["me"]["subject"] == "admin"
        assert (folder / "addresses.json").exists()
        assert platform.stop() == 0
    assert not done.exists()
    with with_example(folder, example) as platform:
        until(done.exists, 120, "the example went well")
        assert "The example failed" not in said_by(folder).read_text()
        assert platform.stop() == 0


def test_an_mlflow_that_does_not_start_ends_nothing_and_is_tried_again(folder: Path, tmp_path: Path) -> None:
    python, mended = tmp_path / "python", tmp_path / "mended"
    python.write_text(
        f'#!/bin/sh\ncase "$*" in *mlflow_server*) [ -e {mended} ] || {{ echo out of luck; exit 1; }};; esac\n'
        f'exec {MODELS_PYTHON} "$@"\n'
    )
    python.chmod(0o755)
    process = start(folder, arguments=("--models-python", str(python)))
    try:
        platform = Platform(folder, process)
        until(lambda: "mlflow is tried again" in said_by(folder).read_text(), 60, "MLflow failed")
        assert "out of luck" in said_by(folder).read_text()
        assert platform.ask("{ me { subject } }")["me"]["subject"] == "admin"
        mended.touch()
        until(lambda: platform.http.get(platform.addresses["mlflow"] + "/health").status_code == 200, 120, "MLflow")
        until(lambda: "Merlin is running" in said_by(folder).read_text(), 30, "all is ready")
        assert platform.stop() == 0
    finally:
        end(process)


def test_a_cluster_of_ones_own_is_told_where_its_pods_find_artifacts(folder: Path, tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(json.dumps(NO_CLUSTER))
    own = '{"mlflow-artifacts:/": "s3://models/artifacts/"}'
    process = start(
        folder, arguments=("--kubeconfig", str(kubeconfig)), environment={"MERLIN_MLFLOW_ARTIFACT_MAP": own}
    )
    try:
        settings = json.loads((folder / "config" / "settings.json").read_text())
        assert settings["MERLIN_MLFLOW_ARTIFACT_MAP"] == own
    finally:
        end(process)


NO_CLUSTER = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "none",
    "clusters": [{"name": "none", "cluster": {"server": "http://127.0.0.1:9"}}],
    "users": [{"name": "none", "user": {}}],
    "contexts": [{"name": "none", "context": {"cluster": "none", "user": "none"}}],
}


@pytest.mark.parametrize("given", ["", "https://models.example.org"])
def test_a_gateway_of_ones_own_is_the_same_in_addresses_and_environment(
    folder: Path, tmp_path: Path, given: str
) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(json.dumps(NO_CLUSTER))
    process = start(folder, arguments=("--kubeconfig", str(kubeconfig)), environment={"MERLIN_GATEWAY_URL": given})
    try:
        (environment,) = yaml.safe_load((folder / "config" / "environments.yaml").read_text())
        told = json.loads((folder / "addresses.json").read_text())["gateway"]
        assert told == environment["gateway"]["url"] == (given or "http://127.0.0.1:8081")
    finally:
        end(process)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("not: [yaml", "while parsing"),
        ("", "is no kubeconfig that can be used"),
        ("[1]", "is no kubeconfig that can be used"),
        ("a: 1", "Expected key current-context"),
        (json.dumps({**NO_CLUSTER, "current-context": "other"}), "other"),
        (json.dumps({**NO_CLUSTER, "clusters": [{"name": "none", "cluster": {}}]}), "the address of a server"),
    ],
)
def test_a_kubeconfig_that_leads_nowhere_is_refused_and_nothing_is_left(folder: Path, content: str, why: str) -> None:
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(content)
    line = refused_at_once("--home", str(folder / "home"), "--port", "0", "--kubeconfig", str(kubeconfig))
    assert str(kubeconfig) in line
    assert why in line
    assert "--kubeconfig" in line
    assert list(folder.iterdir()) == [kubeconfig]


def test_the_operator_lets_a_colleague_in_on_the_running_platform(folder: Path) -> None:
    process = start(folder)
    try:
        platform = Platform(folder, process)
        done = subprocess.run(
            [sys.executable, "-m", "merlin.cli", "token", "create", "rita", "--home", str(folder)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        platform.addresses["token"] = done.stdout.strip()
        assert platform.ask("{ me { subject } }")["me"]["subject"] == "rita"
        platform.http.close()
    finally:
        end(process)


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    mount = f"mount -t tmpfs -o size=64m tmpfs {tmp_path} && "
    private = ["unshare", "-rm", "sh", "-c"]  # a disk that only this command sees; needs no rights
    if subprocess.run([*private, f"{mount} true"], capture_output=True, timeout=30, check=False).returncode != 0:
        pytest.skip("no mounts of one's own here")
    up = shlex.join([sys.executable, "-m", "merlin.cli", "up", "--empty", "--home", str(tmp_path / "home")])
    up += f"; code=$?; ls -A {tmp_path}; exit $code"
    done = subprocess.run([*private, mount + up], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
    assert f"The disk of {tmp_path / 'home'} is full" in done.stderr
    assert "--home" in done.stderr
    assert done.stdout == ""  # nor is anything on the disk


def test_a_file_in_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for home in ("file", "file/home"):
        assert "not a folder" in refused_at_once("--home", str(tmp_path / home))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_schema_newer_than_the_code_is_refused(folder: Path) -> None:
    process = start(folder)
    settings = json.loads((folder / "config" / "settings.json").read_text())
    subprocess.run([sys.executable, "-c", NEWER, settings["MERLIN_DATABASE_URL"]], cwd=ROOT, timeout=30, check=True)
    process.send_signal(signal.SIGINT)
    process.wait(60)
    line = refused("--home", str(folder), "--port", "0")
    assert "newer" in line
    assert not (folder / "addresses.json").exists()


NEWER = """
import asyncio, sys, asyncpg
async def main():
    connection = await asyncpg.connect(sys.argv[1], timeout=10)
    await connection.execute(
        "INSERT INTO tortoise_migrations (app, name, applied_at) VALUES ('merlin', '9999_from_the_future', now())")
    await connection.close()
asyncio.run(main())
"""


def test_a_folder_that_cannot_be_made_is_said() -> None:
    # Nobody may write there, root included.
    assert "/proc/merlin" in refused_at_once("--home", "/proc/merlin")


@pytest.fixture
def taken() -> Iterator[str]:
    """A port that a stranger holds."""
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        yield str(stranger.getsockname()[1])


def test_a_port_held_by_a_stranger_is_named_and_nothing_is_left(folder: Path, taken: str) -> None:
    assert taken in refused_at_once("--home", str(folder / "new" / "home"), "--port", taken)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("content", [[], ["notes.txt"], ["notes.txt", "run"]])
def test_a_refusal_leaves_in_a_folder_what_was_there_before(folder: Path, taken: str, content: list[str]) -> None:
    for name in content:
        (folder / name).touch()
    assert taken in refused_at_once("--home", str(folder), "--port", taken)
    assert sorted(path.name for path in folder.iterdir()) == content


def test_a_models_python_that_is_missing_is_named_and_nothing_is_left(folder: Path) -> None:
    line = refused_at_once("--home", str(folder / "home"), "--models-python", str(folder / "python"))
    assert str(folder / "python") in line
    assert "--models-python" in line
    assert list(folder.iterdir()) == []
