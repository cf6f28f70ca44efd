"""What every object of one client shares: the transport, the streams, the door to endpoints, and paging."""

from __future__ import annotations

import weakref
from collections.abc import AsyncIterator
from typing import Any

from merlin_client import portal
from merlin_client.addresses import Address
from merlin_client.asking import Endpoints
from merlin_client.errors import NotFound
from merlin_client.streams import Streams
from merlin_client.transport import Transport

_PAGE = 50


class Connection:
    """One server, for one event loop; opened when it is first needed."""

    def __init__(self, address: Address, *, timeout_seconds: float = 30.0, patience_seconds: float = 15.0) -> None:
        self.address = address
        self.transport = Transport(address, timeout_seconds=timeout_seconds, patience_seconds=patience_seconds)
        self.streams = Streams(self.transport)
        self.ask = self.transport.ask
        self.change = self.transport.change
        self.endpoints = Endpoints()
        self._server: dict[str, Any] | None = None

    async def server(self) -> dict[str, Any]:
        """Version and addresses of the server, and who you are to it: asked once."""
        if self._server is None:
            answer = await self.ask("server")
            self._server = {**answer["server"], "me": answer["me"]}
        return self._server

    async def node(self, operation: str, node_id: str, /, **variables: Any) -> dict[str, Any]:
        """The node's fields. Raises NotFound."""
        found = (await self.ask(operation, id=node_id, **variables))["node"]
        if not found:
            raise NotFound("It is not there any more.")
        return dict(found)

    async def pages(
        self, operation: str, path: tuple[str, ...], /, *, limit: int | None = None, **variables: Any
    ) -> AsyncIterator[dict[str, Any]]:
        """Every node of the connection at ``path`` of the answer, a page at a time as they are used."""
        after, left = None, limit
        while left is None or left > 0:
            size = _PAGE if left is None else min(_PAGE, left)
            found: Any = await self.ask(operation, first=size, after=after, **variables)
            for name in path:
                found = (found or {}).get(name)
            if not found:
                raise NotFound("It is not there any more.")
            for node in found["nodes"]:
                yield node
            left = None if left is None else left - len(found["nodes"])
            if not found["pageInfo"]["hasNextPage"]:
                return
            after = found["pageInfo"]["endCursor"]

    async def close(self) -> None:
        """Close everything; the next use opens it again."""
        await self.transport.close()
        await self.endpoints.close()

    def close_when_forgotten(self) -> None:
        """Have it closed by itself on the private loop, when nothing refers to it any more or Python ends."""
        weakref.finalize(self, _forget, self.transport, self.endpoints)


def _forget(transport: Transport, endpoints: Endpoints) -> None:
    async def close() -> None:
        await transport.close()
        await endpoints.close()

    portal.run_soon(close())
