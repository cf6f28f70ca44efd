"""The datatypes of the V2 protocol, of MLflow signatures and of numpy, and how a value gets from one to another.

One rule for every conversion: nothing is lost and nothing is guessed. Whole numbers may widen and may become floats
where they are exactly representable; floats never become whole numbers, text never becomes a number.
Conversions raise InvalidRequest with a sentence for the caller; they know no column names, so callers prefix them.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

NUMPY_OF_V2: Final[dict[str, np.dtype[Any]]] = {
    "BOOL": np.dtype(np.bool_),
    "UINT8": np.dtype(np.uint8),
    "UINT16": np.dtype(np.uint16),
    "UINT32": np.dtype(np.uint32),
    "UINT64": np.dtype(np.uint64),
    "INT8": np.dtype(np.int8),
    "INT16": np.dtype(np.int16),
    "INT32": np.dtype(np.int32),
    "INT64": np.dtype(np.int64),
    "FP16": np.dtype(np.float16),
    "FP32": np.dtype(np.float32),
    "FP64": np.dtype(np.float64),
    "BYTES": np.dtype(object),
}
V2_OF_NUMPY: Final[dict[np.dtype[Any], str]] = {dtype: name for name, dtype in NUMPY_OF_V2.items()}

# MLflow's column types; string, binary and datetime travel as text in BYTES.
V2_OF_COLUMN: Final[dict[str, str]] = {
    "boolean": "BOOL",
    "integer": "INT32",
    "long": "INT64",
    "float": "FP32",
    "double": "FP64",
    "string": "BYTES",
    "binary": "BYTES",
    "datetime": "BYTES",
}
NUMPY_OF_COLUMN: Final[dict[str, np.dtype[Any]]] = {
    "boolean": np.dtype(np.bool_),
    "integer": np.dtype(np.int32),
    "long": np.dtype(np.int64),
    "float": np.dtype(np.float32),
    "double": np.dtype(np.float64),
    "datetime": np.dtype("datetime64[ns]"),
}
FLOAT64: Final = np.dtype(np.float64)


class InvalidRequest(Exception):
    """The request cannot be answered as it is; the message tells its sender what is wrong and what is expected."""


def v2_datatype(dtype: np.dtype[Any]) -> str:
    """The V2 name of a numpy dtype; text, bytes, dates and objects are BYTES."""
    return V2_OF_NUMPY.get(dtype.newbyteorder("="), "BYTES")


def object_array(values: Sequence[Any]) -> Array:
    """A 1-D array of Python values as they are."""
    result = np.empty(len(values), dtype=object)
    for index, value in enumerate(values):  # one by one: numpy would take lists of one length for a second dimension
        result[index] = value
    return result


def read_values(values: Any, datatype: str) -> Array:
    """JSON values (a list, nested or flat) as an array of a V2 datatype, in the shape of the nesting.

    `null` is NaN for floats and None for BYTES; it is refused elsewhere. Raises InvalidRequest."""
    wanted = NUMPY_OF_V2[datatype]
    if wanted.kind == "O":
        return _read_text(values)
    try:
        found = np.array(values)
    except (ValueError, OverflowError) as error:
        raise InvalidRequest("its rows have different lengths") from error
    if found.dtype == wanted:
        return found
    if found.dtype.kind in "US":  # numpy turned numbers beside text into text; keep them apart to name the culprit
        found = np.array(values, dtype=object)
    return _as_kind(found, wanted, datatype)


def _as_kind(found: Array, wanted: np.dtype[Any], datatype: str) -> Array:
    if found.size == 0:
        return found.astype(wanted)
    if found.dtype.kind == "O":
        found = _without_nulls(found, wanted, datatype)
    if found.dtype.kind in "USO":
        raise InvalidRequest(f"{datatype} expected, found {_first_misfit(found)}")
    if wanted.kind == "b" or found.dtype.kind == "b":
        raise InvalidRequest(f"{datatype} expected, found {_shown(found.flat[0])}")
    if wanted.kind == "f":
        return found.astype(wanted)
    return _as_whole_numbers(found, wanted, datatype)


def _as_whole_numbers(found: Array, wanted: np.dtype[Any], datatype: str) -> Array:
    if found.dtype.kind == "f":
        bad = found[~np.isfinite(found)]
        if bad.size:
            raise InvalidRequest(f"{datatype} cannot hold {bad.flat[0]}: whole numbers have no missing values")
        bad = found[found != np.trunc(found)]
        if bad.size:
            raise InvalidRequest(f"{datatype} expected, found {bad.flat[0]}")
    limits = np.iinfo(wanted)
    if found.min() < limits.min or found.max() > limits.max:
        raise InvalidRequest(f"{datatype} holds {limits.min} to {limits.max}, found values outside of it")
    return found.astype(wanted)


def _without_nulls(found: Array, wanted: np.dtype[Any], datatype: str) -> Array:
    nulls = np.array([value is None for value in found.flat]).reshape(found.shape)
    if nulls.any() and wanted.kind != "f":
        raise InvalidRequest(f"{datatype} cannot hold null (NaN): only floating point values may be missing")
    numbers = [np.nan if value is None else value for value in found.flat]
    if not all(isinstance(value, int | float) for value in numbers):
        return found
    return np.array(numbers, dtype=np.float64 if wanted.kind == "f" else object).reshape(found.shape)


def _first_misfit(found: Array) -> str:
    for value in found.flat:
        if not isinstance(value, int | float):
            return _shown(value)
    return f"{_shown(found.flat[0])}, which is out of range"


def _shown(value: Any) -> str:
    text = repr(value.item() if isinstance(value, np.generic) else value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _read_text(values: Any) -> Array:
    shape = _nesting(values)
    flat = values
    for _ in shape[1:]:
        flat = [item for row in flat for item in row]
    for value in flat:
        if type(value) is not str and value is not None:
            raise InvalidRequest(f"BYTES expects strings, found {_shown(value)}")
    try:
        return object_array(flat).reshape(shape)
    except ValueError as error:
        raise InvalidRequest("its rows have different lengths") from error


def _nesting(values: Any) -> tuple[int, ...]:
    shape = []
    while isinstance(values, list):
        shape.append(len(values))
        if not values or not isinstance(values[0], list):
            break
        if not all(isinstance(row, list) for row in values):
            raise InvalidRequest("its rows have different lengths")
        values = values[0]
    return tuple(shape)


def convert(array: Array, wanted: np.dtype[Any]) -> Array:
    """The same values as another numpy dtype, if none is lost on the way. Raises InvalidRequest."""
    found = array.dtype
    if found == wanted:
        return array
    names = f"{v2_datatype(wanted)} expected, found {v2_datatype(found)}"
    if found.kind in "iu" and wanted.kind in "iu":
        return array.astype(wanted) if array.size == 0 else _as_whole_numbers(array, wanted, v2_datatype(wanted))
    if found.kind == "f" and wanted.kind == "f" and found.itemsize <= wanted.itemsize:
        return array.astype(wanted)
    if found.kind in "iu" and wanted.kind == "f":
        as_float = array.astype(wanted)
        if np.array_equal(as_float.astype(found), array):
            return as_float
        raise InvalidRequest(f"{names}, with values that it cannot hold exactly")
    if found.kind == "f" and wanted.kind in "iu" and np.isnan(array).any():
        raise InvalidRequest(f"{names} with NaN: whole numbers have no missing values")
    raise InvalidRequest(names)


def to_column(array: Array, column_type: str) -> Array:
    """One column's values as its MLflow type asks for them. Raises InvalidRequest.

    string: text; binary: decoded from base64; datetime: datetime64[ns] from ISO 8601 without a time zone."""
    if column_type == "string":
        if array.dtype.kind != "O":
            raise InvalidRequest(f"BYTES (strings) expected, found {v2_datatype(array.dtype)}")
        return array
    if column_type == "binary":
        return _each_text(array, _decode_base64)
    if column_type == "datetime":
        return _each_text(array, _decode_date).astype("datetime64[ns]")
    return convert(array, NUMPY_OF_COLUMN[column_type])


def _each_text(array: Array, decode: Any) -> Array:
    if array.dtype.kind != "O":
        raise InvalidRequest(f"BYTES (strings) expected, found {v2_datatype(array.dtype)}")
    return object_array([None if value is None else decode(value) for value in array.flat]).reshape(array.shape)


def _decode_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidRequest(f"binary values travel as base64, found {_shown(text)}") from error


def _decode_date(text: str) -> np.datetime64:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidRequest(f"an ISO 8601 date and time expected, found {_shown(text)}") from error
    if moment.tzinfo is not None:
        raise InvalidRequest(f"a date and time without a time zone expected, found {_shown(text)}")
    return np.datetime64(moment, "ns")
