"""The queue when Redis says nothing any more: a process that is stopped, or a network that is cut without a word."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from merlin.errors import Unavailable
from merlin.settings import Settings
from merlin.workers import queue


class Silence:
    """A way to the Redis that can be cut without a word."""

    def __init__(self, socket: str) -> None:
        self._socket = socket
        self._writers: list[asyncio.StreamWriter] = []
        self.is_silent = False
        self.passed = asyncio.Event()

    async def lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            there_reader, there_writer = await asyncio.open_unix_connection(self._socket)
            self._writers += [writer, there_writer]
            await asyncio.gather(self._pass(reader, there_writer), self._pass(there_reader, writer))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(65536):
            if not self.is_silent:
                writer.write(chunk)
                self.passed.set()
        writer.close()

    def close(self) -> None:
        for writer in self._writers:
            writer.close()


@pytest.fixture
async def silence(settings: Settings, tmp_path: Path) -> AsyncIterator[tuple[Silence, Settings]]:
    silence = Silence(urlsplit(settings.redis_url).path)
    server = await asyncio.start_unix_server(silence.lead, tmp_path / "r")
    url = f"unix://{tmp_path / 'r'}?{urlsplit(settings.redis_url).query}"
    yield silence, settings.model_copy(update={"redis_url": url})
    server.close()
    silence.close()


async def test_a_redis_that_takes_connections_and_says_nothing_is_unavailable(
    silence: tuple[Silence, Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "ENQUEUE_SECONDS", 0.2)
    way, settings = silence
    way.is_silent = True
    async with asyncio.timeout(10):
        with pytest.raises(Unavailable):
            await queue.connect(settings)


async def test_a_worker_whose_redis_falls_silent_connects_again(
    silence: tuple[Silence, Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "ENQUEUE_SECONDS", 0.2)
    monkeypatch.setattr(queue, "HEARTBEAT_SECONDS", 0.1)
    way, settings = silence
    done, lost = asyncio.Event(), asyncio.Event()

    async def job(_key: str, _generation: int) -> None:
        done.set()

    working = asyncio.create_task(queue.work(settings, {"job": job}, lost=lost.set))
    async with asyncio.timeout(20):
        await way.passed.wait()
        way.is_silent = True
        await lost.wait()
        way.is_silent = False
        pool = await queue.connect(settings)
        await queue.enqueue(pool, "job", "k", generation=1, wake=0)
        await done.wait()
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    await pool.aclose(close_connection_pool=True)
