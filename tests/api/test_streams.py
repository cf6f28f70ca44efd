"""Subscriptions over both transports: snapshots and changes, replay and live, and every way in which they end.

| what happens | over WebSocket | over SSE |
|---|---|---|
| the connection is cut, the caller resumes after its cursor | no gap, no duplicate | the same |
| the reader is too slow | `error`, UNAVAILABLE, the cursor as hint | a last `next` with it |
| the token is revoked, the role taken | `error` | a last `next` |
| the server stops | close code 1012 | the end without `complete` |
| the caller goes away | nothing of the stream is left | the same |
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from websockets.exceptions import ConnectionClosed

from merlin.db import listing, projects
from merlin.db.feed import EventFeed
from merlin.db.tokens import revoke_tokens_of
from merlin.domain.lifecycle import Role
from merlin.domain.traffic import TrafficRule
from merlin.errors import Unavailable
from merlin.resolvers import streams
from merlin.schema.ids import global_id
from tests.api.served import Api, Cut, until
from tests.db.worlds import ALICE, World, a_project

EVENTS = "subscription($after: Cursor) { events(after: $after) { cursor type } }"
LAST = "{ events(first: 100) { cursor nodes { cursor type } } }"
ENDPOINT = "subscription($id: ID!) { versionEndpoint(id: $id) { lifecycle progressing activeRevision { number } } }"
TRAFFIC = "subscription($id: ID!) { modelEndpoint(id: $id) { status traffic { weight } } }"
TRANSPORTS = pytest.mark.parametrize("transport", ["websocket", "sse"])

Stream = AsyncGenerator[dict[str, Any], None]


@contextlib.asynccontextmanager
async def subscribed(
    api: Api, transport: str, query: str, /, token: str | None = None, **variables: Any
) -> AsyncIterator[Stream]:
    """The payloads of a subscription; leaving the block cuts the connection without a word."""
    if transport == "sse":
        async with api.sent(query, token=token, **variables) as payloads:
            yield payloads
        return
    async with api.socket(token) as socket:

        async def payloads_of() -> Stream:
            await socket.subscribe("1", query, **variables)
            while True:
                message = await socket.hear()
                if message["type"] == "complete":
                    return
                yield message["payload"] if message["type"] == "next" else {"errors": message["payload"]}

        async with contextlib.aclosing(payloads_of()) as payloads:
            yield payloads
            socket.connection.transport.abort()


async def until_nobody_listens(api: Api) -> None:
    """Return once no stream is open; the test's time-out is the deadline."""
    feed: Any = api.parts.feed
    await until(lambda: not feed._subscribers and not feed._watchers)


async def until_followed(api: Api, *, by: int = 1) -> None:
    """Return once so many subscribers of events are live."""
    await until(lambda: api.parts.feed.followers >= by)


# State


@TRANSPORTS
async def test_a_snapshot_comes_at_once_and_then_each_change(api: Api, transport: str) -> None:
    world = await World.make()
    endpoint, revision = await world.deploy()
    id = global_id("VersionEndpoint", endpoint.id)
    async with subscribed(api, transport, ENDPOINT, id=id) as payloads:
        first = (await anext(payloads))["data"]["versionEndpoint"]
        assert first == {"lifecycle": "PENDING", "progressing": True, "activeRevision": None}
        await world.become_active(endpoint, revision)
        second = (await anext(payloads))["data"]["versionEndpoint"]
        assert second == {"lifecycle": "RUNNING", "progressing": False, "activeRevision": {"number": 1}}
    await until_nobody_listens(api)


@TRANSPORTS
async def test_what_was_not_asked_for_sends_nothing(api: Api, transport: str) -> None:
    world = await World.make()
    endpoint = await world.running()
    query = "subscription($id: ID!) { versionEndpoint(id: $id) { desired } }"
    async with subscribed(api, transport, query, id=global_id("VersionEndpoint", endpoint.id)) as payloads:
        assert (await anext(payloads))["data"]["versionEndpoint"] == {"desired": "DEPLOYED"}
        await world.deploy()  # progressing, target revision, generation: not asked for
        await world.endpoint(endpoint.id)
        answer = await api.change("undeployVersion", "", versionEndpointId=global_id("VersionEndpoint", endpoint.id))
        assert answer["errors"] == []
        assert (await anext(payloads))["data"]["versionEndpoint"] == {"desired": "TERMINATED"}


async def test_traffic_that_moves_is_told_of_both_endpoints(api: Api) -> None:
    world = await World.make()
    endpoint = await world.running()
    rule = TrafficRule.all_to(endpoint.id)
    wished = await world.serve(rule)
    async with (
        subscribed(api, "sse", TRAFFIC, id=global_id("ModelEndpoint", wished.id)) as traffic,
        subscribed(api, "sse", ENDPOINT, id=global_id("VersionEndpoint", endpoint.id)) as version,
    ):
        assert (await anext(traffic))["data"]["modelEndpoint"] == {"status": "PENDING", "traffic": []}
        assert (await anext(version))["data"]["versionEndpoint"]["lifecycle"] == "RUNNING"
        await world.observe_traffic(wished, rule)
        assert (await anext(traffic))["data"]["modelEndpoint"] == {"status": "SERVING", "traffic": [{"weight": 100}]}
        assert (await anext(version))["data"]["versionEndpoint"]["lifecycle"] == "SERVING"


@TRANSPORTS
async def test_what_is_not_there_or_not_to_be_seen_is_not_found(api: Api, transport: str) -> None:
    world = await World.make()
    endpoint = await world.running()
    stranger = await api.user("mallory")
    for id, token, code in (
        (global_id("VersionEndpoint", endpoint.id), stranger, "NOT_FOUND"),
        (global_id("VersionEndpoint", world.model.id), None, "NOT_FOUND"),
        (global_id("Model", world.model.id), None, "INVALID_ID"),
    ):
        async with subscribed(api, transport, ENDPOINT, token=token, id=id) as payloads:
            errors = (await anext(payloads))["errors"]
            assert errors[0]["extensions"] == {**errors[0]["extensions"], "code": code, "path": ["id"]}


# Events


@TRANSPORTS
async def test_a_cut_connection_resumes_without_gap_or_duplicate(api: Api, transport: str) -> None:
    """Events are written all the time, while the connection is cut again and again at any event."""
    stop = asyncio.Event()

    async def write() -> None:
        for number in range(60):
            await a_project(f"p{number}")
        stop.set()

    start = (await api.ask(LAST))["events"]["cursor"]
    writing = asyncio.create_task(write())
    got: list[str] = []
    cursor = start
    while len(got) < 60:
        async with asyncio.timeout(30), subscribed(api, transport, EVENTS, after=cursor) as payloads:
            for _ in range(min(7, 60 - len(got))):
                event = (await anext(payloads))["data"]["events"]
                cursor = event["cursor"]
                got.append(cursor)
    await writing
    written = (await api.ask(LAST))["events"]["nodes"]
    assert got == [event["cursor"] for event in written]
    await until_nobody_listens(api)


@TRANSPORTS
async def test_without_a_cursor_it_begins_now(api: Api, transport: str) -> None:
    await a_project("before")
    async with subscribed(api, transport, EVENTS) as payloads:
        coming = asyncio.ensure_future(anext(payloads))
        await until_followed(api)
        await a_project("after")
        assert (await coming)["data"]["events"]["type"] == "project.created"
        assert len((await api.ask(LAST))["events"]["nodes"]) == 2


async def test_filters_choose_what_is_sent(api: Api) -> None:
    first, second = await a_project("one"), await a_project("two")
    start = (await api.ask("{ events(first: 1) { cursor } }"))["events"]["cursor"]
    query = """subscription($after: Cursor, $project: String, $subject: ID, $subjects: [ID!],
      $types: [String!]) {
      events(after: $after, project: $project, subject: $subject, subjects: $subjects, types: $types) { message } }"""
    for wanted in (
        {"project": "two"},
        {"subject": global_id("Project", second.id)},
        {"subjects": [global_id("Project", second.id), global_id("Model", uuid4())]},
        {"types": ["project.updated"]},
    ):
        async with api.sent(query, after=start, **wanted) as payloads:
            coming = asyncio.ensure_future(anext(payloads))
            await projects.update_project(ALICE, first.id, team=f"t{len(wanted)}{next(iter(wanted))}")
            await projects.update_project(ALICE, second.id, team=f"t{next(iter(wanted))}")
            message = (await coming)["data"]["events"]["message"]
            assert ("two" in message) == ("types" not in wanted), wanted


@TRANSPORTS
@pytest.mark.parametrize(("after", "code"), [("nonsense", "INVALID_INPUT"), ("zzzz.5", "CURSOR_EXPIRED")])
async def test_a_cursor_that_cannot_be_resumed_says_so(api: Api, transport: str, after: str, code: str) -> None:
    async with subscribed(api, transport, EVENTS, after=after) as payloads:
        assert (await anext(payloads))["errors"][0]["extensions"]["code"] == code


@TRANSPORTS
async def test_a_slow_reader_is_cut_off_and_can_resume(
    api: Api, transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes nothing while more events come than are kept for it; nobody else waits for it."""
    monkeypatch.setattr(api.parts.feed, "_queue_length", 5)
    gate = asyncio.Event()
    follow = EventFeed.follow

    async def slow(feed: EventFeed, **options: Any) -> AsyncGenerator[Any, None]:
        async with contextlib.aclosing(follow(feed, **options)) as events:
            async for event in events:
                yield event
                await gate.wait()

    monkeypatch.setattr(EventFeed, "follow", slow)
    got: list[str] = []
    async with subscribed(api, transport, EVENTS) as payloads:
        coming = asyncio.ensure_future(anext(payloads))
        await until_followed(api)
        for number in range(20):
            await a_project(f"p{number}")
        got.append((await coming)["data"]["events"]["cursor"])
        await until(lambda: next(iter(api.parts.feed._subscribers)).is_cut_off)
        gate.set()
        payload = await anext(payloads)
        while "errors" not in payload:
            got.append(payload["data"]["events"]["cursor"])
            payload = await anext(payloads)
    error = payload["errors"][0]
    assert error["extensions"] == {"code": "UNAVAILABLE", "hint": got[-1]}
    async with subscribed(api, transport, EVENTS, after=got[-1]) as payloads:
        while len(got) < 20:
            got.append((await anext(payloads))["data"]["events"]["cursor"])
    assert got == [event["cursor"] for event in (await api.ask(LAST))["events"]["nodes"]]


async def test_a_database_that_is_restarted_ends_no_state_stream(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reads and checks fail for a while, as they do then; the next change comes all the same."""
    monkeypatch.setattr(streams, "RECHECK_SECONDS", 0.02)
    monkeypatch.setattr(streams, "PAUSE_SECONDS", 0.01)
    world = await World.make()
    endpoint, revision = await world.deploy()
    failing, failed = asyncio.Event(), asyncio.Event()
    read = listing.read_by_key

    async def read_or_fail(*args: Any) -> Any:
        if failing.is_set():
            failed.set()
            raise Unavailable("The database did not answer.")
        return await read(*args)

    monkeypatch.setattr("merlin.resolvers.loaders.read_by_key", read_or_fail)
    async with api.sent(ENDPOINT, id=global_id("VersionEndpoint", endpoint.id)) as payloads:
        assert (await anext(payloads))["data"]["versionEndpoint"]["lifecycle"] == "PENDING"
        failing.set()
        await world.become_active(endpoint, revision)
        async with asyncio.timeout(10):
            await failed.wait()
        failing.clear()
        assert (await anext(payloads))["data"]["versionEndpoint"]["lifecycle"] == "RUNNING"


# Rights


@TRANSPORTS
async def test_a_revoked_token_ends_a_running_stream(api: Api, transport: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "RECHECK_SECONDS", 0.05)
    token = await api.user("alice")
    async with subscribed(api, transport, EVENTS, token=token) as payloads:
        coming = asyncio.ensure_future(anext(payloads))
        await until_followed(api)
        await revoke_tokens_of("alice")
        assert (await coming)["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


@TRANSPORTS
async def test_a_member_who_is_removed_sees_no_more(api: Api, transport: str) -> None:
    world = await World.make()
    endpoint = await world.running()
    members = [projects.Member("alice", Role.ADMINISTRATOR), projects.Member("bob", Role.READER)]
    await projects.update_project(ALICE, world.model.project_id, members=members)
    token = await api.user("bob")
    id = global_id("VersionEndpoint", endpoint.id)
    async with subscribed(api, transport, ENDPOINT, token=token, id=id) as payloads:
        assert (await anext(payloads))["data"]["versionEndpoint"]["lifecycle"] == "RUNNING"
        await projects.update_project(ALICE, world.model.project_id, members=members[:1])
        assert (await anext(payloads))["errors"][0]["extensions"]["code"] == "NOT_FOUND"


@TRANSPORTS
async def test_whoever_joins_or_leaves_a_project_is_told_at_once_to_subscribe_anew(api: Api, transport: str) -> None:
    world = await World.make()
    members = [projects.Member("alice", Role.ADMINISTRATOR), projects.Member("bob", Role.READER)]
    token = await api.user("bob")
    for joined in (members, members[:1]):
        async with subscribed(api, transport, EVENTS, token=token) as payloads:
            coming = asyncio.ensure_future(anext(payloads))
            await until_followed(api)
            await projects.update_project(ALICE, world.model.project_id, members=joined)
            async with asyncio.timeout(10):  # far less than the half minute after which it is asked anyway
                error = (await coming)["errors"][0]
            assert (error["extensions"]["code"], error["message"]) == ("UNAVAILABLE", "Your projects have changed.")


async def test_events_of_other_peoples_projects_do_not_come(api: Api) -> None:
    await a_project("alices")
    stranger = await api.user("mallory")
    async with api.sent(EVENTS, token=stranger) as payloads:
        coming = asyncio.ensure_future(anext(payloads))
        await until_followed(api)
        subscriber = next(iter(api.parts.feed._subscribers))
        await a_project("more")
        async with api.sent(EVENTS) as seen_by_admin:
            also = asyncio.ensure_future(anext(seen_by_admin))
            await until_followed(api, by=2)
            await a_project("even-more")
            await also
        assert subscriber.queue.empty()
        assert not coming.done()
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)


# Ends


async def test_several_operations_share_a_connection_and_end_one_by_one(api: Api) -> None:
    async with api.socket() as socket:
        await socket.subscribe("a", EVENTS)
        await socket.subscribe("b", EVENTS)
        await until_followed(api, by=2)
        await socket.send({"id": "a", "type": "complete"})
        await socket.send({"type": "ping"})
        assert await socket.hear() == {"type": "pong"}
        assert api.parts.feed.followers == 1
        await a_project("one")
        assert (await socket.hear())["id"] == "b"
        await socket.subscribe("a", EVENTS)  # the id is free again
    await until_nobody_listens(api)


@TRANSPORTS
async def test_nothing_of_a_stream_is_left_when_the_caller_vanishes(api: Api, transport: str) -> None:
    world = await World.make()
    endpoint = await world.running()
    async with subscribed(api, transport, ENDPOINT, id=global_id("VersionEndpoint", endpoint.id)) as payloads:
        await anext(payloads)
    async with subscribed(api, transport, EVENTS) as payloads:
        coming = asyncio.ensure_future(anext(payloads))
        await until_followed(api)
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)
    await until_nobody_listens(api)
    text = (await api.http.get(api.url + "/metrics")).text
    assert 'merlin_api_subscriptions{operation="events"} 0.0' in text
    assert 'merlin_api_subscriptions{operation="versionEndpoint"} 0.0' in text


async def test_queries_and_mutations_run_on_streaming_transports_too(api: Api) -> None:
    async with api.sent("{ me { subject } }") as payloads:
        assert [payload["data"] async for payload in payloads] == [{"me": {"subject": "admin"}}]


async def test_a_refused_operation_is_an_error_message_and_the_connection_lives(api: Api) -> None:
    async with api.socket() as socket:
        await socket.subscribe("1", "subscription { nothing }")
        refused = await socket.hear()
        assert (refused["type"], refused["payload"][0]["extensions"]["code"]) == ("error", "VALIDATION_FAILED")
        await socket.subscribe("1", "{ me { subject } }")
        assert (await socket.next())["data"] == {"me": {"subject": "admin"}}


async def test_a_stop_closes_websockets_with_1012(api: Api) -> None:
    async with api.socket() as socket:
        await socket.subscribe("1", EVENTS)
        await until_followed(api)
        api.server.stop()
        with pytest.raises(ConnectionClosed) as closed:
            await socket.hear()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1012


async def test_a_stop_ends_sse_without_complete_so_that_callers_resume(api: Api) -> None:
    async with api.sent(EVENTS) as payloads:
        coming = asyncio.ensure_future(anext(payloads))
        await until_followed(api)
        api.server.stop()
        with pytest.raises(Cut):
            await coming
