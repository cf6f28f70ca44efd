"""The HTTP server: uvicorn on a socket of our own, ended gracefully by SIGTERM or SIGINT.

At the end no new connection is taken; answers under way are finished; streams end by themselves (WebSockets with the
close code 1012, so that callers connect again and resume). Five seconds later whatever is left is cut.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator, Iterator

import uvicorn
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp

from merlin.api import session
from merlin.api.doors import Doors
from merlin.api.graphql import GraphQL
from merlin.api.pages import PageHeaders, routes
from merlin.api.parts import Parts
from merlin.errors import Misconfigured
from merlin.settings import Settings

SHUTDOWN_SECONDS = 4
KEEP_ALIVE_SECONDS = 75
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def make_app(parts: Parts) -> ASGIApp:
    """The ASGI application."""
    return Doors(PageHeaders(Starlette(routes=all_routes(parts))), parts.settings)


def all_routes(parts: Parts) -> list[BaseRoute]:
    """Everything that is answered. No project may be called as one of them begins (`merlin.domain.names`)."""
    graphql = GraphQL(parts)
    methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
    return [
        Route("/graphql", graphql, methods=methods),
        WebSocketRoute("/graphql", graphql),
        *session.routes(parts),
        *routes(parts),
    ]


def bind(settings: Settings) -> socket.socket:
    """The socket to listen on. Raises Misconfigured: taken, or no such address."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # With the protocol named, asyncio sets TCP_NODELAY: else the body of an answer waits 40 ms for an acknowledgement.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host.strip("[]"), settings.port))
    except OSError as error:
        listening.close()
        raise Misconfigured(
            f"The API cannot listen on {settings.host}:{settings.port}: {error.strerror}.",
            hint="Choose another MERLIN_PORT (0 = any free one), or end what holds it.",
        ) from error
    listening.set_inheritable(True)
    return listening


def public_url(settings: Settings, listening: socket.socket) -> str:
    """The API's address as users see it."""
    if settings.public_url:
        return settings.public_url.rstrip("/")
    host = f"[{settings.host}]" if ":" in settings.host and not settings.host.startswith("[") else settings.host
    return f"http://{host}:{listening.getsockname()[1]}"


class Server(uvicorn.Server):
    """Uvicorn, but our streams learn of the end before it waits for them, and signals are ours."""

    def __init__(self, config: uvicorn.Config, stopping: asyncio.Event) -> None:
        super().__init__(config)
        self._stopping = stopping

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone: uvicorn would raise them again at the end, before our own clean-up."""
        yield

    def stop(self) -> None:
        """Begin the end. Called again, wait no longer."""
        self.force_exit = self.should_exit
        self.should_exit = True
        self._stopping.set()


@contextlib.asynccontextmanager
async def serving(parts: Parts, listening: socket.socket) -> AsyncIterator[Server]:
    """A server that answers inside the block and has ended after it."""
    server = Server(_config(parts), parts.stopping)
    task = asyncio.create_task(server.serve([listening]), name="server")
    try:
        yield server
    finally:
        if not server.should_exit:
            server.stop()
        await task


async def serve_until_signal(parts: Parts, listening: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    async with serving(parts, listening) as server:
        for number in _SIGNALS:
            loop.add_signal_handler(number, server.stop)
        try:
            await parts.stopping.wait()
        finally:
            for number in _SIGNALS:
                loop.remove_signal_handler(number)


def _config(parts: Parts) -> uvicorn.Config:
    return uvicorn.Config(
        make_app(parts),
        http="httptools",
        ws="websockets-sansio",
        ws_max_size=parts.settings.max_body_bytes,
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
