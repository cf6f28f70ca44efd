"""Memory limits: the resident memory of a container's process group, read often, and the group killed above its limit.

Not rlimits: a limited address space hangs imports or fakes other errors. Read every 50 ms, an allocator that runs flat
out overshoots by some tens of MB. Where there is no /proc (macOS) there are no limits.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

READ_SECONDS: Final = 0.05
_MEMBERS_SECONDS: Final = 1.0
_PROC: Final = Path("/proc")
_PAGE: Final = os.sysconf("SC_PAGESIZE")


@dataclass
class _Watched:
    limit: int
    exceeded: Callable[[], None]
    members: list[int]


class MemoryWatch:
    """Watches any number of process groups, each by its leader's pid."""

    def __init__(self) -> None:
        self._groups: dict[int, _Watched] = {}

    def add(self, pid: int, limit: int, exceeded: Callable[[], None]) -> None:
        """Call ``exceeded``, once, when the group of that leader holds more than ``limit`` bytes."""
        self._groups[pid] = _Watched(limit, exceeded, [pid])

    def remove(self, pid: int) -> None:
        """Stop watching it."""
        self._groups.pop(pid, None)

    async def run(self) -> None:
        """Watch until cancelled."""
        if not _PROC.is_dir():
            return
        clock = asyncio.get_running_loop().time
        looked = 0.0
        while True:
            await asyncio.sleep(READ_SECONDS if self._groups else 4 * READ_SECONDS)
            if self._groups and clock() - looked > _MEMBERS_SECONDS:
                looked = clock()
                self._find_members()
            for pid, watched in list(self._groups.items()):
                # Pages that members share count twice; a group of one, the usual case, is exact.
                if sum(resident_bytes(member) for member in watched.members) > watched.limit:
                    del self._groups[pid]
                    watched.exceeded()

    def _find_members(self) -> None:
        members: dict[int, list[int]] = {pid: [] for pid in self._groups}
        for entry in os.scandir(_PROC):
            if entry.name.isdigit():
                group = _group_of(entry.name)
                if group in members:
                    members[group].append(int(entry.name))
        for pid, found in members.items():
            self._groups[pid].members = found


def resident_bytes(pid: int) -> int:
    """The resident memory of a process; 0 when there is none."""
    try:
        with (_PROC / str(pid) / "statm").open("rb") as file:
            return int(file.read().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0


def _group_of(pid: str) -> int:
    try:
        with (_PROC / pid / "stat").open("rb") as file:
            return int(file.read().rpartition(b")")[2].split()[2])
    except (OSError, IndexError, ValueError):
        return 0
