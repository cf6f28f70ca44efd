"""Pod logs, through a kubelet of the test's own that speaks https as real ones do."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from merlin.localcluster.api.listen import certificate_in
from merlin.localcluster.api.server import serving
from tests.localcluster.api.caller import MERGE, PODS, Caller, pod

LOG = f"{PODS}/pod/log"


class Kubelet:
    """Answers what it was asked, then goes on when told to."""

    def __init__(self) -> None:
        self.asked: list[web.BaseRequest] = []
        self.go_on = asyncio.Event()
        self.hung_up = asyncio.Event()

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked.append(request)
        if request.query.get("previous"):
            return web.Response(status=404, text="no such container")
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"first line\n")
        try:
            if request.query.get("follow"):
                await self.go_on.wait()
                await response.write(b"second line\n")
        except asyncio.CancelledError:
            self.hung_up.set()
            raise
        return response


@asynccontextmanager
async def kubelet_running(folder: Path) -> AsyncIterator[tuple[Kubelet, int, str]]:
    kubelet, certificate = Kubelet(), certificate_in(folder / "kubelet")
    runner = web.ServerRunner(web.Server(kubelet.answer, handler_cancellation=True), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=certificate.context)
    await site.start()
    port: int = runner.addresses[0][1]
    yield kubelet, port, base64.b64decode(certificate.authority).decode()
    await runner.cleanup()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[tuple[Caller, Kubelet, Path]]:
    """A node with a kubelet, and a pod that runs on it."""
    home = tmp_path / "cluster"
    async with (
        kubelet_running(tmp_path) as (kubelet, kubelet_port, authority),
        serving(home, 0) as (_, port),
        Caller.of(home, port) as caller,
    ):
        annotations = {"merlin.dev/kubelet-ca": authority}
        status: Any = {"addresses": [{"type": "InternalIP", "address": "127.0.0.1"}]}
        status["daemonEndpoints"] = {"kubeletEndpoint": {"Port": kubelet_port}}
        node = {"metadata": {"name": "local", "annotations": annotations}, "status": status}
        await caller.ok("POST", "/api/v1/nodes", node)
        await caller.ok("POST", "/api/v1/namespaces", {"metadata": {"name": "work"}})
        await caller.ok("POST", PODS, pod(node="local"))
        yield caller, kubelet, home


async def test_the_kubelet_is_asked_with_its_token(world: tuple[Caller, Kubelet, Path]) -> None:
    caller, kubelet, home = world
    answer = await caller.send("GET", LOG, tailLines="5", timestamps="true")
    assert answer.text == "first line\n"
    (asked,) = kubelet.asked
    assert asked.path == "/containerLogs/work/pod/main"
    assert dict(asked.query) == {"tailLines": "5", "timestamps": "true"}
    assert asked.headers["Authorization"] == f"Bearer {(home / 'kubelet-token').read_text()}"


async def test_lines_come_as_they_are_written(world: tuple[Caller, Kubelet, Path]) -> None:
    caller, kubelet, _ = world
    async with caller.http.stream("GET", LOG, params={"follow": "true"}) as answer:
        lines = answer.aiter_lines()
        assert await anext(lines) == "first line"
        kubelet.go_on.set()
        assert await anext(lines) == "second line"
        assert [line async for line in lines] == []


async def test_the_kubelet_is_left_when_the_reader_hangs_up(world: tuple[Caller, Kubelet, Path]) -> None:
    caller, kubelet, _ = world
    async with caller.http.stream("GET", LOG, params={"follow": "true"}) as answer:
        assert await anext(answer.aiter_lines()) == "first line"
    async with asyncio.timeout(10):
        await kubelet.hung_up.wait()


async def test_refusals(world: tuple[Caller, Kubelet, Path]) -> None:
    caller, _, _ = world
    answer = await caller.send("GET", LOG, container="other")
    assert (answer.status_code, answer.json()["message"]) == (400, "container other is not valid for pod pod")
    answer = await caller.send("GET", f"{PODS}/nobody/log")
    assert (answer.status_code, answer.json()["message"]) == (404, 'pods "nobody" not found')
    waiting = {"name": "main", "state": {"waiting": {"reason": "ContainerCreating"}}}
    status = {"status": {"containerStatuses": [waiting]}}
    await caller.ok("PATCH", f"{PODS}/pod/status", status, kind=MERGE)
    answer = await caller.send("GET", LOG)
    assert answer.json()["message"] == 'container "main" in pod "pod" is waiting to start: ContainerCreating'
    await caller.ok("POST", PODS, pod("homeless"))
    answer = await caller.send("GET", f"{PODS}/homeless/log")
    assert (answer.status_code, answer.text) == (204, "")


async def test_a_kubelet_that_is_away_is_an_error(world: tuple[Caller, Kubelet, Path]) -> None:
    caller, _, _ = world
    change = {"status": {"daemonEndpoints": {"kubeletEndpoint": {"Port": 1}}}}
    await caller.ok("PATCH", "/api/v1/nodes/local/status", change, kind=MERGE)
    answer = await caller.send("GET", LOG)
    assert (answer.status_code, answer.json()["reason"]) == (500, "InternalError")
