"""What a home page asks: how much is in each project, in one statement; and who did what, narrowed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from merlin.db import models
from merlin.domain.traffic import TrafficRule
from merlin.schema.ids import global_id
from tests.db.worlds import ALICE, World, a_model, a_project, a_version, fetch
from tests.schema.asking import Api, counted

SUMMARIES = """{ projects { nodes { name
  summary { models serving running pending failed progressing unhealthy } } } }"""
MODEL_SUMMARIES = """{ project(name: "fraud") { models { nodes { name
  summary { serving running pending failed progressing unhealthy } } } } }"""
AUDIT = """query($actor: String, $actions: [String!], $since: DateTime, $until: DateTime, $subject: ID) {
  audit(project: "fraud", actor: $actor, actions: $actions, since: $since, until: $until, subject: $subject) {
    totalCount nodes { action actor at } } }"""


async def test_every_project_has_its_summary_in_one_statement(api: Api) -> None:
    world = await World.make()
    serving = await world.running()
    await world.serving(TrafficRule.all_to(serving.id))
    await (await world.sibling()).running()
    ill = await (await world.sibling()).running()
    await (await world.sibling()).deploy()
    failed, _ = await (await world.sibling()).deploy()
    gone = await (await world.sibling()).running()
    await fetch("UPDATE version_endpoint SET healthy = false WHERE id = $1 RETURNING id", ill.id)
    await fetch(
        "UPDATE version_endpoint SET lifecycle = 'failed', progressing = false WHERE id = $1 RETURNING id", failed.id
    )
    await fetch("UPDATE version_endpoint SET lifecycle = 'terminated' WHERE id = $1 RETURNING id", gone.id)
    other = await a_project("other")
    await a_version(await a_model("unused", other))
    async with counted() as statements:
        found = (await api.ask(SUMMARIES))["projects"]["nodes"]
    assert len(statements.selects) == 2, statements.selects
    nothing = {"serving": 0, "running": 0, "pending": 0, "failed": 0, "progressing": 0, "unhealthy": 0}
    assert {project["name"]: project["summary"] for project in found} == {
        "fraud": {
            "models": 1,
            "serving": 1,
            "running": 2,
            "pending": 1,
            "failed": 1,
            "progressing": 1,
            "unhealthy": 1,
        },
        "other": {"models": 1, **nothing},
    }


async def test_every_model_has_its_summary_in_one_statement(api: Api) -> None:
    world = await World.make()
    serving = await world.running()
    await world.serving(TrafficRule.all_to(serving.id))
    await (await world.sibling()).deploy()
    for _ in range(2):
        failed, _revision = await (await world.sibling()).deploy()
        await fetch(
            "UPDATE version_endpoint SET lifecycle = 'failed', progressing = false WHERE id = $1 RETURNING id",
            failed.id,
        )
    await models.create_model(ALICE, project_id=world.model.project_id, name="unused")
    async with counted() as statements:
        found = (await api.ask(MODEL_SUMMARIES))["project"]["models"]["nodes"]
    assert len(statements.selects) == 3, statements.selects
    nothing = {"serving": 0, "running": 0, "pending": 0, "failed": 0, "progressing": 0, "unhealthy": 0}
    assert {model["name"]: model["summary"] for model in found} == {
        world.model.name: {**nothing, "serving": 1, "pending": 1, "failed": 2, "progressing": 1},
        "unused": nothing,
    }


async def test_the_audit_is_narrowed(api: Api) -> None:
    world = await World.make()
    endpoint = await world.running()
    every = (await api.ask(AUDIT))["audit"]["nodes"]
    actions = {line["action"] for line in every}
    assert actions == {"project.created", "model.created", "version.created", "version.finished", "deployment.deploy"}

    async def found(**wanted: object) -> list[str]:
        audit = (await api.ask(AUDIT, **wanted))["audit"]
        assert audit["totalCount"] == len(audit["nodes"])
        return [line["action"] for line in audit["nodes"]]

    assert await found(actions=["deployment.deploy"]) == ["deployment.deploy"]
    assert await found(actions=["version.", "deployment"]) == ["version.finished", "version.created"]
    assert await found(actions=[]) == []
    assert await found(actor="alice") == [line["action"] for line in every]
    assert await found(actor="bob") == []
    assert await found(subject=global_id("VersionEndpoint", endpoint.id)) == ["deployment.deploy"]
    newest = every[0]["at"]
    assert await found(since=newest) == ["deployment.deploy"]
    assert await found(until=newest) == [line["action"] for line in every[1:]]
    assert await found(since=(datetime.now(UTC) + timedelta(hours=1)).isoformat()) == []
