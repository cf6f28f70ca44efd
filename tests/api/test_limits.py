"""What an operation may hold: each limit refused with its code, and the cost formula pinned number by number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from graphql import get_introspection_query, parse
from graphql.language import OperationDefinitionNode

from merlin.schema import build_schema
from merlin.schema.cost import compile_cost
from tests.api.served import Api, a_settings, served

SCHEMA = build_schema()._schema


def cost(query: str, **variables: Any) -> int:
    document = parse(query)
    operation = next(d for d in document.definitions if isinstance(d, OperationDefinitionNode))
    return compile_cost(SCHEMA, document, operation).cost(variables)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("{ __typename }", 0),
        ("{ me { subject isAdministrator } }", 1),
        ("{ projects { totalCount } }", 1),
        ("{ projects { nodes { name } } }", 1 + 20),
        ("{ projects(first: 5) { nodes { name } } }", 1 + 5),
        ("{ projects(last: 7) { nodes { name } } }", 1 + 7),
        ("{ projects(first: 5) { edges { cursor node { name } } pageInfo { hasNextPage } } }", 1 + 5 * 2 + 1),
        ("{ projects(first: 3) { nodes { models(first: 4) { nodes { name } } } } }", 1 + 3 * (1 + 1 + 4)),
        ("{ projects(first: 0) { nodes { name } } }", 1),
        ("{ events(first: 100) { nodes { cursor } } }", 1 + 100),
        ('{ nodes(ids: ["a", "b", "c"]) { id } }', 3),
        ('{ logs(versionEndpointId: "a") { lines { text } } }', 1 + 100),
        ('{ logs(versionEndpointId: "a", tail: 10) { lines { text } } }', 1 + 10),
        ('{ node(id: "a") { id ... on Project { models { totalCount } } ... on Model { project { name } } } }', 3),
        ("{ a: me { subject } b: me { subject } }", 2),
        ("{ me { ...F ...F } } fragment F on Me { subject }", 1),
        ("{ projects(first: 2) { nodes { ...F } } } fragment F on Project { models { nodes { name } } }", 1 + 2 * 22),
        ("{ me @skip(if: true) { subject } }", 1),
        ('mutation { undeployVersion(input: {versionEndpointId: "a"}) { errors { code } } }', 10 + 1 + 1),
        ("subscription { events { cursor project { name } } }", 2),
    ],
)
def test_the_cost_formula_is_frozen(query: str, expected: int) -> None:
    assert cost(query) == expected


def test_variables_and_their_defaults_count() -> None:
    query = "query($n: Int = 3, $ids: [ID!] = []) { projects(first: $n) { nodes { name } } nodes(ids: $ids) { id } }"
    assert cost(query) == 4
    assert cost(query, n=50, ids=["a", "b"]) == 53
    assert cost(query, n=-5) == 1
    assert cost(query, n=None) == 21


def test_a_chain_of_fragments_costs_time_in_proportion_only() -> None:
    fragments = "".join(
        f"fragment F{n} on Project {{ ...F{n + 1} models {{ nodes {{ project {{ ...F{n + 1} }} }} }} }} "
        for n in range(200)
    )
    assert cost(f"{{ projects {{ nodes {{ ...F0 }} }} }} {fragments} fragment F200 on Project {{ name }}") > 10**6


async def test_a_document_nested_beyond_reason_is_refused_and_not_an_accident(api: Api) -> None:
    chain = "".join(f"fragment F{n} on Me {{ ...F{n + 1} }} " for n in range(640))
    errors = await api.errors(f"{{ me {{ ...F0 }} }} {chain} fragment F640 on Me {{ subject }}")
    assert errors[0]["extensions"]["code"] in {"LIMIT_EXCEEDED", "VALIDATION_FAILED"}, errors


async def test_the_cost_is_reported_with_every_answer(api: Api) -> None:
    answer = (await api.post("{ projects(first: 5) { nodes { name } } }")).json()
    assert answer["extensions"]["cost"] == {"requested": 6, "maximum": 20_000}


@pytest.mark.parametrize(
    ("setting", "most", "good", "bad"),
    [
        ("max_cost", 10, "{ projects(first: 9) { nodes { name } } }", "{ projects(first: 10) { nodes { name } } }"),
        ("max_depth", 3, "{ projects { nodes { name } } }", "{ projects { nodes { models { totalCount } } } }"),
        (
            "max_depth",
            3,
            "{ projects { nodes { ...F } } } fragment F on Project { name }",
            "{ projects { nodes { ...F } } } fragment F on Project { models { totalCount } }",
        ),
        ("max_aliases", 1, "{ a: me { subject } }", "{ a: me { b: subject } }"),
        (
            "max_directives",
            1,
            "{ me @skip(if: false) { subject } }",
            "{ me @skip(if: false) @include(if: true) { subject } }",
        ),
        ("max_tokens", 9, "{ me { subject } }", "{ me { subject isAdministrator } projects { totalCount } }"),
    ],
)
async def test_each_limit_is_a_refusal_with_its_code(
    tmp_path: Path, database_url: str, setting: str, most: int, good: str, bad: str
) -> None:
    async with served(a_settings(tmp_path, database_url, **{setting: most})) as api:
        assert "errors" not in (await api.post(good)).json()
        errors = await api.errors(bad)
    assert errors[0]["extensions"]["code"] == "LIMIT_EXCEEDED", errors
    assert str(most) in errors[0]["message"]


async def test_graphiqls_own_introspection_passes_and_an_endless_one_does_not(api: Api) -> None:
    assert "__schema" in await api.ask(get_introspection_query())
    nested = "{ __schema { types { fields { type { fields { type { fields { type { name } } } } } } } } }"
    assert (await api.errors(nested))[0]["extensions"]["code"] == "VALIDATION_FAILED"


async def test_introspection_can_be_switched_off(tmp_path: Path, database_url: str) -> None:
    async with served(a_settings(tmp_path, database_url, introspection=False)) as api:
        assert (await api.errors("{ __schema { types { name } } }"))[0]["extensions"]["code"] == "VALIDATION_FAILED"
        assert (await api.ask("{ __typename }"))["__typename"] == "Query"


async def test_graphiql_can_be_switched_off(tmp_path: Path, database_url: str) -> None:
    async with served(a_settings(tmp_path, database_url, graphiql=False)) as api:
        assert (await api.http.get(api.url + "/graphiql")).status_code == 404


async def test_a_websocket_holds_so_many_operations_at_once(tmp_path: Path, database_url: str) -> None:
    async with served(a_settings(tmp_path, database_url, max_subscriptions=2)) as api, api.socket() as socket:
        for key in "abc":
            await socket.subscribe(key, "subscription { events { cursor } }")
        refused = await socket.hear()
    assert (refused["id"], refused["type"]) == ("c", "error")
    assert refused["payload"][0]["extensions"]["code"] == "LIMIT_EXCEEDED"


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{", "PARSE_FAILED"),
        ("{ nothing }", "VALIDATION_FAILED"),
        ("fragment F on Me { subject }", "VALIDATION_FAILED"),
        ("query A { me { subject } } query B { me { subject } }", "VALIDATION_FAILED"),
        ("query($n: Int!) { projects(first: $n) { totalCount } }", "INVALID_INPUT"),
    ],
)
async def test_what_cannot_run_has_no_data(api: Api, query: str, code: str) -> None:
    answer = (await api.post(query)).json()
    assert "data" not in answer
    assert answer["errors"][0]["extensions"]["code"] == code


async def test_a_named_operation_is_chosen(api: Api) -> None:
    body = {"query": "query A { me { subject } } query B { __typename }", "operationName": "B"}
    answer = await api.http.post(api.graphql, json=body, headers=api.headers())
    assert answer.json()["data"] == {"__typename": "Query"}


async def test_a_document_is_parsed_once_and_old_ones_are_forgotten(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    documents: Any = api.parts.engine._documents
    monkeypatch.setattr("merlin.schema.limits._KEPT_DOCUMENTS", 2)
    for query in ("{ me { subject } }", "{ __typename }", "{ me { subject } }", "{ me { isAdministrator } }"):
        await api.ask(query)
    assert list(documents._kept) == ["{ me { subject } }", "{ me { isAdministrator } }"]
