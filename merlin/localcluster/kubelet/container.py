"""One container of a pod kept running: image, configuration, process, probes, memory, restarts with backoff.

What it finds on disk it goes on with: a run that still runs is adopted, one that ended meanwhile is taken into account.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from merlin.localcluster.client import KubeError, Manifest
from merlin.localcluster.kubelet import storage
from merlin.localcluster.kubelet.attempt import TERMINATION_FILE, Attempt, Attempts, Ended
from merlin.localcluster.kubelet.images import Image, ImageNotFound, ImageTable, is_storage_initializer
from merlin.localcluster.kubelet.memory import MemoryWatch
from merlin.localcluster.kubelet.probe import Health, Target, Watch
from merlin.localcluster.kubelet.sandbox import Sandbox, container_ports
from merlin.localcluster.kubelet.status import ContainerView, Run
from merlin.localcluster.kubelet.variables import ConfigMissing, Source, expanded, variables_of
from merlin.localcluster.quantity import amount

log = logging.getLogger(__name__)

FIRST_BACKOFF_SECONDS: Final = 10.0
LONGEST_BACKOFF_SECONDS: Final = 300.0
_STEADY_SECONDS: Final = 600.0  # who ran this long restarts as if for the first time
_CONFIG_SECONDS: Final = 1.0

Record = Callable[[str, str, str, str], None]
"""(type, reason, message, container name)"""


@dataclass(frozen=True, slots=True)
class Machine:
    """What all containers of this kubelet share."""

    images: ImageTable
    source: Source
    memory: MemoryWatch
    taken_ports: Callable[[], set[int]]


class Container:
    """A container of a pod. ``changed`` is called whenever its `view` is another."""

    def __init__(
        self,
        spec: Manifest,
        pod: Manifest,
        sandbox: Sandbox,
        machine: Machine,
        *,
        is_init: bool,
        changed: Callable[[], None],
        record: Record,
    ) -> None:
        self.name = str(spec["name"])
        self.is_init = is_init
        self.attempts = Attempts(sandbox.attempts_folder(self.name))
        self._spec = spec
        self._pod = pod
        self._sandbox = sandbox
        self._machine = machine
        self._changed = changed
        self._record = record
        self._waiting: tuple[str, str] | None = None
        self._watch: Watch | None = None
        self._image_id = ""
        self._backoff = 0.0
        self._is_adopted = self.attempts.last is not None
        self._restart_number = self._known_restarts()

    @property
    def view(self) -> ContainerView:
        """What its status shows."""
        last, previous = self.attempts.last, self.attempts.previous
        health = self._watch.health if self._watch is not None else Health(started=False, ready=False)
        is_running = last is not None and last.ended() is None and self._waiting is None
        return ContainerView(
            name=self.name,
            image=str(self._spec.get("image", "")),
            image_id=self._image_id or (str(self._spec.get("image", "")) if last is not None else ""),
            waiting=self._waiting,
            last=self._run_of(last),
            previous=self._run_of(previous),
            started=is_running and health.started,
            ready=is_running and health.ready and last is not None and last.running is not None,
        )

    async def run(self) -> Ended:
        """Keep it running as the pod's restartPolicy says; how it ended when that is for good."""
        attempt = self.attempts.last
        while True:
            if attempt is None:
                attempt = await self._started()
            ended = await self._live(attempt)
            self._is_adopted = False
            self._changed()
            if not self._restarts(ended):
                return ended
            if not attempt.was_stopped:
                await self._back_off(ended)
            attempt = None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to its process group, if it runs."""
        if self.attempts.last is not None:
            self.attempts.last.signal(number)

    async def wait(self) -> None:
        """Return once its process has ended, or if there is none."""
        if self.attempts.last is not None:
            await self.attempts.last.wait()

    async def _started(self) -> Attempt:
        """A run that was started; waits for as long as image or configuration are missing."""
        pause = FIRST_BACKOFF_SECONDS
        while True:
            try:
                return await self._start()
            except ImageNotFound as error:
                await self._without_image(str(error), pause)
                pause = min(pause * 2, LONGEST_BACKOFF_SECONDS)
            except ConfigMissing as error:
                self._wait("CreateContainerConfigError", str(error))
                self._record("Warning", "Failed", f"Error: {error}", self.name)
                await asyncio.sleep(_CONFIG_SECONDS)
            except KubeError as error:
                log.info("a container waits for the API", extra={"container": self.name, "reason": error.message})
                await asyncio.sleep(_CONFIG_SECONDS)
            except OSError as error:
                self._wait("CreateContainerError", str(error))
                self._record("Warning", "Failed", f"Error: {error}", self.name)
                await asyncio.sleep(_CONFIG_SECONDS)

    async def _start(self) -> Attempt:
        image = str(self._spec.get("image", ""))
        if is_storage_initializer(image):
            return await self._provide(image)
        found = self._machine.images.find(image)
        if self.attempts.last is not None:
            self._sandbox.renew_ports(self._machine.taken_ports())
        await self._sandbox.make_volumes(self._machine.source)
        variables = await variables_of(self._spec, self._pod, self._machine.source, pod_ip=self._sandbox.ip)
        self._record("Normal", "Pulled", f'Container image "{image}" already present on machine', self.name)
        attempt = self.attempts.begin(self._restart_number)
        try:
            mounts = self._sandbox.mounts(self._spec)
            command = self._sandbox.rewritten_arguments(self._command(found, variables), mounts)
            environment = self._environment(found, self._sandbox.rewritten_variables(variables, mounts), attempt)
            # In one go, not in a thread: a run that is begun is started, whenever this task is cancelled.
            attempt.start(command, environment, self._folder(mounts))
        except OSError:
            self.attempts.drop_last()
            raise
        self._image_id = image
        self._waiting = None
        self._record("Normal", "Created", f"Created container: {self.name}", self.name)
        self._record("Normal", "Started", f"Started container {self.name}", self.name)
        self._changed()
        return attempt

    async def _provide(self, image: str) -> Attempt:
        """The built-in image: no process, only links."""
        await self._sandbox.make_volumes(self._machine.source)
        mounts = self._sandbox.mounts(self._spec)
        arguments = [str(a) for a in self._spec.get("args") or []]
        self._image_id = image
        started_at = time.time()
        code, lines = 0, ["Nothing to fetch."]
        for source, target in zip(arguments[::2], arguments[1::2], strict=False):
            [folder] = self._sandbox.rewritten_arguments([target], mounts)
            code, lines = await asyncio.to_thread(storage.provide, source, Path(folder))
            if code:
                break
        # Begun and finished in one go: a run that has neither lock nor exit code counts as lost.
        attempt = self.attempts.begin(self._restart_number)
        attempt.finish(code, lines, started_at=started_at)
        self._waiting = None
        self._record("Normal", "Started", f"Started container {self.name}", self.name)
        return attempt

    async def _live(self, attempt: Attempt) -> Ended:
        """Probe and watch a run until it has ended, or end it when its probes want that."""
        ended = attempt.ended()
        if ended is not None:
            return ended
        running = await attempt.begun()
        limit = self._memory_limit()
        if running is not None and limit is not None:
            self._machine.memory.add(running.pid, limit, attempt.kill_for_memory)
        self._changed()
        probing = asyncio.create_task(self._probe(attempt), name=f"probes of {self.name}")
        try:
            return await attempt.wait()
        finally:
            probing.cancel()
            await asyncio.gather(probing, return_exceptions=True)
            self._watch = None
            if running is not None:
                self._machine.memory.remove(running.pid)

    async def _probe(self, attempt: Attempt) -> None:
        adopted = self._adopted_health()
        target = Target(self._spec, self._sandbox.ports, self._sandbox.ip)
        self._watch = Watch(self._spec, target, changed=self._changed, failed=self._probe_failed, adopted=adopted)
        self._changed()
        kind = await self._watch.run()
        self._record("Normal", "Killing", f"Container {self.name} failed {kind} probe, will be restarted", self.name)
        await self._end(attempt)

    async def _end(self, attempt: Attempt) -> None:
        attempt.signal(signal.SIGTERM)
        grace = float(self._pod["spec"].get("terminationGracePeriodSeconds") or 30)
        try:
            async with asyncio.timeout(grace):
                await attempt.wait()
        except TimeoutError:
            attempt.signal(signal.SIGKILL)

    async def _without_image(self, message: str, pause: float) -> None:
        image = str(self._spec.get("image", ""))
        self._record("Normal", "Pulling", f'Pulling image "{image}"', self.name)
        self._record("Warning", "Failed", f'Failed to pull image "{image}": {message}', self.name)
        self._record("Warning", "Failed", "Error: ErrImagePull", self.name)
        self._wait("ErrImagePull", message)
        await asyncio.sleep(1.0)
        self._record("Normal", "BackOff", f'Back-off pulling image "{image}"', self.name)
        self._record("Warning", "Failed", "Error: ImagePullBackOff", self.name)
        self._wait("ImagePullBackOff", f'Back-off pulling image "{image}": ErrImagePull: {message}')
        deadline = time.monotonic() + pause
        while time.monotonic() < deadline:
            await asyncio.sleep(0.5)
            if self._has_image(image):
                return

    def _has_image(self, image: str) -> bool:
        try:
            self._machine.images.find(image)
        except ImageNotFound:
            return False
        return True

    async def _back_off(self, ended: Ended) -> None:
        """Wait before the next run: not before the first restart, then 10 s, doubled up to 5 min."""
        if ended.finished_at - ended.started_at > _STEADY_SECONDS:
            self._backoff = 0.0
        pause = self._backoff
        self._backoff = min(max(2 * pause, FIRST_BACKOFF_SECONDS), LONGEST_BACKOFF_SECONDS)
        remaining = ended.finished_at + pause - time.time()
        if remaining <= 0:
            return
        metadata = self._pod["metadata"]
        where = f"{self.name} pod={metadata['name']}_{metadata['namespace']}({metadata['uid']})"
        self._wait("CrashLoopBackOff", f"back-off {_duration(pause)} restarting failed container={where}")
        self._record(
            "Warning",
            "BackOff",
            f"Back-off restarting failed container {self.name} in pod "
            f"{metadata['name']}_{metadata['namespace']}({metadata['uid']})",
            self.name,
        )
        await asyncio.sleep(remaining)

    def _restarts(self, ended: Ended) -> bool:
        policy = self._pod["spec"].get("restartPolicy", "Always")
        if self.is_init and ended.exit_code == 0:
            return False
        if policy == "Always":
            return True
        return policy == "OnFailure" and ended.exit_code != 0

    def _wait(self, reason: str, message: str) -> None:
        self._waiting = (reason, message)
        self._changed()

    def _command(self, image: Image, variables: Mapping[str, str]) -> list[str]:
        """As a container runtime puts it together: command replaces the entrypoint, args follow."""
        command = self._spec.get("command")
        arguments = [expanded(str(a), variables) for a in self._spec.get("args") or []]
        if command:
            return [expanded(str(part), variables) for part in command] + arguments
        return [*image.command, *arguments]

    def _environment(self, image: Image, variables: Mapping[str, str], attempt: Attempt) -> dict[str, str]:
        """Minimal: nothing of the kubelet's own environment but PATH and TMPDIR."""
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self._sandbox.folder),
            "LANG": "C.UTF-8",
            "HOSTNAME": str(self._pod["metadata"]["name"]),
            "PORT": str(self._sandbox.ports[container_ports(self._pod)[0]]),
            **image.environment,
            **variables,
            "TERMINATION_LOG_PATH": str(attempt.folder / TERMINATION_FILE),
        }
        if "TMPDIR" in os.environ:
            environment.setdefault("TMPDIR", os.environ["TMPDIR"])
        return environment

    def _folder(self, mounts: Mapping[str, Path]) -> Path:
        wanted = self._spec.get("workingDir")
        if wanted:
            [folder] = self._sandbox.rewritten_arguments([str(wanted)], mounts)
            if Path(folder).is_dir():
                return Path(folder)
        return self._sandbox.folder

    def _memory_limit(self) -> int | None:
        text = ((self._spec.get("resources") or {}).get("limits") or {}).get("memory")
        try:
            return int(amount(text)) if text is not None else None
        except ValueError:
            return None

    def _probe_failed(self, kind: str, message: str) -> None:
        self._record("Warning", "Unhealthy", f"{kind} probe failed: {message}", self.name)

    def _adopted_health(self) -> Health | None:
        """What the status said of a run that goes on under a new kubelet."""
        if not self._is_adopted:
            return None
        self._is_adopted = False
        known = self._known_status()
        started, ready = bool(known.get("started", False)), bool(known.get("ready", False))
        return Health(started=started, ready=ready) if started else None

    def _known_status(self) -> dict[str, Any]:
        field = "initContainerStatuses" if self.is_init else "containerStatuses"
        for status in (self._pod.get("status") or {}).get(field) or []:
            if status.get("name") == self.name:
                return dict(status)
        return {}

    def _known_restarts(self) -> int:
        """The number that the next run has at least, where the folder is lost but the API remembers runs."""
        known = self._known_status()
        return int(known.get("restartCount", 0)) + 1 if known.get("containerID") else 0

    def _run_of(self, attempt: Attempt | None) -> Run | None:
        if attempt is None:
            return None
        ended = attempt.ended()
        message = attempt.termination_message(str(self._spec.get("terminationMessagePolicy", "File"))) if ended else ""
        running = attempt.running
        return Run(attempt.number, running.started_at if running else None, ended, message)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
