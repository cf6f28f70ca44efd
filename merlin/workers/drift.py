"""When to wake the worker for what was settled and is not as wished any more: soon, but not in a circle."""

from __future__ import annotations

import time
from collections.abc import Callable
from uuid import UUID

GRACE_SECONDS = 1.0  # what is being written just now is no drift
LONGEST_PAUSE_SECONDS = 60.0


class Drift:
    """Endpoints that differ, since when, and when they are to be looked after again."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._due: dict[UUID, tuple[float, float]] = {}

    def note(self, endpoint_id: UUID, *, differs: bool) -> tuple[bool, float | None]:
        """Whether to wake the worker now, and in how many seconds to look again (``None`` = no need)."""
        if not differs:
            self._due.pop(endpoint_id, None)
            return False, None
        now = self._clock()
        due, pause = self._due.setdefault(endpoint_id, (now + GRACE_SECONDS, GRACE_SECONDS))
        if now < due:
            return False, due - now
        longer = min(pause * 2, LONGEST_PAUSE_SECONDS)
        self._due[endpoint_id] = (now + longer, longer)
        return True, longer
