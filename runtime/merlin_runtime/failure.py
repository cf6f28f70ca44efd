"""Why a model does not come up, in words a program can read.

The last thing a failing runtime says is one line on stderr, `MERLIN_FAILURE {json}`; the same JSON goes to the
container's termination log. Whoever watches the pod reads the cause there and needs no guess from exit codes.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

EXIT_CODE = 3
TERMINATION_LOG = "/dev/termination-log"
# Kubernetes keeps 4096 bytes of a termination message and cuts the rest, which would cut our JSON.
TERMINATION_LOG_BYTES = 4096


class LoadFailure(Exception):
    """The model cannot be served; ``code`` is stable and public, ``details`` are evidence."""

    def __init__(self, code: str, message: str, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = dict(details or {})

    def as_json(self) -> str:
        """One line, at most 4096 bytes: details are dropped, then the message cut, when there is too much to say."""
        whole = self._dump(self.message, self.details)
        if len(whole.encode()) <= TERMINATION_LOG_BYTES:
            return whole
        for kept in (2000, 800, 200):
            cut = {key: _cut(value, kept) for key, value in self.details.items()}
            short = self._dump(self.message[:kept], cut)
            if len(short.encode()) <= TERMINATION_LOG_BYTES:
                return short
        return self._dump(self.message[:200], {})

    def _dump(self, message: str, details: Mapping[str, Any]) -> str:
        return json.dumps({"code": self.code, "message": message, "details": dict(details)}, default=str)


def _cut(value: Any, length: int) -> Any:
    if isinstance(value, str):
        return value[-length:]
    if isinstance(value, list):
        return value[: max(1, length // 100)]
    return value


def report(failure: LoadFailure) -> None:
    """Write the failure to the termination log (where there is one) and, last of all, to stderr."""
    line = failure.as_json()
    path = Path(os.environ.get("TERMINATION_LOG_PATH", TERMINATION_LOG))
    if "TERMINATION_LOG_PATH" in os.environ or path.exists():
        try:
            path.write_text(line)
        except OSError as error:
            print(f"termination log {path} could not be written: {error}", file=sys.stderr)
    sys.stdout.flush()
    print(f"MERLIN_FAILURE {line}", file=sys.stderr, flush=True)
