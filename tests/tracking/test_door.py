"""The door to MLflow: which connection a request takes."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace

import httpcore
import pytest

from merlin.tracking.door import Door

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"


async def answers_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, ended: asyncio.Semaphore) -> None:
    """A server's side of a connection that is closed just when it is used again, as one is that was idle for long."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(ANSWER)
    await writer.drain()
    await reader.read(1)
    writer.close()
    await writer.wait_closed()
    ended.release()


async def test_a_connection_that_was_idle_for_a_second_is_not_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = asyncio.Semaphore(0)
    server = await asyncio.start_server(lambda reader, writer: answers_once(reader, writer, ended), "127.0.0.1")
    async with server:
        door = Door(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", timeout_seconds=5)
        assert await door.get("first") == {}
        later = SimpleNamespace(monotonic=lambda: time.monotonic() + 1.5)
        monkeypatch.setattr(httpcore._async.http11, "time", later)
        assert await door.get("second") == {}
        await door.close()
        async with asyncio.timeout(5):
            await ended.acquire()
            await ended.acquire()
