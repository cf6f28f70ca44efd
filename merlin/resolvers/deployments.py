"""Deploy, redeploy, roll back, cancel, undeploy: all that is wrong is found before anything is written.

The spec is judged twice: here with every other check, so that all problems are told at once, and under the endpoint's
lock, where the spec before it can no longer change.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any
from uuid import UUID

from merlin.db import endpoints
from merlin.db.actor import Actor
from merlin.db.idempotency import Answer
from merlin.db.records import (
    EnvironmentRecord,
    ModelRecord,
    ProjectRecord,
    RevisionRecord,
    VersionEndpointRecord,
    VersionRecord,
)
from merlin.db.secrets import check_secrets
from merlin.db.tables import Revision, VersionEndpoint
from merlin.domain.environment import EnvironmentConfig
from merlin.domain.lifecycle import Cause, Role, VersionState
from merlin.domain.revision import CLEARABLE, RevisionSpec, SpecChange
from merlin.domain.revision import check as check_spec
from merlin.errors import InputErrors, InvalidInput, NotAllowed, NotFound
from merlin.kube import names
from merlin.resolvers.context import Context
from merlin.resolvers.environments import environment_by_name
from merlin.resolvers.once import once_only
from merlin.resolvers.permissions import require
from merlin.resolvers.problems import Problems

LONGEST_COMMENT = 1000
MLFLOW_FORMAT = "mlflow"
"""The model format of runtimes that load any MLflow model, whatever its flavours."""
_AT_VERSION = ("versionId",)
_AT_ENDPOINT = ("versionEndpointId",)

Deployed = tuple[VersionEndpointRecord, RevisionRecord]


@dataclass(frozen=True, slots=True)
class Deployment:
    """What `deployVersion` asks for. ``environment`` ``None`` = the default one.

    ``expected_generation``: only if the endpoint is still at it; 0 = there is none yet, ``None`` = whatever it is at.
    """

    version_id: UUID
    environment: str | None
    change: SpecChange
    comment: str = ""
    expected_generation: int | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """A version with what it belongs to."""

    project: ProjectRecord
    model: ModelRecord
    version: VersionRecord


@dataclass(frozen=True, slots=True)
class Accepted:
    """A deployment with nothing wrong about it so far; ``spec`` makes it of the one before, under the lock."""

    environment: EnvironmentRecord
    spec: Callable[[RevisionSpec | None], RevisionSpec]


async def deploy_version(context: Context, asked: Deployment, *, key: str | None) -> Deployed:
    """Wish that a version runs; the endpoint and its new revision at once, before any cluster knows of it.

    Raises NotFound, PermissionDenied; Conflict when the endpoint is at another generation than the expected one;
    InputErrors with everything else that is wrong, in the order of the input.
    """
    place = await place_of(context, asked.version_id)
    return await once_only(
        context,
        "deployVersion",
        _as_request(asked),
        key,
        act=lambda actor: _deploy(context, actor, asked, place),
        recall=lambda answer: _recall(context, answer),
    )


async def rollback_version_endpoint(
    context: Context,
    endpoint_id: UUID,
    *,
    to_revision: int | None,
    comment: str,
    expected_generation: int | None,
    key: str | None,
) -> Deployed:
    """Wish that an endpoint runs as an earlier revision did; ``None`` = the one that was active before.

    It is judged by what the environment allows now. Raises NotFound, PermissionDenied; Conflict when the endpoint is at
    another generation than the expected one; InputErrors with everything that is wrong with the revision; NotAllowed
    (never active, NO_CHANGE, ENVIRONMENT_DETACHED).
    """
    endpoint = await _endpoint(context, endpoint_id)
    place = await place_of(context, endpoint.version_id, path=_AT_ENDPOINT)

    async def act(actor: Actor) -> Deployed:
        await endpoints.check_generation(
            version_id=endpoint.version_id, environment_id=endpoint.environment_id, expected=expected_generation
        )
        problems = Problems()
        problems.longest(comment, LONGEST_COMMENT, "comment")
        environment = await _environment_of(context, endpoint)
        goal = await _goal_of(endpoint_id, to_revision, problems)
        if goal is not None:
            await _check_goal(context, endpoint, goal, environment.config, place, problems)
        problems.raise_any()
        return await _request(
            context,
            actor,
            place,
            environment,
            spec=None,
            cause=Cause.ROLLBACK,
            rollback_to=goal,
            comment=comment,
            expected_generation=expected_generation,
        )

    arguments = {"endpoint": endpoint_id, "to": to_revision, "comment": comment, **_meant_for(expected_generation)}
    return await once_only(
        context,
        "rollbackVersionEndpoint",
        arguments,
        key,
        act=act,
        recall=lambda answer: _recall(context, answer),
    )


async def cancel_deployment(
    context: Context, endpoint_id: UUID, *, expected_generation: int | None, key: str | None
) -> VersionEndpointRecord:
    """Take back a deploy that is under way.

    Raises NotFound, PermissionDenied; Conflict when the endpoint is at another generation than the expected one;
    NotAllowed (NOTHING_TO_CANCEL).
    """
    await _endpoint(context, endpoint_id)

    async def act(actor: Actor) -> VersionEndpointRecord:
        await endpoints.cancel_deployment(actor, endpoint_id=endpoint_id, expected_generation=expected_generation)
        return await _shown(context, endpoint_id)

    return await once_only(
        context,
        "cancelDeployment",
        {"endpoint": endpoint_id, **_meant_for(expected_generation)},
        key,
        act=act,
        recall=lambda _: _shown(context, endpoint_id),
    )


async def undeploy_version(
    context: Context, endpoint_id: UUID, *, expected_generation: int | None, key: str | None
) -> VersionEndpointRecord:
    """Wish that nothing of an endpoint is left.

    Raises NotFound, PermissionDenied; Conflict when the endpoint is at another generation than the expected one;
    NotAllowed (STILL_SERVING, …).
    """
    await _endpoint(context, endpoint_id)

    async def act(actor: Actor) -> VersionEndpointRecord:
        await endpoints.request_undeploy(actor, endpoint_id=endpoint_id, expected_generation=expected_generation)
        return await _shown(context, endpoint_id)

    return await once_only(
        context,
        "undeployVersion",
        {"endpoint": endpoint_id, **_meant_for(expected_generation)},
        key,
        act=act,
        recall=lambda _: _shown(context, endpoint_id),
    )


async def _deploy(context: Context, actor: Actor, asked: Deployment, place: Place) -> Deployed:
    accepted = await accepted_deployment(context, asked, place)
    return await _request(
        context,
        actor,
        place,
        accepted.environment,
        spec=accepted.spec,
        comment=asked.comment,
        expected_generation=asked.expected_generation,
    )


async def accepted_deployment(context: Context, asked: Deployment, place: Place) -> Accepted:
    """Everything checked that can be without a lock.

    Raises Conflict for what was meant for another generation, else InputErrors with all that is wrong.
    """
    problems = Problems()
    _check_version(place.version, problems)
    environment = await _environment_named(asked.environment, problems)
    if environment is not None:
        await endpoints.check_generation(
            version_id=place.version.id, environment_id=environment.id, expected=asked.expected_generation
        )
        base = await endpoints.base_spec(version_id=place.version.id, environment_id=environment.id)
        _check_place(environment, place, problems)
        await _check_quota(environment, place, problems)
        wished = _wished(asked.change, base or environment.config.defaults, problems)
        await _check_wished(context, wished, environment.config, place, problems)
    problems.longest(asked.comment, LONGEST_COMMENT, "comment")
    problems.raise_any()
    if environment is None:
        raise AssertionError("an unknown environment is a problem")
    config = environment.config

    def spec(base: RevisionSpec | None) -> RevisionSpec:
        made = RevisionSpec.from_change(asked.change, base or config.defaults)
        if errors := check_spec(made, config.limits, runtimes=config.runtimes):
            raise InputErrors(errors)
        return made

    return Accepted(environment, spec)


async def _request(
    context: Context, actor: Actor, place: Place, environment: EnvironmentRecord, **wish: Any
) -> Deployed:
    config, model, number = environment.config, place.model.name, place.version.number
    endpoint, revision = await endpoints.request_deployment(
        actor,
        version_id=place.version.id,
        environment_id=environment.id,
        namespace=config.namespace(place.project.name),
        service_name=names.service(model, number),
        url=config.version_url(place.project.name, model, number),
        workload_of=workloads_of(place, environment),
        most_deployed_versions=config.limits.max_deployed_versions_per_model,
        **wish,
    )
    return await _both(context, endpoint, revision)


def workloads_of(place: Place, environment: EnvironmentRecord) -> Callable[[int], str]:
    """The InferenceService of each revision by its number."""
    namespace = environment.config.namespace(place.project.name)
    return lambda number: names.inference_service(place.model.name, place.version.number, number, namespace)


def _check_version(version: VersionRecord, problems: Problems) -> None:
    if version.state is not VersionState.FINISHED:
        problems.add(
            NotAllowed(
                f"Version {version.number} is still open.",
                code="VERSION_OPEN",
                path=_AT_VERSION,
                hint="Finish the version first.",
            )
        )
    elif not version.storage_uri:
        problems.add(
            NotAllowed(
                f"Version {version.number} has no artifact that a cluster can fetch.",
                code="NO_ARTIFACT",
                path=_AT_VERSION,
                hint="Log a model to its run, then finish the version.",
            )
        )


def _check_place(environment: EnvironmentRecord, place: Place, problems: Problems) -> None:
    if environment.detached:
        problems.add(
            NotAllowed(
                f"Environment {environment.name} is no longer configured: it takes no new deployments.",
                code="ENVIRONMENT_DETACHED",
                path=("environment",),
                hint="Deploy to another environment, or put it back into the environments' file.",
            )
        )
    try:
        environment.config.namespace(place.project.name)
    except InvalidInput as error:
        problems.add(InvalidInput(error.message, code=error.code, path=("environment",), hint=error.hint))


async def _check_quota(environment: EnvironmentRecord, place: Place, problems: Problems) -> None:
    most = environment.config.limits.max_deployed_versions_per_model
    try:
        await endpoints.check_quota(place.model, version_id=place.version.id, environment_id=environment.id, most=most)
    except NotAllowed as error:
        problems.add(error)


def _wished(change: SpecChange, base: RevisionSpec, problems: Problems) -> RevisionSpec:
    """The spec that is wished for; what cannot be read of the change is a problem, and left out so as to find more."""
    try:
        return RevisionSpec.from_change(change, base)
    except InputErrors as errors:
        for error in errors.errors:
            problems.add(error)
        return RevisionSpec.from_change(_without(change, errors), base)


def _without(change: SpecChange, errors: InputErrors) -> SpecChange:
    bad: dict[str, Any] = {_FIELDS[e.path[-1]]: None for e in errors.errors if e.path[-1] in _FIELDS}
    readable = replace(change, **bad)
    given = {name for name in CLEARABLE if getattr(readable, name) is not None}
    return replace(readable, clear=change.clear & (CLEARABLE - given))


async def _check_wished(
    context: Context, wished: RevisionSpec, config: EnvironmentConfig, place: Place, problems: Problems
) -> None:
    for error in check_spec(wished, config.limits, runtimes=config.runtimes):
        problems.add(error)
    for error in _check_formats(wished.runtime, config, place.version):
        problems.add(error)
    await _check_secrets(wished, place.project.id, problems)


def _check_formats(runtime: str, config: EnvironmentConfig, version: VersionRecord) -> list[InvalidInput]:
    """A runtime that loads MLflow models loads all of them; another one must know one of the version's flavours."""
    formats, flavors = config.runtimes.get(runtime), set(version.flavors or {})
    if formats is None or not flavors or MLFLOW_FORMAT in formats or flavors & set(formats):
        return []
    return [
        InvalidInput(
            f"The runtime {runtime!r} serves {', '.join(formats)}; the model is {', '.join(sorted(flavors))}.",
            code="NO_RUNTIME",
            path=("runtime",),
            hint="Choose a runtime of the environment that serves one of these.",
        )
    ]


async def _check_secrets(spec: RevisionSpec, project_id: UUID, problems: Problems) -> None:
    missing = set(await check_secrets(project_id, [reference.secret for reference in spec.secrets]))
    for index, reference in enumerate(spec.secrets):
        if reference.secret in missing:
            problems.add(
                NotFound(
                    f"The project has no secret {reference.secret[:80]!r}.",
                    code="SECRET_UNKNOWN",
                    path=("secrets", index, "secret"),
                    hint="An administrator of the project has to set the secret first.",
                )
            )


async def _goal_of(endpoint_id: UUID, to_revision: int | None, problems: Problems) -> int | None:
    """The revision to go back to: chosen once, so that the one that is judged is the one that it becomes."""
    try:
        return to_revision if to_revision is not None else await endpoints.active_before(endpoint_id)
    except NotFound as error:
        problems.add(error)
        return None


async def _check_goal(
    context: Context,
    endpoint: VersionEndpointRecord,
    number: int,
    config: EnvironmentConfig,
    place: Place,
    problems: Problems,
) -> None:
    """What the revision to go back to asks for may be no longer allowed, or its secrets gone."""
    goal = await context.load.revision_by_number((endpoint.id, number)) if 0 < number < 2**31 else None
    if goal is None:
        problems.add(
            NotFound(f"There is no revision {number}.", path=("toRevision",), hint="Its history tells which there are.")
        )
        return
    wrong = check_spec(goal.spec, config.limits, runtimes=config.runtimes)
    for error in [*wrong, *_check_formats(goal.spec.runtime, config, place.version)]:
        problems.add(
            InvalidInput(
                f"Revision {number} asks for what the environment no longer allows. {error.message}",
                code=error.code,
                path=("toRevision",),
                hint="Redeploy with settings that it allows.",
            )
        )
    missing = await check_secrets(endpoint.project_id, [reference.secret for reference in goal.spec.secrets])
    if missing:
        problems.add(
            NotFound(
                f"Revision {number} uses secrets that the project no longer has: {', '.join(missing)}.",
                code="SECRET_UNKNOWN",
                path=("toRevision",),
                hint="Set them again, or redeploy without them.",
            )
        )


async def _environment_named(name: str | None, problems: Problems) -> EnvironmentRecord | None:
    found = await environment_by_name(name) if name is None or "\0" not in name else None
    if found is not None:
        return found
    message = f"There is no environment {name[:80]!r}." if name is not None else "No environment is the default one."
    hint = "The list of environments tells which there are."
    problems.add(NotFound(message, code="ENVIRONMENT_UNKNOWN", path=("environment",), hint=hint))
    return None


async def _environment_of(context: Context, endpoint: VersionEndpointRecord) -> EnvironmentRecord:
    environment = await context.load.environment(endpoint.environment_id)
    if environment is None:
        raise NotFound("The endpoint's environment is gone.", code="ENVIRONMENT_UNKNOWN", path=_AT_ENDPOINT)
    return environment


async def place_of(context: Context, version_id: UUID, *, path: tuple[str, ...] = _AT_VERSION) -> Place:
    """The version, if the caller may deploy it. Raises NotFound, PermissionDenied."""
    version = await context.load.version(version_id)
    await require(context, version.project_id if version else None, Role.EDITOR, path=path, what="version")
    if version is None:
        raise NotFound("There is no such version.", path=path)
    model, project = await asyncio.gather(
        context.load.model(version.model_id), context.load.project(version.project_id)
    )
    if model is None or project is None:
        raise NotFound("There is no such version.", path=path)
    return Place(project, model, version)


async def _endpoint(context: Context, endpoint_id: UUID) -> VersionEndpointRecord:
    """The endpoint, if the caller may change it. Raises NotFound, PermissionDenied."""
    endpoint = await context.load.version_endpoint(endpoint_id)
    project_id = endpoint.project_id if endpoint else None
    await require(context, project_id, Role.EDITOR, path=_AT_ENDPOINT, what="version endpoint")
    if endpoint is None:
        raise NotFound("There is no such version endpoint.", path=_AT_ENDPOINT)
    return endpoint


async def _both(context: Context, endpoint: VersionEndpoint, revision: Revision) -> Deployed:
    shown, made = await asyncio.gather(_shown(context, endpoint.id), _revision(context, endpoint.id, revision.number))
    return shown, made


async def _recall(context: Context, answer: Answer) -> Deployed:
    """The endpoint as it is now, with the revision that the first request made."""
    endpoint = await _shown(context, answer.subject_id)
    return endpoint, await _revision(context, endpoint.id, int(answer.data["revision"]))


async def _shown(context: Context, endpoint_id: UUID) -> VersionEndpointRecord:
    endpoint = await context.load.version_endpoint(endpoint_id)
    if endpoint is None:
        raise NotFound("The version endpoint is gone meanwhile.")
    return endpoint


async def _revision(context: Context, endpoint_id: UUID, number: int) -> RevisionRecord:
    revision = await context.load.revision_by_number((endpoint_id, number))
    if revision is None:
        raise NotFound(f"Revision {number} is gone meanwhile.")
    return revision


def _meant_for(expected_generation: int | None) -> Mapping[str, Any]:
    """As a part of a request that is hashed: left out when absent, so that it is the request of before there was it."""
    return {} if expected_generation is None else {"expected_generation": expected_generation}


def _as_request(asked: Deployment) -> Mapping[str, Any]:
    """What was asked, to tell two requests apart (only its hash is stored)."""
    return {
        "version_id": asked.version_id,
        "environment": asked.environment,
        "change": {**asdict(asked.change), "clear": sorted(asked.change.clear)},
        "comment": asked.comment,
        **_meant_for(asked.expected_generation),
    }


_FIELDS: Mapping[str | int, str] = {
    "cpuRequest": "cpu_request",
    "memoryRequest": "memory_request",
    "cpuLimit": "cpu_limit",
    "memoryLimit": "memory_limit",
}
