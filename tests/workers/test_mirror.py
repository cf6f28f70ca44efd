"""Labels and aliases as tags of a real MLflow run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from uuid import UUID

import pytest

from merlin.db import aliases, outbox, versions
from merlin.db.connection import Database
from merlin.db.outbox import Work
from merlin.db.tables import Outbox, Version
from merlin.settings import Settings
from merlin.tracking.client import MlflowClient
from merlin.workers import queue
from merlin.workers.mirror import Mirror
from merlin.workers.relay import relay_batch
from tests.db.worlds import ALICE, a_model
from tests.mlflow_server import MlflowServer, mlflow_server

__all__ = ["mlflow_server"]


@pytest.fixture
async def mlflow(mlflow_server: MlflowServer) -> AsyncIterator[MlflowClient]:
    client = MlflowClient(mlflow_server.url)
    yield client
    await client.close()


@pytest.fixture
async def version(database: Database, mlflow: MlflowClient) -> Version:
    """A version with a run that carries a tag of its own."""
    model = await a_model()
    version = await versions.create_version(ALICE, model_id=model.id)
    experiment = await mlflow.ensure_experiment(f"mirror/{version.id}")
    run = await mlflow.create_run(experiment, version_id=str(version.id), run_name="r", tags={"mine": "1"})
    version = await versions.set_run(version.id, run_id=run.run_id, run_name="r", artifact_uri=run.artifact_uri)
    await Outbox.filter(key=str(version.id)).delete()
    return version


async def tags(mlflow: MlflowClient, version: Version) -> dict[str, str]:
    run = await mlflow.get_run(str(version.mlflow_run_id))
    return {k: v for k, v in run.tags.items() if k == "mine" or k.startswith(("merlin.label.", "merlin.alias."))}


async def waiting(version_id: UUID) -> list[tuple[int, bool]]:
    rows = await Outbox.filter(kind=Work.MIRROR_VERSION_TAGS.value, key=str(version_id)).order_by("id")
    return [(row.generation, row.scheduled_for > row.created_at) for row in rows]


async def test_tags_follow_labels_and_aliases_and_stale_ones_go(version: Version, mlflow: MlflowClient) -> None:
    mirror = Mirror(mlflow)
    await versions.set_labels(ALICE, version.id, labels={"team": "risk", "stage": "test"})
    await aliases.set_alias(ALICE, version_id=version.id, alias="champion")
    await mirror.mirror(str(version.id), 0)
    both = {"mine": "1", "merlin.label.team": "risk", "merlin.label.stage": "test", "merlin.alias.champion": "1"}
    assert await tags(mlflow, version) == both
    await mirror.mirror(str(version.id), 0)
    assert await tags(mlflow, version) == both
    await versions.remove_labels(ALICE, version.id, keys=["stage"])
    await aliases.remove_alias(ALICE, model_id=version.model_id, alias="champion")
    await mirror.mirror(str(version.id), 0)
    assert await tags(mlflow, version) == {"mine": "1", "merlin.label.team": "risk"}


async def test_a_lost_job_comes_back_until_it_was_done(
    version: Version, mlflow: MlflowClient, settings: Settings
) -> None:
    await outbox.enqueue(Work.MIRROR_VERSION_TAGS, version.id)
    pool = await queue.connect(settings)
    await relay_batch(pool)
    await pool.flushdb()  # the job is lost
    assert await waiting(version.id) == [(1, True)]
    await Mirror(mlflow).mirror(str(version.id), 0)
    assert await waiting(version.id) == []
    await pool.aclose(close_connection_pool=True)


async def test_an_mlflow_that_is_away_is_tried_again_later(version: Version, settings: Settings) -> None:
    away = MlflowClient("http://127.0.0.1:9")
    await outbox.enqueue(Work.MIRROR_VERSION_TAGS, version.id)
    pool = await queue.connect(settings)
    await relay_batch(pool)
    await Mirror(away).mirror(str(version.id), 0)
    assert await waiting(version.id) == [(1, True)]
    await pool.aclose(close_connection_pool=True)
    await away.close()


async def test_two_changes_at_once_are_two_jobs(version: Version, settings: Settings) -> None:
    pool = await queue.connect(settings)
    for number in range(2):
        await versions.set_labels(ALICE, version.id, labels={"n": str(number)})
        await relay_batch(pool)
    jobs = [j for j in await pool.queued_jobs(queue_name=queue.QUEUE) if j.function == "mirror_version_tags"]
    assert len(jobs) >= 2
    await pool.aclose(close_connection_pool=True)


async def test_what_is_asked_for_while_it_runs_is_not_forgotten(version: Version, mlflow: MlflowClient) -> None:
    class Slow(MlflowClient):
        async def get_run(self, run_id: str):  # type: ignore[no-untyped-def]
            await outbox.enqueue(Work.MIRROR_VERSION_TAGS, version.id, generation=1, delay_seconds=5)
            return await super().get_run(run_id)

    slow = Slow(mlflow.base_url)
    await Mirror(slow).mirror(str(version.id), 0)
    await slow.close()
    assert (1, True) in await waiting(version.id)


async def test_what_was_set_before_there_was_a_run_is_mirrored_to_it(
    database: Database, mlflow: MlflowClient, settings: Settings
) -> None:
    version = await versions.create_version(ALICE, model_id=(await a_model()).id)
    await versions.set_labels(ALICE, version.id, labels={"team": "risk"})
    await aliases.set_alias(ALICE, version_id=version.id, alias="champion")
    pool = await queue.connect(settings)
    await relay_batch(pool)
    await Mirror(mlflow).mirror(str(version.id), 0)
    assert await waiting(version.id) == []
    experiment = await mlflow.ensure_experiment(f"mirror/{version.id}")
    run = await mlflow.create_run(experiment, version_id=str(version.id), run_name="r")
    version = await versions.set_run(version.id, run_id=run.run_id, run_name="r")
    assert await waiting(version.id) == [(0, False)]
    await relay_batch(pool)
    assert "mirror_version_tags" in {job.function for job in await pool.queued_jobs(queue_name=queue.QUEUE)}
    await Mirror(mlflow).mirror(str(version.id), 0)
    assert await tags(mlflow, version) == {"merlin.label.team": "risk", "merlin.alias.champion": "1"}
    assert await waiting(version.id) == []
    await pool.aclose(close_connection_pool=True)


async def test_a_job_that_found_no_run_forgets_nothing_that_was_asked_for_later(
    database: Database, mlflow: MlflowClient
) -> None:
    version = await versions.create_version(ALICE, model_id=(await a_model()).id)

    class Slow(Mirror):
        async def finish(self, version_id: UUID, read_at: datetime | None) -> None:
            await outbox.enqueue(Work.MIRROR_VERSION_TAGS, version_id, generation=1, delay_seconds=5)
            await super().finish(version_id, read_at)

    await Slow(mlflow).mirror(str(version.id), 0)
    assert await waiting(version.id) == [(1, True)]


async def test_tags_of_a_version_that_is_gone_are_done(version: Version, mlflow: MlflowClient) -> None:
    class Slow(MlflowClient):
        async def get_run(self, run_id: str):  # type: ignore[no-untyped-def]
            await versions.delete_version(ALICE, version.id)
            await self.delete_run(run_id)
            return await super().get_run(run_id)

    await versions.set_labels(ALICE, version.id, labels={"team": "risk"})
    await Outbox.filter(key=str(version.id)).update(generation=1)  # what comes back
    slow = Slow(mlflow.base_url)
    await Mirror(slow).mirror(str(version.id), 0)
    await slow.close()
    assert await waiting(version.id) == []
    await outbox.enqueue(Work.MIRROR_VERSION_TAGS, version.id, generation=1)
    await Mirror(mlflow).mirror(str(version.id), 1)
    assert await waiting(version.id) == []
