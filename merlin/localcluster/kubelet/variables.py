"""A container's environment variables, as its spec asks for them: env, envFrom, valueFrom and ``$(NAME)``."""

from __future__ import annotations

import base64
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol

from merlin.localcluster.client import KubeClient, Manifest, NotFound, Resource

SECRETS: Final = Resource("v1", "secrets")
CONFIG_MAPS: Final = Resource("v1", "configmaps")
_REFERENCE: Final = re.compile(r"\$\$|\$\(([A-Za-z_][\w.-]*)\)")
_NAME: Final = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")


class ConfigMissing(Exception):
    """A Secret, a ConfigMap or a key that the container needs is not there; the text is what a real kubelet says."""


class Source(Protocol):
    """Where the contents of Secrets and ConfigMaps come from."""

    async def secret(self, namespace: str, name: str) -> dict[str, bytes] | None:
        """Its data; ``None`` when there is no such Secret."""

    async def config_map(self, namespace: str, name: str) -> dict[str, bytes] | None:
        """Its data; ``None`` when there is no such ConfigMap."""


class ApiSource:
    """Secrets and ConfigMaps as the API has them now. Raises KubeError when it cannot be asked."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client

    async def secret(self, namespace: str, name: str) -> dict[str, bytes] | None:
        """See Source."""
        found = await self._get(SECRETS, namespace, name)
        return None if found is None else {key: base64.b64decode(v) for key, v in (found.get("data") or {}).items()}

    async def config_map(self, namespace: str, name: str) -> dict[str, bytes] | None:
        """See Source."""
        found = await self._get(CONFIG_MAPS, namespace, name)
        if found is None:
            return None
        texts = {key: str(value).encode() for key, value in (found.get("data") or {}).items()}
        return texts | {key: base64.b64decode(value) for key, value in (found.get("binaryData") or {}).items()}

    async def _get(self, resource: Resource, namespace: str, name: str) -> Manifest | None:
        try:
            return await self._client.get(resource, namespace, name)
        except NotFound:
            return None


async def variables_of(container: Manifest, pod: Manifest, source: Source, *, pod_ip: str) -> dict[str, str]:
    """The container's variables; later ones win. Raises ConfigMissing, KubeError."""
    namespace = pod["metadata"]["namespace"]
    found: dict[str, str] = {}
    for entry in container.get("envFrom") or []:
        found |= await _all_of(entry, namespace, source)
    for entry in container.get("env") or []:
        value = await _value_of(entry, container, pod, source, pod_ip)
        if value is not None:
            found[str(entry["name"])] = value if "valueFrom" in entry else expanded(value, found)
    return found


def expanded(text: str, variables: Mapping[str, str]) -> str:
    """``$(NAME)`` replaced by variables that are there; ``$$`` is a dollar sign."""

    def replace(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        return variables.get(match[1], match[0])

    return _REFERENCE.sub(replace, text)


async def _all_of(entry: Mapping[str, Any], namespace: str, source: Source) -> dict[str, str]:
    prefix = str(entry.get("prefix") or "")
    for kind, word, read in _readers(source):
        ref = entry.get(f"{kind}Ref")
        if ref is None:
            continue
        data = await read(namespace, ref["name"])
        if data is None:
            if ref.get("optional"):
                return {}
            raise ConfigMissing(f'{word} "{ref["name"]}" not found')
        names = {f"{prefix}{key}": value for key, value in data.items()}
        return {name: value.decode("utf-8", "replace") for name, value in names.items() if _NAME.fullmatch(name)}
    return {}


async def _value_of(
    entry: Mapping[str, Any], container: Manifest, pod: Manifest, source: Source, pod_ip: str
) -> str | None:
    origin = entry.get("valueFrom")
    if not origin:
        return str(entry.get("value") or "")
    for kind, word, read in _readers(source):
        ref = origin.get(f"{kind}KeyRef")
        if ref is not None:
            return await _key_of(ref, word, pod["metadata"]["namespace"], read)
    if field := origin.get("fieldRef"):
        return _field(pod, str(field["fieldPath"]), pod_ip)
    if field := origin.get("resourceFieldRef"):
        return _resource(container, str(field["resource"]))
    return ""


async def _key_of(
    ref: Mapping[str, Any], word: str, namespace: str, read: Callable[[str, str], Awaitable[dict[str, bytes] | None]]
) -> str | None:
    name, key = str(ref["name"]), str(ref["key"])
    data = await read(namespace, name)
    if data is not None and key in data:
        return data[key].decode("utf-8", "replace")
    if ref.get("optional"):
        return None
    if data is None:
        raise ConfigMissing(f'{word} "{name}" not found')
    kind = "Secret" if word == "secret" else "ConfigMap"
    raise ConfigMissing(f"couldn't find key {key} in {kind} {namespace}/{name}")


def _readers(source: Source) -> tuple[tuple[str, str, Callable[[str, str], Awaitable[dict[str, bytes] | None]]], ...]:
    return ("secret", "secret", source.secret), ("configMap", "configmap", source.config_map)


def _field(pod: Manifest, path: str, pod_ip: str) -> str:
    metadata, spec = pod["metadata"], pod["spec"]
    known = {
        "metadata.name": metadata.get("name"),
        "metadata.namespace": metadata.get("namespace"),
        "metadata.uid": metadata.get("uid"),
        "spec.nodeName": spec.get("nodeName"),
        "spec.serviceAccountName": spec.get("serviceAccountName"),
        "status.podIP": pod_ip,
        "status.hostIP": "127.0.0.1",
    }
    if path in known:
        return str(known[path] or "")
    match = re.fullmatch(r"metadata\.(labels|annotations)\['(.+)'\]", path)
    return str((metadata.get(match[1]) or {}).get(match[2], "")) if match else ""


def _resource(container: Manifest, name: str) -> str:
    kind, _, resource = name.partition(".")
    return str((container.get("resources") or {}).get(kind, {}).get(resource, "0"))
