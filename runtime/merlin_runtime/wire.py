"""Bodies in and answers out over ASGI, with their limits; no word of what is in them.

Raw ASGI and not a framework: a framework's request and response objects cost as much as a small model's prediction.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Header = tuple[bytes, bytes]

JSON = (b"content-type", b"application/json")
TEXT = (b"content-type", b"text/plain; charset=utf-8")
PROMETHEUS = (b"content-type", b"text/plain; version=0.0.4; charset=utf-8")


class Refused(Exception):
    """The request is answered with this status and message and nothing else happens."""

    def __init__(self, status: int, message: str, headers: Iterable[Header] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = tuple(headers)


class ClientGone(Exception):
    """The caller hung up before the whole request was here; nobody waits for an answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back. ``headers`` come after the content type and before the model's own."""

    status: int
    body: bytes
    kind: Header = JSON
    headers: tuple[Header, ...] = ()


def header(scope: Scope, name: bytes) -> bytes | None:
    """A header's value; ``name`` in lower case."""
    for key, value in scope["headers"]:
        if key == name:
            return bytes(value)
    return None


async def read_body(scope: Scope, receive: Receive, *, limit: int, timeout_seconds: float) -> bytes:
    """The request's body. Raises Refused (413 beyond ``limit``, announced or not; 408 if it trickles) or ClientGone.

    Never holds more than ``limit`` bytes and one chunk."""
    announced = header(scope, b"content-length")
    if announced is not None and int(announced) > limit:
        raise _too_large(limit)
    message = await _next(receive, timeout_seconds)
    if not message.get("more_body"):
        body: bytes = message.get("body", b"")
        if len(body) > limit:
            raise _too_large(limit)
        return body
    return await _read_rest(message, receive, limit, timeout_seconds)


async def _read_rest(message: MutableMapping[str, Any], receive: Receive, limit: int, timeout_seconds: float) -> bytes:
    chunks = [message.get("body", b"")]
    size = len(chunks[0])
    try:
        async with asyncio.timeout(timeout_seconds):
            while message.get("more_body"):
                if size > limit:
                    raise _too_large(limit)
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGone
                chunks.append(message.get("body", b""))
                size += len(chunks[-1])
    except TimeoutError as error:
        raise _too_slow(timeout_seconds) from error
    if size > limit:
        raise _too_large(limit)
    return b"".join(chunks)


async def _next(receive: Receive, timeout_seconds: float) -> MutableMapping[str, Any]:
    try:
        async with asyncio.timeout(timeout_seconds):
            message = await receive()
    except TimeoutError as error:
        raise _too_slow(timeout_seconds) from error
    if message["type"] == "http.disconnect":
        raise ClientGone
    return message


def _too_large(limit: int) -> Refused:
    return Refused(413, f"the body is larger than the {limit} bytes that are accepted; send fewer rows at a time")


def _too_slow(timeout_seconds: float) -> Refused:
    # What follows on this connection would be the rest of this body.
    return Refused(408, f"the body did not arrive within {timeout_seconds:g} s", ((b"connection", b"close"),))


async def send_answer(send: Send, answer: Answer, model_headers: tuple[Header, ...], *, head_only: bool) -> None:
    """Send a whole answer, with its length."""
    length = (b"content-length", b"%d" % len(answer.body))
    headers = [answer.kind, length, *answer.headers, *model_headers]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head_only else answer.body})
