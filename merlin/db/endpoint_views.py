"""Everything a worker needs to know of one endpoint, read afresh, in one snapshot.

Workers get ids and read here; they keep nothing. For lists see the ``read_…`` modules.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
from tortoise.models import Model as Table

from merlin.db.connection import borrowed, translated
from merlin.db.tables import Environment, Model, ModelEndpoint, Project, Revision, Version, VersionEndpoint
from merlin.db.transaction import Transaction, as_row
from merlin.domain.lifecycle import LIVE_STATUSES

Row = TypeVar("Row", bound=Table)


@dataclass(frozen=True, slots=True)
class VersionEndpointView:
    """A version endpoint with what it hangs on. ``revisions``: the live ones, the target and the newest, by number."""

    endpoint: VersionEndpoint
    version: Version
    model: Model
    project: Project
    environment: Environment
    revisions: tuple[Revision, ...]

    def revision(self, number: int | None) -> Revision | None:
        """One of them by its number."""
        return next((revision for revision in self.revisions if revision.number == number), None)


@dataclass(frozen=True, slots=True)
class DestinationView:
    """A version endpoint that a rule names."""

    endpoint: VersionEndpoint
    version: Version


@dataclass(frozen=True, slots=True)
class ModelEndpointView:
    """A model endpoint with what it hangs on. ``destinations``: all that its two rules name, by their id."""

    endpoint: ModelEndpoint
    model: Model
    project: Project
    environment: Environment
    destinations: Mapping[UUID, DestinationView]


async def version_endpoint_view(
    endpoint_id: UUID, connection: asyncpg.Connection[Any] | None = None
) -> VersionEndpointView | None:
    """The endpoint as it is now; ``None`` when it is gone."""
    async with borrowed(connection) as own, _Snapshot(own):
        tx = Transaction(own)
        endpoint = await tx.find(VersionEndpoint, id=endpoint_id)
        if endpoint is None:
            return None
        version = await _one(tx, Version, endpoint.version_id)
        model = await _one(tx, Model, version.model_id)
        rows = await tx.rows(
            "SELECT * FROM revision WHERE endpoint_id = $1 AND (status = ANY($2::text[]) OR number = ANY($3::int[])) "
            "ORDER BY number",
            endpoint_id,
            [status.value for status in LIVE_STATUSES],
            [endpoint.target_revision or 0, endpoint.next_revision - 1],
        )
        return VersionEndpointView(
            endpoint,
            version,
            model,
            await _one(tx, Project, model.project_id),
            await _one(tx, Environment, endpoint.environment_id),
            tuple(as_row(Revision, row) for row in rows),
        )


async def model_endpoint_view(
    endpoint_id: UUID, connection: asyncpg.Connection[Any] | None = None
) -> ModelEndpointView | None:
    """The model endpoint as it is now; ``None`` when it is gone."""
    async with borrowed(connection) as own, _Snapshot(own):
        tx = Transaction(own)
        endpoint = await tx.find(ModelEndpoint, id=endpoint_id)
        if endpoint is None:
            return None
        model = await _one(tx, Model, endpoint.model_id)
        named = {
            UUID(destination["version_endpoint_id"])
            for rule in (endpoint.desired_rule, endpoint.observed_rule)
            for destination in (rule or {}).get("destinations", ())
        }
        return ModelEndpointView(
            endpoint,
            model,
            await _one(tx, Project, model.project_id),
            await _one(tx, Environment, endpoint.environment_id),
            {key: view for key in sorted(named) if (view := await _destination(tx, key)) is not None},
        )


class _Snapshot:
    """A read-only transaction in which all reads see the same moment."""

    def __init__(self, connection: asyncpg.Connection[Any]) -> None:
        self._block = connection.transaction(isolation="repeatable_read", readonly=True)

    async def __aenter__(self) -> None:
        with translated():
            await self._block.__aenter__()

    async def __aexit__(self, kind: Any, error: Any, trace: Any) -> None:
        with translated():
            await self._block.__aexit__(kind, error, trace)


async def _destination(tx: Transaction, endpoint_id: UUID) -> DestinationView | None:
    endpoint = await tx.find(VersionEndpoint, id=endpoint_id)
    return DestinationView(endpoint, await _one(tx, Version, endpoint.version_id)) if endpoint is not None else None


async def _one(tx: Transaction, table: type[Row], key: UUID) -> Row:
    row = await tx.find(table, id=key)
    if row is None:
        raise AssertionError(f"{table._meta.db_table} {key} is referred to, but not there")
    return row
