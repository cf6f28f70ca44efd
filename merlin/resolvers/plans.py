"""What a deploy would do, without doing it: judged as the deploy would be, then dry-run in the cluster by a worker."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from merlin.db import dry_runs, endpoints
from merlin.db.dry_runs import DryRun
from merlin.domain.difference import FieldChange
from merlin.errors import MerlinError, Rejected, Unavailable
from merlin.kube.changes import ChangeAction, ObjectChange
from merlin.resolvers.context import Context
from merlin.resolvers.deployments import Accepted, Deployment, Place, accepted_deployment, place_of, workloads_of

LOOK_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class DeploymentPlan:
    """What would be made and changed. ``makes_pods``: other pods are needed, it is no change in place."""

    revision_number: int
    service_name: str
    makes_pods: bool
    changes: tuple[ObjectChange, ...]


async def plan_deployment(context: Context, asked: Deployment) -> DeploymentPlan:
    """The plan of a deploy as it would go now; nothing of it is kept.

    Raises as `deploy_version` does; Rejected with what the cluster refused; Unavailable when no worker answers.
    """
    place = await place_of(context, asked.version_id)
    accepted = await accepted_deployment(context, asked, place)
    preview = await endpoints.preview_deployment(
        version_id=place.version.id,
        environment_id=accepted.environment.id,
        spec=accepted.spec,
        workload_of=workloads_of(place, accepted.environment),
        most_deployed_versions=accepted.environment.config.limits.max_deployed_versions_per_model,
    )
    plan = preview.plan
    answer = await _answer(context, await dry_runs.ask(_dry_run(place, accepted, preview)))
    return DeploymentPlan(
        plan.number,
        plan.service_name,
        makes_pods=plan.workload_revision == plan.number,
        changes=tuple(_change(change) for change in answer),
    )


def _dry_run(place: Place, accepted: Accepted, preview: endpoints.Preview) -> DryRun:
    return DryRun(
        endpoint_id=preview.endpoint_id,
        generation=preview.generation,
        project_id=place.project.id,
        project=place.project.name,
        model=place.model.name,
        version=place.version.number,
        storage_uri=place.version.storage_uri or "",
        namespace=accepted.environment.config.namespace(place.project.name),
        environment_id=accepted.environment.id,
        service_name=preview.plan.service_name,
        workload_revision=preview.plan.workload_revision,
        spec=preview.plan.spec,
    )


async def _answer(context: Context, dry_run_id: UUID) -> list[Mapping[str, Any]]:
    try:
        async with asyncio.timeout(dry_runs.WAIT_SECONDS):
            answer = await _taken(context, dry_run_id)
    except TimeoutError as error:
        await dry_runs.withdraw(dry_run_id)
        raise Unavailable(
            f"No worker made the plan within {dry_runs.WAIT_SECONDS:.0f} s.",
            hint="See that `merlin worker` runs and reaches its queue (`merlin doctor`), then ask again.",
        ) from error
    if "error" in answer:
        raise _refusal(answer["error"])
    changes: list[Mapping[str, Any]] = answer["changes"]
    return changes


async def _taken(context: Context, dry_run_id: UUID) -> dict[str, Any]:
    async with contextlib.aclosing(_looks(context)) as looks:
        async for _ in looks:
            answer = await dry_runs.take(dry_run_id)
            if answer is not None:
                return answer
    raise AssertionError("looks never end")


async def _looks(context: Context) -> AsyncGenerator[None, None]:
    """Whenever there may be an answer."""
    if context.doorbell is not None:
        async with contextlib.aclosing(context.doorbell.rings(dry_runs.CHANNEL, at_least_every=LOOK_SECONDS)) as rings:
            async for _ in rings:
                yield
    while True:
        yield
        await asyncio.sleep(LOOK_SECONDS)


def _refusal(told: Mapping[str, Any]) -> MerlinError:
    kind = Unavailable if told["again"] else Rejected
    return kind(told["message"], code=told["code"], hint=told["hint"])


def _change(told: Mapping[str, Any]) -> ObjectChange:
    fields = tuple(FieldChange(**field) for field in told["fields"])
    return ObjectChange(**{**told, "action": ChangeAction(told["action"]), "fields": fields})
