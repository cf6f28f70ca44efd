"""A way to an API server that can be cut and mended, whatever server it is."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from tests.contract.api import Api


@dataclass
class Road:
    """A way to the API server that can be cut."""

    kubeconfig: Path
    target: tuple[str, int]
    scheme: str
    port: int = 0
    _server: asyncio.Server | None = None
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    async def open(self) -> None:
        """Let connections through."""
        self._server = await asyncio.start_server(self._pass, "127.0.0.1", self.port)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def cut(self) -> None:
        """Let none through, and end those there are."""
        if self._server is not None:
            self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()

    def write_kubeconfig(self, target: Path) -> None:
        """The credentials of the server, for this road to it."""
        config = yaml.safe_load(self.kubeconfig.read_text())
        config["clusters"][0]["cluster"]["server"] = f"{self.scheme}://127.0.0.1:{self.port}"
        target.write_text(yaml.safe_dump(config))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(*self.target)
        self._writers |= {writer, back}
        await asyncio.gather(_pump(reader, back), _pump(there, writer), return_exceptions=True)
        self._writers -= {writer, back}


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
    finally:
        writer.close()


def road_of(kubeconfig: Path) -> Road:
    """A road to the server of that kubeconfig; not open yet."""
    server = urlsplit(Api(kubeconfig).server)
    return Road(kubeconfig, (str(server.hostname), int(server.port or 443)), server.scheme)


class RoadInThread:
    """A road for tests that are not asynchronous themselves."""

    def __init__(self, road: Road, loop: asyncio.AbstractEventLoop) -> None:
        self.road = road
        self._loop = loop

    def open(self) -> None:
        """See Road."""
        asyncio.run_coroutine_threadsafe(self.road.open(), self._loop).result(10)

    def cut(self) -> None:
        """See Road."""
        asyncio.run_coroutine_threadsafe(self.road.cut(), self._loop).result(10)


@contextmanager
def road_in_thread(kubeconfig: Path) -> Iterator[RoadInThread]:
    """An open road for the time of the block."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    road = RoadInThread(road_of(kubeconfig), loop)
    road.open()
    try:
        yield road
    finally:
        road.cut()
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
