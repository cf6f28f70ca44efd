"""One request passed on to a pod and its answer passed back: rewriting, another try, time-outs, mirrors.

A request goes to another pod when a connection is refused, or when a kept-alive connection ended before anything of
the answer came (the pod closed it as idle, or left): the body is kept for that. What a pod began to answer is never
asked twice.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from merlin.localcluster.gateway.balance import Address, Balancer
from merlin.localcluster.gateway.endpoints import Endpoints
from merlin.localcluster.gateway.request import KEPT_BYTES, Request, end_to_end
from merlin.localcluster.gateway.rules import BackendRef, Match, Rule
from merlin.localcluster.gateway.upstream import Broken, Connection, Headers, Pool, Refused

log = logging.getLogger(__name__)

DEFAULT_SECONDS: Final = 300.0  # where the route sets no time-out
_MIRROR_SECONDS: Final = 30.0
_MIRRORS: Final = 64
_RACES: Final = 2  # connections that ended in our hands, tried again at most
# Merlin's own: browsers send a host's cookies to each of its ports, and a pod must not get somebody's session.
SESSION_COOKIE: Final = "merlin_session"


class Caller(Protocol):
    """Who asked, as an exchange needs it."""

    @property
    def peer(self) -> str:
        """Its address."""

    def begin_answer(self, status: int, reason: bytes, headers: list[tuple[str, str]], length: int | None) -> None:
        """Send the head of the answer."""

    def send(self, piece: bytes) -> None:
        """Send a piece of the answer's body."""

    def on_congestion(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        """Whom to tell when it cannot take more for now."""

    def took_body(self) -> None:
        """Some of the request's body was passed on, so more may come."""


class Failed(Exception):
    """No answer can be had from a pod; the caller gets this status and text."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Exchange:
    """How requests are passed on; one for the whole gateway."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints
        self._balancer = Balancer()
        self.pool = Pool()
        self._mirrors: set[asyncio.Task[None]] = set()

    async def run(self, request: Request, rule: Rule, match: Match, caller: Caller) -> None:
        """Answer the request. Raises Failed before anything of an answer was sent, Broken after."""
        backend = self._balancer.backend(rule)
        if backend is None or backend.service is None:
            raise Failed(500, "the route has no backend that can be used")
        for mirror in rule.mirrors:
            if mirror.share >= 1 or random.random() < mirror.share:  # noqa: S311
                self._mirror(request, rule, match, mirror.backend, caller.peer)
        seconds = rule.timeout or DEFAULT_SECONDS
        connection: Connection | None = None
        try:
            async with asyncio.timeout(seconds):
                head, connection = await self._answered(request, rule, match, backend, caller)
                await self._pass_back(request, rule, connection, head, caller)
        except TimeoutError:
            if connection is None:
                raise Failed(504, f"no answer within {seconds:g} s") from None
            raise Broken("the answer was not whole in time", answered=True) from None

    def close(self) -> None:
        """Let go of every connection."""
        for task in self._mirrors:
            task.cancel()
        self.pool.close()

    async def _answered(
        self, request: Request, rule: Rule, match: Match, backend: BackendRef, caller: Caller
    ) -> tuple[tuple[int, bytes, Headers], Connection]:
        """The head of a pod's answer and the connection that it came on; the pod counts as busy from then on."""
        tried: set[Address] = set()
        races = 0
        while True:
            address = self._address(backend, tried)
            try:
                connection = await self.pool.connection(address)
            except Refused as error:
                log.info("a pod refused a connection", extra={"rule": rule.name, "reason": str(error)})
                tried.add(address)
                continue
            self._balancer.in_flight[address] += 1
            try:
                return await self._asked(connection, request, rule, match, caller), connection
            except Broken as error:
                self._gone(connection)
                races += 1
                if error.answered or not connection.is_reused or races > _RACES or not request.again():
                    raise Failed(502, f"the pod gave no answer: {error}") from error
            except BaseException:  # a connection in an unknown state is never used again
                self._gone(connection)
                raise

    def _address(self, backend: BackendRef, tried: set[Address]) -> Address:
        """An endpoint that was not tried yet, as things are now."""
        if backend.service is None:
            raise Failed(500, "the backend is not a Service that can be used")
        endpoints = self._endpoints.of(backend.service, backend.port)
        if endpoints is None:
            raise Failed(500, f"there is no Service {'/'.join(backend.service)} with port {backend.port}")
        address = self._balancer.endpoint(endpoints, tried)
        if address is None:
            raise Failed(503, f"no pod of {'/'.join(backend.service)} is ready")
        return address

    async def _asked(
        self, connection: Connection, request: Request, rule: Rule, match: Match, caller: Caller
    ) -> tuple[int, bytes, Headers]:
        """Send the request; the head of the answer. Raises Broken."""
        is_whole = request.is_complete and request.body_bytes == request.waiting_bytes
        answer = connection.begin(
            request_head(request, rule, match, caller.peer, whole_bytes=request.body_bytes if is_whole else None),
            bodyless=request.method == "HEAD",
        )
        if not request.has_body:
            return await answer
        if is_whole:
            await _send_body(connection, request, caller, chunked=False)
            return await answer
        chunked = request.header("content-length") is None
        sending = asyncio.create_task(_send_body(connection, request, caller, chunked=chunked))
        try:
            # A pod may refuse a body before it has seen all of it.
            return await answer
        finally:
            if not request.is_complete or not sending.done():
                connection.spoil()
                sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    async def _pass_back(
        self,
        request: Request,
        rule: Rule,
        connection: Connection,
        head: tuple[int, bytes, Headers],
        caller: Caller,
    ) -> None:
        try:
            status, reason, raw = head
            headers = end_to_end((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in raw)
            if rule.response_headers:
                headers = rule.response_headers.applied(headers)
            length = next((int(value) for name, value in headers if name == "content-length"), None)
            bodyless = request.method == "HEAD" or status in {204, 304}
            caller.begin_answer(status, reason, headers, 0 if bodyless and length is None else length)
            if request.method != "HEAD":
                caller.on_congestion(connection.pause, connection.resume)
                await connection.receive(caller.send)
        except BaseException:  # a connection in an unknown state is never used again
            self._gone(connection)
            raise
        self._balancer.in_flight[connection.address] -= 1
        self.pool.give_back(connection)

    def _gone(self, connection: Connection) -> None:
        connection.close()
        self._balancer.in_flight[connection.address] -= 1
        if self._balancer.in_flight[connection.address] <= 0:
            del self._balancer.in_flight[connection.address]

    def _mirror(self, request: Request, rule: Rule, match: Match, backend: BackendRef, peer: str) -> None:
        """Send a copy, whose answer nobody hears. Large bodies, and more copies than are healthy, are left out."""
        if len(self._mirrors) >= _MIRRORS or not request.is_complete or request.body_bytes > KEPT_BYTES:
            return
        copy = Request(request.method, request.target, list(request.headers))
        if body := request.peek():
            copy.add(body)
        copy.complete()
        task = asyncio.create_task(self._copied(copy, rule, match, backend, peer))
        self._mirrors.add(task)
        task.add_done_callback(self._mirrors.discard)

    async def _copied(self, copy: Request, rule: Rule, match: Match, backend: BackendRef, peer: str) -> None:
        try:
            async with asyncio.timeout(_MIRROR_SECONDS):
                head, connection = await self._answered(copy, rule, match, backend, _Nobody(peer))
                await self._pass_back(copy, rule, connection, head, _Nobody(peer))
        except (Failed, Broken, TimeoutError) as error:
            log.debug("a mirrored request failed", extra={"rule": rule.name, "reason": str(error)})


class _Nobody:
    """The caller of a mirrored request."""

    def __init__(self, peer: str) -> None:
        self.peer = peer

    def begin_answer(self, status: int, reason: bytes, headers: list[tuple[str, str]], length: int | None) -> None:
        """See Caller."""

    def send(self, piece: bytes) -> None:
        """See Caller."""

    def on_congestion(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        """See Caller."""

    def took_body(self) -> None:
        """See Caller."""


def request_head(request: Request, rule: Rule, match: Match, peer: str, *, whole_bytes: int | None) -> bytes:
    """The request's head as the pod gets it; ``whole_bytes``: the length of a body that has come already."""
    target = rule.rewrite.path(request.path, match) + request.query
    host = request.header("host") or ""
    headers = [(name, value) for name, value in end_to_end(request.headers) if name not in {"host", "expect"}]
    headers = _forwarded(_without_sessions(headers), peer, host)
    if rule.request_headers:
        headers = rule.request_headers.applied(headers)
    if request.has_body:
        if whole_bytes is not None:
            headers = [(name, value) for name, value in headers if name != "content-length"]
            headers.append(("content-length", str(whole_bytes)))
        elif request.header("content-length") is None:
            headers.append(("transfer-encoding", "chunked"))
    lines = [f"{request.method} {target} HTTP/1.1", f"host: {rule.rewrite.hostname or host}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


def _without_sessions(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The headers without Merlin's own cookies; a Cookie that held nothing else is left out."""
    if not any(name == "cookie" and SESSION_COOKIE in value for name, value in headers):
        return headers
    kept = [(name, _without_session(value) if name == "cookie" else value) for name, value in headers]
    return [(name, value) for name, value in kept if value or name != "cookie"]


def _without_session(cookie: str) -> str:
    return "; ".join(part for part in map(str.strip, cookie.split(";")) if not part.startswith(SESSION_COOKIE))


def _forwarded(headers: list[tuple[str, str]], peer: str, host: str) -> list[tuple[str, str]]:
    known: Mapping[str, str] = dict(headers)
    chain = f"{known['x-forwarded-for']}, {peer}" if "x-forwarded-for" in known else peer
    told = {"x-forwarded-proto": "http", "x-forwarded-host": host}
    ours = {"x-forwarded-for": chain} | {name: value for name, value in told.items() if name not in known}
    return [(name, value) for name, value in headers if name not in ours] + list(ours.items())


async def _send_body(connection: Connection, request: Request, caller: Caller, *, chunked: bool) -> None:
    while piece := await request.next_piece(caller.took_body):
        await connection.send(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
    if chunked:
        await connection.send(b"0\r\n\r\n")
