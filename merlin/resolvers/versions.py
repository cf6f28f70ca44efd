"""Versions as they are read: rows, and, while a version is OPEN, what MLflow says of its run now."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from merlin.db.listing import Condition, ListRequest, Sort, Window
from merlin.db.read_versions import OF_MODEL, VERSIONS, VersionFilter, VersionOrderField, version_conditions
from merlin.db.records import ModelRecord, VersionRecord
from merlin.domain.lifecycle import VersionState
from merlin.errors import InvalidInput
from merlin.resolvers.context import Context
from merlin.resolvers.lists import Listed, list_of
from merlin.resolvers.runs import EXPERIMENT_TAG
from merlin.tracking.client import RunData

Answer = TypeVar("Answer")

_NEWEST = (replace(VersionOrderField.NUMBER.value, descending=True),)


@dataclass(frozen=True, slots=True)
class MetricValue:
    """The latest value of a metric. ``value`` is ``None`` for what is no finite number; ``text`` says it always."""

    key: str
    value: float | None
    text: str
    step: int
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Pair:
    """A key with its text."""

    key: str
    value: str


async def versions_of(
    model: ModelRecord, context: Context, wanted: VersionFilter | None, order: tuple[Sort, ...], window: Window
) -> Listed:
    """A model's versions, the newest first."""
    conditions = version_conditions(wanted or VersionFilter())
    return await list_of(context, VERSIONS, (OF_MODEL, model.id), conditions, order or _NEWEST, window)


async def version_of(
    model: ModelRecord, context: Context, number: int | None, alias: str | None
) -> VersionRecord | None:
    """A model's version by number or alias. Raises InvalidInput unless one of them is given."""
    if (number is None) == (alias is None):
        raise InvalidInput("Give either `number` or `alias`.", path=("number",))
    wanted = VersionFilter(alias=alias, number_in=None if number is None else (number,))
    return await _first(model, context, version_conditions(wanted))


async def latest_version(model: ModelRecord, context: Context) -> VersionRecord | None:
    """The one with the highest number."""
    return await _first(model, context, ())


async def model_of(version: VersionRecord, context: Context) -> ModelRecord | None:
    """The model it is of."""
    return await context.load.model(version.model_id)


def metrics_of(version: VersionRecord, context: Context) -> list[MetricValue] | Awaitable[list[MetricValue]]:
    """The latest values: of now while the version is OPEN and MLflow answers, else as mirrored."""

    def made(run: RunData | None) -> list[MetricValue]:
        stored = run.metrics_json() if run else version.metrics
        return [_metric(key, stored[key]) for key in sorted(stored)]

    return _as_of_now(version, context, made)


def params_of(version: VersionRecord, context: Context) -> list[Pair] | Awaitable[list[Pair]]:
    """Its params; see `metrics_of`."""
    return _as_of_now(version, context, lambda run: pairs(run.params if run else version.params))


def tags_of(version: VersionRecord, context: Context) -> list[Pair] | Awaitable[list[Pair]]:
    """Its run's tags; see `metrics_of`."""
    return _as_of_now(version, context, lambda run: pairs(run.tags if run else version.tags))


async def run_status(version: VersionRecord, context: Context) -> str | None:
    """What MLflow says of its run; ``None`` when it does not answer."""
    run = await _told(version, context)
    return run.status if run else None


async def run_artifact_uri(version: VersionRecord, context: Context) -> str | None:
    """Where the run's files go; ``None`` when MLflow does not answer."""
    run = await _told(version, context)
    return run.artifact_uri if run else None


def run_url(version: VersionRecord, context: Context) -> str:
    """The run's page in MLflow."""
    return f"{context.mlflow_url}/#/experiments/{experiment_of(version) or 0}/runs/{version.mlflow_run_id}"


def experiment_of(version: VersionRecord) -> str | None:
    """The MLflow experiment its run is in: its model's, or for an adopted one what the run's tag says."""
    if version.adopted:
        return version.tags.get(EXPERIMENT_TAG)
    return version.mlflow_experiment_id


def pairs(stored: Mapping[str, Any]) -> list[Pair]:
    """Keys and texts, by key."""
    return [Pair(key, str(stored[key])) for key in sorted(stored)]


def _as_of_now(
    version: VersionRecord, context: Context, made: Callable[[RunData | None], Answer]
) -> Answer | Awaitable[Answer]:
    """What is made of its run as MLflow tells it now while it is OPEN, else at once of what was mirrored."""
    if version.state is not VersionState.OPEN:
        return made(None)

    async def asked() -> Answer:
        return made(await _told(version, context))

    return asked()


async def _told(version: VersionRecord, context: Context) -> RunData | None:
    experiment = experiment_of(version)
    if version.mlflow_run_id is None or experiment is None:
        return None
    return await context.load.run((experiment, version.mlflow_run_id))


async def _first(model: ModelRecord, context: Context, conditions: tuple[Condition, ...]) -> VersionRecord | None:
    return await context.load.first(VERSIONS, OF_MODEL, model.id, ListRequest(conditions, _NEWEST, Window(first=1)))


def _metric(key: str, stored: Mapping[str, Any]) -> MetricValue:
    given = stored.get("value")
    number = math.nan if given is None else float(given)
    at = stored.get("timestamp")
    return MetricValue(
        key=key,
        value=number if math.isfinite(number) else None,
        text=str(number),
        step=int(stored.get("step", 0)),
        at=datetime.fromtimestamp(at / 1000, UTC) if at else None,
    )
