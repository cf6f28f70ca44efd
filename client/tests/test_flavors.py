"""Which MLflow flavour an object is, told by where its classes come from; the libraries themselves are not needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from merlin_client.errors import ModelNotUnderstood
from merlin_client.flavors import ARGUMENT, FLAVOR_OF_PACKAGE, certain_requirements, flavor_of


def a_class(module: str, name: str = "Model", bases: tuple[type, ...] = ()) -> type:
    return type(name, bases, {"__module__": module})


SKLEARN = a_class("sklearn.base", "BaseEstimator")


@pytest.mark.parametrize(
    ("kind", "flavor"),
    [
        (SKLEARN, "sklearn"),
        (a_class("__main__", "Mine", (SKLEARN,)), "sklearn"),
        (a_class("xgboost.sklearn", "XGBClassifier", (SKLEARN,)), "xgboost"),
        (a_class("xgboost.core", "Booster"), "xgboost"),
        (a_class("lightgbm.sklearn", "LGBMClassifier", (SKLEARN,)), "lightgbm"),
        (a_class("__main__", "Net", (a_class("torch.nn.modules.module", "Module"),)), "pytorch"),
        (a_class("onnx.onnx_ml_pb2", "ModelProto"), "onnx"),
        (a_class("transformers.pipelines.text_classification", "TextClassificationPipeline"), "transformers"),
        (a_class("__main__", "Mine", (a_class("mlflow.pyfunc.model", "PythonModel"),)), "pyfunc"),
    ],
)
def test_the_first_known_ancestor_decides(kind: type, flavor: str) -> None:
    assert flavor_of(kind()) == flavor


def test_functions_are_pyfunc_and_paths_are_folders() -> None:
    assert flavor_of(lambda rows: rows) == "pyfunc"
    assert flavor_of(Path("somewhere")) == flavor_of("somewhere") == "folder"


def test_a_dict_of_a_transformers_model_is_transformers() -> None:
    assert flavor_of({"model": object(), "tokenizer": object()}) == "transformers"


def test_what_is_not_known_is_refused_with_the_list_of_what_is() -> None:
    with pytest.raises(ModelNotUnderstood) as caught:
        flavor_of(object())
    assert caught.value.hint is not None
    assert all(flavor in caught.value.hint for flavor in ("sklearn", "onnx", "transformers", "PythonModel"))


def test_every_flavour_knows_how_mlflow_names_its_model() -> None:
    assert set(FLAVOR_OF_PACKAGE.values()) <= ARGUMENT.keys()


class Estimator:
    """Behaves like scikit-learn's."""

    def __init__(self, **params: Any) -> None:
        self.params = params

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        return self.params


def test_requirements_are_certain_for_nothing_but_scikit_learns_own_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Estimator, "__module__", "sklearn.pipeline")
    monkeypatch.setattr("importlib.metadata.version", lambda name: "1.0")
    assert certain_requirements("sklearn", Estimator(steps=[("a", Estimator())]), None) == [
        "scikit-learn==1.0",
        "numpy==1.0",
    ]
    foreign = a_class("someone.elses", "Transformer")()
    assert certain_requirements("sklearn", Estimator(steps=[("a", foreign)]), None) is None
    assert certain_requirements("sklearn", Estimator(func=lambda x: x), None) is None
    assert certain_requirements("xgboost", Estimator(), None) is None
