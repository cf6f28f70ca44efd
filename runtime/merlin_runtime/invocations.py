"""MLflow's own scoring protocol: the bodies of `/invocations` to inputs, results to `{"predictions": …}`.

Forms: `dataframe_split`, `dataframe_records`, `instances`, `inputs`, and CSV. JSON numbers carry no type here, so the
signature decides: a column of doubles takes 1 as well as 1.0.
Source: MLflow's documentation, "Local inference spec".
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from merlin_runtime.conform import Conformer, NamedArrays
from merlin_runtime.datatypes import V2_OF_COLUMN, Array, InvalidRequest, object_array, read_values
from merlin_runtime.inputs import Inputs
from merlin_runtime.jsontext import decode_json, dump
from merlin_runtime.outputs import UnknownResult

FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")


def read_invocation(body: bytes, content_type: str, conformer: Conformer) -> tuple[Inputs, Mapping[str, Any]]:
    """Inputs and inference parameters of a body. Raises InvalidRequest."""
    if content_type == "text/csv":
        return _read_csv(body, conformer), {}
    message = decode_json(body)
    if not isinstance(message, dict):
        raise InvalidRequest(f"a JSON object with one of {', '.join(FORMS)} expected")
    given = [form for form in FORMS if form in message]
    if len(given) != 1:
        raise InvalidRequest(f"exactly one of {', '.join(FORMS)} expected, found {given or list(message)}")
    params = message.get("params") or {}
    if not isinstance(params, dict):
        raise InvalidRequest("`params` must be an object")
    try:
        return _READERS[given[0]](message[given[0]], conformer), params
    except InvalidRequest as error:
        raise InvalidRequest(f"{given[0]}: {error}") from error


def _split(value: Any, conformer: Conformer) -> Inputs:
    if not isinstance(value, dict) or not isinstance(value.get("data"), list):
        raise InvalidRequest("an object with `columns` and `data` expected")
    columns, rows = value.get("columns"), value["data"]
    if columns is None:
        return _rows(rows, conformer)
    if not isinstance(columns, list) or len(set(map(str, columns))) != len(columns):
        raise InvalidRequest("`columns` must be a list of different names")
    for index, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != len(columns):
            raise InvalidRequest(f"row {index} must be a list of {len(columns)} values")
    turned = zip(*rows, strict=True) if rows else ([] for _ in columns)
    named = zip(columns, turned, strict=True)
    return _columns({str(name): list(values) for name, values in named}, conformer)


def _records(value: Any, conformer: Conformer) -> Inputs:
    if not isinstance(value, list) or not value or not all(isinstance(row, dict) for row in value):
        raise InvalidRequest("a list of at least one object (column to value) expected")
    names = list(dict.fromkeys(name for row in value for name in row))
    return _columns({name: [row.get(name) for row in value] for name in names}, conformer)


def _instances(value: Any, conformer: Conformer) -> Inputs:
    if conformer.signature.takes_objects and isinstance(value, list):
        return conformer.objects(value)
    if isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
        return _records(value, conformer)
    return _rows(value, conformer)


def _inputs(value: Any, conformer: Conformer) -> Inputs:
    if conformer.signature.takes_objects:
        return conformer.objects(value if isinstance(value, list) else [value])
    if isinstance(value, dict):
        lists = {str(name): item if isinstance(item, list) else [item] for name, item in value.items()}
        return _columns(lists, conformer, conformer.by_name)
    if isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
        return _records(value, conformer)
    if not isinstance(value, list):
        value = [value]
    return _rows(value, conformer)


_READERS = {"dataframe_split": _split, "dataframe_records": _records, "instances": _instances, "inputs": _inputs}


def _columns(
    columns: Mapping[str, list[Any]], conformer: Conformer, conform: Callable[[NamedArrays], Inputs] | None = None
) -> Inputs:
    signature = conformer.signature
    types = {column.name: column.type for column in signature.columns}
    types |= {tensor.name: tensor.datatype for tensor in signature.tensors}
    known = bool(types) and None not in types
    arrays = {}
    for name, values in columns.items():
        if known and name not in types:
            continue
        try:
            arrays[name] = _typed(values, types.get(name))
        except InvalidRequest as error:
            raise InvalidRequest(f"input {name!r}: {error}") from error
    missing = [name for name in types if known and name not in arrays]
    if missing and set(columns) - set(types):
        arrays |= {name: np.empty(0) for name in set(columns) - set(types)}  # so that the refusal can mention them
    return (conform or conformer.named)(arrays)


def _rows(value: Any, conformer: Conformer) -> Inputs:
    """A table or tensor by position."""
    if not isinstance(value, list):
        raise InvalidRequest("a list of rows expected")
    signature = conformer.signature
    if signature.tensors:
        return conformer.single(_typed(value, signature.tensors[0].datatype))
    types = [column.type for column in signature.columns]
    if len(set(types)) <= 1 or not all(isinstance(row, list) and len(row) == len(types) for row in value):
        return conformer.single(_typed(value, types[0] if types else None))
    turned = zip(*value, strict=True)
    names = signature.column_names or tuple(f"input-{index}" for index in range(len(types)))
    typed = zip(names, turned, types, strict=True)
    return conformer.named({name: _typed(list(values), kind) for name, values, kind in typed})


def _typed(values: list[Any], kind: str | None) -> Array:
    """Values as a column type or V2 datatype asks for them; by what they look like where the signature is silent."""
    if kind == "complex":
        return object_array(values)
    if kind is None:
        return read_values(values, _looks_like(values))
    return read_values(values, V2_OF_COLUMN.get(kind, kind))


def _looks_like(values: list[Any]) -> str:
    try:
        kind = np.array(values).dtype.kind
    except ValueError as error:
        raise InvalidRequest("its rows have different lengths") from error
    if kind == "O":
        flat = np.array(values, dtype=object).reshape(-1)
        return "FP64" if all(value is None or isinstance(value, int | float) for value in flat) else "BYTES"
    return {"b": "BOOL", "i": "INT64", "u": "UINT64", "f": "FP64"}.get(kind, "BYTES")


def _read_csv(body: bytes, conformer: Conformer) -> Inputs:
    try:
        lines = list(csv.reader(io.StringIO(body.decode("utf-8"), newline="")))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidRequest(f"the body is not CSV in UTF-8: {error}") from error
    rows = [line for line in lines if line]
    if len(rows) < 2:
        raise InvalidRequest("CSV with a line of column names and at least one row expected")
    head = rows[0]
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(head):
            raise InvalidRequest(f"CSV line {number} has {len(row)} values, the head has {len(head)}")
    types = {column.name: column.type for column in conformer.signature.columns}
    kinds = {tensor.name: tensor.datatype for tensor in conformer.signature.tensors}
    turned = zip(head, zip(*rows[1:], strict=True), strict=True)
    columns = {name: [_csv_value(text, types.get(name, kinds.get(name))) for text in texts] for name, texts in turned}
    if conformer.signature.tensors and None in kinds:
        return _rows([list(row) for row in zip(*columns.values(), strict=True)], conformer)
    return _columns(columns, conformer)


def _csv_value(text: str, kind: str | None) -> Any:
    """CSV knows text only: numbers and truth values are read as such unless the column is text."""
    if kind in ("string", "binary", "datetime", "BYTES"):
        return text
    if text == "":
        return None
    if text.lower() in ("true", "false") and kind in (None, "boolean", "BOOL"):
        return text.lower() == "true"
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text


def write_predictions(result: Any) -> bytes:
    """The body of an answer; tables become a list of records, as MLflow writes them. Raises UnknownResult."""
    return dump({"predictions": _plain(result)})


def _plain(result: Any) -> Any:
    if hasattr(result, "columns") and hasattr(result, "to_numpy"):
        columns = {str(name): _plain(result[name]) for name in result.columns}
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    if hasattr(result, "toarray"):
        result = result.toarray()
    elif hasattr(result, "to_numpy"):
        result = result.to_numpy()
    elif hasattr(result, "detach"):
        result = result.detach().cpu().numpy()
    if isinstance(result, np.ndarray):
        if result.dtype.kind in "mM":
            return [None if np.isnat(value) else str(value) for value in result.reshape(-1)]
        return result.tolist()
    if isinstance(result, Mapping):
        return {str(key): _plain(value) for key, value in result.items()}
    if result is None or callable(result):
        raise UnknownResult(f"the model returned {type(result).__name__}, which holds no values")
    return result
