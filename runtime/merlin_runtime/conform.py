"""The door between what was sent and what the model's signature asks for.

Protocols decode a request into arrays, by name or by position; here they become `Inputs` or a refusal that names the
input and what is wrong with it. Names that the signature does not know are ignored, as MLflow does, but are
mentioned when another one is missing. Nothing here touches the model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from merlin_runtime.datatypes import NUMPY_OF_COLUMN, Array, InvalidRequest, convert, object_array, to_column
from merlin_runtime.inputs import Form, Inputs, block, table
from merlin_runtime.signature import Column, Signature, Tensor

NamedArrays = Mapping[str, Array]

_NAMED = 10  # names in one refusal


class Conformer:
    """Checks against one signature; built once, since what depends on the signature alone is worked out here."""

    def __init__(self, signature: Signature, names: tuple[str, ...] = ()) -> None:
        """``names`` are the columns to assume for a 2-D array where the signature has none."""
        self.signature = signature
        self.names = signature.column_names or (() if signature.columns or signature.tensors else names)
        self.width = len(signature.columns) or len(self.names)
        types = {column.type for column in signature.columns}
        numeric = len(types) == 1 and types <= {"integer", "long", "float", "double"}
        self.block_dtype = NUMPY_OF_COLUMN[types.pop()] if numeric else None

    def objects(self, values: list[Any]) -> Inputs:
        """Inputs of JSON values as they are, for a signature that takes objects; the model checks them itself."""
        spec = self.signature.columns[0].spec
        return Inputs(Form.OBJECTS, (), (object_array([nested(value, spec) for value in values]),), len(values))

    # Arrays with names ---------------------------------------------------------------------------------------------

    def named(self, arrays: NamedArrays) -> Inputs:
        """Inputs from one array per column or tensor. Raises InvalidRequest."""
        if not arrays:
            raise InvalidRequest("the request holds no inputs")
        if self.signature.tensors:
            return self._named_tensors(arrays)
        if not self.signature.columns:
            return _without_signature(arrays)
        return self._named_columns(arrays)

    def by_name(self, arrays: NamedArrays) -> Inputs:
        """As `named`, but without a signature the model gets arrays by name and no table."""
        if self.signature.columns or self.signature.tensors or not arrays:
            return self.named(arrays)
        names = tuple(arrays)
        _same_rows(names, list(arrays.values()))
        found = tuple(arrays.values())
        return Inputs(Form.TENSORS, names, found, len(found[0]))

    def _named_columns(self, arrays: NamedArrays) -> Inputs:
        columns = self.signature.columns
        if not self.signature.column_names:
            _need_count(len(columns), len(arrays))
            found = list(arrays.values())[: len(columns)]
            return self._columns([_named(c, i) for i, c in enumerate(columns)], found, named=False)
        _need_all([column.name or "" for column in columns if column.required], arrays)
        present = [column for column in columns if column.name in arrays]
        return self._columns(present, [arrays[column.name or ""] for column in present], named=True)

    def _columns(self, columns: list[Column], arrays: list[Array], *, named: bool) -> Inputs:
        found = [
            _about(column.name, _column_values, column, array) for column, array in zip(columns, arrays, strict=True)
        ]
        _same_rows([column.name or "" for column in columns], found)
        names = tuple(column.name or "" for column in columns) if named else ()
        if self.block_dtype is not None and len(columns) == self.width:
            return block(names, np.column_stack(found))
        return table(names, found)

    def _named_tensors(self, arrays: NamedArrays) -> Inputs:
        tensors = self.signature.tensors
        if tensors[0].name is None:
            if len(arrays) != 1:
                raise InvalidRequest(f"the model takes one tensor, the request holds {len(arrays)}: {list(arrays)}")
            return self.single(next(iter(arrays.values())))
        _need_all([tensor.name or "" for tensor in tensors], arrays)
        found = [_about(t.name, _tensor_values, t, arrays[t.name or ""]) for t in tensors]
        names = tuple(tensor.name or "" for tensor in tensors)
        _same_rows(names, found)
        return Inputs(Form.TENSORS, names, tuple(found), len(found[0]))

    # One array -----------------------------------------------------------------------------------------------------

    def single(self, array: Array) -> Inputs:
        """Inputs from one array: the tensor, or a table of rows. Raises InvalidRequest."""
        if array.ndim == 0:
            raise InvalidRequest("an array with at least one dimension (the rows) expected, found a single value")
        if self.signature.tensors:
            return self._single_tensor(array)
        if self.width == 0:
            return Inputs(Form.TENSOR, (), (array,), len(array))
        if array.ndim == 1 and self.width == 1:
            array = array.reshape(-1, 1)
        if array.ndim != 2 or array.shape[1] != self.width:
            raise InvalidRequest(f"shape [rows, {self.width}] expected, found {list(array.shape)}{self._expected()}")
        if not self.signature.columns:
            return block(self.names, array) if array.dtype.kind != "O" else table(self.names, list(array.T))
        if self.block_dtype is not None:
            return block(self.names, convert(array, self.block_dtype))
        columns = [_named(column, index) for index, column in enumerate(self.signature.columns)]
        return self._columns(columns, list(array.T), named=bool(self.names))

    def _single_tensor(self, array: Array) -> Inputs:
        tensors = self.signature.tensors
        if len(tensors) > 1:
            raise InvalidRequest(f"the model takes {len(tensors)} tensors by name: {[t.name for t in tensors]}")
        values = _tensor_values(tensors[0], array)
        if tensors[0].name is None:
            return Inputs(Form.TENSOR, (), (values,), len(values))
        return Inputs(Form.TENSORS, (tensors[0].name,), (values,), len(values))

    def _expected(self) -> str:
        return f"; the columns are {list(self.names)}" if self.names else ""


def _without_signature(arrays: NamedArrays) -> Inputs:
    names = tuple(arrays)
    found = [array.reshape(-1) if array.ndim == 2 and array.shape[1] == 1 else array for array in arrays.values()]
    _same_rows(names, found)
    if all(array.ndim == 1 for array in found):
        return table(names, found)
    return Inputs(Form.TENSORS, names, tuple(found), len(found[0]))


def _column_values(column: Column, array: Array) -> Array:
    if column.type == "complex":
        return object_array([nested(value, column.spec) for value in array.tolist()])
    if array.ndim == 2 and array.shape[1] == 1:
        array = array.reshape(-1)
    if array.ndim != 1:
        raise InvalidRequest(f"shape [rows] or [rows, 1] expected, found {list(array.shape)}")
    return to_column(array, column.type)


def nested(value: Any, spec: Mapping[str, Any]) -> Any:
    """A JSON value as an array, object or map type asks for it: whole numbers become floats where floats are meant."""
    kind = spec.get("type")
    if kind == "array" and isinstance(value, list):
        return [nested(item, spec["items"]) for item in value]
    if kind == "object" and isinstance(value, dict):
        return {key: nested(item, spec["properties"].get(key, {})) for key, item in value.items()}
    if kind == "map" and isinstance(value, dict):
        return {key: nested(item, spec["values"]) for key, item in value.items()}
    return float(value) if kind in ("float", "double") and type(value) is int else value


def _tensor_values(tensor: Tensor, array: Array) -> Array:
    wanted = tensor.shape
    fits = len(wanted) == array.ndim and all(
        size in (-1, found) for size, found in zip(wanted, array.shape, strict=True)
    )
    if not fits:
        raise InvalidRequest(f"shape {list(wanted)} expected (-1 is any length), found {list(array.shape)}")
    if tensor.dtype.kind in "OUS":
        if array.dtype.kind != "O":
            raise InvalidRequest(f"BYTES (strings) expected, found {array.dtype}")
        return array if tensor.dtype.kind == "O" else array.astype(tensor.dtype.kind)
    return convert(array, tensor.dtype)


def _about(name: str | None, check: Callable[[Any, Array], Array], part: Any, array: Array) -> Array:
    try:
        return check(part, array)
    except InvalidRequest as error:
        raise InvalidRequest(f"input {name!r}: {error}") from error


def _named(column: Column, index: int) -> Column:
    return column if column.name is not None else Column(f"input-{index}", column.type, column.required)


def _need_all(required: list[str], arrays: NamedArrays) -> None:
    missing = [name for name in required if name not in arrays]
    if missing:
        extra = [name for name in arrays if name not in required]
        also = f"; the request also holds {_first(extra)}, which it does not know" if extra else ""
        raise InvalidRequest(f"the model needs the inputs {_first(missing)}, which are missing{also}")


def _first(names: list[str]) -> str:
    """All names of a few, the first ones of many with the count: it is for a person's eyes."""
    more = len(names) - _NAMED
    return f"{names[:_NAMED]} and {more} more" if more > 0 else str(names)


def _need_count(wanted: int, found: int) -> None:
    if found < wanted:
        raise InvalidRequest(f"the model needs {wanted} inputs, the request holds {found}")


def _same_rows(names: tuple[str, ...] | list[str], arrays: list[Array]) -> None:
    rows = {len(array) if array.ndim else -1 for array in arrays}
    if len(rows) > 1 or -1 in rows:
        lengths = {name: len(array) if array.ndim else 0 for name, array in zip(names, arrays, strict=True)}
        raise InvalidRequest(f"all inputs must have the same number of rows, found {lengths}")
