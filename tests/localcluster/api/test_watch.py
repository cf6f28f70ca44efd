"""Watches: order, windows, bookmarks."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from merlin.localcluster.api import watch
from merlin.localcluster.api.call import Options, Place
from merlin.localcluster.api.kinds import CONFIG_MAPS, NAMESPACES
from merlin.localcluster.api.store import Store
from merlin.localcluster.api.watch import Hub, Wanted
from merlin.localcluster.api.writing import Writer
from tests.localcluster.api.caller import MAPS, MERGE, Caller, config_map


async def test_a_change_is_told_within_milliseconds(caller: Caller) -> None:
    version = (await caller.ok("GET", MAPS))["metadata"]["resourceVersion"]
    delays = []
    async with caller.watching(MAPS, resourceVersion=version) as events:
        for number in range(50):
            sent = time.perf_counter()
            _, event = await asyncio.gather(caller.ok("POST", MAPS, config_map(f"map-{number}")), anext(events))
            delays.append(time.perf_counter() - sent)
            assert event["object"]["metadata"]["name"] == f"map-{number}"
    # The write, the event and both ends of the test itself, on a busy machine.
    assert sorted(delays)[25] < 0.05


async def test_a_watch_that_goes_on_misses_nothing_and_repeats_nothing(caller: Caller) -> None:
    seen: list[str] = []
    version = (await caller.ok("GET", MAPS))["metadata"]["resourceVersion"]

    async def write() -> None:
        for number in range(100):
            await caller.ok("POST", MAPS, config_map(f"map-{number}"))

    writing = asyncio.create_task(write())
    while len(seen) < 100:
        async with caller.watching(MAPS, resourceVersion=version) as events:
            for _ in range(min(7, 100 - len(seen))):
                found = (await anext(events))["object"]["metadata"]
                seen.append(found["name"])
                version = found["resourceVersion"]
    await writing
    assert seen == [f"map-{number}" for number in range(100)]


async def test_before_its_end_a_watch_says_how_far_it_came(caller: Caller) -> None:
    await caller.ok("POST", "/api/v1/namespaces", {"metadata": {"name": "elsewhere"}})
    version = (await caller.ok("GET", MAPS))["metadata"]["resourceVersion"]
    async with caller.watching(MAPS, resourceVersion=version, timeoutSeconds="1", allowWatchBookmarks="true") as events:
        bookmark = await anext(events)
        assert [event async for event in events] == []
    assert bookmark["type"] == "BOOKMARK"
    assert bookmark["object"]["kind"] == "ConfigMap"
    assert int(bookmark["object"]["metadata"]["resourceVersion"]) >= int(version)


async def test_a_version_before_the_start_is_expired(caller: Caller) -> None:
    async with caller.watching(MAPS, resourceVersion="1") as events:
        (event,) = [event async for event in events]
    assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 410, "Expired")


async def test_a_page_of_a_list_before_the_start_is_gone(tmp_path: Path, caller: Caller) -> None:
    token = "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MSwic3RhcnQiOlsid29yayIsImEiXX0"
    answer = await caller.send("GET", MAPS, limit="1", **{"continue": token})
    assert (answer.status_code, answer.json()["reason"]) == (410, "Expired")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


async def test_the_window_of_the_past_is_bounded(store: Store) -> None:
    hub, writer, options = Hub(store, window=10), Writer(store), Options("tests")
    writer.create(Place(NAMESPACES), {"metadata": {"name": "work"}}, options)
    before = store.version
    for number in range(11):
        writer.create(Place(CONFIG_MAPS, "work"), config_map(f"map-{number}"), options)

    async def first(after: int) -> list[str]:
        async for events in hub.events(Wanted(CONFIG_MAPS, "", None, after, seconds=0.0)):
            return [event.type for event in events]
        return []

    assert await first(before) == ["ERROR"]
    assert await first(before + 1) == ["ADDED"] * 10
    store.close()


@pytest.mark.parametrize(
    "bookmark_seconds", [pytest.param(10.0, id="as the watch ends"), pytest.param(0.05, id="as a bookmark is due")]
)
async def test_what_changes_in_the_moment_of_a_bookmark_comes_before_it(
    store: Store, monkeypatch: pytest.MonkeyPatch, bookmark_seconds: float
) -> None:
    monkeypatch.setattr(watch, "BOOKMARK_SECONDS", bookmark_seconds)
    hub, writer, options = Hub(store), Writer(store), Options("tests")
    writer.create(Place(NAMESPACES), {"metadata": {"name": "work"}}, options)
    seconds, loop = 0.05, asyncio.get_running_loop()
    time_left = seconds if bookmark_seconds > seconds else 4 * seconds
    stream = hub.events(Wanted(CONFIG_MAPS, "", None, store.version, time_left, bookmarks=True))
    assert await anext(stream) == []

    async def told() -> list[str]:
        return [event.type async for events in stream for event in events]

    telling = asyncio.create_task(told())
    await asyncio.sleep(0)  # it waits now
    loop.call_later(seconds, writer.create, Place(CONFIG_MAPS, "work"), config_map("late"), options)
    time.sleep(2 * seconds)  # noqa: ASYNC251 - the bookmark and the change are due in the same turn of the loop then
    first, *later = await telling
    assert (first, set(later)) == ("ADDED", {"BOOKMARK"})
    store.close()


async def test_all_streams_see_the_same_order(caller: Caller) -> None:
    version = (await caller.ok("GET", MAPS))["metadata"]["resourceVersion"]

    async def versions() -> list[int]:
        async with caller.watching(MAPS, resourceVersion=version) as events:
            return [int((await anext(events))["object"]["metadata"]["resourceVersion"]) for _ in range(40)]

    watching = [asyncio.create_task(versions()) for _ in range(3)]

    async def write(name: str) -> None:
        for number in range(10):
            path = f"{MAPS}/{name}"
            await caller.apply(path, config_map(name, {"number": str(number)}), force="true")

    await asyncio.gather(*(write(f"map-{number}") for number in range(4)))
    first, *others = await asyncio.gather(*watching)
    assert first == sorted(first)
    assert all(other == first for other in others)


async def test_an_update_that_changes_nothing_is_no_event(caller: Caller) -> None:
    made = await caller.ok("POST", MAPS, config_map())
    again = await caller.ok("PATCH", f"{MAPS}/map", {"data": {"colour": "red"}}, kind=MERGE)
    assert again["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
