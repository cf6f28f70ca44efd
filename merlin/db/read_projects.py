"""Lists of projects, and of who and what is in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from uuid import UUID

from merlin.db.connection import borrowed, translated
from merlin.db.listing import Condition, Kind, Listing, Sort
from merlin.db.read_endpoints import SHOWN_LIFECYCLE
from merlin.db.records import MemberRecord, SecretRecord, make_member, make_project, make_secret
from merlin.db.transaction import as_json

PROJECTS = Listing("p.*", "FROM project p", "p.id", make_project)


@dataclass(frozen=True, slots=True)
class LabelFilter:
    """A label by key and, if given, value."""

    key: str
    value: str | None = None


@dataclass(frozen=True, slots=True)
class ProjectFilter:
    """All given conditions hold. ``visible``: ids of the projects the caller may see; ``None`` = all."""

    name_contains: str | None = None
    team: str | None = None
    stream: str | None = None
    labels: tuple[LabelFilter, ...] = ()
    visible: tuple[UUID, ...] | None = None


class ProjectOrderField(Enum):
    """What projects can be sorted by."""

    NAME = Sort("name", "p.name", Kind.TEXT)
    CREATED_AT = Sort("created", "p.created_at", Kind.TIME)
    UPDATED_AT = Sort("updated", "p.updated_at", Kind.TIME)


def project_conditions(wanted: ProjectFilter) -> tuple[Condition, ...]:
    """The filter as SQL."""
    found = [condition for label in wanted.labels for condition in label_conditions("p.labels", label)]
    if wanted.name_contains is not None:
        found.append(contains("p.name", wanted.name_contains))
    if wanted.team is not None:
        found.append(Condition("p.team = ?", (wanted.team,)))
    if wanted.stream is not None:
        found.append(Condition("p.stream = ?", (wanted.stream,)))
    if wanted.visible is not None:
        found.append(Condition("p.id = ANY(?::uuid[])", (wanted.visible,)))
    return tuple(found)


def label_conditions(column: str, label: LabelFilter) -> tuple[Condition, ...]:
    """Whether a JSON object of labels holds that one."""
    if label.value is None:
        return (Condition(f"jsonb_exists({column}, ?)", (label.key,)),)
    return (Condition(f"{column} @> ?::jsonb", (as_json({label.key: label.value}),)),)


def contains(column: str, text: str) -> Condition:
    """Whether a text holds another, whatever the case."""
    return Condition(f"position(lower(?::text) IN lower({column})) > 0", (text,))


@dataclass(frozen=True, slots=True)
class EndpointCounts:
    """How version endpoints are. Every one that is there counts once in ``serving`` to ``failed``."""

    serving: int = 0
    running: int = 0
    pending: int = 0
    failed: int = 0
    progressing: int = 0
    unhealthy: int = 0


@dataclass(frozen=True, slots=True)
class ProjectSummary(EndpointCounts):
    """How much there is in a project."""

    models: int = 0


async def summaries_of(project_ids: Sequence[UUID]) -> dict[UUID, ProjectSummary]:
    """The summary of each project; one statement."""
    async with borrowed() as connection:
        with translated():
            rows = await connection.fetch(_SUMMARIES, list(project_ids))
    return {row["id"]: ProjectSummary(*list(row.values())[1:]) for row in rows}


async def members_of(project_ids: Sequence[UUID]) -> dict[UUID, list[MemberRecord]]:
    """The members of each project, by subject; one statement."""
    found: dict[UUID, list[MemberRecord]] = {key: [] for key in project_ids}
    async with borrowed() as connection:
        with translated():
            rows = await connection.fetch(
                "SELECT project_id, subject, role FROM membership WHERE project_id = ANY($1::uuid[]) ORDER BY subject",
                list(project_ids),
            )
    for row in rows:
        found[row["project_id"]].append(make_member(row))
    return found


async def secrets_of(project_ids: Sequence[UUID]) -> dict[UUID, list[SecretRecord]]:
    """The secrets of each project, by name and without values; one statement."""
    found: dict[UUID, list[SecretRecord]] = {key: [] for key in project_ids}
    async with borrowed() as connection:
        with translated():
            rows = await connection.fetch(
                "SELECT project_id, name, updated_by, updated_at FROM secret WHERE project_id = ANY($1::uuid[]) "
                "ORDER BY name",
                list(project_ids),
            )
    for row in rows:
        found[row["project_id"]].append(make_secret(row))
    return found


ENDPOINT_COUNTS = """
  count(*) FILTER (WHERE shown = 'serving'), count(*) FILTER (WHERE shown = 'running'),
  count(*) FILTER (WHERE shown = 'pending'), count(*) FILTER (WHERE shown = 'failed'),
  count(*) FILTER (WHERE progressing), count(*) FILTER (WHERE shown IN ('serving', 'running') AND NOT healthy)
"""
"""SQL: the fields of `EndpointCounts`, in their order, among ``(shown, progressing, healthy)``."""

_SUMMARIES = f"""
SELECT p.id, {ENDPOINT_COUNTS}, (SELECT count(*) FROM model m WHERE m.project_id = p.id)
FROM unnest($1::uuid[]) AS p (id) LEFT JOIN LATERAL (
  SELECT {SHOWN_LIFECYCLE} AS shown, e.progressing, e.healthy
  FROM version_endpoint e JOIN version v ON v.id = e.version_id JOIN model m ON m.id = v.model_id
  WHERE m.project_id = p.id
) AS endpoints ON true GROUP BY p.id
"""  # noqa: S608 (our own words)
