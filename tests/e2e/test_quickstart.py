"""The examples do what they say, as a user runs them: with the models' Python environment, on a running platform."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from tests.mlflow_server import MODELS_PYTHON
from tests.platform import ROOT, Platform

pytestmark = pytest.mark.xdist_group("platform")

EXAMPLES = ROOT / "examples"


def run_quickstart(platform: Platform) -> str:
    done = subprocess.run(
        [str(MODELS_PYTHON), str(EXAMPLES / "quickstart.py")],
        env={**os.environ, "MERLIN_HOME": str(platform.home), "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    return done.stdout


def test_the_example_does_the_main_job_and_can_be_run_again(platform: Platform) -> None:
    for first, second in ((1, 2), (3, 4)):
        output = run_quickstart(platform)
        assert f"Logged wine/quality/{first}, a logistic regression" in output
        assert f"is answered by version {second}" in output
        assert platform.addresses["mlflow"] in output

    printed = re.search(r"^  (curl -s .*)$", output, re.MULTILINE)
    assert printed is not None
    done = subprocess.run(["bash", "-c", printed[1]], capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(done.stdout)["outputs"][0]["data"] in ([0], [1], [2])


@pytest.fixture
def models_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, platform: Platform) -> Iterator[str]:
    """A Jupyter kernel in the models' Python environment, on this platform."""
    folder = tmp_path / "kernels" / "models"
    folder.mkdir(parents=True)
    kernel = {
        "argv": [str(MODELS_PYTHON), "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "models",
        "language": "python",
        "env": {"MERLIN_HOME": str(platform.home), "PYTHONWARNINGS": "ignore"},
    }
    (folder / "kernel.json").write_text(json.dumps(kernel))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    yield "models"


def html_of(cell: Any) -> str:
    return "".join(output.get("data", {}).get("text/html", "") for output in cell.outputs)


def test_the_notebook_runs_from_top_to_bottom(models_kernel: str) -> None:
    notebook = nbformat.read(EXAMPLES / "quickstart.ipynb", as_version=4)  # type: ignore[no-untyped-call]
    NotebookClient(notebook, timeout=240, kernel_name=models_kernel).execute()
    cells = {cell.source.splitlines()[0]: cell for cell in notebook.cells if cell.cell_type == "code"}
    deployed = html_of(cells["endpoint = merlin.deploy(version)"])
    assert "RUNNING" in deployed, "the phases were shown in the cell"
    assert "/versions/1" in deployed
    assert "STILL" not in html_of(cells["serving = merlin.serve_traffic(endpoint)"])
    assert "malic_acid" in str(cells["try:"].outputs)
    assert "ACTIVE" in html_of(cells["second.endpoint().history()"])
