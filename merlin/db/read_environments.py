"""Lists of environments."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

import orjson

from merlin.db.listing import Condition, Kind, Listing, Sort
from merlin.db.read_projects import contains
from merlin.db.records import EnvironmentRecord, maker
from merlin.domain.environment import EnvironmentConfig


@lru_cache(maxsize=256)
def _config(stored: str) -> EnvironmentConfig:
    # Parsed anew for every row of a list it would cost more than the query.
    return EnvironmentConfig.from_json(orjson.loads(stored))


ENVIRONMENTS = Listing(
    "n.*", "FROM environment n", "n.id", maker(EnvironmentRecord, config=_config, health=orjson.loads)
)


@dataclass(frozen=True, slots=True)
class EnvironmentFilter:
    """All given conditions hold."""

    name_contains: str | None = None
    detached: bool | None = None


class EnvironmentOrderField(Enum):
    """What environments can be sorted by."""

    NAME = Sort("name", "n.name", Kind.TEXT)


def environment_conditions(wanted: EnvironmentFilter) -> tuple[Condition, ...]:
    """The filter as SQL."""
    found = []
    if wanted.name_contains is not None:
        found.append(contains("n.name", wanted.name_contains))
    if wanted.detached is not None:
        found.append(Condition("n.detached = ?", (wanted.detached,)))
    return tuple(found)
