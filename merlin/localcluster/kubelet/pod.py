"""One pod from its admission to its end: init containers in order, then containers side by side, status, goodbye.

A pod is known by its uid. Its folder holds the object as last seen, so that a kubelet that was killed, or that cannot
reach the API, goes on with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import signal
import time
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from merlin.localcluster.client import Conflict, KubeClient, KubeError, Manifest, NotFound, Resource
from merlin.localcluster.kubelet.container import Container, Machine
from merlin.localcluster.kubelet.record import Recorder
from merlin.localcluster.kubelet.sandbox import Sandbox
from merlin.localcluster.kubelet.status import pod_status

log = logging.getLogger(__name__)

PODS: Final = Resource("v1", "pods")
ADDRESS: Final = "merlin.dev/address"
"""Annotation of a pod: where its port really listens."""

HOST_IP: Final = "127.0.0.1"
# A pod that is to end is told only after those who send it requests had time to hear of it, as a preStop sleep does.
LEAVE_SECONDS: Final = 0.3
STOP_SECONDS: Final = 4.0
_ORPHAN_SECONDS: Final = 2.0
_FIRST_RETRY_SECONDS: Final = 0.05
_LONGEST_RETRY_SECONDS: Final = 2.0


class Pod:
    """A pod that this kubelet runs."""

    def __init__(self, manifest: Manifest, folder: Path, machine: Machine, client: KubeClient, recorder: Recorder):
        self.uid = str(manifest["metadata"]["uid"])
        self.sandbox = Sandbox(folder, manifest)
        self._manifest = manifest
        self._client = client
        self._recorder = recorder
        self._started_at = _started_at(manifest)
        self._written: dict[str, Any] | None = None
        self._changed = asyncio.Event()
        self._terminate = asyncio.Event()
        self._is_gone = False
        spec = manifest["spec"]
        self._inits = [self._container(c, machine, is_init=True) for c in spec.get("initContainers") or []]
        self._containers = [self._container(c, machine, is_init=False) for c in spec.get("containers") or []]
        if "deletionTimestamp" in manifest["metadata"]:
            self._terminate.set()

    @property
    def key(self) -> tuple[str, str]:
        """(namespace, name)."""
        metadata = self._manifest["metadata"]
        return str(metadata["namespace"]), str(metadata["name"])

    def container(self, name: str) -> Container | None:
        """The container or init container of that name."""
        return next((c for c in (*self._containers, *self._inits) if c.name == name), None)

    def update(self, manifest: Manifest) -> None:
        """The object as the API has it now."""
        self._manifest = manifest
        if "deletionTimestamp" in manifest["metadata"] and not self._terminate.is_set():
            self._keep()
            self._terminate.set()

    def gone(self) -> None:
        """The object is no more: end quickly, tell nobody."""
        self._is_gone = True
        self._terminate.set()

    async def run(self) -> None:
        """Run it to its end, which comes by deletion only. When cancelled, its processes go on."""
        self.sandbox.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._keep()
        working = asyncio.create_task(self._work(), name=f"pod {self.key}")
        telling = asyncio.create_task(self._tell(), name=f"status of {self.key}")
        try:
            await self._terminate.wait()
            await self._leave()
            await _cancelled(working)
            await self._end(self._grace())
            await _cancelled(telling)
            await self._finalize()
        finally:
            await _cancelled(working, telling)

    async def stop(self) -> None:
        """End its processes because the kubelet ends, so that the next one starts them again at once."""
        for container in (*self._inits, *self._containers):
            if container.attempts.last is not None and container.attempts.last.ended() is None:
                container.attempts.last.stopped_by_kubelet()
        await self._end(STOP_SECONDS)

    async def _work(self) -> None:
        try:
            await self._run_containers()
        except Exception:  # the edge of one pod: logged, the others run on
            log.exception("a pod cannot be run", extra={"pod": self.key})

    async def _run_containers(self) -> None:
        self._changed.set()
        for container in self._inits:
            ended = await container.run()
            self._changed.set()
            if ended.exit_code != 0:
                return
        async with asyncio.TaskGroup() as group:
            for container in self._containers:
                group.create_task(container.run(), name=f"container {container.name} of {self.key}")

    async def _leave(self) -> None:
        """Let the traffic go elsewhere first; a pod that got none need not wait."""
        if not self._is_gone and any(container.view.ready for container in self._containers):
            await asyncio.sleep(min(LEAVE_SECONDS, self._grace()))

    async def _end(self, grace: float) -> None:
        """SIGTERM to every container, SIGKILL to those that are still there after the grace period."""
        running = [c for c in (*self._inits, *self._containers) if c.view.is_running]
        for container in running:
            self._record("Normal", "Killing", f"Stopping container {container.name}", container.name)
            container.signal(signal.SIGTERM if grace > 0 else signal.SIGKILL)
        waiting = [asyncio.create_task(container.wait()) for container in running]
        if not waiting:
            return
        deadline = time.monotonic() + grace
        pending = set(waiting)
        try:
            while pending and time.monotonic() < min(deadline, self._deadline(deadline)):
                _, pending = await asyncio.wait(pending, timeout=0.25)
            for container in running if pending else []:
                container.signal(signal.SIGKILL)
            if pending:
                await asyncio.wait(pending, timeout=10.0)
        finally:
            await _cancelled(*waiting)

    def _grace(self) -> float:
        metadata, spec = self._manifest["metadata"], self._manifest["spec"]
        grace = metadata.get("deletionGracePeriodSeconds")
        if grace is None:
            grace = spec.get("terminationGracePeriodSeconds", 30)
        return min(float(grace), _ORPHAN_SECONDS) if self._is_gone else float(grace)

    def _deadline(self, deadline: float) -> float:
        """Sooner when the pod was deleted again meanwhile, with less grace or for good."""
        return time.monotonic() + _ORPHAN_SECONDS if self._is_gone and deadline > time.monotonic() + 5 else deadline

    async def _finalize(self) -> None:
        """Show the last status, have the object removed, remove the folder."""
        pause = _FIRST_RETRY_SECONDS
        while not self._is_gone:
            try:
                await self._write_status()
                namespace, name = self.key
                await self._client.delete(PODS, namespace, name, grace_seconds=0, uid=self.uid)
                break
            except (NotFound, Conflict):
                break
            except KubeError as error:
                log.info("a pod cannot be finalized yet", extra={"pod": self.key, "reason": error.message})
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_RETRY_SECONDS)
        await asyncio.to_thread(self.sandbox.remove)

    async def _tell(self) -> None:
        """Write the status whenever it is another; several changes at once are one write."""
        pause = _FIRST_RETRY_SECONDS
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self._write_address()
                await self._write_status()
                pause = _FIRST_RETRY_SECONDS
            except (NotFound, Conflict):
                # It is gone, or another pod has its name: the watch will say so.
                await asyncio.sleep(pause)
            except KubeError as error:
                log.info("a status cannot be written yet", extra={"pod": self.key, "reason": error.message})
                self._changed.set()
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_RETRY_SECONDS)

    async def _write_address(self) -> None:
        metadata = self._manifest["metadata"]
        if (metadata.get("annotations") or {}).get(ADDRESS) == self.sandbox.address:
            return
        namespace, name = self.key
        patch = {"metadata": {"uid": self.uid, "annotations": {ADDRESS: self.sandbox.address}}}
        self._take(await self._client.patch_merge(PODS, namespace, name, patch))

    async def _write_status(self) -> None:
        status = pod_status(
            self._manifest,
            [container.view for container in self._inits],
            [container.view for container in self._containers],
            ip=self.sandbox.ip,
            host_ip=HOST_IP,
            started_at=self._started_at,
            now=time.time(),
        )
        if status == self._written:
            return
        namespace, name = self.key
        patch = {"metadata": {"uid": self.uid}, "status": status}
        self._take(await self._client.patch_merge(PODS, namespace, name, patch, subresource="status"))
        self._written = status
        self._keep()

    def _take(self, answer: Manifest) -> None:
        """What the API answered to a write is newer than what the watch told so far."""
        if answer.get("metadata", {}).get("uid") == self.uid:
            self.update(answer)

    def _keep(self) -> None:
        """Keep the object for the next kubelet; atomic."""
        path = self.sandbox.folder / "pod.json"
        draft = path.with_suffix(".new")
        with contextlib.suppress(OSError):
            draft.write_text(json.dumps(self._manifest))
            draft.replace(path)

    def _container(self, spec: Manifest, machine: Machine, *, is_init: bool) -> Container:
        return Container(
            spec,
            self._manifest,
            self.sandbox,
            machine,
            is_init=is_init,
            changed=self._changed.set,
            record=self._record,
        )

    def _record(self, type_: str, reason: str, message: str, container: str) -> None:
        self._recorder.record(self._manifest, type_, reason, message, container)


def kept_pod(folder: Path) -> Manifest | None:
    """The object that an earlier kubelet kept in a pod's folder."""
    try:
        manifest = json.loads((folder / "pod.json").read_text())
    except (OSError, ValueError):
        return None
    return manifest if isinstance(manifest, dict) and "spec" in manifest else None


def _started_at(manifest: Manifest) -> float:
    text = (manifest.get("status") or {}).get("startTime")
    try:
        return datetime.fromisoformat(str(text)).timestamp() if text else time.time()
    except ValueError:
        return time.time()


async def _cancelled(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, Exception):
            log.error("a pod's task failed", exc_info=result)
