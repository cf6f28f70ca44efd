"""The life of a runtime process: loading, failing, limits, overload, timeouts, draining. Every trouble is real."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from merlin_runtime_tests.served import MODELS_PYTHON, REPO, Runtime, tensor, wait_until

Start = Callable[..., Runtime]
Served = Callable[[str], Runtime]
ROW = [[5.1, 3.5, 1.4, 0.2]]


def failure_of(server: Runtime) -> dict[str, Any]:
    """The failure a runtime ended with, which its log's last line and the termination log must both hold."""
    assert server.process.wait(60) == 3
    word, _, line = server.log.rstrip("\n").splitlines()[-1].partition(" ")
    assert word == "MERLIN_FAILURE"
    assert json.loads(server.termination_log.read_text()) == json.loads(line)
    found: dict[str, Any] = json.loads(line)
    assert set(found) == {"code", "message", "details"}
    return found


@pytest.fixture
def copy(models: Path, tmp_path: Path) -> Callable[[str], Path]:
    """A copy of a test model that a test may spoil."""

    def of(name: str) -> Path:
        return Path(shutil.copytree(models / name, tmp_path / name))

    return of


def test_liveness_answers_while_the_model_is_loading(start: Start) -> None:
    server = start("iris")
    assert server.http.get("/v2/health/live").status_code == 200
    assert server.http.get("/v2/models/iris/ready").status_code == 503
    early = server.infer(tensor("x", ROW))
    assert (early.status_code, early.headers["merlin-revision"]) == (503, "7")
    server.wait_for_model()
    assert server.infer(tensor("x", ROW)).status_code == 200


def test_a_sklearn_model_is_served_without_mlflow_and_pandas(served: Served) -> None:
    server = served("iris")
    assert server.infer(tensor("x", ROW)).status_code == 200
    mapped = Path(f"/proc/{server.process.pid}/maps").read_text()
    assert "/sklearn/" in mapped
    assert "/pandas/" not in mapped


def test_a_model_that_raises_while_loading_is_named_with_its_last_lines(start: Start) -> None:
    failure = failure_of(start("broken"))
    assert failure["code"] == "MODEL_LOAD_FAILED"
    assert "ValueError: the weights are of another shape" in failure["message"]
    assert "load_context" in failure["details"]["log"]


def test_a_damaged_file_is_a_failed_load(start: Start, copy: Callable[[str], Path]) -> None:
    folder = copy("iris")
    (folder / "model.skops").write_bytes(b"not a zip")
    assert failure_of(start(folder))["code"] == "MODEL_LOAD_FAILED"
    (folder / "requirements.txt").write_bytes(b"\xff\xfe")
    assert failure_of(start(folder))["code"] == "MODEL_LOAD_FAILED"


def test_every_requirement_that_is_not_met_is_named(start: Start, copy: Callable[[str], Path]) -> None:
    folder = copy("iris")
    (folder / "requirements.txt").write_text("numpy\nscikit-learn==0.24.1\nno-such-package>=2\nmlflow==2.1.0\n")
    failure = failure_of(start(folder))
    assert failure["code"] == "DEPENDENCY_CONFLICT"
    conflicts = {c["name"]: (c["wanted"], c["found"]) for c in failure["details"]["conflicts"]}
    assert set(conflicts) == {"scikit-learn", "no-such-package", "mlflow"}
    assert conflicts["no-such-package"] == (">=2", None)
    assert conflicts["scikit-learn"][0] == "==0.24.1"
    for name in conflicts:
        assert name in failure["message"]


def test_another_python_is_not_available(start: Start, copy: Callable[[str], Path]) -> None:
    folder = copy("iris")
    (folder / "python_env.yaml").write_text("python: 3.7.9\n")
    failure = failure_of(start(folder))
    assert (failure["code"], failure["details"]["wanted"]) == ("PYTHON_NOT_AVAILABLE", "3.7.9")


def test_a_folder_without_a_model_is_artifact_not_found(start: Start, tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        assert failure_of(start(folder))["code"] == "ARTIFACT_NOT_FOUND"


def test_bad_settings_and_a_taken_port_end_at_once_with_a_sentence(tmp_path: Path) -> None:
    base = {**os.environ, "PYTHONPATH": str(REPO / "runtime"), "MERLIN_RUNTIME_HOST": "127.0.0.1"}

    def ended(port: int, **more: str) -> subprocess.CompletedProcess[str]:
        command = [MODELS_PYTHON, "-m", "merlin_runtime", f"--model-dir={tmp_path}", f"--port={port}"]
        return subprocess.run(command, env={**base, **more}, capture_output=True, text=True, timeout=30, check=False)

    bad = ended(0, MERLIN_RUNTIME_TIMEOUT_SECONDS="soon")
    assert (bad.returncode, "MERLIN_RUNTIME_TIMEOUT_SECONDS must be" in bad.stderr) == (1, True)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        busy = ended(taken.getsockname()[1])
    assert (busy.returncode, "the port cannot be opened" in busy.stderr) == (1, True)


def test_bodies_over_the_limit_are_413_announced_or_not(start: Start) -> None:
    server = start("iris", MERLIN_RUNTIME_MAX_BODY_BYTES="100000")
    server.wait_for_model()

    def chunks() -> Iterator[bytes]:
        for _ in range(40):
            yield b" " * 5000

    path = "/v2/models/iris/infer"
    announced = server.http.post(path, content=b" " * 100001)
    counted = server.http.post(path, content=chunks())
    assert (announced.status_code, counted.status_code) == (413, 413)
    assert "100000 bytes" in announced.json()["error"]
    assert server.http.post("/invocations", content=chunks()).status_code == 413
    whole = json.dumps({"inputs": [tensor("x", ROW)]}).encode()
    allowed = server.http.post(path, content=iter([whole[:20], whole[20:]]))
    assert allowed.json()["outputs"][0]["data"] == [0]


def test_a_body_that_trickles_in_is_a_408_and_garbage_a_400(start: Start) -> None:
    server = start("iris", MERLIN_RUNTIME_TIMEOUT_SECONDS="0.3")
    server.wait_for_model()
    for sent, status in (
        (b"POST /v2/models/iris/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc", b"408"),
        (b"NONSENSE\r\n\r\n", b"400"),
    ):
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            connection.sendall(sent)
            whole = connection.makefile("rb").read()  # ends because the server closes
            assert whole.split(b" ")[1] == status
    assert server.infer(tensor("x", ROW)).status_code == 200


def test_a_slow_prediction_is_a_504_and_health_keeps_answering(start: Start) -> None:
    server = start("echo", MERLIN_RUNTIME_TIMEOUT_SECONDS="0.5")
    server.wait_for_model()
    with ThreadPoolExecutor(1) as other:
        slow = other.submit(server.infer, tensor("text", ["sleep 20"], "BYTES"))
        answered = 0
        while not slow.done():
            asked = time.monotonic()
            assert httpx.get(f"http://127.0.0.1:{server.port}/v2/health/live").status_code == 200
            assert time.monotonic() - asked < 0.4
            answered += 1
        assert (slow.result().status_code, answered > 3) == (504, True)
    # The stuck call is left behind; the next request has a thread of its own.
    assert server.infer(tensor("text", ["quick"], "BYTES")).status_code == 200
    assert server.lines("a prediction exceeded its time and was left behind")


def test_a_full_queue_is_a_503_that_says_when_to_come_back(start: Start) -> None:
    server = start("echo", MERLIN_RUNTIME_MAX_QUEUED="1")
    server.wait_for_model()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: server.infer(tensor("text", ["sleep 0.3"], "BYTES")), range(8)))
    statuses = {answer.status_code for answer in answers}
    assert statuses == {200, 503}
    assert {answer.headers.get("retry-after") for answer in answers if answer.status_code == 503} == {"1"}


def test_sigterm_turns_readiness_off_finishes_what_is_in_flight_and_exits_0(start: Start) -> None:
    server = start("echo")
    server.wait_for_model()
    with ThreadPoolExecutor(1) as other:
        slow = other.submit(server.infer, tensor("text", ["sleep 1"], "BYTES"))
        wait_until(lambda: server.metric("merlin_runtime_requests_in_flight") > 1, "the request in flight")
        server.terminate()
        wait_until(lambda: server.http.get("/v2/models/iris/ready").status_code == 503, "readiness off")
        assert not slow.done()
        assert slow.result().status_code == 200
    assert server.process.wait(10) == 0


def test_the_drain_ends_at_its_deadline_and_while_loading_at_once(start: Start) -> None:
    server = start("echo", MERLIN_RUNTIME_DRAIN_SECONDS="0.5")
    server.wait_for_model()
    threading.Thread(target=_ask_and_forget, args=(server,), daemon=True).start()
    wait_until(lambda: server.metric("merlin_runtime_requests_in_flight") > 1, "the request in flight")
    server.terminate()
    assert server.process.wait(10) == 0
    loading = start("iris")
    loading.terminate()
    assert loading.process.wait(10) == 0


def _ask_and_forget(server: Runtime) -> None:
    body = json.dumps({"inputs": [tensor("text", ["sleep 30"], "BYTES")]}).encode()
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        head = f"POST /v2/models/iris/infer HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)
        try:
            connection.recv(100)
        except OSError:
            return  # the process ended, as it should


def test_each_of_many_concurrent_requests_gets_its_own_rows(served: Served, expected: Any) -> None:
    server = served("iris_proba")
    rows, wanted = expected["iris_rows"] * 20, expected["iris_proba"] * 20

    def ask(row: list[float]) -> list[float]:
        found: list[float] = server.infer(tensor("x", [row])).json()["outputs"][0]["data"]
        return found

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(ask, rows))
    for answer, right in zip(answers, wanted, strict=True):
        assert answer == pytest.approx(right, rel=1e-12)


def test_a_model_that_looks_at_all_rows_never_shares_a_call(served: Served) -> None:
    server = served("summary")
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(server.infer, tensor("a", [float(n)]), tensor("b", [0.0])) for n in range(40)]
        totals = [one.result().json()["outputs"][0]["data"] for one in asked]
    assert totals == [[float(n)] for n in range(40)]


def test_metrics_count_answers_by_route_and_status(served: Served) -> None:
    server = served("iris")
    name = 'merlin_runtime_requests_total{route="infer",status="200"}'
    server.infer(tensor("x", ROW))
    before = server.metric(name)
    server.infer(tensor("x", ROW))
    assert server.metric(name) == before + 1
    assert server.metric("merlin_runtime_ready") == 1
    assert server.metric("process_resident_memory_bytes") > 1e7


def test_large_requests_are_answered_off_the_loop(served: Served, expected: Any) -> None:
    rows = expected["iris_rows"] * 800
    (output,) = served("iris").infer(tensor("x", rows)).json()["outputs"]
    assert output["data"] == expected["iris"] * 800
