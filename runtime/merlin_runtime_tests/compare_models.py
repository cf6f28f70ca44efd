"""Shows that sklearn models served without MLflow answer as with it: `python compare_models.py FOLDER`, models' Python.

Prints one JSON object per estimator: its name, whether it was given arrays, whether calls may be shared, whether the
answers are the same to the bit, and whether rows predicted together are as predicted alone (but for the last digits:
BLAS adds in another order for one row than for many). Estimators were chosen to fall on both sides of every rule in
`sklearn_model`.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import mlflow.sklearn
import numpy as np
import pandas as pd
from merlin_runtime.conform import Conformer
from merlin_runtime.folder import read_folder
from merlin_runtime.inputs import Inputs
from merlin_runtime.sklearn_model import SklearnModel, can_load
from merlin_runtime.v2 import read_request
from mlflow.models import infer_signature
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    OneHotEncoder,
    PolynomialFeatures,
    StandardScaler,
)
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

FEATURES, TARGET = load_iris(return_X_y=True, as_frame=True)
WHOLE = (FEATURES * 10).astype("int64")
SINGLE = FEATURES.astype("float32")
MIXED = FEATURES.assign(**{"petal width (cm)": WHOLE["petal width (cm)"]})


def sums(values: Any) -> Any:
    return np.asarray(values).sum(axis=1, keepdims=True)


def estimators() -> Iterator[tuple[str, Any, Any, str]]:
    """Name, unfitted estimator, its training table, the method to serve."""
    yield "logistic", LogisticRegression(max_iter=500), FEATURES, "predict"
    yield "logistic_proba", LogisticRegression(max_iter=500), FEATURES, "predict_proba"
    yield "ridge", Ridge(), FEATURES, "predict"
    yield "linear_whole", LinearRegression(), WHOLE, "predict"
    yield "linear_single", LinearRegression(), SINGLE, "predict"
    yield "linear_mixed", LinearRegression(), MIXED, "predict"
    yield "svc", SVC(), FEATURES, "predict"
    yield "forest", RandomForestClassifier(n_estimators=7, random_state=0), FEATURES, "predict_proba"
    yield "boosting", GradientBoostingClassifier(n_estimators=5), FEATURES, "predict_proba"
    yield "hist_boosting", HistGradientBoostingClassifier(max_iter=5), FEATURES, "predict_proba"
    yield (
        "hist_categories",
        HistGradientBoostingClassifier(max_iter=5, categorical_features=[3]),
        FEATURES,
        "predict_proba",
    )
    yield "tree", DecisionTreeClassifier(), WHOLE, "predict"
    yield "neighbours", KNeighborsClassifier(), FEATURES, "predict_proba"
    yield "bayes", GaussianNB(), FEATURES, "predict_log_proba"
    yield "mlp", MLPClassifier((5,), max_iter=2000, random_state=0), FEATURES, "predict_proba"
    yield "kmeans", KMeans(3, random_state=0, n_init=2), FEATURES, "predict"
    yield "isolation", IsolationForest(n_estimators=5, random_state=0), FEATURES, "predict"
    yield "gaussian", GaussianProcessRegressor(), FEATURES, "predict"
    yield "scaled_pca", make_pipeline(StandardScaler(), PCA(2), LogisticRegression()), FEATURES, "predict_proba"
    yield "imputed", make_pipeline(SimpleImputer(), PolynomialFeatures(2), Ridge()), FEATURES, "predict"
    yield "one_hot", make_pipeline(OneHotEncoder(handle_unknown="ignore"), Ridge()), WHOLE, "predict"
    yield "binned", make_pipeline(KBinsDiscretizer(3), Ridge()), FEATURES, "predict"
    yield "as_pandas", make_pipeline(StandardScaler(), Ridge()).set_output(transform="pandas"), FEATURES, "predict"
    yield "function", make_pipeline(FunctionTransformer(sums), Ridge()), FEATURES, "predict"
    by_name = ColumnTransformer([("some", StandardScaler(), ["sepal width (cm)"])], remainder="passthrough")
    yield "by_name", make_pipeline(by_name, Ridge()), FEATURES, "predict"
    yield "search", GridSearchCV(Ridge(), {"alpha": [0.1, 1.0]}, cv=2), FEATURES, "predict"
    yield "calibrated", CalibratedClassifierCV(GaussianNB(), cv=2), FEATURES, "predict_proba"
    voters = [("a", GaussianNB()), ("b", make_pipeline(StandardScaler(), LogisticRegression()))]
    yield "voting", VotingClassifier(voters, voting="soft"), FEATURES, "predict_proba"
    yield "target", TransformedTargetRegressor(Ridge(), transformer=StandardScaler()), FEATURES, "predict"


def request_of(table: pd.DataFrame) -> bytes:
    datatypes = {"float64": "FP64", "float32": "FP32", "int64": "INT64"}
    inputs = [
        {"name": name, "shape": [len(table)], "datatype": datatypes[str(column.dtype)], "data": column.tolist()}
        for name, column in table.items()
    ]
    return json.dumps({"inputs": inputs}).encode()


def rows_of(table: pd.DataFrame, model: SklearnModel) -> Iterator[Inputs]:
    conformer = Conformer(model.signature, model.names)
    for index in range(len(table)):
        yield read_request(request_of(table.iloc[index : index + 1]), conformer).inputs


def compared(root: Path, name: str, estimator: Any, table: pd.DataFrame, method: str) -> dict[str, Any]:
    folder = root / name
    fitted = estimator.fit(table, TARGET)
    mlflow.sklearn.save_model(
        fitted,
        folder,
        signature=infer_signature(table, getattr(fitted, method)(table)),
        pyfunc_predict_fn=method,
        serialization_format="cloudpickle",
        pip_requirements=["mlflow"],
    )
    read = read_folder(folder)
    assert can_load(read)  # noqa: S101 - a check, run by a test
    own, theirs = SklearnModel(read), mlflow.pyfunc.load_model(str(folder))
    same = True
    for part in (table.iloc[::10], table.iloc[:1], table.iloc[77:78]):
        inputs = read_request(request_of(part), Conformer(own.signature, own.names)).inputs
        same &= np.array_equal(np.asarray(own.predict(inputs, None)), np.asarray(theirs.predict(part)))
    together = read_request(request_of(table.iloc[::10]), Conformer(own.signature, own.names)).inputs
    apart = [own.predict(row, None) for row in rows_of(table.iloc[::10], own)]
    whole = np.asarray(own.predict(together, None))
    digits = 1e4 * np.finfo(whole.dtype).eps if whole.dtype.kind == "f" else 0.0
    alike = np.allclose(np.concatenate(apart), whole, rtol=digits, atol=digits)
    given_arrays = isinstance(own._argument(inputs), np.ndarray)
    return {"name": name, "arrays": given_arrays, "shared": own.rowwise, "same": bool(same), "alike": bool(alike)}


def main() -> None:
    warnings.simplefilter("ignore")
    for name, estimator, table, method in estimators():
        print(json.dumps(compared(Path(sys.argv[1]), name, estimator, table, method)))


if __name__ == "__main__":
    main()
