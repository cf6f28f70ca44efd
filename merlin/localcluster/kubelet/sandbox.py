"""What a pod has on this machine in place of namespaces and mounts: a folder, ports, an address, rewritten paths.

A process sees the real file system and the real loopback, so what its spec says of both is rewritten:

- *Paths.* Wherever a mount's path stands in command, arguments or variables, as a whole path or with more of a path
  behind it, it becomes the folder of the volume on this machine. The longest mount wins.
- *Ports.* A container port (those that are declared, those of the probes, and 8080) is given a free port of loopback.
  An argument that consists of the number, alone or behind ``=`` or ``:`` (``--port=8080``, ``0.0.0.0:8080``), becomes
  that port, and so does a variable of just that number with PORT in its name.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import re
import shutil
import socket
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from merlin.localcluster.client import Manifest
from merlin.localcluster.kubelet.variables import ConfigMissing, Source

DEFAULT_PORT: Final = 8080
# Below the range that the kernel takes ports for outgoing connections from, so that none of these takes ours.
_PORTS: Final = range(20000, 32000)


class Sandbox:
    """One pod's folder: its volumes, its containers' runs, its ports and made-up address (kept in ``sandbox.json``)."""

    def __init__(self, folder: Path, pod: Manifest) -> None:
        self.folder = folder
        self.uid = str(pod["metadata"]["uid"])
        self.ports: dict[int, int] = {}
        self.ip = ""
        self._pod = pod
        with contextlib.suppress(OSError, ValueError, KeyError):
            kept = json.loads((folder / "sandbox.json").read_text())
            self.ports = {int(inside): int(outside) for inside, outside in kept["ports"].items()}
            self.ip = str(kept["ip"])

    def prepare(self, taken_ips: Iterable[str], taken_ports: Iterable[int]) -> None:
        """Make the folder, choose address and ports; what was chosen before stays. Raises OSError."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        chosen = self.ip, dict(self.ports)
        if not self.ip:
            self.ip = made_up_ip(self.uid, set(taken_ips))
        taken = set(taken_ports)
        for inside in container_ports(self._pod):
            if inside not in self.ports:
                self.ports[inside] = free_port(taken)
                taken.add(self.ports[inside])
        if chosen != (self.ip, self.ports):
            self._keep()

    def renew_ports(self, taken_ports: Iterable[int]) -> bool:
        """Choose other ports for those that somebody else took while the pod did not run; whether any changed."""
        taken = set(taken_ports)
        changed = False
        for inside, outside in self.ports.items():
            if not is_free(outside):
                self.ports[inside] = free_port(taken)
                changed = True
        if changed:
            self._keep()
        return changed

    @property
    def address(self) -> str:
        """Where the pod's port really listens: its first declared one."""
        return f"127.0.0.1:{self.ports[container_ports(self._pod)[0]]}"

    def attempts_folder(self, container: str) -> Path:
        """Where the container's runs lie."""
        return self.folder / "containers" / container

    def volume(self, name: str) -> Path:
        """The folder of a volume."""
        return self.folder / "volumes" / name

    async def make_volumes(self, source: Source) -> None:
        """Make the pod's volumes. Raises ConfigMissing, KubeError, OSError."""
        for volume in self._pod["spec"].get("volumes") or []:
            await self._make_volume(volume, source)

    def mounts(self, container: Manifest) -> dict[str, Path]:
        """Folders on this machine by the container's mount paths, longest first."""
        found: dict[str, Path] = {}
        volumes = {str(volume["name"]): volume for volume in self._pod["spec"].get("volumes") or []}
        for mount in container.get("volumeMounts") or []:
            name = str(mount["name"])
            host_path = volumes.get(name, {}).get("hostPath", {}).get("path")
            folder = Path(host_path) if host_path else self.volume(name)
            inner = str(mount.get("subPath") or "").lstrip("/")
            found[str(mount["mountPath"]).rstrip("/") or "/"] = folder / inner if inner else folder
        return dict(sorted(found.items(), key=lambda item: -len(item[0])))

    def rewritten_arguments(self, arguments: Sequence[str], mounts: Mapping[str, Path]) -> list[str]:
        """Arguments as they have to be on this machine."""
        return [self._with_port(rewritten_path(argument, mounts)) for argument in arguments]

    def rewritten_variables(self, variables: Mapping[str, str], mounts: Mapping[str, Path]) -> dict[str, str]:
        """Variables as they have to be on this machine."""
        found = {}
        for name, value in variables.items():
            is_port = "PORT" in name.upper() and value.isdigit() and int(value) in self.ports
            found[name] = str(self.ports[int(value)]) if is_port else rewritten_path(value, mounts)
        return found

    def remove(self) -> None:
        """Remove everything of the pod from the disk."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _with_port(self, argument: str) -> str:
        match = re.fullmatch(r"(|.*[=:])(\d{1,5})", argument)
        if match is None or int(match[2]) not in self.ports:
            return argument
        return f"{match[1]}{self.ports[int(match[2])]}"

    async def _make_volume(self, volume: Mapping[str, Any], source: Source) -> None:
        if "hostPath" in volume:
            return
        folder = self.volume(str(volume["name"]))
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for content in [volume, *(volume.get("projected") or {}).get("sources", [])]:
            for name, data in (await self._contents(content, source, str(volume["name"]))).items():
                _write(folder, name, data)

    async def _contents(self, volume: Mapping[str, Any], source: Source, volume_name: str) -> dict[str, bytes]:
        namespace = self._pod["metadata"]["namespace"]
        # A token for the API is never put on the disk: no process of a model has any business there.
        for kind, named, word, read in (
            ("secret", "secretName", "secret", source.secret),
            ("configMap", "name", "configmap", source.config_map),
        ):
            wanted = volume.get(kind)
            if wanted is None:
                continue
            name = str(wanted.get(named) or wanted.get("name") or "")
            data = await read(namespace, name)
            if data is None:
                if wanted.get("optional") or "projected" in volume or named not in wanted:
                    return {}
                raise ConfigMissing(f'MountVolume.SetUp failed for volume "{volume_name}": {word} "{name}" not found')
            items = {str(item["key"]): str(item["path"]) for item in wanted.get("items") or []}
            return {items[key]: data[key] for key in items if key in data} if items else data
        return {}

    def _keep(self) -> None:
        draft = self.folder / "sandbox.json.new"
        draft.write_text(json.dumps({"ip": self.ip, "ports": self.ports}))
        draft.replace(self.folder / "sandbox.json")


def container_ports(pod: Manifest) -> list[int]:
    """Every port that the pod's containers may listen on, the first declared one first; never empty."""
    found: dict[int, None] = {}
    containers = pod["spec"].get("containers") or []
    for container in containers:
        for port in container.get("ports") or []:
            found[int(port["containerPort"])] = None
    for container in containers:
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            for action in ("httpGet", "tcpSocket", "grpc"):
                port = ((container.get(probe) or {}).get(action) or {}).get("port")
                if isinstance(port, int) or (isinstance(port, str) and port.isdigit()):
                    found[int(port)] = None
    if not found or DEFAULT_PORT in found:
        # The traffic of a predictor goes there, whatever else is declared.
        return [DEFAULT_PORT, *(port for port in found if port != DEFAULT_PORT)]
    return list(found)


def rewritten_path(text: str, mounts: Mapping[str, Path]) -> str:
    """The text with every mount path in it replaced by its folder on this machine."""
    if not mounts or "/" not in text:
        return text
    inside = "|".join(re.escape(path) for path in mounts if path != "/")
    if not inside:
        return text
    return re.sub(rf"(?<![\w./-])({inside})(?![\w.-])", lambda match: str(mounts[match[1]]), text)


def made_up_ip(uid: str, taken: set[str]) -> str:
    """An address of 10.244.0.0/16 for a pod, always the same unless another pod has it."""
    start = int.from_bytes(hashlib.sha256(uid.encode()).digest()[:4], "big")
    for step in range(250 * 250):
        number = (start + step) % (250 * 250)
        address = f"10.244.{number // 250 + 1}.{number % 250 + 2}"
        if address not in taken:
            return address
    raise OSError("no address is left for another pod")


def free_port(taken: set[int]) -> int:
    """A port of loopback that nobody listens on. Raises OSError."""
    for _ in range(200):
        port = random.choice(_PORTS)  # noqa: S311
        if port not in taken and is_free(port):
            return port
    raise OSError("no free port was found on 127.0.0.1")


def is_free(port: int) -> bool:
    """Whether one could listen on that port of loopback now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _write(folder: Path, name: str, data: bytes) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
