"""Models as they are read."""

from __future__ import annotations

from merlin.db.listing import Condition, Sort, Window, read_where
from merlin.db.read_models import (
    MODELS,
    OF_PROJECT,
    ModelFilter,
    ModelOrderField,
    ModelSummary,
    model_conditions,
)
from merlin.db.records import ModelRecord, ProjectRecord
from merlin.resolvers.context import Context
from merlin.resolvers.lists import Listed, list_of
from merlin.resolvers.projects import project_by_name

_BY_NAME = (ModelOrderField.NAME.value,)


async def models_of(
    project: ProjectRecord, context: Context, wanted: ModelFilter | None, order: tuple[Sort, ...], window: Window
) -> Listed:
    """A project's models."""
    conditions = model_conditions(wanted or ModelFilter())
    return await list_of(context, MODELS, (OF_PROJECT, project.id), conditions, order or _BY_NAME, window)


async def model_by_name(context: Context, project: str, name: str) -> ModelRecord | None:
    """The model of that name in a project that the caller may see."""
    found = await project_by_name(context, project)
    if found is None:
        return None
    models = await read_where(MODELS, Condition("m.project_id = ?", (found.id,)), Condition("m.name = ?", (name,)))
    return models[0] if models else None


async def project_of(model: ModelRecord, context: Context) -> ProjectRecord | None:
    """The project it belongs to."""
    return await context.load.project(model.project_id)


async def summary_of(model: ModelRecord, context: Context) -> ModelSummary:
    """How its versions are."""
    return await context.load.model_summary(model.id) or ModelSummary()


async def mlflow_url(model: ModelRecord, context: Context) -> str | None:
    """The page of its experiment, once it has one."""
    if model.mlflow_experiment_id is None:
        return None
    return f"{context.mlflow_url}/#/experiments/{model.mlflow_experiment_id}"
