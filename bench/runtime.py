"""Predictions per second, start-up and memory of Merlin's model runtime, beside MLServer and `mlflow models serve`.

    python -m bench.runtime [--rounds 5] [--seconds 3] [--without-peers]

All servers serve the same scikit-learn model (iris, logistic regression) and get the same one-row request; the V2
protocol is measured against MLServer, MLflow's own against `mlflow models serve`. Rounds are interleaved, so that a
noisy moment of the machine hits everybody; medians over the rounds are reported. The peers live in a Python
environment of their own in a cache folder (MERLIN_BENCH_CACHE, default ~/.cache/merlin-bench), made on the first run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psutil

from bench.load import Round, request, run_round
from bench.report import Figure, write

REPO = Path(__file__).parent.parent
MODELS_PYTHON = Path(os.environ.get("MERLIN_MODELS_PYTHON", REPO / ".venv-models/bin/python"))
PEERS = ("mlserver==1.7.1", "mlserver-mlflow==1.7.1", "mlflow==3.17.2", "scikit-learn==1.9.1", "skops==0.16.0")
CONCURRENCY = (1, 16)
OURS, MLSERVER, MLFLOW = "merlin", "MLServer", "mlflow models serve"

MAKE_MODEL = """
import sys, mlflow.sklearn
from mlflow.models import infer_signature
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
X, y = load_iris(return_X_y=True, as_frame=True)
model = LogisticRegression(max_iter=500).fit(X, y)
mlflow.sklearn.save_model(model, sys.argv[1], signature=infer_signature(X, model.predict(X)))
"""
COLUMNS = ("sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)")
ROW = (5.1, 3.5, 1.4, 0.2)
V2_BODY = json.dumps(
    {
        "inputs": [
            {"name": name, "shape": [1], "datatype": "FP64", "data": [value]}
            for name, value in zip(COLUMNS, ROW, strict=True)
        ]
    }
).encode()
MLFLOW_BODY = json.dumps({"dataframe_split": {"columns": COLUMNS, "data": [ROW]}}).encode()


@dataclass(frozen=True)
class Server:
    """One running server and what its start cost: seconds to its first prediction, PSS in MB with all children."""

    name: str
    port: int
    pid: int
    path: str
    body: bytes
    ready_seconds: float

    def pss_mb(self) -> float:
        process = psutil.Process(self.pid)
        return sum(p.memory_full_info().pss for p in [process, *process.children(recursive=True)]) / 1e6


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def peers_python(cache: Path) -> Path:
    """The Python of the peers' environment, made if it is not there."""
    folder = cache / "peers-mlserver-1.7.1-mlflow-3.17.2"
    python = folder / "bin/python"
    if (folder / "complete").exists():
        return python
    shutil.rmtree(folder, ignore_errors=True)
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
    if uv is None:
        raise SystemExit(
            "bench.runtime: uv is needed to make the peers' Python environment; install it or use --without-peers"
        )
    subprocess.run([uv, "venv", "-q", "--python", sys.executable, folder], check=True)
    subprocess.run([uv, "pip", "install", "-q", "--compile-bytecode", "-p", python, *PEERS], check=True)
    (folder / "complete").touch()
    return python


def command_of(
    name: str, model: Path, port: int, peers: Path, work: Path
) -> tuple[list[str], dict[str, str], str, bytes]:
    """How a server is started, and where and with what it is asked."""
    if name == OURS:
        arguments = [str(MODELS_PYTHON), "-m", "merlin_runtime", f"--model-dir={model}", f"--port={port}"]
        own = {"PYTHONPATH": str(REPO / "runtime"), "MERLIN_MODEL_NAME": "iris", "MERLIN_RUNTIME_HOST": "127.0.0.1"}
        return arguments, own, "/v2/models/iris/infer", V2_BODY
    if name == MLSERVER:
        settings = {"http_port": port, "grpc_port": free_port(), "metrics_port": free_port(), "host": "127.0.0.1"}
        work.mkdir()
        (work / "settings.json").write_text(json.dumps({**settings, "parallel_workers": 0, "debug": False}))
        of_model = {
            "name": "iris",
            "implementation": "mlserver_mlflow.MLflowRuntime",
            "parameters": {"uri": str(model)},
        }
        (work / "model-settings.json").write_text(json.dumps(of_model))
        return [str(peers.parent / "mlserver"), "start", str(work)], {}, "/v2/models/iris/infer", V2_BODY
    arguments = [str(peers.parent / "mlflow"), "models", "serve", "-m", str(model), "--env-manager", "local"]
    return [*arguments, "-h", "127.0.0.1", "-p", str(port)], {}, "/invocations", MLFLOW_BODY


@contextmanager
def running(name: str, model: Path, peers: Path, scratch: Path) -> Iterator[Server]:
    """A started server that has answered its first prediction; stopped with all its children afterwards."""
    port = free_port()
    work = Path(tempfile.mkdtemp(dir=scratch)) / "server"
    arguments, own, path, body = command_of(name, model, port, peers, work)
    log = work.with_suffix(".log")
    environment = {**os.environ, **own, "PATH": f"{Path(arguments[0]).parent}:{os.environ['PATH']}"}
    started = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(arguments, env=environment, stdout=output, stderr=output, start_new_session=True)
    try:
        wait_for_answer(process, port, path, body, log)
        yield Server(name, port, process.pid, path, body, time.perf_counter() - started)
    finally:
        stop(process)


def wait_for_answer(process: subprocess.Popen[bytes], port: int, path: str, body: bytes, log: Path) -> None:
    deadline = time.monotonic() + 90
    asked = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", data=body, headers={"Content-Type": "application/json"}
    )
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(asked, timeout=10):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.02)
    raise SystemExit(f"bench.runtime: no answer from {process.args!r}:\n{log.read_text()[-3000:]}")


def stop(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)


@dataclass(frozen=True)
class Target:
    """What one series of rounds asks: a server by one of its protocols."""

    label: str
    server: Server
    path: str
    body: bytes


def targets_of(servers: Sequence[Server]) -> list[Target]:
    targets = [Target(server.name, server, server.path, server.body) for server in servers]
    ours = next(server for server in servers if server.name == OURS)
    return [*targets, Target(f"{OURS} /invocations", ours, "/invocations", MLFLOW_BODY)]


async def measure(targets: Sequence[Target], rounds: int, seconds: float) -> dict[tuple[str, int], list[Round]]:
    """Rounds by label and concurrency, interleaved, after one unmeasured round each."""
    results: dict[tuple[str, int], list[Round]] = {}
    for number in range(rounds + 1):
        for target in targets:
            for connections in CONCURRENCY:
                message = request(target.server.port, target.path, target.body)
                length = seconds if number else 1.0
                one = await run_round(target.server.port, message, connections=connections, seconds=length)
                if number:
                    results.setdefault((target.label, connections), []).append(one)
    return results


def of_rounds(
    results: dict[tuple[str, int], list[Round]], key: tuple[str, int], read: Callable[[Round], float]
) -> float:
    return median(read(one) for one in results[key])


def speed_figures(results: dict[tuple[str, int], list[Round]], command: str) -> list[Figure]:
    figures = []
    present = {label for label, _ in results}
    for connections in CONCURRENCY:
        for label, peer, protocol in ((OURS, MLSERVER, "V2"), (f"{OURS} /invocations", MLFLOW, "/invocations")):
            against = [peer] if peer in present else []
            figures += protocol_figures(
                results, label, against, f"{protocol}, 1 row, c={connections}", connections, command
            )
    if {MLSERVER, MLFLOW} <= present:
        for connections in CONCURRENCY:
            figures.append(ratio_figure(results, connections, command))
    return figures


def protocol_figures(
    results: dict[tuple[str, int], list[Round]], label: str, against: list[str], what: str, c: int, command: str
) -> list[Figure]:
    def figure(name: str, unit: str, read: Callable[[Round], float], promised: bool) -> Figure:
        value = of_rounds(results, (label, c), read)
        peers = {peer: round(of_rounds(results, (peer, c), read), 3) for peer in against}
        reach = f">= 2x {against[0]}" if promised and against else ""
        met = value >= 2 * peers[against[0]] if reach else None
        return Figure(f"{what}: {name}", round(value, 3), unit, command, reach, met, peers)

    return [
        figure("requests per second", "1/s", lambda one: one.requests_per_second, True),
        figure("latency p50", "ms", lambda one: one.p50 * 1000, False),
        figure("latency p99", "ms", lambda one: one.p99 * 1000, False),
    ]


def ratio_figure(results: dict[tuple[str, int], list[Round]], connections: int, command: str) -> Figure:
    def rate(label: str) -> float:
        return of_rounds(results, (label, connections), lambda one: one.requests_per_second)

    best = max(rate(MLSERVER), rate(MLFLOW))
    slower = min(rate(OURS), rate(f"{OURS} /invocations"))
    times = round(slower / best, 2)
    name = f"slower protocol here / faster peer, c={connections}"
    return Figure(name, times, "times", command, ">= 2", times >= 2, {})


def start_figures(servers: Sequence[Server], ready: Sequence[float], command: str) -> list[Figure]:
    ours = next(server for server in servers if server.name == OURS)
    others = [server for server in servers if server.name != OURS]
    pss = ours.pss_mb()
    seconds = median(ready)
    starts = {server.name: round(server.ready_seconds, 2) for server in others}
    memory = {server.name: round(server.pss_mb(), 1) for server in others}
    return [
        Figure("start to first prediction", round(seconds, 2), "s", command, "< 8 s", seconds < 8, starts),
        Figure("memory after the load, sklearn model", round(pss, 1), "MB PSS", command, "< 270 MB", pss < 270, memory),
    ]


def bench(rounds: int, seconds: float, with_peers: bool, command: str) -> list[Figure]:
    cache = Path(os.environ.get("MERLIN_BENCH_CACHE", Path.home() / ".cache/merlin-bench"))
    peers = peers_python(cache) if with_peers else Path()
    scratch = Path(tempfile.mkdtemp(prefix="bench-runtime-"))
    try:
        model = scratch / "model"
        subprocess.run([MODELS_PYTHON, "-c", MAKE_MODEL, model], check=True, capture_output=True)
        return bench_model(model, peers, scratch, (rounds, seconds, with_peers), command)
    finally:
        shutil.rmtree(scratch)


def bench_model(model: Path, peers: Path, scratch: Path, plan: tuple[int, float, bool], command: str) -> list[Figure]:
    rounds, seconds, with_peers = plan
    ready = []
    for _ in range(2):
        with running(OURS, model, peers, scratch) as early:
            ready.append(early.ready_seconds)
    with running(OURS, model, peers, scratch) as ours:
        ready.append(ours.ready_seconds)
        if not with_peers:
            results = asyncio.run(measure(targets_of([ours]), rounds, seconds))
            return [*speed_figures(results, command), *start_figures([ours], ready, command)]
        with running(MLSERVER, model, peers, scratch) as mlserver, running(MLFLOW, model, peers, scratch) as mlflow:
            servers = [ours, mlserver, mlflow]
            results = asyncio.run(measure(targets_of(servers), rounds, seconds))
            return [*speed_figures(results, command), *start_figures(servers, ready, command)]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.runtime")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="length of one round")
    parser.add_argument("--without-peers", action="store_true")
    given = parser.parse_args()
    command = "python -m bench.runtime " + " ".join(sys.argv[1:])
    figures = bench(given.rounds, given.seconds, not given.without_peers, command.strip())
    write("runtime", figures)
    if any(figure.met is False for figure in figures):
        raise SystemExit("bench.runtime: not every figure was reached")


if __name__ == "__main__":
    main()
