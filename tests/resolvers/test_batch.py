"""The loader: one call for all that is asked in one turn, nothing kept, nobody left waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from merlin.resolvers.batch import Batch


class Source:
    """Doubles numbers; knows none above 9; fails on 0."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []

    async def load(self, keys: Sequence[int]) -> Mapping[int, int]:
        self.calls.append(list(keys))
        await asyncio.sleep(0)
        if 0 in keys:
            raise ValueError("zero")
        return {key: key * 2 for key in keys if key < 10}


async def test_what_is_asked_together_is_one_call() -> None:
    source = Source()
    load = Batch(source.load)
    assert list(await asyncio.gather(load(1), load(2), load(1), load(12))) == [2, 4, 2, None]
    assert source.calls == [[1, 2, 12]]
    assert await load(1) == 2
    assert source.calls == [[1, 2, 12], [1]], "nothing is kept"


async def test_a_failure_reaches_all_who_wait() -> None:
    load = Batch(Source().load)
    answers = await asyncio.gather(load(0), load(1), return_exceptions=True)
    assert [type(answer) for answer in answers] == [ValueError, ValueError]
    with pytest.raises(ValueError, match="zero"):
        await load(0)


async def test_one_who_gives_up_does_not_take_it_from_the_others() -> None:
    load = Batch(Source().load)
    first, second = asyncio.create_task(load(1)), asyncio.create_task(load(1))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == 2
    assert first.cancelled()
