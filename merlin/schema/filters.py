"""Filters and orders of lists, as inputs that turn themselves into the database's."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import strawberry

from merlin.db import read_endpoints, read_environments, read_models, read_projects, read_versions
from merlin.db.listing import Sort
from merlin.errors import InvalidInput
from merlin.schema.enums import (
    Direction,
    EnvironmentOrderField,
    ModelEndpointOrderField,
    ModelEndpointStatus,
    ModelOrderField,
    ProjectOrderField,
    RevisionOrderField,
    RevisionStatus,
    ShownLifecycle,
    VersionEndpointOrderField,
    VersionOrderField,
    VersionState,
)

MOST_CONDITIONS = 32


def given(description: str, **default: Any) -> Any:
    """A field of an input; without ``default`` it may be left out."""
    return strawberry.field(description=description, **(default or {"default": None}))


def needed(description: str) -> Any:
    """A field of an input that must be given."""
    return strawberry.field(description=description)


def _tuple(values: Iterable[Any] | None) -> tuple[Any, ...] | None:
    return None if values is None else tuple(values)


@strawberry.input(description="A label (or param) by its key and, if given, its value.")
class LabelFilter:
    """See the fields."""

    key: str = needed("The key; it must be there.")
    value: str | None = given("The value it must have.")

    def as_filter(self) -> read_projects.LabelFilter:
        """For the database."""
        return read_projects.LabelFilter(self.key, self.value)


def _labels(labels: list[LabelFilter] | None, field: str = "label") -> tuple[read_projects.LabelFilter, ...]:
    return tuple(label.as_filter() for label in bounded(labels, "filter", field))


def bounded(given: list[Any] | None, *path: str) -> list[Any]:
    """A list of conditions, each of which makes the statement longer. Raises InvalidInput when there are too many."""
    if given is not None and len(given) > MOST_CONDITIONS:
        raise InvalidInput(f"At most {MOST_CONDITIONS} can be given here, not {len(given)}.", path=path)
    return given or []


@strawberry.input(description="A metric by its latest value; without bounds: that it is there.")
class MetricFilter:
    """See the fields."""

    key: str = needed("The metric.")
    above: float | None = given("Greater than this.")
    below: float | None = given("Less than this.")
    at_least: float | None = given("This or greater.")
    at_most: float | None = given("This or less.")


@strawberry.input(description="Which projects.")
class ProjectFilter:
    """See the fields."""

    name_contains: str | None = given("Whose name holds this text, whatever the case.")
    team: str | None = given("Of this team.")
    stream: str | None = given("Of this stream.")
    label: list[LabelFilter] | None = given("With all of these labels.")

    def as_filter(self) -> read_projects.ProjectFilter:
        """For the database."""
        return read_projects.ProjectFilter(self.name_contains, self.team, self.stream, _labels(self.label))


@strawberry.input(description="Which models.")
class ModelFilter:
    """See the fields."""

    name_contains: str | None = given("Whose name holds this text, whatever the case.")
    type: str | None = given("Of this type.")
    serving: bool | None = given("Whether any of its model endpoints serves.")

    def as_filter(self) -> read_models.ModelFilter:
        """For the database."""
        return read_models.ModelFilter(self.name_contains, self.type, self.serving)


@strawberry.input(description="Which versions.")
class VersionFilter:
    """See the fields."""

    state: VersionState | None = given("In this state.")
    label: list[LabelFilter] | None = given("With all of these labels.")
    alias: str | None = given("The one with this alias.")
    lifecycle: list[ShownLifecycle] | None = given("With a version endpoint in one of these.")
    environment: str | None = given("With a version endpoint there; with `lifecycle`: one that is both.")
    metric: list[MetricFilter] | None = given("With all of these metrics, as they were mirrored last.")
    param: list[LabelFilter] | None = given("With all of these params, as they were mirrored last.")
    created_by: str | None = given("Made by this subject.")
    run_name_contains: str | None = given("Whose run's name holds this text, whatever the case.")
    number_in: list[int] | None = given("With one of these numbers.")

    def as_filter(self) -> read_versions.VersionFilter:
        """For the database."""
        return read_versions.VersionFilter(
            state=self.state,
            labels=_labels(self.label),
            alias=self.alias,
            lifecycle=_tuple(self.lifecycle),
            environment=self.environment,
            metrics=tuple(
                read_versions.MetricFilter(m.key, m.above, m.below, m.at_least, m.at_most)
                for m in bounded(self.metric, "filter", "metric")
            ),
            params=_labels(self.param, "param"),
            created_by=self.created_by,
            run_name_contains=self.run_name_contains,
            number_in=_tuple(self.number_in),
        )


@strawberry.input(description="Which version endpoints.")
class VersionEndpointFilter:
    """See the fields."""

    lifecycle: list[ShownLifecycle] | None = given("In one of these.")
    environment: str | None = given("In the environment of this name.")
    project: str | None = given("Of the project of this name.")
    model: str | None = given("Of models of this name.")
    healthy: bool | None = given("Whether its pods are well.")
    progressing: bool | None = given("Whether something is under way.")

    def as_filter(self) -> read_endpoints.VersionEndpointFilter:
        """For the database."""
        return read_endpoints.VersionEndpointFilter(
            _tuple(self.lifecycle), self.environment, self.project, self.model, self.healthy, self.progressing
        )


@strawberry.input(description="Which model endpoints.")
class ModelEndpointFilter:
    """See the fields."""

    status: list[ModelEndpointStatus] | None = given("In one of these.")
    environment: str | None = given("In the environment of this name.")
    project: str | None = given("Of the project of this name.")

    def as_filter(self) -> read_endpoints.ModelEndpointFilter:
        """For the database."""
        return read_endpoints.ModelEndpointFilter(_tuple(self.status), self.environment, self.project)


@strawberry.input(description="Which revisions.")
class RevisionFilter:
    """See the field."""

    status: list[RevisionStatus] | None = given("In one of these.")

    def as_filter(self) -> read_endpoints.RevisionFilter:
        """For the database."""
        return read_endpoints.RevisionFilter(_tuple(self.status))


@strawberry.input(description="Which environments.")
class EnvironmentFilter:
    """See the fields."""

    name_contains: str | None = given("Whose name holds this text, whatever the case.")
    detached: bool | None = given("Whether it is gone from the configuration while in use.")

    def as_filter(self) -> read_environments.EnvironmentFilter:
        """For the database."""
        return read_environments.EnvironmentFilter(self.name_contains, self.detached)


def _directed(sort: Sort, direction: Direction) -> Sort:
    return replace(sort, descending=direction is Direction.DESC)


_FIELD = "What to sort by."
_DIRECTION = "Which end comes first."


@strawberry.input(description="How projects are sorted.")
class ProjectOrder:
    """See the fields."""

    field: ProjectOrderField = needed(_FIELD)
    direction: Direction = given(_DIRECTION, default=Direction.ASC)

    def sort(self) -> Sort:
        """For the database."""
        return _directed(self.field.value, self.direction)


@strawberry.input(description="How models are sorted.")
class ModelOrder:
    """See the fields."""

    field: ModelOrderField = needed(_FIELD)
    direction: Direction = given(_DIRECTION, default=Direction.ASC)

    def sort(self) -> Sort:
        """For the database."""
        return _directed(self.field.value, self.direction)


@strawberry.input(description="How versions are sorted.")
class VersionOrder:
    """See the fields."""

    field: VersionOrderField = needed(_FIELD)
    key: str | None = given("Which metric or param, for METRIC and PARAM.")
    direction: Direction = given(_DIRECTION, default=Direction.ASC)

    def sort(self) -> Sort:
        """For the database. Raises InvalidInput: a key where there is none, or none where one is needed."""
        by_key = {VersionOrderField.METRIC: read_versions.by_metric, VersionOrderField.PARAM: read_versions.by_param}
        if (self.key is not None) != (self.field in by_key):
            raise InvalidInput("`key` is needed for METRIC and PARAM, and for nothing else.", path=("order", "key"))
        sort = by_key[self.field](self.key) if self.key is not None else self.field.value
        return _directed(sort, self.direction)


@strawberry.input(description="How version endpoints are sorted.")
class VersionEndpointOrder:
    """See the fields."""

    field: VersionEndpointOrderField = needed(_FIELD)
    direction: Direction = given(_DIRECTION, default=Direction.ASC)

    def sort(self) -> Sort:
        """For the database."""
        return _directed(self.field.value, self.direction)


@strawberry.input(description="How model endpoints are sorted.")
class ModelEndpointOrder:
    """See the fields."""

    field: ModelEndpointOrderField = needed(_FIELD)
    direction: Direction = given(_DIRECTION, default=Direction.ASC)

    def sort(self) -> Sort:
        """For the database."""
        return _directed(self.field.value, self.direction)


@strawberry.input(description="How revisions are sorted.")
class RevisionOrder:
    """See the fields."""

    field: RevisionOrderField = needed(_FIELD)
    direction: Direction = given(_DIRECTION, default=Direction.ASC)

    def sort(self) -> Sort:
        """For the database."""
        return _directed(self.field.value, self.direction)


@strawberry.input(description="How environments are sorted.")
class EnvironmentOrder:
    """See the fields."""

    field: EnvironmentOrderField = needed(_FIELD)
    direction: Direction = given(_DIRECTION, default=Direction.ASC)

    def sort(self) -> Sort:
        """For the database."""
        return _directed(self.field.value, self.direction)
