"""The server as a process: what it keeps when it is killed, and how it ends."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx

from tests.localcluster.api.caller import MAPS, Caller, config_map, until


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@asynccontextmanager
async def server(home: Path, port: int) -> AsyncIterator[tuple[asyncio.subprocess.Process, Caller]]:
    """The command, ready, with a caller."""
    arguments = ["serve", "--home", str(home), "--api-port", str(port), "--without-controllers"]
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "merlin.localcluster", *arguments)
    try:

        async def ready() -> bool:
            with suppress(httpx.TransportError):
                async with httpx.AsyncClient(trust_env=False) as http:
                    return (await http.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200
            return False

        await until(ready, 60)
        async with Caller.of(home, port) as caller:
            yield process, caller
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    acknowledged: list[tuple[str, str]] = []
    async with server(tmp_path, free_port()) as (process, caller):
        await caller.ok("POST", "/api/v1/namespaces", {"metadata": {"name": "work"}})

        async def write(number: int) -> None:
            with suppress(httpx.TransportError):
                for again in range(200):
                    made = await caller.ok("POST", MAPS, config_map(f"map-{number}-{again}"))
                    acknowledged.append((made["metadata"]["name"], made["metadata"]["resourceVersion"]))
                    if len(acknowledged) == 100:
                        process.kill()

        await asyncio.gather(*(write(number) for number in range(4)))
        assert await process.wait() == -signal.SIGKILL
    async with server(tmp_path, free_port()) as (_, caller):
        listed = await caller.ok("GET", MAPS)
        found = {(one["metadata"]["name"], one["metadata"]["resourceVersion"]) for one in listed["items"]}
        assert set(acknowledged) <= found
        newest = max(int(version) for _, version in acknowledged)
        made = await caller.ok("POST", MAPS, config_map("next"))
        assert int(made["metadata"]["resourceVersion"]) > newest


async def test_sigterm_ends_it_at_once_though_somebody_watches(tmp_path: Path) -> None:
    async with server(tmp_path, free_port()) as (process, caller), caller.watching("/api/v1/namespaces") as events:
        assert (await anext(events))["type"] == "ADDED"
        process.terminate()
        async with asyncio.timeout(5):
            assert await process.wait() == 0
        with suppress(httpx.TransportError):
            assert [event["type"] async for event in events if event["type"] != "ADDED"] == []


async def test_a_taken_port_is_said_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        arguments = ["serve", "--home", str(tmp_path), "--api-port", port, "--without-controllers"]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "merlin.localcluster", *arguments), stderr=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(60):
            _, said = await process.communicate()
    assert process.returncode == 1
    assert "Address already in use" in said.decode().splitlines()[-1]
