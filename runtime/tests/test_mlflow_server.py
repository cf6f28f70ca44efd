"""Who gets through to MLflow: programs and its own pages, by the names of this machine's loopback."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from merlin_runtime.mlflow_server import OwnPagesOnly
from merlin_runtime.wire import Receive, Scope, Send

PASSED = {"type": "passed"}


async def mlflow(scope: Scope, receive: Receive, send: Send) -> None:
    await send(PASSED)


def answers(kind: str, *headers: tuple[str, str]) -> list[dict[str, Any]]:
    """What is sent to a request with those headers."""
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    encoded = [(name.encode(), value.encode()) for name, value in headers]
    asyncio.run(OwnPagesOnly(mlflow)({"type": kind, "method": "GET", "headers": encoded}, receive, send))
    return sent


@pytest.mark.parametrize(
    "headers",
    [
        [("host", "127.0.0.1:8082")],
        [("host", "127.0.0.1:8082"), ("origin", "http://127.0.0.1:8082")],
        [("host", "LOCALHOST:8082"), ("origin", "http://localhost:8082")],
        [("host", "[::1]:8082"), ("origin", "http://[::1]:8082")],
        [("host", "localhost:9000"), ("origin", "http://localhost:9000")],  # through a tunnel
    ],
)
def test_programs_and_its_own_pages_get_through(headers: list[tuple[str, str]]) -> None:
    assert answers("http", *headers) == answers("websocket", *headers) == [PASSED]


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("host", "evil.example")],
        [("host", "127.0.0.1.evil.example:8082")],
        [("host", "127.0.0.1:8082"), ("host", "evil.example")],
        [("host", "127.0.0.1:x")],
        [("host", "127.0.0.1:8082"), ("origin", "https://evil.example")],
        [("host", "127.0.0.1:8082"), ("origin", "http://127.0.0.1:8083")],
        [("host", "127.0.0.1:8082"), ("origin", "http://127.0.0.1")],
        [("host", "127.0.0.1:8082"), ("origin", "http://127.0.0.1:8082@evil.example")],
        [("host", "127.0.0.1:8082"), ("origin", "http://evil.example:8082")],
        [("host", "127.0.0.1:8082"), ("origin", "file://127.0.0.1:8082")],
        [("host", "127.0.0.1:8082"), ("origin", "null")],
        [("host", "127.0.0.1:8082"), ("origin", "")],
        [("host", "127.0.0.1:8082"), ("origin", "http://127.0.0.1:8082"), ("origin", "https://evil.example")],
    ],
)
def test_foreign_hosts_and_pages_are_refused(headers: list[tuple[str, str]]) -> None:
    head, body = answers("http", *headers)
    assert (head["status"], body["type"]) == (403, "http.response.body")
    assert answers("websocket", *headers) == [{"type": "websocket.close", "code": 1008}]


def test_start_and_end_of_the_server_are_mlflows() -> None:
    assert answers("lifespan") == [PASSED]
