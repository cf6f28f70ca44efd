"""A stream of bytes as lines, of any length up to a limit."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from merlin.errors import Unavailable

LONGEST_LINE: Final = 8 << 20  # etcd holds 1.5 MiB; a watch event wraps it


async def split_lines(chunks: AsyncIterator[bytes], *, longest: int = LONGEST_LINE) -> AsyncIterator[bytes]:
    """Each line without its end; a last one that has no end too. Raises Unavailable for a line without end."""
    pending: list[bytes] = []
    size = 0
    async for chunk in chunks:
        *complete, rest = chunk.split(b"\n")
        for line in complete:
            whole = b"".join([*pending, line])
            pending, size = [], 0
            if whole.strip():
                yield whole
        pending.append(rest)
        size += len(rest)
        if size > longest:
            raise Unavailable(f"The cluster sent a line of more than {longest >> 20} MiB.")
    whole = b"".join(pending)
    if whole.strip():
        yield whole
