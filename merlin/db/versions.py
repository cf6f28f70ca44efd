"""Versions of models: numbered without gaps, OPEN until their artifact was resolved, labelled at any time."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg

from merlin.db.actor import Actor
from merlin.db.audit import Act, WorkToDo, record_act
from merlin.db.events import NewEvent, ring
from merlin.db.models import lock_model
from merlin.db.outbox import Work, enqueue
from merlin.db.tables import Model, Version
from merlin.db.transaction import Transaction, transaction
from merlin.domain.lifecycle import VersionState
from merlin.domain.names import MOST_LABELS
from merlin.errors import AlreadyExists, InvalidInput, NotAllowed, NotFound


async def create_version(
    actor: Actor,
    *,
    model_id: UUID,
    labels: Mapping[str, str] | None = None,
    properties: Mapping[str, Any] | None = None,
    run_name: str = "",
    python_version: str | None = None,
    adopted_run_id: str | None = None,
    answer: Mapping[str, Any] | None = None,
) -> Version:
    """The model's next version, OPEN. Numbers are given under the model's lock: no gap, none twice.

    ``adopted_run_id`` is an existing MLflow run to be this version; ``answer`` what a repetition is told beside its id.
    Raises NotFound; AlreadyExists when that run is a version already.
    """
    async with transaction() as tx:
        model = await lock_model(tx, model_id)
        try:
            version = await tx.insert(
                Version,
                model_id=model_id,
                number=model.next_version,
                labels=dict(labels or {}),
                properties=dict(properties or {}),
                run_name=run_name or f"{model.name}-{model.next_version}",
                python_version=python_version,
                mlflow_run_id=adopted_run_id,
                adopted=adopted_run_id is not None,
                created_by=actor.subject,
            )
        except asyncpg.UniqueViolationError as error:
            raise AlreadyExists(
                f"The run {adopted_run_id} is a version already.", path=("adopt",), hint="Each run is one version."
            ) from error
        await tx.update(Model, model_id, next_version=model.next_version + 1)
        after = {"number": version.number, "labels": version.labels, "run": adopted_run_id}
        work = _mirroring(version) if version.labels and adopted_run_id is not None else []
        await _record(tx, actor, model, version, "created", after=after, work=work, answer=answer)
    return version


def start_lock(version_id: UUID) -> str:
    """The name of the `session_lock` of who starts a version's run, or makes sure that none is left of it."""
    return f"start run of {version_id}"


async def set_run(
    version_id: UUID,
    *,
    run_id: str,
    experiment_id: str | None = None,
    run_name: str | None = None,
    artifact_uri: str | None = None,
) -> Version:
    """Note the MLflow run that was started for a version. Idempotent. Raises NotFound, AlreadyExists.

    Its labels and aliases are mirrored to it: they may have been set before, or just when it was being started. If
    the version was deleted meanwhile (NotFound), a worker deletes the run, and its experiment once no model has it.
    """
    async with transaction() as tx:
        version = await tx.find(Version, "FOR NO KEY UPDATE", id=version_id)
        if version is None:
            await _leave_nothing_of(tx, run_id, experiment_id)
        else:
            version = await _noted(
                tx, version, {"mlflow_run_id": run_id, "run_name": run_name, "artifact_uri": artifact_uri}
            )
    if version is None:
        raise NotFound("The version was deleted meanwhile.", path=("versionId",))
    return version


async def _leave_nothing_of(tx: Transaction, run_id: str, experiment_id: str | None) -> None:
    await enqueue(Work.DELETE_RUN, run_id, tx=tx)
    held = await tx.value("SELECT EXISTS (SELECT FROM model WHERE mlflow_experiment_id = $1)", experiment_id)
    if experiment_id is not None and not held:  # starting the run may have made or restored it after its deletion
        await enqueue(Work.DELETE_EXPERIMENT, experiment_id, tx=tx)


async def _noted(tx: Transaction, version: Version, given: Mapping[str, str | None]) -> Version:
    changes = {name: value for name, value in given.items() if value is not None}
    if all(getattr(version, name) == value for name, value in changes.items()):
        return version
    try:
        version = await tx.update(Version, version.id, **changes)
    except asyncpg.UniqueViolationError as error:
        message = f"The run {given['mlflow_run_id']} belongs to another version."
        raise AlreadyExists(message, path=("adopt",)) from error
    await enqueue(Work.MIRROR_VERSION_TAGS, version.id, tx=tx)
    await ring(tx, [version.id])
    return version


async def finish_version(
    actor: Actor,
    version_id: UUID,
    *,
    artifact_uri: str,
    storage_uri: str | None,
    python_version: str | None = None,
    requirements: Sequence[str] | None = None,
    flavors: Sequence[str] | None = None,
    signature: Mapping[str, Any] | None = None,
    input_example: Any = None,
    metrics: Mapping[str, Any] | None = None,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
) -> Version:
    """Close a version with what was resolved of its artifact. Finishing it again with the same artifact is no change.

    Raises NotFound; NotAllowed when it is finished with another artifact.
    """
    async with transaction() as tx:
        model, version = await _locked_with_model(tx, version_id)
        if version.state is VersionState.FINISHED:
            if version.artifact_uri == artifact_uri:
                return version
            raise NotAllowed(
                f"Version {version.number} is finished with {version.artifact_uri}.",
                path=("artifact",),
                hint="Create a new version.",
            )
        version = await tx.update(
            Version,
            version_id,
            state=VersionState.FINISHED,
            finished_at=datetime.now(UTC),
            artifact_uri=artifact_uri,
            storage_uri=storage_uri,
            python_version=python_version or version.python_version,
            requirements=None if requirements is None else list(requirements),
            requirements_hash=_hash(requirements),
            flavors=None if flavors is None else list(flavors),
            signature=signature,
            input_example=input_example,
            **_mirrored(metrics, params, tags),
        )
        after = {"artifact_uri": artifact_uri, "storage_uri": storage_uri}
        work = _mirroring(version) if version.labels else []
        await _record(tx, actor, model, version, "finished", before={"state": "open"}, after=after, work=work)
    return version


async def mirror(
    version_id: UUID,
    *,
    metrics: Mapping[str, Any],
    params: Mapping[str, Any],
    tags: Mapping[str, Any],
    actor: Actor | None = None,
) -> Version:
    """Note what MLflow holds now, so that lists can filter and sort by it. Subscribers are told; no event.

    ``actor``: who asked for it, for the audit. Raises NotFound.
    """
    async with transaction() as tx:
        model, _ = await _locked_with_model(tx, version_id)
        version = await tx.update(Version, version_id, **_mirrored(metrics, params, tags))
        if actor is not None:
            await record_act(tx, actor, Act("version.refreshed", "Version", version_id, model.project_id), events=[])
        await ring(tx, [version_id])
    return version


async def set_labels(actor: Actor, version_id: UUID, *, labels: Mapping[str, str]) -> Version:
    """Set these labels (already checked); others stay. Raises NotFound; InvalidInput when they would be too many."""
    async with transaction() as tx:
        model, version = await _locked_with_model(tx, version_id)
        all_of_them = {**version.labels, **labels}
        if len(all_of_them) > MOST_LABELS:
            raise InvalidInput(f"A version has at most {MOST_LABELS} labels.", path=("labels",), hint="Remove some.")
        return await _relabel(tx, actor, model, version, all_of_them)


async def remove_labels(actor: Actor, version_id: UUID, *, keys: Sequence[str]) -> Version:
    """Remove these labels; one that is not there is no error. Raises NotFound."""
    async with transaction() as tx:
        model, version = await _locked_with_model(tx, version_id)
        kept = {key: value for key, value in version.labels.items() if key not in set(keys)}
        return await _relabel(tx, actor, model, version, kept)


async def delete_version(actor: Actor, version_id: UUID) -> Version:
    """Remove a version with its aliases and what is left of its endpoints; the row as it was.

    A worker deletes its run in MLflow, unless it was adopted. Raises NotFound; NotAllowed (VERSION_IN_USE) while it is
    in a cluster or on its way.
    """
    async with transaction() as tx:
        model, version = await _locked_with_model(tx, version_id, "FOR UPDATE")
        environments = await tx.value(
            "SELECT string_agg(n.name, ', ') FROM version_endpoint e JOIN environment n ON n.id = e.environment_id "
            "WHERE e.version_id = $1 AND NOT (e.lifecycle = 'terminated' AND e.observed_generation = e.generation)",
            version_id,
        )
        if environments:
            raise NotAllowed(
                f"Version {version.number} is not gone yet from: {environments}.",
                code="VERSION_IN_USE",
                path=("versionId",),
                hint="Undeploy it and wait until it is terminated.",
            )
        await tx.execute("DELETE FROM version WHERE id = $1", version_id)
        before = {"number": version.number, "labels": version.labels, "artifact_uri": version.artifact_uri}
        await _record(tx, actor, model, version, "deleted", before=before, work=_deleting_its_run(version))
    return version


async def _relabel(tx: Transaction, actor: Actor, model: Model, version: Version, labels: Mapping[str, str]) -> Version:
    before = dict(version.labels)
    if labels == before:
        return version
    version = await tx.update(Version, version.id, labels=dict(labels))
    work = _mirroring(version)
    await _record(
        tx, actor, model, version, "labels_changed", before={"labels": before}, after={"labels": labels}, work=work
    )
    return version


async def _locked(tx: Transaction, version_id: UUID) -> Version:
    version = await tx.find(Version, "FOR NO KEY UPDATE", id=version_id)
    if version is None:
        raise NotFound("There is no such version.", path=("versionId",))
    return version


async def _locked_with_model(
    tx: Transaction, version_id: UUID, strength: str = "FOR NO KEY UPDATE"
) -> tuple[Model, Version]:
    """Both rows, the model's locked first, as every wish about versions and endpoints does."""
    model_id = await tx.value("SELECT model_id FROM version WHERE id = $1", version_id)
    if model_id is None:
        raise NotFound("There is no such version.", path=("versionId",))
    model = await lock_model(tx, model_id, strength)
    return model, await _locked(tx, version_id)


async def _record(
    tx: Transaction,
    actor: Actor,
    model: Model,
    version: Version,
    verb: str,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    work: Sequence[WorkToDo] = (),
    answer: Mapping[str, Any] | None = None,
) -> None:
    event = NewEvent(
        type=f"version.{verb}",
        subject_type="Version",
        subject_id=version.id,
        project_id=model.project_id,
        model_id=model.id,
        message=f"Version {version.number} of {model.name}: {verb.replace('_', ' ')}.",
        data={"version": version.number, **({"labels": version.labels} if verb == "labels_changed" else {})},
        actor=actor.subject,
    )
    act = Act(
        f"version.{verb}", "Version", version.id, model.project_id, before=before, after=after, answer=answer or {}
    )
    await record_act(tx, actor, act, events=[event], work=work)


def _deleting_its_run(version: Version) -> list[WorkToDo]:
    if version.adopted:
        return []
    if version.mlflow_run_id is not None:
        return [WorkToDo(Work.DELETE_RUN, version.mlflow_run_id)]
    return [WorkToDo(Work.DELETE_UNNOTED_RUN, version.model_id.hex + version.id.hex)]


def _mirroring(version: Version) -> list[WorkToDo]:
    return [WorkToDo(Work.MIRROR_VERSION_TAGS, version.id)]


def _mirrored(
    metrics: Mapping[str, Any] | None, params: Mapping[str, Any] | None, tags: Mapping[str, Any] | None
) -> dict[str, Any]:
    return {
        "metrics": dict(metrics or {}),
        "params": dict(params or {}),
        "tags": dict(tags or {}),
        "mirrored_at": datetime.now(UTC),
    }


def _hash(requirements: Sequence[str] | None) -> str | None:
    if requirements is None:
        return None
    return hashlib.sha256("\n".join(sorted(requirements)).encode()).hexdigest()
