"""One worker per key, each key once, failures later and later."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from merlin.localcluster.client import Unavailable
from merlin.localcluster.workqueue import Workqueue


@contextlib.asynccontextmanager
async def working(queue: Workqueue[str]) -> AsyncIterator[None]:
    task = asyncio.create_task(queue.run())
    try:
        async with asyncio.timeout(10):
            yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_key_that_is_asked_for_often_is_reconciled_once() -> None:
    seen: list[str] = []
    done = asyncio.Event()

    async def reconcile(key: str) -> None:
        seen.append(key)
        if key == "last":
            done.set()

    queue = Workqueue("test", reconcile, concurrency=1)
    for key in ("a", "a", "b", "a", "last"):
        queue.add(key)
    async with working(queue):
        await done.wait()
    assert seen == ["a", "b", "last"]


async def test_a_key_is_never_with_two_workers_and_what_comes_meanwhile_is_not_lost() -> None:
    running, most, runs = 0, 0, 0
    entered, go_on, finished = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def reconcile(key: str) -> None:
        nonlocal running, most, runs
        running, runs = running + 1, runs + 1
        most = max(most, running)
        entered.set()
        await go_on.wait()
        running -= 1
        if runs == 2:
            finished.set()

    queue = Workqueue("test", reconcile)
    queue.add("a")
    async with working(queue):
        await entered.wait()
        queue.add("a")
        go_on.set()
        await finished.wait()
    assert (most, runs) == (1, 2)


async def test_a_failure_is_tried_again_and_does_not_stop_the_others() -> None:
    tries: dict[str, int] = {}
    done = asyncio.Event()

    async def reconcile(key: str) -> None:
        tries[key] = tries.get(key, 0) + 1
        if key == "bad" and tries[key] < 3:
            raise Unavailable("away") if tries[key] == 1 else ValueError("broken")
        if tries.get("bad") == 3 and "good" in tries:
            done.set()

    queue = Workqueue("test", reconcile)
    queue.add("bad")
    queue.add("good")
    async with working(queue):
        await done.wait()
    assert tries == {"bad": 3, "good": 1}


async def test_it_comes_back_when_it_asks_to_and_the_earlier_time_holds() -> None:
    runs = 0
    done = asyncio.Event()

    async def reconcile(key: str) -> float | None:
        nonlocal runs
        runs += 1
        if runs == 2:
            done.set()
            return None
        queue.add(key, after=3600)
        return 0.01

    queue = Workqueue("test", reconcile)
    queue.add("a")
    async with working(queue):
        await done.wait()
    assert runs == 2
