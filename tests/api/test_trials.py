"""Trying an endpoint: its answer is shown as it is; who may not, what cannot be sent and who is silent is named."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from merlin.db import projects
from merlin.db.projects import Member
from merlin.domain.lifecycle import Role
from merlin.domain.traffic import TrafficRule
from merlin.resolvers import trials
from merlin.schema.ids import global_id
from tests.api.served import Api
from tests.db.worlds import ALICE, World, fetch, traces

REQUEST = {"inputs": [{"name": "x", "shape": [1], "datatype": "FP64", "data": [1.0]}]}
TRIAL = "trial { url status latencyMs answer text model version revision }"


@dataclass
class Gateway:
    """What a gateway was asked, and how it answers: by what stands in the request's `id`."""

    url: str = ""
    asked: list[tuple[str, Any]] = field(default_factory=list)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.asked.append((request.path, body))
        named = {"merlin-model": "scorer", "merlin-version": "3", "merlin-revision": "x"}
        match body.get("id"):
            case "bad":
                return web.json_response({"error": "shape"}, status=400)
            case "text":
                return web.Response(text="no such route", status=404)
            case "elsewhere":
                raise web.HTTPFound("http://127.0.0.1:9/secret")
            case "huge":
                return web.Response(body=b" " * (trials.MOST_ANSWER_BYTES + 1))
            case "silent":
                await self.ended.wait()
        return web.json_response({"outputs": [{"data": [2.0]}]}, headers=named)


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    """A gateway of the test's own."""
    gateway = Gateway()
    app = web.Application()
    app.router.add_post("/{path:.*}", gateway.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    gateway.url = site.name
    yield gateway
    gateway.ended.set()
    await runner.cleanup()


async def running(url: str) -> tuple[World, str]:
    """A running version endpoint at that address."""
    world = await World.make()
    endpoint = await world.running(url=f"{url}/fraud/scorer/versions/1")
    return world, str(global_id("VersionEndpoint", endpoint.id))


async def tried(api: Api, id: str, request: Any, **options: Any) -> dict[str, Any]:
    return await api.change("tryVersionEndpoint", TRIAL, versionEndpointId=id, request=request, **options)


async def test_a_request_goes_to_the_endpoint_and_its_answer_comes_back(api: Api, gateway: Gateway) -> None:
    _, id = await running(gateway.url)
    before = await traces()
    payload = await tried(api, id, REQUEST)
    assert payload["errors"] == []
    assert payload["trial"].pop("latencyMs") > 0
    assert payload["trial"] == {
        "url": f"{gateway.url}/fraud/scorer/versions/1/v2/models/scorer/infer",
        "status": 200,
        "answer": {"outputs": [{"data": [2.0]}]},
        "text": None,
        "model": "scorer",
        "version": 3,
        "revision": None,
    }
    assert gateway.asked == [("/fraud/scorer/versions/1/v2/models/scorer/infer", REQUEST)]
    assert await traces() == before


async def test_a_model_endpoint_is_tried_while_a_version_serves(api: Api, gateway: Gateway) -> None:
    world, _ = await running(gateway.url)
    serving = await world.serve(TrafficRule.all_to((await fetch("SELECT id FROM version_endpoint"))[0]["id"]))
    id = global_id("ModelEndpoint", serving.id)
    early = await api.change("tryModelEndpoint", TRIAL, modelEndpointId=id, request=REQUEST)
    assert early["errors"][0]["code"] == "NOT_RUNNING"
    await fetch("UPDATE model_endpoint SET url = $1 RETURNING id", f"{gateway.url}/fraud/scorer")
    rule = TrafficRule.all_to((await fetch("SELECT id FROM version_endpoint"))[0]["id"])
    await world.observe_traffic(serving, rule)
    payload = await api.change("tryModelEndpoint", TRIAL, modelEndpointId=id, request=REQUEST)
    assert (payload["errors"], payload["trial"]["status"]) == ([], 200)
    assert gateway.asked[0][0] == "/fraud/scorer/v2/models/scorer/infer"


async def test_what_the_model_refuses_is_an_answer(api: Api, gateway: Gateway) -> None:
    _, id = await running(gateway.url)
    bad = (await tried(api, id, {**REQUEST, "id": "bad"}))["trial"]
    assert (bad["status"], bad["answer"], bad["text"]) == (400, {"error": "shape"}, None)
    text = (await tried(api, id, {**REQUEST, "id": "text"}))["trial"]
    assert (text["status"], text["answer"], text["text"]) == (404, None, "no such route")
    elsewhere = (await tried(api, id, {**REQUEST, "id": "elsewhere"}))["trial"]
    assert elsewhere["status"] == 302, "a redirect is shown, never followed"


async def test_what_fails_is_named(api: Api, gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    _, id = await running(gateway.url)
    assert await refused(api, id, {**REQUEST, "id": "huge"}) == ("LIMIT_EXCEEDED", [])
    monkeypatch.setattr(trials, "TRY_SECONDS", 0.05)
    assert await refused(api, id, {**REQUEST, "id": "silent"}) == ("ENDPOINT_UNREACHABLE", [])
    monkeypatch.setattr(trials, "MOST_AT_ONCE", 0)
    assert await refused(api, id, REQUEST) == ("UNAVAILABLE", [])


async def test_nobody_listens(api: Api) -> None:
    _, id = await running("http://127.0.0.1:9")
    assert await refused(api, id, REQUEST) == ("ENDPOINT_UNREACHABLE", [])


async def test_what_cannot_be_sent_is_refused(api: Api, gateway: Gateway) -> None:
    world, id = await running(gateway.url)
    deep: Any = []
    for _ in range(300):
        deep = [deep]
    for request in ([1], "text", {"inputs": deep}):
        assert await refused(api, id, request) == ("INVALID_INPUT", ["request"]), request
    assert await refused(api, id, {"inputs": "x" * trials.MOST_REQUEST_BYTES}) == ("LIMIT_EXCEEDED", ["request"])
    pending, _ = await (await world.sibling()).deploy()
    assert await refused(api, str(global_id("VersionEndpoint", pending.id)), REQUEST) == (
        "NOT_RUNNING",
        ["versionEndpointId"],
    )
    assert gateway.asked == []


async def test_readers_may_and_strangers_may_not(api: Api, gateway: Gateway) -> None:
    world, id = await running(gateway.url)
    await projects.update_project(
        ALICE, world.model.project_id, members=[Member("alice", Role.ADMINISTRATOR), Member("bob", Role.READER)]
    )
    assert (await tried(api, id, REQUEST, token=await api.user("bob")))["trial"]["status"] == 200
    stranger = await tried(api, id, REQUEST, token=await api.user("eve"))
    assert stranger["errors"][0]["code"] == "NOT_FOUND"
    assert len(gateway.asked) == 1


async def refused(api: Api, id: str, request: Any) -> tuple[str, list[str]]:
    (error,) = (await tried(api, id, request))["errors"]
    return error["code"], error["path"]
