"""`/graphql`: queries and mutations over POST, subscriptions over SSE and WebSocket. GET and batches are not offered.

``Accept`` chooses the answer's form as the GraphQL-over-HTTP specification says: application/json (200 even when the
operation was refused), application/graphql-response+json (400 then), or text/event-stream (a stream).
"""

from __future__ import annotations

from graphql import OperationType
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from merlin.api.answers import NO_STORE, JSONAnswer, refusal, unauthenticated
from merlin.api.body import GraphQLRequest, Refused, read_request
from merlin.api.doors import answer as send_answer
from merlin.api.engine import Answer, Caller
from merlin.api.parts import Parts, holds_token
from merlin.api.session import authorization
from merlin.api.sse import EventStream
from merlin.api.websocket import PROTOCOL, Connection
from merlin.errors import Unavailable
from merlin.schema.limits import OperationRefused

JSON = "application/json"
RESPONSE_JSON = "application/graphql-response+json"
EVENT_STREAM = "text/event-stream"
_FORMS = (JSON, RESPONSE_JSON, EVENT_STREAM)


class GraphQL:
    """The ASGI application of this one path."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or speak on a WebSocket until it ends."""
        if scope["type"] == "websocket":
            await self._websocket(WebSocket(scope, receive, send))
            return
        response = await self._respond(Request(scope, receive))
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response | EventStream:
        if request.method != "POST":
            message = "Send operations with POST; subscriptions also over WebSocket."
            return refusal(405, "METHOD_NOT_ALLOWED", message, headers={"allow": "POST"})
        form = _form(request.headers.get("accept", ""))
        if form is None:
            return refusal(406, "NOT_ACCEPTABLE", f"Answers come as {', '.join(_FORMS)}.")
        try:
            given = authorization(request.headers, self._parts.secret_key)
            caller = await self._parts.caller(given, request.state.request_id)
            if caller is None:
                return unauthenticated(given=holds_token(given))
            asked = await read_request(request, most_bytes=self._parts.settings.max_body_bytes)
        except Refused as refused:
            return refused.response
        except Unavailable as error:
            return refusal(503, error.code, error.message, hint=error.hint or "", headers={"retry-after": "1"})
        return await self._answer(asked, caller, form)

    async def _answer(self, asked: GraphQLRequest, caller: Caller, form: str) -> Response | EventStream:
        engine = self._parts.engine
        try:
            operation = engine.prepare(asked)
        except OperationRefused as error:
            return _as_response(engine.refused(error, caller.request_id), form)
        if form == EVENT_STREAM:
            return EventStream(engine.stream(operation, asked, caller), self._parts.stopping)
        if operation.kind is OperationType.SUBSCRIPTION:
            return refusal(
                406,
                "NOT_ACCEPTABLE",
                "A subscription is a stream.",
                hint=f"Send `Accept: {EVENT_STREAM}`, or use a WebSocket with the protocol {PROTOCOL}.",
            )
        return _as_response(await engine.run(operation, asked, caller), form)

    async def _websocket(self, socket: WebSocket) -> None:
        if PROTOCOL not in socket.scope.get("subprotocols", []):
            message = f"The WebSocket's protocol must be {PROTOCOL}."
            response = refusal(400, "BAD_REQUEST", message, hint=f"Send `Sec-WebSocket-Protocol: {PROTOCOL}`.")
            await send_answer(response, socket.scope, socket.receive, socket.send)
            return
        request_id = socket.state.request_id

        async def authenticate(authorization: str) -> Caller | None:
            return await self._parts.caller(authorization, request_id)

        await socket.accept(subprotocol=PROTOCOL)
        most = self._parts.settings.max_subscriptions
        connection = Connection(socket, self._parts.engine, authenticate, most_operations=most)
        await connection.run(authorization(socket.headers, self._parts.secret_key))


def _form(accept: str) -> str | None:
    """The form a caller wants most, of those there are; ``None`` when it wants none of them."""
    if not accept.strip():
        return JSON
    wanted: list[tuple[float, int, str]] = []
    for index, part in enumerate(accept.split(",")):
        media_type, *parameters = (piece.strip().lower() for piece in part.split(";"))
        form = JSON if media_type in ("*/*", "application/*") else media_type
        quality = _quality(parameters)
        if form in _FORMS and quality > 0:
            wanted.append((-quality, index, form))
    return min(wanted)[2] if wanted else None


def _quality(parameters: list[str]) -> float:
    try:
        return next((float(p[2:]) for p in parameters if p.startswith("q=")), 1.0)
    except ValueError:
        return 0.0


def _as_response(answer: Answer, form: str) -> Response:
    """Refusals are 400 in the form that allows it; in plain JSON they are 200, as the specification wants."""
    if form == EVENT_STREAM:
        form = JSON
    status = 400 if answer.refused and form == RESPONSE_JSON else 200
    return JSONAnswer(answer.payload, status_code=status, headers=NO_STORE, media_type=f"{form}; charset=utf-8")
