"""A small client of any Kubernetes API server, real or embedded: JSON in, JSON out, over one aiohttp session.

Controllers, kubelet and gateway speak to the API with this alone, so that they run unchanged on both. Every request has
a deadline; every answer that is not 2xx becomes one of the few exceptions here, so that no aiohttp error leaves it.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

import aiohttp

from merlin.localcluster.kubeconfig import Access, read_kubeconfig

Manifest = dict[str, Any]
"""An object as the API takes and gives it: plain JSON."""

_REQUEST_SECONDS: Final = 15.0
_CONNECT_SECONDS: Final = 3.0
_WATCH_MARGIN_SECONDS: Final = 15.0
_PAGE: Final = 500
_LONGEST_LINE: Final = 8 << 20  # etcd holds 1.5 MiB; a watch event wraps it
_JSON: Final = "application/json"
_MERGE: Final = "application/merge-patch+json"
_APPLY: Final = "application/apply-patch+yaml"


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of object as the API addresses it."""

    api_version: str
    plural: str
    namespaced: bool = True

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """The address of one object, of all in a namespace, or (namespace ``None``) of all there are."""
        root = f"/apis/{self.api_version}" if "/" in self.api_version else f"/api/{self.api_version}"
        parts = [root]
        if self.namespaced and namespace:
            parts += ["namespaces", quote(namespace, safe="")]
        parts.append(self.plural)
        if name:
            parts.append(quote(name, safe=""))
        if subresource:
            parts.append(subresource)
        return "/".join(parts)


class KubeError(Exception):
    """The API did not do it; ``status`` is the HTTP code (0: no answer), ``reason`` and ``details`` its own words."""

    def __init__(self, message: str, *, status: int = 0, reason: str = "", details: Mapping[str, Any] | None = None):
        super().__init__(message)
        self.message = message
        self.status = status
        self.reason = reason
        self.details: Mapping[str, Any] = details or {}


class NotFound(KubeError):
    """There is no such object, namespace or kind."""


class Conflict(KubeError):
    """Somebody else wrote it meanwhile, or holds a field: read again."""


class AlreadyExists(Conflict):
    """An object of that name is there already."""


class Invalid(KubeError):
    """The API refuses the object as it is (400, 415, 422, or an unknown field, which is a 500)."""


class Forbidden(KubeError):
    """Rights, quota, admission, or a namespace that is going away."""


class Expired(KubeError):
    """That resourceVersion is too old: list again."""


class Unavailable(KubeError):
    """No answer, not in time, or the server is in trouble: trying again later helps."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A complete list, and the version of the cluster's state that it shows (where a watch goes on)."""

    items: list[Manifest]
    resource_version: str


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """ADDED, MODIFIED, DELETED or BOOKMARK, with the object (of a bookmark: only its resourceVersion)."""

    type: str
    object: Manifest


class KubeClient:
    """A connection pool to one API server. Use it as an async context manager.

    All methods raise `KubeError`s: NotFound, Conflict, Invalid, Forbidden, Expired, Unavailable.
    """

    def __init__(self, access: Access) -> None:
        self._access = access
        self._session: aiohttp.ClientSession | None = None

    @classmethod
    def from_kubeconfig(cls, path: Path) -> Self:
        """A client of the kubeconfig's current context. Raises ValueError, OSError for one that cannot be used."""
        return cls(read_kubeconfig(path))

    async def __aenter__(self) -> Self:
        headers = {"Accept": _JSON, "User-Agent": "merlin-localcluster"}
        if self._access.token:
            headers["Authorization"] = f"Bearer {self._access.token}"
        # No limit: every watch holds a connection. Idle ones are dropped before any server does it in our back.
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=4.0, ssl=self._access.tls or True)
        self._session = aiohttp.ClientSession(
            connector=connector, headers=headers, timeout=_timeout(_REQUEST_SECONDS), read_bufsize=1 << 18
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def get(self, resource: Resource, namespace: str | None, name: str) -> Manifest:
        """The object."""
        return await self._request("GET", resource.path(namespace, name))

    async def list(
        self, resource: Resource, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> Listed:
        """All objects that the selectors choose, read in pages."""
        query = {"limit": str(_PAGE), **_selectors(labels, fields)}
        items: list[Manifest] = []
        while True:
            page = await self._request("GET", resource.path(namespace), query)
            items += _named_items(page)
            metadata = page.get("metadata") or {}
            if not metadata.get("continue"):
                return Listed(items, str(metadata.get("resourceVersion", "0")))
            query["continue"] = metadata["continue"]

    async def watch(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        resource_version: str,
        seconds: int,
        labels: str = "",
        fields: str = "",
    ) -> AsyncIterator[WatchEvent]:
        """Every change after ``resource_version``, for about ``seconds``; then it just ends.

        Raises Expired when that version is too old, Unavailable when the connection breaks or outlives its time.
        """
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(seconds),
            **_selectors(labels, fields),
        }
        path = resource.path(namespace)
        with _translated(path):
            async with self._open().get(
                self._url(path), params=query, timeout=_timeout(seconds + _WATCH_MARGIN_SECONDS)
            ) as response:
                if response.status >= 300:
                    raise _meaning(response.status, await response.read(), path)
                async for line in _lines(response.content):
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        raise _meaning(int(event["object"].get("code", 500)), line, path, event["object"])
                    yield WatchEvent(event["type"], event["object"])

    async def create(self, resource: Resource, manifest: Manifest, *, subresource: str | None = None) -> Manifest:
        """The new object. With a subresource (a pod's ``binding``) it is posted to the object that it names."""
        metadata = manifest["metadata"]
        name = metadata["name"] if subresource else None
        path = resource.path(metadata.get("namespace"), name, subresource)
        return await self._request("POST", path, body=manifest)

    async def apply(
        self,
        resource: Resource,
        manifest: Manifest,
        *,
        field_manager: str,
        force: bool = True,
        subresource: str | None = None,
    ) -> Manifest:
        """Server-side apply; the object as it is then. Applying the same again changes nothing."""
        metadata = manifest["metadata"]
        path = resource.path(metadata.get("namespace"), metadata["name"], subresource)
        query = {"fieldManager": field_manager, "force": str(force).lower()}
        return await self._request("PATCH", path, query, body=manifest, content_type=_APPLY)

    async def patch_merge(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        patch: Mapping[str, Any],
        *,
        subresource: str | None = None,
    ) -> Manifest:
        """JSON merge patch; with ``metadata.resourceVersion`` in it, only if nobody wrote meanwhile."""
        path = resource.path(namespace, name, subresource)
        return await self._request("PATCH", path, body=patch, content_type=_MERGE)

    async def update(self, resource: Resource, manifest: Manifest, *, subresource: str | None = None) -> Manifest:
        """Replace the object that was read; Conflict if somebody wrote since."""
        metadata = manifest["metadata"]
        path = resource.path(metadata.get("namespace"), metadata["name"], subresource)
        return await self._request("PUT", path, body=manifest)

    async def update_status(self, resource: Resource, manifest: Manifest) -> Manifest:
        """Replace the status of the object that was read; Conflict if somebody wrote since."""
        return await self.update(resource, manifest, subresource="status")

    async def delete(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        *,
        grace_seconds: int | None = None,
        uid: str | None = None,
        propagation: str | None = None,
    ) -> Manifest:
        """Ask for its deletion; the object or a Status as the server answers. Conflict when the uid is another."""
        options: Manifest = {"apiVersion": "v1", "kind": "DeleteOptions"}
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        if propagation is not None:
            options["propagationPolicy"] = propagation
        return await self._request("DELETE", resource.path(namespace, name), body=options)

    async def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        body: Any = None,
        content_type: str = _JSON,
    ) -> Manifest:
        content = None if body is None else json.dumps(body, separators=(",", ":")).encode()
        headers = {"Content-Type": content_type} if content is not None else None
        with _translated(path):
            async with self._open().request(
                method, self._url(path), params=query, data=content, headers=headers
            ) as response:
                answer = await response.read()
                if response.status >= 300:
                    raise _meaning(response.status, answer, path)
                return _parsed(answer)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("KubeClient is used outside of its `async with` block")
        return self._session

    def _url(self, path: str) -> str:
        return self._access.server + path


def _named_items(page: Manifest) -> list[Manifest]:
    """The items with apiVersion and kind, which lists of built-in kinds leave out."""
    kind = str(page.get("kind", "")).removesuffix("List")
    return [{"apiVersion": page.get("apiVersion"), "kind": kind, **item} for item in page.get("items") or []]


async def _lines(stream: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Each line without its end, of any length up to a limit (aiohttp's own reading by lines has a small one)."""
    pending = b""
    async for chunk in stream.iter_any():
        *complete, pending = (pending + chunk).split(b"\n")
        for line in complete:
            if line.strip():
                yield line
        if len(pending) > _LONGEST_LINE:
            raise Unavailable(f"the API server sent a line of more than {_LONGEST_LINE >> 20} MiB")


@contextlib.contextmanager
def _translated(path: str) -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise Unavailable(f"{path}: no answer in time") from error
    except (aiohttp.ClientError, OSError) as error:
        raise Unavailable(f"{path}: {type(error).__name__}: {error}") from error
    except ValueError as error:
        raise Unavailable(f"{path}: the answer is not the JSON that it should be") from error


def _meaning(status: int, content: bytes, path: str, stated: Mapping[str, Any] | None = None) -> KubeError:
    stated = stated if stated is not None else _status(content)
    message = str(stated.get("message") or f"{path} answered {status}: {content[:200].decode(errors='replace')}")
    reason, details = str(stated.get("reason") or ""), stated.get("details") or {}
    return _kind_of(status, reason, message)(message, status=status, reason=reason, details=details)


def _kind_of(status: int, reason: str, message: str) -> type[KubeError]:
    if status == 409:
        return AlreadyExists if reason == "AlreadyExists" else Conflict
    if status >= 500 and ("field not declared in schema" in message or "failed to create typed patch" in message):
        return Invalid
    known = {400: Invalid, 403: Forbidden, 404: NotFound, 410: Expired, 415: Invalid, 422: Invalid}
    return known.get(status, Unavailable)


def _status(content: bytes) -> dict[str, Any]:
    try:
        return _parsed(content)
    except ValueError:
        return {}


def _parsed(content: bytes) -> Manifest:
    parsed = json.loads(content)
    if not isinstance(parsed, dict):
        raise ValueError("not an object")
    return parsed


def _selectors(labels: str, fields: str) -> dict[str, str]:
    return {key: value for key, value in (("labelSelector", labels), ("fieldSelector", fields)) if value}


def _timeout(seconds: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=seconds, connect=_CONNECT_SECONDS)
