"""One requested configuration of a version endpoint: immutable, numbered, with what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any


@dataclass(frozen=True, slots=True)
class Failure:
    """Why something failed: a stable code, what happened, what to do, and the evidence."""

    code: str
    message: str
    fix: str
    evidence: dict[str, Any]


def failure_from(shape: dict[str, Any] | None) -> Failure | None:
    """The failure as the server told it."""
    if not shape:
        return None
    return Failure(str(shape["code"]), str(shape["message"]), str(shape["fix"]), dict(shape["evidence"] or {}))


@dataclass(frozen=True, slots=True)
class Revision:
    """A revision as it was when it was read."""

    facts: dict[str, Any]

    @property
    def number(self) -> int:
        """1, 2, 3 … for each version endpoint."""
        return int(self.facts["number"])

    @property
    def status(self) -> str:
        """QUEUED, STARTING, READY, ACTIVE, DRAINING, REMOVED, FAILED, CANCELLED or SUPERSEDED."""
        return str(self.facts["status"])

    @property
    def cause(self) -> str:
        """DEPLOY, REDEPLOY or ROLLBACK."""
        return str(self.facts["cause"])

    @property
    def comment(self) -> str:
        """What was said when it was asked for."""
        return str(self.facts["comment"])

    @property
    def created_by(self) -> str:
        """Who asked for it."""
        return str(self.facts["createdBy"])

    @property
    def created_at(self) -> str:
        """When it was asked for (ISO 8601)."""
        return str(self.facts["createdAt"])

    @property
    def spec(self) -> dict[str, Any]:
        """Resources, replicas, timeouts, variables: all that was asked for."""
        return dict(self.facts["spec"])

    @property
    def failure(self) -> Failure | None:
        """Why it failed, if it did."""
        return failure_from(self.facts["failure"])

    def __repr__(self) -> str:
        failed = f": {self.failure.code}" if self.failure else ""
        return f"<Revision {self.number} {self.cause.lower()} {self.status}{failed}>"


class History(list[Revision]):
    """Revisions, newest first; a table in a notebook."""

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{r.number}</td><td>{escape(r.status)}</td><td>{escape(r.cause.lower())}</td>"
            f"<td>{escape(r.created_by)}</td><td>{escape(r.created_at)}</td>"
            f"<td>{escape(r.failure.message if r.failure else r.comment)}</td></tr>"
            for r in self
        )
        head = "".join(f"<th>{name}</th>" for name in ("revision", "status", "cause", "by", "at", "what"))
        return f"<table><tr>{head}</tr>{rows}</table>"
