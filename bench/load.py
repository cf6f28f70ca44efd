"""A load generator over raw sockets that costs less than the servers it measures.

Each connection sends one fixed request, waits for the whole answer, notes the time and sends again: closed loop, as
many requests in flight as there are connections. Answers need a Content-Length; any status but 200 ends the run.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from statistics import median

from bench.report import percentile


class UnexpectedAnswer(Exception):
    """A server answered something else than 200 with a length; its answer is in the message."""


@dataclass(frozen=True)
class Round:
    """What one round gave; latencies in seconds, sorted."""

    requests_per_second: float
    latencies: list[float]

    @property
    def p50(self) -> float:
        return median(self.latencies)

    @property
    def p99(self) -> float:
        return percentile(self.latencies, 0.99)


def request(port: int, path: str, body: bytes) -> bytes:
    """A POST of JSON as it goes over the wire."""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


class _Connection(asyncio.Protocol):
    def __init__(self, message: bytes, until: float, latencies: list[float]) -> None:
        self._message = message
        self._until = until
        self._latencies = latencies
        self._buffer = b""
        self._sent = 0.0
        self._transport: asyncio.Transport | None = None
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def _send(self) -> None:
        assert self._transport is not None
        self._sent = time.perf_counter()
        self._transport.write(self._message)

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._buffer[:end].lower()
        mark = head.find(b"content-length:")
        if not head.startswith(b"http/1.1 200") or mark < 0:
            self._fail(UnexpectedAnswer(self._buffer[:500].decode("utf-8", "replace")))
            return
        length = int(head[mark + 15 :].split(b"\r\n", 1)[0])
        if len(self._buffer) < end + 4 + length:
            return
        self._buffer = b""
        now = time.perf_counter()
        self._latencies.append(now - self._sent)
        if now < self._until:
            self._send()
        elif not self.done.done():
            self.done.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self._fail(exc or UnexpectedAnswer("the server closed the connection"))

    def _fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


async def run_round(port: int, message: bytes, *, connections: int, seconds: float) -> Round:
    """One closed-loop round against 127.0.0.1. Raises UnexpectedAnswer or OSError."""
    loop = asyncio.get_running_loop()
    latencies: list[float] = []
    started = time.perf_counter()
    made = [
        await loop.create_connection(lambda: _Connection(message, started + seconds, latencies), "127.0.0.1", port)
        for _ in range(connections)
    ]
    try:
        async with asyncio.timeout(seconds + 30):
            await asyncio.gather(*(protocol.done for _, protocol in made))
    finally:
        for _, protocol in made:
            protocol.close()
    passed = time.perf_counter() - started
    return Round(len(latencies) / passed, sorted(latencies))
