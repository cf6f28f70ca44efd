"""What every request passes first: Host and Origin are known ones, and the request gets an id.

A foreign web page can make a browser send requests to loopback, by its own name (Origin) or by a name that it lets
point here (Host, "DNS rebinding"). Both are refused before anything is read.
"""

from __future__ import annotations

import re
import uuid
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from merlin.api.answers import refusal
from merlin.settings import Settings

REQUEST_ID = "x-request-id"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")


class Doors:
    """ASGI middleware. ``scope["state"]["request_id"]`` is the caller's X-Request-Id where it is a good one."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        public = urlsplit(settings.public_url or "")
        self._hosts = {host.lower() for host in settings.allowed_hosts} | (
            {public.hostname} if public.hostname else set()
        )
        self._origins = {_origin(text) for text in settings.allowed_origins} | ({_origin(public.geturl())} - {""})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = headers.get(REQUEST_ID, "")
        if not _REQUEST_ID.fullmatch(request_id):
            request_id = uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        refused = self._refusal(headers)
        if refused is None:
            await self._app(scope, receive, _with_id(send, request_id))
        else:
            await answer(refused, scope, receive, _with_id(send, request_id))

    def _refusal(self, headers: Headers) -> Response | None:
        hosts = headers.getlist("host")
        host = hosts[0] if len(hosts) == 1 else ""
        if not host:
            return refusal(400, "FOREIGN_HOST", "Exactly one Host header is needed.")
        if "*" not in self._hosts and _name(host) not in self._hosts:
            hint = "An operator allows hosts with MERLIN_ALLOWED_HOSTS."
            return refusal(421, "FOREIGN_HOST", f"This server is not {host[:100]!r}.", hint=hint)
        origin = headers.get("origin")
        if origin is not None and _netloc(origin) != host.lower() and _origin(origin) not in self._origins:
            hint = "An operator allows origins with MERLIN_ALLOWED_ORIGINS."
            return refusal(403, "FOREIGN_ORIGIN", f"Pages of {origin[:100]!r} may not call this server.", hint=hint)
        return None


async def answer(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Send a response, to a WebSocket's handshake too."""
    if scope["type"] == "websocket" and "websocket.http.response" in scope.get("extensions", {}):
        await receive()  # websocket.connect
        await response(scope, receive, send)
    elif scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
    else:
        await response(scope, receive, send)


def _with_id(send: Send, request_id: str) -> Send:
    async def send_with_id(message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.http.response.start", "websocket.accept"):
            message.setdefault("headers", [])
            MutableHeaders(scope=message)[REQUEST_ID] = request_id
        await send(message)

    return send_with_id


def _name(host: str) -> str:
    """A Host header without its port, lower case."""
    lowered = host.lower()
    return lowered.partition("]")[0] + "]" if lowered.startswith("[") else lowered.partition(":")[0]


def _netloc(origin: str) -> str:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return ""
    return parts.netloc.lower() if parts.scheme in ("http", "https") else ""


def _origin(text: str) -> str:
    """Scheme, host and port of an address, in one way of writing; "" for none."""
    netloc = _netloc(text)
    return f"{urlsplit(text).scheme}://{netloc}" if netloc else ""
