"""From bytes to checked inputs, without a model and without a server: datatypes, signatures, forms of input."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from merlin_runtime.conform import Conformer
from merlin_runtime.datatypes import InvalidRequest, convert, read_values, to_column
from merlin_runtime.inputs import Form, joined
from merlin_runtime.signature import Signature, SignatureError, read_signature
from merlin_runtime.v2 import read_request


def columns(**types: str) -> Signature:
    return read_signature({"inputs": json.dumps([{"type": kind, "name": name} for name, kind in types.items()])})


def tensors(*specs: tuple[str | None, str, list[int]]) -> Signature:
    entries = [
        {"type": "tensor", "tensor-spec": {"dtype": dtype, "shape": shape}, **({"name": name} if name else {})}
        for name, dtype, shape in specs
    ]
    return read_signature({"inputs": json.dumps(entries)})


def asked(signature: Signature, *inputs: dict[str, Any], **rest: Any) -> Any:
    return read_request(json.dumps({"inputs": inputs, **rest}).encode(), Conformer(signature)).inputs


@pytest.mark.parametrize(
    ("values", "datatype", "dtype"),
    [
        ([1, 2], "FP32", "float32"),
        ([1.5, None], "FP64", "float64"),
        ([1.0, 2.0], "INT16", "int16"),
        ([True, False], "BOOL", "bool"),
        ([18446744073709551615], "UINT64", "uint64"),
        (["a", None], "BYTES", "object"),
        ([[["a"]], [["b"]]], "BYTES", "object"),
    ],
)
def test_json_values_become_arrays_of_their_datatype(values: Any, datatype: str, dtype: str) -> None:
    found = read_values(values, datatype)
    assert found.dtype == np.dtype(dtype)
    assert found.shape == np.array(values, dtype=object).shape


@pytest.mark.parametrize(
    ("values", "datatype", "reason"),
    [
        ([1, 300], "INT8", "-128 to 127"),
        ([-1], "UINT8", "0 to 255"),
        ([1.5], "INT64", "found 1.5"),
        ([None, 1], "INT64", "null"),
        ([1.0, "x"], "FP64", "found 'x'"),
        ([2], "BOOL", "BOOL expected, found 2"),
        ([True], "INT64", "INT64 expected, found True"),
        ([1], "BYTES", "BYTES expects strings, found 1"),
        ([[1], [1, 2]], "INT64", "different lengths"),
        ([["a"], ["b", "c"]], "BYTES", "different lengths"),
        ([["a"], "b"], "BYTES", "different lengths"),
        ([{"a": 1}], "FP64", "found {'a': 1}"),
        ([10**30], "INT64", "INT64"),
    ],
)
def test_values_that_do_not_fit_are_refused_by_what_they_are(values: Any, datatype: str, reason: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        read_values(values, datatype)
    assert reason in str(refusal.value)


def test_conversions_lose_nothing() -> None:
    assert convert(np.array([1, 2], np.int32), np.dtype(np.int64)).dtype == np.int64
    assert convert(np.array([2**53]), np.dtype(np.float64))[0] == 2**53
    assert convert(np.array([7], np.int64), np.dtype(np.int32)).dtype == np.int32
    with pytest.raises(InvalidRequest, match="found values outside"):
        convert(np.array([2**40]), np.dtype(np.int32))
    for values, wanted in (
        (np.array([2**53 + 1]), np.float64),
        (np.array([1.0]), np.int64),
        (np.array([1.0]), np.float32),
        (np.array([True]), np.int64),
        (np.array(["1"], dtype=object), np.float64),
    ):
        with pytest.raises(InvalidRequest, match="expected, found"):
            convert(values, np.dtype(wanted))


def test_dates_and_binary_travel_as_text() -> None:
    dates = to_column(np.array(["2026-11-23T10:00:00.5", None], dtype=object), "datetime")
    assert dates.dtype == np.dtype("datetime64[ns]")
    assert np.isnat(dates[1])
    assert to_column(np.array(["aGk="], dtype=object), "binary")[0] == b"hi"
    for text, kind in (("yesterday", "datetime"), ("2026-11-23T10:00:00+01:00", "datetime"), ("***", "binary")):
        with pytest.raises(InvalidRequest):
            to_column(np.array([text], dtype=object), kind)


def test_columns_of_one_numeric_type_are_one_block_however_they_came() -> None:
    signature = columns(a="double", b="double")
    apart = asked(
        signature,
        {"name": "b", "shape": [2, 1], "datatype": "FP64", "data": [3, 4]},
        {"name": "a", "shape": [2], "datatype": "FP64", "data": [1, 2]},
    )
    together = asked(signature, {"name": "all", "shape": [2, 2], "datatype": "FP64", "data": [[1, 3], [2, 4]]})
    assert apart.layout == together.layout
    assert apart.form is Form.BLOCK
    assert apart.arrays[0].tolist() == together.arrays[0].tolist() == [[1, 3], [2, 4]]


def test_of_many_missing_columns_the_first_ones_are_named_and_the_rest_counted() -> None:
    many = columns(**{f"c{number}": "double" for number in range(29)})
    with pytest.raises(InvalidRequest) as caught:
        asked(
            many,
            {"name": "x", "shape": [1], "datatype": "FP64", "data": [1]},
            *[{"name": f"y{number}", "shape": [1], "datatype": "FP64", "data": [1]} for number in range(20)],
        )
    assert "'c9'] and 19 more, which are missing" in str(caught.value)
    assert "'y8'] and 11 more, which it does not know" in str(caught.value)


def test_an_optional_column_may_be_missing() -> None:
    signature = read_signature(
        {"inputs": json.dumps([{"type": "long", "name": "a"}, {"type": "long", "name": "b", "required": False}])}
    )
    found = asked(signature, {"name": "a", "shape": [1], "datatype": "INT64", "data": [1]})
    assert (found.form, found.names) == (Form.TABLE, ("a",))


def test_named_tensors_are_found_by_name_and_checked_alone() -> None:
    signature = tensors(("x", "float32", [-1, 2]), ("y", "int64", [-1]))
    x = {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}
    found = asked(signature, {"name": "y", "shape": [1], "datatype": "INT64", "data": [7]}, x)
    assert (found.form, found.names, found.arrays[0].dtype) == (Form.TENSORS, ("x", "y"), np.float32)
    with pytest.raises(InvalidRequest, match="same number of rows"):
        asked(signature, {"name": "y", "shape": [2], "datatype": "INT64", "data": [7, 8]}, x)
    with pytest.raises(InvalidRequest, match="input 'y': INT64 expected, found FP64"):
        asked(signature, {"name": "y", "shape": [1], "datatype": "FP64", "data": [7]}, x)


def test_without_a_signature_the_request_decides() -> None:
    one = {"name": "x", "shape": [2, 2], "datatype": "INT64", "data": [1, 2, 3, 4]}
    assert asked(Signature(), one).form is Form.TENSOR
    column = {"name": "a", "shape": [2], "datatype": "INT64", "data": [1, 2]}
    assert asked(Signature(), column, {**column, "name": "b"}).names == ("a", "b")
    assert asked(Signature(), column, parameters={"content_type": "pd"}).form is Form.TABLE
    assert asked(Signature(), one, column).form is Form.TENSORS


def test_layouts_tell_what_may_be_joined() -> None:
    one = {"name": "x", "shape": [1, 2], "datatype": "FP64", "data": [1, 2]}
    first, second = asked(Signature(), one), asked(Signature(), {**one, "shape": [2, 2], "data": [3, 4, 5, 6]})
    assert first.layout == second.layout
    assert joined([first, second]).arrays[0].tolist() == [[1, 2], [3, 4], [5, 6]]
    assert first.layout != asked(Signature(), {**one, "datatype": "FP32"}).layout


def test_a_signature_that_mlflow_never_wrote_is_an_error() -> None:
    for broken in ({"inputs": "{"}, {"inputs": '[{"name": "a"}]'}, "text", {"inputs": '[{"type":"tensor"}]'}):
        with pytest.raises(SignatureError):
            read_signature(broken)
