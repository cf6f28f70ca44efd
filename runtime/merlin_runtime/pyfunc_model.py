"""Every model that MLflow can load, through MLflow's own `pyfunc`: the general way, and the slower one."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from merlin_runtime.datatypes import InvalidRequest
from merlin_runtime.folder import ModelFolder
from merlin_runtime.inputs import Form, Inputs
from merlin_runtime.predictor import ModelError
from merlin_runtime.tabular import as_frame

log = logging.getLogger(__name__)

ROWWISE_FLAVORS = frozenset({"xgboost", "lightgbm"})


class PyfuncModel:
    """A model behind `mlflow.pyfunc.load_model`; MLflow enforces the signature once more, which finds nothing."""

    quick = False

    def __init__(self, folder: ModelFolder) -> None:
        import mlflow.pyfunc  # 1-3 s and 140 MB: only for models that need it
        from mlflow.exceptions import MlflowException

        self.flavor = folder.flavor
        self.signature = folder.signature
        self.rowwise = self.flavor in ROWWISE_FLAVORS
        self.names: tuple[str, ...] = ()
        self._refusal: type[Exception] = MlflowException
        # Requirements have been checked already, with an error instead of a warning.
        self._model = mlflow.pyfunc.load_model(str(folder.path), suppress_warnings=True)

    def predict(self, inputs: Inputs, params: Mapping[str, Any] | None) -> Any:
        known = self.signature.params
        chosen = None if known is None else {key: value for key, value in (params or {}).items() if key in known}
        try:
            return self._model.predict(_argument(inputs), params=chosen)
        except self._refusal as error:
            if getattr(error, "get_http_status_code", lambda: 500)() < 500:
                raise InvalidRequest(f"the model refuses these values: {error}") from error
            raise _error(error) from error
        except Exception as error:  # a model may raise anything; logged where it is answered
            raise _error(error) from error

    def warm_up(self) -> None:
        """Nothing: a custom model's call may have effects."""


def _argument(inputs: Inputs) -> Any:
    if inputs.form is Form.TENSOR:
        return inputs.arrays[0]
    if inputs.form is Form.TENSORS:
        return dict(zip(inputs.names, inputs.arrays, strict=True))
    if inputs.form is Form.OBJECTS:
        return inputs.arrays[0].tolist()
    return as_frame(inputs)


def _error(error: Exception) -> ModelError:
    return ModelError(f"the model failed: {type(error).__name__}: {error}")
