"""A real Kubernetes control plane on loopback: etcd, kube-apiserver, kube-controller-manager, kube-scheduler.

`running(folder)` starts one for a test run and stops it afterwards; `python -m tests.cluster.controlplane up DIR` and
`down DIR` do the same for people. State, logs and keys lie in the folder; a second start goes on with the same state.
It must never listen beyond loopback, and it fsyncs nothing: what it holds is worth nothing after the tests.
"""

from __future__ import annotations

import argparse
import json
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.cluster import binary, crds, pki

START_DEADLINE_SECONDS = 180.0
# Seconds of patience after SIGTERM. The API server would drain its watches for ten seconds and more if let.
PATIENCE = {"scheduler": 1.0, "controllers": 1.0, "apiserver": 1.0, "etcd": 2.0}
STOP_ORDER = (("scheduler", "controllers"), ("apiserver",), ("etcd",))


class StartFailed(RuntimeError):
    """A component died or was not ready in time; the message holds the end of its log."""


@dataclass(kw_only=True)
class ControlPlane:
    """The four processes of one control plane and the files they need."""

    folder: Path
    ports: dict[str, int] = field(default_factory=dict)
    processes: dict[str, psutil.Process] = field(default_factory=dict)

    @property
    def server(self) -> str:
        return f"https://127.0.0.1:{self.ports['apiserver']}"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig (client certificate)."""
        return self.folder / "kubeconfig"

    def start(self) -> None:
        """Start everything and return when a user can work: CRDs established, namespace `default` complete.

        Raises StartFailed, having stopped what was started."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> None:
        program = binary.built()
        keys = pki.made(self.folder / "pki")
        self.ports = self.ports or _free_ports("apiserver", "etcd", "peers", "controllers", "scheduler")
        self._write_kubeconfigs(keys)
        self._launch("etcd", [str(program), "etcd", *self._etcd_flags()])
        self._launch("apiserver", [str(program), "apiserver", *self._apiserver_flags(keys)])
        self._wait_until("the API server is ready", "/readyz")
        # Only now: before the API server has bootstrapped its RBAC rules, these two die with "forbidden".
        self._launch("controllers", [str(program), "controllers", *self._controllers_flags(keys)])
        self._launch("scheduler", [str(program), "scheduler", *self._scheduler_flags()])
        crds.install(self.server, self._trust())
        self._wait_until("the controllers act", "/api/v1/namespaces/default/serviceaccounts/default")

    def halt_controllers(self) -> None:
        """Nobody acts on the cluster from now on but who writes to it: the API server goes on, alone."""
        for name in ("scheduler", "controllers"):
            _signal(self.processes[name], signal.SIGSTOP)

    def stop(self) -> None:
        """Stop what runs: controllers before the API server, that before etcd. Safe to call again."""
        for names in STOP_ORDER:
            running = [(name, self.processes.pop(name)) for name in names if name in self.processes]
            for _, process in running:
                _signal(process, signal.SIGCONT)
                _signal(process, signal.SIGTERM)
            for name, process in running:
                try:
                    process.wait(timeout=PATIENCE[name])
                except psutil.TimeoutExpired:
                    _signal(process, signal.SIGKILL)
                    process.wait(timeout=10)
        (self.folder / "processes.json").unlink(missing_ok=True)

    def _launch(self, name: str, command: Sequence[str]) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            # A session of its own, so that Ctrl-C reaches only us and the order of stopping stays ours.
            started = psutil.Popen(
                list(command), stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        self.processes[name] = started
        self._record()

    def _wait_until(self, what: str, path: str) -> None:
        deadline = time.monotonic() + START_DEADLINE_SECONDS
        while not self._answers(path):
            for name, process in self.processes.items():
                if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
                    raise StartFailed(f"{name} died before {what}:\n{self._log_tail(name)}")
            if time.monotonic() > deadline:
                raise StartFailed(f"{what}: not within {START_DEADLINE_SECONDS:.0f} s; logs are in {self.folder}")
            time.sleep(0.05)

    def _answers(self, path: str) -> bool:
        try:
            with urllib.request.urlopen(self.server + path, timeout=5, context=self._trust()) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def _trust(self) -> ssl.SSLContext:
        keys = self.folder / "pki"
        trust = ssl.create_default_context(cafile=str(keys / "ca.crt"))
        trust.load_cert_chain(keys / "admin.crt", keys / "admin.key")
        return trust

    def _log_tail(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")[-2000:]

    def _record(self) -> None:
        """Note who runs, for a `down` in another process. The start time guards against a pid used again."""
        noted = {name: {"pid": p.pid, "started": p.create_time()} for name, p in self.processes.items()}
        (self.folder / "processes.json").write_text(json.dumps({"processes": noted, "ports": self.ports}))

    def _write_kubeconfigs(self, keys: pki.Pki) -> None:
        users = {
            "kubeconfig": "admin",
            "dev.kubeconfig": "dev",
            "controllers.kubeconfig": "system:kube-controller-manager",
            "scheduler.kubeconfig": "system:kube-scheduler",
        }
        for name, user in users.items():
            keys.kubeconfig(self.folder / name, server=self.server, user=user)

    def _etcd_flags(self) -> list[str]:
        client = f"http://127.0.0.1:{self.ports['etcd']}"
        peer = f"http://127.0.0.1:{self.ports['peers']}"
        return [
            f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",
            "--log-level=warn",
        ]

    def _apiserver_flags(self, keys: pki.Pki) -> list[str]:
        return [
            f"--etcd-servers=http://127.0.0.1:{self.ports['etcd']}",
            "--bind-address=127.0.0.1",
            f"--secure-port={self.ports['apiserver']}",
            # An address that no packet reaches: the server refuses to advertise loopback.
            "--advertise-address=192.0.2.1",
            "--endpoint-reconciler-type=none",
            "--service-cluster-ip-range=10.96.0.0/16",
            f"--tls-cert-file={keys.path('apiserver.crt')}",
            f"--tls-private-key-file={keys.path('apiserver.key')}",
            f"--client-ca-file={keys.path('ca.crt')}",
            f"--token-auth-file={keys.path('tokens.csv')}",
            # Who the API server is when it asks a kubelet for logs; the kubelet checks it (see `Pki`). What a kubelet
            # shows in return is not checked, as is Kubernetes' default.
            f"--kubelet-client-certificate={keys.path('kubelet-client.crt')}",
            f"--kubelet-client-key={keys.path('kubelet-client.key')}",
            "--kubelet-preferred-address-types=InternalIP",
            "--authorization-mode=Node,RBAC",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={keys.path('service-accounts.pub')}",
            f"--service-account-signing-key-file={keys.path('service-accounts.key')}",
            # History is dropped early, so that tests can meet "410 Gone" within their patience.
            "--etcd-compaction-interval=5s",
        ]

    def _controllers_flags(self, keys: pki.Pki) -> list[str]:
        return [
            *self._component_flags("controllers"),
            "--use-service-account-credentials",
            "--controllers=*,-nodeipam,-cloud-node-lifecycle",
            "--kube-api-qps=200",
            "--kube-api-burst=400",
            f"--root-ca-file={keys.path('ca.crt')}",
            f"--service-account-private-key-file={keys.path('service-accounts.key')}",
        ]

    def _scheduler_flags(self) -> list[str]:
        return self._component_flags("scheduler")

    def _component_flags(self, name: str) -> list[str]:
        kubeconfig = self.folder / f"{name}.kubeconfig"
        return [
            f"--kubeconfig={kubeconfig}",
            f"--authentication-kubeconfig={kubeconfig}",
            f"--authorization-kubeconfig={kubeconfig}",
            "--bind-address=127.0.0.1",
            f"--secure-port={self.ports[name]}",
            f"--cert-dir={self.folder / name}",
            "--leader-elect=false",
        ]


@contextmanager
def running(folder: Path | None = None) -> Iterator[ControlPlane]:
    """A control plane for the time of the block, in a temporary folder unless one is given."""
    with tempfile.TemporaryDirectory(prefix="merlin-controlplane-", ignore_cleanup_errors=True) as temporary:
        plane = ControlPlane(folder=(folder or Path(temporary)).absolute())
        plane.folder.mkdir(parents=True, exist_ok=True)
        plane.start()
        try:
            yield plane
        finally:
            plane.stop()


def recorded(folder: Path) -> ControlPlane:
    """The control plane that an earlier `up` left running in this folder; without processes where none runs."""
    plane = ControlPlane(folder=folder.absolute())
    noted = folder / "processes.json"
    if not noted.exists():
        return plane
    record = json.loads(noted.read_text())
    plane.ports = record["ports"]
    for name, entry in record["processes"].items():
        try:
            process = psutil.Process(entry["pid"])
        except psutil.NoSuchProcess:
            continue
        if process.create_time() == entry["started"]:
            plane.processes[name] = process
    return plane


def _free_ports(*names: str) -> dict[str, int]:
    """A free loopback port for each name, all different."""
    sockets = [socket.socket() for _ in names]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return {name: int(one.getsockname()[1]) for name, one in zip(names, sockets, strict=True)}
    finally:
        for one in sockets:
            one.close()


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster.controlplane", description=__doc__)
    parser.add_argument("act", choices=("up", "down"))
    parser.add_argument("folder", type=Path)
    chosen = parser.parse_args(arguments)
    plane = recorded(chosen.folder)
    if chosen.act == "down":
        plane.stop()
        return 0
    if plane.processes:
        print(f"a control plane runs in {plane.folder} already; stop it with: down {plane.folder}", file=sys.stderr)
        return 1
    plane.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    started = time.monotonic()
    plane.start()
    print(f"ready after {time.monotonic() - started:.1f} s: export KUBECONFIG={plane.kubeconfig}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
