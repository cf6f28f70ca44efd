"""A rule that the cluster refused when it was applied: written down as the watcher would write it."""

from __future__ import annotations

from merlin.db import model_endpoints
from merlin.domain.settle_traffic import refused
from merlin.domain.wish import TrafficWish
from merlin.errors import MerlinError
from merlin.workers.failures import failure_of


async def record_refused_rule(wish: TrafficWish, error: MerlinError) -> None:
    """Give the wished rule up; the one before holds. Nothing is written when the wish moved on, or again."""
    if wish.progressing:
        await model_endpoints.record_observed(
            None, wish.endpoint_id, generation=wish.generation, settlement=refused(wish, failure_of(error))
        )
