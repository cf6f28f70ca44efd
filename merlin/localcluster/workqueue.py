"""Keys that want to be reconciled: each once however often it was asked for, each by one worker at a time.

A reconcile function gets a key and nothing else; it reads the world afresh and makes it match. It may be called twice,
late, or for what is gone. What it raises is tried again, later and later.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable
from typing import Final, Generic, TypeVar

from merlin.localcluster.client import Conflict, KubeError

log = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS: Final = 0.01
LONGEST_PAUSE_SECONDS: Final = 30.0

Key = TypeVar("Key", bound=Hashable)


class Workqueue(Generic[Key]):
    """A reconcile loop. ``reconcile`` may answer after how many seconds it wants to be called again."""

    def __init__(self, name: str, reconcile: Callable[[Key], Awaitable[float | None]], *, concurrency: int = 8) -> None:
        self._name = name
        self._reconcile = reconcile
        self._concurrency = concurrency
        self._due: dict[Key, None] = {}
        self._active: dict[Key, asyncio.Task[None]] = {}
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._failures: dict[Key, int] = {}
        self._wake = asyncio.Event()

    def add(self, key: Key, *, after: float = 0.0) -> None:
        """Have the key reconciled, now or after some seconds; asked for twice, the earlier time holds."""
        timer = self._timers.get(key)
        if after <= 0:
            if timer is not None:
                timer.cancel()
                del self._timers[key]
            self._due[key] = None
            self._wake.set()
            return
        loop = asyncio.get_running_loop()
        if timer is not None:
            if timer.when() <= loop.time() + after:
                return
            timer.cancel()
        self._timers[key] = loop.call_later(after, self.add, key)

    async def run(self) -> None:
        """Reconcile until cancelled."""
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                self._start_due()
        finally:
            for timer in self._timers.values():
                timer.cancel()
            tasks = list(self._active.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _start_due(self) -> None:
        for key in list(self._due):
            if len(self._active) >= self._concurrency:
                return
            if key not in self._active:
                del self._due[key]
                self._active[key] = asyncio.create_task(self._one(key), name=f"{self._name} {key}")

    async def _one(self, key: Key) -> None:
        try:
            again = await self._reconcile(key)
            self._failures.pop(key, None)
            if again is not None:
                self.add(key, after=again)
        except KubeError as error:
            level = logging.DEBUG if isinstance(error, Conflict) else logging.INFO
            log.log(level, "reconcile again", extra={"queue": self._name, "key": key, "reason": error.message})
            self._retry(key)
        except Exception:  # the edge of the loop: one broken object must not stop the others
            log.exception("reconcile failed", extra={"queue": self._name, "key": key})
            self._retry(key)
        finally:
            self._active.pop(key, None)
            self._wake.set()

    def _retry(self, key: Key) -> None:
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        self.add(key, after=min(FIRST_PAUSE_SECONDS * 2 ** min(failures, 20), LONGEST_PAUSE_SECONDS))
