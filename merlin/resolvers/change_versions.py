"""Changes of versions: a row here and a run in MLflow.

The row is written first and the run is tagged with its id; whoever dies or is cut off between the two goes on from
there: the same idempotency key, `refresh_version` or `finish_version` find the row and start its run.
"""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

import orjson

from merlin.db import aliases, versions
from merlin.db.actor import Actor
from merlin.db.idempotency import Answer
from merlin.db.locks import session_lock
from merlin.db.records import VersionRecord
from merlin.domain.lifecycle import Role, VersionState
from merlin.domain.names import check_alias
from merlin.errors import Conflict, InvalidInput, NotFound, Unavailable
from merlin.resolvers.change_models import editable_model, ensure_experiment
from merlin.resolvers.context import Context
from merlin.resolvers.labels import checked_labels
from merlin.resolvers.once import once_only
from merlin.resolvers.permissions import require
from merlin.resolvers.problems import Problems, located
from merlin.resolvers.runs import EXPERIMENT_TAG
from merlin.tracking.client import VERSION_TAG, RunData
from merlin.tracking.reference import RunReference, parse_reference

OTHERS_SECONDS = 10.0
PAUSE_SECONDS = 0.2
LONGEST_RUN_NAME = 250
MOST_PROPERTY_BYTES = 64 * 1024
_PYTHON = re.compile(r"3\.\d{1,2}(\.\d{1,2})?")
_LABEL_TAG = "merlin.label."  # as the workers mirror labels


@dataclass(frozen=True, slots=True)
class NewVersion:
    """What a new version is to be. ``adopt`` names a run, or a model, that MLflow has already."""

    run_name: str | None = None
    labels: tuple[tuple[str, str], ...] = ()
    properties: Any = None
    python_version: str | None = None
    adopt: str | None = None


@dataclass(frozen=True, slots=True)
class _Adoption:
    """What is kept of how a reference was resolved: whether it named a model to finish with, and where that lies.

    A repeated request goes on with this and with the run that the version's row names, wherever the reference leads by
    then.
    """

    names_artifact: bool
    path: str | None


async def create_version(context: Context, model_id: UUID, asked: NewVersion, *, key: str | None) -> VersionRecord:
    """The model's next version with its run in MLflow, for editors.

    An adopted one is FINISHED at once when its reference names an artifact. The same key means the run that was
    adopted first, wherever the reference leads by then. Raises NotFound, PermissionDenied;
    InvalidInput or InputErrors; AlreadyExists (the run is a version already); Unavailable (MLFLOW_UNAVAILABLE: the
    version is kept; the same key goes on with it).
    """
    model = await editable_model(context, model_id)
    problems = Problems()
    labels = _checked(asked, problems)
    problems.raise_any()

    async def act(actor: Actor) -> tuple[UUID, Mapping[str, Any]]:
        run, adoption = await _resolve(context, asked.adopt) if asked.adopt else (None, None)
        answer = asdict(adoption) if adoption else {}
        made = await versions.create_version(
            actor,
            model_id=model.id,
            labels=labels,
            properties=asked.properties,
            run_name=(asked.run_name or (run.name if run else ""))[:LONGEST_RUN_NAME],
            python_version=asked.python_version,
            adopted_run_id=run.run_id if run else None,
            answer=answer,
        )
        return made.id, answer

    async def recall(answer: Answer) -> tuple[UUID, Mapping[str, Any]]:
        return answer.subject_id, answer.data

    question = {"model": model_id, **asdict(asked)}
    version_id, answer = await once_only(context, "createVersion", question, key, act=act, recall=recall)
    version = await _shown(context, version_id)
    if answer:
        return await _take_over(context, version, _Adoption(**answer))
    return await start_run(context, version)


async def start_run(context: Context, version: VersionRecord) -> VersionRecord:
    """The version with its run in MLflow, found by its tag or made. Idempotent; one caller at a time, others wait.

    Raises Unavailable (MLFLOW_UNAVAILABLE); Conflict when another request is at it for long.
    """
    deadline = time.monotonic() + OTHERS_SECONDS
    while version.mlflow_run_id is None:
        async with session_lock(versions.start_lock(version.id)) as held:
            version = await _shown(context, version.id)
            if held is not None and version.mlflow_run_id is None:
                return await _start_run(context, version)
        if version.mlflow_run_id is None:
            if time.monotonic() > deadline:
                raise Conflict("The version's run is being started by another request.", hint="Try again in a moment.")
            await asyncio.sleep(PAUSE_SECONDS)
    return version


async def _start_run(context: Context, version: VersionRecord) -> VersionRecord:
    try:
        run = await _make_run(context, version)
    except Unavailable as error:
        raise Unavailable(
            f"Version {version.number} is kept, but its run could not be started. {error.message}",
            code=error.code,
            hint="Try again with the same idempotencyKey; or refreshVersion starts the run.",
        ) from error
    await versions.set_run(
        version.id, run_id=run.run_id, experiment_id=run.experiment_id, run_name=run.name[:LONGEST_RUN_NAME] or None
    )
    return await _shown(context, version.id)


async def finish_version(context: Context, version_id: UUID, artifact: str | None, *, key: str | None) -> VersionRecord:
    """Close a version with the model that its run logged (at a path, or the only or newest one), for editors.

    Finishing it again with the same artifact changes nothing. Raises NotFound, PermissionDenied; InvalidInput (path);
    NotFound (ARTIFACT_NOT_FOUND); Rejected (NOT_A_MODEL); NotAllowed (finished with another); Unavailable.
    """
    version = await editable_version(context, version_id)
    path = _checked_path(artifact)
    if version.state is VersionState.FINISHED and path is None:
        return version
    version = await start_run(context, version)

    async def act(actor: Actor) -> UUID:
        return await _finish(context, actor, version, path)

    question = {"version": version_id, "artifact": path}
    return await _shown(context, await once_only(context, "finishVersion", question, key, act=act, recall=_subject))


async def refresh_version(context: Context, version_id: UUID, *, key: str | None) -> VersionRecord:
    """Mirror metrics, params and tags of the run now, for editors. Starts the run if that was not possible before.

    Raises NotFound, PermissionDenied; Unavailable (MLFLOW_UNAVAILABLE).
    """
    version = await start_run(context, await editable_version(context, version_id))

    async def act(actor: Actor) -> UUID:
        run = await _run_of(context, version)
        await versions.mirror(version_id, **_mirrored(run), actor=actor)
        return version_id

    question = {"version": version_id}
    return await _shown(context, await once_only(context, "refreshVersion", question, key, act=act, recall=_subject))


async def set_labels(
    context: Context, version_id: UUID, labels: tuple[tuple[str, str], ...], *, key: str | None
) -> VersionRecord:
    """Add or replace labels, for editors. Raises NotFound, PermissionDenied; InvalidInput or InputErrors."""
    await editable_version(context, version_id)
    problems = Problems()
    checked = checked_labels(labels, problems)
    problems.raise_any()

    async def act(actor: Actor) -> UUID:
        return (await versions.set_labels(actor, version_id, labels=checked)).id

    question = {"version": version_id, "labels": labels}
    return await _shown(context, await once_only(context, "setVersionLabels", question, key, act=act, recall=_subject))


async def remove_labels(context: Context, version_id: UUID, keys: tuple[str, ...], *, key: str | None) -> VersionRecord:
    """Remove labels by key, for editors; ones that are not there are no error. Raises NotFound, PermissionDenied."""
    await editable_version(context, version_id)

    async def act(actor: Actor) -> UUID:
        return (await versions.remove_labels(actor, version_id, keys=keys)).id

    question = {"version": version_id, "keys": keys}
    made = await once_only(context, "removeVersionLabels", question, key, act=act, recall=_subject)
    return await _shown(context, made)


async def set_alias(context: Context, version_id: UUID, alias: str, *, key: str | None) -> VersionRecord:
    """Let an alias name this version, wherever it was, for editors. Raises NotFound, PermissionDenied, InvalidInput."""
    await editable_version(context, version_id)
    check_alias(alias)

    async def act(actor: Actor) -> UUID:
        return (await aliases.set_alias(actor, version_id=version_id, alias=alias)).id

    question = {"version": version_id, "alias": alias}
    return await _shown(context, await once_only(context, "setVersionAlias", question, key, act=act, recall=_subject))


async def remove_alias(context: Context, model_id: UUID, alias: str, *, key: str | None) -> VersionRecord:
    """Remove an alias, for editors; the version that had it. Raises NotFound (model, alias), PermissionDenied."""
    await editable_model(context, model_id)

    async def act(actor: Actor) -> UUID:
        return (await aliases.remove_alias(actor, model_id=model_id, alias=alias)).id

    question = {"model": model_id, "alias": alias}
    made = await once_only(context, "removeVersionAlias", question, key, act=act, recall=_subject)
    return await _shown(context, made)


async def delete_version(context: Context, version_id: UUID, *, key: str | None) -> UUID:
    """Remove a version, for editors; its key. MLflow keeps its run as a deleted one, an adopted run as it is.

    A worker sees to that, once MLflow answers. Raises NotFound, PermissionDenied; NotAllowed (VERSION_IN_USE).
    """

    async def act(actor: Actor) -> UUID:
        await editable_version(context, version_id)
        await versions.delete_version(actor, version_id)
        return version_id

    return await once_only(context, "deleteVersion", {"version": version_id}, key, act=act, recall=_subject)


async def editable_version(context: Context, version_id: UUID) -> VersionRecord:
    """The version, for who may edit it. Raises NotFound, PermissionDenied."""
    version = await context.load.version(version_id)
    await require(context, version.project_id if version else None, Role.EDITOR, path=("versionId",), what="version")
    if version is None:
        raise AssertionError("require lets no missing version pass")
    return version


def _checked(asked: NewVersion, problems: Problems) -> dict[str, str]:
    problems.longest(asked.run_name, LONGEST_RUN_NAME, "runName")
    if asked.python_version is not None and not _PYTHON.fullmatch(asked.python_version):
        problems.add(
            InvalidInput(
                f"{asked.python_version[:20]!r} is not a Python version.", path=("pythonVersion",), hint="Such as 3.11."
            )
        )
    _check_properties(asked.properties, problems)
    if asked.adopt is not None:
        problems.check(parse_reference, asked.adopt)
    return checked_labels(asked.labels, problems)


def _check_properties(properties: Any, problems: Problems) -> None:
    if properties is not None and not isinstance(properties, dict):
        problems.add(InvalidInput("`properties` is a JSON object.", path=("properties",)))
        return
    try:
        stored = orjson.dumps(properties)
    except TypeError as error:  # a whole number of more than 64 bits, or nested too deeply
        problems.add(InvalidInput(f"`properties` cannot be stored as JSON: {error}.", path=("properties",)))
        return
    if len(stored) > MOST_PROPERTY_BYTES or b"\\u0000" in stored:
        message = f"`properties` has at most {MOST_PROPERTY_BYTES >> 10} KiB, without NUL."
        problems.add(InvalidInput(message, path=("properties",)))


def _checked_path(artifact: str | None) -> str | None:
    if artifact is None:
        return None
    parts = [part for part in artifact.split("/") if part]
    if not parts or any(part in {".", ".."} for part in parts) or ":" in artifact or "\0" in artifact:
        raise InvalidInput(
            f"{artifact[:100]!r} is not a path inside a run.",
            path=("artifact",),
            hint="Give the name the model was logged under, such as `model`; or leave it out.",
        )
    return "/".join(parts)


async def _resolve(context: Context, reference: str) -> tuple[RunData, _Adoption]:
    with located("adopt"):
        found = await context.mlflow.resolve(reference)
        names_artifact = found.path is not None or not isinstance(parse_reference(reference), RunReference)
        if names_artifact:
            await context.mlflow.resolve_artifact(found.run_id, found.path)
        return await context.mlflow.get_run(found.run_id), _Adoption(names_artifact, found.path)


async def _take_over(context: Context, version: VersionRecord, adoption: _Adoption) -> VersionRecord:
    """Tag the adopted run, mirror what it says, and finish the version if its model is known. May be repeated.

    Nothing is asked of MLflow once that is done: the row's mirror holds the tag, and is written last.
    """
    is_open = version.state is VersionState.OPEN
    is_tagged = version.tags.get(VERSION_TAG) == str(version.id)
    if is_tagged and not (adoption.names_artifact and is_open):
        return version
    run = await _tagged(context, version)
    if adoption.names_artifact and is_open:
        with located("adopt"):
            await _finish(context, context.actor, version, adoption.path)
    else:
        await versions.mirror(version.id, **_mirrored(run))
    return await _shown(context, version.id)


async def _tagged(context: Context, version: VersionRecord) -> RunData:
    """The adopted run, which says in MLflow whose it is."""
    run = await _run_of(context, version)
    if run.tags.get(VERSION_TAG) == str(version.id):
        return run
    tags = {VERSION_TAG: str(version.id), EXPERIMENT_TAG: run.experiment_id}
    await context.mlflow.set_tags(run.run_id, tags)
    return await _run_of(context, version)


async def _make_run(context: Context, version: VersionRecord) -> RunData:
    model = await context.load.model(version.model_id)
    if model is None:
        raise NotFound("The version's model was deleted meanwhile.")
    experiment = await ensure_experiment(context, model)
    tags = {f"{_LABEL_TAG}{name}": value for name, value in version.labels.items()}
    return await context.mlflow.create_run(experiment, version_id=str(version.id), run_name=version.run_name, tags=tags)


async def _finish(context: Context, actor: Actor, version: VersionRecord, path: str | None) -> UUID:
    with located("artifact"):
        run = await _run_of(context, version)
        artifact = await context.mlflow.resolve_artifact(run.run_id, path)
    if not version.adopted and run.status == "RUNNING":
        await context.mlflow.finish_run(run.run_id)
    finished = await versions.finish_version(
        actor,
        version.id,
        artifact_uri=artifact.artifact_uri,
        storage_uri=artifact.storage_uri,
        python_version=artifact.python_version,
        requirements=artifact.requirements,
        flavors=artifact.flavors,
        signature=artifact.signature,
        input_example=artifact.input_example,
        **_mirrored(run),
    )
    return finished.id


async def _run_of(context: Context, version: VersionRecord) -> RunData:
    return await context.mlflow.get_run(version.mlflow_run_id or "")


def _mirrored(run: RunData) -> dict[str, Any]:
    """What the row keeps of a run. JSON has no word for what is no finite number, so that is kept as text."""
    metrics = run.metrics_json()
    for metric in metrics.values():
        if not math.isfinite(metric["value"]):
            metric["value"] = str(metric["value"])
    return {"metrics": metrics, "params": run.params, "tags": run.tags}


async def _subject(answer: Answer) -> UUID:
    return answer.subject_id


async def _shown(context: Context, version_id: UUID) -> VersionRecord:
    version = await context.load.version(version_id)
    if version is None:
        raise NotFound("The version was deleted meanwhile.", path=("versionId",))
    return version
