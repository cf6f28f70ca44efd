"""The model's signature: what goes in and what comes out, as MLflow recorded it.

Pure values; the JSON inside `MLmodel` is the only source. A model without a signature has an empty one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from merlin_runtime.datatypes import V2_OF_COLUMN, v2_datatype


class SignatureError(Exception):
    """The signature is not what MLflow writes."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column. ``type`` is MLflow's name (double, string …) or `complex` for arrays, objects and maps.

    ``spec`` is what MLflow wrote about a complex one."""

    name: str | None
    type: str
    required: bool = True
    spec: Mapping[str, Any] = field(default_factory=dict)

    @property
    def datatype(self) -> str:
        return V2_OF_COLUMN.get(self.type, "BYTES")


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor; -1 in ``shape`` is any length, the first one usually the rows."""

    name: str | None
    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    @property
    def datatype(self) -> str:
        return v2_datatype(self.dtype)


@dataclass(frozen=True, slots=True)
class Signature:
    """Columns or tensors, never both, for each side; ``params`` are the inference parameters with their defaults."""

    columns: tuple[Column, ...] = ()
    tensors: tuple[Tensor, ...] = ()
    output_columns: tuple[Column, ...] = ()
    output_tensors: tuple[Tensor, ...] = ()
    params: Mapping[str, Any] | None = None

    @property
    def column_names(self) -> tuple[str, ...]:
        """The columns' names; empty when they have none."""
        return tuple(column.name for column in self.columns if column.name is not None)

    @property
    def has_complex_columns(self) -> bool:
        return any(column.type == "complex" for column in self.columns)

    @property
    def takes_objects(self) -> bool:
        """Whether the model takes a list of JSON values, as one with a type hint of its own does, and no table."""
        return len(self.columns) == 1 and self.has_complex_columns and not self.column_names

    @property
    def output_names(self) -> tuple[str, ...]:
        """One name per output, in order: the signature's own, else `output-0`, `output-1` …"""
        outputs: tuple[Column | Tensor, ...] = self.output_columns or self.output_tensors
        return tuple(output.name or f"output-{index}" for index, output in enumerate(outputs))

    def inputs_metadata(self) -> list[dict[str, Any]]:
        return _metadata(self.columns, self.tensors, "input")

    def outputs_metadata(self) -> list[dict[str, Any]]:
        return _metadata(self.output_columns, self.output_tensors, "output")


def _metadata(columns: tuple[Column, ...], tensors: tuple[Tensor, ...], kind: str) -> list[dict[str, Any]]:
    shown: list[dict[str, Any]] = []
    parts: tuple[Column | Tensor, ...] = columns or tensors
    for index, part in enumerate(parts):
        shape = list(part.shape) if isinstance(part, Tensor) else [-1]
        entry: dict[str, Any] = {"name": part.name or f"{kind}-{index}", "datatype": part.datatype, "shape": shape}
        if isinstance(part, Column):
            entry["parameters"] = {"mlflow_type": part.type, "required": part.required}
        shown.append(entry)
    return shown


def read_signature(written: Any) -> Signature:
    """The signature of an MLmodel file (None: an empty one). Raises SignatureError."""
    if written is None:
        return Signature()
    try:
        columns, tensors = _parts(written.get("inputs"))
        output_columns, output_tensors = _parts(written.get("outputs"))
        params = written.get("params")
        return Signature(columns, tensors, output_columns, output_tensors, _params(params))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise SignatureError(f"{type(error).__name__}: {error}") from error


def _parts(text: str | None) -> tuple[tuple[Column, ...], tuple[Tensor, ...]]:
    entries = json.loads(text) if text else []
    tensors = tuple(_tensor(entry) for entry in entries if entry["type"] == "tensor")
    columns = tuple(_column(entry) for entry in entries if entry["type"] != "tensor")
    if tensors and columns:
        raise ValueError("it mixes tensors and columns")
    return columns, tensors


def _column(entry: Mapping[str, Any]) -> Column:
    known = entry["type"] if entry["type"] in V2_OF_COLUMN else "complex"
    # MLflow 1.x wrote no `required` at all, and 2.x wrote `optional` for a while.
    required = entry.get("required", not entry.get("optional", False))
    return Column(entry.get("name"), known, required, entry if known == "complex" else {})


def _tensor(entry: Mapping[str, Any]) -> Tensor:
    spec = entry["tensor-spec"]
    return Tensor(entry.get("name"), np.dtype(spec["dtype"]), tuple(int(size) for size in spec["shape"]))


def _params(text: str | None) -> dict[str, Any] | None:
    if not text:
        return None
    return {str(entry["name"]): entry.get("default") for entry in json.loads(text)}
