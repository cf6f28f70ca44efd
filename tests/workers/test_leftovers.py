"""Runs and experiments of deleted versions and models, in a real MLflow that may be away just then."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from merlin.db import models, outbox, versions
from merlin.db.connection import Database
from merlin.db.doorbell import Doorbell
from merlin.db.locks import session_lock
from merlin.db.outbox import Work
from merlin.db.tables import Model, Outbox, Version
from merlin.embedded.home import Home
from merlin.embedded.mlflow import prepare
from merlin.embedded.ports import Ports
from merlin.embedded.process import Process, Program
from merlin.settings import Settings
from merlin.tracking.client import MlflowClient
from merlin.workers import comeback, queue
from merlin.workers.leftovers import Leftovers
from merlin.workers.relay import Relay, relay_batch
from tests.db.worlds import ALICE, a_model
from tests.mlflow_server import MODELS_PYTHON, MlflowServer, mlflow_server
from tests.workers.plays import until

__all__ = ["mlflow_server"]


@pytest.fixture
async def mlflow(mlflow_server: MlflowServer) -> AsyncIterator[MlflowClient]:
    client = MlflowClient(mlflow_server.url)
    yield client
    await client.close()


@pytest.fixture
async def model(database: Database, mlflow: MlflowClient) -> Model:
    """A model with an experiment of a name of its own."""
    model = await a_model()
    return await models.set_experiment(model.id, await mlflow.ensure_experiment(f"leftovers/{model.id}"))


@pytest.fixture
async def version(model: Model, mlflow: MlflowClient) -> Version:
    return await started(mlflow, model)


async def started(mlflow: MlflowClient, model: Model) -> Version:
    """A new version of it with its run."""
    version = await versions.create_version(ALICE, model_id=model.id)
    run = await mlflow.create_run(str(model.mlflow_experiment_id), version_id=str(version.id), run_name="r")
    version = await versions.set_run(version.id, run_id=run.run_id)
    await Outbox.filter(key=str(version.id)).delete()
    return version


async def stage(mlflow: MlflowClient, *, run: str | None = None, experiment: str | None = None) -> str:
    """What MLflow says of it: active or deleted."""
    path, given = ("runs", {"run_id": str(run)}) if run else ("experiments", {"experiment_id": str(experiment)})
    async with httpx.AsyncClient(base_url=mlflow.base_url, trust_env=False, timeout=30) as http:
        answer = (await http.get(f"/api/2.0/mlflow/{path}/get", params=given)).raise_for_status().json()
    return str((answer["run"]["info"] if run else answer["experiment"])["lifecycle_stage"])


async def waiting() -> list[tuple[str, str, int]]:
    return [(row.kind, row.key, row.generation) for row in await Outbox.all().order_by("id")]


@contextlib.asynccontextmanager
async def running(program: Program) -> AsyncIterator[None]:
    process = Process(program)
    await process.start()
    try:
        yield
    finally:
        await process.stop()


@contextlib.asynccontextmanager
async def working(settings: Settings, jobs: dict[str, queue.Job]) -> AsyncIterator[None]:
    """A worker's relay and queue with these jobs."""
    async with Doorbell(settings.database_url) as doorbell:
        bell = asyncio.Event()
        relay = asyncio.create_task(Relay(settings, doorbell, bell=bell).run())
        work = asyncio.create_task(queue.work(settings, jobs, bell=bell))
        try:
            yield
        finally:
            relay.cancel()
            work.cancel()
            await asyncio.gather(relay, work, return_exceptions=True)


async def test_a_version_deleted_while_mlflow_is_away_is_deleted_there_once_it_is_back(
    database: Database, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comeback, "FIRST_PAUSE_SECONDS", 0.2)
    monkeypatch.setattr(comeback, "LONGEST_PAUSE_SECONDS", 0.4)
    home, ports = Home(tmp_path / "mlflow-home"), Ports()
    home.prepare()
    server = prepare(home, python=MODELS_PYTHON, port=ports.take(0, name="mlflow"))
    mlflow = MlflowClient(server.url)
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(ports.close)
        stack.push_async_callback(mlflow.close)
        async with running(server.program):
            model = await a_model()
            model = await models.set_experiment(model.id, await mlflow.ensure_experiment("p/m"))
            version = await started(mlflow, model)
            assert await stage(mlflow, run=version.mlflow_run_id) == "active"
        await versions.delete_version(ALICE, version.id)
        assert await waiting() == [(Work.DELETE_RUN, version.mlflow_run_id, 0)]

        await stack.enter_async_context(working(settings, {Work.DELETE_RUN: Leftovers(mlflow).delete_run}))

        async def tried_again() -> bool:
            return any(generation > 2 for _, _, generation in await waiting())

        async def all_is_done() -> bool:
            return not await waiting()

        await until(tried_again, "it is tried again and again")
        async with running(server.program):
            await until(all_is_done, "nothing is left to do")
            assert await stage(mlflow, run=version.mlflow_run_id) == "deleted"


async def test_whoever_deletes_may_die_at_once_and_the_work_may_come_twice(
    version: Version, model: Model, mlflow: MlflowClient, settings: Settings
) -> None:
    run, experiment = str(version.mlflow_run_id), str(model.mlflow_experiment_id)
    await versions.delete_version(ALICE, version.id)
    await models.delete_model(ALICE, model.id)
    assert await waiting() == [(Work.DELETE_RUN, run, 0), (Work.DELETE_EXPERIMENT, experiment, 0)]
    pool = await queue.connect(settings)
    await relay_batch(pool)
    await pool.flushdb()  # the jobs are lost
    await pool.aclose(close_connection_pool=True)
    assert await waiting() == [(Work.DELETE_RUN, run, 1), (Work.DELETE_EXPERIMENT, experiment, 1)]
    for _ in range(2):
        await Leftovers(mlflow).delete_run(run, 1)
        await Leftovers(mlflow).delete_experiment(experiment, 1)
        assert await stage(mlflow, run=run) == await stage(mlflow, experiment=experiment) == "deleted"
    assert await waiting() == []


async def test_what_mlflow_never_had_is_done(database: Database, mlflow: MlflowClient) -> None:
    for kind, key in ((Work.DELETE_RUN, "f" * 32), (Work.DELETE_EXPERIMENT, "987654321")):
        await outbox.enqueue(kind, key, generation=1, delay_seconds=60)
    await Leftovers(mlflow).delete_run("f" * 32, 0)
    await Leftovers(mlflow).delete_experiment("987654321", 0)
    assert await waiting() == []


async def test_an_adopted_run_is_left_alone(version: Version, model: Model, mlflow: MlflowClient) -> None:
    run = str(version.mlflow_run_id)
    await versions.delete_version(ALICE, version.id)
    adopted = await versions.create_version(ALICE, model_id=model.id, adopted_run_id=run)
    await Leftovers(mlflow).delete_run(run, 0)  # of the version that started it
    assert await stage(mlflow, run=run) == "active"
    await Outbox.all().delete()
    await versions.delete_version(ALICE, adopted.id)
    assert await waiting() == []


async def test_an_experiment_that_a_new_model_took_over_stays(model: Model, mlflow: MlflowClient) -> None:
    experiment = str(model.mlflow_experiment_id)
    await models.delete_model(ALICE, model.id)
    again = await models.create_model(ALICE, project_id=model.project_id, name=model.name)
    await models.set_experiment(again.id, experiment)
    await Leftovers(mlflow).delete_experiment(experiment, 0)
    assert await stage(mlflow, experiment=experiment) == "active"
    await models.delete_model(ALICE, again.id)
    await Leftovers(mlflow).delete_experiment(experiment, 0)
    assert await stage(mlflow, experiment=experiment) == "deleted"


@pytest.mark.parametrize("killed", [False, True], ids=["ended", "killed"])
async def test_an_experiment_that_is_taken_over_while_it_is_deleted_is_restored(
    model: Model, mlflow: MlflowClient, killed: bool
) -> None:
    experiment = str(model.mlflow_experiment_id)
    await models.delete_model(ALICE, model.id)
    again = await models.create_model(ALICE, project_id=model.project_id, name=model.name)

    class Slow(MlflowClient):
        async def delete_experiment(self, experiment_id: str) -> None:
            await models.set_experiment(again.id, experiment_id)
            await super().delete_experiment(experiment_id)
            if killed:
                raise asyncio.CancelledError

    slow = Slow(mlflow.base_url)
    job = asyncio.create_task(Leftovers(slow).delete_experiment(experiment, 0))
    await asyncio.gather(job, return_exceptions=True)
    await slow.close()
    if killed:
        assert await stage(mlflow, experiment=experiment) == "deleted"
        await Leftovers(mlflow).delete_experiment(experiment, 1)  # what came back
    assert await stage(mlflow, experiment=experiment) == "active"


async def test_a_run_that_was_begun_and_never_noted_is_deleted_with_its_version(
    model: Model, mlflow: MlflowClient
) -> None:
    version = await versions.create_version(ALICE, model_id=model.id)
    run = await mlflow.create_run(str(model.mlflow_experiment_id), version_id=str(version.id), run_name="r")
    await versions.delete_version(ALICE, version.id)
    work = [(Work.DELETE_UNNOTED_RUN, model.id.hex + version.id.hex, 0)]
    assert await waiting() == work

    await Outbox.all().update(generation=1)  # as relayed
    away = MlflowClient("http://127.0.0.1:9")
    await Leftovers(away).delete_unnoted_run(work[0][1], 0)
    await away.close()
    assert [key for _, key, _ in await waiting()] == [work[0][1]], "MLflow was away: it comes back"
    for _ in range(2):
        await Leftovers(mlflow).delete_unnoted_run(work[0][1], 1)
        assert (Work.DELETE_RUN, run.run_id, 0) in await waiting()
        assert Work.DELETE_UNNOTED_RUN not in {kind for kind, _, _ in await waiting()}
    await Leftovers(mlflow).delete_run(run.run_id, 0)
    assert await stage(mlflow, run=run.run_id) == "deleted"
    await Outbox.all().delete()
    await Leftovers(mlflow).delete_unnoted_run(work[0][1], 1)
    assert await waiting() == []


async def test_a_run_that_is_being_started_for_a_deleted_version_is_looked_for_again(
    model: Model, mlflow: MlflowClient
) -> None:
    version = await versions.create_version(ALICE, model_id=model.id)
    await versions.delete_version(ALICE, version.id)
    await Outbox.all().update(generation=1)  # as relayed
    key = model.id.hex + version.id.hex
    async with session_lock(versions.start_lock(version.id)):
        await Leftovers(mlflow).delete_unnoted_run(key, 0)
    assert await waiting() == [(Work.DELETE_UNNOTED_RUN, key, 1)]
    await Leftovers(mlflow).delete_unnoted_run(key, 1)
    assert await waiting() == []
