"""Lists: pages forwards and backwards, filters, orders, and what is refused. Every order is walked page by page."""

from __future__ import annotations

import base64
from typing import Any

import orjson
import pytest

from merlin.db import aliases, versions
from merlin.db.tables import Model
from merlin.domain.traffic import TrafficRule
from tests.db.worlds import ALICE, World, a_model, a_project, a_version, an_environment
from tests.schema.asking import Api, counted

PROJECTS = """query(
    $first: Int, $after: String, $last: Int, $before: String, $order: [ProjectOrder!], $filter: ProjectFilter) {
  projects(first: $first, after: $after, last: $last, before: $before, order: $order, filter: $filter) {
    totalCount edges { cursor node { name } } nodes { name }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""
VERSIONS = """query($filter: VersionFilter, $order: [VersionOrder!], $first: Int, $after: String) {
  model(project: "fraud", name: "scorer") { versions(filter: $filter, order: $order, first: $first, after: $after) {
    totalCount nodes { number } pageInfo { hasNextPage endCursor } } } }"""


async def some_projects(*names: str) -> None:
    for name in names:
        await a_project(name)


def names(page: dict[str, Any]) -> str:
    return "".join(node["name"] for node in page["nodes"])


async def test_pages_follow_each_other_in_both_directions(api: Api) -> None:
    await some_projects(*"ecabd")
    first = (await api.ask(PROJECTS, first=2))["projects"]
    assert (names(first), first["totalCount"]) == ("ab", 5)
    assert first["pageInfo"] == {
        "hasNextPage": True,
        "hasPreviousPage": False,
        "startCursor": first["edges"][0]["cursor"],
        "endCursor": first["edges"][1]["cursor"],
    }
    second = (await api.ask(PROJECTS, first=2, after=first["pageInfo"]["endCursor"]))["projects"]
    assert names(second) == "cd"
    assert second["pageInfo"]["hasPreviousPage"] is True
    third = (await api.ask(PROJECTS, first=2, after=second["pageInfo"]["endCursor"]))["projects"]
    assert (names(third), third["pageInfo"]["hasNextPage"]) == ("e", False)

    last = (await api.ask(PROJECTS, last=2))["projects"]
    assert (names(last), last["pageInfo"]["hasPreviousPage"]) == ("de", True)
    before = (await api.ask(PROJECTS, last=2, before=last["pageInfo"]["startCursor"]))["projects"]
    assert (names(before), before["pageInfo"]["hasNextPage"]) == ("bc", True)
    between = (await api.ask(PROJECTS, after=first["edges"][0]["cursor"], before=last["edges"][1]["cursor"]))[
        "projects"
    ]
    assert names(between) == "bcd"


async def test_a_page_stays_where_it_was_when_rows_come_and_go(api: Api) -> None:
    await some_projects("b", "d", "f")
    first = (await api.ask(PROJECTS, first=2))["projects"]
    await some_projects("a", "c", "e")
    assert names((await api.ask(PROJECTS, after=first["pageInfo"]["endCursor"]))["projects"]) == "ef"


async def test_an_empty_page_can_be_asked_for_its_count(api: Api) -> None:
    await some_projects("a", "b")
    page = (await api.ask(PROJECTS, first=0))["projects"]
    assert (page["nodes"], page["totalCount"], page["pageInfo"]["hasNextPage"]) == ([], 2, True)


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        ({"first": 101}, "first"),
        ({"first": -1}, "first"),
        ({"last": 101}, "last"),
        ({"first": 1, "last": 1}, "last"),
        ({"after": "nonsense"}, "after"),
        ({"before": ""}, "before"),
        ({"after": base64.urlsafe_b64encode(orjson.dumps(["name,id", 1, 2])).decode()}, "after"),
        ({"after": base64.urlsafe_b64encode(orjson.dumps(["name,id", "a", "\0"])).decode()}, "after"),
        ({"after": base64.urlsafe_b64encode(orjson.dumps({"a": 1})).decode()}, "after"),
    ],
)
async def test_windows_that_make_no_sense_are_refused(api: Api, arguments: dict[str, Any], path: str) -> None:
    refused = await api.refused(PROJECTS, **arguments)
    assert [(error["code"], error["path"]) for error in refused] == [("INVALID_INPUT", [path])]


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        ({"filter": {"label": [{"key": "a"}] * 33}}, ["filter", "label"]),
        ({"order": [{"field": "NAME"}] * 33}, ["order"]),
    ],
)
async def test_conditions_are_few(api: Api, arguments: dict[str, Any], path: list[str]) -> None:
    query = """query($filter: ProjectFilter, $order: [ProjectOrder!]) {
        projects(filter: $filter, order: $order) { totalCount } }"""
    (refused,) = await api.refused(query, **arguments)
    assert (refused["code"], refused["path"]) == ("INVALID_INPUT", path)


async def test_a_cursor_of_another_order_is_refused(api: Api) -> None:
    await some_projects("a", "b")
    cursor = (await api.ask(PROJECTS, first=1))["projects"]["pageInfo"]["endCursor"]
    refused = await api.refused(PROJECTS, after=cursor, order=[{"field": "CREATED_AT"}])
    assert [(error["code"], error["path"]) for error in refused] == [("INVALID_INPUT", ["after"])]


async def test_a_cursor_without_a_place_is_refused(api: Api) -> None:
    await some_projects("a")
    order = [{"field": "NAME"}]
    cursor = (await api.ask(PROJECTS, first=1, order=order))["projects"]["pageInfo"]["endCursor"]
    label, name, key = orjson.loads(base64.urlsafe_b64decode(cursor + "=="))
    assert name == "a"
    nowhere = base64.urlsafe_b64encode(orjson.dumps([label, None, key])).decode().rstrip("=")
    refused = await api.refused(PROJECTS, after=nowhere, order=order)
    assert [(error["code"], error["path"]) for error in refused] == [("INVALID_INPUT", ["after"])]


@pytest.mark.parametrize("field", ["NAME", "CREATED_AT", "UPDATED_AT"])
@pytest.mark.parametrize("direction", ["ASC", "DESC"])
async def test_every_order_is_walked_whole_page_by_page(api: Api, field: str, direction: str) -> None:
    await some_projects(*"abcde")
    order = [{"field": field, "direction": direction}]
    walked, after = "", None
    while True:
        page = (await api.ask(PROJECTS, first=2, after=after, order=order))["projects"]
        walked += names(page)
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert walked == ("abcde" if direction == "ASC" else "edcba")


@pytest.mark.parametrize(
    ("filter", "found"),
    [
        ({}, "fraud+risk+users"),
        ({"nameContains": "R"}, "fraud+risk+users"),
        ({"nameContains": "rau"}, "fraud"),
        ({"nameContains": "%"}, ""),
        ({"team": "money"}, "fraud+risk"),
        ({"team": "money", "stream": "cards"}, "risk"),
        ({"label": [{"key": "tier"}]}, "fraud+risk"),
        ({"label": [{"key": "tier", "value": "1"}]}, "fraud"),
        ({"label": [{"key": "tier"}, {"key": "x"}]}, "risk"),
        ({"nameContains": "\0"}, None),
    ],
)
async def test_filters_of_projects(api: Api, filter: dict[str, Any], found: str | None) -> None:
    for name, team, stream, labels in (
        ("fraud", "money", "", {"tier": "1"}),
        ("risk", "money", "cards", {"tier": "2", "x": ""}),
        ("users", "", "", {}),
    ):
        given = [{"key": key, "value": value} for key, value in labels.items()]
        await api.change("createProject", "project { id }", name=name, team=team, stream=stream, labels=given)
    if found is None:
        assert (await api.refused(PROJECTS, filter=filter))[0]["code"] == "INVALID_INPUT"
        return
    page = (await api.ask(PROJECTS, filter=filter))["projects"]
    assert "+".join(node["name"] for node in page["nodes"]) == found
    assert page["totalCount"] == len(page["nodes"])


async def five_versions() -> Model:
    """Versions 1 to 5: accuracies 0.5, none, 0.9, no number, 0.7; 3 is `champion`, labelled, serving; 5 is OPEN."""
    environment = await an_environment()
    model = await a_model()
    for accuracy in (0.5, None, 0.9, "nan", 0.7):
        version = await a_version(model, finished=accuracy != 0.7)
        metrics = {} if accuracy is None else {"accuracy": {"value": accuracy, "step": 1, "timestamp": 1}}
        params = {"depth": str(9 - version.number)} if version.number != 2 else {}
        await versions.mirror(version.id, metrics=metrics, params=params, tags={})
        if version.number == 3:
            await aliases.set_alias(ALICE, version_id=version.id, alias="champion")
            await versions.set_labels(ALICE, version.id, labels={"stage": "prod"})
            endpoint = await World(model, version, environment).running()
            await World(model, version, environment).serving(TrafficRule.all_to(endpoint.id))
        if version.number == 1:
            await World(model, version, environment).running()
    return model


@pytest.mark.parametrize(
    ("filter", "found"),
    [
        (None, [5, 4, 3, 2, 1]),
        ({"state": "OPEN"}, [5]),
        ({"alias": "champion"}, [3]),
        ({"alias": "nobody"}, []),
        ({"label": [{"key": "stage", "value": "prod"}]}, [3]),
        ({"lifecycle": ["SERVING"]}, [3]),
        ({"lifecycle": ["RUNNING"]}, [1]),
        ({"lifecycle": ["RUNNING", "SERVING"], "environment": "local"}, [3, 1]),
        ({"environment": "elsewhere"}, []),
        ({"metric": [{"key": "accuracy"}]}, [5, 4, 3, 1]),
        ({"metric": [{"key": "accuracy", "above": 0.5}]}, [5, 3]),
        ({"metric": [{"key": "accuracy", "above": 0.4, "below": 0.8}]}, [5, 1]),
        ({"metric": [{"key": "accuracy", "atLeast": 0.7}]}, [5, 3]),
        ({"metric": [{"key": "accuracy", "atMost": 0.7}]}, [5, 1]),
        ({"metric": [{"key": "accuracy", "atLeast": 0.5, "below": 0.7}]}, [1]),
        ({"param": [{"key": "depth", "value": "6"}]}, [3]),
        ({"param": [{"key": "depth"}]}, [5, 4, 3, 1]),
        ({"createdBy": "alice"}, [5, 4, 3, 2, 1]),
        ({"createdBy": "bob"}, []),
        ({"runNameContains": "SCORER-4"}, [4]),
        ({"numberIn": [2, 4, 9]}, [4, 2]),
    ],
)
async def test_filters_of_versions(api: Api, filter: dict[str, Any] | None, found: list[int]) -> None:
    await five_versions()
    page = (await api.ask(VERSIONS, filter=filter))["model"]["versions"]
    assert [node["number"] for node in page["nodes"]] == found
    assert page["totalCount"] == len(found)


@pytest.mark.parametrize(
    ("order", "found"),
    [
        ([{"field": "NUMBER"}], [1, 2, 3, 4, 5]),
        ([{"field": "METRIC", "key": "accuracy"}], [1, 5, 3]),
        ([{"field": "METRIC", "key": "accuracy", "direction": "DESC"}], [3, 5, 1]),
        ([{"field": "PARAM", "key": "depth"}], [5, 4, 3, 1, 2]),
        ([{"field": "PARAM", "key": "depth", "direction": "DESC"}], [1, 3, 4, 5, 2]),
        ([{"field": "METRIC", "key": "no such"}, {"field": "NUMBER", "direction": "DESC"}], [5, 4, 3, 2, 1]),
    ],
)
async def test_orders_of_versions_are_walked_one_by_one(api: Api, order: Any, found: list[int]) -> None:
    await five_versions()
    walked: list[int] = []
    after = None
    for _ in range(5):
        page = (await api.ask(VERSIONS, order=order, first=1, after=after))["model"]["versions"]
        walked += [node["number"] for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
    # Those without the metric come last; among themselves they are in any order that stays.
    assert walked[: len(found)] == found
    assert sorted(walked) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("order", [{"field": "METRIC"}, {"field": "NUMBER", "key": "x"}])
async def test_a_key_goes_with_metric_and_param_only(api: Api, order: dict[str, Any]) -> None:
    await a_version()
    refused = await api.refused(VERSIONS, order=[order])
    assert [(error["code"], error["path"]) for error in refused] == [("INVALID_INPUT", ["order", "key"])]


async def test_nothing_is_counted_unless_it_is_asked_for(api: Api) -> None:
    await some_projects("a")
    async with counted() as statements:
        await api.ask("{ projects { nodes { id } pageInfo { hasNextPage } } }")
    assert len(statements.selects) == 1
    async with counted() as statements:
        await api.ask("{ projects { nodes { id models { totalCount } } totalCount } }")
    assert len([sql for sql in statements.selects if "count(*)" in sql]) == 2


async def test_pages_of_many_parents_are_each_cut_by_themselves(api: Api) -> None:
    project = await a_project()
    for name in ("a", "b"):
        model = await a_model(name, project)
        for _ in range(3):
            await a_version(model, finished=False)
    found = await api.ask(
        "{ projects { nodes { models { nodes { name versions(first: 2) { totalCount nodes { number } "
        "pageInfo { hasNextPage } } } } } } }"
    )
    models = found["projects"]["nodes"][0]["models"]["nodes"]
    assert [model["name"] for model in models] == ["a", "b"]
    for model in models:
        assert model["versions"] == {
            "totalCount": 3,
            "nodes": [{"number": 3}, {"number": 2}],
            "pageInfo": {"hasNextPage": True},
        }
