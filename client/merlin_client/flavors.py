"""Which of MLflow's flavours a model object is, and the requirements that are certain for it.

The kind is told by where the object's classes come from, so that no library is imported that the user did not import.
"""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from merlin_client.errors import ModelNotUnderstood

FLAVOR_OF_PACKAGE = {
    "sklearn": "sklearn",
    "xgboost": "xgboost",
    "lightgbm": "lightgbm",
    "catboost": "catboost",
    "torch": "pytorch",
    "onnx": "onnx",
    "transformers": "transformers",
    "keras": "tensorflow",
    "tensorflow": "tensorflow",
    "statsmodels": "statsmodels",
    "prophet": "prophet",
    "spacy": "spacy",
    "sentence_transformers": "sentence_transformers",
}
# How the object is named in each flavour's log_model.
ARGUMENT = {
    "sklearn": "sk_model",
    "xgboost": "xgb_model",
    "lightgbm": "lgb_model",
    "catboost": "cb_model",
    "pytorch": "pytorch_model",
    "onnx": "onnx_model",
    "transformers": "transformers_model",
    "tensorflow": "model",
    "statsmodels": "statsmodels_model",
    "prophet": "pr_model",
    "spacy": "spacy_model",
    "sentence_transformers": "model",
    "pyfunc": "python_model",
}
_ONLY_THESE = frozenset({"sklearn", "numpy", "scipy", "builtins", "pandas"})


def flavor_of(model: Any) -> str:
    """The flavour, or ``folder`` for the path of a saved model. Raises ModelNotUnderstood."""
    if isinstance(model, str | Path):
        return "folder"
    for package in _packages(type(model)):
        if package in FLAVOR_OF_PACKAGE:
            return FLAVOR_OF_PACKAGE[package]
    names = {f"{base.__module__.split('.')[0]}.{base.__name__}" for base in type(model).__mro__}
    if "mlflow.PythonModel" in names or callable(model):
        return "pyfunc"
    if isinstance(model, dict) and {"model", "tokenizer"} & model.keys():
        return "transformers"
    raise ModelNotUnderstood(
        f"log_model does not know what a {type(model).__module__}.{type(model).__qualname__} is.",
        hint="Give flavor=..., a model of "
        + ", ".join(sorted(set(FLAVOR_OF_PACKAGE.values())))
        + ", an mlflow.pyfunc.PythonModel, a function, or the folder of a saved MLflow model.",
    )


def certain_requirements(flavor: str, model: Any, input_example: Any) -> list[str] | None:
    """What the model needs, where that is certain from its classes alone; None leaves it to MLflow's slow search.

    MLflow finds out by loading the model in another process, which takes seconds. A model made of nothing but
    scikit-learn's own parts needs scikit-learn.
    """
    if flavor != "sklearn" or not all(_is_known(part) for part in _parts(model)):
        return None
    wanted = ["scikit-learn", "numpy"]
    if type(input_example).__module__.split(".")[0] == "pandas":
        wanted.append("pandas")
    return [f"{name}=={importlib.metadata.version(name)}" for name in wanted]


def trusted_types(model: Any) -> list[str]:
    """scikit-learn's own types that its file format does not trust by default, such as the nodes of a tree.

    The file is written here and now from your own object, so they are safe to name; types of others stay yours to name.
    """
    skops = importlib.import_module("skops.io")
    found = skops.get_untrusted_types(data=skops.dumps(model))
    return [str(name) for name in found if name.split(".")[0] in _ONLY_THESE]


def _packages(kind: type) -> Iterator[str]:
    for base in kind.__mro__:
        yield base.__module__.split(".")[0]


def _parts(model: Any) -> Iterator[Any]:
    """The model and everything that it was made with: the steps of a pipeline, estimators inside, functions."""
    yield model
    values = list(model.get_params(deep=True).values()) if hasattr(model, "get_params") else []
    while values:
        value = values.pop()
        if isinstance(value, list | tuple):
            values.extend(value)
        else:
            yield value


def _is_known(part: Any) -> bool:
    if isinstance(part, type) or callable(part):
        return str(getattr(part, "__module__", "")).split(".")[0] in _ONLY_THESE
    return all(package in _ONLY_THESE for package in _packages(type(part)))
