# ruff: noqa: S101 these are tests, though they do not lie in a folder of that name
"""A small GraphQL-over-the-wire server that fails on demand: for what a healthy server never does.

It answers by operation name with what a test gave it, over HTTP, graphql-transport-ws and Server-Sent Events. Faults
are taken from a list, one for each request or stream, so a test reads as a story. Behaviour is tested on the real one.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

Answer = Callable[[dict[str, Any]], dict[str, Any]]
LAST_EVENT = 10


@dataclass
class FaultyServer:
    """Running at ``url``. ``faults`` befall the next HTTP requests, ``stream_faults`` the next streams."""

    answers: dict[str, Answer] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    stream_faults: list[str] = field(default_factory=list)
    websockets: str = "work"  # or: refused, silent
    token: str | None = None
    asked: list[dict[str, Any]] = field(default_factory=list)
    streams: list[tuple[str, Any]] = field(default_factory=list)
    url: str = ""

    def app(self) -> Starlette:
        """The ASGI application."""
        routes = [Route("/graphql", self._http, methods=["POST"]), WebSocketRoute("/graphql", self._websocket)]
        return Starlette(routes=routes)

    async def _http(self, request: Request) -> Response:
        body = await request.json()
        if self.token and request.headers.get("authorization") != f"Bearer {self.token}":
            return JSONResponse({"errors": [{"message": "who?", "extensions": {"code": "UNAUTHENTICATED"}}]}, 401)
        if "text/event-stream" in request.headers.get("accept", ""):
            return StreamingResponse(self._sse(body["variables"]), media_type="text/event-stream")
        self.asked.append(body)
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "lost answer":
            self._answer(body)  # it was done, and nobody learns of it
            return _Cut()
        if fault == "slow":
            await asyncio.sleep(5)
        if fault.isdigit():
            return PlainTextResponse("a proxy says no", int(fault))
        return JSONResponse(self._answer(body))

    def _answer(self, body: dict[str, Any]) -> dict[str, Any]:
        name = re.search(r"(?:query|mutation)\s+(\w+)", body["query"])
        assert name is not None
        return self.answers[name[1]](body.get("variables") or {})

    async def _websocket(self, socket: WebSocket) -> None:
        if self.websockets == "refused":
            await socket.send_denial_response(PlainTextResponse("no upgrades here", 400))
            return
        await socket.accept(subprotocol="graphql-transport-ws")
        try:
            if self.websockets == "silent":
                await socket.close(1011)
                return
            await self._speak(socket)
        except WebSocketDisconnect:
            return

    async def _speak(self, socket: WebSocket) -> None:
        while True:
            message = await socket.receive_json()
            if message["type"] == "connection_init":
                await socket.send_json({"type": "connection_ack"})
            elif message["type"] == "ping":
                await socket.send_json({"type": "pong"})
            elif message["type"] == "subscribe":
                variables = message["payload"].get("variables") or {}
                self.streams.append(("websocket", variables.get("after")))
                if "unavailable" in self.stream_faults[:1]:
                    error = {"message": "gone for a moment", "extensions": {"code": "UNAVAILABLE"}}
                    await self._send_events(socket, message["id"], variables, most=3)
                    await socket.send_json({"type": "error", "id": message["id"], "payload": [error]})
                    continue
                if not await self._send_events(socket, message["id"], variables):
                    await socket.close(1012)
                    return
                await socket.send_json({"type": "complete", "id": message["id"]})

    async def _send_events(
        self, socket: WebSocket, stream: str, variables: dict[str, Any], *, most: int = LAST_EVENT
    ) -> bool:
        for event in itertools.islice(self._events(variables), most):
            if event is None:
                return False
            await socket.send_json({"type": "next", "id": stream, "payload": {"data": {"events": event}}})
        return True

    async def _sse(self, variables: dict[str, Any]) -> Any:
        self.streams.append(("sse", variables.get("after")))
        yield ":\n\n"
        for event in self._events(variables):
            if event is None:
                return
            yield f"event: next\ndata: {json.dumps({'data': {'events': event}})}\n\n"
        yield "event: complete\ndata:\n\n"

    def _events(self, variables: dict[str, Any]) -> Iterator[dict[str, Any] | None]:
        """Events after a cursor; None where the connection breaks."""
        fault = self.stream_faults.pop(0) if self.stream_faults else ""
        if fault == "nothing":
            return
        for count, number in enumerate(range(int(variables.get("after") or 0) + 1, LAST_EVENT + 1)):
            if fault == f"cut after {count}":
                yield None
                return
            yield {"cursor": str(number), "message": f"event {number}"}


class _Cut(Response):
    """Promises a body and breaks the connection instead."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"1000")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"{", "more_body": True})


@contextmanager
def faulty_server(server: FaultyServer) -> Iterator[FaultyServer]:
    """The server, answering on a free port of this machine."""
    config = uvicorn.Config(
        server.app(), host="127.0.0.1", port=0, log_level="critical", ws="websockets-sansio", lifespan="off"
    )
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    while not (running.started and running.servers):
        thread.join(0.01)
        assert thread.is_alive(), "the server did not start"
    port = running.servers[0].sockets[0].getsockname()[1]
    server.url = f"http://127.0.0.1:{port}"
    try:
        yield server
    finally:
        running.should_exit = True
        running.force_exit = True
        thread.join(10)
