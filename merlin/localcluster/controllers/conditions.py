"""Conditions as KServe (Knative's condition sets) and the Gateway API keep them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from merlin.localcluster.controllers import clock

Condition = dict[str, Any]

READY: Final = "Ready"


class ReadyConditions:
    """Knative's rule: ``Ready`` is the first of its dependents that is False, else Unknown, else True.

    Sorted by type; a condition's time moves when anything of it changes; a condition that nothing depends on has
    the severity Info.
    """

    def __init__(self, stored: Sequence[Mapping[str, Any]], dependents: Sequence[str]) -> None:
        self._dependents = tuple(dependents)
        self._by_type: dict[str, Condition] = {str(c["type"]): dict(c) for c in stored}

    def initialize(self) -> None:
        """Make those that are missing Unknown."""
        for kind in (*self._dependents, READY):
            if kind not in self._by_type:
                self._put(kind, "Unknown", "", "")

    def mark(self, kind: str, status: str, reason: str = "", message: str = "") -> None:
        """Set one, and Ready with it."""
        self._put(kind, status, reason, message)
        if kind in self._dependents:
            self._settle()

    def status(self, kind: str) -> str:
        """True, False or Unknown."""
        return str(self._by_type.get(kind, {}).get("status", "Unknown"))

    def reason(self, kind: str) -> str:
        """The reason, or nothing."""
        return str(self._by_type.get(kind, {}).get("reason", ""))

    def not_true(self) -> list[str]:
        """The types that are False, sorted (as KServe's events name them)."""
        return [kind for kind in sorted(self._by_type) if self.status(kind) == "False"]

    def stored(self) -> list[Condition]:
        """As they stand in a status."""
        return [self._by_type[kind] for kind in sorted(self._by_type)]

    def _settle(self) -> None:
        for unhappy in ("False", "Unknown"):
            for kind in self._dependents:
                if self.status(kind) == unhappy:
                    found = self._by_type.get(kind, {})
                    self._put(READY, unhappy, str(found.get("reason", "")), str(found.get("message", "")))
                    return
        self._put(READY, "True", "", "")

    def _put(self, kind: str, status: str, reason: str, message: str) -> None:
        wanted: Condition = {"type": kind, "status": status}
        if reason:
            wanted["reason"] = reason
        if message:
            wanted["message"] = message
        if kind not in (*self._dependents, READY):
            wanted["severity"] = "Info"
        have = {key: value for key, value in self._by_type.get(kind, {}).items() if key != "lastTransitionTime"}
        if have != wanted:
            self._by_type[kind] = {**wanted, "lastTransitionTime": clock.stamp()}


def observed(
    stored: Sequence[Mapping[str, Any]], kind: str, *, met: bool, reason: str, message: str, generation: int
) -> Condition:
    """A condition of the Gateway API; its time moves only when its status does."""
    status = "True" if met else "False"
    before = next((c for c in stored if c.get("type") == kind), None)
    at = before["lastTransitionTime"] if before is not None and before.get("status") == status else clock.stamp()
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "observedGeneration": generation,
        "lastTransitionTime": at,
    }
