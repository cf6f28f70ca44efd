"""What models return, as the outputs of an answer."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pytest
from merlin_runtime.invocations import write_predictions
from merlin_runtime.outputs import UnknownResult, name_outputs
from merlin_runtime.v2 import write_answer


def answered(result: Any, *names: str) -> list[dict[str, Any]]:
    body = orjson.loads(write_answer("m", "", None, name_outputs(result, names)))
    found: list[dict[str, Any]] = body["outputs"]
    return found


def only(result: Any, *names: str) -> tuple[str, str, list[int], Any]:
    (one,) = answered(result, *names)
    return one["name"], one["datatype"], one["shape"], one["data"]


@pytest.mark.parametrize(
    ("result", "datatype", "shape", "data"),
    [
        (np.array([1, 2], np.int32), "INT32", [2], [1, 2]),
        (np.array([[1, 2], [3, 4]], np.float32).T, "FP32", [2, 2], [1, 3, 2, 4]),
        (np.array([1.0, np.nan, np.inf]), "FP64", [3], [1, None, None]),
        (np.array([True]), "BOOL", [1], [True]),
        (np.array(["a", "b"]), "BYTES", [2], ["a", "b"]),
        (np.array(["a", None], dtype=object), "BYTES", [2], ["a", None]),
        (np.array([1, 2], dtype=object), "INT64", [2], [1, 2]),
        (np.array(["2026-11-23"], "datetime64[D]"), "BYTES", [1], ["2026-11-23"]),
        (np.array([1, 2], ">i4"), "INT32", [2], [1, 2]),
        (np.float64(2.5), "FP64", [1], [2.5]),
        (3, "INT64", [1], [3]),
        ([1, 2.5], "FP64", [2], [1, 2.5]),
        (["x", "y"], "BYTES", [2], ["x", "y"]),
        ("text", "BYTES", [1], ["text"]),
        ([date(2026, 11, 23)], "BYTES", [1], ["2026-11-23"]),
        (pd.Series([1, 2], dtype="Int64"), "INT64", [2], [1, 2]),
        (pd.Series(["a", "b"]), "BYTES", [2], ["a", "b"]),
        (pd.Series(["a", "b"], dtype="category"), "BYTES", [2], ["a", "b"]),
    ],
)
def test_results_become_tensors(result: Any, datatype: str, shape: list[int], data: Any) -> None:
    assert only(result) == ("output-0", datatype, shape, data)
    assert only(result, "named")[0] == "named"


def test_values_that_are_no_text_travel_as_json_and_say_so() -> None:
    (one,) = answered([{"role": "a"}, {"role": "b"}])
    assert one["parameters"] == {"content_type": "json"}
    assert [orjson.loads(text) for text in one["data"]] == [{"role": "a"}, {"role": "b"}]


def test_tables_dicts_and_named_columns_are_several_outputs() -> None:
    table = pd.DataFrame({"a": [1, 2], 7: ["x", "y"]})
    assert [(one["name"], one["datatype"]) for one in answered(table)] == [("a", "INT64"), ("7", "BYTES")]
    assert [one["name"] for one in answered({"a": [1], "b": 2.5})] == ["a", "b"]
    split = answered(np.array([[1, 2], [3, 4]]), "low", "high")
    assert [(one["name"], one["data"]) for one in split] == [("low", [1, 3]), ("high", [2, 4])]


def test_what_holds_no_values_is_an_error() -> None:
    for nothing in (None, print):
        with pytest.raises(UnknownResult):
            name_outputs(nothing, ())
        with pytest.raises(UnknownResult):
            write_predictions(nothing)


def test_predictions_are_written_as_mlflow_writes_them() -> None:
    def written(result: Any) -> Any:
        return orjson.loads(write_predictions(result))["predictions"]

    assert written(np.array([[1, 2]])) == [[1, 2]]
    assert written(pd.DataFrame({"a": [1], "b": ["x"]})) == [{"a": 1, "b": "x"}]
    assert written({"a": np.array([1.5]), "b": ["x"]}) == {"a": [1.5], "b": ["x"]}
    assert written(["x", {"y": np.int64(1)}]) == ["x", {"y": 1}]
    assert written("text") == "text"
