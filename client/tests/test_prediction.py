"""What people hold becomes a V2 request, and the answer comes back in the same form.

| data | columns (names, V2 type) | answer |
|---|---|---|
| DataFrame | its dtypes, whatever the signature says | array |
| array | one tensor | array |
| records, rows, columns | Python's numbers take the signature's type | list |
| V2 request | as it is | V2 response |
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from merlin_client.errors import InputError
from merlin_client.prediction import answer_for, request_for

SIGNATURE: dict[str, Any] = {
    "inputs": [
        {"name": "size", "type": "double", "required": True},
        {"name": "count", "type": "integer", "required": True},
        {"name": "kind", "type": "string", "required": True},
    ]
}
RESPONSE: dict[str, Any] = {"outputs": [{"name": "output-0", "datatype": "INT64", "shape": [2], "data": [0, 2]}]}


def columns_of(request: dict[str, Any]) -> dict[str, tuple[str, list[int], list[Any]]]:
    return {i["name"]: (i["datatype"], i["shape"], i["data"]) for i in request["inputs"]}


def test_a_dataframe_becomes_a_tensor_per_column_with_its_own_types() -> None:
    frame = pd.DataFrame({"size": [1.5, float("nan")], "count": np.array([1, 2], dtype="int32"), "kind": ["a", "b"]})
    assert columns_of(request_for(frame, SIGNATURE)) == {
        "size": ("FP64", [2], [1.5, None]),
        "count": ("INT32", [2], [1, 2]),
        "kind": ("BYTES", [2], ["a", "b"]),
    }


def test_pythons_numbers_take_the_type_of_the_signature() -> None:
    records = [{"size": 1, "count": 2, "kind": "a"}, {"size": 2.5, "count": 3, "kind": "b"}]
    expected = {"size": ("FP64", [2], [1, 2.5]), "count": ("INT32", [2], [2, 3]), "kind": ("BYTES", [2], ["a", "b"])}
    assert columns_of(request_for(records, SIGNATURE)) == expected
    columns = {"size": [1, 2.5], "count": (2, 3), "kind": ["a", "b"]}
    assert columns_of(request_for(columns, SIGNATURE)) == expected


def test_a_float_for_a_whole_number_is_left_for_the_endpoint_to_refuse() -> None:
    assert columns_of(request_for([{"count": 1.5}], SIGNATURE))["count"] == ("FP64", [1], [1.5])


def test_an_array_is_one_tensor() -> None:
    request = request_for(np.arange(6, dtype="float32").reshape(2, 3))
    assert request == {"inputs": [{"name": "input-0", "shape": [2, 3], "datatype": "FP32", "data": [0, 1, 2, 3, 4, 5]}]}


def test_rows_are_one_tensor_of_the_columns_one_type() -> None:
    signature = {"inputs": [{"name": "a", "type": "double"}, {"name": "b", "type": "double"}]}
    request = request_for([[1, 2], [3, 4]], signature)
    assert request == {"inputs": [{"name": "input-0", "shape": [2, 2], "datatype": "FP64", "data": [1, 2, 3, 4]}]}


def test_a_tensor_model_gets_its_tensors_name() -> None:
    signature = {
        "inputs": [{"name": "pixels", "type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 2]}}]
    }
    assert request_for([[1.0, 2.0]], signature)["inputs"][0]["name"] == "pixels"


def test_text_dates_and_bytes_travel_as_text() -> None:
    records = [{"when": datetime(2026, 1, 2, 3), "day": date(2026, 1, 2), "raw": b"\x00", "flag": True}]  # noqa: DTZ001
    sent = {name: (kind, data) for name, (kind, _, data) in columns_of(request_for(records)).items()}
    assert sent == {
        "when": ("BYTES", ["2026-01-02T03:00:00"]),
        "day": ("BYTES", ["2026-01-02T00:00:00"]),
        "raw": ("BYTES", ["AA=="]),
        "flag": ("BOOL", [True]),
    }
    frame = pd.DataFrame({"when": pd.to_datetime(["2026-01-02 03:00"])})
    assert request_for(frame)["inputs"][0]["data"] == ["2026-01-02T03:00:00"]


def test_a_v2_request_and_its_response_pass_as_they_are() -> None:
    request = {"inputs": [{"name": "x", "shape": [1], "datatype": "FP64", "data": [1.0]}], "id": "7"}
    assert request_for(request) == request
    assert answer_for(request, RESPONSE) == RESPONSE


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (5, "DataFrame"),
        ("text", "DataFrame"),
        ([], "no rows"),
        ([[1, 2], [3]], "different lengths"),
        ({"a": 5}, "'a' has to be a list"),
        ([{"a": 1}, {"a": "x"}], "'a' mixes"),
        ({"a": [float("inf")]}, "Infinity"),
    ],
)
def test_what_cannot_travel_is_refused_with_the_reason(data: Any, part: str) -> None:
    with pytest.raises(InputError, match=part):
        request_for(data)


def test_the_answer_has_the_form_of_the_question() -> None:
    array = answer_for(np.zeros((2, 1)), RESPONSE)
    assert array.dtype == np.int64
    assert array.tolist() == [0, 2]
    assert answer_for(pd.DataFrame({"a": [1, 2]}), RESPONSE).tolist() == [0, 2]
    assert answer_for([{"a": 1}, {"a": 2}], RESPONSE) == [0, 2]


def test_several_outputs_become_a_dataframe_or_a_dict() -> None:
    proba = {"name": "proba", "datatype": "FP64", "shape": [2, 2], "data": [0.1, 0.9, 0.8, 0.2]}
    response = {"outputs": [*RESPONSE["outputs"], proba]}
    frame = answer_for(pd.DataFrame({"a": [1, 2]}), response)
    assert list(frame.columns) == ["output-0", "proba"]
    assert [list(row) for row in frame["proba"]] == [[0.1, 0.9], [0.8, 0.2]]
    assert answer_for([[1], [2]], response) == {"output-0": [0, 2], "proba": [[0.1, 0.9], [0.8, 0.2]]}


def test_missing_floats_and_json_values_come_back() -> None:
    output = {"name": "o", "datatype": "FP64", "shape": [2], "data": [None, 1.0]}
    assert np.isnan(answer_for(np.zeros(2), {"outputs": [output]})[0])
    told = {
        "name": "o",
        "datatype": "BYTES",
        "shape": [1],
        "data": ['{"a": 1}'],
        "parameters": {"content_type": "json"},
    }
    assert answer_for([[1]], {"outputs": [told]}) == [{"a": 1}]


def test_a_series_is_one_column_and_says_how_to_give_a_row() -> None:
    signature = {"inputs": [{"name": "a", "type": "double"}, {"name": "b", "type": "double"}]}
    with pytest.raises(InputError, match="the model has 2") as caught:
        request_for(pd.Series([1.0, 2.0], index=["a", "b"]), signature)
    assert "df.iloc[[0]]" in str(caught.value)
    one = request_for(pd.Series([1.0, 2.0]), {"inputs": signature["inputs"][:1]})
    assert one["inputs"][0]["shape"] == [2]
