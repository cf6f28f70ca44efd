"""A real MLflow for tests: one server per test process, in the models' Python environment, with its own folder."""

from __future__ import annotations

import asyncio
import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from merlin.embedded.home import Home
from merlin.embedded.mlflow import prepare
from merlin.embedded.ports import Ports
from merlin.embedded.process import Process

MODELS_PYTHON = Path(
    os.environ.get("MERLIN_MODELS_PYTHON", Path(__file__).parent.parent / ".venv-models" / "bin" / "python")
)


@dataclass(frozen=True)
class MlflowServer:
    """Where it answers, and where the artifacts that it proxies really lie."""

    url: str
    artifact_map: dict[str, str]

    def run_script(self, script: str, *, timeout: float = 120) -> str:
        """Run Python code in the models' environment with this server as its tracking server; what it printed."""
        done = subprocess.run(
            [str(MODELS_PYTHON), "-W", "ignore", "-c", script],
            env={**os.environ, "MLFLOW_TRACKING_URI": self.url, "MLFLOW_DISABLE_TELEMETRY": "true"},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout


@pytest.fixture(scope="session")
def mlflow_server() -> Iterator[MlflowServer]:
    """A running MLflow server (about 5 s to start, so one for the whole session)."""
    with tempfile.TemporaryDirectory(prefix="merlin-mlflow-") as folder, asyncio.Runner() as runner:
        home = Home(Path(folder))
        home.prepare()
        ports = Ports()
        server = prepare(home, python=MODELS_PYTHON, port=ports.take(0, name="mlflow"))
        process = Process(server.program)
        runner.run(process.start())
        try:
            yield MlflowServer(server.url, server.artifact_map)
        finally:
            runner.run(process.stop())
            ports.close()
