"""From a folder to a model that predicts, by the leanest way that gives MLflow's answers."""

from __future__ import annotations

import logging
import time
import traceback
from pathlib import Path

from merlin_runtime import pyfunc_model, sklearn_model
from merlin_runtime.failure import LoadFailure
from merlin_runtime.folder import ModelFolder, read_folder
from merlin_runtime.predictor import Predictor
from merlin_runtime.requirements import check_requirements

log = logging.getLogger(__name__)


def load(path: Path, *, check: bool) -> Predictor:
    """The model in a folder, warmed up. Blocks for seconds. Raises LoadFailure and nothing else.

    ``check``: hold its requirements against what is installed first."""
    started = time.monotonic()
    try:
        model = _checked(path, check=check)
    except LoadFailure:
        raise
    except BaseException as error:  # a model's import may even call exit(); unsaid, it would be waited for for ever
        log.exception("the model could not be loaded", extra={"path": str(path)})
        raise _load_failure(error) from error
    fields = {"flavor": model.flavor, "seconds": round(time.monotonic() - started, 3), "rowwise": model.rowwise}
    log.info("model loaded", extra=fields)
    return model


def _checked(path: Path, *, check: bool) -> Predictor:
    folder = read_folder(path)
    if check:
        check_requirements(folder)
    model = _model(folder)
    model.warm_up()
    return model


def _model(folder: ModelFolder) -> Predictor:
    if sklearn_model.can_load(folder):
        return sklearn_model.SklearnModel(folder)
    return pyfunc_model.PyfuncModel(folder)


def _load_failure(error: BaseException) -> LoadFailure:
    if isinstance(error, ModuleNotFoundError):
        hint = f" Add {error.name!r} to the model's requirements and log it again."
    else:
        hint = ""
    lines = "".join(traceback.format_exception(error)).strip().splitlines()
    reason = "".join(traceback.format_exception_only(error)).strip().splitlines()
    return LoadFailure(
        "MODEL_LOAD_FAILED",
        f"The model could not be loaded: {' '.join(reason[-3:])}.{hint}",
        {"exception": type(error).__name__, "log": "\n".join(lines[-15:])},
    )
