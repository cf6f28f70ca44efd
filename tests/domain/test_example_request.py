"""Ready-made requests: every form in which MLflow keeps examples, and what is made up without one."""

from __future__ import annotations

from typing import Any

import pytest

from merlin.domain.example_request import MOST_ROWS, example_request

COLUMNS = {
    "inputs": [
        {"type": "double", "name": "x", "required": True},
        {"type": "long", "name": "n", "required": True},
        {"type": "string", "name": "s", "required": True},
    ]
}
TENSOR = {"inputs": [{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 2]}}]}
TWO_ROWS = [
    {"name": "x", "shape": [2], "datatype": "FP64", "data": [1, 2.5]},
    {"name": "n", "shape": [2], "datatype": "INT64", "data": [3, 4]},
    {"name": "s", "shape": [2], "datatype": "BYTES", "data": ["a", None]},
]
SPLIT = {"columns": ["x", "n", "s"], "data": [[1, 3, "a"], [2.5, 4, None]]}
RECORDS = [{"x": 1, "n": 3, "s": "a"}, {"x": 2.5, "n": 4, "s": None}]


@pytest.mark.parametrize(
    ("signature", "example", "inputs"),
    [
        (COLUMNS, SPLIT, TWO_ROWS),
        (COLUMNS, {"dataframe_split": SPLIT}, TWO_ROWS),
        (COLUMNS, {"dataframe_records": RECORDS}, TWO_ROWS),
        (COLUMNS, RECORDS, TWO_ROWS),
        (COLUMNS, {"inputs": {"x": [1, 2.5], "n": [3, 4], "s": ["a", None]}}, TWO_ROWS),
        (COLUMNS, {"inputs": TWO_ROWS}, TWO_ROWS),
        (
            {"inputs": COLUMNS["inputs"][:1]},
            {"x": 1.5},
            [{"name": "x", "shape": [1], "datatype": "FP64", "data": [1.5]}],
        ),
        (
            TENSOR,
            {"inputs": [[1, 2], [3, 4]]},
            [{"name": "input-0", "shape": [2, 2], "datatype": "FP32", "data": [1, 2, 3, 4]}],
        ),
        (
            {"inputs": [{"type": "tensor", "name": "t", "tensor-spec": {"dtype": "int64", "shape": [-1, 1]}}]},
            {"inputs": {"t": [[1], [2]]}},
            [{"name": "t", "shape": [2, 1], "datatype": "INT64", "data": [1, 2]}],
        ),
        (
            {"inputs": [{"type": "double"}, {"type": "double"}]},
            {"inputs": [[1, 2]]},
            [{"name": "input-0", "shape": [1, 2], "datatype": "FP64", "data": [1, 2]}],
        ),
        (None, ["a", "b"], [{"name": "input-0", "shape": [2], "datatype": "BYTES", "data": ["a", "b"]}]),
        (None, [True], [{"name": "input-0", "shape": [1], "datatype": "BOOL", "data": [True]}]),
        (
            COLUMNS,
            None,
            [
                {"name": "x", "shape": [1], "datatype": "FP64", "data": [0.0]},
                {"name": "n", "shape": [1], "datatype": "INT64", "data": [0]},
                {"name": "s", "shape": [1], "datatype": "BYTES", "data": ["text"]},
            ],
        ),
        (TENSOR, None, [{"name": "input-0", "shape": [1, 2], "datatype": "FP32", "data": [0.0, 0.0]}]),
    ],
)
def test_a_request_is_made(signature: Any, example: Any, inputs: list[dict[str, Any]]) -> None:
    assert example_request(signature, example) == {"inputs": inputs}


def test_only_the_first_rows_are_taken() -> None:
    made = example_request(COLUMNS, {"columns": ["x"], "data": [[1.0]] * 1000})
    assert made is not None
    assert made["inputs"][0]["shape"] == [MOST_ROWS]


@pytest.mark.parametrize(
    ("signature", "example"),
    [
        (None, None),
        ("what", 7),
        ({"inputs": "x"}, {}),
        ({"inputs": [{"type": "map", "name": "m"}]}, None),
        ({"inputs": [{"type": "tensor", "tensor-spec": {"dtype": "complex64", "shape": [1]}}]}, None),
        ({"inputs": [{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 10**6]}}]}, None),
        ({"inputs": [{"type": "tensor", "tensor-spec": None}]}, None),
        (None, {"columns": ["a", "b"], "data": [[1]]}),
        (None, [{"a": {"b": 1}}]),
    ],
)
def test_what_cannot_be_read_gives_none(signature: Any, example: Any) -> None:
    assert example_request(signature, example) is None


def test_an_example_that_cannot_be_read_leaves_the_signature() -> None:
    assert example_request(COLUMNS, [{"x": {"deep": 1}}]) == example_request(COLUMNS, None)
