"""Logs of all pods of an endpoint: merged by time, followed across pods that come and go, resumed line by line."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from merlin.db.environments import sync_environments
from merlin.domain.environment import parse_environments
from merlin.resolvers import logs
from merlin.schema.ids import global_id
from tests.api.pod_logs import PodLogs
from tests.api.served import Api, a_settings, served, until
from tests.db.worlds import World, a_model, a_version, environment_entry

PAGE = """query($id: ID!, $tail: Int! = 100, $after: Cursor, $pod: String, $search: String) {
  logs(versionEndpointId: $id, tail: $tail, after: $after, pod: $pod, search: $search) {
    cursor lines { cursor at pod container revision text } } }"""
FOLLOW = """subscription($id: ID!, $tail: Int! = 100, $after: Cursor, $follow: Boolean! = true, $search: String) {
  logs(versionEndpointId: $id, tail: $tail, after: $after, follow: $follow, search: $search) { cursor text pod } }"""


@dataclass
class Stage:
    """A served API whose environment's pods are played by the test, and an endpoint that runs."""

    api: Api
    cluster: PodLogs
    id: str
    endpoint_id: Any

    async def texts(self, **variables: Any) -> list[str]:
        """The page's lines."""
        page = (await self.api.ask(PAGE, id=self.id, **variables))["logs"]
        return [line["text"] for line in page["lines"]]


@pytest.fixture
async def stage(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    """An endpoint without pods."""
    monkeypatch.setattr(logs, "LOOK_SECONDS", 0.02)
    async with PodLogs.running(tmp_path) as cluster:
        entry = environment_entry(cluster={"name": "local", "kubeconfig": str(cluster.kubeconfig)})
        async with served(a_settings(tmp_path, database_url, entry)) as api:
            environment = (await sync_environments(parse_environments([entry])))[0]
            model = await a_model()
            world = World(model, await a_version(model), environment)
            endpoint = await world.running()
            yield Stage(api, cluster, str(global_id("VersionEndpoint", endpoint.id)), endpoint.id)


async def test_lines_of_all_pods_come_in_order_of_time_the_last_ones_first_chosen(stage: Stage) -> None:
    one, two = (stage.cluster.pod(name, stage.endpoint_id, revision=n) for n, name in enumerate(("one", "two"), 1))
    for n in range(6):
        (one if n % 2 else two).write(f"line {n}", n)
    assert await stage.texts() == [f"line {n}" for n in range(6)]
    assert await stage.texts(tail=3) == ["line 3", "line 4", "line 5"]
    assert await stage.texts(pod="two") == ["line 0", "line 2", "line 4"]
    line = (await stage.api.ask(PAGE, id=stage.id, tail=1))["logs"]["lines"][0]
    assert {**line, "cursor": ""} == {
        "cursor": "",
        "at": "2026-01-01T12:00:00.005000Z",
        "pod": "one",
        "container": "kserve-container",
        "revision": 1,
        "text": "line 5",
    }


async def test_every_lines_cursor_goes_on_after_it_even_within_one_moment(stage: Stage) -> None:
    one, two = stage.cluster.pod("one", stage.endpoint_id), stage.cluster.pod("two", stage.endpoint_id)
    for n in range(5):
        one.write(f"one {n}", 7)  # all at the same time, and within the same second as the others
        two.write(f"two {n}", 5 + n)
    page = (await stage.api.ask(PAGE, id=stage.id))["logs"]
    every = [line["text"] for line in page["lines"]]
    assert len(every) == 10
    for index, line in enumerate(page["lines"]):
        assert await stage.texts(after=line["cursor"]) == every[index + 1 :]
    assert await stage.texts(after=page["cursor"]) == []


async def test_a_followed_log_goes_on_with_new_lines_pods_and_containers(stage: Stage) -> None:
    one = stage.cluster.pod("one", stage.endpoint_id)
    one.write("old", 0)
    async with stage.api.sent(FOLLOW, id=stage.id) as payloads:

        async def text() -> str:
            return str((await anext(payloads))["data"]["logs"]["text"])

        assert await text() == "old"
        one.write("new", 10)
        assert await text() == "new"
        stage.cluster.pod("two", stage.endpoint_id, revision=2).write("of another pod", 20)
        assert await text() == "of another pod"
        one.end()
        one.write("after a restart", 30)
        assert await text() == "after a restart"
        stage.cluster.broken = True
        one.end()
        one.write("while the cluster was away", 40)
        await until(lambda: stage.cluster.following == 1)
        stage.cluster.broken = False
        assert await text() == "while the cluster was away"
    await until(lambda: stage.cluster.following == 0)


async def test_a_search_finds_the_last_lines_that_hold_the_text_whatever_the_case(stage: Stage) -> None:
    one, two = (stage.cluster.pod(name, stage.endpoint_id) for name in ("one", "two"))
    for n in range(400):
        (one if n % 2 else two).write(f"{'Grüße ERROR' if n % 100 == 7 else 'fine'} {n}", n)
    assert await stage.texts(search="error") == [f"Grüße ERROR {n}" for n in (7, 107, 207, 307)]
    assert await stage.texts(search="GRÜSSE", tail=2) == ["Grüße ERROR 207", "Grüße ERROR 307"]
    assert await stage.texts(search="error", pod="two") == []
    assert await stage.texts(search="", tail=1) == ["fine 399"]
    page = (await stage.api.ask(PAGE, id=stage.id, search="error"))["logs"]
    assert await stage.texts(after=page["lines"][1]["cursor"], search="error") == ["Grüße ERROR 207", "Grüße ERROR 307"]
    assert await stage.texts(after=page["cursor"]) == [], "what was looked through is behind the cursor"
    (refused,) = await stage.api.errors(PAGE, id=stage.id, search="x" * 201)
    assert (refused["extensions"]["code"], refused["extensions"]["path"]) == ("INVALID_INPUT", ["search"])


async def test_a_followed_search_sends_only_what_it_finds(stage: Stage) -> None:
    one = stage.cluster.pod("one", stage.endpoint_id)
    one.write("an Error", 0)
    async with stage.api.sent(FOLLOW, id=stage.id, search="error") as payloads:
        assert (await anext(payloads))["data"]["logs"]["text"] == "an Error"
        one.write("fine", 10)
        one.write("another error", 20)
        found = (await anext(payloads))["data"]["logs"]
        assert found["text"] == "another error"
    one.write("fine again", 30)
    assert await stage.texts(after=found["cursor"]) == ["fine again"]


@pytest.mark.parametrize("transport", ["websocket", "sse"])
async def test_a_cut_stream_resumes_without_gap_or_duplicate(stage: Stage, transport: str) -> None:
    pods = [stage.cluster.pod(name, stage.endpoint_id) for name in ("one", "two")]
    written: list[str] = []

    async def write() -> None:
        for n in range(100):
            pods[n % 2].write(f"line {n}", n // 4)  # several at the same time
            written.append(f"line {n}")
            await asyncio.sleep(0)

    writing = asyncio.create_task(write())
    got: list[str] = []
    after: str | None = None
    while len(got) < 100:
        async with asyncio.timeout(20), lines_of(stage, transport, after) as lines:
            for _ in range(min(9, 100 - len(got))):
                line = await anext(lines)
                after = line["cursor"]
                got.append(line["text"])
    await writing
    assert sorted(got) == sorted(written)
    for name in (0, 1):
        assert [text for text in got if int(text.split()[1]) % 2 == name] == written[name::2]
    await until(lambda: stage.cluster.following == 0)


@contextlib.asynccontextmanager
async def lines_of(stage: Stage, transport: str, after: str | None) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
    """Lines of a subscription that is cut at the end of the block."""
    if transport == "sse":
        async with stage.api.sent(FOLLOW, id=stage.id, after=after) as payloads:
            yield (payload["data"]["logs"] async for payload in payloads)
        return
    async with stage.api.socket() as socket:
        await socket.subscribe("1", FOLLOW, id=stage.id, after=after)

        async def heard() -> AsyncIterator[dict[str, Any]]:
            while True:
                yield (await socket.next())["data"]["logs"]

        yield heard()
        socket.connection.transport.abort()


async def test_without_follow_the_stream_ends(stage: Stage) -> None:
    stage.cluster.pod("one", stage.endpoint_id).write("old", 0)
    async with stage.api.sent(FOLLOW, id=stage.id, follow=False) as payloads:
        assert [payload["data"]["logs"]["text"] async for payload in payloads] == ["old"]


async def test_a_tail_of_nothing_follows_from_now(stage: Stage) -> None:
    one = stage.cluster.pod("one", stage.endpoint_id)
    one.write("old", 0)
    async with stage.api.sent(FOLLOW, id=stage.id, tail=0) as payloads:
        coming = asyncio.ensure_future(anext(payloads))
        await until(lambda: stage.cluster.following == 1)
        one.write("new", 0)  # of the same moment
        assert (await coming)["data"]["logs"]["text"] == "new"


@pytest.mark.parametrize(
    ("variables", "code", "path"),
    [
        ({"tail": -1}, "INVALID_INPUT", ["tail"]),
        ({"tail": 5001}, "INVALID_INPUT", ["tail"]),
        ({"after": "nonsense"}, "INVALID_INPUT", ["after"]),
        ({"after": "W10"}, "INVALID_INPUT", ["after"]),
        ({"after": base64.b64encode(b'{"a": [1e30, 1]}').decode()}, "INVALID_INPUT", ["after"]),
        ({"pod": "nobody"}, "NOT_FOUND", ["pod"]),
        ({"id": "nonsense"}, "INVALID_ID", ["versionEndpointId"]),
    ],
)
async def test_a_bad_question_says_what_is_bad(
    stage: Stage, variables: dict[str, Any], code: str, path: list[str]
) -> None:
    errors = await stage.api.errors(PAGE, **{"id": stage.id, **variables})
    assert (errors[0]["extensions"]["code"], errors[0]["extensions"]["path"]) == (code, path)


async def test_strangers_read_no_logs_and_a_cluster_that_is_away_is_said(stage: Stage) -> None:
    token = await stage.api.user("mallory")
    assert (await stage.api.errors(PAGE, token=token, id=stage.id))[0]["extensions"]["code"] == "NOT_FOUND"
    async with stage.api.sent(FOLLOW, token=token, id=stage.id) as payloads:
        assert (await anext(payloads))["errors"][0]["extensions"]["code"] == "NOT_FOUND"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logs, "READ_SECONDS", 0.0)  # whatever it answers comes too late
        assert (await stage.api.errors(PAGE, id=stage.id))[0]["extensions"]["code"] == "CLUSTER_UNREACHABLE"
    stage.cluster.broken = True
    assert (await stage.api.errors(PAGE, id=stage.id))[0]["extensions"]["code"] == "CLUSTER_UNREACHABLE"
