"""A whole API process in the test's event loop: real PostgreSQL, real HTTP on loopback, callers with tokens."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import orjson
import yaml
from cryptography.fernet import Fernet
from websockets.asyncio.client import ClientConnection, connect

from merlin.api.parts import Parts, open_parts
from merlin.api.server import Server, bind, public_url, serving
from merlin.db.tokens import issue_token
from merlin.settings import Settings
from tests.db.worlds import environment_entry

ADMIN_TOKEN = "merlin_test_administrator_token"
SECONDS = 20.0


@dataclass
class Api:
    """A served API. ``ask`` and its like speak as the administrator unless another token is given."""

    url: str
    parts: Parts
    server: Server
    http: httpx.AsyncClient
    token: str = ADMIN_TOKEN
    _sockets: list[ClientConnection] = field(default_factory=list)

    @property
    def graphql(self) -> str:
        """The address of GraphQL."""
        return f"{self.url}/graphql"

    def headers(self, token: str | None = None) -> dict[str, str]:
        """What authenticates a request."""
        return {"authorization": f"Bearer {token or self.token}"}

    async def post(
        self, query: str, variables: Mapping[str, Any] | None = None, *, token: str | None = None, **headers: str
    ) -> httpx.Response:
        """The response to an operation."""
        sent = {**self.headers(token), **{name.replace("_", "-"): value for name, value in headers.items()}}
        return await self.http.post(self.graphql, json={"query": query, "variables": variables}, headers=sent)

    async def ask(self, query: str, /, token: str | None = None, **variables: Any) -> dict[str, Any]:
        """The data; fails on errors."""
        answer = (await self.post(query, variables, token=token)).json()
        assert "errors" not in answer, answer
        data: dict[str, Any] = answer["data"]
        return data

    async def errors(self, query: str, /, token: str | None = None, **variables: Any) -> list[dict[str, Any]]:
        """The errors; fails without."""
        errors: list[dict[str, Any]] = (await self.post(query, variables, token=token)).json()["errors"]
        return errors

    async def change(self, name: str, returns: str, /, token: str | None = None, **input: Any) -> dict[str, Any]:
        """The payload of a mutation, user errors included."""
        kind = name[0].upper() + name[1:] + "Input"
        query = (
            f"mutation($input: {kind}!) {{ {name}(input: $input) {{ {returns} errors {{ code message path hint }} }} }}"
        )
        payload: dict[str, Any] = (await self.ask(query, token=token, input=input))[name]
        return payload

    async def user(self, subject: str) -> str:
        """A token of somebody who is no administrator."""
        return (await issue_token(subject)).token

    @contextlib.asynccontextmanager
    async def socket(self, token: str | None = None, **init: Any) -> AsyncIterator[Socket]:
        """An acknowledged graphql-transport-ws connection."""
        async with self.raw_socket() as connection:
            payload = init or {"authorization": f"Bearer {token or self.token}"}
            await connection.send(json.dumps({"type": "connection_init", "payload": payload}))
            assert json.loads(await connection.recv()) == {"type": "connection_ack"}
            yield Socket(connection)

    @contextlib.asynccontextmanager
    async def raw_socket(self, **options: Any) -> AsyncIterator[ClientConnection]:
        """A connection that has not said anything yet."""
        address = self.graphql.replace("http", "ws", 1)
        arguments: dict[str, Any] = {"subprotocols": ["graphql-transport-ws"], "proxy": None, **options}
        async with connect(address, **arguments) as connection:
            yield connection

    @contextlib.asynccontextmanager
    async def sent(
        self, query: str, /, token: str | None = None, **variables: Any
    ) -> AsyncIterator[AsyncGenerator[dict[str, Any], None]]:
        """The answers of a subscription over SSE; they end with ``complete``, or raise when they end without."""
        headers = {**self.headers(token), "accept": "text/event-stream"}
        body = {"query": query, "variables": variables}
        async with self.http.stream("POST", self.graphql, json=body, headers=headers) as response:
            assert response.headers["content-type"].startswith("text/event-stream"), await response.aread()
            async with contextlib.aclosing(_events(response)) as events:
                yield events


async def until(claim: Callable[[], object], seconds: float = 10.0) -> None:
    """Return once the claim holds: what others do in this loop is looked at between their steps."""
    async with asyncio.timeout(seconds):
        while not claim():  # noqa: ASYNC110 (the claims are about parts that have no event to wait for)
            await asyncio.sleep(0.005)


class Cut(Exception):
    """The stream ended without saying that it is complete."""


@dataclass
class Socket:
    """A graphql-transport-ws connection that was acknowledged."""

    connection: ClientConnection

    async def subscribe(self, key: str, query: str, /, **variables: Any) -> None:
        """Begin an operation."""
        payload = {"query": query, "variables": variables}
        await self.send({"id": key, "type": "subscribe", "payload": payload})

    async def send(self, message: Mapping[str, Any]) -> None:
        """Send a message as it is."""
        await self.connection.send(json.dumps(message))

    async def hear(self) -> dict[str, Any]:
        """The next message."""
        message: dict[str, Any] = json.loads(await self.connection.recv())
        return message

    async def next(self) -> dict[str, Any]:
        """The payload of the next message, which must be a ``next``."""
        message = await self.hear()
        assert message["type"] == "next", message
        payload: dict[str, Any] = message["payload"]
        return payload


async def _events(response: httpx.Response) -> AsyncGenerator[dict[str, Any], None]:
    kind = ""
    async for line in response.aiter_lines():
        if line.startswith("event: "):
            kind = line.removeprefix("event: ")
        elif line.startswith("data: ") and kind == "next":
            yield orjson.loads(line.removeprefix("data: "))
        elif line == "" and kind == "complete":
            return
    raise Cut


def a_settings(folder: Path, database_url: str, *entries: dict[str, Any], **changes: Any) -> Settings:
    """Settings with files of their own."""
    (folder / "environments.yaml").write_text(yaml.safe_dump(list(entries) or [environment_entry()]))
    (folder / "key").write_text(Fernet.generate_key().decode())
    (folder / "token").write_text(ADMIN_TOKEN)
    values = {
        "database_url": database_url,
        "redis_url": "redis://127.0.0.1:1",
        "mlflow_url": "http://127.0.0.1:1",
        "environments_file": folder / "environments.yaml",
        "secret_key_file": folder / "key",
        "admin_token_file": folder / "token",
        "port": 0,
        **changes,
    }
    return Settings(**values)


@contextlib.asynccontextmanager
async def served(settings: Settings) -> AsyncIterator[Api]:
    """An API that answers inside the block; after it, it was stopped as by a signal."""
    listening = bind(settings)
    url = public_url(settings, listening)
    async with open_parts(settings, public_url=url) as parts, serving(parts, listening) as server:
        listening.listen()
        async with httpx.AsyncClient(timeout=SECONDS, trust_env=False) as http:
            yield Api(url, parts, server, http)
