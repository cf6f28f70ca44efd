"""Controllers in this process, against the embedded API server and (marked `cluster`) a real kube-apiserver.

On the real one only the controllers that it lacks run; what is claimed of the others must then hold of its own. It is a
control plane of these tests alone, since on one that Merlin's node serves two sets of controllers would meet.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from merlin.localcluster.client import KubeClient
from merlin.localcluster.controllers import run_controllers
from merlin.localcluster.controllers.kinds import NAMESPACES, NODES
from tests.cluster import controlplane
from tests.localcluster.controllers.world import World
from tests.platform import ROOT, until


@pytest.fixture(scope="session", params=["embedded", pytest.param("real", marks=pytest.mark.cluster)])
def is_embedded(request: pytest.FixtureRequest) -> bool:
    """Whether the API server is Merlin's own, so that Kubernetes' own controllers are ours too."""
    return bool(request.param == "embedded")


@pytest.fixture(scope="session")
def kubeconfig(is_embedded: bool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The embedded API server alone, or a whole real control plane."""
    if not is_embedded:
        with controlplane.running() as plane:
            yield plane.kubeconfig
        return
    home = tmp_path_factory.mktemp("cluster")
    port = _free_port()
    (home / "images.json").write_text("[]")
    command = [sys.executable, "-m", "merlin.localcluster", "serve", "--without-controllers", "--home", str(home)]
    command += ["--images", str(home / "images.json"), "--api-port", str(port)]
    with (home / "server.out").open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
    try:
        until(lambda: _is_ready(process, port, home), 60, "the embedded API server")
        yield home / "kubeconfig"
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        process.kill()
        process.wait(10)


@pytest.fixture
async def client(kubeconfig: Path) -> AsyncIterator[KubeClient]:
    """A client with every right."""
    async with KubeClient.from_kubeconfig(kubeconfig) as client:
        yield client


@pytest.fixture
async def node(client: KubeClient) -> AsyncIterator[str]:
    """The only node that takes pods: 2 cores, 4 GiB. The test is its kubelet."""
    name = f"node-{secrets.token_hex(4)}"
    await client.create(NODES, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {"n": name}}})
    room = {"cpu": "2", "memory": "4Gi", "pods": "50"}
    ready = {"type": "Ready", "status": "True", "reason": "Test", "message": ""}
    status = {"capacity": room, "allocatable": room, "conditions": [ready]}
    await client.patch_merge(NODES, None, name, {"status": status}, subresource="status")
    yield name
    await client.delete(NODES, None, name)


@pytest.fixture
async def world(client: KubeClient, kubeconfig: Path, is_embedded: bool, node: str) -> AsyncIterator[World]:
    """A namespace of the test's own, seen as it changes, with the controllers running."""
    namespace = f"t-{secrets.token_hex(4)}"
    await client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})

    async def controllers() -> None:
        await run_controllers(kubeconfig, kubernetes=is_embedded, gateway_address="127.0.0.1:8080")

    async with World.opened(client, namespace, controllers) as world:
        yield world
    async with asyncio.timeout(30):
        await client.delete(NAMESPACES, None, namespace)


def _is_ready(process: subprocess.Popen[bytes], port: int, home: Path) -> bool:
    if process.poll() is not None:
        pytest.fail(f"the API server ended:\n{(home / 'server.out').read_text(errors='replace')[-3000:]}")
    return httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False).status_code == 200


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
