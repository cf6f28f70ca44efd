"""How quick and how large the embedded platform is: start, deploy, apply, event at a subscriber, memory.

Every figure is taken on a platform that this run started, through the doors that users have. The two latencies of the
control path are measured at the cluster's API, from the accepted mutation to the watch event that shows the object,
and from an acknowledged write of a status to the event at a WebSocket subscriber.
"""

from __future__ import annotations

import base64
import json
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty, Queue
from statistics import median
from typing import Any

import httpx
import psutil
import yaml
from merlin_client import Client
from websockets.sync.client import ClientConnection, connect

from bench.report import Figure, percentile, write
from tests.platform import ROW, Deployed, Platform, end, remove, running_platform, start, until

COMMAND = "python -m bench platform"
STARTS = 5
DEPLOYS = 5
CHANGES = 120


def main() -> None:
    """Measure and write bench/results/platform.json."""
    figures = [*started()]
    with running_platform() as platform:
        figures.append(idle_memory(platform))
        figures.extend(deployed(platform))
        running = platform.deployed("bench", "iris")
        figures.append(model_memory(platform))
        figures.extend(applied(platform, running))
        figures.extend(seen(platform, running))
    write("platform", figures)


def started() -> Iterator[Figure]:
    """From the command to ``/readyz`` answering 200, on a data folder that exists."""
    folder = Path(tempfile.mkdtemp(prefix="merlin-bench-"))
    seconds = []
    try:
        for _ in range(STARTS + 1):
            began = time.monotonic()
            process = start(folder)
            address = json.loads((folder / "addresses.json").read_text())["graphql"]
            until(lambda a=address: httpx.get(a.replace("/graphql", "/readyz")).status_code == 200, 30, "ready")  # type: ignore[misc]
            seconds.append(time.monotonic() - began)
            end(process)
    finally:
        remove(folder)
    yield figure("platform start, new data folder", seconds[0], "s", "")
    yield figure("platform start to /readyz (median)", median(seconds[1:]), "s", "< 4 s", 4)


def deployed(platform: Platform) -> Iterator[Figure]:
    """From the client's `deploy()` to the first prediction, each on a version of its own, with a cold runtime."""
    model_id = platform.model("cold", "iris")
    seconds = []
    with Client(home=platform.home) as client:
        for _ in range(DEPLOYS):
            _, number = platform.finished_version(model_id)
            version = client.version(f"cold/iris/{number}")
            began = time.monotonic()
            endpoint = version.deploy(progress=False)
            endpoint.predict(ROW)
            seconds.append(time.monotonic() - began)
            endpoint.undeploy(progress=False)
    yield figure("deploy to first prediction, cold runtime (median)", median(seconds), "s", "< 8 s", 8)


def applied(platform: Platform, running: Deployed) -> Iterator[Figure]:
    """From the accepted mutation to the InferenceService as the cluster's watchers see it: a change in place."""
    milliseconds = []
    with watching(platform, "apis/serving.kserve.io/v1beta1/namespaces/bench/inferenceservices") as seen_objects:
        for n in range(CHANGES):
            drain(seen_objects)
            platform.deploy(running.version_id, maxReplicas=2 + n % 2)
            accepted = time.monotonic()
            arrived = seen_objects.get(timeout=20)[0]
            milliseconds.append(max(0.0, (arrived - accepted) * 1000))
            platform.settled(running.endpoint_id)
    yield figure("mutation accepted to InferenceService applied, p50", median(milliseconds), "ms", "< 30 ms", 30)
    yield figure(
        "mutation accepted to InferenceService applied, p99", percentile(milliseconds, 0.99), "ms", "< 100 ms", 100
    )


def seen(platform: Platform, running: Deployed) -> Iterator[Figure]:
    """From an acknowledged write to the cluster's API to the event at a subscriber.

    The write says that no pod is ready. The Deployment's controller soon says otherwise: where it did so before anybody
    looked, there was nothing to tell, and that write gives no value.
    """
    milliseconds = []
    name = platform.endpoint(running.endpoint_id)["revisions"]["nodes"][0]["serviceName"]
    path = f"apis/apps/v1/namespaces/bench/deployments/{name}-predictor/status"
    lost = {"status": {"availableReplicas": 0, "readyReplicas": 0, "unavailableReplicas": 1}}
    with cluster(platform, httpx.Timeout(10)) as http, subscribed(platform, running.endpoint_id) as events:
        for _ in range(CHANGES):
            drain(events)
            http.patch(path, json=lost, headers={"content-type": "application/merge-patch+json"}).raise_for_status()
            acknowledged = time.monotonic()
            with suppress(Empty):
                milliseconds.append(max(0.0, (awaited(events, "endpoint.unhealthy") - acknowledged) * 1000))
                awaited(events, "endpoint.healed")
    if len(milliseconds) < CHANGES / 2:
        raise RuntimeError(f"only {len(milliseconds)} of {CHANGES} changes were told to the subscriber")
    yield figure("cluster change to event at a subscriber, p50", median(milliseconds), "ms", "")
    yield figure("cluster change to event at a subscriber, p99", percentile(milliseconds, 0.99), "ms", "< 50 ms", 50)


def awaited(events: Arrivals, type_: str) -> float:
    """When the next event of that type arrived. Raises Empty when none does in some seconds."""
    while True:
        arrived, event = events.get(timeout=3)
        if event["type"] == type_:
            return arrived


def idle_memory(platform: Platform) -> Figure:
    """PSS of everything the platform started, before any model."""
    time.sleep(5)  # let start-up garbage go: this is about idling
    processes = {p.pid: p for p in family(platform)}
    for process in sorted(processes.values(), key=pss, reverse=True):
        print(f"  {pss(process) / 1e6:7.1f} MB  {' '.join(process.cmdline())[:90]}")
    return figure("idle platform without models", sum(map(pss, processes.values())) / 1e6, "MB", "< 700 MB", 700)


def model_memory(platform: Platform) -> Figure:
    """PSS of one scikit-learn model's processes."""
    lines = {process: " ".join(process.cmdline()) for process in family(platform, everything=True)}
    # MLflow runs in a module of the runtime's as well.
    models = [process for process, line in lines.items() if "merlin_runtime" in line and "mlflow_server" not in line]
    for process in models:
        print(f"  {pss(process) / 1e6:7.1f} MB  {lines[process][:90]}")
    return figure("one scikit-learn model", sum(map(pss, models)) / 1e6, "MB", "< 270 MB", 270)


def family(platform: Platform, *, everything: bool = False) -> list[psutil.Process]:
    """The supervisor and all that descends from it; with ``everything`` also pods, which have sessions of their own."""
    supervisor = psutil.Process(platform.process.pid)
    mine = [supervisor, *supervisor.children(recursive=True)]
    if everything:
        known = {process.pid for process in mine}
        mark = str(platform.home)
        others = [p for p in psutil.process_iter() if p.pid not in known and mark in safe_text(p)]
        mine.extend(others)
    return mine


def safe_text(process: psutil.Process) -> str:
    try:
        return " ".join([*process.cmdline(), *process.environ().values()])
    except psutil.Error:
        return ""


def pss(process: psutil.Process) -> float:
    try:
        return float(process.memory_full_info().pss)
    except psutil.Error:
        return 0.0


def cluster(platform: Platform, timeout: httpx.Timeout) -> httpx.Client:
    """A client of the cluster's API, with the credentials of the printed kubeconfig."""
    config = yaml.safe_load(Path(platform.addresses["kubeconfig"]).read_text())
    address, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    authority = base64.b64decode(address["certificate-authority-data"]).decode()
    return httpx.Client(
        base_url=address["server"],
        headers={"authorization": f"Bearer {user['token']}"},
        verify=ssl.create_default_context(cadata=authority),
        timeout=timeout,
        trust_env=False,
    )


Arrivals = Queue[tuple[float, dict[str, Any]]]


@contextmanager
def watching(platform: Platform, path: str) -> Iterator[Arrivals]:
    """Objects of a collection as they change, with the moment each arrived."""
    arrivals: Arrivals = Queue()
    with cluster(platform, httpx.Timeout(10, read=None)) as http:
        version = http.get(path).json()["metadata"]["resourceVersion"]
        request = http.build_request("GET", f"{path}?watch=true&resourceVersion={version}")
        response = http.send(request, stream=True)

        def read() -> None:
            try:
                for line in response.iter_lines():
                    arrivals.put((time.monotonic(), json.loads(line)))
            except httpx.HTTPError:
                return  # closed by the owner

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        yield arrivals
        # Ended under the reader, then closed: a number that is closed while somebody reads from it is soon another's.
        response.extensions["network_stream"].get_extra_info("socket").shutdown(socket.SHUT_RDWR)
        reader.join(10)
        response.close()


@contextmanager
def subscribed(platform: Platform, endpoint_id: str) -> Iterator[Arrivals]:
    """Events of an endpoint over graphql-transport-ws, with the moment each arrived."""
    address = platform.addresses["graphql"].replace("http", "ws", 1)
    arrivals: Arrivals = Queue()
    with connect(address, subprotocols=["graphql-transport-ws"], open_timeout=10) as stream:  # type: ignore[list-item]
        stream.send(json.dumps({"type": "connection_init", "payload": {"token": platform.addresses["token"]}}))
        assert json.loads(stream.recv(10))["type"] == "connection_ack"
        query = "subscription($s: ID) { events(subject: $s) { type message } }"
        payload = {"query": query, "variables": {"s": endpoint_id}}
        stream.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
        threading.Thread(target=receive, args=(stream, arrivals), daemon=True).start()
        platform.ask("{ me { subject } }")  # a round trip: the subscription is in place by now
        yield arrivals


def receive(stream: ClientConnection, arrivals: Arrivals) -> None:
    """Put each event of the stream into the queue until it closes."""
    for text in stream:
        message = json.loads(text)
        if message["type"] == "next":
            arrivals.put((time.monotonic(), message["payload"]["data"]["events"]))


def drain(arrivals: Arrivals) -> None:
    """Forget what arrived so far."""
    while not arrivals.empty():
        arrivals.get_nowait()


def figure(name: str, value: float, unit: str, reach: str, limit: float | None = None) -> Figure:
    """A figure that is met when it stays under the limit."""
    return Figure(name, round(value, 2), unit, COMMAND, reach, None if limit is None else value < limit)


if __name__ == "__main__":
    main()
