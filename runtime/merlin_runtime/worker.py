"""The thread that predicts, beside the event loop.

One at a time: models need not be thread-safe. A thread cannot be stopped in Python, so one that is stuck is left
behind and replaced; it dies with the process.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from queue import SimpleQueue

log = logging.getLogger(__name__)

Task = Callable[[], None]


class Worker:
    """Runs what it is handed in its own thread and reports back on the loop. ``max_abandoned`` bounds replacements."""

    def __init__(self, loop: asyncio.AbstractEventLoop, max_abandoned: int = 4) -> None:
        self._loop = loop
        self._max_abandoned = max_abandoned
        self.abandoned = 0
        self._tasks = self._started()

    def run(self, task: Task, done: Task) -> None:
        """Run ``task`` in the thread (it must not raise), then ``done`` on the loop, unless abandoned meanwhile."""
        tasks = self._tasks

        def finish() -> None:
            if tasks is self._tasks:
                done()

        def whole() -> None:
            task()
            self._loop.call_soon_threadsafe(finish)

        tasks.put(whole)

    def abandon(self) -> bool:
        """Leave the running task to itself and go on with a new thread; False when too many were left behind."""
        if self.abandoned >= self._max_abandoned:
            return False
        self.abandoned += 1
        self._tasks.put(None)
        self._tasks = self._started()
        return True

    def close(self) -> None:
        self._tasks.put(None)

    def _started(self) -> SimpleQueue[Task | None]:
        tasks: SimpleQueue[Task | None] = SimpleQueue()
        # A daemon, so that a stuck model never keeps the process from ending.
        threading.Thread(target=_work, args=(tasks,), name="predict", daemon=True).start()
        return tasks


def _work(tasks: SimpleQueue[Task | None]) -> None:
    while (task := tasks.get()) is not None:
        try:
            task()
        except RuntimeError as error:  # the loop was closed while an abandoned call was still running
            log.warning("a result came too late", extra={"reason": str(error)})
            return
