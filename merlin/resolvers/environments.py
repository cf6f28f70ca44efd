"""Environments as they are read; everybody who may call sees them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from merlin.db.listing import Condition, Sort, Window, read_where
from merlin.db.read_environments import (
    ENVIRONMENTS,
    EnvironmentFilter,
    EnvironmentOrderField,
    environment_conditions,
)
from merlin.db.records import EnvironmentRecord
from merlin.domain.revision import RevisionSpec
from merlin.resolvers.context import Context
from merlin.resolvers.endpoints import shown_spec
from merlin.resolvers.lists import Listed, list_all

_BY_NAME = (EnvironmentOrderField.NAME.value,)


async def environments(
    _root: Any, _context: Context, wanted: EnvironmentFilter | None, order: tuple[Sort, ...], window: Window
) -> Listed:
    """All there are."""
    return await list_all(
        ENVIRONMENTS, environment_conditions(wanted or EnvironmentFilter()), order or _BY_NAME, window
    )


async def environment_by_name(name: str | None) -> EnvironmentRecord | None:
    """The one of that name; the default one if none is named."""
    condition = Condition("n.is_default") if name is None else Condition("n.name = ?", (name,))
    found = await read_where(ENVIRONMENTS, condition)
    return found[0] if found else None


async def defaults_of(environment: EnvironmentRecord, context: Context) -> RevisionSpec:
    """What a deploy gets where it says nothing; values of variables for administrators only."""
    return shown_spec(environment.config.defaults, may_see_values=context.actor.is_administrator)


def health_at(environment: EnvironmentRecord) -> datetime | None:
    """When its health was last noted."""
    at = environment.health.get("at")
    return datetime.fromisoformat(at) if at else None
