"""kill -9 of every process in the middle of a deploy: it converges soon after the restart, and nothing is doubled.

Neither in the database nor in the cluster nor on the machine.
"""

from __future__ import annotations

import contextlib
import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from redis import Redis

from merlin.kube import kinds, names
from merlin.kube.kinds import Kind
from tests.contract.api import Api, ok
from tests.platform import Deployed, Platform, until

pytestmark = pytest.mark.xdist_group("platform")

CONVERGED_SECONDS = 10
MODEL = "nine-lives"  # no other test's model is called so, nor "phoenix": that tells their processes


@pytest.fixture(scope="module")
def api(platform: Platform) -> Iterator[Api]:
    """The embedded cluster."""
    api = Api(Path(platform.addresses["kubeconfig"]))
    with api.http:
        yield api


@pytest.fixture(scope="module")
def version(platform: Platform) -> str:
    """A finished version to deploy again and again."""
    return platform.finished_version(platform.model("kills", MODEL))[0]


@pytest.fixture(scope="module")
def patience(platform: Platform, api: Api, version: str) -> float:
    """How long a deploy may take after the restart: its ten seconds, besides what one without a kill takes here."""
    started = time.monotonic()
    endpoint_id = platform.deploy(version)
    assert platform.settled(endpoint_id)["lifecycle"] == "RUNNING"
    undisturbed = time.monotonic() - started
    undeployed(platform, api, endpoint_id)
    return CONVERGED_SECONDS + undisturbed


def undeployed(platform: Platform, api: Api, endpoint_id: str) -> None:
    """The endpoint stopped, and all of it gone (processes end within their grace period)."""
    platform.change("undeployVersion", "versionEndpoint { id }", versionEndpointId=endpoint_id)
    assert platform.settled(endpoint_id)["lifecycle"] == "TERMINATED"
    until(lambda: there_are(platform, api) == NONE, 40, "no orphan")


NONE = {"services": 0, "pods": 0, "processes": 0}
ONE_EACH = {"services": 1, "pods": 1, "processes": 1}


def there_are(platform: Platform, api: Api) -> dict[str, int]:
    """How many of each the model has, in the cluster and on the machine."""
    return {
        "services": len(objects(api, kinds.INFERENCE_SERVICE)),
        "pods": len(objects(api, kinds.POD)),
        "processes": len(model_processes(platform, MODEL)),
    }


def objects(api: Api, kind: Kind) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ok(api.get(kind.path(), labelSelector=f"{names.MODEL}={MODEL}"))["items"]
    return found


def alive_again(platform: Platform, name: str, old: int) -> bool:
    return platform.pid(name) != old and psutil.pid_exists(platform.pid(name))


@pytest.mark.parametrize("name", ["api", "worker", "watcher", "local cluster", "postgresql", "valkey", "gateway"])
def test_a_deploy_survives_the_kill_of(platform: Platform, api: Api, version: str, patience: float, name: str) -> None:
    endpoint_id = platform.deploy(version)
    before = platform.endpoint(endpoint_id)["targetRevision"]["number"]
    old = platform.pid(name)
    platform.kill(name)
    until(lambda: alive_again(platform, name, old), 20, f"{name} is started again")
    converged(platform, api, endpoint_id, before, patience)
    undeployed(platform, api, endpoint_id)


def test_a_deploy_survives_the_kill_of_the_model_that_starts(
    platform: Platform, api: Api, version: str, patience: float
) -> None:
    endpoint_id = platform.deploy(version)
    revision = platform.endpoint(endpoint_id)["targetRevision"]["number"]
    (victim,) = until(lambda: starting(platform, endpoint_id), 60, "the runtime is being started")
    victim.send_signal(signal.SIGKILL)
    converged(platform, api, endpoint_id, revision, patience)
    (pod,) = objects(api, kinds.POD)
    assert pod["status"]["containerStatuses"][0]["restartCount"] == 1
    assert model_processes(platform, MODEL)[0].pid != victim.pid
    undeployed(platform, api, endpoint_id)


def starting(platform: Platform, endpoint_id: str) -> list[psutil.Process]:
    """The runtime's process, while it is not ready yet."""
    found = model_processes(platform, MODEL)
    return found if platform.endpoint(endpoint_id)["targetRevision"]["status"] == "STARTING" else []


def converged(platform: Platform, api: Api, endpoint_id: str, revision: int, seconds: float) -> None:
    """That revision runs by then, and it alone: one of each."""
    after = platform.settled(endpoint_id, seconds)
    assert after["lifecycle"] == "RUNNING", after
    assert after["activeRevision"]["number"] == revision
    live = [r for r in after["revisions"]["nodes"] if r["status"] in {"ACTIVE", "STARTING", "QUEUED", "READY"}]
    assert [r["number"] for r in live] == [revision]
    until(lambda: platform.predict(after["url"], MODEL).status_code == 200, CONVERGED_SECONDS, "predictions")
    assert there_are(platform, api) == ONE_EACH


def test_a_flushed_queue_loses_nothing(platform: Platform, api: Api, version: str, patience: float) -> None:
    settings = json.loads((platform.home / "config" / "settings.json").read_text())
    with Redis.from_url(settings["MERLIN_REDIS_URL"]) as redis:
        redis.ping()  # connected already, so that the flush comes in the middle of it
        endpoint_id = platform.deploy(version)
        redis.flushall()
    revision = platform.endpoint(endpoint_id)["targetRevision"]["number"]
    converged(platform, api, endpoint_id, revision, patience)
    undeployed(platform, api, endpoint_id)


def test_a_killed_model_process_is_noticed_and_heals(platform: Platform) -> None:
    deployed = platform.deployed("heal", "phoenix")
    victim = model_process(platform, deployed)
    victim.send_signal(signal.SIGKILL)
    until(lambda: not platform.endpoint(deployed.endpoint_id)["healthy"], 15, "seen unhealthy")
    until(lambda: platform.endpoint(deployed.endpoint_id)["healthy"], 45, "healed")
    until(lambda: platform.predict(deployed.url, deployed.model).status_code == 200, CONVERGED_SECONDS, "predictions")


def model_process(platform: Platform, deployed: Deployed) -> psutil.Process:
    """The one process that serves it."""
    found = model_processes(platform, deployed.model)
    assert len(found) == 1, found
    return found[0]


def model_processes(platform: Platform, model: str) -> list[psutil.Process]:
    """The runtimes of a model, told from others' by the name in their environment."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            command = process.cmdline()
            mine = "merlin_runtime" in command and str(platform.home) in " ".join(command)
            if mine and process.environ().get("MERLIN_MODEL_NAME") == model:
                found.append(process)
    return found
