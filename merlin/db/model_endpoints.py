"""Model endpoints: who is wished to serve, and what the gateway really does.

Wishes lock the model's row, the model endpoint, then the version endpoints that the rule names, by id; records lock
the model endpoint alone. See `merlin.db.endpoints` for generations and repetition.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg

from merlin.db.actor import Actor
from merlin.db.audit import Act, WorkToDo, record_act
from merlin.db.endpoint_records import event_of, untold
from merlin.db.events import NewEvent, append_events, ring
from merlin.db.models import lock_model
from merlin.db.outbox import Work, enqueue, enqueue_once
from merlin.db.tables import Environment, Model, ModelEndpoint
from merlin.db.transaction import Transaction, transaction
from merlin.domain.lifecycle import TrafficEvent, advance_traffic, check_traffic_move
from merlin.domain.settlement import Happening, TrafficSettlement
from merlin.domain.traffic import TrafficRule
from merlin.errors import InvalidInput, NotAllowed, NotFound

DEADLINE_SECONDS = 600.0


async def request_traffic(
    actor: Actor,
    *,
    model_id: UUID,
    environment_id: UUID,
    rule: TrafficRule | None,
    namespace: str,
    url: str,
    deadline_seconds: float = DEADLINE_SECONDS,
) -> ModelEndpoint:
    """Wish that a model's traffic goes as ``rule`` says; ``None`` stops it. The rule that holds already is no change.

    Raises NotFound (model, environment, endpoint); InvalidInput (the weights, another model's endpoint); NotAllowed:
    NOT_RUNNING (a destination does not run, or nothing serves that could be stopped), ENVIRONMENT_DETACHED.
    """
    if rule is not None:
        rule.check()
    async with transaction() as tx:
        model = await lock_model(tx, model_id)
        endpoint = await tx.find(ModelEndpoint, "FOR UPDATE", model_id=model_id, environment_id=environment_id)
        if rule is None:
            return await _stop(tx, actor, model, endpoint)
        await _check_environment(tx, environment_id)
        await _check_destinations(tx, model_id, environment_id, rule)
        if endpoint is not None and endpoint.desired_rule == rule.as_json() and endpoint.failure is None:
            return endpoint
        before = _shown(endpoint)
        wish: dict[str, Any] = {
            "desired_rule": rule.as_json(),
            "status": advance_traffic(endpoint.status if endpoint else None, TrafficEvent.RULE_ACCEPTED),
            "progressing": True,
            "deadline_at": await tx.value("SELECT now()") + timedelta(seconds=deadline_seconds),
            **_NO_TROUBLE,
            "url": url,
        }
        if endpoint is None:
            place = {"model_id": model_id, "environment_id": environment_id, "namespace": namespace}
            endpoint = await tx.insert(ModelEndpoint, **place, **wish, created_by=actor.subject)
        else:
            endpoint = await tx.update(ModelEndpoint, endpoint.id, generation=endpoint.generation + 1, **wish)
        await _record(tx, actor, model, endpoint, "requested", before)
    return endpoint


async def record_observed(
    connection: asyncpg.Connection[Any] | None,
    model_endpoint_id: UUID,
    *,
    generation: int,
    settlement: TrafficSettlement,
) -> bool:
    """Write what was settled, with its events. False = the generation moved on, or it is gone: nothing was written.

    Repeating it writes nothing (see `merlin.db.endpoint_records.record_observation`). Subscribers of the version
    endpoints that get or lose traffic are told too. Raises NotAllowed for a move that does not exist.
    """
    async with transaction(connection) as tx:
        endpoint = await tx.find(ModelEndpoint, "FOR UPDATE", id=model_endpoint_id)
        if endpoint is None or endpoint.generation != generation:
            return False
        await _write(tx, endpoint, settlement)
    return True


async def bump_wake(model_endpoint_id: UUID, *, delay_seconds: float = 0.0) -> bool:
    """Have a model endpoint reconciled once more in the same generation; false when it is gone."""
    async with transaction() as tx:
        row = await tx.row(
            "UPDATE model_endpoint SET wake = wake + 1 WHERE id = $1 RETURNING generation, wake", model_endpoint_id
        )
        if row is None:
            return False
        await enqueue_once(Work.RECONCILE_MODEL_ENDPOINT, model_endpoint_id, **row, delay_seconds=delay_seconds, tx=tx)
    return True


_NO_TROUBLE: Mapping[str, Any] = {"reason": "", "message": "", "failure": None}


async def _stop(tx: Transaction, actor: Actor, model: Model, endpoint: ModelEndpoint | None) -> ModelEndpoint:
    if endpoint is None:
        raise NotFound("The model has no endpoint there: nothing serves.", path=("modelEndpointId",))
    if endpoint.desired_rule is None:
        if endpoint.observed_generation == endpoint.generation:
            raise NotAllowed(
                "The model endpoint is stopped already.",
                code="NOT_RUNNING",
                path=("modelEndpointId",),
                hint="There is nothing to stop.",
            )
        return endpoint
    before = _shown(endpoint)
    endpoint = await tx.update(
        ModelEndpoint,
        endpoint.id,
        desired_rule=None,
        status=advance_traffic(endpoint.status, TrafficEvent.STOP_ACCEPTED),
        generation=endpoint.generation + 1,
        progressing=True,
        deadline_at=None,
        **_NO_TROUBLE,
    )
    await _record(tx, actor, model, endpoint, "stop_requested", before)
    return endpoint


async def _check_environment(tx: Transaction, environment_id: UUID) -> None:
    environment = await tx.find(Environment, "FOR KEY SHARE", id=environment_id)
    if environment is None:
        raise NotFound("There is no such environment.", code="ENVIRONMENT_UNKNOWN", path=("environment",))
    if environment.detached:
        raise NotAllowed(
            f"Environment {environment.name} is no longer configured: its traffic can only be stopped.",
            code="ENVIRONMENT_DETACHED",
            path=("versionEndpointId",),
            hint="Serve a version in another environment, or put it back into the environments' file.",
        )


async def _check_destinations(tx: Transaction, model_id: UUID, environment_id: UUID, rule: TrafficRule) -> None:
    """Lock every endpoint that is to get traffic: none of them can be undeployed before this wish is written."""
    wanted = sorted(d.version_endpoint_id for d in rule.destinations)
    rows = await tx.rows(
        "SELECT e.id, e.lifecycle, e.desired, v.number FROM version_endpoint e JOIN version v ON v.id = e.version_id "
        "WHERE e.id = ANY($1::uuid[]) AND v.model_id = $2 AND e.environment_id = $3 ORDER BY e.id "
        "FOR NO KEY UPDATE OF e",
        wanted,
        model_id,
        environment_id,
    )
    if len(rows) != len(wanted):
        raise InvalidInput("A rule names version endpoints of its own model and environment.", path=("destinations",))
    for row in rows:
        if row["lifecycle"] != "running" or row["desired"] != "deployed":
            state = "being undeployed" if row["desired"] != "deployed" else row["lifecycle"]
            raise NotAllowed(
                f"Version {row['number']} does not run there: it is {state}.",
                code="NOT_RUNNING",
                path=("versionEndpointId",),
                hint="Deploy it and wait until it runs.",
            )


async def _write(tx: Transaction, endpoint: ModelEndpoint, settlement: TrafficSettlement) -> None:
    """The one place where a status changes by what was seen."""
    check_traffic_move(endpoint.status, settlement.status)
    changes = _changes(endpoint, settlement)
    happenings = await untold(tx, endpoint.id, settlement.happenings, changed=bool(changes))
    if not changes and not happenings:
        return
    concerned = _destinations(endpoint.observed_rule) | _destinations(changes.get("observed_rule"))
    rule_changed = "observed_rule" in changes
    if changes and settlement.wake_after_seconds is not None:
        changes["wake"] = endpoint.wake + 1
        await enqueue(
            Work.RECONCILE_MODEL_ENDPOINT,
            endpoint.id,
            generation=endpoint.generation,
            wake=endpoint.wake + 1,
            delay_seconds=settlement.wake_after_seconds,
            tx=tx,
        )
    if changes:
        await tx.update(ModelEndpoint, endpoint.id, **changes)
    await append_events(tx, await _lines(tx, endpoint, happenings))
    await ring(tx, [endpoint.id, *(sorted(concerned) if rule_changed else ())])


def _changes(endpoint: ModelEndpoint, settlement: TrafficSettlement) -> dict[str, Any]:
    stated: dict[str, Any] = {
        "status": settlement.status,
        "progressing": settlement.progressing,
        "observed_rule": settlement.observed_rule.as_json() if settlement.observed_rule else None,
        "reason": settlement.reason,
        "message": settlement.message,
        "failure": settlement.failure.as_json() if settlement.failure else None,
    }
    if settlement.settled:
        stated["observed_generation"] = endpoint.generation
    return {name: value for name, value in stated.items() if getattr(endpoint, name) != value}


def _destinations(stored: Mapping[str, Any] | None) -> set[UUID]:
    if stored is None:
        return set()
    return {destination.version_endpoint_id for destination in TrafficRule.from_json(stored).destinations}


async def _lines(tx: Transaction, endpoint: ModelEndpoint, happenings: list[Happening]) -> list[NewEvent]:
    if not happenings:
        return []
    project_id = await tx.value("SELECT project_id FROM model WHERE id = $1", endpoint.model_id)
    return [
        event_of(happening, "ModelEndpoint", endpoint.id, project_id=project_id, model_id=endpoint.model_id)
        for happening in happenings
    ]


async def _record(
    tx: Transaction,
    actor: Actor,
    model: Model,
    endpoint: ModelEndpoint,
    verb: str,
    before: Mapping[str, Any] | None,
) -> None:
    event = NewEvent(
        type=f"traffic.{verb}",
        subject_type="ModelEndpoint",
        subject_id=endpoint.id,
        project_id=model.project_id,
        model_id=model.id,
        message=f"Traffic of {model.name}: {verb.replace('_', ' ')}.",
        data={"rule": endpoint.desired_rule},
        actor=actor.subject,
    )
    act = Act(f"traffic.{verb}", "ModelEndpoint", endpoint.id, model.project_id, before, after=_shown(endpoint))
    work = WorkToDo(Work.RECONCILE_MODEL_ENDPOINT, endpoint.id, endpoint.generation, endpoint.wake)
    await record_act(tx, actor, act, events=[event], work=[work])


def _shown(endpoint: ModelEndpoint | None) -> dict[str, Any] | None:
    if endpoint is None:
        return None
    return {
        "status": endpoint.status.value,
        "generation": endpoint.generation,
        "desired_rule": endpoint.desired_rule,
        "observed_rule": endpoint.observed_rule,
    }
