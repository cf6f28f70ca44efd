"""Environments: written from the operator's file at start-up; one that disappears from it while in use is detached."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from merlin.db.events import ring
from merlin.db.locks import lock_number
from merlin.db.tables import Environment
from merlin.db.transaction import Transaction, transaction
from merlin.domain.environment import EnvironmentConfig
from merlin.errors import Misconfigured

_LOCK = lock_number("merlin environments")


async def sync_environments(configs: Sequence[EnvironmentConfig]) -> list[Environment]:
    """Make the table say what the file says (already checked against itself), in its order. Idempotent.

    What the file no longer names is deleted, or detached while an endpoint refers to it. Raises Misconfigured when a
    new name claims the cluster and namespaces of a detached one.
    """
    names = [config.name for config in configs]
    async with transaction() as tx:
        await tx.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        for row in await tx.rows("SELECT id FROM environment WHERE name <> ALL($1::text[]) ORDER BY id", names):
            await _drop(tx, row["id"])
        await tx.execute(
            "UPDATE environment SET is_default = false WHERE is_default AND name <> ALL($1::text[])",
            [config.name for config in configs if config.is_default],
        )
        await _refuse_claimed(tx, configs)
        await _drop_moved(tx, configs)
        return [await _write(tx, config) for config in configs]


async def record_health(environment_id: UUID, *, reachable: bool, message: str = "") -> None:
    """Note whether the cluster answers. Written only when it differs; subscribers of the environment are told."""
    async with transaction() as tx:
        environment = await tx.find(Environment, "FOR NO KEY UPDATE", id=environment_id)
        if environment is None:
            return
        known = environment.health
        if known.get("reachable") is reachable and known.get("message") == message:
            return
        health = {"reachable": reachable, "message": message, "at": datetime.now(UTC).isoformat()}
        await tx.update(Environment, environment_id, health=health)
        await ring(tx, [environment_id])


def config_of(environment: Environment) -> EnvironmentConfig:
    """The environment's configuration as it was last synced. Raises Misconfigured."""
    return EnvironmentConfig.from_json(environment.config)


async def _drop(tx: Transaction, environment_id: UUID) -> None:
    """Delete it, or detach it while there is any endpoint: even of a terminated one the history is kept."""
    await tx.find(Environment, "FOR UPDATE", id=environment_id)
    if await _is_used(tx, environment_id):
        await tx.update(Environment, environment_id, detached=True, is_default=False)
    else:
        await tx.execute("DELETE FROM environment WHERE id = $1", environment_id)


async def _drop_moved(tx: Transaction, configs: Sequence[EnvironmentConfig]) -> None:
    """Remove unused ones that changed their place, to be made anew: so that two may swap theirs.

    Raises Misconfigured for one with endpoints: its objects would be left behind in the old place.
    """
    for config in configs:
        held = await tx.find(Environment, "FOR UPDATE", name=config.name)
        if held is None or (held.cluster, held.namespace_template) == (config.cluster.name, config.namespace_template):
            continue
        if await _is_used(tx, held.id):
            raise Misconfigured(
                f"Environment {config.name} has endpoints in cluster {held.cluster}, namespaces "
                f"{held.namespace_template}; it cannot be moved.",
                hint="Give the new place a name of its own.",
            )
        await tx.execute("DELETE FROM environment WHERE id = $1", held.id)


async def _is_used(tx: Transaction, environment_id: UUID) -> bool:
    used: bool = await tx.value(
        "SELECT EXISTS (SELECT FROM version_endpoint WHERE environment_id = $1) "
        "OR EXISTS (SELECT FROM model_endpoint WHERE environment_id = $1)",
        environment_id,
    )
    return used


async def _refuse_claimed(tx: Transaction, configs: Sequence[EnvironmentConfig]) -> None:
    rows = await tx.rows("SELECT name, cluster, namespace_template FROM environment WHERE detached")
    names = {config.name for config in configs}
    held = {(row["cluster"], row["namespace_template"]): row["name"] for row in rows if row["name"] not in names}
    for config in configs:
        holder = held.get((config.cluster.name, config.namespace_template))
        if holder is not None:
            raise Misconfigured(
                f"Environment {config.name} has the cluster and namespaces of {holder}, which is still in use.",
                hint=f"Call it {holder} again, or undeploy everything there first.",
            )


async def _write(tx: Transaction, config: EnvironmentConfig) -> Environment:
    values = {
        "cluster": config.cluster.name,
        "namespace_template": config.namespace_template,
        "is_default": config.is_default,
        "detached": False,
        "config": config.as_json(),
    }
    held = await tx.find(Environment, "FOR NO KEY UPDATE", name=config.name)
    if held is None:
        return await tx.insert(Environment, name=config.name, **values)
    if all(getattr(held, name) == value for name, value in values.items()):
        return held
    return await tx.update(Environment, held.id, **values)
