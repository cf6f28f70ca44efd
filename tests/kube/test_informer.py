"""An informer tells every change once, through every trouble that a scripted cluster makes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from merlin.errors import Unavailable
from merlin.kube import informer as informers
from merlin.kube.client import Listed, WatchEvent
from merlin.kube.informer import Informer
from merlin.kube.kinds import POD, Kind, Manifest
from merlin.kube.refusals import Expired

Step = WatchEvent | Exception


def pod(name: str, version: int) -> Manifest:
    return {"metadata": {"name": name, "namespace": "n", "resourceVersion": str(version)}}


def opened() -> WatchEvent:
    return WatchEvent("OPENED", {})


class Scripted:
    """A cluster that answers lists and watches from two scripts, then is silent for ever."""

    def __init__(self, lists: Sequence[Listed | Exception], watches: Sequence[Sequence[Step]]) -> None:
        self.lists, self.watches = list(lists), [list(steps) for steps in watches]
        self.from_versions: list[str] = []
        self.silent = asyncio.Event()

    async def list_all(self, kind: Kind, namespace: str | None = None, *, labels: str = "", fields: str = "") -> Listed:
        answer = self.lists.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def watch(
        self,
        kind: Kind,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
        resource_version: str,
        seconds: int,
    ) -> AsyncIterator[WatchEvent]:
        self.from_versions.append(resource_version)
        if not self.watches:
            yield opened()
            self.silent.set()
            await asyncio.Event().wait()
        for step in self.watches.pop(0):
            if isinstance(step, Exception):
                raise step
            yield step


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(informers, "FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(informers, "LONGEST_PAUSE_SECONDS", 0.002)


async def heard(cluster: Scripted) -> tuple[list[tuple[Any, Any]], list[bool], Informer[str]]:
    """What was told until the script is at its end."""
    changes: list[tuple[Any, Any]] = []
    reachable: list[bool] = []
    informer = Informer(
        cluster,
        POD,
        keep=lambda m: f"{m['metadata']['name']}{m['metadata']['resourceVersion']}",
        changed=lambda before, after: changes.append((before, after)),
        on_reachable=lambda is_so, _: reachable.append(is_so),
    )
    task = asyncio.create_task(informer.run())
    async with asyncio.timeout(5):
        await cluster.silent.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return changes, reachable, informer


async def test_changes_are_told_once_and_the_watch_goes_on_where_it_ended() -> None:
    first = [opened(), WatchEvent("MODIFIED", pod("a", 2)), WatchEvent("BOOKMARK", pod("", 9))]
    second = [opened(), WatchEvent("ADDED", pod("b", 10)), WatchEvent("DELETED", pod("a", 11))]
    cluster = Scripted([Listed([pod("a", 1)], "1")], [first, second])
    changes, _, informer = await heard(cluster)
    assert changes == [(None, "a1"), ("a1", "a2"), (None, "b10"), ("a2", None)]
    assert cluster.from_versions == ["1", "9", "11"]
    assert informer.store == {("n", "b"): "b10"}


async def test_a_version_that_is_too_old_is_listed_again_and_only_differences_are_told() -> None:
    again = Listed([pod("a", 1), pod("c", 5)], "6")
    cluster = Scripted([Listed([pod("a", 1), pod("b", 1)], "1"), again], [[opened(), Expired("old")]])
    changes, reachable, _ = await heard(cluster)
    assert set(changes[2:]) == {("b1", None), (None, "c5")}
    assert reachable == []
    assert cluster.from_versions == ["1", "6"]


async def test_a_broken_watch_goes_on_from_the_same_version_and_says_when_it_is_open_again() -> None:
    cluster = Scripted([Listed([pod("a", 1)], "1")], [[opened(), Unavailable("reset")], [Unavailable("refused")]])
    changes, reachable, informer = await heard(cluster)
    assert changes == [(None, "a1")]
    assert reachable == [False, True]  # though nothing happened in the cluster
    assert informer.unreachable_since is None
    assert cluster.from_versions == ["1", "1", "1"]


async def test_a_cluster_that_lost_its_state_is_listed_again_after_some_failures() -> None:
    broken: list[list[Step]] = [[Unavailable("too large resource version")]] * 3
    cluster = Scripted([Listed([pod("a", 900)], "900"), Listed([], "3")], broken)
    changes, _, _ = await heard(cluster)
    assert changes == [(None, "a900"), ("a900", None)]
    assert cluster.from_versions == ["900", "900", "900", "3"]


async def test_until_the_first_list_nothing_is_complete() -> None:
    cluster = Scripted([Unavailable("away"), Unavailable("away"), Listed([], "1")], [])
    informer = Informer(cluster, POD, keep=lambda _: "x", changed=lambda *_: None)
    assert not informer.complete.is_set()
    task = asyncio.create_task(informer.run())
    async with asyncio.timeout(5):
        await informer.complete.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
