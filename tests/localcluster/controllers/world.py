"""A namespace as a test sees it: what is there, what was there, and pods that the test plays the kubelet of."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Final, Self, TypeVar

from merlin.localcluster.client import KubeClient, Manifest, NotFound, Resource
from merlin.localcluster.controllers.kinds import (
    AUTOSCALERS,
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    EVENTS,
    HTTP_ROUTES,
    INFERENCE_SERVICES,
    PODS,
    REPLICA_SETS,
    SERVICES,
)
from merlin.localcluster.informer import Informer

KINDS: Final = (
    *(INFERENCE_SERVICES, DEPLOYMENTS, REPLICA_SETS, PODS, SERVICES, AUTOSCALERS, ENDPOINT_SLICES, HTTP_ROUTES),
    EVENTS,
)
SECONDS: Final = 40.0
THEN: Final = "2026-01-01T00:00:00Z"

Found = TypeVar("Found")
Plays = Callable[[Manifest], Sequence[dict[str, Any]]]
"""What the kubelet reports of a pod, status after status."""

_numbers = itertools.count(1)


class World:
    """Everything of one namespace, followed by watches; ``history`` has every state of every object in order."""

    def __init__(self, client: KubeClient, namespace: str, controllers: Callable[[], Awaitable[None]]) -> None:
        self.client = client
        self.namespace = namespace
        self.history: list[Manifest] = []
        self.plays: Plays = lambda pod: [running(pod)]
        self._controllers = controllers
        self._informers = {kind: Informer(client, kind, namespace) for kind in KINDS}
        self._changed = asyncio.Event()
        self._running: asyncio.Task[None] | None = None
        self._played: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @classmethod
    @contextlib.asynccontextmanager
    async def opened(
        cls, client: KubeClient, namespace: str, controllers: Callable[[], Awaitable[None]]
    ) -> AsyncIterator[Self]:
        """The world, with the controllers running."""
        world = cls(client, namespace, controllers)
        for informer in world._informers.values():
            informer.subscribe(world._take)
        informers = [asyncio.create_task(informer.run()) for informer in world._informers.values()]
        try:
            for informer in world._informers.values():
                await informer.complete.wait()
            world.start()
            yield world
        finally:
            await world.stop()
            for task in [*informers, *world._tasks]:
                task.cancel()
            await asyncio.gather(*informers, *world._tasks, return_exceptions=True)

    def start(self) -> None:
        """Start the controllers."""

        async def forever() -> None:
            await self._controllers()

        self._running = asyncio.create_task(forever())

    async def stop(self) -> None:
        """Stop the controllers wherever they are."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
            self._running = None

    def all(self, kind: Resource) -> list[Manifest]:
        """What there is of a kind, by name."""
        return [item for _, item in sorted(self._informers[kind].store.items())]

    def one(self, kind: Resource, name: str) -> Manifest:
        """One object. Raises KeyError."""
        return self._informers[kind].store[self.namespace, name]

    def states(self, kind: str, name: str) -> list[Manifest]:
        """Every state that an object was seen in."""
        return [item for item in self.history if item["kind"] == kind and item["metadata"]["name"] == name]

    async def until(self, claim: Callable[[], Found], what: str = "the claim") -> Found:
        """What the claim answers once it is true; asked again at every change."""
        last: object = None
        try:
            async with asyncio.timeout(SECONDS):
                while True:
                    self._changed.clear()
                    try:
                        if found := claim():
                            return found
                        last = found
                    except (KeyError, IndexError, StopIteration, TypeError) as error:
                        last = error
                    if self._running is not None and self._running.done():
                        self._running.result()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"{what} did not hold within {SECONDS} s; last: {last!r}") from None

    async def until_read(
        self, kind: Resource, name: str, claim: Callable[[Manifest], object], *, namespace: str | None = None
    ) -> Manifest:
        """An object that is not followed, once the claim holds for it."""
        place = self.namespace if namespace is None else namespace
        informer = Informer(self.client, kind, place)
        informer.subscribe(lambda before, now: self._changed.set())
        following = asyncio.create_task(informer.run())
        try:
            await self.until(lambda: claim(informer.store[place, name]), name)
            return informer.store[place, name]
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    async def apply(self, kind: Resource, manifest: Manifest, manager: str = "merlin") -> Manifest:
        """Server-side apply into the namespace."""
        metadata = {"namespace": self.namespace, **manifest["metadata"]}
        return await self.client.apply(kind, {**manifest, "metadata": metadata}, field_manager=manager)

    def events(self, reason: str) -> list[Manifest]:
        """The events of that reason."""
        return [event for event in self.all(EVENTS) if event["reason"] == reason]

    def _take(self, before: Manifest | None, now: Manifest | None) -> None:
        if now is not None:
            self.history.append(now)
            if now["kind"] == "Pod":
                self._play(now)
        self._changed.set()

    def _play(self, pod: Manifest) -> None:
        metadata = pod["metadata"]
        state = "end" if "deletionTimestamp" in metadata else "run" if pod["spec"].get("nodeName") else ""
        if state and f"{metadata['uid']}/{state}" not in self._played:
            self._played.add(f"{metadata['uid']}/{state}")
            task = asyncio.create_task(self._end(pod) if state == "end" else self._run(pod))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _run(self, pod: Manifest) -> None:
        metadata = pod["metadata"]
        number = next(_numbers)
        address = f"10.77.{number // 250}.{number % 250 + 1}"
        for status in self.plays(pod):
            patch = {"status": {"podIP": address, "podIPs": [{"ip": address}], **status}}
            with contextlib.suppress(NotFound):
                await self.client.patch_merge(PODS, self.namespace, metadata["name"], patch, subresource="status")

    async def _end(self, pod: Manifest) -> None:
        with contextlib.suppress(NotFound):
            await self.client.delete(PODS, self.namespace, pod["metadata"]["name"], grace_seconds=0)


def running(pod: Manifest) -> dict[str, Any]:
    """All containers run and are ready."""
    names = [container["name"] for container in pod["spec"]["containers"]]
    done = {"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": THEN, "finishedAt": THEN}}
    return {
        "phase": "Running",
        "conditions": conditions(is_ready=True),
        "initContainerStatuses": [
            container_status(one["name"], done, is_ready=True) for one in pod["spec"].get("initContainers") or []
        ],
        "containerStatuses": [
            container_status(name, {"running": {"startedAt": THEN}}, is_ready=True) for name in names
        ],
    }


def fetching(pod: Manifest, state: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The storage initialiser is in that state; the container waits for it."""
    waiting = {"waiting": {"reason": "PodInitializing"}}
    return {
        "phase": "Pending",
        "conditions": conditions(is_ready=False),
        "initContainerStatuses": [{**container_status("storage-initializer", state), **more}],
        "containerStatuses": [container_status("kserve-container", waiting)],
    }


def conditions(*, is_ready: bool) -> list[dict[str, Any]]:
    """Of a pod that was scheduled."""
    status = "True" if is_ready else "False"
    return [
        {"type": "PodScheduled", "status": "True", "lastTransitionTime": THEN},
        {"type": "Ready", "status": status, "lastTransitionTime": THEN},
    ]


def container_status(name: str, state: dict[str, Any], *, is_ready: bool = False) -> dict[str, Any]:
    """One container."""
    return {
        "name": name,
        "state": state,
        "ready": is_ready,
        "restartCount": 0,
        "image": "test",
        "imageID": "",
        "started": is_ready,
    }
