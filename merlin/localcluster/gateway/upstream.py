"""Connections to pods: kept alive, one exchange at a time, bodies passed on piece by piece as they come."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

import httptools

from merlin.localcluster.gateway.balance import Address

CONNECT_SECONDS: Final = 2.0
# Shorter than any server's own patience (uvicorn's is 5 s), so that we end idle connections, not they.
IDLE_SECONDS: Final = 3.0
_LONGEST_HEAD: Final = 64 * 1024

Headers = list[tuple[bytes, bytes]]


class Refused(Exception):
    """No connection to the pod."""


class Broken(Exception):
    """The pod's connection ended, or what came was no HTTP. ``answered``: something of an answer had come."""

    def __init__(self, message: str, *, answered: bool) -> None:
        super().__init__(message)
        self.answered = answered


class Connection(asyncio.Protocol):
    """One connection to a pod."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.is_reused = False
        self.idle_since = 0.0
        self._transport: asyncio.Transport | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._idle_lost: Callable[[Connection], None] | None = None
        self._begin()

    def _begin(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._headers: Headers = []
        self._received = 0
        self._head: asyncio.Future[tuple[int, bytes, Headers]] | None = None
        self._done: asyncio.Future[None] | None = None
        self._body: Callable[[bytes], None] | None = None
        self._early: list[bytes] = []
        self._until_close = False
        self._bodyless = False
        self._reason = b""
        self._keeps_alive = True

    @property
    def is_open(self) -> bool:
        """Whether it can be written to."""
        return self._transport is not None and not self._transport.is_closing()

    @property
    def can_be_reused(self) -> bool:
        """Whether the last exchange ended in a way that lets another one follow."""
        return self.is_open and self._keeps_alive and not self._until_close

    def begin(self, head: bytes, *, bodyless: bool) -> asyncio.Future[tuple[int, bytes, Headers]]:
        """Send a request's head. The future gives (status, reason, headers) or raises Broken."""
        loop = asyncio.get_running_loop()
        self._begin()
        self._bodyless = bodyless
        self._head, self._done = loop.create_future(), loop.create_future()
        self._idle_lost = None
        if self._transport is None or self._transport.is_closing():
            self._fail("the connection had ended")
        else:
            self._transport.write(head)
        return self._head

    async def send(self, piece: bytes) -> None:
        """Send a piece of the request's body, as fast as the pod takes it."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(piece)
            if not self._writable.is_set():
                await self._writable.wait()

    async def receive(self, body: Callable[[bytes], None]) -> None:
        """Give the pieces of the answer's body to ``body`` until it is whole. Raises Broken."""
        early, self._early = self._early, []
        self._body = body
        for piece in early:
            body(piece)
        if self._done is not None:
            await self._done

    def pause(self) -> None:
        """Take nothing more from the pod for now."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume(self) -> None:
        """Take from the pod again."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def rest(self, lost: Callable[[Connection], None], now: float) -> None:
        """Be idle; ``lost`` is called when it ends meanwhile."""
        self._idle_lost = lost
        self.idle_since = now
        self.is_reused = True

    def spoil(self) -> None:
        """Not to be used for another request: this one's body was not sent to its end."""
        self._keeps_alive = False

    def close(self) -> None:
        """End it."""
        if self._transport is not None:
            self._transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio."""
        self._transport = transport  # type: ignore[assignment] # uvloop's has another base

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        if self._head is None:
            self.close()  # nobody asked
            return
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._fail("the pod wants another protocol")
        except httptools.HttpParserError as error:
            self._fail(f"the pod's answer is no HTTP: {error}")
        else:
            if self._head is not None and not self._head.done() and self._received > _LONGEST_HEAD:
                self._fail("the head of the pod's answer is too long")

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio."""
        if self._until_close and self._done is not None and not self._done.done() and exc is None:
            self._done.set_result(None)
        self._fail("the pod ended the connection")
        self._writable.set()
        if self._idle_lost is not None:
            self._idle_lost(self)

    def pause_writing(self) -> None:
        """See asyncio."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """See asyncio."""
        self._writable.set()

    # httptools

    def on_status(self, reason: bytes) -> None:
        """See httptools."""
        self._reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        """See httptools."""
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """See httptools."""
        status = self._parser.get_status_code()
        if status < 200:
            return
        self._keeps_alive = self._parser.should_keep_alive()
        names = {name.lower() for name, _ in self._headers}
        has_body = not self._bodyless and status not in {204, 304}
        self._until_close = has_body and not names & {b"content-length", b"transfer-encoding"}
        if self._head is not None and not self._head.done():
            self._head.set_result((status, self._reason, self._headers))
        if self._bodyless:
            # An answer to HEAD has the headers of a body that does not follow.
            self._keeps_alive = False
            self._finish()

    def on_body(self, piece: bytes) -> None:
        """See httptools."""
        if self._body is not None:
            self._body(piece)
        else:
            self._early.append(piece)

    def on_message_complete(self) -> None:
        """See httptools."""
        if self._parser.get_status_code() < 200:
            self._headers, self._reason = [], b""
            return
        self._finish()

    def _finish(self) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_result(None)

    def _fail(self, message: str) -> None:
        answered = self._received > 0
        for future in (self._head, self._done):
            if future is not None and not future.done():
                future.set_exception(Broken(message, answered=answered))
                future.exception()  # whoever awaits it gets it all the same; nobody need
        if self._transport is not None and not self._transport.is_closing():
            self._transport.abort()


class Pool:
    """Idle connections by address."""

    def __init__(self) -> None:
        self._idle: dict[Address, deque[Connection]] = {}

    async def connection(self, address: Address) -> Connection:
        """An idle connection or a new one. Raises Refused."""
        loop = asyncio.get_running_loop()
        idle = self._idle.get(address)
        while idle:
            found = idle.pop()
            if found.is_open and loop.time() - found.idle_since < IDLE_SECONDS:
                return found
            found.close()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                _, made = await loop.create_connection(lambda: Connection(address), *address)
        except (OSError, TimeoutError) as error:
            raise Refused(f"{address[0]}:{address[1]}: {error}") from error
        return made

    def give_back(self, connection: Connection) -> None:
        """Keep it for the next request, if it is fit for one."""
        if not connection.can_be_reused:
            connection.close()
            return
        self._idle.setdefault(connection.address, deque()).append(connection)
        connection.rest(self._lost, asyncio.get_running_loop().time())

    def sweep(self) -> None:
        """Close what has been idle for too long."""
        oldest = asyncio.get_running_loop().time() - IDLE_SECONDS
        for address, idle in list(self._idle.items()):
            while idle and idle[0].idle_since < oldest:
                idle.popleft().close()
            if not idle:
                self._idle.pop(address, None)

    def close(self) -> None:
        """Close all."""
        for idle in self._idle.values():
            for connection in list(idle):
                connection.close()
        self._idle.clear()

    def _lost(self, connection: Connection) -> None:
        idle = self._idle.get(connection.address)
        if idle is not None and connection in idle:
            idle.remove(connection)
