"""Probes: asking a container whether it has started, is ready, is alive; and what the answers amount to.

Until a container has started and was ready once it is asked every `EAGER_SECONDS` whatever its ``periodSeconds``, so
that readiness is seen at once; a failure then counts only once per period, so that thresholds keep their meaning. From
then on it is asked once per period, as Kubernetes does.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from merlin.localcluster.client import Manifest

EAGER_SECONDS: Final = 0.05
_LONGEST_HEAD: Final = 16 * 1024


@dataclass(frozen=True, slots=True)
class Verdict:
    """One answer; ``message`` says what was wrong, in a real kubelet's words."""

    ok: bool
    message: str = ""


@dataclass(frozen=True, slots=True)
class Probe:
    """A probe of a container's spec, with Kubernetes' defaults."""

    kind: str  # Startup, Readiness, Liveness
    action: Mapping[str, Any]
    period: float
    timeout: float
    initial_delay: float
    failure_threshold: int
    success_threshold: int

    @classmethod
    def of(cls, container: Manifest, kind: str) -> Probe | None:
        """The container's probe of that kind (``Startup``, …), if it has one."""
        spec = container.get(f"{kind.lower()}Probe")
        if not spec:
            return None
        return cls(
            kind=kind,
            action=spec,
            period=float(spec.get("periodSeconds") or 10),
            timeout=float(spec.get("timeoutSeconds") or 1),
            initial_delay=float(spec.get("initialDelaySeconds") or 0),
            failure_threshold=int(spec.get("failureThreshold") or 3),
            success_threshold=int(spec.get("successThreshold") or 1),
        )


class Target:
    """Where a container's ports really are, and how it is called from inside (for messages)."""

    def __init__(self, container: Manifest, ports: Mapping[int, int], ip: str) -> None:
        self._named = {str(p["name"]): int(p["containerPort"]) for p in container.get("ports") or [] if p.get("name")}
        self._ports = ports
        self.ip = ip

    def port(self, wanted: int | str) -> tuple[int, int]:
        """(container port, port on loopback) of a number or a name. Raises ValueError."""
        text = str(wanted)
        inside = int(text) if text.isdigit() else self._named.get(text)
        if inside is None:
            raise ValueError(f"couldn't find port: {text}")
        return inside, self._ports.get(inside, inside)


async def ask(probe: Probe, target: Target) -> Verdict:
    """Ask once, within the probe's time-out. Never raises."""
    try:
        async with asyncio.timeout(probe.timeout):
            if get := probe.action.get("httpGet"):
                return await _http_get(get, target)
            if connect := probe.action.get("tcpSocket"):
                return await _connect(connect, target)
            return Verdict(False, "this kind of probe is not known to the local kubelet (httpGet, tcpSocket)")
    except TimeoutError:
        return Verdict(False, "context deadline exceeded (Client.Timeout exceeded while awaiting headers)")
    except ValueError as error:
        return Verdict(False, str(error))


async def _http_get(get: Mapping[str, Any], target: Target) -> Verdict:
    inside, outside = target.port(get.get("port", 80))
    path = str(get.get("path") or "/")
    url = f"http://{target.ip}:{inside}{path}"
    headers = {str(h["name"]): str(h.get("value", "")) for h in get.get("httpHeaders") or []}
    lines = {"Host": f"127.0.0.1:{outside}", "User-Agent": "kube-probe/1.34", "Accept": "*/*", **headers}
    request = (
        f"GET {path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines.items()) + "Connection: close\r\n\r\n"
    )
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", outside, limit=_LONGEST_HEAD)
    except OSError:
        return Verdict(False, f'Get "{url}": dial tcp {target.ip}:{inside}: connect: connection refused')
    try:
        writer.write(request.encode())
        status = await reader.readline()
    except (OSError, ValueError):
        return Verdict(False, f'Get "{url}": EOF')
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    parts = status.split(None, 2)
    if len(parts) < 2 or not parts[1].isdigit():
        return Verdict(False, f'Get "{url}": EOF')
    code = int(parts[1])
    return Verdict(200 <= code < 400, "" if 200 <= code < 400 else f"HTTP probe failed with statuscode: {code}")


async def _connect(connect: Mapping[str, Any], target: Target) -> Verdict:
    inside, outside = target.port(connect.get("port", 80))
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", outside)
    except OSError:
        return Verdict(False, f"dial tcp {target.ip}:{inside}: connect: connection refused")
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return Verdict(True)


@dataclass
class Health:
    """What the probes of one running container have found so far."""

    started: bool
    ready: bool


class Watch:
    """Keeps a container's `Health` up to date; ``changed`` is called whenever it is another."""

    def __init__(
        self,
        container: Manifest,
        target: Target,
        *,
        changed: Callable[[], None],
        failed: Callable[[str, str], None],
        adopted: Health | None = None,
    ) -> None:
        self._target = target
        self._changed = changed
        self._failed = failed
        self._startup = Probe.of(container, "Startup")
        self._readiness = Probe.of(container, "Readiness")
        self._liveness = Probe.of(container, "Liveness")
        # Who was ready when the kubelet was killed stays so until a probe says otherwise.
        self.health = adopted or Health(
            started=self._startup is None, ready=self._startup is None and self._readiness is None
        )

    async def run(self) -> str:
        """Probe until the container has to be restarted: the kind of probe that says so (``startup``, ``liveness``)."""
        if not self.health.started and self._startup is not None:
            if not await self._has_started(self._startup):
                return "startup"
            self.health.started = True
            self.health.ready = self._readiness is None
            self._changed()
        readiness = asyncio.create_task(self._watch_readiness())
        try:
            await self._watch_liveness()
        finally:
            readiness.cancel()
            await asyncio.gather(readiness, return_exceptions=True)
        self.health.ready = False
        self._changed()
        return "liveness"

    async def _has_started(self, probe: Probe) -> bool:
        await asyncio.sleep(probe.initial_delay)
        failures = 0
        async for message in self._eagerly(probe):
            if message is None:
                return True
            failures += 1
            self._failed(probe.kind, message)
            if failures >= probe.failure_threshold:
                break
        return False

    async def _watch_readiness(self) -> None:
        probe = self._readiness
        if probe is None:
            return
        if not self.health.ready:
            await asyncio.sleep(probe.initial_delay)
        while True:
            if not self.health.ready:
                await self._becomes_ready(probe)
                self.health.ready = True
                self._changed()
            message = await self._until_failing(probe)
            self._failed(probe.kind, message)
            self.health.ready = False
            self._changed()

    async def _becomes_ready(self, probe: Probe) -> None:
        async for message in self._eagerly(probe):
            if message is None:
                return
            self._failed(probe.kind, message)

    async def _watch_liveness(self) -> None:
        probe = self._liveness
        if probe is None:
            await asyncio.Event().wait()
            return
        await asyncio.sleep(probe.initial_delay)
        self._failed(probe.kind, await self._until_failing(probe))

    async def _eagerly(self, probe: Probe) -> AsyncIterator[str | None]:
        """A message for each period without success; then ``None`` for the success."""
        clock = asyncio.get_running_loop().time
        counted = clock()
        successes = 0
        while True:
            verdict = await ask(probe, self._target)
            successes = successes + 1 if verdict.ok else 0
            if successes >= probe.success_threshold:
                yield None
                return
            if not verdict.ok and clock() - counted >= probe.period:
                counted = clock()
                yield verdict.message
            await asyncio.sleep(EAGER_SECONDS if successes == 0 else probe.period)

    async def _until_failing(self, probe: Probe) -> str:
        failures = 0
        while True:
            await asyncio.sleep(probe.period)
            verdict = await ask(probe, self._target)
            failures = 0 if verdict.ok else failures + 1
            if failures >= probe.failure_threshold:
                return verdict.message
