"""From a fresh clone to the main job done: `make run` in a new folder, with package caches warm and cold.

Cold means empty cache folders for uv, pip and npm; the network and the registries are whatever they are that day.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from bench.report import Figure, write

ROOT = Path(__file__).parent.parent
COMMAND = "python -m bench setup"
DONE = "Merlin is running."
LONGEST_SECONDS = 600


def main() -> None:
    """Measure and write bench/results/setup.json."""
    warm, cold = first_run(cold=False), first_run(cold=True)
    write(
        "setup",
        [
            Figure("fresh clone to main job done, caches warm", warm, "s", COMMAND, "< 90 s", warm < 90),
            Figure("fresh clone to main job done, caches cold", cold, "s", COMMAND, "< 180 s", cold < 180),
        ],
    )


def first_run(*, cold: bool) -> float:
    """Seconds from `git clone` to the line that says that everything runs."""
    folder = Path(tempfile.mkdtemp(prefix="merlin-clone-"))
    try:
        caches = {"UV_CACHE_DIR": "uv", "PIP_CACHE_DIR": "pip", "npm_config_cache": "npm"}
        environment = {name: str(folder / "caches" / path) for name, path in caches.items()} if cold else {}
        began = time.monotonic()
        subprocess.run(["git", "clone", "-q", str(ROOT), str(folder / "merlin")], check=True, timeout=60)
        wait_for_main_job(folder / "merlin", environment)
        return round(time.monotonic() - began, 1)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def wait_for_main_job(clone: Path, environment: dict[str, str]) -> None:
    """Run `make run` until the main job is done, then stop it as Ctrl-C does."""
    process = subprocess.Popen(
        ["make", "run", "ARGS=--port 0"],
        cwd=clone,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + LONGEST_SECONDS
    assert process.stdout is not None
    try:
        for line in process.stdout:
            print("   ", line.rstrip())
            if line.startswith(DONE):
                return
            if time.monotonic() > deadline:
                break
        raise RuntimeError("the main job was not done in time")
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(60)


if __name__ == "__main__":
    main()
