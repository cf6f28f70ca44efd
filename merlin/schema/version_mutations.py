"""Mutations of versions, their labels and their aliases."""

from __future__ import annotations

import strawberry

from merlin.resolvers import change_versions
from merlin.resolvers.change_versions import NewVersion
from merlin.schema.context import Info
from merlin.schema.errors import Payload
from merlin.schema.filters import given, needed
from merlin.schema.ids import global_id, parse_id
from merlin.schema.mutation import KEY, as_shown, mutation, pairs_of
from merlin.schema.parts import KeyValueInput
from merlin.schema.scalars import JSON
from merlin.schema.version import Version

_VERSION = ("versionId",)


@strawberry.input(description="A new version.")
class CreateVersionInput:
    """See the fields."""

    model_id: strawberry.ID = needed("The model it is of.")
    run_name: str | None = given("Its run's name; made up when not given.")
    labels: list[KeyValueInput] | None = given("Its labels.")
    properties: JSON | None = given("A JSON object to keep with it.")
    python_version: str | None = given("The Python version it needs; the logged model says it better.")
    adopt: str | None = given(
        "A run that MLflow has: a run id, runs:/<id>[/<path>], models:/<name>/<version>, models:/<name>@<alias>. "
        "If that names a model, the version is FINISHED at once."
    )
    idempotency_key: str | None = given(KEY)


@strawberry.input(description="A version whose model is logged.")
class FinishVersionInput:
    """See the fields."""

    version_id: strawberry.ID = needed("The version.")
    artifact: str | None = given("Where in its run the model was logged; the only or newest one when not given.")
    idempotency_key: str | None = given(KEY)


@strawberry.input(description="A version whose run has changed.")
class RefreshVersionInput:
    """See the fields."""

    version_id: strawberry.ID = needed("The version.")
    idempotency_key: str | None = given(KEY)


@strawberry.input(description="Labels for a version.")
class SetVersionLabelsInput:
    """See the fields."""

    version_id: strawberry.ID = needed("The version.")
    labels: list[KeyValueInput] = needed("The labels to add, or to replace by key; others stay.")
    idempotency_key: str | None = given(KEY)


@strawberry.input(description="Labels that a version is to lose.")
class RemoveVersionLabelsInput:
    """See the fields."""

    version_id: strawberry.ID = needed("The version.")
    keys: list[str] = needed("Their keys; one that is not there is no error.")
    idempotency_key: str | None = given(KEY)


@strawberry.input(description="An alias for a version.")
class SetVersionAliasInput:
    """See the fields."""

    version_id: strawberry.ID = needed("The version that it is to name.")
    alias: str = needed("The alias; another version of the model loses it.")
    idempotency_key: str | None = given(KEY)


@strawberry.input(description="An alias that no version is to have.")
class RemoveVersionAliasInput:
    """See the fields."""

    model_id: strawberry.ID = needed("The model.")
    alias: str = needed("The alias.")
    idempotency_key: str | None = given(KEY)


@strawberry.input(description="A version to be removed.")
class DeleteVersionInput:
    """See the fields."""

    version_id: strawberry.ID = needed("The version.")
    idempotency_key: str | None = given(KEY)


@strawberry.type(description="What became of it.")
class CreateVersionPayload(Payload):
    """See the fields."""

    version: Version | None = strawberry.field(default=None, description="The new version.")


@strawberry.type(description="What became of it.")
class FinishVersionPayload(Payload):
    """See the fields."""

    version: Version | None = strawberry.field(default=None, description="The version, FINISHED.")


@strawberry.type(description="What became of it.")
class RefreshVersionPayload(Payload):
    """See the fields."""

    version: Version | None = strawberry.field(default=None, description="The version as MLflow has it now.")


@strawberry.type(description="What became of it.")
class SetVersionLabelsPayload(Payload):
    """See the fields."""

    version: Version | None = strawberry.field(default=None, description="The version as it is now.")


@strawberry.type(description="What became of it.")
class RemoveVersionLabelsPayload(Payload):
    """See the fields."""

    version: Version | None = strawberry.field(default=None, description="The version as it is now.")


@strawberry.type(description="What became of it.")
class SetVersionAliasPayload(Payload):
    """See the fields."""

    version: Version | None = strawberry.field(default=None, description="The version that has it now.")


@strawberry.type(description="What became of it.")
class RemoveVersionAliasPayload(Payload):
    """See the fields."""

    version: Version | None = strawberry.field(default=None, description="The version that had it.")


@strawberry.type(description="What became of it.")
class DeleteVersionPayload(Payload):
    """See the fields."""

    deleted_id: strawberry.ID | None = strawberry.field(default=None, description="The id that nothing has any more.")


@strawberry.type
class VersionMutations:
    """A part of the root type Mutation."""

    @mutation
    async def create_version(self, info: Info, input: CreateVersionInput) -> CreateVersionPayload:
        """Make a model's next version and start its run in MLflow, or adopt one that is there.

        MLFLOW_UNAVAILABLE: the version is kept; the same `idempotencyKey` goes on with it.
        """
        asked = NewVersion(input.run_name, pairs_of(input.labels), input.properties, input.python_version, input.adopt)
        model_id = parse_id(input.model_id, "Model", path=("modelId",))
        made = await change_versions.create_version(info.context, model_id, asked, key=input.idempotency_key)
        return CreateVersionPayload(version=as_shown(made))

    @mutation
    async def finish_version(self, info: Info, input: FinishVersionInput) -> FinishVersionPayload:
        """Close a version with the model that its run logged: found, read and mirrored. Then it can be deployed."""
        version_id = parse_id(input.version_id, "Version", path=_VERSION)
        version = await change_versions.finish_version(
            info.context, version_id, input.artifact, key=input.idempotency_key
        )
        return FinishVersionPayload(version=as_shown(version))

    @mutation
    async def refresh_version(self, info: Info, input: RefreshVersionInput) -> RefreshVersionPayload:
        """Mirror a version's metrics, params and tags from MLflow now, so that lists filter and sort by them."""
        version_id = parse_id(input.version_id, "Version", path=_VERSION)
        version = await change_versions.refresh_version(info.context, version_id, key=input.idempotency_key)
        return RefreshVersionPayload(version=as_shown(version))

    @mutation
    async def set_version_labels(self, info: Info, input: SetVersionLabelsInput) -> SetVersionLabelsPayload:
        """Add or replace labels of a version, at any time."""
        version_id = parse_id(input.version_id, "Version", path=_VERSION)
        version = await change_versions.set_labels(
            info.context, version_id, pairs_of(input.labels), key=input.idempotency_key
        )
        return SetVersionLabelsPayload(version=as_shown(version))

    @mutation
    async def remove_version_labels(self, info: Info, input: RemoveVersionLabelsInput) -> RemoveVersionLabelsPayload:
        """Remove labels of a version, at any time."""
        version_id = parse_id(input.version_id, "Version", path=_VERSION)
        version = await change_versions.remove_labels(
            info.context, version_id, tuple(input.keys), key=input.idempotency_key
        )
        return RemoveVersionLabelsPayload(version=as_shown(version))

    @mutation
    async def set_version_alias(self, info: Info, input: SetVersionAliasInput) -> SetVersionAliasPayload:
        """Let an alias name a version, wherever it was before."""
        version_id = parse_id(input.version_id, "Version", path=_VERSION)
        version = await change_versions.set_alias(info.context, version_id, input.alias, key=input.idempotency_key)
        return SetVersionAliasPayload(version=as_shown(version))

    @mutation
    async def remove_version_alias(self, info: Info, input: RemoveVersionAliasInput) -> RemoveVersionAliasPayload:
        """Remove an alias."""
        model_id = parse_id(input.model_id, "Model", path=("modelId",))
        version = await change_versions.remove_alias(info.context, model_id, input.alias, key=input.idempotency_key)
        return RemoveVersionAliasPayload(version=as_shown(version))

    @mutation
    async def delete_version(self, info: Info, input: DeleteVersionInput) -> DeleteVersionPayload:
        """Remove a version once nothing of it is in a cluster. MLflow keeps its run restorable."""
        version_id = parse_id(input.version_id, "Version", path=_VERSION)
        deleted = await change_versions.delete_version(info.context, version_id, key=input.idempotency_key)
        return DeleteVersionPayload(deleted_id=global_id("Version", deleted))
