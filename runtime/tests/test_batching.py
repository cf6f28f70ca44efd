"""Sharing calls: when, with whom, and that nobody notices. Models here are plain Python, threads are real."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from merlin_runtime.batching import Batcher, Overloaded, split
from merlin_runtime.inputs import Form, Inputs
from merlin_runtime.metrics import Metrics
from merlin_runtime.signature import Signature


class Model:
    """A predictor around a function of an array; remembers the rows of each call."""

    flavor = "test"
    signature = Signature()
    names: tuple[str, ...] = ()
    rowwise = True

    def __init__(self, function: Callable[[Any], Any], *, quick: bool = False) -> None:
        self.function = function
        self.quick = quick
        self.calls: list[int] = []
        self.called = threading.Event()
        self.threads: set[str] = set()

    def predict(self, inputs: Inputs, params: Mapping[str, Any] | None) -> Any:
        self.calls.append(inputs.rows)
        self.called.set()
        self.threads.add(threading.current_thread().name)
        return self.function(inputs.arrays[0])

    def warm_up(self) -> None:
        return None


def rows(*values: float, dtype: Any = float) -> Inputs:
    array = np.array(values, dtype=dtype)
    return Inputs(Form.TENSOR, (), (array,), len(array))


def a_batcher(model: Model, **settings: Any) -> Batcher:
    options = {"batching": True, "max_rows": 64, "max_queued": 100, "timeout_seconds": 5.0, **settings}
    return Batcher(model, Metrics({}), **options)


async def test_a_request_that_finds_the_model_idle_is_predicted_alone() -> None:
    model = Model(lambda array: array * 2)
    batcher = a_batcher(model)
    assert (await batcher.submit(rows(1, 2))).tolist() == [2, 4]
    assert (await batcher.submit(rows(3))).tolist() == [6]
    assert model.calls == [2, 1]
    batcher.close()


async def test_requests_that_queue_share_a_call_and_get_their_own_rows() -> None:
    free = threading.Event()
    model = Model(lambda array: (free.wait(5), array * 2)[1])
    batcher = a_batcher(model)
    first = batcher.submit(rows(1))
    await asyncio.to_thread(model.called.wait, 5)
    others = [batcher.submit(rows(n, n)) for n in range(2, 6)]
    free.set()
    assert [found.tolist() for found in await asyncio.gather(first, *others)] == [
        [2],
        [4, 4],
        [6, 6],
        [8, 8],
        [10, 10],
    ]
    assert model.calls == [1, 8]
    batcher.close()


async def test_other_layouts_parameters_and_too_many_rows_are_not_mixed_in() -> None:
    model = Model(lambda array: array)
    batcher = a_batcher(model, max_rows=4)
    answers = [
        batcher.submit(rows(1)),
        batcher.submit(rows(2)),
        batcher.submit(rows(3, dtype=np.float32)),
        batcher.submit(rows(4), {"times": 2}),
        batcher.submit(rows(5, 5, 5)),
        batcher.submit(rows(6, 6)),
    ]
    await asyncio.gather(*answers)
    assert model.calls == [2, 1, 1, 3, 2]
    batcher.close()


async def test_a_bad_row_fails_its_own_request_only() -> None:
    def fussy(array: Any) -> Any:
        if (array < 0).any():
            raise ValueError("negative")
        return array

    model = Model(fussy)
    batcher = a_batcher(model)
    answers = await asyncio.gather(*(batcher.submit(rows(n)) for n in (1, -1, 2)), return_exceptions=True)
    assert [str(answer) for answer in answers] == ["[1.]", "negative", "[2.]"]
    assert model.calls == [3, 1, 1, 1]
    batcher.close()


async def test_a_result_of_another_length_is_undone() -> None:
    model = Model(lambda array: np.array([array.sum()]))
    batcher = a_batcher(model)
    answers = await asyncio.gather(batcher.submit(rows(1, 2)), batcher.submit(rows(3)))
    assert [answer.tolist() for answer in answers] == [[3], [3]]
    batcher.close()


async def test_batching_can_be_off() -> None:
    model = Model(lambda array: array)
    batcher = a_batcher(model, batching=False)
    await asyncio.gather(*(batcher.submit(rows(n)) for n in range(3)))
    assert model.calls == [1, 1, 1]
    batcher.close()


async def test_quick_models_move_to_the_loop_and_large_requests_stay_off_it() -> None:
    model = Model(lambda array: array, quick=True)
    batcher = a_batcher(model)
    for n in range(20):
        await batcher.submit(rows(n))
    main = threading.current_thread().name
    assert model.threads == {"predict", main}
    model.threads.clear()
    await batcher.submit(rows(1))
    await batcher.submit(rows(*range(100)))
    assert model.threads == {main, "predict"}
    batcher.close()


async def test_a_stuck_call_times_out_and_is_left_behind() -> None:
    free = threading.Event()
    model = Model(lambda array: free.wait(20) if array[0] == 0 else array)
    batcher = a_batcher(model, timeout_seconds=0.2)
    stuck = batcher.submit(rows(0))
    with pytest.raises(TimeoutError):
        await stuck
    assert (await batcher.submit(rows(1))).tolist() == [1]
    free.set()
    batcher.close()


async def test_a_full_queue_refuses() -> None:
    free = threading.Event()
    model = Model(lambda array: (free.wait(5), array)[1])
    batcher = a_batcher(model, max_queued=2)
    running = batcher.submit(rows(0))
    await asyncio.to_thread(model.called.wait, 5)
    waiting = [batcher.submit(rows(n)) for n in (1, 2)]
    with pytest.raises(Overloaded):
        batcher.submit(rows(3))
    free.set()
    await asyncio.gather(running, *waiting)
    batcher.close()


async def test_a_request_nobody_waits_for_is_not_predicted() -> None:
    model = Model(lambda array: array)
    batcher = a_batcher(model, batching=False)
    gone, kept = batcher.submit(rows(1)), batcher.submit(rows(2))
    gone.cancel()
    await kept
    assert model.calls == [1]
    batcher.close()


def test_results_are_split_by_rows_or_not_at_all() -> None:
    assert split(["a", "b", "c"], [1, 2]) == [["a"], ["b", "c"]]
    pieces = split({"x": np.arange(3), "y": [1, 2, 3]}, [2, 1])
    assert pieces is not None
    assert [(piece["x"].tolist(), piece["y"]) for piece in pieces] == [([0, 1], [1, 2]), ([2], [3])]
    for whole in ({"x": np.arange(3), "y": 5}, np.array(3.0), "text", ("a", "b", "c"), None, [1, 2]):
        assert split(whole, [2, 1]) is None
