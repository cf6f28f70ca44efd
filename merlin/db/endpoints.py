"""Version endpoints: what users wish of them. What the cluster does with it is in `merlin.db.endpoint_records`.

Every wish locks the model's row first, then its model endpoint, then version endpoints by id; so wishes about one model
come one after the other, and those who write observations (they lock endpoints alone) can never wait in a circle.
A wish raises the generation: an observation of an older one is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg

from merlin.db.actor import Actor
from merlin.db.audit import Act, WorkToDo, record_act
from merlin.db.endpoint_plan import (
    Plan,
    Preview,
    Requested,
    active_before,
    base_spec,
    live_revisions,
    plan_revision,
)
from merlin.db.endpoint_records import bump_wake, record_applied, record_failure, record_observation
from merlin.db.events import NewEvent
from merlin.db.models import lock_model
from merlin.db.outbox import Work
from merlin.db.records import ModelRecord
from merlin.db.tables import Environment, Model, ModelEndpoint, Revision, Version, VersionEndpoint
from merlin.db.transaction import Transaction, as_row, transaction
from merlin.domain.lifecycle import (
    UNFINISHED_STATUSES,
    Cause,
    Desired,
    EndpointEvent,
    Lifecycle,
    RevisionStatus,
    VersionState,
    advance,
    walk,
)
from merlin.domain.revision import RevisionSpec, masked
from merlin.domain.traffic import TrafficRule
from merlin.errors import Conflict, NotAllowed, NotFound

__all__ = [
    "Preview",
    "active_before",
    "base_spec",
    "bump_wake",
    "cancel_deployment",
    "check_generation",
    "check_quota",
    "live_revisions",
    "preview_deployment",
    "record_applied",
    "record_failure",
    "record_observation",
    "request_deployment",
    "request_undeploy",
]


async def request_deployment(
    actor: Actor,
    *,
    version_id: UUID,
    environment_id: UUID,
    spec: RevisionSpec | Callable[[RevisionSpec | None], RevisionSpec] | None,
    cause: Cause | None = None,
    rollback_to: int | None = None,
    comment: str = "",
    namespace: str,
    service_name: str,
    url: str,
    workload_of: Callable[[int], str],
    most_deployed_versions: int | None = None,
    expected_generation: int | None = None,
) -> tuple[VersionEndpoint, Revision]:
    """Wish that a version runs as ``spec`` says: a new revision, PENDING or (beside the active one) progressing.

    ``spec`` may be a function of the spec before (`base_spec`; ``None`` on a first deploy): it is called under the
    lock, so that of two redeploys at once neither loses its change; what it raises leaves nothing written.
    ``cause`` ROLLBACK takes the spec of revision ``rollback_to`` (``None``: the last one that was active before) and
    ignores ``spec``; otherwise the cause is found out. ``workload_of(n)`` names the InferenceService of revision n;
    ``service_name`` is the Service of the endpoint for ever. The newest wish wins: a revision that is not yet active is
    superseded. A change of replicas, autoscaling or time-outs alone, and a rollback to a revision that still lives,
    keep that revision's InferenceService (`Revision.service_name`, `.workload_revision`).
    ``expected_generation`` is the one that the wish was made for, 0 = there is no endpoint yet.

    Raises NotFound (ENVIRONMENT_UNKNOWN, revision); NotAllowed: VERSION_OPEN, ENVIRONMENT_DETACHED, QUOTA_EXCEEDED,
    NO_CHANGE (rollback to what is active); Conflict when the endpoint is at another generation.
    """
    requested = Requested(spec, cause is Cause.ROLLBACK, rollback_to, workload_of)
    async with transaction() as tx:
        about, endpoint, plan = await _planned(
            tx, version_id, environment_id, requested, most_deployed_versions, expected_generation
        )
        place = {"namespace": namespace, "service_name": service_name, "url": url}
        before = _shown(endpoint)
        endpoint = await _write_wish(tx, actor, endpoint, plan, version_id, environment_id, place)
        revision = await _write_revision(tx, actor, endpoint, plan, comment)
        await _record_deployment(tx, actor, about, endpoint, revision, plan, before)
    return endpoint, revision


async def preview_deployment(
    *,
    version_id: UUID,
    environment_id: UUID,
    spec: Callable[[RevisionSpec | None], RevisionSpec],
    workload_of: Callable[[int], str],
    most_deployed_versions: int | None = None,
) -> Preview:
    """What `request_deployment` would make now, judged as it would be; nothing is written. Raises as that does."""
    requested = Requested(spec, False, None, workload_of)
    async with transaction() as tx:
        _, endpoint, plan = await _planned(tx, version_id, environment_id, requested, most_deployed_versions)
    return Preview(endpoint.id, endpoint.generation + 1, plan) if endpoint else Preview(None, 1, plan)


async def check_generation(*, version_id: UUID, environment_id: UUID, expected: int | None) -> None:
    """Refuse (Conflict) what was meant for another generation, before it is judged; the lock's word is the last one."""
    if expected is not None:
        async with transaction() as tx:
            _check_generation(
                await tx.find(VersionEndpoint, version_id=version_id, environment_id=environment_id), expected
            )


async def check_quota(model: ModelRecord, *, version_id: UUID, environment_id: UUID, most: int | None) -> None:
    """Refuse (NotAllowed, QUOTA_EXCEEDED) one more version than an environment allows; the lock's word is the last."""
    if most is not None:
        async with transaction() as tx:
            await _check_quota(tx, model, version_id, environment_id, most)


async def request_undeploy(
    actor: Actor, *, endpoint_id: UUID, expected_generation: int | None = None
) -> VersionEndpoint:
    """Wish that nothing of a version endpoint is left. Asked again while it is going, nothing changes.

    ``expected_generation`` is the one that the wish was made for. Raises NotFound; Conflict when the endpoint is at
    another one; NotAllowed: STILL_SERVING (serves traffic, or a wished rule names it), NOT_RUNNING (terminated).
    """
    async with transaction() as tx:
        model, endpoint, traffic = await _locked_endpoint(tx, endpoint_id)
        _check_generation(endpoint, expected_generation)
        if endpoint.desired is Desired.TERMINATED and endpoint.lifecycle is not Lifecycle.TERMINATED:
            return endpoint
        if endpoint.lifecycle is Lifecycle.TERMINATED:
            raise NotAllowed(
                "The version is not deployed there.",
                code="NOT_RUNNING",
                path=("versionEndpointId",),
                hint="There is nothing to undo.",
            )
        _refuse_serving(endpoint, traffic)
        before = _shown(endpoint)
        ended = await _end_unfinished(tx, endpoint_id, RevisionStatus.CANCELLED)
        endpoint = await tx.update(
            VersionEndpoint,
            endpoint_id,
            desired=Desired.TERMINATED,
            lifecycle=advance(endpoint.lifecycle, EndpointEvent.UNDEPLOY_ACCEPTED),
            generation=endpoint.generation + 1,
            progressing=True,
            target_revision=None,
            reason="",
            message="",
        )
        lines = [_line(model, endpoint, "deployment.cancelled", f"Revision {n} cancelled.", n) for n in ended]
        lines.append(_line(model, endpoint, "endpoint.undeploy_requested", "Undeploy requested.", None))
        await _record(tx, actor, model, endpoint, "endpoint.undeploy", before, lines)
    return endpoint


async def cancel_deployment(
    actor: Actor, *, endpoint_id: UUID, expected_generation: int | None = None
) -> VersionEndpoint:
    """Take back a deploy that is under way. The active revision stays; without one the endpoint is TERMINATED.

    ``expected_generation`` is the one that the wish was made for. Raises NotFound; Conflict when the endpoint is at
    another one; NotAllowed (NOTHING_TO_CANCEL).
    """
    async with transaction() as tx:
        model, endpoint, _ = await _locked_endpoint(tx, endpoint_id)
        _check_generation(endpoint, expected_generation)
        before = _shown(endpoint)
        wished = endpoint.desired is Desired.DEPLOYED
        ended = await _end_unfinished(tx, endpoint_id, RevisionStatus.CANCELLED) if wished else []
        if not ended:
            raise NotAllowed(
                "No deployment is under way there.",
                code="NOTHING_TO_CANCEL",
                path=("versionEndpointId",),
                hint="To remove it, undeploy it.",
            )
        lifecycle = advance(endpoint.lifecycle, EndpointEvent.REVISION_CANCELLED)
        endpoint = await tx.update(
            VersionEndpoint,
            endpoint_id,
            lifecycle=lifecycle,
            desired=Desired.TERMINATED if lifecycle is Lifecycle.TERMINATED else Desired.DEPLOYED,
            generation=endpoint.generation + 1,
            target_revision=endpoint.active_revision,
            progressing=False,
            reason="cancelled",
            message=f"The deployment of revision {ended[-1]} was cancelled.",
        )
        lines = [_line(model, endpoint, "deployment.cancelled", f"Revision {n} cancelled.", n) for n in ended]
        await _record(tx, actor, model, endpoint, "deployment.cancel", before, lines)
    return endpoint


async def _planned(
    tx: Transaction,
    version_id: UUID,
    environment_id: UUID,
    requested: Requested,
    most_deployed_versions: int | None,
    expected_generation: int | None = None,
) -> tuple[tuple[Model, Version, Environment], VersionEndpoint | None, Plan]:
    """What the deployment is about and will be, its rows locked.

    The generation is compared first: what was meant for another one is not to be judged on top of this one.
    """
    model, version = await _locked_version(tx, version_id)
    environment = await _checked_environment(tx, environment_id)
    endpoint = await tx.find(VersionEndpoint, "FOR UPDATE", version_id=version_id, environment_id=environment_id)
    _check_generation(endpoint, expected_generation)
    if version.state is not VersionState.FINISHED:
        raise NotAllowed(
            f"Version {version.number} is still open.",
            code="VERSION_OPEN",
            path=("versionId",),
            hint="Finish the version first.",
        )
    if most_deployed_versions is not None:
        await _check_quota(tx, model, version_id, environment_id, most_deployed_versions)
    return (model, version, environment), endpoint, await plan_revision(tx, endpoint, requested)


async def _locked_version(tx: Transaction, version_id: UUID) -> tuple[Model, Version]:
    locked = await tx.row(
        "SELECT m.* FROM model m JOIN version v ON v.model_id = m.id WHERE v.id = $1 FOR NO KEY UPDATE OF m", version_id
    )
    version = await tx.find(Version, "FOR KEY SHARE", id=version_id) if locked is not None else None
    if locked is None or version is None:
        raise NotFound("There is no such version.", path=("versionId",))
    return as_row(Model, locked), version


async def _locked_endpoint(tx: Transaction, endpoint_id: UUID) -> tuple[Model, VersionEndpoint, ModelEndpoint | None]:
    """Model, then model endpoint, then version endpoint: always in this order."""
    found = await tx.row(
        "SELECT v.model_id, e.environment_id FROM version_endpoint e JOIN version v ON v.id = e.version_id "
        "WHERE e.id = $1",
        endpoint_id,
    )
    if found is None:
        raise NotFound("There is no such version endpoint.", path=("versionEndpointId",))
    model = await lock_model(tx, found["model_id"])
    traffic = await tx.find(ModelEndpoint, "FOR UPDATE", **found)
    endpoint = await tx.find(VersionEndpoint, "FOR UPDATE", id=endpoint_id)
    if endpoint is None:
        raise NotFound("There is no such version endpoint.", path=("versionEndpointId",))
    return model, endpoint, traffic


async def _checked_environment(tx: Transaction, environment_id: UUID) -> Environment:
    environment = await tx.find(Environment, "FOR KEY SHARE", id=environment_id)
    if environment is None:
        raise NotFound("There is no such environment.", code="ENVIRONMENT_UNKNOWN", path=("environment",))
    if environment.detached:
        raise NotAllowed(
            f"Environment {environment.name} is no longer configured: it takes no new deployments.",
            code="ENVIRONMENT_DETACHED",
            path=("environment",),
            hint="Deploy to another environment, or put it back into the environments' file.",
        )
    return environment


def _check_generation(endpoint: VersionEndpoint | None, expected: int | None) -> None:
    generation = endpoint.generation if endpoint else 0
    if expected is not None and generation != expected:
        raise Conflict(
            "Somebody else deployed, cancelled, rolled back or undeployed it since you looked "
            f"(generation {generation}, not {expected}).",
            path=("expectedGeneration",),
            hint="Look at how it is now, then ask again.",
        )


async def _check_quota(
    tx: Transaction, model: Model | ModelRecord, version_id: UUID, environment_id: UUID, most: int
) -> None:
    others = await tx.value(
        "SELECT count(*) FROM version_endpoint e JOIN version v ON v.id = e.version_id "
        "WHERE v.model_id = $1 AND e.environment_id = $2 AND e.version_id <> $3 AND e.desired = 'deployed'",
        model.id,
        environment_id,
        version_id,
    )
    if others >= most:
        raise NotAllowed(
            f"{others} versions of {model.name} are deployed there; the environment allows {most}.",
            code="QUOTA_EXCEEDED",
            path=("environment",),
            hint="Undeploy one first.",
        )


async def _write_wish(
    tx: Transaction,
    actor: Actor,
    endpoint: VersionEndpoint | None,
    plan: Plan,
    version_id: UUID,
    environment_id: UUID,
    place: Mapping[str, str],
) -> VersionEndpoint:
    """The endpoint's row as wished; whatever was on its way before is superseded, or removed with the old life."""
    wish: dict[str, Any] = {
        "desired": Desired.DEPLOYED,
        "progressing": True,
        "target_revision": plan.number,
        "next_revision": plan.number + 1,
        "reason": "",
        "message": "",
        "failure": None,
    }
    if endpoint is None:
        first = {"version_id": version_id, "environment_id": environment_id, "created_by": actor.subject}
        try:
            return await tx.insert(VersionEndpoint, **first, **wish, **place)
        except asyncpg.ForeignKeyViolationError as error:
            raise NotFound("The version or the environment is being deleted.") from error
    for revision in plan.superseded:
        await _move_revision(tx, revision, RevisionStatus.SUPERSEDED)
    for revision in plan.removed:
        await _move_revision(tx, revision, RevisionStatus.REMOVED)
    if plan.starts_anew:
        # Nothing of its old life is to be kept, so it may move; else its objects would be left behind.
        lifecycle = advance(Lifecycle.TERMINATED, EndpointEvent.DEPLOY_ACCEPTED)
        return await tx.update(
            VersionEndpoint,
            endpoint.id,
            lifecycle=lifecycle,
            generation=endpoint.generation + 1,
            active_revision=None,
            healthy=False,
            **wish,
            **place,
        )
    lifecycle = advance(endpoint.lifecycle, EndpointEvent.DEPLOY_ACCEPTED)
    return await tx.update(
        VersionEndpoint,
        endpoint.id,
        lifecycle=lifecycle,
        generation=endpoint.generation + 1,
        url=place["url"],
        **wish,
    )


async def _write_revision(
    tx: Transaction, actor: Actor, endpoint: VersionEndpoint, plan: Plan, comment: str
) -> Revision:
    return await tx.insert(
        Revision,
        endpoint_id=endpoint.id,
        number=plan.number,
        spec=plan.spec.as_json(),
        service_name=plan.service_name,
        workload_revision=plan.workload_revision,
        cause=plan.cause,
        rollback_to=plan.rollback_to,
        comment=comment,
        created_by=actor.subject,
    )


async def _move_revision(tx: Transaction, revision: Revision, status: RevisionStatus) -> None:
    walk(revision.status, status)
    await tx.update(Revision, revision.id, status=status, finished_at=datetime.now(UTC))


async def _end_unfinished(tx: Transaction, endpoint_id: UUID, status: RevisionStatus) -> list[int]:
    """End every revision that is not yet active; their numbers, ascending."""
    rows = await tx.rows(
        "SELECT * FROM revision WHERE endpoint_id = $1 AND status = ANY($2::text[]) ORDER BY number FOR UPDATE",
        endpoint_id,
        [s.value for s in UNFINISHED_STATUSES],
    )
    for row in rows:
        await _move_revision(tx, as_row(Revision, row), status)
    return [row["number"] for row in rows]


def _refuse_serving(endpoint: VersionEndpoint, traffic: ModelEndpoint | None) -> None:
    if traffic is None:
        return
    for stored, what in ((traffic.desired_rule, "is to get"), (traffic.observed_rule, "gets")):
        weight = TrafficRule.from_json(stored).weight_of(endpoint.id) if stored else 0
        if weight:
            raise NotAllowed(
                f"The version endpoint {what} {weight} % of the model's traffic.",
                code="STILL_SERVING",
                path=("versionEndpointId",),
                hint="Serve another version, or stop serving, and wait until that is done.",
            )


async def _record_deployment(
    tx: Transaction,
    actor: Actor,
    about: tuple[Model, Version, Environment],
    endpoint: VersionEndpoint,
    revision: Revision,
    plan: Plan,
    before: Mapping[str, Any] | None,
) -> None:
    model, version, environment = about
    lines = [
        _line(model, endpoint, "deployment.superseded", f"Revision {r.number} superseded.", r.number)
        for r in plan.superseded
    ]
    said = f"Version {version.number} of {model.name} to {environment.name}: {plan.cause.value} requested."
    data = {"cause": plan.cause.value, "rollback_to": plan.rollback_to, "spec": masked(revision.spec)}
    lines.append(_line(model, endpoint, "deployment.requested", said, revision.number, data))
    await _record(
        tx, actor, model, endpoint, f"deployment.{plan.cause.value}", before, lines, answer={"revision": plan.number}
    )


async def _record(
    tx: Transaction,
    actor: Actor,
    model: Model,
    endpoint: VersionEndpoint,
    action: str,
    before: Mapping[str, Any] | None,
    lines: list[NewEvent],
    *,
    answer: Mapping[str, Any] | None = None,
) -> None:
    act = Act(
        action, "VersionEndpoint", endpoint.id, model.project_id, before, after=_shown(endpoint), answer=answer or {}
    )
    work = WorkToDo(Work.RECONCILE_VERSION_ENDPOINT, endpoint.id, endpoint.generation, endpoint.wake)
    signed = [_signed(line, actor) for line in lines]
    await record_act(tx, actor, act, events=signed, work=[work])


def _line(
    model: Model,
    endpoint: VersionEndpoint,
    type: str,
    message: str,
    revision: int | None,
    data: dict[str, Any] | None = None,
) -> NewEvent:
    return NewEvent(
        type=type,
        subject_type="VersionEndpoint",
        subject_id=endpoint.id,
        project_id=model.project_id,
        model_id=model.id,
        message=message,
        revision=revision,
        data=data or {},
    )


def _signed(line: NewEvent, actor: Actor) -> NewEvent:
    return replace(line, actor=actor.subject)


def _shown(endpoint: VersionEndpoint | None) -> dict[str, Any] | None:
    if endpoint is None:
        return None
    return {
        "desired": endpoint.desired.value,
        "lifecycle": endpoint.lifecycle.value,
        "generation": endpoint.generation,
        "target_revision": endpoint.target_revision,
        "active_revision": endpoint.active_revision,
    }
