"""A pod as the gateway sees it: an HTTP server of a few lines that can be told to misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class Seen:
    """A request as it reached the pod."""

    line: str
    headers: dict[str, str]
    body: bytes
    rest: asyncio.StreamReader


Answer = Callable[[Seen, asyncio.StreamWriter], Awaitable[bool]]
"""Writes the answer; whether the connection goes on."""


@dataclass
class Backend:
    """A running one."""

    name: str
    answer: Answer | None = None
    port: int = 0
    seen: list[Seen] = field(default_factory=list)
    connections: int = 0
    open: set[asyncio.StreamWriter] = field(default_factory=set)
    server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen, on the same port as before if there was one."""
        self.server = await asyncio.start_server(self._converse, "127.0.0.1", self.port)
        self.port = int(self.server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Listen no more, and end every connection."""
        if self.server is not None:
            self.server.close()
            self.server = None
        for writer in list(self.open):
            writer.transport.abort()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open.add(writer)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                while await self._one(reader, writer):
                    pass
        finally:
            self.open.discard(writer)
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        body = b""
        if headers.get("transfer-encoding") == "chunked":
            while size := int(await reader.readline(), 16):
                body += (await reader.readexactly(size + 2))[:-2]
            await reader.readline()
        elif "content-length" in headers:
            body = await reader.readexactly(int(headers["content-length"]))
        seen = Seen(head[0], headers, body, reader)
        self.seen.append(seen)
        if self.answer is not None:
            return await self.answer(seen, writer)
        said = json.dumps({"name": self.name, "line": seen.line, "headers": headers, "bytes": len(body)}).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nX-Name: %b\r\n\r\n" % (len(said), self.name.encode()))
        if not seen.line.startswith("HEAD"):
            writer.write(said)
        await writer.drain()
        return True


@asynccontextmanager
async def running(*names: str, answer: Answer | None = None) -> AsyncIterator[list[Backend]]:
    """Backends for the time of the block."""
    backends = [Backend(name, answer) for name in names]
    for backend in backends:
        await backend.start()
    try:
        yield backends
    finally:
        for backend in backends:
            await backend.stop()
