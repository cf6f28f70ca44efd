"""One reconciliation of one endpoint at a time, over all workers, and no lock outlives its holder."""

from __future__ import annotations

import asyncio

import pytest

from merlin.db.connection import Database
from merlin.workers.turns import Turns


async def test_within_a_process_the_next_one_waits_and_between_processes_it_is_refused(database: Database) -> None:
    here, there = Turns(), Turns()
    order: list[str] = []

    async def take(name: str) -> None:
        async with here.take("key") as is_ours:
            assert is_ours
            order.append(f"{name} in")
            async with there.take("key") as theirs, there.take("another key") as another:
                assert (theirs, another) == (False, True)
            order.append(f"{name} out")

    await asyncio.gather(take("a"), take("b"))
    assert order in (["a in", "a out", "b in", "b out"], ["b in", "b out", "a in", "a out"])
    await here.close()
    await there.close()


async def test_a_turn_is_free_again_however_it_ended(database: Database) -> None:
    here, there = Turns(), Turns()
    with pytest.raises(RuntimeError):
        async with here.take("key"):
            raise RuntimeError("the work failed")
    async with there.take("key") as is_ours:
        assert is_ours

    async def hold() -> None:
        async with here.take("key"):
            await asyncio.Event().wait()

    for _ in range(3):
        task = asyncio.create_task(hold())
        done, _ = await asyncio.wait({task}, timeout=0.05)
        assert not done
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    async with here.take("key") as is_ours:
        assert is_ours
    await here.close()
    await there.close()
