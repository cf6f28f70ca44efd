"""What the cluster is to hold for a version endpoint at this moment. Pure.

Level-triggered: the plan follows from what is on record alone, never from what was done before.
"""

from __future__ import annotations

from dataclasses import dataclass

from merlin.domain.lifecycle import Desired, RevisionStatus
from merlin.domain.revision import Strategy
from merlin.domain.wish import Wish, WishedRevision


@dataclass(frozen=True, slots=True)
class Plan:
    """``target`` is applied; ``standing`` (the active one, if another) is only made again where it is missing.

    ``selected`` is whose pods the Service stands for; ``makes_room``: the standing one has to go first. Once the target
    of a RECREATE is ready nothing stands beside it; the active one is made again when it becomes the target.
    """

    target: WishedRevision
    standing: WishedRevision | None
    selected: WishedRevision
    makes_room: bool

    @property
    def timeout_seconds(self) -> int:
        """The route's time-out: that of the revision which takes the calls."""
        if self.target.service_name == self.selected.service_name:
            return self.target.spec.timeout_seconds
        return self.selected.spec.timeout_seconds


def plan(wish: Wish) -> Plan | None:
    """The plan; ``None`` = nothing of the endpoint may be in the cluster."""
    target, active = wish.target, wish.active
    if wish.desired is Desired.TERMINATED or target is None or not target.is_live:
        return None
    if active is None or not active.is_live or active.service_name == target.service_name:
        return Plan(target, None, target, makes_room=False)
    is_ready = target.status in (RevisionStatus.READY, RevisionStatus.ACTIVE)
    if target.spec.strategy is Strategy.RECREATE:
        return Plan(target, None if is_ready else active, target, makes_room=not is_ready)
    return Plan(target, active, target if is_ready else active, makes_room=False)
