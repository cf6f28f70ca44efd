"""The client's core on a bad network, with gql 4.4 here and gql 4.0 in the models' Python environment."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from merlin_client_tests.faulty_server import FaultyServer, faulty_server
from merlin_client_tests.scenarios import SCENARIOS

ROOT = Path(__file__).parent.parent.parent
MODELS_PYTHON = Path(os.environ.get("MERLIN_MODELS_PYTHON", ROOT / ".venv-models" / "bin" / "python"))


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_scenario(scenario: Callable[[FaultyServer], None]) -> None:
    with faulty_server(FaultyServer()) as server:
        scenario(server)


def test_all_of_it_holds_on_the_gql_of_the_notebooks() -> None:
    command = [str(MODELS_PYTHON), "-c", "import gql; print(gql.__version__)"]
    version = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    assert version.startswith("4.0."), "the models' Python environment is meant to have the older gql"
    done = subprocess.run(
        [str(MODELS_PYTHON), "-m", "merlin_client_tests.scenarios"],
        env={**os.environ, "PYTHONPATH": str(ROOT / "client")},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines() == [f"passed {scenario.__name__}" for scenario in SCENARIOS]
