"""Merlin's tables. Rows are read everywhere; they are changed only by the writers of this package, one per noun.

Partial unique indexes and CHECKs are written by hand in migrations: Tortoise drops them silently from `Meta`.
All times are UTC. All ids but event, audit and outbox are random UUIDs.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from tortoise import fields
from tortoise.models import Model as Table

from merlin.domain.lifecycle import (
    Cause,
    Desired,
    Lifecycle,
    ModelEndpointStatus,
    RevisionStatus,
    Role,
    Severity,
    VersionState,
)


class Installation(Table):
    """The one row that says who we are: its id marks objects in clusters, its epoch marks cursors."""

    id = fields.UUIDField(primary_key=True, default=uuid4)
    epoch = fields.CharField(max_length=16)
    pruned_through = fields.BigIntField(default=0)  # events up to this number are gone
    created_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "installation"


class Project(Table):
    """A namespace of models."""

    id = fields.UUIDField(primary_key=True, default=uuid4)
    name = fields.CharField(max_length=32, unique=True)
    description = fields.TextField(default="")
    team = fields.CharField(max_length=63, default="")
    stream = fields.CharField(max_length=63, default="")
    labels: Any = fields.JSONField(default=dict)
    created_by = fields.CharField(max_length=255)
    created_at = fields.DatetimeField(auto_now_add=True)
    updated_at = fields.DatetimeField(auto_now=True)

    class Meta:
        table = "project"


class Membership(Table):
    """What a subject may do in a project."""

    id = fields.UUIDField(primary_key=True, default=uuid4)
    project: fields.ForeignKeyRelation[Project] = fields.ForeignKeyField("merlin.Project", related_name="memberships")
    project_id: UUID
    subject = fields.CharField(max_length=255)
    role = fields.CharEnumField(Role, max_length=16)

    class Meta:
        table = "membership"
        unique_together = (("project", "subject"),)


class Model(Table):
    """A prediction service. Its MLflow experiment is `{project}/{model}`."""

    id = fields.UUIDField(primary_key=True, default=uuid4)
    project: fields.ForeignKeyRelation[Project] = fields.ForeignKeyField("merlin.Project", related_name="models")
    project_id: UUID
    name = fields.CharField(max_length=25)
    type = fields.CharField(max_length=32, default="mlflow")
    description = fields.TextField(default="")
    mlflow_experiment_id = fields.CharField(max_length=64, null=True)
    next_version = fields.IntField(default=1)
    created_by = fields.CharField(max_length=255)
    created_at = fields.DatetimeField(auto_now_add=True)
    updated_at = fields.DatetimeField(auto_now=True)

    class Meta:
        table = "model"
        unique_together = (("project", "name"),)


class Version(Table):
    """A numbered iteration of a model; an MLflow run."""

    id = fields.UUIDField(primary_key=True, default=uuid4)
    model: fields.ForeignKeyRelation[Model] = fields.ForeignKeyField("merlin.Model", related_name="versions")
    model_id: UUID
    number = fields.IntField()
    state = fields.CharEnumField(VersionState, max_length=16, default=VersionState.OPEN)
    mlflow_run_id = fields.CharField(max_length=64, null=True)
    run_name = fields.CharField(max_length=255, default="")
    adopted = fields.BooleanField(default=False)
    artifact_uri = fields.TextField(null=True)
    storage_uri = fields.TextField(null=True)
    labels: Any = fields.JSONField(default=dict)
    properties: Any = fields.JSONField(default=dict)
    python_version = fields.CharField(max_length=16, null=True)
    requirements: Any = fields.JSONField(null=True)
    requirements_hash = fields.CharField(max_length=64, null=True)
    flavors: Any = fields.JSONField(null=True)
    signature: Any = fields.JSONField(null=True)
    input_example: Any = fields.JSONField(null=True)
    metrics: Any = fields.JSONField(default=dict)
    params: Any = fields.JSONField(default=dict)
    tags: Any = fields.JSONField(default=dict)
    mirrored_at = fields.DatetimeField(null=True)
    created_by = fields.CharField(max_length=255)
    created_at = fields.DatetimeField(auto_now_add=True)
    updated_at = fields.DatetimeField(auto_now=True)
    finished_at = fields.DatetimeField(null=True)

    class Meta:
        table = "version"
        unique_together = (("model", "number"),)


class Alias(Table):
    """A moving name of one version of a model, such as `champion`."""

    id = fields.UUIDField(primary_key=True, default=uuid4)
    model: fields.ForeignKeyRelation[Model] = fields.ForeignKeyField("merlin.Model", related_name="aliases")
    model_id: UUID
    version: fields.ForeignKeyRelation[Version] = fields.ForeignKeyField("merlin.Version", related_name="aliases")
    version_id: UUID
    name = fields.CharField(max_length=63)
    set_by = fields.CharField(max_length=255)
    set_at = fields.DatetimeField(auto_now=True)

    class Meta:
        table = "alias"
        unique_together = (("model", "name"),)


class Secret(Table):
    """A project's secret, encrypted with the installation's key (Fernet)."""

    id = fields.UUIDField(primary_key=True, default=uuid4)
    project: fields.ForeignKeyRelation[Project] = fields.ForeignKeyField("merlin.Project", related_name="secrets")
    project_id: UUID
    name = fields.CharField(max_length=63)
    ciphertext = fields.BinaryField()
    updated_by = fields.CharField(max_length=255)
    updated_at = fields.DatetimeField(auto_now=True)

    class Meta:
        table = "secret"
        unique_together = (("project", "name"),)


class ApiToken(Table):
    """A caller's token, by its SHA-256."""

    id = fields.UUIDField(primary_key=True, default=uuid4)
    hash = fields.CharField(max_length=64, unique=True)
    subject = fields.CharField(max_length=255)
    scope = fields.CharField(max_length=16, default="user")  # "admin" may do everything
    expires_at = fields.DatetimeField(null=True)
    created_at = fields.DatetimeField(auto_now_add=True)
    from_file = fields.BooleanField(default=False, db_default=False)  # the one of MERLIN_ADMIN_TOKEN_FILE

    class Meta:
        table = "api_token"


class Environment(Table):
    """A named place to deploy to; written from configuration at start-up. ``detached``: gone from it while in use."""

    id = fields.UUIDField(primary_key=True, default=uuid4)
    name = fields.CharField(max_length=32, unique=True)
    cluster = fields.CharField(max_length=63)
    namespace_template = fields.CharField(max_length=63)
    is_default = fields.BooleanField(default=False)
    detached = fields.BooleanField(default=False)
    config: Any = fields.JSONField(
        default=dict
    )  # gateway, url style, defaults, limits, prices (domain EnvironmentConfig)
    health: Any = fields.JSONField(
        default=dict
    )  # written by the watcher: {"reachable": bool, "message": str, "at": iso}
    created_at = fields.DatetimeField(auto_now_add=True)
    updated_at = fields.DatetimeField(auto_now=True)

    class Meta:
        table = "environment"
        unique_together = (("cluster", "namespace_template"),)


class VersionEndpoint(Table):
    """The HTTP endpoint of one version in one environment."""

    id = fields.UUIDField(primary_key=True, default=uuid4)
    version: fields.ForeignKeyRelation[Version] = fields.ForeignKeyField("merlin.Version", related_name="endpoints")
    version_id: UUID
    environment: fields.ForeignKeyRelation[Environment] = fields.ForeignKeyField(
        "merlin.Environment", related_name="version_endpoints", on_delete=fields.RESTRICT
    )
    environment_id: UUID
    desired = fields.CharEnumField(Desired, max_length=16, default=Desired.DEPLOYED)
    generation = fields.BigIntField(default=1)
    observed_generation = fields.BigIntField(default=0)
    wake = fields.BigIntField(default=0)
    lifecycle = fields.CharEnumField(Lifecycle, max_length=16, default=Lifecycle.PENDING)
    progressing = fields.BooleanField(default=False)
    healthy = fields.BooleanField(default=False)
    reason = fields.CharField(max_length=64, default="")
    message = fields.TextField(default="")
    failure: Any = fields.JSONField(null=True)  # domain Failure of the newest failed revision, or of unhealthy pods
    target_revision = fields.IntField(null=True)
    active_revision = fields.IntField(null=True)
    next_revision = fields.IntField(default=1)
    namespace = fields.CharField(max_length=63)
    service_name = fields.CharField(max_length=63)
    url = fields.TextField(default="")
    created_by = fields.CharField(max_length=255)
    created_at = fields.DatetimeField(auto_now_add=True)
    updated_at = fields.DatetimeField(auto_now=True)

    class Meta:
        table = "version_endpoint"
        unique_together = (("version", "environment"),)


class Revision(Table):
    """An immutable snapshot of one requested configuration of a version endpoint."""

    id = fields.UUIDField(primary_key=True, default=uuid4)
    endpoint: fields.ForeignKeyRelation[VersionEndpoint] = fields.ForeignKeyField(
        "merlin.VersionEndpoint", related_name="revisions"
    )
    endpoint_id: UUID
    number = fields.IntField()
    spec: Any = fields.JSONField()  # domain RevisionSpec, frozen
    service_name = fields.CharField(max_length=63)  # its InferenceService
    workload_revision = fields.IntField()  # the revision its pods were made for (in-place changes keep it)
    cause = fields.CharEnumField(Cause, max_length=16)
    rollback_to = fields.IntField(null=True)
    comment = fields.TextField(default="")
    status = fields.CharEnumField(RevisionStatus, max_length=16, default=RevisionStatus.QUEUED)
    failure: Any = fields.JSONField(null=True)
    created_by = fields.CharField(max_length=255)
    created_at = fields.DatetimeField(auto_now_add=True)
    applied_at = fields.DatetimeField(null=True)
    ready_at = fields.DatetimeField(null=True)
    active_at = fields.DatetimeField(null=True)
    drain_until = fields.DatetimeField(null=True)
    finished_at = fields.DatetimeField(null=True)

    class Meta:
        table = "revision"
        unique_together = (("endpoint", "number"),)


class ModelEndpoint(Table):
    """The stable URL of a model in one environment, and its traffic rule over version endpoints."""

    id = fields.UUIDField(primary_key=True, default=uuid4)
    model: fields.ForeignKeyRelation[Model] = fields.ForeignKeyField("merlin.Model", related_name="endpoints")
    model_id: UUID
    environment: fields.ForeignKeyRelation[Environment] = fields.ForeignKeyField(
        "merlin.Environment", related_name="model_endpoints", on_delete=fields.RESTRICT
    )
    environment_id: UUID
    desired_rule: Any = fields.JSONField(null=True)  # null = stopped
    observed_rule: Any = fields.JSONField(null=True)
    generation = fields.BigIntField(default=1)
    observed_generation = fields.BigIntField(default=0)
    wake = fields.BigIntField(default=0)
    status = fields.CharEnumField(ModelEndpointStatus, max_length=16, default=ModelEndpointStatus.PENDING)
    progressing = fields.BooleanField(default=False)
    reason = fields.CharField(max_length=64, default="")
    message = fields.TextField(default="")
    failure: Any = fields.JSONField(null=True)
    namespace = fields.CharField(max_length=63)
    url = fields.TextField(default="")
    deadline_at = fields.DatetimeField(null=True)
    created_by = fields.CharField(max_length=255)
    created_at = fields.DatetimeField(auto_now_add=True)
    updated_at = fields.DatetimeField(auto_now=True)

    class Meta:
        table = "model_endpoint"
        unique_together = (("model", "environment"),)


class Event(Table):
    """One line of a timeline, numbered in the order it became visible; never changed."""

    id = fields.BigIntField(primary_key=True, generated=True)
    # Indexes of (project, model or subject, id) are made in the migration.
    project_id = fields.UUIDField(null=True)
    subject_type = fields.CharField(max_length=32)  # GraphQL type name: Project, Model, Version, VersionEndpoint, …
    subject_id = fields.UUIDField()
    model_id = fields.UUIDField(null=True)  # so that a model's timeline holds its endpoints' lines
    type = fields.CharField(max_length=64)
    reason = fields.CharField(max_length=64, default="")
    severity = fields.CharEnumField(Severity, max_length=16, default=Severity.INFO)
    message = fields.TextField(default="")
    data: Any = fields.JSONField(default=dict)
    revision = fields.IntField(null=True)
    actor = fields.CharField(max_length=255, default="")
    at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "event"


class Audit(Table):
    """Who did what. Values of environment variables and secrets are masked."""

    id = fields.BigIntField(primary_key=True, generated=True)
    actor = fields.CharField(max_length=255)
    action = fields.CharField(max_length=64)
    project_id = fields.UUIDField(null=True, db_index=True)
    subject_type = fields.CharField(max_length=32)
    subject_id = fields.UUIDField(db_index=True)
    before: Any = fields.JSONField(null=True)
    after: Any = fields.JSONField(null=True)
    request_id = fields.CharField(max_length=64, default="")
    at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "audit"


class Outbox(Table):
    """Work that must reach the queue: written with the state it is about, deleted once it is enqueued."""

    id = fields.BigIntField(primary_key=True, generated=True)
    kind = fields.CharField(max_length=64)  # the arq function's name, e.g. reconcile_version_endpoint
    key = fields.CharField(max_length=64)  # the subject's id
    generation = fields.BigIntField(default=0)
    wake = fields.BigIntField(default=0)
    scheduled_for = fields.DatetimeField(db_index=True)
    attempts = fields.IntField(default=0)
    created_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "outbox"


class IdempotencyKey(Table):
    """The answer a caller's key got, so that a retry gets the same."""

    id = fields.UUIDField(primary_key=True, default=uuid4)
    caller = fields.CharField(max_length=255)
    key = fields.CharField(max_length=255)
    request_hash = fields.CharField(max_length=64)
    answer: Any = fields.JSONField(null=True)
    created_at = fields.DatetimeField(auto_now_add=True, db_index=True)

    class Meta:
        table = "idempotency_key"
        unique_together = (("caller", "key"),)


class DryRun(Table):
    """A deployment that was asked about, and what a worker says it would change."""

    id = fields.UUIDField(primary_key=True, default=uuid4)
    asked: Any = fields.JSONField()
    answer: Any = fields.JSONField(null=True)
    created_at = fields.DatetimeField(auto_now_add=True, db_index=True)

    class Meta:
        table = "dry_run"
