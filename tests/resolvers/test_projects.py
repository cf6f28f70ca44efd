"""Projects, models and secrets: what is refused, all at once and before anything is written, and what is kept."""

from __future__ import annotations

from typing import Any

import pytest

from merlin.db.idempotency import request_hash
from merlin.db.secrets import reveal_secrets
from merlin.schema.ids import parse_id
from tests.db.worlds import count, fetch, traces
from tests.schema.asking import Api

PROJECT = "project { id name description team stream labels { key value } members { subject role } }"


async def a_project(api: Api, name: str = "fraud", **fields: Any) -> Any:
    return (await api.change("createProject", PROJECT, name=name, **fields))["project"]


async def test_whoever_makes_a_project_administers_it(without_mlflow: Api) -> None:
    alice = without_mlflow.as_("alice")
    members = [{"subject": "bob", "role": "READER"}, {"subject": "alice", "role": "READER"}]
    made = await a_project(alice, labels=[{"key": "tier", "value": "1"}], members=members)
    assert made["members"] == [
        {"subject": "alice", "role": "ADMINISTRATOR"},
        {"subject": "bob", "role": "READER"},
    ]
    changed = (await alice.change("updateProject", PROJECT, projectId=made["id"], team="money", labels=[]))["project"]
    assert (changed["team"], changed["labels"], changed["members"]) == ("money", [], made["members"])


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"name": "default"}, [("RESERVED_NAME", ["name"])]),
        ({"name": "kube-x"}, [("RESERVED_NAME", ["name"])]),
        ({"name": "a--b"}, [("INVALID_NAME", ["name"])]),
        ({"name": ""}, [("INVALID_NAME", ["name"])]),
        (
            {
                "name": "Not A Name",
                "team": "x" * 64,
                "description": "\0",
                "labels": [{"key": "?", "value": ""}],
                "members": [{"subject": "", "role": "READER"}, {"subject": "a", "role": "EDITOR"}] * 2,
            },
            [
                ("INVALID_NAME", ["name"]),
                ("INVALID_INPUT", ["description"]),
                ("INVALID_INPUT", ["team"]),
                ("INVALID_NAME", ["labels", "0"]),
                ("INVALID_INPUT", ["members", "0", "subject"]),
                ("INVALID_INPUT", ["members", "2", "subject"]),
                ("INVALID_INPUT", ["members", "2", "subject"]),
                ("INVALID_INPUT", ["members", "3", "subject"]),
            ],
        ),
    ],
)
async def test_all_that_is_wrong_with_a_project_is_said_at_once(
    without_mlflow: Api, fields: dict[str, Any], expected: list[tuple[str, list[str]]]
) -> None:
    before = await traces()
    assert await without_mlflow.refusals("createProject", **fields) == expected
    assert await traces() == before


async def test_names_are_taken_once(without_mlflow: Api) -> None:
    project = await a_project(without_mlflow)
    assert await without_mlflow.refusals("createProject", name="fraud") == [("ALREADY_EXISTS", ["name"])]
    await without_mlflow.change("createModel", "model { id }", projectId=project["id"], name="m")
    taken = await without_mlflow.refusals("createModel", projectId=project["id"], name="m")
    assert taken == [("ALREADY_EXISTS", ["name"])]


async def test_a_project_keeps_an_administrator(without_mlflow: Api) -> None:
    project = await a_project(without_mlflow)
    for members in ([], [{"subject": "bob", "role": "EDITOR"}]):
        refused = await without_mlflow.refusals("updateProject", projectId=project["id"], members=members)
        assert refused == [("INVALID_INPUT", ["members"])]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"name": "1abc"}, [("INVALID_NAME", ["name"])]),
        ({"name": "x" * 26}, [("INVALID_NAME", ["name"])]),
        ({"name": "A", "type": "?"}, [("INVALID_NAME", ["name"]), ("INVALID_INPUT", ["type"])]),
    ],
)
async def test_what_is_wrong_with_a_model(
    without_mlflow: Api, fields: dict[str, Any], expected: list[tuple[str, list[str]]]
) -> None:
    project = await a_project(without_mlflow)
    assert await without_mlflow.refusals("createModel", projectId=project["id"], **fields) == expected


async def test_a_model_is_kept_while_mlflow_is_away(without_mlflow: Api) -> None:
    project = await a_project(without_mlflow)
    made = await without_mlflow.change(
        "createModel", "model { name mlflowExperimentId mlflowUrl }", projectId=project["id"], name="m"
    )
    assert made["model"] == {"name": "m", "mlflowExperimentId": None, "mlflowUrl": None}


@pytest.mark.parametrize("wrong", ["nonsense", "", None])
async def test_ids_that_are_none_are_refused_with_their_place(without_mlflow: Api, wrong: str | None) -> None:
    project = await a_project(without_mlflow)
    given = project["id"] if wrong is None else wrong
    assert await without_mlflow.refusals("updateModel", modelId=given) == [("INVALID_ID", ["modelId"])]


async def test_nobody_guesses_a_secret_from_the_hash_of_the_request_that_set_it(without_mlflow: Api) -> None:
    api = without_mlflow
    project = await a_project(api)
    await api.change(
        "setSecret", "secret { name }", projectId=project["id"], name="db", value="hush", idempotencyKey="once"
    )
    [row] = await fetch("SELECT request_hash FROM idempotency_key WHERE key = 'once'")
    asked = {"project": parse_id(project["id"], "Project"), "name": "db"}
    assert row["request_hash"] != request_hash("setSecret", {**asked, "value": "hush"})
    keyed = api.context.secret_key.digest("hush")
    assert row["request_hash"] == request_hash("setSecret", {**asked, "value": keyed})
    assert keyed != api.context.secret_key.digest("Hush")


async def test_a_secret_is_kept_encrypted_and_never_shown(without_mlflow: Api) -> None:
    api = without_mlflow
    project = await a_project(api)
    for value in ("first", "hush"):
        made = await api.change(
            "setSecret", "secret { name updatedBy }", projectId=project["id"], name="db", value=value
        )
        assert made["secret"] == {"name": "db", "updatedBy": "root"}
    key = parse_id(project["id"], "Project")
    assert await reveal_secrets(key, ["db"], key=api.context.secret_key) == {"db": "hush"}
    for table in ("audit", "event", "idempotency_key", "secret"):
        assert "hush" not in str(await fetch(f"SELECT * FROM {table}")), table
    deleted = await api.change("deleteSecret", "deletedName", projectId=project["id"], name="db")
    assert deleted["deletedName"] == "db"
    assert await api.refusals("deleteSecret", projectId=project["id"], name="db") == [("SECRET_UNKNOWN", ["name"])]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("A_B", "", [("INVALID_NAME", ["name"]), ("INVALID_INPUT", ["value"])]),
        ("ok", "x" * 70_000, [("INVALID_INPUT", ["value"])]),
        ("ok", "a\0b", [("INVALID_INPUT", ["value"])]),
    ],
)
async def test_what_is_wrong_with_a_secret(
    without_mlflow: Api, name: str, value: str, expected: list[tuple[str, list[str]]]
) -> None:
    project = await a_project(without_mlflow)
    assert await without_mlflow.refusals("setSecret", projectId=project["id"], name=name, value=value) == expected
    assert await count("secret") == 0


async def test_a_key_is_a_callers_own(without_mlflow: Api) -> None:
    first = await a_project(without_mlflow.as_("alice"), "one", idempotencyKey="k")
    second = await a_project(without_mlflow.as_("bob"), "two", idempotencyKey="k")
    assert first["id"] != second["id"]
    reused = await without_mlflow.as_("alice").refusals("createProject", name="three", idempotencyKey="k")
    assert reused == [("IDEMPOTENCY_KEY_REUSED", ["idempotencyKey"])]
    for key in ("", "x" * 300):
        refused = await without_mlflow.refusals("createProject", name="four", idempotencyKey=key)
        assert refused == [("INVALID_INPUT", ["idempotencyKey"])]
