"""What readers get: plain records with the columns of a table, and of what it hangs on as far as lists need it.

Nobody writes through them. They are cheap to make (a tenth of a table's instance), so lists are made of them. The
fields that no column of the record's own table holds are named in ``FROM_ELSEWHERE``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, ClassVar, TypeVar
from uuid import UUID

import orjson

from merlin.db import tables
from merlin.domain.environment import EnvironmentConfig
from merlin.domain.failure import Failure
from merlin.domain.lifecycle import (
    Cause,
    Desired,
    Lifecycle,
    ModelEndpointStatus,
    RevisionStatus,
    Role,
    ShownLifecycle,
    VersionState,
)
from merlin.domain.lifecycle import shown as shown_lifecycle
from merlin.domain.revision import RevisionSpec
from merlin.domain.traffic import TrafficRule

Record = TypeVar("Record")


@dataclass(slots=True)
class ProjectRecord:
    """A project."""

    TABLE: ClassVar = tables.Project
    FROM_ELSEWHERE: ClassVar[frozenset[str]] = frozenset()

    id: UUID
    name: str
    description: str
    team: str
    stream: str
    labels: dict[str, str]
    created_by: str
    created_at: datetime
    updated_at: datetime

    @property
    def project_id(self) -> UUID:
        """Its own id: every record says which project it belongs to."""
        return self.id


@dataclass(slots=True)
class MemberRecord:
    """A subject and what it may do in a project."""

    TABLE: ClassVar = tables.Membership
    FROM_ELSEWHERE: ClassVar[frozenset[str]] = frozenset()

    project_id: UUID
    subject: str
    role: Role


@dataclass(slots=True)
class SecretRecord:
    """A secret without its value."""

    TABLE: ClassVar = tables.Secret
    FROM_ELSEWHERE: ClassVar[frozenset[str]] = frozenset()

    project_id: UUID
    name: str
    updated_by: str
    updated_at: datetime


@dataclass(slots=True)
class ModelRecord:
    """A model."""

    TABLE: ClassVar = tables.Model
    FROM_ELSEWHERE: ClassVar[frozenset[str]] = frozenset()

    id: UUID
    project_id: UUID
    name: str
    type: str
    description: str
    mlflow_experiment_id: str | None
    created_by: str
    created_at: datetime
    updated_at: datetime


@dataclass(slots=True)
class VersionRecord:
    """A version, with its model's experiment and its aliases."""

    TABLE: ClassVar = tables.Version
    FROM_ELSEWHERE: ClassVar[frozenset[str]] = frozenset({"project_id", "mlflow_experiment_id", "aliases"})

    id: UUID
    model_id: UUID
    project_id: UUID
    mlflow_experiment_id: str | None
    aliases: list[str]
    number: int
    state: VersionState
    mlflow_run_id: str | None
    run_name: str
    adopted: bool
    artifact_uri: str | None
    storage_uri: str | None
    labels: dict[str, str]
    properties: Any
    python_version: str | None
    requirements: list[str] | None
    flavors: Any
    signature: Any
    input_example: Any
    metrics: dict[str, Any]
    params: dict[str, str]
    tags: dict[str, str]
    mirrored_at: datetime | None
    created_by: str
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None


@dataclass(slots=True)
class EnvironmentRecord:
    """An environment, with its configuration."""

    TABLE: ClassVar = tables.Environment
    FROM_ELSEWHERE: ClassVar[frozenset[str]] = frozenset()

    id: UUID
    name: str
    cluster: str
    namespace_template: str
    is_default: bool
    detached: bool
    config: EnvironmentConfig
    health: dict[str, Any]
    created_at: datetime
    updated_at: datetime


@dataclass(slots=True)
class VersionEndpointRecord:
    """A version endpoint, with its weight in its model endpoint's observed rule."""

    TABLE: ClassVar = tables.VersionEndpoint
    FROM_ELSEWHERE: ClassVar[frozenset[str]] = frozenset({"model_id", "project_id", "serving_weight"})

    id: UUID
    version_id: UUID
    environment_id: UUID
    model_id: UUID
    project_id: UUID
    serving_weight: int
    desired: Desired
    generation: int
    observed_generation: int
    lifecycle: Lifecycle
    progressing: bool
    healthy: bool
    reason: str
    message: str
    failure: Failure | None
    target_revision: int | None
    active_revision: int | None
    namespace: str
    service_name: str
    url: str
    created_by: str
    created_at: datetime
    updated_at: datetime

    @property
    def shown_lifecycle(self) -> ShownLifecycle:
        """The lifecycle as users see it, SERVING included."""
        return shown_lifecycle(self.lifecycle, self.serving_weight)

    @property
    def settled(self) -> bool:
        """Whether the cluster was seen to match the newest wish."""
        return self.observed_generation >= self.generation and not self.progressing


@dataclass(slots=True)
class RevisionRecord:
    """A revision."""

    TABLE: ClassVar = tables.Revision
    FROM_ELSEWHERE: ClassVar[frozenset[str]] = frozenset({"project_id"})

    id: UUID
    endpoint_id: UUID
    project_id: UUID
    number: int
    spec: RevisionSpec
    service_name: str
    workload_revision: int
    cause: Cause
    rollback_to: int | None
    comment: str
    status: RevisionStatus
    failure: Failure | None
    created_by: str
    created_at: datetime
    applied_at: datetime | None
    ready_at: datetime | None
    active_at: datetime | None
    drain_until: datetime | None
    finished_at: datetime | None


@dataclass(slots=True)
class ModelEndpointRecord:
    """A model endpoint."""

    TABLE: ClassVar = tables.ModelEndpoint
    FROM_ELSEWHERE: ClassVar[frozenset[str]] = frozenset({"project_id"})

    id: UUID
    model_id: UUID
    environment_id: UUID
    project_id: UUID
    desired_rule: TrafficRule | None
    observed_rule: TrafficRule | None
    generation: int
    observed_generation: int
    status: ModelEndpointStatus
    progressing: bool
    reason: str
    message: str
    failure: Failure | None
    namespace: str
    url: str
    created_by: str
    created_at: datetime
    updated_at: datetime

    @property
    def settled(self) -> bool:
        """Whether the gateway was seen to do what the newest wish says."""
        return self.observed_generation >= self.generation and not self.progressing


@dataclass(slots=True)
class AuditRecord:
    """Who did what."""

    TABLE: ClassVar = tables.Audit
    FROM_ELSEWHERE: ClassVar[frozenset[str]] = frozenset()

    id: int
    actor: str
    action: str
    project_id: UUID | None
    subject_type: str
    subject_id: UUID
    before: Any
    after: Any
    request_id: str
    at: datetime


def maker(record: type[Record], **readers: Callable[[Any], Any]) -> Callable[[Mapping[str, Any]], Record]:
    """A function from a database row to that record; ``readers`` turn single columns (never NULL ones) into values."""
    names = [field.name for field in fields(record)]  # type: ignore[arg-type]
    plan = [(name, readers.get(name)) for name in names]

    def make(row: Mapping[str, Any]) -> Record:
        return record(
            *[value if read is None or value is None else read(value) for name, read in plan for value in (row[name],)]
        )

    return make


def failure_of(stored: str) -> Failure:
    """A stored failure."""
    return Failure.from_json(orjson.loads(stored))


def spec_of(stored: str) -> RevisionSpec:
    """A stored spec."""
    return RevisionSpec.from_json(orjson.loads(stored))


def rule_of(stored: str) -> TrafficRule:
    """A stored traffic rule."""
    return TrafficRule.from_json(orjson.loads(stored))


make_project = maker(ProjectRecord, labels=orjson.loads)
make_member = maker(MemberRecord, role=Role)
make_secret = maker(SecretRecord)
make_model = maker(ModelRecord)
make_version = maker(
    VersionRecord,
    state=VersionState,
    **dict.fromkeys(
        (
            *("labels", "properties", "requirements", "flavors", "signature", "input_example"),
            *("metrics", "params", "tags"),
        ),
        orjson.loads,
    ),
)
make_revision = maker(RevisionRecord, spec=spec_of, cause=Cause, status=RevisionStatus, failure=failure_of)
make_version_endpoint = maker(VersionEndpointRecord, desired=Desired, lifecycle=Lifecycle, failure=failure_of)
make_model_endpoint = maker(
    ModelEndpointRecord,
    desired_rule=rule_of,
    observed_rule=rule_of,
    status=ModelEndpointStatus,
    failure=failure_of,
)
make_audit = maker(AuditRecord, before=orjson.loads, after=orjson.loads)
