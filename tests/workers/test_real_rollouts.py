"""The claims of test_rollouts.py where nobody plays: real controllers, kubelet, gateway and a real model server."""

from __future__ import annotations

import asyncio
import json
import secrets
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import httpx
import psutil
import pytest

from merlin import __version__
from merlin.db import endpoints
from merlin.db.connection import Database
from merlin.db.tables import ModelEndpoint, Version, VersionEndpoint
from merlin.domain.environment import ClusterConfig
from merlin.domain.revision import EnvironmentVariable
from merlin.kube.client import Cluster
from merlin.kube.kinds import INFERENCE_SERVICE, POD
from merlin.settings import Settings
from tests.mlflow_server import MODELS_PYTHON
from tests.platform import ROOT
from tests.platform import until as wait_until
from tests.workers.conftest import _free_port
from tests.workers.plays import ALICE, Play, until
from tests.workers.staff import lines, statuses, workers

pytestmark = pytest.mark.xdist_group("real rollouts")

SAVE = """
import sys, warnings
warnings.filterwarnings("ignore")
import mlflow
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
X, y = load_iris(return_X_y=True, as_frame=True)
model = LogisticRegression(max_iter=500).fit(X, y)
signature = mlflow.models.infer_signature(X, model.predict(X))
fits = ["scikit-learn", "pandas"]
mlflow.sklearn.save_model(model, sys.argv[1] + "/good", pip_requirements=fits, signature=signature)
mlflow.sklearn.save_model(model, sys.argv[1] + "/conflict", pip_requirements=["scikit-learn==0.1"])
"""
ROW = {"inputs": [{"name": "input-0", "shape": [1, 4], "datatype": "FP64", "data": [5.1, 3.5, 1.4, 0.2]}]}


@dataclass(frozen=True)
class Place:
    """A running local cluster with its gateway, and models to run there."""

    kubeconfig: Path
    gateway_url: str
    models: Path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    home, models = tmp_path_factory.mktemp("local"), tmp_path_factory.mktemp("models")
    subprocess.run([str(MODELS_PYTHON), "-c", SAVE, str(models)], check=True, timeout=120, capture_output=True)
    api_port, gateway_port = _free_port(), _free_port()
    runtime = {
        "image": f"merlin/runtime:{__version__}",
        "command": [str(MODELS_PYTHON), "-m", "merlin_runtime"],
        "env": {"MERLIN_RUNTIME_HOST": "127.0.0.1"},
    }
    (home / "images.json").write_text(json.dumps([runtime]))
    serve = ["serve", "--home", str(home), "--api-port", str(api_port), "--gateway-port", str(gateway_port)]
    processes = [_start(home / "serve.log", *serve, "--images", str(home / "images.json"))]
    try:
        wait_until(lambda: (home / "kubeconfig").exists(), 60, "the kubeconfig")
        gateway = ("gateway", "--kubeconfig", str(home / "kubeconfig"), "--port", str(gateway_port))
        processes.append(_start(home / "gateway.log", *gateway))
        url = f"http://127.0.0.1:{gateway_port}"
        wait_until(lambda: httpx.get(url, trust_env=False).status_code, 60, "the gateway")
        yield Place(home / "kubeconfig", url, models)
    finally:
        for process in reversed(processes):
            _end(process)


def _start(log: Path, *arguments: str) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "merlin.localcluster", *arguments], cwd=ROOT, stdout=output, stderr=subprocess.STDOUT
        )


def _end(process: subprocess.Popen[bytes]) -> None:
    """Stop it and every pod it started."""
    children = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(10)
    for child in children:
        if child.is_running():
            child.kill()


@pytest.fixture
async def stage(place: Place, settings: Settings, database: Database) -> AsyncIterator[Play]:
    cluster = await Cluster.connect(ClusterConfig(name="real", kubeconfig=place.kubeconfig))
    project = f"t-{secrets.token_hex(4)}"
    async with (
        Play.opened(place.kubeconfig, cluster, project=project, gateway_url=place.gateway_url) as play,
        workers(settings, database),
    ):
        yield play
    await cluster.close()


async def a_version(play: Play, place: Place, kind: str = "good") -> Version:
    return await play.another_version(f"file://{place.models / kind}")


async def settled(endpoint_id: UUID, seconds: float = 60) -> VersionEndpoint:
    async def claim() -> VersionEndpoint | None:
        found = await VersionEndpoint.get(id=endpoint_id)
        is_settled = found.observed_generation == found.generation and not found.progressing
        return found if is_settled else None

    return await until(claim, "settled", seconds)


async def predict(url: str) -> tuple[int, Any]:
    async with aiohttp.ClientSession() as session, session.post(f"{url}/v2/models/iris/infer", json=ROW) as answer:
        return answer.status, await answer.json(content_type=None)


class Caller:
    """Somebody who calls all the time and notes every answer that was not 200."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.calls = 0
        self.failed: list[object] = []

    async def run(self) -> None:
        async with aiohttp.ClientSession() as session:
            while True:
                try:
                    async with session.post(f"{self.url}/v2/models/iris/infer", json=ROW) as answer:
                        await answer.read()
                        if answer.status != 200:
                            self.failed.append(answer.status)
                except aiohttp.ClientError as error:
                    self.failed.append(error)
                self.calls += 1
                await asyncio.sleep(0.01)


async def test_the_life_of_an_endpoint_from_the_first_deploy_to_the_last(stage: Play, place: Place) -> None:
    version = await a_version(stage, place)
    began = time.monotonic()
    endpoint, first = await stage.deploy(version=version)
    running = await stage.active(endpoint.id, 1)
    print(f"first deploy {time.monotonic() - began:.2f} s")
    assert (running.lifecycle.value, running.healthy) == ("running", True)
    assert (await predict(running.url))[0] == 200

    caller = Caller(running.url)
    calling = asyncio.create_task(caller.run())
    more = replace(stage.config.defaults, variables=(EnvironmentVariable("X", "{{ not a template }}"),))
    began = time.monotonic()
    await stage.deploy(more, version=version)
    await until(lambda: _is_active(endpoint.id, 2), "revision 2 is active", 60)
    print(f"redeploy {time.monotonic() - began:.2f} s")
    _, third = await stage.deploy(version=version, rollback_to=1)
    began = time.monotonic()
    await until(lambda: _is_active(endpoint.id, 3), "the rollback is active", 60)
    print(f"rollback {time.monotonic() - began:.2f} s, same pods: {third.service_name == first.service_name}")
    await until(lambda: _only(stage, third.service_name), "the others are drained", 60)
    calling.cancel()
    assert caller.calls > 20
    assert caller.failed == []

    await stage.undeploy(endpoint.id)
    gone = await settled(endpoint.id)
    assert gone.lifecycle.value == "terminated"
    assert not any((await stage.counts()).values())
    assert not (await stage.cluster.list_all(POD, stage.namespace)).items
    assert "endpoint.terminated" in await lines(endpoint.id)


async def test_a_model_that_cannot_run_is_named_and_the_old_one_serves_on(stage: Play, place: Place) -> None:
    version = await a_version(stage, place)
    endpoint, first = await stage.deploy(version=version)
    running = await stage.active(endpoint.id, 1)
    caller = Caller(running.url)
    calling = asyncio.create_task(caller.run())
    bad, _ = await stage.deploy(version=await a_version(stage, place, "conflict"))
    failed = await settled(bad.id)
    assert (failed.lifecycle.value, failed.failure["code"]) == ("failed", "DEPENDENCY_CONFLICT"), failed.failure
    assert failed.failure["evidence"]["log_tail"]
    small = replace(
        stage.config.defaults,
        resources=replace(stage.config.defaults.resources, memory_limit="60Mi", memory_request="50Mi"),
    )
    await stage.deploy(small, version=version)
    kept = await settled(endpoint.id)
    calling.cancel()
    assert (kept.active_revision, kept.failure["code"], kept.healthy) == (1, "OUT_OF_MEMORY", True)
    assert await statuses(endpoint.id) == {1: "active", 2: "failed"}
    assert caller.failed == []
    assert [
        i["metadata"]["name"] for i in (await stage.cluster.list_all(INFERENCE_SERVICE, stage.namespace)).items
    ] == [first.service_name]


async def test_a_cancelled_deploy_leaves_nothing(stage: Play, place: Place) -> None:
    endpoint, _ = await stage.deploy(version=await a_version(stage, place))
    await until(lambda: _told(endpoint.id, "deployment.applied"), "applied")
    await endpoints.cancel_deployment(ALICE, endpoint_id=endpoint.id)
    assert (await settled(endpoint.id)).lifecycle.value == "terminated"
    assert not any((await stage.counts()).values())


async def test_traffic_moves_between_versions_without_a_failed_call(stage: Play, place: Place) -> None:
    one, _ = await stage.deploy(version=await a_version(stage, place))
    await stage.active(one.id, 1)
    traffic = await stage.serve(one.id)
    await until(lambda: _serves(traffic.id, one.id), "the first one serves", 30)
    caller = Caller(traffic.url)
    calling = asyncio.create_task(caller.run())
    two, _ = await stage.deploy(version=await a_version(stage, place))
    await stage.active(two.id, 1)
    began = time.monotonic()
    await stage.serve(two.id)
    await until(lambda: _serves(traffic.id, two.id), "the second one serves", 30)
    print(f"switch {time.monotonic() - began:.3f} s")
    calling.cancel()
    assert caller.failed == []
    await stage.serve(None)
    await until(lambda: _told(traffic.id, "traffic.stopped"), "stopped", 30)
    assert (await predict(traffic.url))[0] == 404


async def _is_active(endpoint_id: UUID, number: int) -> bool:
    found = await VersionEndpoint.get(id=endpoint_id)
    return found.active_revision == number and not found.progressing


async def _only(play: Play, service_name: str) -> bool:
    items = (await play.cluster.list_all(INFERENCE_SERVICE, play.namespace)).items
    return [item["metadata"]["name"] for item in items] == [service_name]


async def _told(subject: UUID, kind: str) -> bool:
    return kind in await lines(subject)


async def _serves(model_endpoint_id: UUID, version_endpoint_id: UUID) -> bool:
    rule = (await ModelEndpoint.get(id=model_endpoint_id)).observed_rule
    return bool(rule and rule["destinations"][0]["version_endpoint_id"] == str(version_endpoint_id))
