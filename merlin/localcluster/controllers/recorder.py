"""The cluster's own event log: what a controller says about an object.

Said again, an event is counted instead of written anew. Events are written behind the controllers' backs, in order, and
one that cannot be written is lost: it is a hint for people and never worth a retry, a failed reconcile or a wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import OrderedDict
from typing import Final

from merlin.localcluster.client import KubeClient, KubeError, Manifest, NotFound
from merlin.localcluster.controllers import clock
from merlin.localcluster.controllers.kinds import EVENTS

log = logging.getLogger(__name__)

_REMEMBERED: Final = 2000
_WAITING: Final = 1000


class EventLog:
    """Writes the events of all recorders that were made of it."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client
        self._said: asyncio.Queue[tuple[tuple[str, ...], Manifest]] = asyncio.Queue(_WAITING)
        self._known: OrderedDict[tuple[str, ...], Manifest] = OrderedDict()

    def recorder(self, component: str) -> Recorder:
        """A recorder that speaks in the name of one component."""
        return Recorder(self, component)

    def put(self, identity: tuple[str, ...], event: Manifest) -> None:
        """Have the event written; the same identity again counts as the same event."""
        with contextlib.suppress(asyncio.QueueFull):
            self._said.put_nowait((identity, event))

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            identity, event = await self._said.get()
            try:
                await self._write(identity, event)
            except KubeError as error:
                log.debug("event was not written", extra={"reason": event["reason"], "error": error.message})

    async def _write(self, identity: tuple[str, ...], event: Manifest) -> None:
        known = self._known.get(identity)
        if known is not None and await self._counted(known, event):
            return
        self._known[identity] = await self._client.create(EVENTS, event)
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)

    async def _counted(self, known: Manifest, event: Manifest) -> bool:
        known["count"] = int(known.get("count") or 1) + 1
        patch = {"count": known["count"], "lastTimestamp": event["lastTimestamp"], "message": event["message"]}
        metadata = known["metadata"]
        try:
            await self._client.patch_merge(EVENTS, metadata["namespace"], metadata["name"], patch)
        except NotFound:
            return False
        return True


class Recorder:
    """What one component says."""

    def __init__(self, events: EventLog, component: str) -> None:
        self._events = events
        self._component = component

    def normal(self, about: Manifest, reason: str, message: str) -> None:
        """Note what is as it should be."""
        self._say(about, "Normal", reason, message, message)

    def warning(self, about: Manifest, reason: str, message: str, *, same: bool = False) -> None:
        """Note trouble. With ``same``, another message is still the same event (a retry names another pod)."""
        self._say(about, "Warning", reason, message, "" if same else message)

    def _say(self, about: Manifest, kind: str, reason: str, message: str, distinct: str) -> None:
        identity = (about["metadata"]["uid"], self._component, kind, reason, distinct)
        self._events.put(identity, self._event(about, kind, reason, message))

    def _event(self, about: Manifest, kind: str, reason: str, message: str) -> Manifest:
        metadata = about["metadata"]
        namespace = metadata.get("namespace") or "default"
        at = clock.stamp()
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{metadata['name']}.{time.time_ns():x}", "namespace": namespace},
            "involvedObject": {
                "apiVersion": about["apiVersion"],
                "kind": about["kind"],
                "namespace": metadata.get("namespace", ""),
                "name": metadata["name"],
                "uid": metadata["uid"],
                "resourceVersion": metadata.get("resourceVersion", ""),
            },
            "reason": reason,
            "message": message[:1024],
            "type": kind,
            "count": 1,
            "firstTimestamp": at,
            "lastTimestamp": at,
            "source": {"component": self._component},
            "reportingComponent": self._component,
            "reportingInstance": "",
        }
