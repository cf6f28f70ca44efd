"""A container's log as it is asked for: its last lines, since a time, and what comes from now on."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final

from merlin.localcluster.kubelet.attempt import Attempt

_POLL_SECONDS: Final = 0.05
_BLOCK: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class LogQuery:
    """What is asked of a log; times in seconds since 1970."""

    follow: bool = False
    tail_lines: int | None = None
    since: float | None = None
    timestamps: bool = False
    limit_bytes: int | None = None


async def read_log(attempt: Attempt, query: LogQuery) -> AsyncIterator[bytes]:
    """Pieces of the log, in order, none lost; with ``follow`` until the run has ended."""
    reader = _Reader(attempt.log)
    left = query.limit_bytes if query.limit_bytes is not None else -1
    try:
        past = await asyncio.to_thread(reader.past, query.tail_lines)
        if query.since is not None:
            first = datetime.fromtimestamp(query.since, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
            past = [line for line in past if line[:26].decode("ascii", "replace") >= first]
        piece = _shown(past, query.timestamps)
        while True:
            if left >= 0:
                piece, left = piece[:left], left - len(piece[:left])
            if piece:
                yield piece
            if left == 0 or not query.follow:
                return
            is_over = attempt.ended() is not None
            lines = reader.more()
            if is_over and not lines:
                return
            piece = _shown(lines, query.timestamps)
            if not lines:
                # An empty piece lets the one who serves it find out whether anybody still listens.
                yield b""
                await asyncio.sleep(_POLL_SECONDS)
    finally:
        reader.close()


class _Reader:
    """Reads whole lines of a log that may be put aside and begun anew while it is read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._rest = b""

    def past(self, tail_lines: int | None) -> list[bytes]:
        """The lines there are, or the last ones of them."""
        lines = self.more()
        older = self._path.with_name("log.1")
        if (tail_lines is None or len(lines) < tail_lines) and older.exists():
            lines = older.read_bytes().splitlines(keepends=True) + lines
        if tail_lines is None:
            return lines
        return lines[-tail_lines:] if tail_lines > 0 else []

    def more(self) -> list[bytes]:
        """The whole lines that came since."""
        lines = list(self._read())
        if self._file is not None and self._was_put_aside(self._file):
            lines += self._read()
            self.close()
            lines += self._read()
        return lines

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _read(self) -> Iterator[bytes]:
        if self._file is None:
            try:
                self._file = self._path.open("rb")
            except OSError:
                return
        while block := self._file.read(_BLOCK):
            *lines, self._rest = (self._rest + block).split(b"\n")
            for line in lines:
                yield line + b"\n"

    def _was_put_aside(self, file: BinaryIO) -> bool:
        try:
            return self._path.stat().st_ino != os.fstat(file.fileno()).st_ino
        except OSError:
            return False


def _shown(lines: list[bytes], timestamps: bool) -> bytes:
    if timestamps:
        return b"".join(lines)
    return b"".join(line.partition(b" ")[2] for line in lines)
