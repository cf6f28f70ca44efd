"""Events as a kubelet writes them: the same one again is counted, not repeated, and none is worth waiting for."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final

from merlin.localcluster.client import KubeClient, KubeError, Manifest, NotFound, Resource

log = logging.getLogger(__name__)

EVENTS: Final = Resource("v1", "events")
_REMEMBERED: Final = 4096
_AGAIN_SECONDS: Final = 5.0  # the count of a repeated event is written at most this often
_QUEUED: Final = 1000


@dataclass
class _Told:
    name: str
    namespace: str
    count: int
    written_at: float


class Recorder:
    """Writes events in the background, in order; when the API is away, they are dropped."""

    def __init__(self, client: KubeClient, component: str, host: str) -> None:
        self._client = client
        self._component = component
        self._host = host
        self._told: OrderedDict[tuple[str, ...], _Told] = OrderedDict()
        self._queue: asyncio.Queue[tuple[tuple[str, ...], Manifest]] = asyncio.Queue(_QUEUED)

    def record(self, pod: Manifest, type_: str, reason: str, message: str, container: str = "") -> None:
        """Have an event about a pod (or one container of it) written."""
        metadata = pod["metadata"]
        about: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Pod",
            "namespace": metadata["namespace"],
            "name": metadata["name"],
            "uid": metadata["uid"],
        }
        if container:
            about["fieldPath"] = f"spec.containers{{{container}}}"
        key = (str(metadata["uid"]), type_, reason, message, container)
        event = {"involvedObject": about, "type": type_, "reason": reason, "message": message[:1024]}
        try:
            self._queue.put_nowait((key, event))
        except asyncio.QueueFull:
            log.warning("an event is dropped", extra={"reason": reason})

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            key, event = await self._queue.get()
            try:
                await self._write(key, event)
            except KubeError as error:
                log.info("an event could not be written", extra={"event": event["reason"], "reason": error.message})

    async def _write(self, key: tuple[str, ...], event: Manifest) -> None:
        told = self._told.get(key)
        if told is not None:
            told.count += 1
            if time.monotonic() - told.written_at < _AGAIN_SECONDS:
                return
            told.written_at = time.monotonic()
            try:
                patch = {"count": told.count, "lastTimestamp": _now()}
                await self._client.patch_merge(EVENTS, told.namespace, told.name, patch)
            except NotFound:
                del self._told[key]
            else:
                return
        await self._create(key, event)

    async def _create(self, key: tuple[str, ...], event: Manifest) -> None:
        about = event["involvedObject"]
        name = f"{about['name'][:230]}.{time.time_ns():x}{secrets.token_hex(2)}"
        now = _now()
        await self._client.create(
            EVENTS,
            {
                "apiVersion": "v1",
                "kind": "Event",
                "metadata": {"name": name, "namespace": about["namespace"]},
                **event,
                "source": {"component": self._component, "host": self._host},
                "reportingComponent": self._component,
                "reportingInstance": self._host,
                "firstTimestamp": now,
                "lastTimestamp": now,
                "count": 1,
            },
        )
        self._told[key] = _Told(name, about["namespace"], 1, time.monotonic())
        while len(self._told) > _REMEMBERED:
            self._told.popitem(last=False)


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
