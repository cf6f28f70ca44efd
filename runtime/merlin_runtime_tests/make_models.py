"""Builds the models of the tests, once per session, with the models' Python: `python make_models.py FOLDER`.

Each model is a folder beside `expected.json`, which holds what MLflow's own `pyfunc.predict` answers for it.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import mlflow.sklearn
import numpy as np
import pandas as pd
from mlflow.models import infer_signature
from mlflow.models.signature import ModelSignature
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema, TensorSpec
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

PINS = ["numpy", "pandas", "scikit-learn", "mlflow"]
IRIS: tuple[Any, Any] = load_iris(return_X_y=True, as_frame=True)


class Echo(mlflow.pyfunc.PythonModel):  # type: ignore[misc]  # MLflow is not installed where mypy runs
    """Shows what a custom model gets, and misbehaves on demand."""

    def predict(self, context: Any, model_input: Any, params: dict[str, Any] | None = None) -> Any:
        first = model_input.iloc[0, 0] if hasattr(model_input, "iloc") else None
        if first == "explode":
            raise RuntimeError("boom from the model")
        if isinstance(first, str) and first.startswith("sleep "):
            time.sleep(float(first.split()[1]))
        times = int((params or {}).get("times", 1))
        return pd.DataFrame(
            {
                "text": [str(value) * times for value in model_input.iloc[:, 0]],
                "length": model_input.iloc[:, 0].str.len(),
            }
        )


class Summary(mlflow.pyfunc.PythonModel):  # type: ignore[misc]  # MLflow is not installed where mypy runs
    """Looks at all rows at once and answers with a dict: must never share a call with others."""

    def predict(self, context: Any, model_input: Any, params: dict[str, Any] | None = None) -> Any:
        values = np.asarray(model_input, dtype=float)
        return {
            "total": np.array([values.sum()]),
            "rows": [len(values)],
            "label": ["big" if values.sum() > 10 else "small"],
        }


class Columns(mlflow.pyfunc.PythonModel):  # type: ignore[misc]  # MLflow is not installed where mypy runs
    """Answers with the labels of the table that it gets, and their types."""

    def predict(self, context: Any, model_input: Any, params: dict[str, Any] | None = None) -> Any:
        told = ", ".join(f"{type(label).__name__} {label}" for label in model_input.columns)
        return [told] * len(model_input)


class Broken(mlflow.pyfunc.PythonModel):  # type: ignore[misc]  # MLflow is not installed where mypy runs
    def load_context(self, context: Any) -> None:
        raise ValueError("the weights are of another shape")

    def predict(self, context: Any, model_input: Any, params: dict[str, Any] | None = None) -> Any:
        return model_input


def iris_model(folder: Path, **options: Any) -> None:
    features, target = IRIS
    model = LogisticRegression(max_iter=500).fit(features, target)
    mlflow.sklearn.save_model(
        model, folder, signature=infer_signature(features, model.predict(features)), pip_requirements=PINS, **options
    )


def iris_proba(folder: Path) -> None:
    features, target = IRIS
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)).fit(features, target)
    signature = infer_signature(features, model.predict_proba(features))
    mlflow.sklearn.save_model(
        model,
        folder,
        signature=signature,
        pyfunc_predict_fn="predict_proba",
        serialization_format="pickle",
        pip_requirements=PINS,
    )


def tensor_model(folder: Path) -> None:
    features, target = IRIS
    values = features.to_numpy()
    model = RandomForestClassifier(n_estimators=5, random_state=0).fit(values, target)
    signature = ModelSignature(
        Schema([TensorSpec(np.dtype(np.float64), (-1, 4))]), Schema([TensorSpec(np.dtype(np.int64), (-1,), "species")])
    )
    mlflow.sklearn.save_model(
        model, folder, signature=signature, serialization_format="cloudpickle", pip_requirements=PINS
    )


def without_signature(folder: Path) -> None:
    features, target = IRIS
    model = LogisticRegression(max_iter=500).fit(features, target)
    mlflow.sklearn.save_model(model, folder, pip_requirements=PINS)


def table_of_people() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "city": ["Oslo", "Rome", "Oslo", "Bern", "Rome", "Bern"],
            "age": np.array([31, 42, 23, 55, 61, 19], dtype=np.int64),
            "income": [1.5, 2.5, 3.5, 4.5, 5.5, 6.5],
        }
    )


def people_pipeline(folder: Path) -> None:
    """Text and whole numbers in, text out: a pipeline that needs its DataFrame."""
    people = table_of_people()
    columns = ColumnTransformer([("city", OneHotEncoder(), ["city"]), ("rest", StandardScaler(), ["age", "income"])])
    model = make_pipeline(columns, LogisticRegression()).fit(people, ["no", "yes", "no", "yes", "yes", "no"])
    signature = infer_signature(people, model.predict(people))
    mlflow.sklearn.save_model(
        model, folder, signature=signature, pip_requirements=PINS, serialization_format="cloudpickle"
    )


def custom(folder: Path, model: Any, inputs: Schema, params: ParamSchema | None = None) -> None:
    signature = ModelSignature(inputs=inputs, params=params)
    mlflow.pyfunc.save_model(folder, python_model=model, signature=signature, pip_requirements=PINS)


def expected(root: Path) -> dict[str, Any]:
    features = IRIS[0]
    answers: dict[str, Any] = {"iris_rows": features.to_numpy()[::10].tolist(), "columns": list(features.columns)}
    for name in ("iris", "iris_proba", "without_signature"):
        answers[name] = np.asarray(mlflow.pyfunc.load_model(str(root / name)).predict(features[::10])).tolist()
    answers["tensor"] = mlflow.pyfunc.load_model(str(root / "tensor")).predict(features.to_numpy()[::10]).tolist()
    people = table_of_people()
    answers["people_rows"] = people.to_dict("list")
    answers["people"] = list(mlflow.pyfunc.load_model(str(root / "people")).predict(people))
    return answers


def main() -> None:
    root = Path(sys.argv[1])
    iris_model(root / "iris")
    iris_proba(root / "iris_proba")
    tensor_model(root / "tensor")
    without_signature(root / "without_signature")
    people_pipeline(root / "people")
    text = Schema([ColSpec(DataType.string, "text")])
    custom(root / "echo", Echo(), text, ParamSchema([ParamSpec("times", DataType.integer, 1)]))
    custom(root / "summary", Summary(), Schema([ColSpec(DataType.double, "a"), ColSpec(DataType.double, "b")]))
    custom(root / "unnamed", Columns(), Schema([ColSpec(DataType.string)]))
    custom(root / "broken", Broken(), text)
    (root / "expected.json").write_text(json.dumps(expected(root)))


if __name__ == "__main__":
    mlflow.set_tracking_uri("sqlite:///:memory:")
    main()
