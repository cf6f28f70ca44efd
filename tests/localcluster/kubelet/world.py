"""A kubelet as a process of its own, and pods for it."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil

from merlin.kube.kinds import EVENT, POD, Manifest
from tests.contract.api import NODE, Api, ok
from tests.platform import ROOT, until

IMAGE = "tests/kubelet:1"
PATIENCE = 30
RUN = """
import asyncio, sys
from pathlib import Path
from merlin.localcluster.kubelet import run_kubelet
asyncio.run(run_kubelet(Path(sys.argv[1]), home=Path(sys.argv[2]), images=Path(sys.argv[3]), node_name=sys.argv[4]))
"""


class Kubelet:
    """A running kubelet with a node of its own."""

    def __init__(self, api: Api, home: Path) -> None:
        self.api = api
        self.home = home
        self.kubeconfig = api.kubeconfig
        self.node = f"node-{secrets.token_hex(4)}"
        self.images = home / "images.json"
        self.process: subprocess.Popen[bytes] | None = None
        home.mkdir(parents=True, exist_ok=True)
        # The embedded API server knows kubelets by the token in its own folder.
        token = api.kubeconfig.with_name("kubelet-token")
        if token.exists():
            shutil.copy(token, home)
        program = [sys.executable, "-I", "-S", str(Path(__file__).with_name("program.py"))]
        self.images.write_text(json.dumps([{"image": IMAGE, "command": program, "env": {"FROM": "the image"}}]))

    def start(self, *, wait: bool = True) -> None:
        """Start it and wait until its node is ready."""
        command = [sys.executable, "-c", RUN, str(self.kubeconfig), str(self.home), str(self.images), self.node]
        with (self.home / "kubelet.log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)
        if wait:
            until(self._is_ready, PATIENCE, "the node is ready")

    def kill(self) -> None:
        """kill -9."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGINT, as Ctrl-C sends it: it ends its pods, too."""
        self._end(signal.SIGINT)

    def _end(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)
        self.process.wait(PATIENCE)

    def _is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.home / "kubelet.log").read_text()
        answer = self.api.get(NODE.path(None, self.node))
        if answer.status_code != 200:
            return False
        conditions = answer.json().get("status", {}).get("conditions") or []
        return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


@contextmanager
def running_kubelet(api: Api, home: Path) -> Iterator[Kubelet]:
    """A kubelet for the time of the block; nothing of it is left then."""
    kubelet = Kubelet(api, home)
    try:
        kubelet.start()
        yield kubelet
    finally:
        if kubelet.process is not None and kubelet.process.poll() is None:
            kubelet.kill()
        for process in psutil.process_iter():
            try:
                mine = str(home) in " ".join([*process.cmdline(), *process.environ().values()])
            except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
                continue
            if mine and process.pid != os.getpid():
                process.kill()
        api.delete(NODE.path(None, kubelet.node))


class Pods:
    """Pods of one namespace on one kubelet."""

    def __init__(self, api: Api, namespace: str, kubelet: Kubelet) -> None:
        self.api = api
        self.namespace = namespace
        self.kubelet = kubelet

    def create(self, *arguments: str, spec: dict[str, Any] | None = None, **container: Any) -> str:
        """A pod with one container that runs the tests' program; its name."""
        name = f"pod-{secrets.token_hex(4)}"
        main = {"name": "main", "image": IMAGE, "args": list(arguments), **container}
        manifest: Manifest = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {
                "nodeName": self.kubelet.node,
                "terminationGracePeriodSeconds": 2,
                "automountServiceAccountToken": False,
                "containers": [main],
                **(spec or {}),
            },
        }
        # A real API server makes the namespace's service account in its own time.
        until(lambda: self.api.create(manifest).status_code == 201, PATIENCE, "the pod is accepted")
        return name

    def get(self, name: str) -> Manifest:
        """The pod."""
        return ok(self.api.get(POD.path(self.namespace, name)))

    def main(self, name: str, field: str = "containerStatuses") -> dict[str, Any]:
        """The status of its first container."""
        found = self.get(name).get("status", {}).get(field) or [{}]
        return dict(found[0])

    def until(self, name: str, claim: Callable[[Manifest], Any], what: str, seconds: float = PATIENCE) -> Manifest:
        """The pod, once the claim holds."""
        until(lambda: claim(self.get(name)), seconds, f"{what}; it is {self.get(name).get('status')}")
        return self.get(name)

    def ready(self, name: str) -> Manifest:
        """The pod, once it is ready."""
        return self.until(name, is_ready, "ready")

    def ask(self, name: str, path: str) -> str:
        """What its process answers."""
        address = self.get(name)["metadata"]["annotations"]["merlin.dev/address"]
        return httpx.get(f"http://{address}{path}", trust_env=False).text

    def delete(self, name: str, **options: Any) -> None:
        """Ask for its deletion."""
        assert self.api.delete(POD.path(self.namespace, name), **options).status_code in {200, 202}

    def is_gone(self, name: str) -> bool:
        """Whether there is no such pod."""
        return self.api.get(POD.path(self.namespace, name)).status_code == 404

    def reasons(self, name: str) -> list[str]:
        """The reasons of its events."""
        return [str(event["reason"]) for event in self.events(name)]

    def events(self, name: str) -> list[Manifest]:
        """Its events."""
        listed = ok(self.api.get(EVENT.path(self.namespace), fieldSelector=f"involvedObject.name={name}"))
        return list(listed["items"])


def is_ready(pod: Manifest) -> bool:
    """Whether a pod is ready."""
    conditions = pod.get("status", {}).get("conditions") or []
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def process_of(pods: Pods, name: str) -> psutil.Process:
    """The process of a pod that runs `serve`."""
    return psutil.Process(int(pods.ask(name, "/pid")))
