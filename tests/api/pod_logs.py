"""Pods and their logs as a Kubernetes API gives them, written by the test: lists, `tailLines`, `sinceTime`, `follow`.

As the real one, it takes `sinceTime` by whole seconds, so that some lines come again, and ends a followed log when the
container ends.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

from merlin.kube import names

START = datetime(2026, 1, 1, 12, tzinfo=UTC)


@dataclass
class Pod:
    """A pod with the lines that it has written. ``write`` adds one, ``end`` ends what is followed."""

    name: str
    endpoint_id: str
    revision: int = 1
    lines: list[tuple[datetime, str]] = field(default_factory=list)
    ended: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def write(self, text: str, milliseconds: float) -> None:
        """A line at that time after the start."""
        self.lines.append((START + timedelta(milliseconds=milliseconds), text))
        self._tell()

    def end(self) -> None:
        """Its container ends; another one takes its place."""
        self.ended += 1
        self._tell()

    def _tell(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()

    def as_json(self) -> dict[str, Any]:
        """The object."""
        return {
            "metadata": {
                "name": self.name,
                "namespace": "fraud",
                "labels": {names.ENDPOINT: self.endpoint_id},
                "annotations": {names.WORKLOAD_REVISION: str(self.revision)},
                "creationTimestamp": "2026-01-01T12:00:00Z",
            },
            "status": {"phase": "Running"},
        }


@dataclass
class PodLogs:
    """The API; ``broken`` makes it answer 503."""

    kubeconfig: Path
    pods: dict[str, Pod] = field(default_factory=dict)
    broken: bool = False
    following: int = 0

    def pod(self, name: str, endpoint_id: object, *, revision: int = 1) -> Pod:
        """A pod that is there from now on."""
        pod = self.pods[name] = Pod(name, str(endpoint_id), revision)
        return pod

    @classmethod
    @contextlib.asynccontextmanager
    async def running(cls, folder: Path) -> AsyncIterator[PodLogs]:
        """The API on a loopback port, with a kubeconfig that leads to it."""
        logs = cls(folder / "kubeconfig")
        app = web.Application()
        app.router.add_get("/api/v1/namespaces/{namespace}/pods", logs._list)
        app.router.add_get("/api/v1/namespaces/{namespace}/pods/{pod}/log", logs._log)
        runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        address = f"http://127.0.0.1:{runner.addresses[0][1]}"
        logs.kubeconfig.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "x",
                    "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
                    "clusters": [{"name": "x", "cluster": {"server": address}}],
                    "users": [{"name": "x", "user": {"token": "x"}}],
                }
            )
        )
        try:
            yield logs
        finally:
            await runner.cleanup()

    async def _list(self, request: web.Request) -> web.Response:
        if self.broken:
            return web.json_response({"message": "etcd is away"}, status=503)
        wanted = request.query.get("labelSelector", "").partition("=")[2]
        items = [pod.as_json() for pod in self.pods.values() if pod.endpoint_id == wanted]
        return web.json_response({"metadata": {"resourceVersion": "1"}, "items": items})

    async def _log(self, request: web.Request) -> web.StreamResponse:
        pod = self.pods.get(request.match_info["pod"])
        if pod is None:
            return web.json_response({"message": "no such pod", "details": {"kind": "pods"}}, status=404)
        response = web.StreamResponse(headers={"content-type": "text/plain"})
        await response.prepare(request)
        sent = _first(pod, request)
        ended = pod.ended
        follow = request.query.get("follow") == "true"
        self.following += follow
        try:
            while True:
                for at, text in pod.lines[sent:]:
                    await response.write(f"{at:%Y-%m-%dT%H:%M:%S.%f}000Z {text}\n".encode())
                sent = len(pod.lines)
                if not follow or pod.ended > ended or pod.name not in self.pods:
                    return response
                await pod.changed.wait()
        finally:
            self.following -= follow


def _first(pod: Pod, request: web.Request) -> int:
    since = request.query.get("sinceTime")
    first = 0
    if since is not None:
        moment = datetime.fromisoformat(since.replace("Z", "+00:00")).replace(microsecond=0)
        first = next((i for i, (at, _) in enumerate(pod.lines) if at >= moment), len(pod.lines))
    tail = request.query.get("tailLines")
    return first if tail is None else max(first, len(pod.lines) - int(tail))
