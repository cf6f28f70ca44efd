"""Lists of models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from uuid import UUID

from merlin.db.connection import borrowed, translated
from merlin.db.listing import Condition, Kind, Listing, Sort
from merlin.db.read_endpoints import SHOWN_LIFECYCLE
from merlin.db.read_projects import ENDPOINT_COUNTS, EndpointCounts, contains
from merlin.db.records import make_model

MODELS = Listing("m.*", "FROM model m", "m.id", make_model)
OF_PROJECT = "m.project_id"


@dataclass(frozen=True, slots=True)
class ModelFilter:
    """All given conditions hold. ``serving``: whether any model endpoint of it has an observed rule."""

    name_contains: str | None = None
    type: str | None = None
    serving: bool | None = None


class ModelOrderField(Enum):
    """What models can be sorted by."""

    NAME = Sort("name", "m.name", Kind.TEXT)
    CREATED_AT = Sort("created", "m.created_at", Kind.TIME)
    UPDATED_AT = Sort("updated", "m.updated_at", Kind.TIME)


def model_conditions(wanted: ModelFilter) -> tuple[Condition, ...]:
    """The filter as SQL."""
    found = []
    if wanted.name_contains is not None:
        found.append(contains("m.name", wanted.name_contains))
    if wanted.type is not None:
        found.append(Condition("m.type = ?", (wanted.type,)))
    if wanted.serving is not None:
        serves = "EXISTS (SELECT FROM model_endpoint x WHERE x.model_id = m.id AND x.observed_rule IS NOT NULL)"
        found.append(Condition(serves if wanted.serving else f"NOT {serves}"))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class ModelSummary(EndpointCounts):
    """How a model's versions are."""


async def summaries_of_models(model_ids: Sequence[UUID]) -> dict[UUID, ModelSummary]:
    """The summary of each model; one statement."""
    async with borrowed() as connection:
        with translated():
            rows = await connection.fetch(_SUMMARIES, list(model_ids))
    return {row["id"]: ModelSummary(*list(row.values())[1:]) for row in rows}


_SUMMARIES = f"""
SELECT m.id, {ENDPOINT_COUNTS}
FROM unnest($1::uuid[]) AS m (id) JOIN LATERAL (
  SELECT {SHOWN_LIFECYCLE} AS shown, e.progressing, e.healthy
  FROM version_endpoint e JOIN version v ON v.id = e.version_id WHERE v.model_id = m.id
) AS endpoints ON true GROUP BY m.id
"""  # noqa: S608 (our own words)
