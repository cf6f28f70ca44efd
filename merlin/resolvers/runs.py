"""What MLflow says now of the runs of OPEN versions: asked for together, and never waited for long.

One per process. When MLflow does not answer, versions show what was mirrored last, and MLflow is left alone for some
seconds, so that lists stay quick while it is away.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence

from merlin.errors import MerlinError
from merlin.tracking.client import MlflowClient, RunData

log = logging.getLogger(__name__)

DEADLINE_SECONDS = 3.0
PAUSE_SECONDS = 5.0
EXPERIMENT_TAG = "merlin.experiment_id"
"""On runs that were adopted: the experiment they are in, since that is not their model's."""

RunKey = tuple[str, str]  # experiment id, run id


class RunReader:
    """Reads runs through one MLflow client."""

    def __init__(self, mlflow: MlflowClient) -> None:
        self._mlflow = mlflow
        self._paused_until = 0.0

    async def read(self, runs: Sequence[RunKey]) -> Mapping[RunKey, RunData]:
        """Those that MLflow knows and told in time; never an error."""
        if time.monotonic() < self._paused_until:
            return {}
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                found = await self._mlflow.get_runs(runs)
        except (MerlinError, TimeoutError) as error:
            log.warning("MLflow did not tell of runs", extra={"reason": str(error) or "deadline"})
            self._paused_until = time.monotonic() + PAUSE_SECONDS
            return {}
        return {key: found[key[1]] for key in runs if key[1] in found}
