"""Pod logs: asked of the kubelet of the pod's node, as a real API server does."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from typing import Final

import aiohttp
from aiohttp import web

from merlin.localcluster.api.errors import Refused, bad_request, internal
from merlin.localcluster.api.kinds import NODES, Manifest
from merlin.localcluster.api.store import Store

AUTHORITY: Final = "merlin.dev/kubelet-ca"
"""Annotation of a node: the PEM that its kubelet's certificate is trusted by."""

_PASSED: Final = ("follow", "tailLines", "sinceTime", "sinceSeconds", "timestamps", "previous", "limitBytes")
_CONNECT_SECONDS: Final = 5.0


class Logs:
    """The way to the kubelets; `close` it at the end."""

    def __init__(self, store: Store, token: str) -> None:
        self._store = store
        self._token = token
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the connections. Idempotent."""
        if self._session is not None:
            await self._session.close()

    async def stream(self, request: web.BaseRequest, pod: Manifest, query: Mapping[str, str]) -> web.StreamResponse:
        """Answer with the log of a container, as it comes. Raises Refused (400, 404, 500)."""
        container = _container(pod, query.get("container", ""))
        node_name = pod["spec"].get("nodeName", "")
        metadata = pod["metadata"]
        if not node_name:
            return web.Response(status=204)  # nobody wrote anything yet
        _check_started(pod, container, previous=query.get("previous", "") in ("true", "1"))
        url, trust = self._kubelet(node_name)
        url += f"/containerLogs/{metadata['namespace']}/{metadata['name']}/{container}"
        passed = {name: query[name] for name in _PASSED if query.get(name)}
        timeout = aiohttp.ClientTimeout(total=None, connect=_CONNECT_SECONDS)
        if self._session is None:
            self._session = aiohttp.ClientSession(trust_env=False)
        headers = {"Authorization": f"Bearer {self._token}"}
        try:
            async with self._session.get(url, params=passed, headers=headers, ssl=trust, timeout=timeout) as found:
                return await _passed_on(request, found)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise internal(f'Get "{url}": {error}') from error

    def _kubelet(self, name: str) -> tuple[str, ssl.SSLContext]:
        node = self._store.get(NODES, "", name)
        status = (node or {}).get("status") or {}
        port = ((status.get("daemonEndpoints") or {}).get("kubeletEndpoint") or {}).get("Port")
        addresses = {one["type"]: one["address"] for one in status.get("addresses") or []}
        address = addresses.get("InternalIP") or addresses.get("Hostname")
        if node is None or not port or not address:
            raise internal(f'node "{name}" does not say where its kubelet answers')
        authority = (node["metadata"].get("annotations") or {}).get(AUTHORITY)
        trust = ssl.create_default_context(cadata=authority) if authority else ssl.create_default_context()
        trust.check_hostname = authority is None  # that one authority signs for one kubelet
        return f"https://{address}:{port}", trust


async def _passed_on(request: web.BaseRequest, found: aiohttp.ClientResponse) -> web.StreamResponse:
    if found.status >= 400:
        text = (await found.text())[:2000]
        raise Refused(found.status, "NotFound" if found.status == 404 else "BadRequest", text.strip())
    response = web.StreamResponse(headers={"Content-Type": "text/plain"})
    await response.prepare(request)
    try:
        async for chunk in found.content.iter_any():
            await response.write(chunk)
    except (aiohttp.ClientError, ConnectionError, asyncio.CancelledError):
        # Either end went away; what was sent stands.
        request.protocol.force_close()
        raise
    await response.write_eof()
    return response


def _container(pod: Manifest, wanted: str) -> str:
    spec = pod["spec"]
    names = [one["name"] for listed in ("initContainers", "containers") for one in spec.get(listed) or []]
    pod_name = pod["metadata"]["name"]
    if wanted:
        if wanted not in names:
            raise bad_request(f"container {wanted} is not valid for pod {pod_name}")
        return wanted
    main = [one["name"] for one in spec["containers"]]
    if len(main) > 1:
        raise bad_request(f"a container name must be specified for pod {pod_name}, choose one of: [{' '.join(main)}]")
    return str(main[0])


def _check_started(pod: Manifest, container: str, *, previous: bool) -> None:
    status = pod.get("status") or {}
    told = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
    found: Manifest = next((one for one in told if one.get("name") == container), {})
    state = found.get("state") or {}
    waiting = state.get("waiting")
    name = pod["metadata"]["name"]
    if previous and not (found.get("lastState") or {}).get("terminated"):
        raise bad_request(f'previous terminated container "{container}" in pod "{name}" not found')
    if waiting is not None and not (found.get("lastState") or {}).get("terminated"):
        why = str(waiting.get("message") or waiting.get("reason") or "ContainerCreating")
        if waiting.get("reason") in ("ImagePullBackOff", "ErrImagePull", "InvalidImageName"):
            why = f"trying and failing to pull image: {why}"
        else:
            why = str(waiting.get("reason") or "ContainerCreating")
        raise bad_request(f'container "{container}" in pod "{name}" is waiting to start: {why}')
