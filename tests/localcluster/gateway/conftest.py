"""A gateway in the test's own event loop, with endpoints as its watches would fill them, and pods that answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest

from merlin.localcluster.gateway.conversation import Conversation, Site
from merlin.localcluster.gateway.endpoints import Endpoints
from merlin.localcluster.gateway.exchange import Exchange
from merlin.localcluster.gateway.table import Table
from tests.localcluster.gateway.objects import Manifest, World, read


@dataclass
class Gate:
    """A gateway without an API server."""

    site: Site
    world: World
    port: int
    http: httpx.AsyncClient

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def route(self, *manifests: Manifest) -> None:
        """Have the routes."""
        for manifest in manifests:
            self.site.table.put(read(manifest))


@pytest.fixture
async def gate() -> AsyncIterator[Gate]:
    """A gateway that serves, and a client of it."""
    endpoints = Endpoints()
    site = Site(Table(), Exchange(endpoints), asyncio.Event(), set())
    site.complete.set()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Conversation(site), "127.0.0.1", 0)
    port = int(server.sockets[0].getsockname()[1])
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30) as http:
        yield Gate(site, World(endpoints), port, http)
    server.close()
    for conversation in list(site.open):
        conversation.leave()
    site.exchange.close()
    async with asyncio.timeout(10):
        await asyncio.gather(*(conversation.ended.wait() for conversation in list(site.open)))
