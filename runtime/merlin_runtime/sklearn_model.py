"""scikit-learn models without MLflow in the process: half the start-up time, a third less memory, half the time a call.

MLflow's sklearn flavour loads the estimator from one file and calls one of its methods; the same is done here, on the
same values. Everything this file is not sure of goes through MLflow instead (see `loading`).
Where the estimator is made of scikit-learn's own numeric parts only, a table of numbers is handed over as an array:
such an estimator begins by turning the DataFrame into that very array, at three times the cost. Its column names are
compared here, as scikit-learn would.
"""

from __future__ import annotations

import logging
import os
import pickle
import warnings
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import numpy as np

from merlin_runtime.datatypes import InvalidRequest
from merlin_runtime.folder import ModelFolder
from merlin_runtime.inputs import Form, Inputs
from merlin_runtime.lean_import import import_sklearn
from merlin_runtime.predictor import ModelError
from merlin_runtime.tabular import as_frame

log = logging.getLogger(__name__)

FORMATS = ("skops", "pickle", "cloudpickle")
METHODS = ("predict", "predict_proba", "predict_log_proba", "predict_joint_log_proba")
# These look at column names or types, or call the user's functions.
NOT_NUMERIC = ("sklearn.compose", "sklearn.preprocessing._function_transformer", "sklearn.feature_extraction")
LIBRARIES = ("sklearn.", "xgboost.", "lightgbm.")


def can_load(folder: ModelFolder) -> bool:
    """Whether this folder holds nothing but a plain sklearn model, so that loading it here gives what MLflow gives."""
    pyfunc, own = folder.pyfunc, folder.flavors.get("sklearn", {})
    file = own.get("pickled_model")
    return (
        pyfunc.get("loader_module") == "mlflow.sklearn"
        and pyfunc.get("predict_fn", "predict") in METHODS
        and own.get("serialization_format") in FORMATS
        and isinstance(file, str)
        and file == pyfunc.get("model_path")
        and (folder.path / file).is_file()
        and not any(pyfunc.get(key) for key in ("code", "config", "model_code_path"))
        and not own.get("code")
        and folder.signature.params is None
        and not folder.signature.has_complex_columns
        # MLflow's own switch against loading anything that may run code: let MLflow answer.
        and "MLFLOW_ALLOW_PICKLE_DESERIALIZATION" not in os.environ
    )


class SklearnModel:
    """One estimator and the method that the flavour names."""

    flavor = "sklearn"

    def __init__(self, folder: ModelFolder) -> None:
        estimator = _load(folder)
        self.signature = folder.signature
        self.names = tuple(str(name) for name in getattr(estimator, "feature_names_in_", ()))
        self._call = getattr(estimator, folder.pyfunc.get("predict_fn", "predict"))
        self._features = getattr(estimator, "n_features_in_", None)
        parts = list(_parts(estimator))
        # User-defined steps may look at all rows at once (or take as long as they like).
        self.rowwise = all(_is_known(part) for part in parts)
        self.quick = self.rowwise
        self._takes_arrays = self.rowwise and all(_is_numeric(part) for part in parts)
        # Handing over an array is our choice, so scikit-learn's advice against it is not for the log.
        warnings.filterwarnings("ignore", message="X does not have valid feature names")

    def predict(self, inputs: Inputs, params: Mapping[str, Any] | None) -> Any:
        try:
            return self._call(self._argument(inputs))
        except ValueError as error:
            raise InvalidRequest(f"the model refuses these values: {error}") from error
        except Exception as error:  # a model may raise anything; logged where it is answered
            raise ModelError(f"the model failed: {type(error).__name__}: {error}") from error

    def _argument(self, inputs: Inputs) -> Any:
        if inputs.form is Form.TENSOR:
            return inputs.arrays[0]
        if inputs.form is Form.BLOCK and self._may_drop_names(inputs.names):
            # Column by column, as a DataFrame keeps it: BLAS rounds the last bit by memory layout.
            return np.asfortranarray(inputs.arrays[0])
        if any(array.ndim > 1 for array in inputs.arrays) and inputs.form is Form.TENSORS:
            return dict(zip(inputs.names, inputs.arrays, strict=True))
        return as_frame(inputs)

    def _may_drop_names(self, names: tuple[str, ...]) -> bool:
        return not names or (self._takes_arrays and (not self.names or names == self.names))

    def warm_up(self) -> None:
        if not self._takes_arrays or not isinstance(self._features, int):
            return
        dtype = self.signature.tensors[0].dtype if self.signature.tensors else np.dtype(np.float64)
        try:
            for _ in range(3):
                self._call(np.zeros((1, self._features), dtype=dtype))
        except Exception as error:  # noqa: BLE001 - zeros need not make sense to every model
            log.debug("warm-up call failed", extra={"reason": str(error)})


def _load(folder: ModelFolder) -> Any:
    import_sklearn()
    own = folder.flavors["sklearn"]
    path = folder.path / own["pickled_model"]
    kind = own["serialization_format"]
    if kind == "skops":
        return import_module("skops.io").load(path, trusted=own.get("skops_trusted_types"))
    module = pickle if kind == "pickle" else import_module("cloudpickle")
    with path.open("rb") as file:
        return module.load(file)


def _parts(estimator: Any) -> Iterator[Any]:
    """The estimator and every estimator, function and class inside of it."""
    yield estimator
    if not hasattr(estimator, "get_params"):
        return
    for value in estimator.get_params(deep=False).values():
        yield from _parts_of_value(value)


def _parts_of_value(value: Any) -> Iterator[Any]:
    if isinstance(value, list | tuple):
        for item in value:
            yield from _parts_of_value(item)
    elif isinstance(value, type) and value.__module__ == "numpy":
        return  # a dtype
    elif hasattr(value, "get_params") or callable(value):
        yield from _parts(value)


def _is_known(part: Any) -> bool:
    if callable(part) and not hasattr(part, "get_params"):
        return False
    module = type(part).__module__
    if module.startswith("sklearn.preprocessing._function_transformer"):
        return getattr(part, "func", None) is None
    return module.startswith(LIBRARIES)


def _is_numeric(part: Any) -> bool:
    module = type(part).__module__
    if not module.startswith("sklearn.") or module.startswith(NOT_NUMERIC):
        return False
    if "hist_gradient_boosting" in module:  # may have been fitted on a DataFrame's categories
        return getattr(part, "is_categorical_", None) is None
    return not hasattr(part, "_sklearn_output_config")  # set_output() makes tables between the steps
