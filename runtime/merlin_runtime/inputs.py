"""One request's input on its way to the model, checked against the signature and free of any protocol.

Rows come first in every array. The layout says which inputs may share one call of the model: same form, same names,
same types, same shapes behind the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np

from merlin_runtime.datatypes import Array


class Form(Enum):
    """What the model is called with."""

    BLOCK = "block"  # a table of one numeric type, as one 2-D array; names are its columns (may be empty)
    TABLE = "table"  # a table, one 1-D array per column; names as in BLOCK
    TENSOR = "tensor"  # one array
    TENSORS = "tensors"  # arrays by name
    OBJECTS = "objects"  # a list of JSON values, as one 1-D array


@dataclass(frozen=True, slots=True)
class Inputs:
    """``rows`` is the length of every array. Columns of MLflow's array, object and map types hold Python values."""

    form: Form
    names: tuple[str, ...]
    arrays: tuple[Array, ...]
    rows: int

    @property
    def layout(self) -> tuple[Any, ...]:
        return (self.form, self.names, *((array.dtype, array.shape[1:]) for array in self.arrays))


def block(names: tuple[str, ...], array: Array) -> Inputs:
    return Inputs(Form.BLOCK, names, (array,), array.shape[0])


def table(names: Sequence[str], arrays: Sequence[Array]) -> Inputs:
    return Inputs(Form.TABLE, tuple(names), tuple(arrays), len(arrays[0]) if arrays else 0)


def joined(parts: Sequence[Inputs]) -> Inputs:
    """Several inputs of one layout, rows below each other in order."""
    first = parts[0]
    if len(parts) == 1:
        return first
    arrays = tuple(np.concatenate([part.arrays[index] for part in parts]) for index in range(len(first.arrays)))
    return Inputs(first.form, first.names, arrays, sum(part.rows for part in parts))
