"""The API server under test: the embedded one, started here, or the one that `--kubeconfig` names."""

from __future__ import annotations

import secrets
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from merlin.domain.environment import ClusterConfig
from merlin.kube.client import Cluster
from merlin.kube.kinds import GATEWAY
from tests.contract.api import NODE, Api, ok
from tests.contract.images import write_images
from tests.platform import ROOT, until


@pytest.fixture(scope="session")
def kubeconfig(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A kubeconfig with every right on the cluster under test."""
    given = request.config.getoption("--kubeconfig")
    if given:
        yield Path(given).absolute()
        return
    home = tmp_path_factory.mktemp("cluster")
    api_port, gateway_port = _free_ports(2)
    images = write_images(home / "images.json")
    command = [sys.executable, "-m", "merlin.localcluster", "serve", "--home", str(home), "--images", str(images)]
    command += ["--api-port", str(api_port), "--gateway-port", str(gateway_port)]
    server = _started(command, home / "server.out")
    gateway = None
    try:
        until(lambda: _is_ready(server, api_port, home), 60, "the embedded API server")
        command = [sys.executable, "-m", "merlin.localcluster", "gateway", "--kubeconfig", str(home / "kubeconfig")]
        gateway = _started([*command, "--port", str(gateway_port)], home / "gateway.out")
        yield home / "kubeconfig"
    finally:
        if gateway is not None:
            _end(gateway)
        _end(server)


@pytest.fixture(scope="session")
def is_embedded(request: pytest.FixtureRequest) -> bool:
    """Whether the server under test is Merlin's own."""
    return request.config.getoption("--kubeconfig") is None


@pytest.fixture(scope="session")
def api(kubeconfig: Path) -> Iterator[Api]:
    """A raw door to the cluster under test."""
    api = Api(kubeconfig)
    yield api
    api.http.close()


@pytest.fixture
def namespace(api: Api) -> Iterator[str]:
    """A namespace of the test's own."""
    name = f"contract-{secrets.token_hex(4)}"
    ok(api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}))
    yield name
    api.delete(f"/api/v1/namespaces/{name}")


@pytest.fixture
async def cluster(kubeconfig: Path) -> AsyncIterator[Cluster]:
    """Merlin's own door to the cluster under test."""
    cluster = await Cluster.connect(ClusterConfig(name="contract", kubeconfig=kubeconfig))
    yield cluster
    await cluster.close()


@pytest.fixture
def idle_node(api: Api) -> Iterator[str]:
    """A node without a kubelet: pods on it do only what the test says of them."""
    name = f"idle-{secrets.token_hex(4)}"
    node = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "spec": {"unschedulable": True},
    }
    ok(api.create(node))
    room = {"cpu": "8", "memory": "16Gi", "pods": "100"}
    ready = {"type": "Ready", "status": "True", "reason": "Test", "message": "", "lastHeartbeatTime": _NOW}
    status = {"capacity": room, "allocatable": room, "conditions": [{**ready, "lastTransitionTime": _NOW}]}
    ok(api.patch(NODE.path(None, name) + "/status", {"status": status}))
    yield name
    api.delete(NODE.path(None, name))


@pytest.fixture(scope="session")
def local_node(api: Api) -> str:
    """The node of a local kubelet, which runs `images.PROGRAM`; skips where the cluster has none."""

    def ready() -> str:
        for node in ok(api.get(NODE.path()))["items"]:
            if node.get("status", {}).get("nodeInfo", {}).get("kubeletVersion", "").endswith("-merlin"):
                return str(node["metadata"]["name"])
        return ""

    try:
        return until(ready, 10, "a local node")
    except AssertionError:
        pytest.skip("no node of this cluster is a local kubelet of Merlin's")


@pytest.fixture(scope="session")
def gateway_url(api: Api) -> str:
    """Where Merlin's own gateway answers; skips where the cluster has none."""
    path = GATEWAY.path("merlin-system", "merlin")

    def addresses() -> list[str]:
        answer = api.get(path)
        found = answer.json() if answer.status_code == 200 else {}
        return [
            f"http://{address['value']}:{found['spec']['listeners'][0]['port']}"
            for address in found.get("status", {}).get("addresses", [])
        ]

    try:
        return until(addresses, 10, "the gateway's address")[0]
    except AssertionError:
        pytest.skip("this cluster has no gateway of Merlin's")


_NOW = "2026-01-01T00:00:00Z"


def _started(command: list[str], output: Path) -> subprocess.Popen[bytes]:
    with output.open("wb") as written:
        return subprocess.Popen(command, cwd=ROOT, stdout=written, stderr=subprocess.STDOUT)


def _is_ready(process: subprocess.Popen[bytes], port: int, home: Path) -> bool:
    if process.poll() is not None:
        pytest.fail(f"the embedded API server ended with {process.returncode}:\n{_tail(home)}")
    return httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False).status_code == 200


def _tail(home: Path) -> str:
    return (home / "server.out").read_text(errors="replace")[-3000:]


def _end(process: subprocess.Popen[bytes]) -> None:
    """Stop the server and what it started."""
    if process.poll() is None:
        children = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
        psutil.wait_procs([child for child in children if child.is_running()], timeout=1)
        for child in children:
            if child.is_running():
                child.kill()


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [int(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ports
