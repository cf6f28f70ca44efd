"""Lists of version endpoints, their revisions, and model endpoints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from uuid import UUID

from merlin.db.connection import borrowed, translated
from merlin.db.listing import Condition, Kind, Listing, Sort
from merlin.db.records import RevisionRecord, make_model_endpoint, make_revision, make_version_endpoint
from merlin.domain.lifecycle import ModelEndpointStatus, RevisionStatus, ShownLifecycle

_WEIGHT = """coalesce((
  SELECT (d ->> 'weight')::int FROM model_endpoint x, jsonb_array_elements(x.observed_rule -> 'destinations') AS d
  WHERE x.model_id = v.model_id AND x.environment_id = e.environment_id AND d ->> 'version_endpoint_id' = e.id::text
), 0)"""
SHOWN_LIFECYCLE = f"(CASE WHEN e.lifecycle = 'running' AND {_WEIGHT} > 0 THEN 'serving' ELSE e.lifecycle END)"
"""SQL: the lifecycle of version endpoint ``e`` of version ``v`` as users see it."""

VERSION_ENDPOINTS = Listing(
    f"e.*, v.model_id, m.project_id, {_WEIGHT} AS serving_weight",
    "FROM version_endpoint e JOIN version v ON v.id = e.version_id JOIN model m ON m.id = v.model_id "
    "JOIN environment n ON n.id = e.environment_id JOIN project p ON p.id = m.project_id",
    "e.id",
    make_version_endpoint,
)
MODEL_ENDPOINTS = Listing(
    "t.*, m.project_id",
    "FROM model_endpoint t JOIN model m ON m.id = t.model_id JOIN environment n ON n.id = t.environment_id "
    "JOIN project p ON p.id = m.project_id",
    "t.id",
    make_model_endpoint,
)
REVISIONS = Listing(
    "r.*, m.project_id",
    "FROM revision r JOIN version_endpoint e ON e.id = r.endpoint_id JOIN version v ON v.id = e.version_id "
    "JOIN model m ON m.id = v.model_id",
    "r.id",
    make_revision,
)
OF_VERSION = "e.version_id"
IN_ENVIRONMENT = "e.environment_id"
TRAFFIC_OF_MODEL = "t.model_id"
TRAFFIC_IN_ENVIRONMENT = "t.environment_id"
OF_ENDPOINT = "r.endpoint_id"


@dataclass(frozen=True, slots=True)
class VersionEndpointFilter:
    """All given conditions hold; names are exact. ``visible``: see `ProjectFilter`."""

    lifecycle: tuple[ShownLifecycle, ...] | None = None
    environment: str | None = None
    project: str | None = None
    model: str | None = None
    healthy: bool | None = None
    progressing: bool | None = None
    visible: tuple[UUID, ...] | None = None


@dataclass(frozen=True, slots=True)
class ModelEndpointFilter:
    """All given conditions hold; names are exact."""

    status: tuple[ModelEndpointStatus, ...] | None = None
    environment: str | None = None
    project: str | None = None
    visible: tuple[UUID, ...] | None = None


@dataclass(frozen=True, slots=True)
class RevisionFilter:
    """All given conditions hold."""

    status: tuple[RevisionStatus, ...] | None = None


class VersionEndpointOrderField(Enum):
    """What version endpoints can be sorted by."""

    CREATED_AT = Sort("created", "e.created_at", Kind.TIME)
    UPDATED_AT = Sort("updated", "e.updated_at", Kind.TIME)


class ModelEndpointOrderField(Enum):
    """What model endpoints can be sorted by."""

    CREATED_AT = Sort("created", "t.created_at", Kind.TIME)
    UPDATED_AT = Sort("updated", "t.updated_at", Kind.TIME)


class RevisionOrderField(Enum):
    """What revisions can be sorted by."""

    NUMBER = Sort("number", "r.number", Kind.WHOLE)


def version_endpoint_conditions(wanted: VersionEndpointFilter) -> tuple[Condition, ...]:
    """The filter as SQL."""
    found = _place_conditions(wanted.environment, wanted.project, wanted.visible)
    if wanted.lifecycle is not None:
        states = tuple(state.value for state in wanted.lifecycle)
        found.append(Condition(f"{SHOWN_LIFECYCLE} = ANY(?::text[])", (states,)))
    if wanted.model is not None:
        found.append(Condition("m.name = ?", (wanted.model,)))
    if wanted.healthy is not None:
        found.append(Condition("e.healthy = ?", (wanted.healthy,)))
    if wanted.progressing is not None:
        found.append(Condition("e.progressing = ?", (wanted.progressing,)))
    return tuple(found)


def model_endpoint_conditions(wanted: ModelEndpointFilter) -> tuple[Condition, ...]:
    """The filter as SQL."""
    found = _place_conditions(wanted.environment, wanted.project, wanted.visible)
    if wanted.status is not None:
        found.append(Condition("t.status = ANY(?::text[])", (tuple(status.value for status in wanted.status),)))
    return tuple(found)


def revision_conditions(wanted: RevisionFilter) -> tuple[Condition, ...]:
    """The filter as SQL."""
    if wanted.status is None:
        return ()
    return (Condition("r.status = ANY(?::text[])", (tuple(status.value for status in wanted.status),)),)


async def revisions_by_number(wanted: Sequence[tuple[UUID, int]]) -> dict[tuple[UUID, int], RevisionRecord]:
    """Revisions by their endpoint's id and their number, in one statement."""
    sql = (
        f"SELECT {REVISIONS.columns} {REVISIONS.source} "
        "JOIN unnest($1::uuid[], $2::int[]) AS wanted (id, number) ON wanted.id = r.endpoint_id "
        "AND wanted.number = r.number"
    )
    async with borrowed() as connection:
        with translated():
            rows = await connection.fetch(sql, [key for key, _ in wanted], [number for _, number in wanted])
    return {(row["endpoint_id"], row["number"]): make_revision(row) for row in rows}


def _place_conditions(
    environment: str | None, project: str | None, visible: tuple[UUID, ...] | None
) -> list[Condition]:
    found = []
    if environment is not None:
        found.append(Condition("n.name = ?", (environment,)))
    if project is not None:
        found.append(Condition("p.name = ?", (project,)))
    if visible is not None:
        found.append(Condition("m.project_id = ANY(?::uuid[])", (visible,)))
    return found
