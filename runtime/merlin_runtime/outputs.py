"""What a model returned, as named outputs.

Models return arrays, tables, series, lists, dicts, sparse matrices and single values; pandas and scipy objects are
known by what they can do, so neither library is imported here. Text, dates and everything without a numeric type is
BYTES; values that are no text travel as JSON text, with content type `json` beside them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from merlin_runtime.datatypes import Array, object_array, v2_datatype
from merlin_runtime.jsontext import dump


class UnknownResult(Exception):
    """The model returned something that no protocol can carry; the message names its type."""


@dataclass(frozen=True, slots=True)
class Output:
    """One output tensor; ``data`` is flat, in row order."""

    name: str
    datatype: str
    shape: list[int]
    data: Any
    content_type: str | None = None


def name_outputs(result: Any, names: Sequence[str]) -> list[Output]:
    """The outputs in a model's result; ``names`` are the signature's, used where the result has none of its own.

    Raises UnknownResult."""
    if hasattr(result, "columns") and hasattr(result, "to_numpy"):
        return [_output(str(name), _values(result[name])) for name in result.columns]
    if isinstance(result, Mapping):
        return [_output(str(name), _values(value)) for name, value in result.items()]
    values = _values(result)
    if len(names) > 1 and values.ndim == 2 and values.shape[1] == len(names):
        return [_output(name, values[:, index]) for index, name in enumerate(names)]
    return [_output(names[0] if names else "output-0", values)]


def _values(value: Any) -> Array:
    if isinstance(value, np.ndarray):
        return value
    if hasattr(value, "toarray"):  # scipy.sparse
        return np.asarray(value.toarray())
    if hasattr(value, "to_numpy"):  # pandas and polars series
        return np.asarray(value.to_numpy())
    if hasattr(value, "detach"):  # torch
        return np.asarray(value.detach().cpu().numpy())
    if value is None or callable(value):
        raise UnknownResult(f"the model returned {type(value).__name__}, which holds no values")
    if isinstance(value, str | bytes | date) or not isinstance(value, list | tuple):
        return _objects([value])
    return _listed(list(value))


def _listed(values: list[Any]) -> Array:
    if any(isinstance(item, Mapping | str | bytes) or item is None for item in values):
        return _objects(values)
    try:
        return np.array(values)
    except ValueError:
        return _objects(values)


def _objects(values: list[Any]) -> Array:
    if len(values) == 1 and isinstance(values[0], int | float | bool | np.generic):
        return np.array(values)
    return object_array(values)


def _output(name: str, values: Array) -> Output:
    if values.ndim == 0:
        values = values.reshape(1)
    shape = list(values.shape)
    datatype = v2_datatype(values.dtype)
    if datatype != "BYTES":
        native = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("="))
        return Output(name, datatype, shape, native.reshape(-1))
    if values.dtype.kind in "mM":
        return Output(name, "BYTES", shape, [_date_text(value) for value in values.reshape(-1)])
    flat = values.reshape(-1).tolist()
    numbers = _as_numbers(flat)
    if numbers is not None:
        return Output(name, v2_datatype(numbers.dtype), shape, numbers)
    if all(isinstance(value, str) or value is None for value in flat):
        return Output(name, "BYTES", shape, flat)
    return Output(name, "BYTES", shape, *_texts(flat))


def _as_numbers(flat: list[Any]) -> Array | None:
    """Objects that are all plain numbers or booleans of one kind, as pandas hands out for nullable columns."""
    for kinds in ((bool, np.bool_), (int, np.integer), (int, float, np.integer, np.floating)):
        if flat and all(isinstance(value, kinds) for value in flat):
            found = np.array(flat)
            return found if found.dtype.kind in "biuf" else None
    return None


def _date_text(value: Any) -> str | None:
    return None if np.isnat(value) else str(value)


def _texts(flat: list[Any]) -> tuple[list[str | None], str | None]:
    content_type = None
    texts: list[str | None] = []
    for value in flat:
        if value is None or (isinstance(value, float) and value != value):
            texts.append(None)
        elif isinstance(value, bytes):
            texts.append(value.decode("utf-8", "replace"))
        elif isinstance(value, str):
            texts.append(value)
        elif isinstance(value, date):
            texts.append(value.isoformat())
        else:
            content_type = "json"
            texts.append(dump(value).decode())
    return texts, content_type
