"""A ready-made V2 request for a model: from the example that was logged with it, else made up from its signature. Pure.

Both come from MLflow as JSON that strangers wrote, so whatever cannot be read gives no request rather than an error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

MOST_ROWS = 5
MOST_VALUES = 100_000
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
_MADE_UP: Mapping[str, Any] = {
    "boolean": False,
    "integer": 0,
    "long": 0,
    "float": 0.0,
    "double": 0.0,
    "string": "text",
    "binary": "AA==",
    "datetime": "2026-01-01T00:00:00",
}
_TABLES = ("dataframe_split", "dataframe_records", "inputs", "instances")

Request = dict[str, Any]


def example_request(signature: Any, example: Any) -> Request | None:
    """The request; ``None`` where neither says enough (no signature, inputs that no tensor can hold)."""
    inputs = signature.get("inputs") if isinstance(signature, Mapping) else None
    entries = [entry for entry in inputs if isinstance(entry, Mapping)] if isinstance(inputs, list) else []
    return _from_example(entries, example) or _from_signature(entries)


def _from_example(entries: Sequence[Mapping[str, Any]], example: Any) -> Request | None:
    if isinstance(example, Mapping):
        if _is_v2(example):
            return dict(example)
        example = next((example[form] for form in _TABLES if form in example), example)
    if _is_split(example):
        names = [str(name) for name in example["columns"]]
        rows = example["data"][:MOST_ROWS]
        if not all(isinstance(row, list) and len(row) == len(names) for row in rows):
            return None
        return _columns(entries, {name: [row[place] for row in rows] for place, name in enumerate(names)})
    if isinstance(example, Mapping):
        return _of_mapping(entries, example)
    if isinstance(example, list) and example:
        return _of_list(entries, example[:MOST_ROWS])
    return None


def _of_mapping(entries: Sequence[Mapping[str, Any]], example: Mapping[str, Any]) -> Request | None:
    """Tensors or columns by name; a mapping of single values is one row."""
    if not any(isinstance(values, list) for values in example.values()):
        return _columns(entries, {str(name): [value] for name, value in example.items()})
    lists = {str(name): values for name, values in example.items() if isinstance(values, list)}
    if len(lists) != len(example):
        return None
    if any(isinstance(value, list) for values in lists.values() for value in values):
        made = [_tensor(name, values[:MOST_ROWS], _entry(entries, name)) for name, values in lists.items()]
        return _request(made)
    return _columns(entries, {name: values[:MOST_ROWS] for name, values in lists.items()})


def _of_list(entries: Sequence[Mapping[str, Any]], rows: list[Any]) -> Request | None:
    if all(isinstance(row, Mapping) for row in rows):
        names = list(dict.fromkeys(str(name) for row in rows for name in row))
        return _columns(entries, {name: [row.get(name) for row in rows] for name in names})
    first = entries[0] if len(entries) == 1 else None
    name = str(first.get("name") or "input-0") if first is not None else "input-0"
    kinds = {V2_OF_COLUMN.get(str(entry.get("type"))) for entry in entries}
    stated = kinds.pop() if len(kinds) == 1 else None
    made = _tensor(name, rows, first)
    return _request([{**made, "datatype": stated} if made is not None and stated is not None else made])


def _columns(entries: Sequence[Mapping[str, Any]], columns: Mapping[str, list[Any]]) -> Request | None:
    return _request([_tensor(name, values, _entry(entries, name)) for name, values in columns.items()])


def _tensor(name: str, values: list[Any], entry: Mapping[str, Any] | None) -> Request | None:
    shape, flat = _flattened(values)
    if len(flat) > MOST_VALUES or any(isinstance(value, list | Mapping) for value in flat):
        return None
    datatype = _stated(entry) or _seen(flat)
    return {"name": name, "shape": shape, "datatype": datatype, "data": flat} if datatype else None


def _flattened(values: list[Any]) -> tuple[list[int], list[Any]]:
    shape, flat = [len(values)], values
    while flat and all(isinstance(row, list) and len(row) == len(flat[0]) for row in flat) and flat[0]:
        shape.append(len(flat[0]))
        flat = [value for row in flat for value in row]
    return shape, flat


def _stated(entry: Mapping[str, Any] | None) -> str | None:
    """The V2 datatype that a signature's entry names."""
    if entry is None:
        return None
    if entry.get("type") == "tensor":
        spec = entry.get("tensor-spec")
        return _of_dtype(str(spec.get("dtype"))) if isinstance(spec, Mapping) else None
    return V2_OF_COLUMN.get(str(entry.get("type")))


def _of_dtype(dtype: str) -> str | None:
    kind, bits = dtype.rstrip("0123456789"), dtype[len(dtype.rstrip("0123456789")) :]
    if dtype == "bool":
        return "BOOL"
    word = {"int": "INT", "uint": "UINT", "float": "FP"}.get(kind)
    if word is not None:
        return f"{word}{bits}" if bits in ("8", "16", "32", "64") else None
    return "BYTES" if kind in ("str", "object", "<U", "bytes") else None


def _seen(values: Sequence[Any]) -> str | None:
    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return "BOOL"
    if kinds == {int} and None not in values:
        return "INT64"
    if kinds and kinds <= {int, float}:
        return "FP64"
    return "BYTES" if kinds <= {str} else None


def _from_signature(entries: Sequence[Mapping[str, Any]]) -> Request | None:
    return _request([_made_up(entry, place) for place, entry in enumerate(entries)])


def _made_up(entry: Mapping[str, Any], place: int) -> Request | None:
    name, datatype = str(entry.get("name") or f"input-{place}"), _stated(entry)
    if datatype is None:
        return None
    if entry.get("type") != "tensor":
        return {"name": name, "shape": [1], "datatype": datatype, "data": [_MADE_UP[str(entry["type"])]]}
    stated = entry["tensor-spec"].get("shape")
    if not isinstance(stated, list) or not all(isinstance(size, int) for size in stated):
        return None
    shape = [size if size >= 0 else 1 for size in stated] or [1]
    count = 1
    for size in shape:
        count *= size
    if count > MOST_VALUES:
        return None
    value: Any = {"BOOL": False, "BYTES": "text"}.get(datatype, 0.0 if datatype.startswith("FP") else 0)
    return {"name": name, "shape": shape, "datatype": datatype, "data": [value] * count}


def _request(tensors: Sequence[Request | None]) -> Request | None:
    made = [tensor for tensor in tensors if tensor is not None]
    return {"inputs": made} if made and len(made) == len(tensors) else None


def _entry(entries: Sequence[Mapping[str, Any]], name: str) -> Mapping[str, Any] | None:
    return next((entry for entry in entries if entry.get("name") == name), None)


def _is_split(example: Any) -> bool:
    return (
        isinstance(example, Mapping)
        and isinstance(example.get("columns"), list)
        and isinstance(example.get("data"), list)
        and bool(example["data"])
    )


def _is_v2(example: Mapping[str, Any]) -> bool:
    inputs = example.get("inputs")
    return isinstance(inputs, list) and bool(inputs) and all(isinstance(i, Mapping) and "datatype" in i for i in inputs)
