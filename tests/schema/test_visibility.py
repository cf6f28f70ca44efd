"""Callers see their own projects only: by name, by id, in lists, on edges, in events; administrators see all.

The world: alice administers `fraud`, bob reads it, eve edits it, mallory is in a project of her own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from merlin.db import projects
from merlin.db.projects import Member
from merlin.db.secrets import set_secret
from merlin.domain.lifecycle import Role
from merlin.domain.revision import EnvironmentVariable, RevisionSpec
from merlin.domain.traffic import TrafficRule
from merlin.schema.ids import global_id
from tests.db.worlds import ALICE, SPEC, World, a_project
from tests.schema.asking import Api, counted

SPEC_WITH_SECRETS: RevisionSpec = replace(SPEC, variables=(EnvironmentVariable("TOKEN", "hush"),))
NODE = "query($id: ID!) { node(id: $id) { __typename id } }"


async def a_world(api: Api) -> dict[str, str]:
    """The world above, deployed and serving; ids by type."""
    world = await World.make()
    members = [Member("alice", Role.ADMINISTRATOR), Member("bob", Role.READER), Member("eve", Role.EDITOR)]
    await projects.update_project(ALICE, world.model.project_id, members=members)
    await a_project("other", actor=replace(ALICE, subject="mallory"))
    endpoint = await world.running(SPEC_WITH_SECRETS)
    serving = await world.serving(TrafficRule.all_to(endpoint.id))
    await set_secret(ALICE, project_id=world.model.project_id, name="db", value="hush", key=api.context.secret_key)
    found = await api.ask("{ versionEndpoints { nodes { activeRevision { id } } } }")
    return {
        "Project": global_id("Project", world.model.project_id),
        "Model": global_id("Model", world.model.id),
        "Version": global_id("Version", world.version.id),
        "VersionEndpoint": global_id("VersionEndpoint", endpoint.id),
        "ModelEndpoint": global_id("ModelEndpoint", serving.id),
        "Revision": found["versionEndpoints"]["nodes"][0]["activeRevision"]["id"],
        "Environment": global_id("Environment", world.environment.id),
    }


@pytest.mark.parametrize("caller", ["alice", "bob", "eve", "mallory", "stranger"])
async def test_nodes_are_found_by_members_only(api: Api, caller: str) -> None:
    ids = await a_world(api)
    member = caller in {"alice", "bob", "eve"}
    for type_name, key in ids.items():
        node = (await api.as_(caller).ask(NODE, id=key))["node"]
        seen = member or type_name == "Environment"
        assert node == ({"__typename": type_name, "id": key} if seen else None), type_name
    everything = list(ids.values())
    nodes = (await api.as_(caller).ask("query($i: [ID!]!) { nodes(ids: $i) { id } }", i=everything))["nodes"]
    assert [node is not None for node in nodes] == [member or name == "Environment" for name in ids]


@pytest.mark.parametrize(
    ("query", "hidden"),
    [
        ("{ projects { totalCount nodes { name } } }", {"totalCount": 1, "nodes": [{"name": "other"}]}),
        ('{ project(name: "fraud") { name } }', None),
        ('{ model(project: "fraud", name: "scorer") { name } }', None),
        ("{ versionEndpoints { totalCount nodes { id } } }", {"totalCount": 0, "nodes": []}),
        (
            "{ environment { versionEndpoints { totalCount nodes { id } } } }",
            {"versionEndpoints": {"totalCount": 0, "nodes": []}},
        ),
        (
            "{ environment { modelEndpoints { totalCount nodes { id } } } }",
            {"modelEndpoints": {"totalCount": 0, "nodes": []}},
        ),
        ('{ events(types: ["model.created"]) { nodes { message } } }', {"nodes": []}),
    ],
)
async def test_edges_show_nothing_of_other_projects(api: Api, query: str, hidden: Any) -> None:
    await a_world(api)
    (shown,) = (await api.as_("mallory").ask(query)).values()
    assert shown == hidden
    (seen,) = (await api.as_("bob").ask(query)).values()
    assert seen not in (hidden, None)


async def test_a_foreign_projects_events_and_audit_are_not_found(api: Api) -> None:
    ids = await a_world(api)
    for query in ('{ events(project: "fraud") { cursor } }', '{ audit(project: "fraud") { totalCount } }'):
        assert [e["code"] for e in await api.as_("mallory").refused(query)] == ["NOT_FOUND"]
    subject = "query($s: ID!) { events(subject: $s) { nodes { id: cursor } } }"
    assert (await api.as_("mallory").ask(subject, s=ids["Model"]))["events"]["nodes"] == []
    assert (await api.as_("bob").ask(subject, s=ids["Model"]))["events"]["nodes"]


async def test_a_timeline_is_about_several_things_that_the_caller_may_see(api: Api) -> None:
    ids = await a_world(api)
    several = "query($s: [ID!]) { events(subjects: $s, first: 100) { nodes { subject cursor } } }"
    mixed = [ids["VersionEndpoint"], ids["ModelEndpoint"]]
    nodes = (await api.as_("bob").ask(several, s=mixed))["events"]["nodes"]
    assert {node["subject"] for node in nodes} == set(mixed)
    assert nodes == sorted(nodes, key=lambda node: int(node["cursor"].split(".")[1]))
    assert (await api.as_("mallory").ask(several, s=mixed))["events"]["nodes"] == []
    assert (await api.as_("bob").ask(several, s=[]))["events"]["nodes"] == []
    both = "query($s: ID!) { events(subject: $s, subjects: [$s]) { cursor } }"
    (error,) = await api.as_("bob").refused(both, s=mixed[0])
    assert (error["code"], error["path"]) == ("INVALID_INPUT", ["subjects"])
    (error,) = await api.as_("bob").refused(several, s=mixed * 17)
    assert error["code"] == "INVALID_INPUT"
    (error,) = await api.as_("bob").refused(several, s=[mixed[0], "nonsense"])
    assert error["path"] == ["subjects", "1"]


@pytest.mark.parametrize(
    ("caller", "role", "members", "audit", "value"),
    [
        ("alice", "ADMINISTRATOR", True, True, "hush"),
        ("eve", "EDITOR", False, False, "hush"),
        ("bob", "READER", False, False, None),
    ],
)
async def test_what_each_role_sees(
    api: Api, caller: str, role: str, members: bool, audit: bool, value: str | None
) -> None:
    ids = await a_world(api)
    mine = api.as_(caller)
    data, errors = await mine.answer('{ project(name: "fraud") { role secrets { name } members { subject role } } }')
    assert (data["project"]["role"], data["project"]["secrets"]) == (role, [{"name": "db"}])
    assert (data["project"]["members"] is not None) is members
    assert [e["extensions"]["code"] for e in errors] == ([] if members else ["PERMISSION_DENIED"])
    data, errors = await mine.answer('{ audit(project: "fraud") { totalCount nodes { action actor before after } } }')
    assert (data is not None) is audit
    assert "hush" not in str(data)
    spec = "query($id: ID!) { node(id: $id) { ... on Revision { spec { variables { name value } } } } }"
    shown = (await mine.ask(spec, id=ids["Revision"]))["node"]["spec"]["variables"]
    assert shown == [{"name": "TOKEN", "value": value}]


async def test_events_and_audit_hold_no_bare_keys_and_no_values(api: Api) -> None:
    ids = await a_world(api)
    found = await api.ask(
        '{ events(first: 100) { nodes { subject data } } audit(project: "fraud") { nodes { after } } }'
    )
    assert "hush" not in str(found)
    rule = {"destinations": [{"weight": 100, "version_endpoint_id": ids["VersionEndpoint"]}]}
    assert {"rule": rule} in [event["data"] for event in found["events"]["nodes"]]


async def test_who_was_removed_sees_nothing_any_more(api: Api) -> None:
    ids = await a_world(api)
    await api.change(
        "updateProject",
        "project { id }",
        projectId=ids["Project"],
        members=[{"subject": "eve", "role": "ADMINISTRATOR"}],
    )
    assert (await api.as_("bob").ask(NODE, id=ids["Model"]))["node"] is None
    assert (await api.as_("eve").ask(NODE, id=ids["Model"]))["node"] is not None


async def test_roles_are_read_once_for_a_whole_page(api: Api) -> None:
    await a_world(api)
    async with counted() as statements:
        await api.as_("bob").ask(
            "{ projects { nodes { role models { nodes { versions { nodes { endpoints { nodes { revisions { nodes {"
            " spec { variables { value } } } } } } } } } } } } }"
        )
    assert len([sql for sql in statements.selects if "membership" in sql]) == 1


async def test_roles_are_read_once_for_many_nodes(api: Api) -> None:
    ids = list((await a_world(api)).values())
    async with counted() as statements:
        await api.as_("bob").ask("query($i: [ID!]!) { nodes(ids: $i) { id } }", i=ids)
    assert len([sql for sql in statements.selects if "membership" in sql]) == 1


async def test_an_event_shows_what_it_is_about_as_that_is_now(api: Api) -> None:
    ids = await a_world(api)
    about = """{ events(first: 100) { nodes { subject node { __typename id
        ... on VersionEndpoint { lifecycle updatedAt } ... on Model { name } } } } }"""
    nodes = (await api.as_("bob").ask(about))["events"]["nodes"]
    assert {node["node"]["__typename"] for node in nodes} >= {"Project", "Model", "Version", "VersionEndpoint"}
    assert all(node["subject"] == node["node"]["id"] for node in nodes)
    of_endpoint = [node["node"] for node in nodes if node["subject"] == ids["VersionEndpoint"]]
    assert {node["lifecycle"] for node in of_endpoint} == {"SERVING"}


async def test_an_event_about_what_is_gone_shows_nothing_of_it(api: Api) -> None:
    project = await a_project("gone")
    model = (await api.change("createModel", "model { id }", projectId=global_id("Project", project.id), name="m"))[
        "model"
    ]
    await api.change("deleteModel", "deletedId", modelId=model["id"])
    about = "query($s: ID!) { events(subject: $s) { nodes { type node { id } } } }"
    assert (await api.ask(about, s=model["id"]))["events"]["nodes"] == [
        {"type": "model.created", "node": None},
        {"type": "model.deleted", "node": None},
    ]


async def test_events_are_paged_and_resumed(api: Api) -> None:
    await a_world(api)
    page = (
        "query($a: Cursor) { events(first: 2, after: $a) { nodes { cursor message project { name } } cursor hasMore } }"
    )
    seen: list[str] = []
    after = None
    for _ in range(20):
        found = (await api.ask(page, a=after))["events"]
        seen += [event["cursor"] for event in found["nodes"]]
        after = found["cursor"]
        if not found["hasMore"]:
            break
    whole = (await api.ask("{ events(first: 100) { nodes { cursor } cursor } }"))["events"]
    assert seen == [event["cursor"] for event in whole["nodes"]]
    assert after == whole["cursor"]
    refused = await api.refused('{ events(after: "nonsense") { cursor } }')
    assert [(e["code"], e["path"]) for e in refused] == [("INVALID_INPUT", ["after"])]
    assert [e["code"] for e in await api.refused('{ events(after: "zz.1") { cursor } }')] == ["CURSOR_EXPIRED"]


async def test_pods_that_cannot_be_asked_for_hide_nothing_else(api: Api) -> None:
    ids = await a_world(api)
    query = "query($id: ID!) { node(id: $id) { ... on VersionEndpoint { url pods { name } } } }"
    data, errors = await api.answer(query, id=ids["VersionEndpoint"])
    assert (data["node"]["url"], data["node"]["pods"]) == ("http://gateway/fraud", None)
    assert [(error["path"], error["extensions"]["code"]) for error in errors] == [(["node", "pods"], "MISCONFIGURED")]
