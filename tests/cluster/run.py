"""`make test-cluster`: a real Kubernetes control plane, Merlin's node and gateway as its clients, and the tests on it.

Builds the control plane where needed, starts everything on loopback in a temporary folder, runs the contract suite and
what is marked `cluster` (the main job end to end), then the workers' tests, which play the controllers themselves, with
the cluster's own halted; stops everything. The exit code is that of the tests; arguments go to pytest in place of the
suites. What took how long is told at the end.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

import psutil

from tests.cluster import binary, controlplane
from tests.contract.images import write_images

ROOT = Path(__file__).parent.parent.parent
# One after the other: the kubelets that the second one starts would take pods of the first one.
SUITES = {
    "contract and main job": ("tests/contract", "tests/cluster"),
    "kubelet and gateway": ("tests/localcluster/kubelet", "tests/localcluster/gateway/test_gateway.py"),
}
# Not what starts a cluster of its own, or needs none.
WORKERS = ("tests/workers", "--ignore=tests/workers/test_real_rollouts.py", "--ignore=tests/workers/test_mirror.py")
PATIENCE_SECONDS = 15.0
# Twelve minutes are promised with a cold build, of which building takes up to six.
TESTS_DEADLINE_SECONDS = 900.0


class Stopwatch:
    """What took how long."""

    def __init__(self) -> None:
        self.laps: list[tuple[str, float]] = []

    @contextmanager
    def lap(self, name: str) -> Iterator[None]:
        """Measure the block, and say that it begins."""
        print(f"== {name}", flush=True)
        started = time.monotonic()
        try:
            yield
        finally:
            self.laps.append((name, time.monotonic() - started))

    def told(self) -> str:
        """One line."""
        total = sum(seconds for _, seconds in self.laps)
        return ", ".join(f"{name} {seconds:.0f} s" for name, seconds in self.laps) + f"; together {total:.0f} s"


def main(arguments: Sequence[str] | None = None) -> int:
    """Build, start, test, stop; the exit code of the tests."""
    signal.signal(signal.SIGTERM, _interrupt)
    watch = Stopwatch()
    try:
        with watch.lap("build"):
            binary.built()
        code = _run(watch, sys.argv[1:] if arguments is None else arguments)
    except (binary.BuildFailed, controlplane.StartFailed) as error:
        print(f"make test-cluster: {error}", file=sys.stderr)
        return 2
    print(watch.told(), flush=True)
    return code


def _run(watch: Stopwatch, arguments: Sequence[str]) -> int:
    folder = Path(tempfile.mkdtemp(prefix="merlin-test-cluster-"))
    with ExitStack() as stack:
        with watch.lap("start"):
            plane = stack.enter_context(controlplane.running(folder / "controlplane"))
            port = _free_port()
            clients = stack.enter_context(ExitStack())
            for name, command in _clients(plane.kubeconfig, folder, port).items():
                clients.enter_context(_process(command, folder / f"{name}.log"))
        code = 0
        given = {"MERLIN_GATEWAY_URL": f"http://127.0.0.1:{port}"}
        for name, paths in ({"tests": arguments} if arguments else SUITES).items():
            with watch.lap(name):
                code = _pytest([*paths, "--kubeconfig", str(plane.kubeconfig)], given) or code
        if not arguments:
            clients.close()
            plane.halt_controllers()
            with watch.lap("workers"):
                code = _pytest(WORKERS, {"MERLIN_TEST_KUBECONFIG": str(plane.kubeconfig)}) or code
        with watch.lap("stop"):
            stack.close()
    if code == 0:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        print(f"logs of the control plane, node and gateway are in {folder}", flush=True)
    return code


def _clients(kubeconfig: Path, folder: Path, port: int) -> dict[str, list[str]]:
    """Merlin's controllers and kubelet, and its gateway, as clients of that cluster."""
    home = folder / "node"
    home.mkdir(mode=0o700)
    images = write_images(folder / "images.json")
    module = [sys.executable, "-m", "merlin.localcluster"]
    node = [*module, "node", "--kubeconfig", str(kubeconfig), "--home", str(home), "--images", str(images)]
    return {
        "node": [*node, "--gateway-port", str(port)],
        "gateway": [*module, "gateway", "--kubeconfig", str(kubeconfig), "--port", str(port)],
    }


def _pytest(arguments: Sequence[str], given: Mapping[str, str]) -> int:
    command = [sys.executable, "-m", "pytest", "-p", "no:xdist", "-q", "--durations=10", *arguments]
    ran = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **given})
    try:
        return ran.wait(TESTS_DEADLINE_SECONDS)
    except subprocess.TimeoutExpired:
        print(f"the tests took longer than {TESTS_DEADLINE_SECONDS:.0f} s", file=sys.stderr)
        return 3
    finally:
        _end(ran)


@contextmanager
def _process(command: Sequence[str], log: Path) -> Iterator[None]:
    with log.open("wb") as output:
        started = subprocess.Popen(list(command), cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield
    finally:
        if started.poll() is not None:
            tail = log.read_text(errors="replace")[-2000:]
            print(f"{log.stem} had ended with {started.returncode}:\n{tail}", file=sys.stderr)
        _end(started)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Stop a process and everything it started; of a local node that is every pod."""
    if process.poll() is not None:
        return
    family = psutil.Process(process.pid).children(recursive=True)
    process.terminate()
    try:
        process.wait(PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(PATIENCE_SECONDS)
    for child in family:
        if child.is_running():
            child.kill()


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    raise SystemExit(main())
