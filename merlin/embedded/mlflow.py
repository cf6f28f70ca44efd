"""An MLflow tracking server in the models' Python environment, with its own SQLite database and artifact folder.

It is one uvicorn process of ``mlflow.server.fastapi_app``, 240 MB and 5 s to start, where ``mlflow server`` takes
fifteen processes and 2 GB. The names of its environment variables are MLflow's own private ones, hence the exact pin in
requirements/models.in. `merlin_runtime.mlflow_server` keeps foreign hosts and pages from it.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from merlin.embedded.home import Home
from merlin.embedded.process import Program
from merlin.errors import Misconfigured


@dataclass(frozen=True, slots=True)
class Mlflow:
    """How to run it, where it answers, and where the artifacts that it proxies really lie."""

    program: Program
    url: str
    artifact_map: dict[str, str]


def check_python(python: Path) -> None:
    """Raises Misconfigured when the models' Python is not there."""
    if not python.exists():
        raise Misconfigured(
            f"The models' Python environment is missing ({python}).", hint="Run `make setup`, or pass --models-python."
        )


def prepare(home: Home, *, python: Path, port: int) -> Mlflow:
    """A tracking server that can be started. Raises Misconfigured when the models' Python is not there."""
    check_python(python)
    folder = home.private_folder("mlflow")
    artifacts = folder / "artifacts"
    artifacts.mkdir(mode=0o700, exist_ok=True)  # one that is there may be a mount, whose rights are its owner's
    database = f"sqlite:///{folder / 'mlflow.db'}"
    program = Program(
        name="mlflow",
        command=[
            *(str(python), "-m", "uvicorn", "--factory", "merlin_runtime.mlflow_server:make_app"),
            *("--host", "127.0.0.1", "--port", str(port), "--log-level", "warning", "--no-access-log"),
        ],
        log_file=home.logs / "mlflow.log",
        ready=functools.partial(_answers, port),
        port=port,
        environment={
            "_MLFLOW_SERVER_FILE_STORE": database,
            "_MLFLOW_SERVER_REGISTRY_STORE": database,
            "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
            "_MLFLOW_SERVER_ARTIFACT_DESTINATION": str(artifacts),
            "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
            "MLFLOW_SERVER_ALLOWED_HOSTS": "127.0.0.1:*,localhost:*,[::1]:*",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "PYTHONWARNINGS": "ignore",
        },
        ready_seconds=90,
        stop_seconds=5,
    )
    return Mlflow(program, f"http://127.0.0.1:{port}", {"mlflow-artifacts:/": f"file://{artifacts}/"})


async def _answers(port: int) -> bool:
    timeout = aiohttp.ClientTimeout(total=2)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(f"http://127.0.0.1:{port}/health") as response,
        ):
            return response.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False
