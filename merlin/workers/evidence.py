"""The last lines of a failed pod's log, fetched before its objects go."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from uuid import UUID

from merlin.domain.failure import Failure
from merlin.errors import MerlinError
from merlin.kube.client import ReadOnlyCluster

LINES = 30
LONGEST_LINE = 500
DEADLINE_SECONDS = 3.0
MAIN_CONTAINER = "kserve-container"


class Evidence:
    """Log tails by endpoint; ``fetched`` is called with its id when one is there (or was given up)."""

    def __init__(self, cluster: ReadOnlyCluster, fetched: Callable[[UUID], None]) -> None:
        self._cluster = cluster
        self._fetched = fetched
        self._tails: dict[UUID, tuple[str, list[str]]] = {}
        self._tasks: dict[UUID, asyncio.Task[None]] = {}

    async def close(self) -> None:
        """Fetch nothing any more."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def tail(self, endpoint_id: UUID, namespace: str, failure: Failure) -> list[str] | None:
        """The lines that belong to a failure; ``None`` while they are being fetched (ask again when it calls)."""
        pod = str(failure.evidence.get("pod") or "")
        if not pod or "log_tail" in failure.evidence:
            return []
        known = self._tails.get(endpoint_id)
        if known is not None and known[0] == pod:
            return known[1]
        if endpoint_id not in self._tasks:
            container = str(failure.evidence.get("container") or MAIN_CONTAINER)
            self._tasks[endpoint_id] = asyncio.create_task(self._fetch(endpoint_id, namespace, pod, container))
        return None

    def forget(self, endpoint_id: UUID) -> None:
        """It was written down, or is of no interest any more."""
        self._tails.pop(endpoint_id, None)

    async def _fetch(self, endpoint_id: UUID, namespace: str, pod: str, container: str) -> None:
        try:
            lines: list[str] = []
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(DEADLINE_SECONDS):
                    lines = await self._read(namespace, pod, container)
            self._tails[endpoint_id] = (pod, lines)
        finally:
            self._tasks.pop(endpoint_id, None)
        self._fetched(endpoint_id)

    async def _read(self, namespace: str, pod: str, container: str) -> list[str]:
        """Of the run that ended, if one did; else of the one that goes on."""
        for previous in (True, False):
            lines: deque[str] = deque(maxlen=LINES)
            with contextlib.suppress(MerlinError):
                async for line in self._cluster.logs(namespace, pod, container, tail_lines=LINES, previous=previous):
                    lines.append(line.text[:LONGEST_LINE])
            if lines:
                return list(lines)
        return []
