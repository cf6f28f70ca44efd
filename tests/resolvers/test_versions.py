"""Versions with a real MLflow: made, logged to, finished, adopted, deleted; and with MLflow away in between."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

import httpx
import pytest

from merlin.db import models, outbox, versions
from merlin.db.outbox import Work
from merlin.errors import Unavailable
from merlin.resolvers.change_models import ensure_experiment
from merlin.schema.ids import parse_id
from merlin.tracking.client import VERSION_TAG, MlflowClient, RunData
from merlin.workers.leftovers import Leftovers
from tests.db.worlds import count, fetch
from tests.mlflow_server import MlflowServer
from tests.schema.asking import Api
from tests.workers.plays import until

VERSION = """version { id number state adopted run { id name url status artifactUri } artifactUri storageUri
  pythonVersion requirements flavors signature inputExample
  metrics { key value text } params { key value } tags { key value } mirroredAt
  finishedAt labels { key value } aliases properties }"""
LOG_MODEL = """
import mlflow, math
class Echo(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return model_input
signature = mlflow.models.ModelSignature.from_dict(
    {{"inputs": '[{{"name": "x", "type": "double", "required": true}}]', "outputs": None, "params": None}})
with mlflow.start_run(run_id={run!r}) as run:
    mlflow.log_metric("accuracy", 0.93)
    mlflow.log_metric("loss", math.nan)
    mlflow.log_param("depth", 3)
    info = mlflow.pyfunc.log_model(name={name!r}, python_model=Echo(), pip_requirements=["pandas"], signature=signature)
    if {register!r}:
        made = mlflow.register_model(info.model_uri, {register!r})
        mlflow.MlflowClient().set_registered_model_alias({register!r}, "best", made.version)
    print('RUN', run.info.run_id)
"""


async def a_model(api: Api, name: str) -> str:
    """The id of a model in a project of its own (MLflow is shared by the tests, so names differ)."""
    project = (await api.change("createProject", "project { id }", name=f"p-{name}"))["project"]
    model = await api.change("createModel", "model { id mlflowExperimentId }", projectId=project["id"], name=name)
    return str(model["model"]["id"])


async def a_version(api: Api, model_id: str, **fields: Any) -> Any:
    return (await api.change("createVersion", VERSION, modelId=model_id, **fields))["version"]


def log(server: MlflowServer, run: str | None = None, register: str = "", name: str = "model") -> str:
    """Log a real model into a run; the run's id. A registered one gets the alias `best`."""
    said = server.run_script(LOG_MODEL.format(run=run, register=register, name=name))
    return next(line.removeprefix("RUN ") for line in said.splitlines() if line.startswith("RUN "))


async def delete_leftovers(api: Api) -> None:
    """Do what a worker does after a deletion, and what that leaves to do."""
    leftovers = Leftovers(api.context.mlflow)
    jobs = {
        Work.DELETE_RUN: leftovers.delete_run,
        Work.DELETE_EXPERIMENT: leftovers.delete_experiment,
        Work.DELETE_UNNOTED_RUN: leftovers.delete_unnoted_run,
    }
    rows: tuple[outbox.OutboxRow, ...] | None = None
    while rows is None or rows:
        async with outbox.claim() as claim:
            rows = claim.rows
            for row in rows:
                claim.come_back(row, 60)
        for row in rows:
            if row.kind in jobs:
                await jobs[Work(row.kind)](row.key, row.generation)


async def stage(api: Api, path: str, **given: str) -> str:
    """What MLflow says of a run or an experiment: active or deleted."""
    async with httpx.AsyncClient(base_url=api.context.mlflow.base_url, trust_env=False, timeout=30) as http:
        answer = (await http.get(f"/api/2.0/mlflow/{path}/get", params=given)).raise_for_status().json()
    found = answer["run"]["info"] if "run" in answer else answer["experiment"]
    return str(found["lifecycle_stage"])


async def read(api: Api, version_id: str) -> Any:
    query = f"query($id: ID!) {{ node(id: $id) {{ ... on Version {VERSION.removeprefix('version ')} }} }}"
    return (await api.ask(query, id=version_id))["node"]


async def with_metrics(api: Api, version_id: str) -> Any:
    """The version once it tells metrics: an answer of MLflow is kept for two seconds."""
    found = await read(api, version_id)
    return found if found["metrics"] else None


def values(pairs: list[dict[str, Any]]) -> dict[str, Any]:
    return {pair["key"]: pair["value"] for pair in pairs}


async def test_a_version_is_a_run_and_its_finish_finds_the_model(api: Api, mlflow_server: MlflowServer) -> None:
    model_id = await a_model(api, "whole")
    made = await a_version(api, model_id, labels=[{"key": "stage", "value": "dev"}], properties={"a": [1]})
    assert (made["number"], made["state"], made["properties"]) == (1, "OPEN", {"a": [1]})
    assert made["run"]["name"] == "whole-1"
    assert made["run"]["url"].endswith(f"/runs/{made['run']['id']}")
    tags = (await api.context.mlflow.get_run(made["run"]["id"])).tags
    assert tags["merlin.label.stage"] == "dev"
    assert VERSION_TAG in tags

    log(mlflow_server, made["run"]["id"])
    read_back = await until(lambda: with_metrics(api, made["id"]), "metrics read from MLflow while OPEN")
    assert values(read_back["metrics"])["accuracy"] == 0.93
    assert read_back["mirroredAt"] is None

    finished = (await api.change("finishVersion", VERSION, versionId=made["id"]))["version"]
    assert finished["state"] == "FINISHED"
    assert finished["artifactUri"].startswith("mlflow-artifacts:/")
    assert finished["storageUri"].startswith("file:///")
    assert finished["flavors"] == ["python_function"]
    assert "pandas" in finished["requirements"]
    assert finished["signature"]["inputs"][0]["name"] == "x"
    assert finished["pythonVersion"].startswith("3.")
    assert finished["run"]["status"] == "FINISHED"
    metrics = {metric["key"]: (metric["value"], metric["text"]) for metric in finished["metrics"]}
    assert metrics == {"accuracy": (0.93, "0.93"), "loss": (None, "nan")}
    assert values(finished["params"]) == {"depth": "3"}

    before = await count("audit")
    again = (await api.change("finishVersion", VERSION, versionId=made["id"], artifact="model"))["version"]
    assert (again["artifactUri"], again["finishedAt"]) == (finished["artifactUri"], finished["finishedAt"])
    assert await count("audit") == before


async def test_mlflow_away_keeps_the_row_and_a_retry_goes_on_with_it(api: Api, without_mlflow: Api) -> None:
    model_id = await a_model(without_mlflow, "away")
    (error,) = await without_mlflow.refusals("createVersion", modelId=model_id, idempotencyKey="k", runName="mine")
    assert error[0] == "MLFLOW_UNAVAILABLE"
    rows = await fetch("SELECT number, state, mlflow_run_id FROM version")
    assert [(row["number"], row["state"], row["mlflow_run_id"]) for row in rows] == [(1, "open", None)]

    made = await a_version(api, model_id, idempotencyKey="k", runName="mine")
    assert made["number"] == 1
    assert made["run"]["name"] == "mine"
    assert (await a_version(api, model_id, idempotencyKey="k", runName="mine"))["run"] == made["run"]
    assert await count("version") == 1
    reused = await api.refusals("createVersion", modelId=model_id, idempotencyKey="k", runName="other")
    assert reused == [("IDEMPOTENCY_KEY_REUSED", ["idempotencyKey"])]


async def test_a_version_without_a_run_gets_it_with_a_refresh(api: Api, without_mlflow: Api) -> None:
    model_id = await a_model(without_mlflow, "later")
    await without_mlflow.refusals("createVersion", modelId=model_id)
    found = await api.ask(
        "query($id: ID!) { node(id: $id) { ... on Model { latestVersion { id run { id } } } } }", id=model_id
    )
    version = found["node"]["latestVersion"]
    assert version["run"] is None
    refreshed = (await api.change("refreshVersion", VERSION, versionId=version["id"]))["version"]
    assert refreshed["run"]["id"]
    assert refreshed["mirroredAt"]


async def test_an_open_version_shows_what_was_mirrored_while_mlflow_is_away(
    api: Api, without_mlflow: Api, mlflow_server: MlflowServer
) -> None:
    made = await a_version(api, await a_model(api, "mirrored"))
    log(mlflow_server, made["run"]["id"])
    await api.change("refreshVersion", VERSION, versionId=made["id"])
    began = time.monotonic()
    for _ in range(3):
        shown = await read(without_mlflow, made["id"])
    assert time.monotonic() - began < 5
    assert values(shown["metrics"]) == {"accuracy": 0.93, "loss": None}
    assert shown["run"]["status"] is None


async def test_runs_and_models_that_are_there_can_be_adopted(api: Api, mlflow_server: MlflowServer) -> None:
    model_id = await a_model(api, "adopt")
    run = log(mlflow_server, register="adopted-model")
    other = log(mlflow_server)
    opened = await a_version(api, model_id, adopt=other)
    assert (opened["state"], opened["adopted"], opened["run"]["id"]) == ("OPEN", True, other)
    assert values(opened["metrics"])["accuracy"] == 0.93
    assert opened["run"]["status"] == "FINISHED", "its experiment is known, though it is not the model's"
    finished = (await api.change("finishVersion", VERSION, versionId=opened["id"]))["version"]
    assert finished["flavors"] == ["python_function"]

    for reference in ("models:/adopted-model@best", "models:/adopted-model/1", f"runs:/{run}/model"):
        adopted = await a_version(api, model_id, adopt=reference)
        assert (adopted["state"], adopted["run"]["id"]) == ("FINISHED", run), reference
        taken = await api.refusals("createVersion", modelId=model_id, adopt=reference)
        assert taken == [("ALREADY_EXISTS", ["adopt"])]
        await api.change("deleteVersion", "deletedId", versionId=adopted["id"])
    assert (await api.context.mlflow.get_run(run)).run_id == run, "an adopted run is left alone"


async def test_an_adoption_that_is_repeated_after_its_alias_moved_is_about_the_first_run(
    api: Api, without_mlflow: Api, mlflow_server: MlflowServer
) -> None:
    given = {"adopt": "models:/moved@best", "idempotencyKey": "k"}
    model_id = await a_model(api, "moved")
    first = log(mlflow_server, register="moved")
    made = await a_version(api, model_id, **given)
    assert (made["state"], made["run"]["id"]) == ("FINISHED", first)

    second = log(mlflow_server, register="moved", name="other")
    again = await a_version(api, model_id, **given)
    assert (again["id"], again["run"]["id"], again["artifactUri"]) == (made["id"], first, made["artifactUri"])
    assert VERSION_TAG not in (await api.context.mlflow.get_run(second)).tags
    assert (await a_version(without_mlflow, model_id, **given))["id"] == made["id"], "MLflow need not be there"
    assert await count("version") == 1


async def test_an_adoption_that_was_cut_off_goes_on_with_its_first_run_though_the_alias_moved(
    api: Api, mlflow_server: MlflowServer
) -> None:
    class Interrupted(MlflowClient):
        async def set_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
            raise Unavailable("MLflow did not answer.", code="MLFLOW_UNAVAILABLE")

    given = {"adopt": "models:/cut@best", "idempotencyKey": "k"}
    model_id = await a_model(api, "cut")
    first = log(mlflow_server, register="cut")
    interrupted = Interrupted(mlflow_server.url, artifact_map=mlflow_server.artifact_map)
    refused = await Api(replace(api.context, mlflow=interrupted)).refusals("createVersion", modelId=model_id, **given)
    await interrupted.close()
    assert refused == [("MLFLOW_UNAVAILABLE", [])]

    second = log(mlflow_server, register="cut", name="other")
    made = await a_version(api, model_id, **given)
    assert (made["number"], made["state"], made["run"]["id"]) == (1, "FINISHED", first)
    assert (await api.context.mlflow.get_run(first)).tags[VERSION_TAG] == str(parse_id(made["id"], "Version"))
    assert VERSION_TAG not in (await api.context.mlflow.get_run(second)).tags


async def test_a_bare_run_that_was_adopted_is_answered_again_without_mlflow(
    api: Api, without_mlflow: Api, mlflow_server: MlflowServer
) -> None:
    model_id = await a_model(api, "bare")
    given = {"adopt": log(mlflow_server), "idempotencyKey": "k"}
    made = await a_version(api, model_id, **given)
    again = await a_version(without_mlflow, model_id, **given)
    assert (again["id"], again["state"], values(again["metrics"])["accuracy"]) == (made["id"], "OPEN", 0.93)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"adopt": "models:/x"}, [("INVALID_INPUT", ["adopt"])]),
        ({"adopt": "0" * 32}, [("NOT_FOUND", ["adopt"])]),
        ({"adopt": "models:/no-such-model/1"}, [("NOT_FOUND", ["adopt"])]),
        ({"properties": [1]}, [("INVALID_INPUT", ["properties"])]),
        ({"properties": {"a": "x" * 70_000}}, [("INVALID_INPUT", ["properties"])]),
        ({"pythonVersion": "2.7"}, [("INVALID_INPUT", ["pythonVersion"])]),
        (
            {
                "runName": "x" * 300,
                "pythonVersion": "three",
                "adopt": "?",
                "labels": [{"key": "a", "value": ""}, {"key": "mlflow.x", "value": ""}, {"key": "a", "value": "\n"}],
            },
            [
                ("INVALID_INPUT", ["runName"]),
                ("INVALID_INPUT", ["pythonVersion"]),
                ("INVALID_INPUT", ["adopt"]),
                ("RESERVED_NAME", ["labels", "1"]),
                ("INVALID_INPUT", ["labels", "2"]),
                ("INVALID_INPUT", ["labels", "2"]),
            ],
        ),
    ],
)
async def test_all_that_is_wrong_with_a_new_version_is_said_at_once(
    api: Api, fields: dict[str, Any], expected: list[tuple[str, list[str]]]
) -> None:
    project = (await api.change("createProject", "project { id }", name="wrong"))["project"]["id"]
    model = (await api.change("createModel", "model { id }", projectId=project, name="m"))["model"]["id"]
    assert await api.refusals("createVersion", modelId=model, **fields) == expected
    assert await count("version") == 0


def nested(levels: int) -> Any:
    return {"a": nested(levels - 1)} if levels else 1


@pytest.mark.parametrize("properties", [{"a": 10**20}, nested(300)], ids=["a number", "a nest"])
async def test_properties_that_no_json_column_takes_are_refused(api: Api, properties: Any) -> None:
    model_id = await a_model(api, "odd")
    refused = await api.refusals("createVersion", modelId=model_id, properties=properties)
    assert refused == [("INVALID_INPUT", ["properties"])]
    assert await count("version") == 0


async def test_what_cannot_be_finished_says_why(api: Api, mlflow_server: MlflowServer) -> None:
    made = await a_version(api, await a_model(api, "unfinished"))
    refused = await api.refusals("finishVersion", versionId=made["id"])
    assert refused == [("ARTIFACT_NOT_FOUND", ["artifact"])]
    for path in ("../x", "", "runs:/x"):
        refused = await api.refusals("finishVersion", versionId=made["id"], artifact=path)
        assert refused == [("INVALID_INPUT", ["artifact"])]
    mlflow_server.run_script(
        f"import mlflow\nwith mlflow.start_run(run_id={made['run']['id']!r}): mlflow.log_text('x', 'model/notes.txt')"
    )
    assert await api.refusals("finishVersion", versionId=made["id"]) == [("NOT_A_MODEL", ["artifact"])]
    assert (await read(api, made["id"]))["state"] == "OPEN"


async def test_a_deleted_version_and_model_are_deleted_in_mlflow_and_names_come_back(api: Api) -> None:
    model_id = await a_model(api, "gone")
    made = await a_version(api, model_id)
    await api.change("deleteVersion", "deletedId", versionId=made["id"])
    await delete_leftovers(api)
    async with httpx.AsyncClient(base_url=api.context.mlflow.base_url, trust_env=False) as http:
        answer = await http.get("/api/2.0/mlflow/runs/get", params={"run_id": made["run"]["id"]})
    assert answer.json()["run"]["info"]["lifecycle_stage"] == "deleted"
    deleted = await api.change("deleteModel", "deletedId", modelId=model_id)
    assert deleted["deletedId"] == model_id
    await delete_leftovers(api)
    assert await read(api, made["id"]) is None

    project = (await api.ask('{ project(name: "p-gone") { id } }'))["project"]["id"]
    again = (await api.change("createModel", "model { id mlflowExperimentId }", projectId=project, name="gone"))[
        "model"
    ]
    assert again["mlflowExperimentId"], "the experiment's name was deleted in MLflow, and is restored"
    assert (await a_version(api, again["id"]))["number"] == 1


async def test_a_model_whose_experiment_is_deleted_just_before_it_is_noted_has_an_active_one(
    api: Api, without_mlflow: Api
) -> None:
    await a_model(without_mlflow, "raced")
    (row,) = await fetch("SELECT id FROM model")

    class Raced(MlflowClient):
        raced = False

        async def ensure_experiment(self, name: str) -> str:
            experiment = await super().ensure_experiment(name)
            if not self.raced:
                self.raced = True
                await self.delete_experiment(experiment)  # as a worker may for an earlier model of this name
            return experiment

    mlflow = Raced(api.context.mlflow.base_url)
    context = replace(api.context, mlflow=mlflow)
    model = await context.load.model(row["id"])
    assert model is not None
    experiment = await ensure_experiment(context, model)
    await mlflow.close()
    async with httpx.AsyncClient(base_url=api.context.mlflow.base_url, trust_env=False) as http:
        answer = await http.get("/api/2.0/mlflow/experiments/get", params={"experiment_id": experiment})
    assert answer.json()["experiment"]["lifecycle_stage"] == "active"


async def test_a_version_has_a_bounded_number_of_labels_however_often_some_are_added(api: Api) -> None:
    version = await a_version(api, await a_model(api, "many"))
    for part, refused in (("a", []), ("b", [("INVALID_INPUT", ["labels"])])):
        labels = [{"key": f"{part}{number}", "value": "1"} for number in range(40)]
        assert await api.refusals("setVersionLabels", versionId=version["id"], labels=labels) == refused


async def test_labels_and_aliases_change_at_any_time(api: Api) -> None:
    model_id = await a_model(api, "labels")
    first, second = await a_version(api, model_id), await a_version(api, model_id)
    labels = [{"key": "a", "value": "1"}, {"key": "b", "value": "2"}]
    changed = await api.change("setVersionLabels", VERSION, versionId=first["id"], labels=labels)
    assert values(changed["version"]["labels"]) == {"a": "1", "b": "2"}
    changed = await api.change("removeVersionLabels", VERSION, versionId=first["id"], keys=["a", "nothing"])
    assert values(changed["version"]["labels"]) == {"b": "2"}
    for version in (first, second):
        changed = await api.change("setVersionAlias", VERSION, versionId=version["id"], alias="best")
        assert changed["version"]["aliases"] == ["best"]
    assert (await read(api, first["id"]))["aliases"] == []
    by_alias = 'query($id: ID!) { node(id: $id) { ... on Model { version(alias: "best") { number } } } }'
    assert (await api.ask(by_alias, id=model_id))["node"]["version"]["number"] == 2
    removed = await api.change("removeVersionAlias", VERSION, modelId=model_id, alias="best")
    assert removed["version"]["aliases"] == []
    assert await api.refusals("removeVersionAlias", modelId=model_id, alias="best") == [("NOT_FOUND", ["alias"])]
    for alias in ("v3", "latest", "a b"):
        ((code, path),) = await api.refusals("setVersionAlias", versionId=first["id"], alias=alias)
        assert (code in {"RESERVED_NAME", "INVALID_NAME"}, path) == (True, ["alias"])


async def test_a_version_deleted_while_its_run_is_started_leaves_no_run(api: Api) -> None:
    model_id = await a_model(api, "hasty")

    class Hasty(MlflowClient):
        run_id = ""

        async def create_run(self, *given: Any, version_id: str, **more: Any) -> RunData:
            run = await super().create_run(*given, version_id=version_id, **more)
            self.run_id = run.run_id
            await versions.delete_version(api.context.actor, UUID(version_id))
            return run

    hasty = Hasty(api.context.mlflow.base_url)
    refused = await Api(replace(api.context, mlflow=hasty)).refusals("createVersion", modelId=model_id)
    await hasty.close()
    assert refused == [("NOT_FOUND", ["versionId"])]
    await delete_leftovers(api)
    assert await stage(api, "runs", run_id=hasty.run_id) == "deleted"


async def test_a_model_deleted_while_a_run_of_it_is_started_leaves_no_run_and_no_experiment(api: Api) -> None:
    model_id = await a_model(api, "hastier")

    class Hasty(MlflowClient):
        run: RunData

        async def ensure_experiment(self, name: str) -> str:
            (row,) = await fetch("SELECT id FROM model")
            await models.delete_model(api.context.actor, row["id"])
            await delete_leftovers(api)
            return await super().ensure_experiment(name)  # which restores it

        async def create_run(self, *given: Any, **more: Any) -> RunData:
            self.run = await super().create_run(*given, **more)
            return self.run

    hasty = Hasty(api.context.mlflow.base_url)
    refused = await Api(replace(api.context, mlflow=hasty)).refusals("createVersion", modelId=model_id)
    await hasty.close()
    assert refused == [("NOT_FOUND", ["versionId"])]
    await delete_leftovers(api)
    assert await stage(api, "runs", run_id=hasty.run.run_id) == "deleted"
    assert await stage(api, "experiments", experiment_id=hasty.run.experiment_id) == "deleted"


async def test_an_experiment_that_is_made_while_its_model_is_deleted_is_deleted_too(
    api: Api, without_mlflow: Api
) -> None:
    model_id = await a_model(without_mlflow, "hastiest")

    class Hasty(MlflowClient):
        experiment = ""

        async def ensure_experiment(self, name: str) -> str:
            self.experiment = await super().ensure_experiment(name)
            (row,) = await fetch("SELECT id FROM model")
            await models.delete_model(api.context.actor, row["id"])
            return self.experiment

    hasty = Hasty(api.context.mlflow.base_url)
    refused = await Api(replace(api.context, mlflow=hasty)).refusals("createVersion", modelId=model_id)
    await hasty.close()
    assert refused == [("NOT_FOUND", ["modelId"])]
    await delete_leftovers(api)
    assert await stage(api, "experiments", experiment_id=hasty.experiment) == "deleted"


async def test_a_run_that_was_started_but_not_noted_is_found_again(api: Api, without_mlflow: Api) -> None:
    model_id = await a_model(api, "noted")
    await without_mlflow.refusals("createVersion", modelId=model_id, idempotencyKey="k")
    (row,) = await fetch(
        "SELECT v.id, m.mlflow_experiment_id AS experiment FROM version v JOIN model m ON m.id = v.model_id"
    )
    experiment = row["experiment"] or await api.context.mlflow.ensure_experiment("p-noted/noted")
    begun = await api.context.mlflow.create_run(experiment, version_id=str(row["id"]), run_name="begun")
    made = await a_version(api, model_id, idempotencyKey="k")
    assert (made["number"], made["run"]["id"]) == (1, begun.run_id)


async def test_one_request_sent_twice_at_once_makes_one_version_with_one_run(api: Api) -> None:
    model_id = await a_model(api, "twice")
    query = "mutation($input: CreateVersionInput!) { createVersion(input: $input) { version { id } errors { code } } }"
    given = {"modelId": model_id, "idempotencyKey": "k"}
    answers = await asyncio.gather(*(api.ask(query, input=given) for _ in range(3)))
    # Who comes while another starts the run waits for it.
    assert [answer["createVersion"]["errors"] for answer in answers] == [[], [], []]
    made = await a_version(api, model_id, idempotencyKey="k")
    assert {answer["createVersion"]["version"]["id"] for answer in answers} == {made["id"]}
    assert await count("version") == 1
    found = await api.context.mlflow.get_run(made["run"]["id"])
    async with httpx.AsyncClient(base_url=api.context.mlflow.base_url, trust_env=False) as http:
        question = {"experiment_ids": [found.experiment_id], "max_results": 10}
        runs = (await http.post("/api/2.0/mlflow/runs/search", json=question)).json()["runs"]
    assert [run["info"]["run_id"] for run in runs] == [made["run"]["id"]]
