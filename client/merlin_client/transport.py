"""Operations over HTTP: each with a deadline, repeated while that is safe, answered with data or a `MerlinError`.

Queries change nothing, and every mutation carries an idempotency key of its own, so repeating after a lost answer
never does anything twice. The rest of the package sees no gql, no HTTP and no GraphQL errors.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from merlin_client import operations
from merlin_client.addresses import Address, is_loopback
from merlin_client.errors import MerlinError, ServerFault, TimedOut, Unauthorized, Unavailable, errors_from

if TYPE_CHECKING:
    from gql.transport.aiohttp import AIOHTTPTransport

Result = TypeVar("Result")

_WORTH_REPEATING = frozenset({408, 425, 429, 500, 502, 503, 504})
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 2.0


class LostConnection(Exception):
    """The answer did not come; nobody knows whether the request did. Only the retries of this package see it.

    ``reached`` is false where not even a connection could be made."""

    def __init__(self, message: str, *, reached: bool = True) -> None:
        super().__init__(message)
        self.reached = reached


class Transport:
    """One server, for one event loop.

    ``timeout_seconds`` is one attempt's deadline; ``patience_seconds`` is how long attempts go on while the server is
    restarting. One that has never answered gets two seconds only: its address is probably wrong.
    """

    def __init__(self, address: Address, *, timeout_seconds: float = 30.0, patience_seconds: float = 15.0) -> None:
        self.address = address
        self.timeout_seconds = timeout_seconds
        self._patience_seconds = patience_seconds
        self._answered = False
        self._http: AIOHTTPTransport | None = None
        self._opening = asyncio.Lock()

    @property
    def headers(self) -> dict[str, str]:
        """What every request carries, the token included."""
        return {"authorization": f"Bearer {self.address.token}"} if self.address.token else {}

    async def ask(self, operation: str, /, **variables: Any) -> dict[str, Any]:
        """The data of a query. Raises MerlinError."""
        return await self.patiently(lambda: self._attempt(operation, variables))

    async def change(self, operation: str, /, **fields: Any) -> dict[str, Any]:
        """The payload of a mutation, whose input fields these are; ``None`` is left out. Raises MerlinError."""
        given = {name: value for name, value in fields.items() if value is not None}
        data = await self.ask(operation, input={"idempotencyKey": str(uuid4()), **given})
        payload = next(iter(data.values()))
        if payload.get("errors"):
            raise errors_from(payload["errors"])
        return dict(payload)

    async def patiently(self, attempt: Callable[[], Awaitable[Result]]) -> Result:
        """Its result; repeated with growing pauses while the connection is lost. Raises Unavailable at last."""
        started = time.monotonic()
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                result = await attempt()
            except LostConnection as error:
                self._answered = self._answered or error.reached
                patience = self._patience_seconds if self._answered else min(2.0, self._patience_seconds)
                if time.monotonic() + pause - started > patience:
                    raise self._unavailable(error) from error
                await asyncio.sleep(pause * (0.5 + random.random() / 2))  # noqa: S311 not a secret
                pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
            else:
                self._answered = True
                return result

    async def close(self) -> None:
        """Close the connections; the next operation opens them again."""
        if self._http is not None:
            http, self._http = self._http, None
            await http.close()

    def _unavailable(self, error: LostConnection) -> MerlinError:
        if self._answered:
            said = f"Merlin at {self.address.url} does not answer any more: {error}."
            return Unavailable(said, hint="Try again; that is safe.")
        why = f": {error}" if error.reached else ""
        hint = "Is it running? `merlin up` starts it here; --url, MERLIN_URL or set_url(...) names another."
        return Unavailable(f"Merlin does not answer at {self.address.url}{why}.", hint=hint)

    async def _attempt(self, operation: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        from gql import GraphQLRequest
        from gql.transport.exceptions import TransportError

        request = GraphQLRequest(operations.document(operation), variable_values=dict(variables))
        try:
            async with asyncio.timeout(self.timeout_seconds):
                result = await (await self._connected()).execute(request)
        except TimeoutError as error:
            raise LostConnection(f"no answer within {self.timeout_seconds:g} s") from error
        except TransportError as error:
            raise translated(error, self.address) from error
        if result.errors:
            raise _told([dict(shape) for shape in result.errors], self.address)  # type: ignore[call-overload]
        if result.data is None:
            raise ServerFault("Merlin answered without data.")
        return dict(result.data)

    async def _connected(self) -> AIOHTTPTransport:
        async with self._opening:
            if self._http is None:
                from gql.transport.aiohttp import AIOHTTPTransport

                # aiohttp and not httpx: gql 4.0 and 4.4 use two different packages of that name's family.
                http = AIOHTTPTransport(
                    self.address.url,
                    headers=self.headers,
                    client_session_args={"trust_env": not is_loopback(self.address.url)},
                )
                await http.connect()
                self._http = http
            return self._http


def translated(error: Exception, address: Address) -> Exception:
    """A failure of gql as `LostConnection` (repeat) or a `MerlinError` (do not)."""
    from aiohttp import ClientConnectorError
    from gql.transport.exceptions import TransportQueryError, TransportServerError

    if isinstance(error, TransportQueryError) and error.errors:
        shape = error.errors[0]
        return _told([shape if isinstance(shape, dict) else {"message": str(shape)}], address)
    if isinstance(error, TransportServerError) and error.code is not None:
        return refused(error.code, str(error), address)
    cause = error.__cause__ or error
    why = f"{type(cause).__name__}: {cause}" if str(cause) else type(cause).__name__
    return LostConnection(why, reached=not isinstance(cause, ClientConnectorError))


def _told(shapes: list[dict[str, Any]], address: Address) -> MerlinError:
    error = errors_from(shapes)
    return _unauthorized(address) if isinstance(error, Unauthorized) else error


def refused(status: int, text: str, address: Address) -> Exception:
    """An HTTP status as `LostConnection` or a `MerlinError`."""
    if status in _WORTH_REPEATING:
        return LostConnection(f"HTTP {status}")
    if status == 401:
        return _unauthorized(address)
    return ServerFault(f"HTTP {status}: {text[:300]}", hint="Is this the address of Merlin's API?")


def _unauthorized(address: Address) -> Unauthorized:
    hint = "Set MERLIN_TOKEN, or give token=...; a local platform's stands in addresses.json of its own data folder."
    if address.token is None:
        return Unauthorized(f"Merlin at {address.url} wants a token, and none was given.", hint=hint)
    said = f"Merlin at {address.url} does not know this token ({address.found_in}), or its time is over."
    return Unauthorized(said, hint=hint)


def deadline_passed(what: str, seconds: float) -> TimedOut:
    """The error for a wait that was given up."""
    return TimedOut(f"{what} took longer than {seconds:g} s.", hint="It goes on; look at it with status or history.")
