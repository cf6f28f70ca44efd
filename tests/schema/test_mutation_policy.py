"""Every mutation of the schema checks a permission and writes audit; a new one without a line here fails.

For each: what it takes, and the least role that may do it. A role below is refused with PERMISSION_DENIED, a stranger
with NOT_FOUND, and nothing is written; the role itself gets through, and the audit says who did what.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from merlin.db import dry_runs, projects
from merlin.db.connection import Database
from merlin.db.projects import Member
from merlin.domain.lifecycle import Role
from merlin.domain.traffic import TrafficRule
from merlin.schema.ids import global_id
from merlin.tracking.client import MlflowClient
from tests.db.worlds import ALICE, SPEC, World, a_version, count, fetch, traces
from tests.mlflow_server import MlflowServer, mlflow_server
from tests.schema.asking import SCHEMA, Api, an_api

__all__ = ["mlflow_server"]

ANYBODY = "anybody"


@dataclass(frozen=True)
class Ids:
    """What there is, by id."""

    project: str
    model: str
    open_version: str
    idle_version: str
    deployed: str
    endpoint: str
    second_endpoint: str
    pending_endpoint: str
    model_endpoint: str
    unused_model: str


Fields = Callable[[Ids], dict[str, Any]]
POLICY: dict[str, tuple[Role | str, str, Fields]] = {
    "createProject": (ANYBODY, "project.created", lambda _: {"name": "new"}),
    "updateProject": (Role.ADMINISTRATOR, "project.updated", lambda i: {"projectId": i.project, "team": "x"}),
    "setSecret": (Role.ADMINISTRATOR, "secret.set", lambda i: {"projectId": i.project, "name": "s", "value": "v"}),
    "deleteSecret": (Role.ADMINISTRATOR, "secret.deleted", lambda i: {"projectId": i.project, "name": "old"}),
    "createModel": (Role.EDITOR, "model.created", lambda i: {"projectId": i.project, "name": "new"}),
    "updateModel": (Role.EDITOR, "model.updated", lambda i: {"modelId": i.model, "description": "x"}),
    "deleteModel": (Role.EDITOR, "model.deleted", lambda i: {"modelId": i.unused_model}),
    "createVersion": (Role.EDITOR, "version.created", lambda i: {"modelId": i.model}),
    "finishVersion": (Role.EDITOR, "version.finished", lambda i: {"versionId": i.open_version}),
    "refreshVersion": (Role.EDITOR, "version.refreshed", lambda i: {"versionId": i.open_version}),
    "setVersionLabels": (
        Role.EDITOR,
        "version.labels_changed",
        lambda i: {"versionId": i.idle_version, "labels": [{"key": "a", "value": "b"}]},
    ),
    "removeVersionLabels": (
        Role.EDITOR,
        "version.labels_changed",
        lambda i: {"versionId": i.deployed, "keys": ["old"]},
    ),
    "setVersionAlias": (Role.EDITOR, "version.alias_changed", lambda i: {"versionId": i.deployed, "alias": "best"}),
    "removeVersionAlias": (Role.EDITOR, "version.alias_changed", lambda i: {"modelId": i.model, "alias": "old"}),
    "deleteVersion": (Role.EDITOR, "version.deleted", lambda i: {"versionId": i.idle_version}),
    "deployVersion": (Role.EDITOR, "deployment.deploy", lambda i: {"versionId": i.idle_version}),
    "rollbackVersionEndpoint": (
        Role.EDITOR,
        "deployment.rollback",
        lambda i: {"versionEndpointId": i.second_endpoint, "toRevision": 1},
    ),
    "cancelDeployment": (
        Role.EDITOR,
        "deployment.cancel",
        lambda i: {"versionEndpointId": i.pending_endpoint},
    ),
    "undeployVersion": (Role.EDITOR, "endpoint.undeploy", lambda i: {"versionEndpointId": i.second_endpoint}),
    "serveVersion": (Role.EDITOR, "traffic.", lambda i: {"versionEndpointId": i.second_endpoint}),
    "stopServing": (Role.EDITOR, "traffic.", lambda i: {"modelEndpointId": i.model_endpoint}),
}
READING: dict[str, tuple[Role, str, Fields]] = {
    "tryVersionEndpoint": (
        Role.READER,
        "ENDPOINT_UNREACHABLE",
        lambda i: {"versionEndpointId": i.endpoint, "request": {"inputs": []}},
    ),
    "tryModelEndpoint": (
        Role.READER,
        "ENDPOINT_UNREACHABLE",
        lambda i: {"modelEndpointId": i.model_endpoint, "request": {"inputs": []}},
    ),
    "planDeployment": (Role.EDITOR, "UNAVAILABLE", lambda i: {"versionId": i.idle_version}),
}
"""What changes nothing, so that there is no audit and nothing to repeat; and what it meets here: nobody answers."""
BELOW = {Role.EDITOR: "bob", Role.ADMINISTRATOR: "eve"}
ENOUGH = {Role.READER: "bob", Role.EDITOR: "eve", Role.ADMINISTRATOR: "alice", ANYBODY: "stranger"}


def mutations() -> list[str]:
    """Every field of the type Mutation."""
    return list(SCHEMA._schema.mutation_type.fields)  # type: ignore[union-attr]


@pytest.fixture
def mlflow_api(database: Database, tmp_path: Path, mlflow_server: MlflowServer) -> Api:
    client = MlflowClient(mlflow_server.url, artifact_map=mlflow_server.artifact_map)
    return an_api(tmp_path, mlflow=client, mlflow_url=mlflow_server.url)


async def a_world(api: Api, *, with_model: bool) -> Ids:
    """One model: versions 1 (serving), 2 (running, twice deployed), 3 (on its way), 4 (idle), 5 (OPEN)."""
    world = await World.make()
    members = [Member("alice", Role.ADMINISTRATOR), Member("bob", Role.READER), Member("eve", Role.EDITOR)]
    await projects.update_project(ALICE, world.model.project_id, members=members)
    project = global_id("Project", world.model.project_id)
    first = await world.running()
    serving = await world.serving(TrafficRule.all_to(first.id))
    second = await world.sibling()
    endpoint = await second.running()
    endpoint = await second.become_active(*await second.deploy(replace(SPEC, runtime="other")))
    third = await world.sibling()
    pending, _ = await third.deploy()
    idle = await a_version(world.model)
    open_version = global_id("Version", (await a_version(world.model, finished=False)).id)
    deployed = global_id("Version", world.version.id)
    await api.change("setVersionLabels", "version { id }", versionId=deployed, labels=[{"key": "old", "value": ""}])
    await api.change("setVersionAlias", "version { id }", versionId=deployed, alias="old")
    await api.change("setSecret", "secret { name }", projectId=project, name="old", value="v")
    unused = await api.change("createModel", "model { id }", projectId=project, name="unused")
    if with_model:
        await log_a_model(api, open_version)
    return Ids(
        project=project,
        model=global_id("Model", world.model.id),
        open_version=open_version,
        idle_version=global_id("Version", idle.id),
        deployed=deployed,
        endpoint=global_id("VersionEndpoint", first.id),
        second_endpoint=global_id("VersionEndpoint", endpoint.id),
        pending_endpoint=global_id("VersionEndpoint", pending.id),
        model_endpoint=global_id("ModelEndpoint", serving.id),
        unused_model=unused["model"]["id"],
    )


async def log_a_model(api: Api, version_id: str) -> None:
    """Put the least of a model into a version's run."""
    version = (await api.change("refreshVersion", "version { run { id artifactUri } }", versionId=version_id))[
        "version"
    ]
    path = version["run"]["artifactUri"].removeprefix("mlflow-artifacts:/")
    async with httpx.AsyncClient(trust_env=False) as http:
        url = f"{api.context.mlflow.base_url}/api/2.0/mlflow-artifacts/artifacts/{path}/model/MLmodel"
        (await http.put(url, content=b"flavors:\n  python_function:\n    python_version: 3.11.7\n")).raise_for_status()


def test_every_mutation_stands_in_the_policy() -> None:
    assert sorted(mutations()) == sorted({**POLICY, **READING})


async def test_what_changes_nothing_leaves_no_trace(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dry_runs, "WAIT_SECONDS", 0.05)
    ids = await a_world(api, with_model=False)
    before = await traces()
    for name, (role, met, fields) in READING.items():
        (hidden,) = await api.as_("stranger").refusals(name, **fields(ids))
        assert hidden[0] == "NOT_FOUND", name
        if role in BELOW:
            (below,) = await api.as_(BELOW[role]).refusals(name, **fields(ids))
            assert below[0] == "PERMISSION_DENIED", name
        reached = await api.as_(ENOUGH[role]).refusals(name, **fields(ids))
        assert [code for code, _ in reached] == [met], name
    assert await traces() == before
    assert await count("dry_run") == 0


async def test_who_may_not_is_refused_and_nothing_is_written(api: Api) -> None:
    ids = await a_world(api, with_model=False)
    before = await traces()
    for name, (role, _, fields) in POLICY.items():
        if not isinstance(role, Role):
            continue
        refused = await api.as_(BELOW[role]).refusals(name, **fields(ids))
        assert [code for code, _ in refused] == ["PERMISSION_DENIED"], name
        (hidden,) = await api.as_("stranger").refusals(name, **fields(ids))
        assert hidden[0] == "NOT_FOUND", name
        assert hidden[1], "which input it is about"
    assert await traces() == before


@pytest.mark.parametrize("name", sorted(POLICY))
async def test_who_may_is_let_through_and_written_down_and_repeated_once(mlflow_api: Api, name: str) -> None:
    role, action, fields = POLICY[name]
    caller = mlflow_api.as_(ENOUGH[role])
    given = fields(await a_world(mlflow_api, with_model=name in {"finishVersion", "refreshVersion"}))
    payload = await caller.change(name, "", idempotencyKey="k", **given)
    assert payload["errors"] == []
    audit = await fetch("SELECT actor, action, request_id FROM audit ORDER BY id DESC LIMIT 1")
    assert audit[0]["action"].startswith(action)
    assert (audit[0]["actor"], audit[0]["request_id"]) == (ENOUGH[role], f"request-{ENOUGH[role]}")

    before = await traces()
    await caller.change(name, "", idempotencyKey="k", **given)
    assert await traces() == before
    await mlflow_api.context.mlflow.close()


GENERATIONS = {"deployVersion": 0, "cancelDeployment": 1, "undeployVersion": 2, "rollbackVersionEndpoint": 2}


@pytest.mark.parametrize("name", sorted(POLICY))
async def test_the_same_request_many_times_at_once_is_done_once_and_answered_alike(mlflow_api: Api, name: str) -> None:
    role, _, fields = POLICY[name]
    caller = mlflow_api.as_(ENOUGH[role])
    given = fields(await a_world(mlflow_api, with_model=name in {"finishVersion", "refreshVersion"}))
    if name in GENERATIONS:
        given["expectedGeneration"] = GENERATIONS[name]
    before = await count("idempotency_key")
    payloads = await asyncio.gather(*(caller.change(name, "", idempotencyKey="k", **given) for _ in range(6)))
    assert payloads == [{"errors": []}] * 6
    assert await count("idempotency_key") == before + 1
    await mlflow_api.context.mlflow.close()
