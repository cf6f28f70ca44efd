"""GraphQL over WebSocket: the protocol graphql-transport-ws (graphql-ws' PROTOCOL.md).

One connection carries many operations, each a task of its own, all ended with the connection. The token comes in the
handshake's Authorization header or in connection_init's payload ({"authorization": "Bearer …"} or {"token": "…"}).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
from starlette.websockets import WebSocket, WebSocketDisconnect

from merlin.api.body import GraphQLRequest, Refused, operation_of
from merlin.api.engine import Caller, Engine
from merlin.api.parts import holds_token
from merlin.errors import Unauthenticated, Unavailable
from merlin.schema.limits import OperationRefused

log = logging.getLogger(__name__)

PROTOCOL = "graphql-transport-ws"
INIT_SECONDS = 10.0
SEND_SECONDS = 30.0
LONGEST_ID = 200
_TRY_AGAIN = 1013

Authenticate = Callable[[str], Awaitable[Caller | None]]


class _Closed(Exception):
    """Close the connection with this code and reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Connection:
    """One accepted connection, until it ends."""

    def __init__(self, socket: WebSocket, engine: Engine, authenticate: Authenticate, *, most_operations: int) -> None:
        self._socket = socket
        self._engine = engine
        self._authenticate = authenticate
        self._most = most_operations
        self._caller: Caller | None = None
        self._operations: dict[str, asyncio.Task[None]] = {}
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self, authorization: str) -> None:
        """Speak the protocol until either side closes. Every operation has ended when this returns."""
        try:
            await self._speak(authorization)
        except _Closed as closed:
            with contextlib.suppress(RuntimeError, WebSocketDisconnect, OSError):
                await self._socket.close(closed.code, closed.reason)
        except Unavailable as error:
            with contextlib.suppress(RuntimeError, WebSocketDisconnect, OSError):
                await self._socket.close(_TRY_AGAIN, error.message[:120])
        except WebSocketDisconnect:
            pass
        finally:
            tasks = list(self._operations.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._failed.cancel()

    async def _speak(self, authorization: str) -> None:
        try:
            async with asyncio.timeout(INIT_SECONDS):
                await self._init(authorization)
        except TimeoutError:
            raise _Closed(4408, "Connection initialisation timeout") from None
        receiving = asyncio.ensure_future(self._receive())
        try:
            while True:
                watched: set[asyncio.Future[Any]] = {receiving, self._failed}
                await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
                if self._failed.done():
                    self._failed.result()
                message = receiving.result()
                receiving = asyncio.ensure_future(self._receive())
                await self._hear(message)
        finally:
            receiving.cancel()
            await asyncio.gather(receiving, return_exceptions=True)

    async def _init(self, authorization: str) -> None:
        while True:
            message = await self._receive()
            if message["type"] == "connection_init":
                break
            if message["type"] == "subscribe":
                raise _Closed(4401, "Unauthorized")
            await self._hear(message)
        payload = message.get("payload") or {}
        if not isinstance(payload, dict):
            raise _Closed(4400, "connection_init's payload must be an object")
        given = _token(payload) or authorization
        self._caller = await self._authenticate(given)
        if self._caller is None and holds_token(given):
            raise _Closed(4403, "Forbidden: this token is not known here, or its time is over")
        if self._caller is None:
            raise _Closed(4403, 'Forbidden: send {"authorization": "Bearer TOKEN"} in connection_init')
        await self._send({"type": "connection_ack"})

    async def _receive(self) -> dict[str, Any]:
        event = await self._socket.receive()
        if event["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(event.get("code") or 1005)
        text = event.get("text")
        if text is None:
            raise _Closed(4400, "Messages are text")
        try:
            message = orjson.loads(text)
        except orjson.JSONDecodeError:
            raise _Closed(4400, "Messages are JSON") from None
        if not isinstance(message, dict) or not isinstance(message.get("type"), str):
            raise _Closed(4400, 'Messages are objects with a "type"')
        return message

    async def _hear(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "ping":
                await self._send({"type": "pong"})
            case "pong":
                pass
            case "connection_init":
                raise _Closed(4429, "Too many initialisation requests")
            case "subscribe":
                await self._subscribe(message)
            case "complete":
                await self._complete(message)
            case other:
                raise _Closed(4400, f"Unknown message type {other[:40]!r}")

    async def _subscribe(self, message: dict[str, Any]) -> None:
        key, payload = message.get("id"), message.get("payload")
        if not isinstance(key, str) or not 0 < len(key) <= LONGEST_ID or not isinstance(payload, dict):
            raise _Closed(4400, "subscribe needs an id and a payload")
        if key in self._operations:
            raise _Closed(4409, f"Subscriber for {key} already exists")
        try:
            request = operation_of(payload)
        except Refused as refused:
            raise _Closed(4400, orjson.loads(refused.response.body)["errors"][0]["message"]) from None
        if len(self._operations) >= self._most:
            message_text = f"This connection has {self._most} operations already; complete one, or open another."
            errors = [{"message": message_text, "extensions": {"code": "LIMIT_EXCEEDED"}}]
            await self._send({"id": key, "type": "error", "payload": errors})
            return
        self._operations[key] = asyncio.create_task(self._operate(key, request), name=f"operation {key}")

    async def _complete(self, message: Mapping[str, Any]) -> None:
        task = self._operations.pop(str(message.get("id")), None)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _operate(self, key: str, request: GraphQLRequest) -> None:
        """Run one operation to its end; a connection that takes nothing any more is given up as a whole."""
        try:
            await self._answer(key, request)
        except asyncio.CancelledError:
            raise
        except _Closed as closed:
            self._give_up(closed)
        except Unavailable as error:
            self._give_up(_Closed(_TRY_AGAIN, error.message[:120]))
        except (TimeoutError, RuntimeError, WebSocketDisconnect, OSError):
            self._give_up(_Closed(4499, "The connection takes no messages"))
        except Exception as error:  # the edge of one operation: logged, and its connection closed
            log.error("an operation ended unexpectedly", exc_info=error)
            self._give_up(_Closed(4500, "Internal error"))
        finally:
            self._operations.pop(key, None)

    async def _answer(self, key: str, request: GraphQLRequest) -> None:
        assert self._caller is not None  # noqa: S101 (acknowledged before any subscribe)
        try:
            await self._caller.recheck()
        except Unauthenticated as error:
            raise _Closed(4403, "Forbidden: the token is no longer good") from error
        try:
            operation = self._engine.prepare(request)
        except OperationRefused as error:
            refused = self._engine.refused(error, self._caller.request_id).payload["errors"]
            await self._end(key, {"id": key, "type": "error", "payload": refused})
            return
        async with contextlib.aclosing(self._engine.stream(operation, request, self._caller)) as payloads:
            async for payload in payloads:
                if "data" not in payload:
                    await self._end(key, {"id": key, "type": "error", "payload": payload["errors"]})
                    return
                await self._send({"id": key, "type": "next", "payload": payload})
        await self._end(key, {"id": key, "type": "complete"})

    async def _end(self, key: str, message: dict[str, Any]) -> None:
        """The last message of an operation; its id may be used again from then on."""
        self._operations.pop(key, None)
        await self._send(message)

    async def _send(self, message: dict[str, Any]) -> None:
        """Raises TimeoutError when the other side takes nothing for long."""
        async with asyncio.timeout(SEND_SECONDS):
            await self._socket.send_text(orjson.dumps(message).decode())

    def _give_up(self, closed: _Closed) -> None:
        if not self._failed.done():
            self._failed.set_exception(closed)


def _token(payload: Mapping[str, Any]) -> str:
    """An Authorization header's value from connection_init's payload; "" when there is none."""
    lowered = {key.lower(): value for key, value in payload.items() if isinstance(value, str)}
    if "authorization" in lowered:
        return str(lowered["authorization"])
    return f"Bearer {lowered['token']}" if "token" in lowered else ""
