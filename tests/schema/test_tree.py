"""The nested tree: down and up, one statement a level, whatever the number of parents."""

from __future__ import annotations

from merlin.domain.traffic import TrafficRule
from tests.db.worlds import World, a_model, a_project, a_version, an_environment
from tests.schema.asking import Api, counted

DOWN = """{ projects { totalCount nodes { name role labels { key value } models { nodes { name mlflowUrl
  endpoint { url status traffic { weight versionEndpoint { id } } servingVersion { number } }
  latestVersion { number }
  versions { nodes { number state aliases metrics { key value }
    endpoints { nodes { url lifecycle settled targetRevision { number } activeRevision { number }
      revisions { nodes { number status spec { runtime resources { cpuRequest } variables { name value } } } }
    } } } } } } } } }"""
UP = """query($id: ID!) { node(id: $id) { __typename id ... on VersionEndpoint { revisions { nodes { versionEndpoint {
  version { model { project { name } } } environment { name isDefault gatewayUrl defaults { runtime } } } } } } } }"""
LEVELS = """{ projects { nodes { models { nodes { versions { nodes { endpoints { nodes { revisions { nodes {
  number } } } } } } } } } } }"""


async def test_the_tree_is_read_downwards(api: Api) -> None:
    world = await World.make()
    endpoint = await world.running()
    await world.serving(TrafficRule.all_to(endpoint.id))
    project = (await api.ask(DOWN))["projects"]["nodes"][0]
    assert (project["name"], project["role"]) == ("fraud", "ADMINISTRATOR")
    model = project["models"]["nodes"][0]
    assert model["endpoint"]["servingVersion"] == {"number": 1}
    assert [share["weight"] for share in model["endpoint"]["traffic"]] == [100]
    version = model["versions"]["nodes"][0]
    shown = version["endpoints"]["nodes"][0]
    assert shown["lifecycle"] == "SERVING"
    assert shown["activeRevision"] == {"number": 1}
    assert shown["revisions"]["nodes"][0]["status"] == "ACTIVE"


async def test_every_thing_leads_up(api: Api) -> None:
    world = await World.make()
    await world.running()
    found = await api.ask("{ versionEndpoints { nodes { id } } }")
    node = (await api.ask(UP, id=found["versionEndpoints"]["nodes"][0]["id"]))["node"]
    assert node["__typename"] == "VersionEndpoint"
    above = node["revisions"]["nodes"][0]["versionEndpoint"]
    assert above["version"]["model"]["project"]["name"] == "fraud"
    assert above["environment"]["isDefault"] is True


async def test_each_level_costs_one_statement(api: Api) -> None:
    environment = await an_environment()
    for name in ("a", "b", "c"):
        project = await a_project(name)
        for model_name in ("x", "y"):
            model = await a_model(model_name, project)
            for _ in range(2):
                await World(model, await a_version(model), environment).running()
    async with counted() as statements:
        found = await api.ask(LEVELS)
    assert len(statements.selects) == 5, statements.selects
    versions = [v for p in found["projects"]["nodes"] for m in p["models"]["nodes"] for v in m["versions"]["nodes"]]
    assert [e["revisions"]["nodes"] for v in versions for e in v["endpoints"]["nodes"]] == [[{"number": 1}]] * 12
