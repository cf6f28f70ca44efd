"""DataFrames, for the models that ask for them; pandas is imported when the first one is made."""

from __future__ import annotations

from typing import Any

from merlin_runtime.inputs import Form, Inputs
from merlin_runtime.lean_import import import_pandas


def as_frame(inputs: Inputs) -> Any:
    """A BLOCK or TABLE as a pandas DataFrame; text columns get the type that pandas gives lists of strings.

    Columns without names are numbered from 0, by integers: MLflow's wrappers of text models look for these.
    """
    pd = import_pandas()  # 0.4 s and 60 MB at the first call, which most models never make
    if inputs.form is Form.BLOCK:
        return pd.DataFrame(inputs.arrays[0], columns=list(inputs.names) or None)
    named = zip(inputs.names or range(len(inputs.arrays)), inputs.arrays, strict=True)
    columns = {name: array.tolist() if array.dtype.kind == "O" else array for name, array in named}
    return pd.DataFrame(columns)
