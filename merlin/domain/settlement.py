"""What is to be written down after looking at the cluster: the answer of `settle`, the argument of `record_…`.

A Settlement states the endpoint as a whole, not a difference: writing the same one twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from merlin.domain.failure import Failure
from merlin.domain.lifecycle import Lifecycle, ModelEndpointStatus, RevisionStatus, Severity
from merlin.domain.traffic import TrafficRule


@dataclass(frozen=True, slots=True)
class RevisionMove:
    """A revision is now ``status``; steps between are walked. ``drain_until`` goes with DRAINING."""

    number: int
    status: RevisionStatus
    failure: Failure | None = None
    drain_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Happening:
    """A line for the timeline, about the endpoint that the settlement is about.

    With a ``key`` (it is kept in ``data``) it is told once for ever; without one, whenever something else changes too.
    """

    type: str
    message: str
    reason: str = ""
    severity: Severity = Severity.INFO
    data: dict[str, Any] = field(default_factory=dict)
    revision: int | None = None
    key: str = ""


@dataclass(frozen=True, slots=True)
class Settlement:
    """A version endpoint as observed. ``wake_after_seconds``: reconcile it again then (0 = now, None = no need).

    ``settled``: the cluster matches this generation (stored as observed_generation); until then resync wakes it.
    """

    lifecycle: Lifecycle
    progressing: bool
    healthy: bool
    settled: bool
    reason: str = ""
    message: str = ""
    failure: Failure | None = None
    target_revision: int | None = None
    active_revision: int | None = None
    moves: tuple[RevisionMove, ...] = ()
    happenings: tuple[Happening, ...] = ()
    wake_after_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class TrafficSettlement:
    """A model endpoint as observed. ``observed_rule`` is what the gateway really does (None = no route)."""

    status: ModelEndpointStatus
    progressing: bool
    settled: bool
    observed_rule: TrafficRule | None
    reason: str = ""
    message: str = ""
    failure: Failure | None = None
    happenings: tuple[Happening, ...] = ()
    wake_after_seconds: float | None = None


def with_log_tail(settlement: Settlement, lines: Sequence[str]) -> Settlement:
    """The same, its failure with the log's last lines as evidence wherever it stands."""
    bare = settlement.failure
    if bare is None or not lines:
        return settlement
    found = replace(bare, evidence={**bare.evidence, "log_tail": list(lines)})
    return replace(
        settlement,
        failure=found,
        moves=tuple(replace(m, failure=found) if m.failure == bare else m for m in settlement.moves),
        happenings=tuple(
            replace(h, data={**h.data, "failure": found.as_json()}) if h.data.get("failure") == bare.as_json() else h
            for h in settlement.happenings
        ),
    )
