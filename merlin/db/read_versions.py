"""Lists of versions, filtered and sorted also by what MLflow said of their runs when they were mirrored last."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from merlin.db.listing import Condition, Kind, Listing, Sort
from merlin.db.read_endpoints import SHOWN_LIFECYCLE
from merlin.db.read_projects import LabelFilter, contains, label_conditions
from merlin.db.records import make_version
from merlin.domain.lifecycle import ShownLifecycle, VersionState

VERSIONS = Listing(
    "v.*, m.project_id, m.mlflow_experiment_id, "
    "ARRAY(SELECT a.name FROM alias a WHERE a.version_id = v.id ORDER BY a.name) AS aliases",
    # Every version has a model: LEFT only lets PostgreSQL leave it out where nothing is asked of it, as in a count.
    "FROM version v LEFT JOIN model m ON m.id = v.model_id",
    "v.id",
    make_version,
)
OF_MODEL = "v.model_id"


@dataclass(frozen=True, slots=True)
class MetricFilter:
    """A metric whose latest value keeps all bounds (``above``, ``below`` exclude theirs); without: it is there."""

    key: str
    above: float | None = None
    below: float | None = None
    at_least: float | None = None
    at_most: float | None = None


@dataclass(frozen=True, slots=True)
class VersionFilter:
    """All given conditions hold. ``lifecycle`` and ``environment`` are about one and the same version endpoint."""

    state: VersionState | None = None
    labels: tuple[LabelFilter, ...] = ()
    alias: str | None = None
    lifecycle: tuple[ShownLifecycle, ...] | None = None
    environment: str | None = None
    metrics: tuple[MetricFilter, ...] = ()
    params: tuple[LabelFilter, ...] = ()
    created_by: str | None = None
    run_name_contains: str | None = None
    number_in: tuple[int, ...] | None = None


class VersionOrderField(Enum):
    """What versions can be sorted by; METRIC and PARAM with a key (see `by_metric`, `by_param`)."""

    NUMBER = Sort("number", "v.number", Kind.WHOLE)
    CREATED_AT = Sort("created", "v.created_at", Kind.TIME)
    UPDATED_AT = Sort("updated", "v.updated_at", Kind.TIME)
    METRIC = "metric"
    PARAM = "param"


# What is no number (NaN) has no place in an order: it comes last, as a version without the metric does.
_METRIC = "nullif((v.metrics -> ?::text ->> 'value')::float8, 'NaN'::float8)"


def by_metric(key: str) -> Sort:
    """By the latest value of a metric."""
    return Sort(f"metric:{key}", _METRIC, Kind.NUMBER, arguments=(key,), nullable=True)


def by_param(key: str) -> Sort:
    """By a param, as text."""
    return Sort(f"param:{key}", "(v.params ->> ?::text)", Kind.TEXT, arguments=(key,), nullable=True)


def version_conditions(wanted: VersionFilter) -> tuple[Condition, ...]:
    """The filter as SQL."""
    found = [condition for label in wanted.labels for condition in label_conditions("v.labels", label)]
    found += [condition for param in wanted.params for condition in label_conditions("v.params", param)]
    found += [condition for metric in wanted.metrics for condition in _metric_conditions(metric)]
    if wanted.state is not None:
        found.append(Condition("v.state = ?", (wanted.state.value,)))
    if wanted.alias is not None:
        has = "EXISTS (SELECT FROM alias x WHERE x.version_id = v.id AND x.name = ?)"
        found.append(Condition(has, (wanted.alias,)))
    if wanted.created_by is not None:
        found.append(Condition("v.created_by = ?", (wanted.created_by,)))
    if wanted.run_name_contains is not None:
        found.append(contains("v.run_name", wanted.run_name_contains))
    if wanted.number_in is not None:
        found.append(Condition("v.number = ANY(?::int[])", (wanted.number_in,)))
    return (*found, *_endpoint_conditions(wanted))


def _metric_conditions(metric: MetricFilter) -> list[Condition]:
    bounds = ((">", metric.above), ("<", metric.below), (">=", metric.at_least), ("<=", metric.at_most))
    found = [
        Condition(f"{_METRIC} {relation} ?::float8", (metric.key, bound))
        for relation, bound in bounds
        if bound is not None
    ]
    return found or [Condition("jsonb_exists(v.metrics, ?)", (metric.key,))]


def _endpoint_conditions(wanted: VersionFilter) -> tuple[Condition, ...]:
    if wanted.lifecycle is None and wanted.environment is None:
        return ()
    arguments: list[object] = []
    sql = (
        "EXISTS (SELECT FROM version_endpoint e JOIN environment n ON n.id = e.environment_id WHERE e.version_id = v.id"
    )
    if wanted.environment is not None:
        sql += " AND n.name = ?"
        arguments.append(wanted.environment)
    if wanted.lifecycle is not None:
        sql += f" AND {SHOWN_LIFECYCLE} = ANY(?::text[])"
        arguments.append(tuple(state.value for state in wanted.lifecycle))
    return (Condition(f"{sql})", tuple(arguments)),)
