"""Real runtime processes for the tests: models built by the models' Python, servers started on free ports."""

# ruff: noqa: S101 - the harness asserts, as tests do

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

HERE = Path(__file__).parent
REPO = HERE.parent.parent
MODELS_PYTHON = os.environ.get("MERLIN_MODELS_PYTHON", str(REPO / ".venv-models/bin/python"))
DEADLINE_SECONDS = 60.0


def build_models(shared: Path) -> Path:
    """The test models' folder, built by the first process that asks."""
    root = shared / "merlin-runtime-models"
    with (shared / "merlin-runtime-models.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (root / "expected.json").exists():
            shutil.rmtree(root, ignore_errors=True)
            root.mkdir(parents=True)
            environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
            command = [MODELS_PYTHON, str(HERE / "make_models.py"), str(root)]
            made = subprocess.run(command, capture_output=True, text=True, timeout=180, env=environment, check=False)
            assert made.returncode == 0, made.stderr[-3000:]
    return root


def wait_until(holds: Callable[[], Any], what: str, seconds: float = DEADLINE_SECONDS) -> Any:
    """The first true answer of ``holds``; fails after the deadline."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = holds()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError(f"not within {seconds} s: {what}")


class Runtime:
    """One `python -m merlin_runtime` process, its log and an HTTP client for it."""

    def __init__(self, model_dir: Path, scratch: Path, environment: Mapping[str, str]) -> None:
        self.log_path = scratch / "log.jsonl"
        self.termination_log = scratch / "termination-log"
        own = {
            "PYTHONPATH": str(HERE.parent),
            "MERLIN_RUNTIME_HOST": "127.0.0.1",
            "MERLIN_MODEL_NAME": "iris",
            "MERLIN_MODEL_VERSION": "3",
            "MERLIN_REVISION": "7",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "TERMINATION_LOG_PATH": str(self.termination_log),
        }
        command = [MODELS_PYTHON, "-m", "merlin_runtime", f"--model-dir={model_dir}", "--port=0"]
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                command, env={**os.environ, **own, **environment}, stdout=log, stderr=log, cwd=scratch
            )

    @property
    def log(self) -> str:
        return self.log_path.read_text()

    def lines(self, message: str) -> list[dict[str, Any]]:
        """The log's lines with that message."""
        found = [json.loads(line) for line in self.log.splitlines() if line.startswith("{") and line.endswith("}")]
        return [line for line in found if line["message"] == message]

    def wait_for_port(self) -> None:
        def listening() -> Any:
            has_ended = self.process.poll() is not None  # asked first: one that failed at once has listened before
            lines = self.lines("listening")
            assert lines or not has_ended, self.log
            return lines

        line = wait_until(listening, "an open port")[0]
        self.port = int(line["port"])
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=30)

    def wait_for_model(self) -> None:
        def ready() -> bool:
            assert self.process.poll() is None, self.log
            return self.http.get("/v2/health/ready").status_code == 200

        wait_until(ready, "a loaded model")

    def infer(self, *tensors: dict[str, Any], **rest: Any) -> httpx.Response:
        return self.http.post("/v2/models/iris/infer", json={"inputs": list(tensors), **rest})

    def metric(self, name: str) -> float:
        """The value of one line of /metrics; ``name`` with its labels."""
        text = self.http.get("/metrics").text
        found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
        assert found, f"{name} is not in:\n{text}"
        return float(found[1])

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def close(self) -> None:
        if hasattr(self, "http"):
            self.http.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)


@contextmanager
def runtime(model_dir: Path, scratch: Path, **environment: str) -> Iterator[Runtime]:
    """A runtime whose port is open (its model may still be loading); killed in the end."""
    started = Runtime(model_dir, scratch, environment)
    try:
        started.wait_for_port()
        yield started
    finally:
        started.close()


def tensor(name: str, values: Any, datatype: str = "FP64", shape: list[int] | None = None) -> dict[str, Any]:
    """A V2 tensor; the shape is the nesting of the values unless said."""
    found = []
    inner = values
    while isinstance(inner, list):
        found.append(len(inner))
        inner = inner[0] if inner else None
    return {"name": name, "datatype": datatype, "shape": found if shape is None else shape, "data": values}
