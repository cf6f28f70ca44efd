"""One line of a timeline: numbered, typed, never changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Event:
    """An event as the server told it."""

    facts: dict[str, Any]

    @property
    def cursor(self) -> str:
        """Its place in the log: give it as ``after`` to go on from here."""
        return str(self.facts["cursor"])

    @property
    def at(self) -> str:
        """When it happened (ISO 8601)."""
        return str(self.facts["at"])

    @property
    def type(self) -> str:
        """What kind of event it is."""
        return str(self.facts["type"])

    @property
    def severity(self) -> str:
        """INFO, WARNING or ERROR."""
        return str(self.facts["severity"])

    @property
    def reason(self) -> str:
        """Why, in one word."""
        return str(self.facts["reason"])

    @property
    def message(self) -> str:
        """What happened, in a sentence."""
        return str(self.facts["message"])

    def __repr__(self) -> str:
        return f"<Event {self.at} {self.type} {self.message}>"
