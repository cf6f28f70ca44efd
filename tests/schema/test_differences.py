"""How revisions differ: any two of an endpoint, by fields, values of variables for editors only."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from merlin.db import projects
from merlin.db.projects import Member
from merlin.domain.lifecycle import Role
from merlin.domain.revision import Autoscaling, AutoscalingMetric, EnvironmentVariable, SecretReference
from merlin.schema.ids import global_id
from tests.db.worlds import ALICE, SPEC, World
from tests.schema.asking import Api

QUERY = """query($id: ID!, $number: Int!, $from: Int) { node(id: $id) { ... on VersionEndpoint {
  revision(number: $number) { changesFrom(number: $from) { path before after } } } } }"""
SECOND = replace(
    SPEC,
    resources=replace(SPEC.resources, cpu_request="2", cpu_limit="4"),
    max_replicas=3,
    autoscaling=Autoscaling(AutoscalingMetric.CPU, 70),
    variables=(EnvironmentVariable("A_B", "old"),),
    secrets=(SecretReference("s", "S"),),
)
THIRD = replace(SECOND, variables=(EnvironmentVariable("A_B", "new"), EnvironmentVariable("C", "c")), secrets=())


async def three_revisions() -> tuple[World, str]:
    """An endpoint with revisions 1 to 3."""
    world = await World.make()
    for spec in (SPEC, SECOND, THIRD):
        endpoint = await world.running(spec)
    return world, str(global_id("VersionEndpoint", endpoint.id))


async def changes(api: Api, id: str, number: int, other: int | None = None) -> dict[str, tuple[Any, Any]]:
    found = await api.ask(QUERY, id=id, number=number, **{"from": other})
    return {c["path"]: (c["before"], c["after"]) for c in found["node"]["revision"]["changesFrom"]}


async def test_any_two_revisions_are_compared(api: Api) -> None:
    _, id = await three_revisions()
    assert await changes(api, id, 1) == {}
    assert await changes(api, id, 2) == {
        "resources.cpuRequest": (SPEC.resources.cpu_request, "2"),
        "resources.cpuLimit": (SPEC.resources.cpu_limit, "4"),
        "maxReplicas": (SPEC.max_replicas, 3),
        "autoscaling.metric": (None, "CPU"),
        "autoscaling.targetPercent": (None, 70),
        "variables.A_B": (None, "old"),
        "secrets.S": (None, "s"),
    }
    third = {"variables.A_B": ("old", "new"), "variables.C": (None, "c"), "secrets.S": ("s", None)}
    assert await changes(api, id, 3) == third
    assert await changes(api, id, 2, 3) == {path: (after, before) for path, (before, after) in third.items()}
    assert await changes(api, id, 2, 2) == {}


async def test_readers_see_that_variables_differ_and_not_their_values(api: Api) -> None:
    world, id = await three_revisions()
    members = [Member("alice", Role.ADMINISTRATOR), Member("bob", Role.READER)]
    await projects.update_project(ALICE, world.model.project_id, members=members)
    shown = await changes(api.as_("bob"), id, 3)
    assert shown == {"variables.A_B": ("***", "***"), "variables.C": (None, "***"), "secrets.S": ("s", None)}


async def test_a_revision_that_is_not_there_is_refused(api: Api) -> None:
    _, id = await three_revisions()
    for other in (0, 4, -1, 2**31 - 1):
        (refused,) = await api.refused(QUERY, id=id, number=1, **{"from": other})
        assert (refused["code"], refused["path"]) == ("NOT_FOUND", ["number"]), other
