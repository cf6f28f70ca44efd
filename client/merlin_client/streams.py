"""Subscriptions that outlive their connection: no gap, no duplicate, over WebSocket or else Server-Sent Events.

A stream that has a cursor resumes after the last one it gave; a state stream starts again with a snapshot. WebSocket
is tried first; where it does not get through, or breaks twice before the first word, the client stays with SSE.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from typing import TYPE_CHECKING, Any

from merlin_client import operations
from merlin_client.addresses import Address, is_loopback
from merlin_client.errors import ServerFault, Unavailable, errors_from
from merlin_client.transport import LostConnection, Transport, refused, translated

if TYPE_CHECKING:
    import httpx

_PING_SECONDS = 10.0
_SILENCE_SECONDS = 45.0  # the server sends a heartbeat every 15 s on SSE
_LARGEST_MESSAGE_BYTES = 16 * 2**20
_TOO_MANY = 2

Variables = dict[str, Any]


class Streams:
    """The subscriptions of one server."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._websocket_failures = 0

    @property
    def over_sse(self) -> bool:
        """Whether WebSockets were given up."""
        return self._websocket_failures >= _TOO_MANY

    async def states(self, operation: str, /, **variables: Any) -> AsyncGenerator[dict[str, Any], None]:
        """The thing as it is, then after each change, endlessly. Raises MerlinError."""
        async for item in self._endless(operation, variables, cursor_of=None):
            yield item

    async def lines(
        self, operation: str, /, *, endless: bool = True, **variables: Any
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Items that have a cursor, resumed after the last one when the connection was lost. Raises MerlinError."""
        async for item in self._endless(operation, variables, cursor_of=lambda item: item["cursor"], endless=endless):
            yield item

    async def _endless(
        self,
        operation: str,
        variables: Variables,
        *,
        cursor_of: Callable[[dict[str, Any]], Any] | None,
        endless: bool = True,
    ) -> AsyncGenerator[dict[str, Any], None]:
        wanted = {name: value for name, value in variables.items() if value is not None}
        pause = 0.1
        while True:
            stream = await self._transport.patiently(lambda: self._begin(operation, wanted))
            heard = False
            try:
                async with contextlib.aclosing(stream):
                    async for item in stream:
                        heard = True
                        if cursor_of is not None:
                            if cursor_of(item) == wanted.get("after"):
                                continue
                            wanted["after"] = cursor_of(item)
                        yield item
                if not endless:
                    return
            except LostConnection:
                self._note_loss(heard)
            except Unavailable:
                # The server ended it, and it may be resumed: a database was restarted, this reader was too slow, …
                if not heard:
                    raise
            # A server that shuts down, and a proxy that lets nobody speak, are not to be hammered.
            pause = 0.1 if heard else min(pause * 2, 2.0)
            await asyncio.sleep(pause)

    def _note_loss(self, heard: bool) -> None:
        if not heard and not self.over_sse:
            self._websocket_failures += 1

    async def _begin(self, operation: str, variables: Variables) -> AsyncGenerator[dict[str, Any], None]:
        """A stream that is open: its first item has come, or it has ended. Raises LostConnection, MerlinError."""
        if self.over_sse:
            return await _opened(self._server_sent(operation, variables))
        try:
            return await _opened(self._websocket(operation, variables))
        except LostConnection:
            opened = await _opened(self._server_sent(operation, variables))
            self._websocket_failures = _TOO_MANY  # SSE gets through where WebSocket did not
            return opened

    async def _websocket(self, operation: str, variables: Variables) -> AsyncGenerator[dict[str, Any], None]:
        from gql import GraphQLRequest
        from gql.transport.exceptions import TransportError
        from gql.transport.websockets import WebsocketsTransport

        address = self._transport.address
        arguments: dict[str, Any] = {"max_size": _LARGEST_MESSAGE_BYTES}
        if is_loopback(address.url):
            arguments["proxy"] = None
        socket = WebsocketsTransport(
            address.url.replace("http", "ws", 1),
            headers=self._transport.headers,
            init_payload=self._transport.headers,
            ping_interval=_PING_SECONDS,
            pong_timeout=_PING_SECONDS,
            close_timeout=2,
            subprotocols=[WebsocketsTransport.GRAPHQLWS_SUBPROTOCOL],
            connect_args=arguments,
        )
        request = GraphQLRequest(operations.document(operation), variable_values=variables)
        try:
            await socket.connect()
            yield {}  # opened
            async with contextlib.aclosing(socket.subscribe(request)) as results:
                async for result in results:
                    yield _item(result.data, result.errors)
        except (TransportError, TimeoutError) as error:
            raise translated(error, address) from error
        finally:
            await socket.close()

    async def _server_sent(self, operation: str, variables: Variables) -> AsyncGenerator[dict[str, Any], None]:
        import httpx

        address = self._transport.address
        body = {"query": operations.document(operation), "variables": variables}
        headers = {**self._transport.headers, "accept": "text/event-stream"}
        timeout = httpx.Timeout(_SILENCE_SECONDS, connect=10.0, write=10.0, pool=10.0)
        try:
            async with (
                httpx.AsyncClient(timeout=timeout, trust_env=not is_loopback(address.url)) as http,
                http.stream("POST", address.url, json=body, headers=headers) as response,
            ):
                await _check(response, address)
                yield {}  # opened
                async for kind, data in server_sent_events(response.aiter_lines()):
                    if kind == "complete":
                        return
                    message = json.loads(data)
                    yield _item(message.get("data"), message.get("errors"))
        except (httpx.HTTPError, ValueError) as error:
            reached = not isinstance(error, httpx.ConnectError)
            raise LostConnection(f"{type(error).__name__}: {error}", reached=reached) from error
        raise LostConnection("the stream ended without a word")


async def _opened(source: AsyncGenerator[dict[str, Any], None]) -> AsyncGenerator[dict[str, Any], None]:
    try:
        await anext(source)
    except BaseException:  # a source that does not open is closed, cancelled or not
        await source.aclose()
        raise
    return source


async def _check(response: httpx.Response, address: Address) -> None:
    if response.status_code >= 400:
        text = (await response.aread()).decode(errors="replace")
        raise refused(response.status_code, text, address)
    if "text/event-stream" not in response.headers.get("content-type", ""):
        answer = json.loads(await response.aread())
        if isinstance(answer, dict) and answer.get("errors"):
            raise errors_from(answer["errors"])
        raise ServerFault("Merlin does not stream at this address.")


def _item(data: Mapping[str, Any] | None, errors: Any) -> dict[str, Any]:
    if errors:
        raise errors_from([dict(shape) for shape in errors])
    if not data:
        raise ServerFault("Merlin sent an empty message.")
    return dict(next(iter(data.values())))


async def server_sent_events(lines: AsyncIterator[str]) -> AsyncIterator[tuple[str, str]]:
    """(event, data) of each message in a text/event-stream; comments (heartbeats) are skipped."""
    kind, data = "message", list[str]()
    async for line in lines:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if line == "":
            if data or kind == "complete":
                yield kind, "\n".join(data)
            kind, data = "message", []
        elif name == "event":
            kind = value
        elif name == "data":
            data.append(value)
