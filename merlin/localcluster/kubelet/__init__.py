"""The local kubelet: runs the pods of its node as processes of this machine.

An ordinary client of the Kubernetes API: it works unchanged against the embedded server and a real one. Whatever
happens to it, the processes of its pods go on; the next kubelet adopts them.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from pathlib import Path
from typing import Final

from merlin.localcluster.client import KubeClient, Manifest
from merlin.localcluster.informer import Informer
from merlin.localcluster.kubelet.container import Container, Machine
from merlin.localcluster.kubelet.images import ImageTable
from merlin.localcluster.kubelet.memory import MemoryWatch
from merlin.localcluster.kubelet.node import Node
from merlin.localcluster.kubelet.pod import PODS, Pod, kept_pod
from merlin.localcluster.kubelet.record import Recorder
from merlin.localcluster.kubelet.server import LogServer
from merlin.localcluster.kubelet.variables import ApiSource

__all__ = ["run_kubelet"]

log = logging.getLogger(__name__)

_RETRY_SECONDS: Final = 2.0


async def run_kubelet(kubeconfig: Path, *, home: Path, images: Path, node_name: str = "local") -> None:
    """Run the pods that are bound to ``node_name`` until cancelled; then end their processes.

    ``home`` holds the pods' folders and the token for its logs; ``images`` is the table of what each image is here.
    When it is killed instead, its pods run on, and the next kubelet with this home goes on with them. Raises OSError,
    ValueError for a kubeconfig or a home that cannot be used.
    """
    home = _prepared(home)
    async with KubeClient.from_kubeconfig(kubeconfig) as client:
        kubelet = _Kubelet(client, home, images, node_name)
        server = LogServer(home, kubeconfig, node_name, kubelet.find)
        async with server.serving():
            node = Node(client, node_name, port=server.port, certificate=server.certificate)
            await kubelet.run(node)


class _Kubelet:
    def __init__(self, client: KubeClient, home: Path, images: Path, node_name: str) -> None:
        self._client = client
        self._home = home / "pods"
        self._recorder = Recorder(client, "kubelet", node_name)
        self._memory = MemoryWatch()
        self._machine = Machine(ImageTable(images), ApiSource(client), self._memory, self._taken_ports)
        self._informer = Informer(client, PODS, fields=f"spec.nodeName={node_name}")
        self._node_name = node_name
        self._pods: dict[str, Pod] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def find(self, namespace: str, pod: str, container: str) -> Container | None:
        """A container by name, for its log."""
        found = next((p for p in self._pods.values() if p.key == (namespace, pod)), None)
        return found.container(container) if found is not None else None

    async def run(self, node: Node) -> None:
        """Run until cancelled."""
        for manifest in _kept_pods(self._home):
            self._admit(manifest)
        self._informer.subscribe(self._changed)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(node.run(), name="node")
                group.create_task(self._recorder.run(), name="events")
                group.create_task(self._memory.run(), name="memory limits")
                group.create_task(self._informer.run(), name="pods of the node")
                group.create_task(self._end_orphans(), name="orphans")
        except asyncio.CancelledError:
            await self._leave()
            await asyncio.gather(*(pod.stop() for pod in self._pods.values()), return_exceptions=True)
            raise
        except BaseException:  # a fault of ours ends nobody's process; raised again
            await self._leave()
            raise

    def _changed(self, before: Manifest | None, now: Manifest | None) -> None:
        """A pod of this node appeared, changed or went."""
        if before is not None and (now is None or now["metadata"]["uid"] != before["metadata"]["uid"]):
            self._gone(str(before["metadata"]["uid"]))
        if now is None or now["spec"].get("nodeName") != self._node_name:
            return
        pod = self._pods.get(str(now["metadata"]["uid"]))
        if pod is not None:
            pod.update(now)
        else:
            self._admit(now)

    def _admit(self, manifest: Manifest) -> None:
        uid = str(manifest["metadata"]["uid"])
        try:
            pod = Pod(manifest, self._home / uid, self._machine, self._client, self._recorder)
            pod.sandbox.prepare({p.sandbox.ip for p in self._pods.values()}, self._taken_ports())
        except OSError as error:
            said = f"Failed to create pod sandbox: {error}"
            log.warning("a pod cannot be run yet", extra={"uid": uid, "reason": said})
            self._recorder.record(manifest, "Warning", "FailedCreatePodSandBox", said)
            asyncio.get_running_loop().call_later(_RETRY_SECONDS, self._admit_again, manifest)
            return
        self._pods[uid] = pod
        self._tasks[uid] = task = asyncio.create_task(pod.run(), name=f"pod {pod.key}")
        task.add_done_callback(lambda done: self._over(uid, done))

    def _admit_again(self, manifest: Manifest) -> None:
        metadata = manifest["metadata"]
        now = self._informer.get(metadata["namespace"], metadata["name"])
        if now is not None and now["metadata"]["uid"] == metadata["uid"]:
            self._changed(None, now)

    def _gone(self, uid: str) -> None:
        pod = self._pods.get(uid)
        if pod is not None:
            pod.gone()

    def _over(self, uid: str, done: asyncio.Task[None]) -> None:
        if done.cancelled():
            return
        if done.exception() is not None:
            log.error("a pod failed", extra={"uid": uid}, exc_info=done.exception())
        self._pods.pop(uid, None)
        self._tasks.pop(uid, None)

    async def _end_orphans(self) -> None:
        """End the pods on disk that the API no longer knows; only once it has told all that it knows."""
        await self._informer.complete.wait()
        known = {str(pod["metadata"]["uid"]) for pod in self._informer.store.values()}
        for uid in self._pods.keys() - known:
            self._gone(uid)

    async def _leave(self) -> None:
        """Let go of the pods; their processes go on."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _taken_ports(self) -> set[int]:
        return {port for pod in self._pods.values() for port in pod.sandbox.ports.values()}


def _prepared(home: Path) -> Path:
    (home / "pods").mkdir(parents=True, exist_ok=True, mode=0o700)
    return home.absolute()


def _kept_pods(home: Path) -> list[Manifest]:
    """The pods that an earlier kubelet ran; what is left of a pod without its object is of no use to anybody."""
    found = []
    for folder in home.iterdir():
        manifest = kept_pod(folder)
        if manifest is not None:
            found.append(manifest)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return found
