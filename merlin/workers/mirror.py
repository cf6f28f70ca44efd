"""A version's labels and aliases as tags of its MLflow run, for those who look there.

A lost job and an MLflow that is away both cost time only (`comeback`).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from merlin.db.outbox import Work
from merlin.db.transaction import transaction
from merlin.errors import NotFound, Rejected, Unavailable
from merlin.tracking.client import MlflowClient
from merlin.workers import comeback

log = logging.getLogger(__name__)

LABEL_TAG = "merlin.label."
ALIAS_TAG = "merlin.alias."


@dataclass(frozen=True, slots=True)
class _Mirrored:
    """What a version's run is to carry, as of ``at`` (the database's clock)."""

    run_id: str | None
    tags: Mapping[str, str]
    at: datetime


class Mirror:
    """Versions' tags of one worker process."""

    def __init__(self, mlflow: MlflowClient) -> None:
        self._mlflow = mlflow

    async def mirror(self, key: str, _generation: int) -> None:
        """The job `mirror_version_tags`: writes what is missing, removes what is stale. Idempotent."""
        version_id = UUID(key)
        wanted = await _read(version_id)
        if wanted is None:
            await self.finish(version_id, None)
            return
        try:
            if wanted.run_id is not None:  # else noting its run asks for this again
                await self._match(wanted.run_id, wanted.tags)
        except Unavailable as error:
            log.warning("tags are mirrored later", extra={"version_id": key, "reason": error.message})
            return
        except (NotFound, Rejected) as error:
            log.warning("tags cannot be mirrored", extra={"version_id": key, "reason": error.message})
        await self.finish(version_id, wanted.at)

    async def finish(self, version_id: UUID, read_at: datetime | None) -> None:
        """Delete what would come back, except what was asked for after the version was read."""
        await comeback.done(Work.MIRROR_VERSION_TAGS, str(version_id), read_at)

    async def _match(self, run_id: str, tags: Mapping[str, str]) -> None:
        run = await self._mlflow.get_run(run_id)
        mirrored = {name: value for name, value in run.tags.items() if name.startswith((LABEL_TAG, ALIAS_TAG))}
        missing = {name: value for name, value in tags.items() if mirrored.get(name) != value}
        await self._mlflow.set_tags(run_id, missing)
        await self._mlflow.delete_tags(run_id, sorted(mirrored.keys() - tags.keys()))


async def _read(version_id: UUID) -> _Mirrored | None:
    async with transaction() as tx:
        row = await tx.row(_VERSION, version_id)
    if row is None:
        return None
    return _Mirrored(row["mlflow_run_id"], _tags(row), row["at"])


def _tags(row: Mapping[str, Any]) -> dict[str, str]:
    labels = orjson.loads(row["labels"])
    tags = {f"{LABEL_TAG}{name}": str(value) for name, value in labels.items()}
    return tags | {f"{ALIAS_TAG}{name}": str(row["number"]) for name in row["aliases"]}


_VERSION = """
SELECT v.mlflow_run_id, v.labels, v.number, clock_timestamp() AS at,
  array(SELECT name FROM alias a WHERE a.version_id = v.id) AS aliases
FROM version v WHERE v.id = $1
"""
