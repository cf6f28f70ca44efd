"""A request as it came from a caller, and its body while that still comes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl

KEPT_BYTES: Final = 1024 * 1024
"""A body up to this size is kept until the answer has begun, so that it can be sent to another pod."""

HOP_BY_HOP: Final = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


@dataclass(slots=True, eq=False)
class Request:
    """One request. Names of ``headers`` are in lower case; bytes are read as Latin-1, so that none is lost."""

    method: str = ""
    target: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    keeps_alive: bool = True
    version: str = "1.1"
    is_complete: bool = False
    wants_continue: bool = False
    body_bytes: int = 0
    _pieces: deque[bytes] = field(default_factory=deque)
    _kept: list[bytes] | None = field(default_factory=list)
    _came: asyncio.Event = field(default_factory=asyncio.Event)
    _waiting_bytes: int = 0

    @property
    def path(self) -> str:
        """The path, as it was written."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """What follows the question mark, with it; empty without."""
        _, mark, rest = self.target.partition("?")
        return mark + rest

    def query_values(self) -> dict[str, str]:
        """The query's parameters; of equal names the first one counts."""
        found: dict[str, str] = {}
        for name, value in parse_qsl(self.query[1:], keep_blank_values=True):
            found.setdefault(name, value)
        return found

    def header(self, name: str) -> str | None:
        """The first header of that name (in lower case)."""
        return next((value for known, value in self.headers if known == name), None)

    @property
    def has_body(self) -> bool:
        """Whether it said that a body follows."""
        return any(name in {"content-length", "transfer-encoding"} for name, _ in self.headers)

    @property
    def waiting_bytes(self) -> int:
        """How much of the body has come and was not passed on yet."""
        return self._waiting_bytes

    def peek(self) -> bytes:
        """What waits to be passed on."""
        return b"".join(self._pieces)

    def add(self, piece: bytes) -> None:
        """A piece of its body came."""
        self.body_bytes += len(piece)
        self._waiting_bytes += len(piece)
        self._pieces.append(piece)
        self._came.set()

    def complete(self) -> None:
        """Its body is whole."""
        self.is_complete = True
        self._came.set()

    async def next_piece(self, taken: Callable[[], None]) -> bytes:
        """The next piece of the body; empty at its end."""
        while not self._pieces:
            if self.is_complete:
                return b""
            self._came.clear()
            await self._came.wait()
        piece = self._pieces.popleft()
        self._waiting_bytes -= len(piece)
        if self._kept is not None:
            if self.body_bytes <= KEPT_BYTES:
                self._kept.append(piece)
            else:
                self._kept = None
        taken()
        return piece

    def again(self) -> bool:
        """Have the body start anew for another attempt; False when some of it was not kept."""
        if self._kept is None:
            return False
        kept, self._kept = self._kept, []
        self._pieces.extendleft(reversed(kept))
        self._waiting_bytes += sum(len(piece) for piece in kept)
        return True


def end_to_end(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The headers without those that concern only one connection. Names are in lower case."""
    listed = list(headers)
    named = {part.strip().lower() for name, value in listed if name == "connection" for part in value.split(",")}
    return [(name, value) for name, value in listed if name not in HOP_BY_HOP and name not in named]
