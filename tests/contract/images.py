"""What the images of contract tests are on this machine."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from merlin import __version__
from tests.mlflow_server import MODELS_PYTHON

PROGRAM = "tests/program:1"
"""`program.py`: a web server that is ready, or not, or ends, as its arguments say."""


def write_images(path: Path) -> Path:
    """The image table for a local kubelet: the tests' program, and Merlin's runtime for the main job."""
    table = [
        {"image": PROGRAM, "command": [sys.executable, str(Path(__file__).with_name("program.py"))]},
        {
            "image": f"merlin/runtime:{__version__}",
            "command": [str(MODELS_PYTHON), "-m", "merlin_runtime"],
            "env": {"MERLIN_RUNTIME_HOST": "127.0.0.1"},
        },
    ]
    path.write_text(json.dumps(table, indent=1))
    return path
