"""The domain's enums as the API's: registered once, each value described."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import TypeVar

import strawberry

from merlin.db.read_endpoints import ModelEndpointOrderField, RevisionOrderField, VersionEndpointOrderField
from merlin.db.read_environments import EnvironmentOrderField
from merlin.db.read_models import ModelOrderField
from merlin.db.read_projects import ProjectOrderField
from merlin.db.read_versions import VersionOrderField
from merlin.domain.environment import UrlStyle
from merlin.domain.lifecycle import (
    Cause,
    Desired,
    ModelEndpointStatus,
    RevisionStatus,
    Role,
    Severity,
    ShownLifecycle,
    VersionState,
)
from merlin.domain.revision import AutoscalingMetric, Strategy

__all__ = [
    "AutoscalingMetric",
    "Cause",
    "Desired",
    "Direction",
    "EnvironmentOrderField",
    "ModelEndpointOrderField",
    "ModelEndpointStatus",
    "ModelOrderField",
    "ProjectOrderField",
    "RevisionOrderField",
    "RevisionStatus",
    "Role",
    "Severity",
    "ShownLifecycle",
    "Strategy",
    "UrlStyle",
    "VersionEndpointOrderField",
    "VersionOrderField",
    "VersionState",
    "register",
]

Registered = TypeVar("Registered", bound=type[Enum])


class Direction(Enum):
    """Which end of an order comes first."""

    ASC = "asc"
    DESC = "desc"


def register(enum: Registered, description: str, values: Mapping[str, str], *, name: str | None = None) -> Registered:
    """The enum as a GraphQL one. Every value must be described: AssertionError otherwise."""
    strawberry.enum(enum, name=name, description=description)
    definition = enum.__strawberry_definition__  # type: ignore[attr-defined]
    for value in definition.values:
        value.description = values[value.name]
    if set(values) != {value.name for value in definition.values}:
        raise AssertionError(f"{enum.__name__} has not the values {sorted(values)}")
    return enum


register(Direction, "Which end of an order comes first.", {"ASC": "The smallest first.", "DESC": "The greatest first."})
register(
    ShownLifecycle,
    "Where a version endpoint stands.",
    {
        "PENDING": "Its first revision is on its way.",
        "RUNNING": "It answers at its own address and gets none of the model endpoint's traffic.",
        "SERVING": "It runs and gets traffic of the model endpoint.",
        "FAILED": "Its first revision failed; nothing runs.",
        "TERMINATED": "Nothing of it is left in the cluster.",
    },
    name="Lifecycle",
)
register(
    Desired,
    "What was last wished of a version endpoint.",
    {"DEPLOYED": "That it runs.", "TERMINATED": "That nothing of it is left."},
)
register(
    RevisionStatus,
    "Where a revision stands.",
    {
        "QUEUED": "Accepted; a worker takes it next.",
        "STARTING": "Its objects are in the cluster.",
        "READY": "Its pods answer; the switch to it is under way.",
        "ACTIVE": "It answers at the endpoint's address.",
        "DRAINING": "Another one is active; it finishes what it has begun.",
        "REMOVED": "It was active once and is gone.",
        "FAILED": "It never became active; `failure` says why.",
        "CANCELLED": "It was taken back before it became active.",
        "SUPERSEDED": "A newer wish came before it became active.",
    },
)
register(
    Cause,
    "Why a revision was made.",
    {
        "DEPLOY": "The version was deployed.",
        "REDEPLOY": "Its settings were changed.",
        "ROLLBACK": "An earlier revision's settings were wanted back.",
    },
)
register(
    ModelEndpointStatus,
    "Where a model endpoint stands.",
    {
        "STOPPED": "It has no traffic rule; its address answers 404.",
        "PENDING": "Its first rule is on its way.",
        "SERVING": "The gateway follows `traffic`.",
    },
)
register(
    VersionState,
    "Whether a version is complete.",
    {
        "OPEN": "Its MLflow run is being written to.",
        "FINISHED": "Its artifact was found; it can be deployed.",
    },
)
register(
    Severity,
    "How loud an event is.",
    {
        "INFO": "Something went its way.",
        "WARNING": "Something may need attention.",
        "ERROR": "Something failed.",
    },
)
register(
    Role,
    "What a member of a project may do; each includes the ones before it.",
    {
        "READER": "See everything but values of environment variables.",
        "EDITOR": "Change models and versions; deploy and serve.",
        "ADMINISTRATOR": "Change the project, its members and its secrets.",
    },
)
register(
    Strategy,
    "How a new revision replaces the old one.",
    {
        "SURGE": "It starts beside the old one, which goes once the new one answers.",
        "RECREATE": "The old one goes first: for clusters without room for two.",
    },
)
register(
    AutoscalingMetric,
    "What an autoscaler looks at.",
    {"CPU": "CPU time, in percent of the request.", "MEMORY": "Memory, in percent of the request."},
)
_TIMES = {"CREATED_AT": "When it was made.", "UPDATED_AT": "When it was last changed."}
register(ProjectOrderField, "What projects are sorted by.", {"NAME": "Their name.", **_TIMES})
register(ModelOrderField, "What models are sorted by.", {"NAME": "Their name.", **_TIMES})
register(
    VersionOrderField,
    "What versions are sorted by.",
    {
        "NUMBER": "Their number.",
        **_TIMES,
        "METRIC": "The latest value of the metric `key`; versions without it come last.",
        "PARAM": "The text of the param `key`; versions without it come last.",
    },
)
register(VersionEndpointOrderField, "What version endpoints are sorted by.", _TIMES)
register(ModelEndpointOrderField, "What model endpoints are sorted by.", _TIMES)
register(RevisionOrderField, "What revisions are sorted by.", {"NUMBER": "Their number."})
register(EnvironmentOrderField, "What environments are sorted by.", {"NAME": "Their name."})
