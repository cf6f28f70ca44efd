"""How long to wait before a retry: longer each time, with some chance in it, per key."""

from __future__ import annotations

import random
from collections.abc import Hashable

FIRST_SECONDS = 0.1
LONGEST_SECONDS = 5.0  # an accepted wish must come true within ten seconds of the cluster's return


class Backoff:
    """Attempts by key, in memory: a restart of the process only tries sooner."""

    def __init__(self) -> None:
        self._attempts: dict[Hashable, int] = {}

    def next(self, key: Hashable) -> float:
        """Seconds to wait now; doubles with each call."""
        attempt = self._attempts.get(key, 0)
        self._attempts[key] = min(attempt + 1, 16)
        return min(FIRST_SECONDS * 2.0**attempt, LONGEST_SECONDS) * random.uniform(0.7, 1.0)  # noqa: S311

    def reset(self, key: Hashable) -> None:
        """It went well."""
        self._attempts.pop(key, None)
