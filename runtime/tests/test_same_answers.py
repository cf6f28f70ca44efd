"""scikit-learn models served without MLflow answer as MLflow does, whichever way their input takes."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from merlin_runtime_tests.served import HERE, MODELS_PYTHON

# What looks at names or types, or holds the user's code, must get its DataFrame.
TABLES = {"linear_mixed", "hist_categories", "as_pandas", "function", "by_name", "target"}
# What holds the user's code may look at all rows at once.
ALONE = {"function"}


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder: Path = tmp_path_factory.mktemp("compared")
    command = [MODELS_PYTHON, str(HERE / "compare_models.py"), str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent), "MLFLOW_DISABLE_TELEMETRY": "true"}
    found = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)
    assert found.returncode == 0, found.stderr[-3000:]
    return [json.loads(line) for line in found.stdout.splitlines()]


def test_every_estimator_answers_as_mlflow_does_to_the_bit(compared: list[dict[str, Any]]) -> None:
    assert len(compared) > 25
    assert [one["name"] for one in compared if not one["same"]] == []


def test_rows_predicted_together_are_as_predicted_alone(compared: list[dict[str, Any]]) -> None:
    assert [one["name"] for one in compared if one["shared"] and not one["alike"]] == []


def test_only_what_needs_no_names_gets_arrays_and_only_known_code_shares_calls(compared: list[dict[str, Any]]) -> None:
    assert {one["name"] for one in compared if not one["arrays"]} == TABLES
    assert {one["name"] for one in compared if not one["shared"]} == ALONE
