"""Models: prediction services of a project."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import asyncpg

from merlin.db.actor import Actor
from merlin.db.audit import Act, WorkToDo, record_act
from merlin.db.events import NewEvent, ring
from merlin.db.outbox import Work, enqueue
from merlin.db.tables import Model
from merlin.db.transaction import Transaction, transaction
from merlin.errors import AlreadyExists, NotAllowed, NotFound


async def create_model(
    actor: Actor, *, project_id: UUID, name: str, type: str = "mlflow", description: str = ""
) -> Model:
    """A new model (its name is already checked). Raises AlreadyExists, NotFound (project)."""
    async with transaction() as tx:
        try:
            model = await tx.insert(
                Model, project_id=project_id, name=name, type=type, description=description, created_by=actor.subject
            )
        except asyncpg.UniqueViolationError as error:
            raise AlreadyExists(f"The project has a model {name!r} already.", path=("name",)) from error
        except asyncpg.ForeignKeyViolationError as error:
            raise NotFound("There is no such project.", path=("projectId",)) from error
        await _record(tx, actor, model, "created", after={"name": name, "type": type, "description": description})
    return model


async def set_experiment(model_id: UUID, experiment_id: str) -> Model:
    """Note the model's MLflow experiment. Idempotent.

    Raises NotFound when the model was deleted meanwhile; a worker deletes the experiment then.
    """
    async with transaction() as tx:
        model = await tx.find(Model, "FOR NO KEY UPDATE", id=model_id)
        if model is None:
            await enqueue(Work.DELETE_EXPERIMENT, experiment_id, tx=tx)
        elif model.mlflow_experiment_id != experiment_id:
            model = await tx.update(Model, model_id, mlflow_experiment_id=experiment_id)
            await ring(tx, [model_id])
    if model is None:
        raise NotFound("The model was deleted meanwhile.", path=("modelId",))
    return model


async def update_model(
    actor: Actor, model_id: UUID, *, description: str | None = None, type: str | None = None
) -> Model:
    """Change what is given; ``None`` keeps. Nothing is written if nothing differs. Raises NotFound."""
    async with transaction() as tx:
        model = await lock_model(tx, model_id)
        before = {"description": model.description, "type": model.type}
        given = {"description": description, "type": type}
        after = {name: before[name] if value is None else value for name, value in given.items()}
        if after == before:
            return model
        model = await tx.update(Model, model_id, **after)
        await _record(tx, actor, model, "updated", before=before, after=after)
    return model


async def delete_model(actor: Actor, model_id: UUID) -> Model:
    """Remove a model with its versions and what is left of its endpoints; the row as it was.

    A worker deletes its experiment in MLflow. Raises NotFound; NotAllowed (MODEL_IN_USE) while anything of it is in a
    cluster or on its way.
    """
    async with transaction() as tx:
        model = await lock_model(tx, model_id, "FOR UPDATE")
        await _check_unused(tx, model_id)
        await tx.execute("DELETE FROM model WHERE id = $1", model_id)
        experiment = model.mlflow_experiment_id
        work = [WorkToDo(Work.DELETE_EXPERIMENT, experiment)] if experiment is not None else []
        await _record(tx, actor, model, "deleted", before={"name": model.name, "type": model.type}, work=work)
    return model


async def lock_model(tx: Transaction, model_id: UUID, strength: str = "FOR NO KEY UPDATE") -> Model:
    """The model's row, locked: the first lock of every wish about its versions and endpoints. Raises NotFound."""
    model = await tx.find(Model, strength, id=model_id)
    if model is None:
        raise NotFound("There is no such model.", path=("modelId",))
    return model


async def _check_unused(tx: Transaction, model_id: UUID) -> None:
    serving = await tx.value(
        "SELECT count(*) FROM model_endpoint WHERE model_id = $1 "
        "AND NOT (status = 'stopped' AND desired_rule IS NULL AND observed_generation = generation)",
        model_id,
    )
    deployed = await tx.value(
        "SELECT count(*) FROM version_endpoint e JOIN version v ON v.id = e.version_id WHERE v.model_id = $1 "
        "AND NOT (e.lifecycle = 'terminated' AND e.observed_generation = e.generation)",
        model_id,
    )
    if serving or deployed:
        raise NotAllowed(
            f"The model is in use: {serving} of its model endpoints and {deployed} of its version endpoints are "
            "not gone yet.",
            code="MODEL_IN_USE",
            path=("modelId",),
            hint="Stop serving, undeploy every version, and wait until they are terminated.",
        )


async def _record(
    tx: Transaction,
    actor: Actor,
    model: Model,
    verb: str,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    work: Sequence[WorkToDo] = (),
) -> None:
    event = NewEvent(
        type=f"model.{verb}",
        subject_type="Model",
        subject_id=model.id,
        project_id=model.project_id,
        model_id=model.id,
        message=f"Model {model.name} {verb}.",
        actor=actor.subject,
    )
    act = Act(f"model.{verb}", "Model", model.id, model.project_id, before=before, after=after)
    await record_act(tx, actor, act, events=[event], work=work)
