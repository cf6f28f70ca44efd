"""The gateway as a client of an API server: changes hold at once, and an API that is away changes nothing."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from merlin.kube.kinds import HTTP_ROUTE, POD
from merlin.localcluster.gateway import run_gateway
from tests.contract.api import ENDPOINT_SLICE, Api, ok
from tests.contract.conftest import _free_ports, api, idle_node, kubeconfig, namespace  # noqa: F401
from tests.localcluster.gateway.backend import running
from tests.localcluster.gateway.objects import Manifest, a_route, a_service, a_slice, prefix, rule
from tests.localcluster.gateway.road import Road, road_of

PATIENCE = 30
SOON = 1.0  # of a watch event on a busy machine; it takes milliseconds


@dataclass
class Gateway:
    """A running one, with the road to its API server."""

    http: httpx.AsyncClient
    road: Road
    kubeconfig: Path
    port: int
    task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Run it."""
        self.task = asyncio.create_task(run_gateway(self.kubeconfig, port=self.port))

    async def stop(self) -> None:
        """End it, as SIGTERM does."""
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)

    async def answers(self, path: str, status: int, seconds: float = PATIENCE) -> httpx.Response:
        """The answer, once it has that status."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                answer = await self.http.get(path)
                if answer.status_code == status:
                    return answer
                said = f"{answer.status_code} {answer.text}"
            except httpx.TransportError as error:
                said = str(error)
            assert time.monotonic() < deadline, f"{path} answers {said}"
            await asyncio.sleep(0.005)


@pytest.fixture
async def gateway(kubeconfig: Path, tmp_path: Path) -> AsyncIterator[Gateway]:  # noqa: F811
    """A gateway, not started yet, on a road of its own to the API server under test."""
    road = road_of(kubeconfig)
    await road.open()
    road.write_kubeconfig(tmp_path / "kubeconfig")
    [port] = _free_ports(1)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=20) as http:
        gateway = Gateway(http, road, tmp_path / "kubeconfig", port)
        yield gateway
        await gateway.stop()
    await road.cut()


def create_pod(api: Api, namespace: str, node: str, name: str, port: int) -> None:  # noqa: F811
    """A ready pod that listens on that port of loopback; nobody runs it."""
    pod: Manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "annotations": {"merlin.dev/address": f"127.0.0.1:{port}"},
        },
        "spec": {
            "nodeName": node,
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "main", "image": "example.test/nothing:1"}],
        },
    }
    deadline = time.monotonic() + PATIENCE
    while (answer := api.create(pod)).status_code != 201:
        assert time.monotonic() < deadline, answer.text
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    ok(api.patch(POD.path(namespace, name) + "/status", {"status": {"phase": "Running", "conditions": [ready]}}))


@pytest.fixture
def path() -> str:
    """A path that no other test uses."""
    return f"/{secrets.token_hex(4)}"


async def test_changes_hold_as_soon_as_they_are_known(
    api: Api,  # noqa: F811
    namespace: str,  # noqa: F811
    idle_node: str,  # noqa: F811
    gateway: Gateway,
    path: str,
) -> None:
    gateway.start()
    await gateway.answers(path, 404)
    async with running("a", "b") as [first, second]:
        ok(api.create(a_service(namespace=namespace)))
        create_pod(api, namespace, idle_node, "a", first.port)
        create_pod(api, namespace, idle_node, "b", second.port)
        ok(api.create(a_route(rule(prefix(path)), namespace=namespace)))
        await gateway.answers(path, 503, SOON)
        ok(api.create(a_slice("web", "a", namespace=namespace)))
        assert (await gateway.answers(path, 200, SOON)).json()["name"] == "a"
        ok(api.put(a_slice("web", "b", namespace=namespace)))
        deadline = time.monotonic() + SOON
        while (await gateway.answers(path, 200)).json()["name"] != "b":
            assert time.monotonic() < deadline
        api.delete(ENDPOINT_SLICE.path(namespace, "web-1"))
        await gateway.answers(path, 503, SOON)
        api.delete(HTTP_ROUTE.path(namespace, "route"))
        await gateway.answers(path, 404, SOON)


async def test_it_serves_on_while_the_api_is_away_and_catches_up(
    api: Api,  # noqa: F811
    namespace: str,  # noqa: F811
    idle_node: str,  # noqa: F811
    gateway: Gateway,
    path: str,
) -> None:
    async with running("a") as [pod]:
        ok(api.create(a_service(namespace=namespace)))
        create_pod(api, namespace, idle_node, "a", pod.port)
        ok(api.create(a_slice("web", "a", namespace=namespace)))
        ok(api.create(a_route(rule(prefix(path)), namespace=namespace)))
        gateway.start()
        await gateway.answers(path, 200)
        await gateway.road.cut()
        for _ in range(20):
            assert (await gateway.http.get(path)).status_code == 200
        ok(api.create(a_route(rule(prefix(path + "-new")), name="new", namespace=namespace)))
        await gateway.road.open()
        await gateway.answers(path + "-new", 200)


async def test_it_starts_before_the_api_and_answers_once_it_knows(
    api: Api,  # noqa: F811
    namespace: str,  # noqa: F811
    idle_node: str,  # noqa: F811
    gateway: Gateway,
    path: str,
) -> None:
    hidden = gateway.kubeconfig.rename(gateway.kubeconfig.with_name("hidden"))
    await gateway.road.cut()
    async with running("a") as [pod]:
        ok(api.create(a_service(namespace=namespace)))
        create_pod(api, namespace, idle_node, "a", pod.port)
        ok(api.create(a_slice("web", "a", namespace=namespace)))
        ok(api.create(a_route(rule(prefix(path)), namespace=namespace)))
        gateway.start()
        await gateway.answers(path, 503)  # it listens, and waits a while for the routes before it says so
        hidden.rename(gateway.kubeconfig)
        await gateway.road.open()
        await gateway.answers(path, 200)


async def test_a_request_at_hand_is_finished_when_it_is_stopped(
    api: Api,  # noqa: F811
    namespace: str,  # noqa: F811
    idle_node: str,  # noqa: F811
    gateway: Gateway,
    path: str,
) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(seen: object, writer: asyncio.StreamWriter) -> bool:
        asked.set()
        await go_on.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate")
        return True

    async with running("a", answer=slowly) as [pod]:
        ok(api.create(a_service(namespace=namespace)))
        create_pod(api, namespace, idle_node, "a", pod.port)
        ok(api.create(a_slice("web", "a", namespace=namespace)))
        gateway.start()
        await gateway.answers(path, 404)
        ok(api.create(a_route(rule(prefix(path)), namespace=namespace)))
        request = asyncio.create_task(gateway.answers(path, 200))
        async with asyncio.timeout(PATIENCE):
            await asked.wait()
        stopping = asyncio.create_task(gateway.stop())
        go_on.set()
        assert (await request).text == "late"
        async with asyncio.timeout(PATIENCE):
            await stopping
