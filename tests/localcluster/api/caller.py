"""A caller of the API, and short ways to write the objects that tests need."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

Manifest = dict[str, Any]
MAPS = "/api/v1/namespaces/work/configmaps"
PODS = "/api/v1/namespaces/work/pods"
MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"


class Caller:
    """One connection pool with the token."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    @classmethod
    @asynccontextmanager
    async def of(cls, home: Path, port: int) -> AsyncIterator[Caller]:
        """A caller of the server of that folder."""
        headers = {"Authorization": f"Bearer {(home / 'token').read_text().strip()}"}
        url = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False, timeout=30) as http:
            yield cls(http)

    async def send(
        self, method: str, path: str, body: Any = None, *, kind: str = "application/json", **query: str
    ) -> httpx.Response:
        """What the server answers."""
        content = None if body is None else json.dumps(body)
        return await self.http.request(method, path, content=content, params=query, headers={"Content-Type": kind})

    async def ok(
        self, method: str, path: str, body: Any = None, *, kind: str = "application/json", **query: str
    ) -> Manifest:
        """The object answered; fails when the server refuses."""
        answer = await self.send(method, path, body, kind=kind, **query)
        assert answer.is_success, answer.text
        found: Manifest = answer.json()
        return found

    async def apply(self, path: str, body: Manifest, manager: str = "tests", **query: str) -> httpx.Response:
        """Server-side apply."""
        return await self.send("PATCH", path, body, kind=APPLY, fieldManager=manager, **query)

    @asynccontextmanager
    async def watching(self, path: str, **query: str) -> AsyncIterator[AsyncIterator[Manifest]]:
        """The events of a watch."""
        async with self.http.stream("GET", path, params={"watch": "true", **query}) as answer:
            yield (json.loads(line) async for line in answer.aiter_lines() if line)

    async def gone(self, path: str) -> None:
        """Return once there is no object at that path."""

        async def absent() -> bool:
            return (await self.send("GET", path)).status_code == 404

        await until(absent)


async def until(holds: Callable[[], Awaitable[bool]], seconds: float = 20.0) -> None:
    """Return once it holds; fails after that time."""
    async with asyncio.timeout(seconds):
        while not await holds():  # noqa: ASYNC110  # it is asked over HTTP
            await asyncio.sleep(0.01)


def config_map(name: str = "map", data: Manifest | None = None, **metadata: Any) -> Manifest:
    metadata = {"name": name, **metadata}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data or {"colour": "red"}}


def pod(name: str = "pod", node: str = "", resources: Manifest | None = None, **metadata: Any) -> Manifest:
    container: Manifest = {"name": "main", "image": "example.test/nothing:1", "resources": resources or {}}
    spec: Manifest = {"containers": [container], **({"nodeName": node} if node else {})}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, **metadata}, "spec": spec}


def owned_by(owner: Manifest, **more: Any) -> list[Manifest]:
    """An owner reference to that object."""
    named = {name: owner["metadata"][name] for name in ("name", "uid")}
    return [{"apiVersion": owner["apiVersion"], "kind": owner["kind"], **named, **more}]
