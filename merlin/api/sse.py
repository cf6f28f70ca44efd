"""GraphQL over server-sent events, "distinct connections": one POST, one stream (graphql-sse's PROTOCOL.md).

    event: next          one answer
    data: {"data": …}
    event: complete      the stream has ended

A comment every few seconds shows proxies and callers that it lives. A reader that is too slow gets a last ``next``
whose error tells where to resume. When the server stops, the stream ends without ``complete``, as any lost connection
does: callers that resume by themselves do so.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Any

import orjson
from starlette.types import Receive, Scope, Send

from merlin.resolvers.streams import every, interleaved

HEARTBEAT_SECONDS = 10.0
SEND_SECONDS = 30.0
_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]
_STOPPING = b": this server is being stopped; connect again and resume after your last cursor\n\n"


class EventStream:
    """An ASGI response that sends ``items`` until they end, the caller goes, or the server stops."""

    def __init__(
        self,
        items: AsyncGenerator[dict[str, Any], None],
        stopping: asyncio.Event,
        *,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
    ) -> None:
        self._items = items
        self._stopping = stopping
        self._heartbeat = heartbeat_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send all of it; whatever happens, the items are closed when this returns."""
        await send({"type": "http.response.start", "status": 200, "headers": list(_HEADERS)})
        writing = asyncio.create_task(self._write(send))
        leaving = asyncio.create_task(_left(receive))
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({writing, leaving, stopping}, return_when=asyncio.FIRST_COMPLETED)
            stopped = stopping.done() and not writing.done() and not leaving.done()
        finally:
            for task in (leaving, stopping, writing):
                task.cancel()
            outcome = await asyncio.gather(writing, leaving, stopping, return_exceptions=True)
        if stopped:
            await _send(send, _STOPPING, last=True)
        elif isinstance(outcome[0], Exception) and not isinstance(outcome[0], TimeoutError | OSError):
            raise outcome[0]

    async def _write(self, send: Send) -> None:
        async with contextlib.aclosing(interleaved(self._items, every(self._heartbeat))) as items:
            await _send(send, b":\n\n")  # so that the caller knows at once that it is subscribed
            async for item in items:
                await _send(send, b":\n\n" if item is None else _event("next", item))
        await _send(send, _event("complete"), last=True)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send(send: Send, chunk: bytes, *, last: bool = False) -> None:
    """A reader that takes nothing for long is cut off. Raises TimeoutError."""
    async with asyncio.timeout(SEND_SECONDS):
        await send({"type": "http.response.body", "body": chunk, "more_body": not last})


def _event(name: str, content: dict[str, Any] | None = None) -> bytes:
    content_bytes = b"" if content is None else orjson.dumps(content)
    return b"event: " + name.encode() + b"\ndata: " + content_bytes + b"\n\n"
