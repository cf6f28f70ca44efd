"""The binary that holds etcd, kube-apiserver, kube-controller-manager, kube-scheduler and kubectl.

Built from the Go module in this folder when it is missing or older than its sources. It may assume the Go toolchain
and its module cache or mirror; it must never leave a half-written binary where a whole one is expected.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

HERE = Path(__file__).parent
BINARY = HERE / "bin" / "controlplane"
SOURCES = ("main.go", "go.mod", "go.sum", "binary.py")
# A cold build on two busy cores took up to six minutes; beyond this something else is wrong.
BUILD_DEADLINE_SECONDS = 1200.0


class BuildFailed(RuntimeError):
    """The control plane cannot be built; the message says what Go said."""


def built(*, progress: TextIO = sys.stderr) -> Path:
    """The path of an up-to-date binary; builds it first where needed (minutes when cold, seconds when warm).

    Safe to call from several processes at once: one builds, the others wait. Raises BuildFailed.
    """
    with _build_lock():
        if not _is_current():
            _build(progress)
    return BINARY


def module_folder(module: str, version: str) -> Path:
    """Where the sources of a Go module lie, downloaded when needed. Raises BuildFailed."""
    answer = _go("mod", "download", "-json", f"{module}@{version}")
    found: dict[str, Any] = json.loads(answer)
    return Path(str(found["Dir"]))


def kubectl() -> list[str]:
    """The command line of a kubectl: the one on PATH, else the one inside the binary (built when missing)."""
    on_path = shutil.which("kubectl")
    return [on_path] if on_path else [str(built()), "kubectl"]


def _is_current() -> bool:
    if not BINARY.exists():
        return False
    made = BINARY.stat().st_mtime
    return all((HERE / name).stat().st_mtime <= made for name in SOURCES)


def _build(progress: TextIO) -> None:
    started = time.monotonic()
    target = BINARY.with_suffix(".new")
    print("building the control plane (minutes, once) …", file=progress, flush=True)
    command = ["build", "-trimpath", "-ldflags", f"-s -w {_version_flags()}", "-o", str(target), "."]
    with subprocess.Popen(
        [_go_path(), *command],
        cwd=HERE,
        env=_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as build:
        said = _wait_with_progress(build, started, progress)
    if build.returncode != 0:
        raise BuildFailed(f"go build failed in {HERE}:\n{said[-4000:]}")
    target.replace(BINARY)
    os.utime(BINARY)
    print(f"built {BINARY} in {time.monotonic() - started:.0f} s", file=progress, flush=True)


def _version_flags() -> str:
    """Linker flags that tell the binary its version: a build outside of Kubernetes' own tree does not know it."""
    found = re.search(r"k8s\.io/kubernetes v(\d+)\.(\d+)\.\d+", (HERE / "go.mod").read_text())
    if found is None:
        raise BuildFailed("go.mod names no version of k8s.io/kubernetes")
    package = "k8s.io/component-base/version"
    values = {"gitVersion": found[0].split()[1], "gitMajor": found[1], "gitMinor": found[2]}
    return " ".join(f"-X {package}.{name}={value}" for name, value in values.items())


def _wait_with_progress(build: subprocess.Popen[str], started: float, progress: TextIO) -> str:
    while True:
        try:
            said, _ = build.communicate(timeout=15)
        except subprocess.TimeoutExpired:
            elapsed = time.monotonic() - started
            if elapsed > BUILD_DEADLINE_SECONDS:
                build.kill()
                raise BuildFailed(f"go build took longer than {BUILD_DEADLINE_SECONDS:.0f} s; run it by hand") from None
            print(f"  … {elapsed:.0f} s", file=progress, flush=True)
        else:
            return said


def _go(*arguments: str) -> str:
    """Run go in this folder and return its standard output. Raises BuildFailed with what it said."""
    ran = subprocess.run(
        [_go_path(), *arguments], cwd=HERE, env=_environment(), capture_output=True, text=True, timeout=600, check=False
    )
    if ran.returncode != 0:
        raise BuildFailed(f"go {' '.join(arguments)} failed: {ran.stderr[-2000:] or ran.stdout[-2000:]}")
    return ran.stdout


def _go_path() -> str:
    found = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if found is None:
        raise BuildFailed("the Go toolchain was not found: put go (1.24 or newer) on PATH")
    return found


def _environment() -> dict[str, str]:
    return {**os.environ, "CGO_ENABLED": "0"}


@contextmanager
def _build_lock() -> Iterator[None]:
    BINARY.parent.mkdir(exist_ok=True)
    with (BINARY.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
