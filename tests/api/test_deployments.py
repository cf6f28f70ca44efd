"""Mutations about endpoints: what they write, and every refusal, all of one request at once and nothing written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from merlin.db import endpoints, environments, projects, versions
from merlin.db.idempotency import request_hash
from merlin.db.tables import ModelEndpoint, VersionEndpoint
from merlin.domain.environment import parse_environments
from merlin.domain.lifecycle import Role
from merlin.domain.traffic import TrafficRule
from merlin.schema.ids import global_id
from merlin.settings import Settings
from tests.api.served import Api, a_settings
from tests.db.worlds import ALICE, World, a_model, a_project, a_version, environment_entry, fetch, traces

DEPLOYED = "versionEndpoint { id lifecycle desired progressing url generation } revision { number cause comment }"
STRICT = environment_entry(
    "local",
    default=True,
    limits={"max_cpu": "2", "max_memory": "2Gi", "max_replicas": 3, "max_deployed_versions_per_model": 2},
    runtimes={"merlin-mlflow": {"formats": ["mlflow"]}, "kserve-xgboost": {"formats": ["xgboost"]}},
)
LONG = environment_entry("a-very-long-name-of-an-environment", namespace_template="{environment}-{project}")
LONG["name"] = "long"
LONG["namespace_template"] = "a-long-prefix-of-namespaces-{project}"


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    """Two environments: `local`, the default, with limits; `long`, whose namespaces are too long."""
    return a_settings(tmp_path, database_url, STRICT, LONG)


@pytest.fixture
async def world(api: Api) -> AsyncIterator[World]:
    """A finished version of alice's model `scorer` in `fraud`, deployed nowhere."""
    model = await a_model()
    environment = (await environments.sync_environments(parse_environments([STRICT, LONG])))[0]
    yield World(model, await a_version(model), environment)


def id_of(world: World) -> str:
    return str(global_id("Version", world.version.id))


async def deployed(api: Api, world: World, **input: Any) -> str:
    """The id of its endpoint, running."""
    payload = await api.change("deployVersion", "versionEndpoint { id }", versionId=id_of(world), **input)
    assert payload["errors"] == []
    endpoint = await VersionEndpoint.get(version_id=world.version.id, environment_id=world.environment.id)
    revision = await endpoint.revisions.order_by("-number").first()  # type: ignore[attr-defined]
    await world.become_active(endpoint, revision)
    return str(payload["versionEndpoint"]["id"])


def found(payload: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """Code and path of every refusal, in order; each has a message and a hint."""
    for error in payload["errors"]:
        assert error["message"], error
        assert error["hint"], error
    return [(error["code"], error["path"]) for error in payload["errors"]]


# What is accepted


async def test_a_deploy_is_accepted_at_once_and_a_redeploy_keeps_what_it_does_not_say(api: Api, world: World) -> None:
    first = await api.change(
        "deployVersion", DEPLOYED, versionId=id_of(world), minReplicas=2, maxReplicas=3, comment="try"
    )
    assert first["errors"] == []
    assert first["versionEndpoint"]["lifecycle"] == "PENDING"
    assert first["versionEndpoint"]["url"] == "http://local:8081/fraud/scorer/versions/1"
    assert first["revision"] == {"number": 1, "cause": "DEPLOY", "comment": "try"}
    spec = "revision { number spec { minReplicas maxReplicas resources { memoryRequest } variables { name value } } }"
    second = await api.change(
        "deployVersion",
        spec,
        versionId=id_of(world),
        resources={"memoryRequest": "1024Mi"},
        variables=[{"name": "A", "value": "b"}],
    )
    assert second["revision"] == {
        "number": 2,
        "spec": {
            "minReplicas": 2,
            "maxReplicas": 3,
            "resources": {"memoryRequest": "1Gi"},
            "variables": [{"name": "A", "value": "b"}],
        },
    }
    third = await api.change("deployVersion", spec, versionId=id_of(world), clear=["VARIABLES"])
    assert third["revision"]["spec"]["variables"] == []


async def test_a_deploy_meant_for_another_generation_is_refused(api: Api, world: World) -> None:
    returns = "versionEndpoint { generation }"
    first = await api.change("deployVersion", returns, versionId=id_of(world), expectedGeneration=0)
    assert (first["errors"], first["versionEndpoint"]) == ([], {"generation": 1})
    late = await api.change("deployVersion", returns, versionId=id_of(world), expectedGeneration=0)
    assert (found(late), late["versionEndpoint"]) == ([("CONFLICT", ["expectedGeneration"])], None)
    second = await api.change("deployVersion", returns, versionId=id_of(world), expectedGeneration=1)
    assert (second["errors"], second["versionEndpoint"]) == ([], {"generation": 2})


async def test_a_late_deploy_is_not_judged_on_top_of_somebody_elses(api: Api, world: World) -> None:
    await api.change("deployVersion", "", versionId=id_of(world), maxReplicas=3)
    await api.change("deployVersion", "", versionId=id_of(world), maxReplicas=1, comment="by somebody else")
    late: dict[str, Any] = {"versionId": id_of(world), "minReplicas": 2}
    assert found(await api.change("deployVersion", "", **late)) == [("INVALID_REPLICAS", ["minReplicas"])]
    payload = await api.change("deployVersion", "", **late, expectedGeneration=1, comment="\0")
    assert found(payload) == [("CONFLICT", ["expectedGeneration"])]


@pytest.mark.parametrize("name", ["rollbackVersionEndpoint", "cancelDeployment", "undeployVersion"])
async def test_no_wish_meant_for_another_generation_touches_what_is_wished_now(
    api: Api, world: World, name: str
) -> None:
    id = await deployed(api, world)
    for comment in ("seen", "by somebody else"):
        await api.change("deployVersion", "", versionId=id_of(world), maxReplicas=2, comment=comment)
    before = await traces()
    late = await api.change(name, "versionEndpoint { id }", versionEndpointId=id, expectedGeneration=2)
    assert late == {
        "versionEndpoint": None,
        "errors": [
            {
                "code": "CONFLICT",
                "path": ["expectedGeneration"],
                "message": "Somebody else deployed, cancelled, rolled back or undeployed it since you looked "
                "(generation 3, not 2).",
                "hint": "Look at how it is now, then ask again.",
            }
        ],
    }
    assert await traces() == before
    asked: dict[str, Any] = {"toRevision": 1} if name == "rollbackVersionEndpoint" else {}
    done = await api.change(name, "versionEndpoint { generation }", versionEndpointId=id, expectedGeneration=3, **asked)
    assert done == {"versionEndpoint": {"generation": 4}, "errors": []}


async def test_the_whole_life_of_an_endpoint(api: Api, world: World) -> None:
    id = await deployed(api, world)
    served_by = await api.change("serveVersion", "modelEndpoint { id status url }", versionEndpointId=id)
    assert served_by["modelEndpoint"]["status"] == "PENDING"
    assert served_by["modelEndpoint"]["url"] == "http://local:8081/fraud/scorer"
    refused = await api.change("undeployVersion", "versionEndpoint { id }", versionEndpointId=id)
    assert found(refused) == [("STILL_SERVING", ["versionEndpointId"])]
    assert "stop serving" in refused["errors"][0]["hint"]
    endpoint = await VersionEndpoint.get(version_id=world.version.id)
    wished = await world.serve(TrafficRule.all_to(endpoint.id))  # the same rule: nothing changes
    await world.observe_traffic(wished, TrafficRule.all_to(endpoint.id))
    model_endpoint = served_by["modelEndpoint"]["id"]
    stopped = await api.change("stopServing", "modelEndpoint { status progressing }", modelEndpointId=model_endpoint)
    assert (stopped["errors"], stopped["modelEndpoint"]["progressing"]) == ([], True)
    await world.observe_traffic(await ModelEndpoint.get(id=wished.id), None)
    undeployed = await api.change("undeployVersion", "versionEndpoint { desired }", versionEndpointId=id)
    assert undeployed == {"versionEndpoint": {"desired": "TERMINATED"}, "errors": []}


async def test_a_rollback_takes_the_earlier_settings(api: Api, world: World) -> None:
    id = await deployed(api, world)
    await api.change("deployVersion", "", versionId=id_of(world), variables=[{"name": "A", "value": "b"}])
    endpoint = await VersionEndpoint.get(version_id=world.version.id)
    revision = await endpoint.revisions.order_by("-number").first()  # type: ignore[attr-defined]
    await world.become_active(endpoint, revision)
    returns = "revision { number cause rollbackTo comment spec { variables { name } } }"
    back = await api.change("rollbackVersionEndpoint", returns, versionEndpointId=id, comment="oops")
    assert back["revision"] == {
        "number": 3,
        "cause": "ROLLBACK",
        "rollbackTo": 1,
        "comment": "oops",
        "spec": {"variables": []},
    }


@pytest.mark.parametrize("to", [1, None])
async def test_a_rollback_to_settings_whose_secret_is_gone_is_refused(api: Api, world: World, to: int | None) -> None:
    project = global_id("Project", world.model.project_id)
    await api.change("setSecret", "", projectId=project, name="db", value="hush")
    id = await deployed(api, world, secrets=[{"secret": "db", "variable": "DB"}])
    await api.change("deployVersion", "", versionId=id_of(world), clear=["SECRETS"])
    endpoint = await VersionEndpoint.get(version_id=world.version.id)
    revision = await endpoint.revisions.order_by("-number").first()  # type: ignore[attr-defined]
    await world.become_active(endpoint, revision)
    assert found(await api.change("deleteSecret", "", projectId=project, name="db")) == []
    payload = await api.change("rollbackVersionEndpoint", "revision { id }", versionEndpointId=id, toRevision=to)
    assert found(payload) == [("SECRET_UNKNOWN", ["toRevision"])]


async def test_a_rollback_to_what_the_environment_no_longer_allows_is_refused(api: Api, world: World) -> None:
    id = await deployed(api, world, maxReplicas=3, resources={"cpuRequest": "2"})
    await api.change("deployVersion", "", versionId=id_of(world), maxReplicas=1, resources={"cpuRequest": "500m"})
    endpoint = await VersionEndpoint.get(version_id=world.version.id)
    revision = await endpoint.revisions.order_by("-number").first()  # type: ignore[attr-defined]
    await world.become_active(endpoint, revision)
    tighter = {**STRICT, "limits": {"max_cpu": "1", "max_replicas": 2}}
    await environments.sync_environments(parse_environments([tighter, LONG]))
    payload = await api.change("rollbackVersionEndpoint", "revision { id }", versionEndpointId=id, toRevision=1)
    assert found(payload) == [("LIMIT_EXCEEDED", ["toRevision"])] * 2
    assert payload["revision"] is None
    await environments.sync_environments(parse_environments([STRICT, LONG]))
    payload = await api.change("rollbackVersionEndpoint", "revision { id }", versionEndpointId=id, toRevision=1)
    assert found(payload) == []


async def test_a_rollback_to_a_runtime_that_no_longer_serves_the_model_is_refused(api: Api, world: World) -> None:
    version = await versions.create_version(ALICE, model_id=world.model.id)
    version = await versions.finish_version(
        ALICE, version.id, artifact_uri="a:/m", storage_uri="file:///m", flavors=["sklearn"]
    )
    world = World(world.model, version, world.environment)
    await deployed(api, world)
    id = await deployed(api, world)
    other = {**STRICT, "runtimes": {"merlin-mlflow": {"formats": ["xgboost"]}}}
    await environments.sync_environments(parse_environments([other, LONG]))
    payload = await api.change("rollbackVersionEndpoint", "revision { id }", versionEndpointId=id)
    assert found(payload) == [("NO_RUNTIME", ["toRevision"])]


async def test_the_rollback_that_was_judged_is_the_one_that_is_done(
    api: Api, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await deployed(api, world)
    id = await deployed(api, world)
    chosen = endpoints.active_before

    async def overtaken(endpoint_id: UUID) -> int:
        goal = await chosen(endpoint_id)
        await deployed(api, world)
        return goal

    monkeypatch.setattr(endpoints, "active_before", overtaken)
    back = await api.change("rollbackVersionEndpoint", "revision { number rollbackTo }", versionEndpointId=id)
    assert back == {"revision": {"number": 4, "rollbackTo": 1}, "errors": []}


async def test_a_pending_deploy_is_cancelled(api: Api, world: World) -> None:
    payload = await api.change("deployVersion", "versionEndpoint { id }", versionId=id_of(world))
    id = payload["versionEndpoint"]["id"]
    cancelled = await api.change("cancelDeployment", "versionEndpoint { lifecycle }", versionEndpointId=id)
    assert cancelled == {"versionEndpoint": {"lifecycle": "TERMINATED"}, "errors": []}
    again = await api.change("cancelDeployment", "versionEndpoint { id }", versionEndpointId=id)
    assert found(again) == [("NOTHING_TO_CANCEL", ["versionEndpointId"])]


# What is refused


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"environment": "nowhere"}, [("ENVIRONMENT_UNKNOWN", ["environment"])]),
        ({"environment": "no\0where"}, [("ENVIRONMENT_UNKNOWN", ["environment"])]),
        ({"environment": "long"}, [("INVALID_NAME", ["environment"])]),
        ({"resources": {"cpuRequest": "much"}}, [("INVALID_QUANTITY", ["resources", "cpuRequest"])]),
        ({"resources": {"memoryLimit": "-1Gi"}}, [("INVALID_QUANTITY", ["resources", "memoryLimit"])]),
        ({"resources": {"cpuRequest": "3"}}, [("LIMIT_EXCEEDED", ["resources", "cpuRequest"])]),
        ({"resources": {"memoryRequest": "3Gi"}}, [("LIMIT_EXCEEDED", ["resources", "memoryRequest"])]),
        ({"resources": {"cpuRequest": "1", "cpuLimit": "500m"}}, [("INVALID_INPUT", ["resources", "cpuRequest"])]),
        ({"minReplicas": 0}, [("INVALID_REPLICAS", ["minReplicas"])]),
        ({"minReplicas": 2}, [("INVALID_REPLICAS", ["minReplicas"])]),
        ({"maxReplicas": 4}, [("LIMIT_EXCEEDED", ["maxReplicas"])]),
        ({"timeoutSeconds": 0}, [("INVALID_INPUT", ["timeoutSeconds"])]),
        ({"deadlineSeconds": 10**6}, [("INVALID_INPUT", ["deadlineSeconds"])]),
        ({"runtime": "unknown"}, [("NO_RUNTIME", ["runtime"])]),
        ({"autoscaling": {"metric": "CPU", "targetPercent": 0}}, [("INVALID_INPUT", ["autoscaling", "targetPercent"])]),
        ({"variables": [{"name": "1A", "value": ""}]}, [("INVALID_NAME", ["variables", "0", "name"])]),
        ({"variables": [{"name": "MERLIN_X", "value": ""}]}, [("RESERVED_NAME", ["variables", "0", "name"])]),
        ({"variables": [{"name": "A", "value": "a\0"}]}, [("INVALID_INPUT", ["variables", "0", "value"])]),
        ({"variables": [{"name": "A", "value": ""}] * 2}, [("INVALID_INPUT", ["variables", "1", "name"])]),
        ({"secrets": [{"secret": "db", "variable": "DB"}]}, [("SECRET_UNKNOWN", ["secrets", "0", "secret"])]),
        ({"clear": ["VARIABLES"], "variables": []}, [("INVALID_INPUT", ["clear"])]),
        ({"comment": "x" * 1001}, [("INVALID_INPUT", ["comment"])]),
        ({"comment": "\0"}, [("INVALID_INPUT", ["comment"])]),
        (
            {
                "resources": {"cpuRequest": "much", "memoryRequest": "3Gi"},
                "minReplicas": 3,
                "maxReplicas": 2,
                "runtime": "unknown",
                "autoscaling": {"metric": "MEMORY", "targetPercent": 101},
                "variables": [{"name": "A", "value": ""}, {"name": "1", "value": ""}],
                "secrets": [{"secret": "db", "variable": "A"}],
                "comment": "x" * 1001,
            },
            [
                ("INVALID_QUANTITY", ["resources", "cpuRequest"]),
                ("LIMIT_EXCEEDED", ["resources", "memoryRequest"]),
                ("INVALID_REPLICAS", ["minReplicas"]),
                ("NO_RUNTIME", ["runtime"]),
                ("INVALID_INPUT", ["autoscaling", "targetPercent"]),
                ("INVALID_NAME", ["variables", "1", "name"]),
                ("INVALID_INPUT", ["secrets", "0", "variable"]),
                ("SECRET_UNKNOWN", ["secrets", "0", "secret"]),
                ("INVALID_INPUT", ["comment"]),
            ],
        ),
    ],
)
async def test_every_problem_of_a_deploy_is_told_at_once_and_nothing_written(
    api: Api, world: World, asked: dict[str, Any], expected: list[tuple[str, list[str]]]
) -> None:
    before = await traces()
    payload = await api.change(
        "deployVersion", "versionEndpoint { id } revision { id }", versionId=id_of(world), **asked
    )
    assert found(payload) == expected
    assert (payload["versionEndpoint"], payload["revision"]) == (None, None)
    assert await traces() == before


async def test_a_version_that_is_open_is_told_with_the_rest(api: Api, world: World) -> None:
    version = await a_version(world.model, finished=False)
    id = global_id("Version", version.id)
    payload = await api.change("deployVersion", "", versionId=id, environment="nowhere", comment="\0")
    assert [code for code, _ in found(payload)] == ["VERSION_OPEN", "ENVIRONMENT_UNKNOWN", "INVALID_INPUT"]


async def test_a_runtime_that_cannot_serve_the_models_flavour_is_refused(api: Api, world: World) -> None:
    version = await versions.create_version(ALICE, model_id=world.model.id)
    await versions.finish_version(
        ALICE, version.id, artifact_uri="a:/m", storage_uri="file:///m", flavors=["sklearn", "python_function"]
    )
    id = global_id("Version", version.id)
    payload = await api.change("deployVersion", "", versionId=id, runtime="kserve-xgboost")
    assert found(payload) == [("NO_RUNTIME", ["runtime"])]
    assert found(await api.change("deployVersion", "", versionId=id)) == []


async def test_the_environments_quota_of_versions_holds(api: Api, world: World) -> None:
    for _ in range(2):
        version = await a_version(world.model)
        assert found(await api.change("deployVersion", "", versionId=global_id("Version", version.id))) == []
    quota = ("QUOTA_EXCEEDED", ["environment"])
    assert found(await api.change("deployVersion", "", versionId=id_of(world))) == [quota]
    both = await api.change("deployVersion", "", versionId=id_of(world), minReplicas=0)
    assert found(both) == [quota, ("INVALID_REPLICAS", ["minReplicas"])]


async def test_a_detached_environment_takes_no_deploy(api: Api, world: World) -> None:
    id = await deployed(api, world)
    await environments.sync_environments(parse_environments([LONG]))
    payload = await api.change("deployVersion", "", versionId=id_of(world), environment="local")
    assert found(payload) == [("ENVIRONMENT_DETACHED", ["environment"])]
    serve = await api.change("serveVersion", "", versionEndpointId=id)
    assert found(serve) == [("ENVIRONMENT_DETACHED", ["versionEndpointId"])]


@pytest.mark.parametrize(
    ("to", "code"), [(99, "NOT_FOUND"), (0, "NOT_FOUND"), (-1, "NOT_FOUND"), (1, "NO_CHANGE"), (None, "NOT_FOUND")]
)
async def test_a_rollback_to_what_cannot_be_is_refused(api: Api, world: World, to: int | None, code: str) -> None:
    id = await deployed(api, world)
    payload = await api.change("rollbackVersionEndpoint", "revision { id }", versionEndpointId=id, toRevision=to)
    assert found(payload) == [(code, ["toRevision"])]


async def test_what_does_not_run_cannot_serve_nor_stop(api: Api, world: World) -> None:
    payload = await api.change("deployVersion", "versionEndpoint { id }", versionId=id_of(world))
    id = payload["versionEndpoint"]["id"]
    serve = await api.change("serveVersion", "modelEndpoint { id }", versionEndpointId=id)
    assert found(serve) == [("NOT_RUNNING", ["versionEndpointId"])]
    stop = await api.change("stopServing", "", modelEndpointId=global_id("ModelEndpoint", world.model.id))
    assert found(stop) == [("NOT_FOUND", ["modelEndpointId"])]


MUTATIONS = [
    ("deployVersion", "versionId", "Version"),
    ("rollbackVersionEndpoint", "versionEndpointId", "VersionEndpoint"),
    ("cancelDeployment", "versionEndpointId", "VersionEndpoint"),
    ("undeployVersion", "versionEndpointId", "VersionEndpoint"),
    ("serveVersion", "versionEndpointId", "VersionEndpoint"),
    ("stopServing", "modelEndpointId", "ModelEndpoint"),
]


@pytest.mark.parametrize(("name", "field", "kind"), MUTATIONS)
async def test_each_mutation_wants_an_editor_and_an_id_of_its_type(
    api: Api, world: World, name: str, field: str, kind: str
) -> None:
    await deployed(api, world)
    endpoint = await VersionEndpoint.get(version_id=world.version.id)
    model_endpoint = await world.serve(TrafficRule.all_to(endpoint.id))
    keys = {"Version": world.version.id, "VersionEndpoint": endpoint.id, "ModelEndpoint": model_endpoint.id}
    members = [projects.Member("alice", Role.ADMINISTRATOR), projects.Member("reader", Role.READER)]
    await projects.update_project(ALICE, world.model.project_id, members=members)
    tokens = {subject: await api.user(subject) for subject in ("reader", "stranger", "alice")}
    before = await traces()
    for subject, id, code in (
        ("reader", global_id(kind, keys[kind]), "PERMISSION_DENIED"),
        ("stranger", global_id(kind, keys[kind]), "NOT_FOUND"),
        ("alice", global_id(kind, world.model.id), "NOT_FOUND"),
        ("alice", global_id("Project", world.model.project_id), "INVALID_ID"),
        ("alice", "nonsense", "INVALID_ID"),
    ):
        payload = await api.change(name, "", token=tokens[subject], **{field: id})
        assert found(payload) == [(code, [field])], subject
    assert await traces() == before


# Idempotency


async def test_the_same_key_deploys_once_and_answers_the_same(api: Api, world: World) -> None:
    asked = {"versionId": id_of(world), "comment": "once", "idempotencyKey": "k"}
    first = await api.change("deployVersion", "versionEndpoint { id } revision { number }", **asked)
    before = await traces()
    again = await api.change("deployVersion", "versionEndpoint { id } revision { number }", **asked)
    assert again == first
    assert await traces() == before


async def test_a_request_without_newer_fields_is_the_one_that_an_older_api_was_asked(api: Api, world: World) -> None:
    await api.change("deployVersion", "", versionId=id_of(world), comment="once", idempotencyKey="d")
    endpoint = await VersionEndpoint.get(version_id=world.version.id)
    id = str(global_id("VersionEndpoint", endpoint.id))
    await api.change("cancelDeployment", "", versionEndpointId=id, idempotencyKey="c")
    change: dict[str, Any] = dict.fromkeys(["cpu_request", "memory_request", "cpu_limit", "memory_limit"])
    change |= dict.fromkeys(["min_replicas", "max_replicas", "timeout_seconds", "deadline_seconds"])
    change |= dict.fromkeys(["runtime", "strategy", "autoscaling", "variables", "secrets"])
    change["clear"] = []
    asked = {"version_id": world.version.id, "environment": None, "comment": "once", "change": change}
    hashes = {row["key"]: row["request_hash"] for row in await fetch("SELECT key, request_hash FROM idempotency_key")}
    assert hashes == {
        "d": request_hash("deployVersion", asked),
        "c": request_hash("cancelDeployment", {"endpoint": endpoint.id}),
    }


async def test_many_at_once_with_one_key_deploy_once(api: Api, world: World) -> None:
    asked = {"versionId": id_of(world), "idempotencyKey": "k"}
    answers = await asyncio.gather(*(api.change("deployVersion", "revision { number }", **asked) for _ in range(6)))
    assert [answer["revision"] for answer in answers] == [{"number": 1}] * 6


@pytest.mark.parametrize(
    ("key", "comment", "code"), [("k", "other", "IDEMPOTENCY_KEY_REUSED"), ("", "x", "INVALID_INPUT")]
)
async def test_a_key_for_another_request_or_no_key_at_all_is_refused(
    api: Api, world: World, key: str, comment: str, code: str
) -> None:
    await api.change("deployVersion", "", versionId=id_of(world), comment="one", idempotencyKey="k")
    refused = await api.change("deployVersion", "", versionId=id_of(world), comment=comment, idempotencyKey=key)
    assert found(refused) == [(code, ["idempotencyKey"])]


async def test_a_refused_request_leaves_its_key_free(api: Api, world: World) -> None:
    asked = {"versionId": id_of(world), "idempotencyKey": "k"}
    assert found(await api.change("deployVersion", "", **asked, minReplicas=0))
    assert found(await api.change("deployVersion", "", **asked)) == []


@pytest.mark.parametrize("name", ["cancelDeployment", "undeployVersion"])
async def test_other_acts_are_done_once_per_key_too(api: Api, world: World, name: str) -> None:
    made = await api.change("deployVersion", "versionEndpoint { id }", versionId=id_of(world))
    asked = {"versionEndpointId": made["versionEndpoint"]["id"], "idempotencyKey": "k"}
    returns = "versionEndpoint { id desired generation }"
    first = await api.change(name, returns, **asked)
    assert first["errors"] == []
    assert await api.change(name, returns, **asked) == first


async def test_a_project_beside_it_is_untouched(api: Api, world: World) -> None:
    other = await a_project("other")
    await deployed(api, world)
    events = await api.ask('{ events(project: "other", first: 50) { nodes { type } } }')
    assert [event["type"] for event in events["events"]["nodes"]] == ["project.created"]
    assert other.name == "other"
