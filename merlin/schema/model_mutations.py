"""Mutations of models."""

from __future__ import annotations

import strawberry

from merlin.resolvers import change_models
from merlin.schema.context import Info
from merlin.schema.errors import Payload
from merlin.schema.filters import given, needed
from merlin.schema.ids import global_id, parse_id
from merlin.schema.model import Model
from merlin.schema.mutation import KEY, as_shown, mutation


@strawberry.input(description="A new model.")
class CreateModelInput:
    """See the fields."""

    project_id: strawberry.ID = needed("The project it belongs to.")
    name: str = needed("Its name, for ever: at most 25 lower-case letters, digits and '-', beginning with a letter.")
    type: str = given("What kind of model it is.", default="mlflow")
    description: str | None = given("What it is for.")
    idempotency_key: str | None = given(KEY)


@strawberry.input(description="What is to be different about a model; what is left out stays.")
class UpdateModelInput:
    """See the fields."""

    model_id: strawberry.ID = needed("The model.")
    type: str | None = given("What kind of model it is.")
    description: str | None = given("What it is for.")
    idempotency_key: str | None = given(KEY)


@strawberry.input(description="A model to be removed.")
class DeleteModelInput:
    """See the fields."""

    model_id: strawberry.ID = needed("The model.")
    idempotency_key: str | None = given(KEY)


@strawberry.type(description="What became of it.")
class CreateModelPayload(Payload):
    """See the fields."""

    model: Model | None = strawberry.field(default=None, description="The new model.")


@strawberry.type(description="What became of it.")
class UpdateModelPayload(Payload):
    """See the fields."""

    model: Model | None = strawberry.field(default=None, description="The model as it is now.")


@strawberry.type(description="What became of it.")
class DeleteModelPayload(Payload):
    """See the fields."""

    deleted_id: strawberry.ID | None = strawberry.field(default=None, description="The id that nothing has any more.")


@strawberry.type
class ModelMutations:
    """A part of the root type Mutation."""

    @mutation
    async def create_model(self, info: Info, input: CreateModelInput) -> CreateModelPayload:
        """Make a model; its MLflow experiment is made at once, or with its first version."""
        model = await change_models.create_model(
            info.context,
            parse_id(input.project_id, "Project", path=("projectId",)),
            name=input.name,
            type=input.type,
            description=input.description or "",
            key=input.idempotency_key,
        )
        return CreateModelPayload(model=as_shown(model))

    @mutation
    async def update_model(self, info: Info, input: UpdateModelInput) -> UpdateModelPayload:
        """Change a model."""
        model = await change_models.update_model(
            info.context,
            parse_id(input.model_id, "Model", path=("modelId",)),
            type=input.type,
            description=input.description,
            key=input.idempotency_key,
        )
        return UpdateModelPayload(model=as_shown(model))

    @mutation
    async def delete_model(self, info: Info, input: DeleteModelInput) -> DeleteModelPayload:
        """Remove a model and its versions once nothing of it is in a cluster; MLflow can restore its experiment."""
        key = parse_id(input.model_id, "Model", path=("modelId",))
        deleted = await change_models.delete_model(info.context, key, key=input.idempotency_key)
        return DeleteModelPayload(deleted_id=global_id("Model", deleted))
