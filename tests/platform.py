"""The whole platform as a user starts it (`merlin up`), for end-to-end tests and benchmarks.

`Platform` is a running one: GraphQL, its processes by name, and real models logged to its MLflow. It speaks plain
GraphQL, as any program would; the Python client has its own tests.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil
import yaml

from tests.mlflow_server import MODELS_PYTHON

ROOT = Path(__file__).parent.parent
Found = TypeVar("Found")

SAVE_MODEL = """
import sys, warnings
warnings.filterwarnings("ignore")
import mlflow
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
path, kind = sys.argv[1], sys.argv[2]
X, y = load_iris(return_X_y=True, as_frame=True)
model = LogisticRegression(max_iter=500).fit(X, y)
class Broken(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        raise RuntimeError("the weights are corrupt")
    def predict(self, context, model_input, params=None):
        return model_input
if kind == "good":
    mlflow.sklearn.save_model(model, path, pip_requirements=["scikit-learn", "pandas"],
                              signature=mlflow.models.infer_signature(X, model.predict(X)))
elif kind == "conflict":
    mlflow.sklearn.save_model(model, path, pip_requirements=["scikit-learn==0.1", "no-such-package-at-all"])
else:
    mlflow.pyfunc.save_model(path, python_model=Broken(), pip_requirements=["pandas"])
"""
ROW = {"inputs": [{"name": "input-0", "shape": [1, 4], "datatype": "FP64", "data": [5.1, 3.5, 1.4, 0.2]}]}

DEPLOY = """mutation($input: DeployVersionInput!) { deployVersion(input: $input) {
  versionEndpoint { id url lifecycle } revision { number } errors { code message path hint } } }"""
ENDPOINT = """query($id: ID!) { node(id: $id) { ... on VersionEndpoint {
  id url lifecycle desired progressing healthy settled reason message generation observedGeneration
  failure { code message fix evidence } targetRevision { number status } activeRevision { number status } servingWeight
  revisions(first: 50) { nodes { number status cause serviceName workloadRevision failure { code } } } } } }"""


@dataclass(frozen=True)
class Deployed:
    """A finished version, and its endpoint."""

    model_id: str
    model: str
    version_id: str
    number: int
    endpoint_id: str
    url: str


class Platform:
    """A running platform in ``home``. Nothing here sleeps to wait: `until` asks until a claim holds."""

    def __init__(self, home: Path, process: subprocess.Popen[bytes]) -> None:
        self.home = home
        self.process = process
        self.addresses: dict[str, Any] = json.loads((home / "addresses.json").read_text())
        self.http = httpx.Client(timeout=20, trust_env=False)

    # GraphQL

    def ask(self, query: str, /, **variables: Any) -> dict[str, Any]:
        """The data of an operation; fails on errors."""
        answer = self.http.post(
            self.addresses["graphql"],
            json={"query": query, "variables": variables},
            headers={"authorization": f"Bearer {self.addresses['token']}"},
        ).json()
        assert not answer.get("errors"), answer["errors"]
        data: dict[str, Any] = answer["data"]
        return data

    def change(self, name: str, returns: str, /, **fields: Any) -> dict[str, Any]:
        """The payload of a mutation; fails on user errors."""
        kind = name[0].upper() + name[1:] + "Input"
        query = (
            f"mutation($input: {kind}!) {{ {name}(input: $input) {{ {returns} errors {{ code message path hint }} }} }}"
        )
        payload: dict[str, Any] = self.ask(query, input=fields)[name]
        assert not payload["errors"], payload["errors"]
        return payload

    def refusals(self, name: str, /, **fields: Any) -> list[dict[str, Any]]:
        """The user errors of a mutation that is to be refused."""
        kind = name[0].upper() + name[1:] + "Input"
        query = f"mutation($input: {kind}!) {{ {name}(input: $input) {{ errors {{ code message path hint }} }} }}"
        errors: list[dict[str, Any]] = self.ask(query, input=fields)[name]["errors"]
        return errors

    def add_environment(self, name: str, **more: object) -> None:
        """A second environment on the same cluster: into the environments' file, and what reads that starts anew."""
        path = self.home / "config" / "environments.yaml"
        (local,) = yaml.safe_load(path.read_text())
        beside = {"name": name, "default": False, "namespace_template": f"{name}-{{project}}"}
        path.write_text(yaml.safe_dump([local, {**local, **beside, "path_prefix": f"/{name}", **more}]))
        for role in ("watcher", "worker", "api"):
            self.kill(role)
        query = "{ environments { nodes { reachable } } }"
        both = [{"reachable": True}, {"reachable": True}]
        until(lambda: self.ask(query)["environments"]["nodes"] == both, 60, "both environments answer")

    # Models

    def project(self, name: str) -> str:
        """The id of the project of that name, made if absent."""
        found = self.ask("query($n: String!) { project(name: $n) { id } }", n=name)["project"]
        return str(found["id"] if found else self.change("createProject", "project { id }", name=name)["project"]["id"])

    def model(self, project: str, name: str) -> str:
        """The id of a new model."""
        made = self.change("createModel", "model { id }", projectId=self.project(project), name=name)
        return str(made["model"]["id"])

    def finished_version(self, model_id: str, kind: str = "good") -> tuple[str, int]:
        """A new version with a real model in it: good, broken (fails to load) or conflict (wants other packages)."""
        made = self.change("createVersion", "version { id number run { id } }", modelId=model_id)["version"]
        log_model(self.addresses["mlflow"], made["run"]["id"], kind)
        self.change("finishVersion", "version { state }", versionId=made["id"])
        return str(made["id"]), int(made["number"])

    def deploy(self, version_id: str, **fields: Any) -> str:
        """Accept a deploy; the endpoint's id. Does not wait."""
        payload = self.change("deployVersion", "versionEndpoint { id }", versionId=version_id, **fields)
        return str(payload["versionEndpoint"]["id"])

    def endpoint(self, endpoint_id: str) -> dict[str, Any]:
        """The endpoint as it is now."""
        found: dict[str, Any] = self.ask(ENDPOINT, id=endpoint_id)["node"]
        return found

    def settled(self, endpoint_id: str, seconds: float = 60) -> dict[str, Any]:
        """The endpoint once it is settled."""
        seen: dict[str, Any] = {}

        def is_settled() -> bool:
            seen.update(self.endpoint(endpoint_id))
            return bool(seen["settled"])

        try:
            until(is_settled, seconds, f"{endpoint_id} settled")
        except AssertionError as error:
            raise AssertionError(f"{error}; as it was seen: {json.dumps(seen)}\n{self.said_last()}") from None
        return seen

    def said_last(self, lines: int = 60) -> str:
        """The last lines of the logs of what reconciles, judges and runs models."""
        files = [self.home / "logs" / f"{name}.log" for name in ("worker", "watcher", "cluster")]
        return "\n".join(f"== {file.name}\n" + "\n".join(file.read_text().splitlines()[-lines:]) for file in files)

    def deployed(self, project: str, name: str) -> Deployed:
        """A new model with one version deployed and running."""
        model_id = self.model(project, name)
        version_id, number = self.finished_version(model_id)
        endpoint_id = self.deploy(version_id)
        endpoint = self.settled(endpoint_id)
        assert endpoint["lifecycle"] == "RUNNING", endpoint
        return Deployed(model_id, name, version_id, number, endpoint_id, endpoint["url"])

    def predict(self, url: str, model: str) -> httpx.Response:
        """One prediction over HTTP."""
        return self.http.post(f"{url}/v2/models/{model}/infer", json=ROW)

    # Processes

    def pid(self, name: str) -> int:
        """The pid by name: api, worker, watcher, local cluster, gateway, postgresql, valkey or mlflow."""
        children = json.loads((self.home / "config" / "processes.json").read_text())
        return int(next(child["pid"] for child in children if child["name"] == name))

    def kill(self, name: str) -> None:
        """kill -9, as the kernel would."""
        os.kill(self.pid(name), signal.SIGKILL)

    def stop(self, seconds: float = 60) -> int:
        """Ctrl-C, and the exit code."""
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(seconds)
        self.http.close()
        return code


def log_model(mlflow_url: str, run_id: str, kind: str) -> None:
    """Log a real scikit-learn model into a run as MLflow's client does: its files, a metric, a parameter."""
    api = f"{mlflow_url}/api/2.0"
    with httpx.Client(timeout=60, trust_env=False) as http:
        run = http.get(f"{api}/mlflow/runs/get", params={"run_id": run_id}).raise_for_status().json()["run"]["info"]
        place = run["artifact_uri"].removeprefix("mlflow-artifacts:/")
        folder = saved_model(kind)
        for file in (path for path in folder.rglob("*") if path.is_file()):
            address = f"{api}/mlflow-artifacts/artifacts/{place}/model/{file.relative_to(folder)}"
            http.put(address, content=file.read_bytes()).raise_for_status()
        metric = {"key": "accuracy", "value": 0.97, "timestamp": int(time.time() * 1000)}
        logged = {"run_id": run_id, "metrics": [metric], "params": [{"key": "max_iter", "value": "500"}]}
        http.post(f"{api}/mlflow/runs/log-batch", json=logged).raise_for_status()


@functools.cache
def saved_model(kind: str) -> Path:
    """A trained model as MLflow saves it. Made once, since starting Python with MLflow takes seconds."""
    folder = Path(tempfile.mkdtemp(prefix="merlin-model-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    done = subprocess.run(
        [str(MODELS_PYTHON), "-c", SAVE_MODEL, str(folder / "model"), kind],
        env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder / "model"


def until(claim: Callable[[], Found], seconds: float, what: str = "the claim") -> Found:
    """What the claim answers once it is true. Errors of a server that is just being restarted count as not yet."""
    deadline = time.monotonic() + seconds
    last: object = None
    while time.monotonic() < deadline:
        try:
            answer = claim()
            if answer:
                return answer
            last = answer
        except (httpx.HTTPError, AssertionError, ValueError, KeyError, TypeError) as error:
            last = error
        time.sleep(0.02)
    raise AssertionError(f"{what} did not hold within {seconds} s; last: {last!r}")


@contextlib.contextmanager
def running_platform(
    home: Path | None = None, *, arguments: tuple[str, ...] = (), environment: Mapping[str, str] | None = None
) -> Iterator[Platform]:
    """`merlin up --empty`, ready with MLflow, in a folder of its own (or a given one, which is kept)."""
    folder = home or Path(tempfile.mkdtemp(prefix="merlin-e2e-"))
    process = start(folder, arguments=arguments, environment=environment)
    try:
        platform = Platform(folder, process)
        until(lambda: platform.http.get(platform.addresses["mlflow"] + "/health").status_code == 200, 90, "MLflow")
        try:
            yield platform
        finally:
            platform.http.close()
    finally:
        end(process)
        if home is None:
            remove(folder)


def start(
    folder: Path, *, arguments: tuple[str, ...] = (), environment: Mapping[str, str] | None = None, seconds: float = 90
) -> subprocess.Popen[bytes]:
    """Start the platform and wait for its addresses."""
    process = launch(folder, arguments=arguments, environment=environment)
    await_addresses(folder, process, seconds)
    return process


def launch(
    folder: Path, *, arguments: tuple[str, ...] = (), environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start the platform without waiting for anything; what it says goes to a file beside its folder."""
    with said_by(folder).open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "merlin.cli", "up", "--empty", "--home", str(folder), "--port", "0", *arguments],
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def await_addresses(folder: Path, process: subprocess.Popen[bytes], seconds: float = 90) -> None:
    """Wait until the platform has said where it is. Raises RuntimeError with its words when it ended instead."""

    def there() -> bool:
        if process.poll() is not None:
            raise RuntimeError(said_by(folder).read_text()[-3000:])
        return (folder / "addresses.json").exists()

    until(there, seconds, "addresses.json")


def said_by(folder: Path) -> Path:
    """Where the output of the platform in that folder goes."""
    return folder.parent / f"{folder.name}.out"


def end(process: subprocess.Popen[bytes]) -> None:
    """Stop the platform, and make sure of it: itself and everything it started."""
    if process.poll() is None:
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
            for child in children:
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.kill()


def remove(folder: Path) -> None:
    """Remove a data folder, and the database beside it where it had to lie elsewhere."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        placed = Path(json.loads((folder / "config" / "postgres.json").read_text())["folder"])
        shutil.rmtree(placed, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)
    said_by(folder).unlink(missing_ok=True)
