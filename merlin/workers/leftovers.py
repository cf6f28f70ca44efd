"""What deleted versions and models leave in MLflow: their runs and experiments, which are deleted there as well.

The row is gone by then, so the work's key is MLflow's own id; a run whose id was never noted is found by its tag.
Somebody may have it again: a run that was adopted meanwhile, an experiment that a new model of the old name took over.
What somebody has stays, or is restored.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from merlin.db import outbox
from merlin.db.locks import session_lock
from merlin.db.outbox import Work
from merlin.db.transaction import transaction
from merlin.db.versions import start_lock
from merlin.errors import NotFound, Rejected, Unavailable
from merlin.tracking.client import MlflowClient
from merlin.workers import comeback

log = logging.getLogger(__name__)

_Call = Callable[[str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class _Holder:
    """Whether anything in Merlin has it, as of ``at`` (the database's clock)."""

    exists: bool
    at: datetime


class Leftovers:
    """Deletions in MLflow of one worker process."""

    def __init__(self, mlflow: MlflowClient) -> None:
        self._mlflow = mlflow

    async def delete_run(self, key: str, _generation: int) -> None:
        """The job `delete_run`: deletes it unless a version has it. Idempotent; one that is gone is fine."""
        await _settle(Work.DELETE_RUN, key, self._mlflow.delete_run, self._mlflow.restore_run)

    async def delete_experiment(self, key: str, _generation: int) -> None:
        """The job `delete_experiment`: deletes it unless a model has it. Idempotent; one that is gone is fine."""
        await _settle(Work.DELETE_EXPERIMENT, key, self._mlflow.delete_experiment, self._mlflow.restore_experiment)

    async def delete_unnoted_run(self, key: str, _generation: int) -> None:
        """The job `delete_unnoted_run`: finds a run that was begun for a version and never noted, by its tag.

        Its deletion is work of its own (`delete_run`). Idempotent. Whoever is starting it just now may end without
        noting it, so this comes back until nobody is.
        """
        model_id, version_id = UUID(key[:32]), UUID(key[32:])
        async with session_lock(start_lock(version_id)) as held:
            if held is None:
                return
            try:
                run_id = await self._unnoted_run(model_id, version_id)
            except Unavailable as error:
                log.warning(
                    "looked for in MLflow later", extra={"version_id": str(version_id), "reason": error.message}
                )
                return
        if run_id is not None:
            await outbox.enqueue(Work.DELETE_RUN, run_id)
        await comeback.done(Work.DELETE_UNNOTED_RUN, key, None)

    async def _unnoted_run(self, model_id: UUID, version_id: UUID) -> str | None:
        async with transaction() as tx:
            experiment = await tx.value("SELECT mlflow_experiment_id FROM model WHERE id = $1", model_id)
        if experiment is None:  # none was begun; or the model is gone, and its experiment is deleted with all runs
            return None
        try:
            run = await self._mlflow.run_of_version(experiment, str(version_id))
        except (NotFound, Rejected):
            return None
        return run.run_id if run is not None else None


async def _settle(kind: Work, key: str, delete: _Call, restore: _Call) -> None:
    holder = await _holder(kind, key)
    try:
        if not holder.exists:
            await delete(key)
        # Whoever took it since, or before a deletion whose job was killed or got no answer, gets it back.
        if holder.exists or (await _holder(kind, key)).exists:
            await restore(key)
    except Unavailable as error:
        log.warning("deleted in MLflow later", extra={"kind": kind.value, "key": key, "reason": error.message})
        return
    except Rejected as error:
        log.warning("cannot be deleted in MLflow", extra={"kind": kind.value, "key": key, "reason": error.message})
    await comeback.done(kind, key, holder.at)


async def _holder(kind: Work, key: str) -> _Holder:
    async with transaction() as tx:
        row = await tx.row(_HOLDER[kind], key)
    if row is None:
        raise AssertionError("a query without FROM has one row")
    return _Holder(row["held"], row["at"])


_HOLDER = {
    Work.DELETE_RUN: "SELECT EXISTS (SELECT FROM version WHERE mlflow_run_id = $1) AS held, clock_timestamp() AS at",
    Work.DELETE_EXPERIMENT: (
        "SELECT EXISTS (SELECT FROM model WHERE mlflow_experiment_id = $1) AS held, clock_timestamp() AS at"
    ),
}
