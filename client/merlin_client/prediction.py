"""From what people hold (a DataFrame, an array, records, columns) to an Open Inference Protocol (V2) request and back.

Names and datatypes come from the data and, where that leaves a choice, from the model's signature. Whether they fit is
the endpoint's to say: it knows the model, and names the column. pandas and numpy are used only if the data are theirs.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from merlin_client.errors import InputError

V2_OF_COLUMN = {
    "boolean": "BOOL",
    "integer": "INT32",
    "long": "INT64",
    "float": "FP32",
    "double": "FP64",
    "string": "BYTES",
    "binary": "BYTES",
    "datetime": "BYTES",
}
V2_OF_DTYPE = {
    "bool": "BOOL",
    **{f"{sign}int{bits}": f"{sign.upper()}INT{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
    **{f"float{bits}": f"FP{bits}" for bits in (16, 32, 64)},
}
_NUMBERS = frozenset(V2_OF_DTYPE.values()) - {"BOOL"}

Request = dict[str, Any]


def request_for(data: Any, signature: Mapping[str, Any] | None = None) -> Request:
    """The V2 request for data in any of the accepted forms. Raises InputError that lists them."""
    columns = _columns_of(signature)
    if isinstance(data, Mapping) and _is_v2(data):
        return dict(data)
    if _is_a("pandas", "DataFrame", data):
        return {"inputs": [_series(str(name), data[name], columns.get(str(name))) for name in data.columns]}
    if _is_a("pandas", "Series", data):
        data = _one_column(data, columns)
    if _is_a("numpy", "ndarray", data):
        return {"inputs": [_array(_tensor_name(signature), data)]}
    if isinstance(data, Mapping):
        return {"inputs": [_listed(str(name), _plain(values), columns) for name, values in data.items()]}
    if isinstance(data, Sequence) and not isinstance(data, str | bytes):
        return _sequence(data, signature, columns)
    raise InputError(
        f"A prediction cannot be asked for with {type(data).__name__}.",
        path=["data"],
        hint="Give a DataFrame, an array, a list of records or rows, a dict of columns, or a V2 request.",
    )


def answer_for(data: Any, response: Mapping[str, Any]) -> Any:
    """The answer in the form of the question.

    For a DataFrame or an array: an array, or a DataFrame of several outputs. For records, rows and columns: a list, or
    a dict of lists. For a V2 request: the V2 response as it is.
    """
    if isinstance(data, Mapping) and _is_v2(data):
        return dict(response)
    outputs = {str(output["name"]): output for output in response.get("outputs", [])}
    if any(_is_a(package, kind, data) for package, kind in _TABLES):
        return _as_arrays(outputs)
    lists = {name: _nested(_values(output), list(output["shape"])) for name, output in outputs.items()}
    return next(iter(lists.values())) if len(lists) == 1 else lists


_TABLES = (("pandas", "DataFrame"), ("pandas", "Series"), ("numpy", "ndarray"))


def _is_a(package: str, kind: str, value: Any) -> bool:
    module = sys.modules.get(package)
    return module is not None and isinstance(value, getattr(module, kind))


def _is_v2(data: Mapping[Any, Any]) -> bool:
    inputs = data.get("inputs")
    return isinstance(inputs, list) and bool(inputs) and all(isinstance(i, Mapping) and "datatype" in i for i in inputs)


def _columns_of(signature: Mapping[str, Any] | None) -> dict[str, str]:
    """V2 datatypes of the model's columns by name, in order; empty for tensors and where nothing is known."""
    inputs = (signature or {}).get("inputs") or []
    return {
        str(i["name"]): V2_OF_COLUMN.get(str(i.get("type")), "BYTES")
        for i in inputs
        if i.get("name") and i.get("type") != "tensor"
    }


def _tensor_name(signature: Mapping[str, Any] | None) -> str:
    inputs = (signature or {}).get("inputs") or []
    named = [str(i["name"]) for i in inputs if i.get("type") == "tensor" and i.get("name")]
    return named[0] if len(named) == 1 else "input-0"


# numpy and pandas


def _one_column(data: Any, columns: Mapping[str, str]) -> Any:
    """A Series as the values of the one column there is. Raises InputError that says how to give a row instead."""
    if len(columns) > 1:
        raise InputError(
            f"A Series is one column, and the model has {len(columns)}.",
            path=["data"],
            hint="For one row give series.to_frame().T, or df.iloc[[0]] where it came from df.iloc[0].",
        )
    return data.to_numpy()


def _series(name: str, values: Any, wanted: str | None) -> dict[str, Any]:
    datatype = V2_OF_DTYPE.get(str(values.dtype))
    if datatype is None or wanted == "BYTES":
        return _listed(name, _plain(values.tolist()), {name: wanted} if wanted else {})
    return {"name": name, "shape": [len(values)], "datatype": datatype, "data": _finite(values.tolist())}


def _array(name: str, values: Any) -> dict[str, Any]:
    datatype = V2_OF_DTYPE.get(str(values.dtype))
    flat = values.ravel().tolist()
    if datatype is None:
        return {**_listed(name, _plain(flat), {}), "shape": list(values.shape)}
    return {"name": name, "shape": list(values.shape), "datatype": datatype, "data": _finite(flat)}


def _as_arrays(outputs: Mapping[str, Any]) -> Any:
    import numpy

    arrays = {}
    for name, output in outputs.items():
        dtype = next((d for d, v2 in V2_OF_DTYPE.items() if v2 == output["datatype"]), "object")
        values = _values(output)
        if dtype.startswith("float"):
            values = [float("nan") if value is None else value for value in values]
        arrays[name] = numpy.array(values, dtype=dtype).reshape(output["shape"])
    if len(arrays) == 1:
        return next(iter(arrays.values()))
    import pandas

    return pandas.DataFrame(
        {n: list(a) if a.ndim > 1 and a.shape[1:] != (1,) else a.ravel() for n, a in arrays.items()}
    )


# Plain Python


def _sequence(data: Sequence[Any], signature: Mapping[str, Any] | None, columns: Mapping[str, str]) -> Request:
    if not data:
        raise InputError("There are no rows to predict.", path=["data"])
    if all(isinstance(row, Mapping) for row in data):
        names = list(dict.fromkeys(str(name) for row in data for name in row))
        return {"inputs": [_listed(name, [row.get(name) for row in data], columns) for name in names]}
    shape, flat = _shape(data)
    tensor = _listed(_tensor_name(signature), flat, {})
    if columns and len(set(columns.values())) == 1:
        tensor["datatype"], tensor["data"] = _fitted(tensor["datatype"], tensor["data"], next(iter(columns.values())))
    return {"inputs": [{**tensor, "shape": shape}]}


def _shape(rows: Sequence[Any]) -> tuple[list[int], list[Any]]:
    shape, flat = [len(rows)], list(rows)
    while flat and all(isinstance(row, Sequence) and not isinstance(row, str | bytes) for row in flat):
        lengths = {len(row) for row in flat}
        if len(lengths) > 1:
            raise InputError(f"The rows have different lengths: {sorted(lengths)}.", path=["data"])
        shape.append(lengths.pop())
        flat = [value for row in flat for value in row]
    return shape, flat


def _listed(name: str, values: Any, columns: Mapping[str, str]) -> dict[str, Any]:
    if not isinstance(values, list):
        raise InputError(f"Column {name!r} has to be a list of values.", path=["data", name])
    datatype, encoded = _encoded(name, [_scalar(value) for value in values])
    if wanted := columns.get(name):
        datatype, encoded = _fitted(datatype, encoded, wanted)
    return {"name": name, "shape": [len(encoded)], "datatype": datatype, "data": encoded}


def _fitted(datatype: str, values: list[Any], wanted: str) -> tuple[str, list[Any]]:
    """Python's one kind of int and float said as the model's; what would lose something is left for the endpoint."""
    if datatype == "INT64" and wanted in _NUMBERS:
        return wanted, values
    if datatype == "FP64" and wanted.startswith("FP"):
        return wanted, values
    return datatype, values


def _encoded(name: str, values: list[Any]) -> tuple[str, list[Any]]:
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {bool} and kinds:
        return "BOOL", values
    if kinds == {int} and None not in values:
        return "INT64", values
    if kinds <= {int, float}:
        return "FP64", _finite(values)
    if kinds <= {str}:
        return "BYTES", values
    if kinds <= {bytes}:
        return "BYTES", [None if v is None else base64.b64encode(v).decode() for v in values]
    if all(issubclass(kind, date) for kind in kinds):
        return "BYTES", [None if v is None else _moment(v) for v in values]
    shown = ", ".join(sorted(kind.__name__ for kind in kinds))
    raise InputError(f"Column {name!r} mixes or holds what cannot travel: {shown}.", path=["data", name])


def _moment(value: date) -> str:
    return value.isoformat() if isinstance(value, datetime) else f"{value.isoformat()}T00:00:00"


def _finite(values: list[Any]) -> list[Any]:
    """NaN and infinity are no JSON; a missing number is null. Infinity cannot travel: it is refused, not dropped."""
    for value in values:
        if value in (float("inf"), float("-inf")):
            raise InputError("Infinity cannot travel as JSON.", path=["data"])
    return [None if value is None or value != value else value for value in values]


def _scalar(value: Any) -> Any:
    """A plain Python value for a numpy or pandas scalar; missing values are None."""
    if value is None or isinstance(value, bool | int | float | str | bytes):
        return value
    if type(value).__name__ in {"NAType", "NaTType"}:
        return None
    return value.item() if hasattr(value, "item") and not isinstance(value, date) else value


def _plain(values: Any) -> Any:
    return values.tolist() if hasattr(values, "tolist") else list(values) if isinstance(values, tuple) else values


def _values(output: Mapping[str, Any]) -> list[Any]:
    values = list(output["data"])
    if (output.get("parameters") or {}).get("content_type") == "json":
        return [None if value is None else json.loads(value) for value in values]
    return values


def _nested(flat: list[Any], shape: list[int]) -> list[Any]:
    if len(shape) <= 1:
        return flat
    size = len(flat) // shape[0] if shape[0] else 0
    return [_nested(flat[i * size : (i + 1) * size], shape[1:]) for i in range(shape[0])]
