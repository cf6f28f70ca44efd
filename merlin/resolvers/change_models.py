"""Changes of models. A model is an MLflow experiment too, but never lost because MLflow is away."""

from __future__ import annotations

import asyncio
import logging
import re
from uuid import UUID

from merlin.db import models
from merlin.db.actor import Actor
from merlin.db.idempotency import Answer
from merlin.db.records import ModelRecord
from merlin.domain.lifecycle import Role
from merlin.domain.names import check_model_name
from merlin.errors import InvalidInput, MerlinError, NotFound
from merlin.resolvers.change_projects import LONGEST_DESCRIPTION
from merlin.resolvers.context import Context
from merlin.resolvers.once import once_only
from merlin.resolvers.permissions import require
from merlin.resolvers.problems import Problems

log = logging.getLogger(__name__)

EXPERIMENT_SECONDS = 3.0
_TYPE = re.compile(r"[a-z][-a-z0-9_.]{0,31}")


async def create_model(
    context: Context, project_id: UUID, *, name: str, type: str, description: str, key: str | None
) -> ModelRecord:
    """A new model, for editors of the project. Its experiment is made at once if MLflow answers, else with a version.

    Raises NotFound, PermissionDenied; InvalidInput or InputErrors; AlreadyExists.
    """
    await require(context, project_id, Role.EDITOR, path=("projectId",))
    problems = Problems()
    problems.check(check_model_name, name)
    _check_content(type, description, problems)
    problems.raise_any()

    async def act(actor: Actor) -> UUID:
        made = await models.create_model(actor, project_id=project_id, name=name, type=type, description=description)
        return made.id

    asked = {"project": project_id, "name": name, "type": type, "description": description}
    model_id = await once_only(context, "createModel", asked, key, act=act, recall=_subject)
    try:
        async with asyncio.timeout(EXPERIMENT_SECONDS):
            await ensure_experiment(context, await _shown(context, model_id))
    except (MerlinError, TimeoutError) as error:
        log.warning("the model's experiment is made later", extra={"model_id": model_id, "reason": str(error)})
    return await _shown(context, model_id)


async def update_model(
    context: Context, model_id: UUID, *, type: str | None, description: str | None, key: str | None
) -> ModelRecord:
    """Change what is given, for editors. Raises NotFound, PermissionDenied; InvalidInput or InputErrors."""
    await editable_model(context, model_id)
    problems = Problems()
    _check_content(type, description, problems)
    problems.raise_any()

    async def act(actor: Actor) -> UUID:
        return (await models.update_model(actor, model_id, type=type, description=description)).id

    asked = {"model": model_id, "type": type, "description": description}
    return await _shown(context, await once_only(context, "updateModel", asked, key, act=act, recall=_subject))


async def delete_model(context: Context, model_id: UUID, *, key: str | None) -> UUID:
    """Remove a model and its versions, for editors; its key. MLflow keeps its experiment as a deleted one.

    A worker sees to that, once MLflow answers. Raises NotFound, PermissionDenied; NotAllowed (MODEL_IN_USE).
    """

    async def act(actor: Actor) -> UUID:
        await editable_model(context, model_id)
        await models.delete_model(actor, model_id)
        return model_id

    return await once_only(context, "deleteModel", {"model": model_id}, key, act=act, recall=_subject)


async def ensure_experiment(context: Context, model: ModelRecord) -> str:
    """The id of the model's experiment in MLflow, made or restored if need be. Idempotent. Raises Unavailable.

    An earlier model of this name may have left it to a worker that deletes it. That one leaves it alone once it is
    noted here, so it is made sure of again after that.
    """
    project = await context.load.project(model.project_id)
    if project is None:
        raise NotFound("The model's project was deleted meanwhile.")
    noted = model.mlflow_experiment_id
    while (experiment := await context.mlflow.ensure_experiment(f"{project.name}/{model.name}")) != noted:
        await models.set_experiment(model.id, experiment)
        noted = experiment
    return experiment


async def editable_model(context: Context, model_id: UUID) -> ModelRecord:
    """The model, for who may edit it. Raises NotFound, PermissionDenied."""
    model = await context.load.model(model_id)
    await require(context, model.project_id if model else None, Role.EDITOR, path=("modelId",), what="model")
    if model is None:
        raise AssertionError("require lets no missing model pass")
    return model


def _check_content(type: str | None, description: str | None, problems: Problems) -> None:
    problems.longest(description, LONGEST_DESCRIPTION, "description")
    if type is not None and not _TYPE.fullmatch(type):
        problems.add(
            InvalidInput(
                f"{type[:40]!r} is not a model's type.", path=("type",), hint="Use `mlflow` for any MLflow flavour."
            )
        )


async def _subject(answer: Answer) -> UUID:
    return answer.subject_id


async def _shown(context: Context, model_id: UUID) -> ModelRecord:
    model = await context.load.model(model_id)
    if model is None:
        raise NotFound("The model was deleted meanwhile.", path=("modelId",))
    return model
