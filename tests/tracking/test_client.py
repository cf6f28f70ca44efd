"""Merlin's view of a real MLflow server: experiments, runs, tags, and where models lie."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from merlin.errors import NotFound, Rejected, Unavailable
from merlin.tracking.client import MlflowClient
from tests.mlflow_server import MlflowServer, mlflow_server

__all__ = ["mlflow_server"]
pytestmark = pytest.mark.xdist_group("mlflow")

LOG_MODEL = """
import mlflow
import numpy
from sklearn.linear_model import LogisticRegression
model = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
with mlflow.start_run(run_id="{run_id}"):
    mlflow.log_metric("accuracy", 0.9)
    mlflow.log_param("C", 1)
    mlflow.log_text("only a note", "note.txt")
    mlflow.sklearn.log_model(model, name="model", registered_model_name="{name}",
                             pip_requirements=["scikit-learn"], input_example=numpy.array([[0.5]]))
mlflow.MlflowClient().set_registered_model_alias("{name}", "champion", 1)
"""


@pytest.fixture
async def client(mlflow_server: MlflowServer) -> AsyncIterator[MlflowClient]:
    client = MlflowClient(mlflow_server.url, artifact_map=mlflow_server.artifact_map)
    yield client
    await client.close()


def a_name() -> str:
    return f"p/{uuid4().hex[:8]}"


async def test_an_experiment_is_made_once_and_revived_after_deletion(client: MlflowClient) -> None:
    name = a_name()
    first = await client.ensure_experiment(name)
    assert await client.ensure_experiment(name) == first
    await client.delete_experiment(first)
    await client.delete_experiment(first)
    assert await client.ensure_experiment(name) == first


async def test_a_repeated_run_is_the_same_run(client: MlflowClient) -> None:
    experiment = await client.ensure_experiment(a_name())
    first = await client.create_run(experiment, version_id="v-1", run_name="one")
    again = await client.create_run(experiment, version_id="v-1", run_name="one")
    other = await client.create_run(experiment, version_id="v-2", run_name="two")
    assert again.run_id == first.run_id != other.run_id


async def test_tags_are_set_and_removed_any_number_of_times(client: MlflowClient) -> None:
    experiment = await client.ensure_experiment(a_name())
    run = await client.create_run(experiment, version_id="v", run_name="r")
    await client.set_tags(run.run_id, {"team": "a", "gone": "soon"})
    await client.set_tags(run.run_id, {"team": "b"})
    await client.delete_tags(run.run_id, ["gone", "never-there"])
    tags = (await client.get_run(run.run_id)).tags
    assert tags["team"] == "b"
    assert "gone" not in tags


async def test_runs_are_read_in_one_call_and_unknown_ones_left_out(client: MlflowClient) -> None:
    experiment = await client.ensure_experiment(a_name())
    runs = [await client.create_run(experiment, version_id=f"v-{n}", run_name=f"r-{n}") for n in range(3)]
    found = await client.get_runs([*((experiment, r.run_id) for r in runs), (experiment, "f" * 32)])
    assert set(found) == {r.run_id for r in runs}


async def test_a_logged_model_is_resolved_to_its_files(client: MlflowClient, mlflow_server: MlflowServer) -> None:
    experiment = await client.ensure_experiment(a_name())
    run = await client.create_run(experiment, version_id="v", run_name="r")
    registered = f"m{uuid4().hex[:8]}"
    mlflow_server.run_script(LOG_MODEL.format(run_id=run.run_id, name=registered))

    artifact = await client.resolve_artifact(run.run_id)
    assert artifact.storage_uri.startswith(mlflow_server.artifact_map["mlflow-artifacts:/"])
    assert artifact.flavors == ["python_function", "sklearn"]
    assert "scikit-learn" in artifact.requirements
    assert artifact.signature is not None
    for reference in (
        run.run_id,
        f"runs:/{run.run_id}/model",
        f"models:/{registered}/1",
        f"models:/{registered}@champion",
    ):
        named = await client.resolve(reference)
        assert named.run_id == run.run_id
        assert (await client.resolve_artifact(named.run_id, named.path)).storage_uri == artifact.storage_uri

    with pytest.raises(Rejected) as no_model:
        await client.resolve_artifact(run.run_id, "note.txt")
    assert no_model.value.code == "NOT_A_MODEL"
    metrics = (await client.get_run(run.run_id)).metrics_json()
    assert metrics["accuracy"]["value"] == 0.9


async def test_a_run_without_a_model_names_what_is_missing(client: MlflowClient) -> None:
    experiment = await client.ensure_experiment(a_name())
    run = await client.create_run(experiment, version_id="v", run_name="r")
    with pytest.raises(NotFound) as missing:
        await client.resolve_artifact(run.run_id)
    assert missing.value.code == "ARTIFACT_NOT_FOUND"


async def test_an_unknown_registered_model_is_not_found(client: MlflowClient) -> None:
    with pytest.raises(NotFound):
        await client.resolve("models:/nobody/1")


async def test_a_silent_server_is_unavailable_and_a_retry_is_advised() -> None:
    client = MlflowClient("http://127.0.0.1:9", timeout_seconds=1)
    with pytest.raises(Unavailable) as down:
        await client.ensure_experiment("p/m")
    assert down.value.code == "MLFLOW_UNAVAILABLE"
    assert down.value.hint
    await client.close()
