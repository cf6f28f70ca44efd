"""The doors to one Kubernetes cluster: the only file that speaks through kubernetes_asyncio.

One ApiClient per cluster for the life of the process (making one costs 50 ms for its TLS context), and raw JSON both
ways: the library's typed models are forty times slower to read. What its errors mean is said here, in Merlin's words:
Unavailable when trying again helps, Conflict when somebody else wrote, Rejected when the cluster refused for good.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

import aiohttp
import orjson

from merlin.domain.environment import ClusterConfig
from merlin.domain.observation import PodSeen
from merlin.errors import Unavailable
from merlin.kube import names, refusals
from merlin.kube.credentials import Credentials, unusable
from merlin.kube.kinds import CLUSTER_RUNTIME, GATEWAY, GATEWAY_CLASS, POD, Kind, Manifest, kind_of
from merlin.kube.lean_import import ApiClient, Configuration
from merlin.kube.lean_import import config as kube_config
from merlin.kube.lines import split_lines
from merlin.kube.route import RouteFeatures, features_of
from merlin.kube.seen import pod_seen

_REQUEST = aiohttp.ClientTimeout(total=10.0, connect=3.0)
_CONNECT_SECONDS = 3.0
_FOLLOW_SECONDS = 120.0
_PAGE = 500
_APPLY = "application/apply-patch+yaml"
ABSENT = "1"
"""A resourceVersion that no object ever has (etcd's first is 2): applied with it, an object is made, or refused."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A complete list, and the version of the cluster's state that it shows (where a watch goes on)."""

    items: list[Manifest]
    resource_version: str


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """ADDED, MODIFIED, DELETED or BOOKMARK, with the object (of a bookmark: only its resourceVersion).

    The first one is OPENED, without an object: the server has begun to answer.
    """

    type: str
    object: Manifest


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line that a container wrote; ``at`` is the node's time."""

    at: datetime
    text: str


class ReadOnlyCluster:
    """A cluster as the API may use it: nothing here changes anything."""

    def __init__(self, client: ApiClient, refresh: asyncio.Task[None]) -> None:
        self._client = client
        self._refresh = refresh

    @classmethod
    async def connect(cls, config: ClusterConfig) -> Self:
        """A door to that cluster; does not speak to it yet.

        Raises Misconfigured when its credentials are unusable, Unavailable when whoever gives them fails or is late.
        """
        configuration = Configuration()
        credentials = None if config.in_cluster else Credentials(config)
        try:
            if credentials is None:
                kube_config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
            else:
                await credentials.load(configuration)
            client = ApiClient(configuration)
        except (kube_config.ConfigException, OSError, ValueError) as error:
            raise unusable(config.name, error) from error
        # In a cluster, the library reads the account's token from its file again by itself.
        keeping = credentials.keep_fresh(configuration) if credentials is not None else asyncio.sleep(0)
        return cls(client, asyncio.create_task(keeping))

    async def close(self) -> None:
        """Close the connections. Idempotent."""
        self._refresh.cancel()
        await asyncio.gather(self._refresh, return_exceptions=True)
        await self._client.close()

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Manifest | None:
        """The object, or ``None``. Raises Unavailable, Rejected."""
        return await self._request("GET", kind.path(namespace, name), absent_is_none=True)

    async def list_all(self, kind: Kind, namespace: str | None = None, *, labels: str = "", fields: str = "") -> Listed:
        """All objects that the selectors choose, read in pages. Raises Unavailable, Rejected."""
        query: dict[str, str] = {"limit": str(_PAGE), **_selectors(labels, fields)}
        items: list[Manifest] = []
        while True:
            page = await self._request("GET", kind.path(namespace), query) or {}
            items += page.get("items") or []
            metadata = page.get("metadata", {})
            if not metadata.get("continue"):
                return Listed(items, str(metadata.get("resourceVersion", "0")))
            query["continue"] = metadata["continue"]

    async def watch(
        self,
        kind: Kind,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
        resource_version: str,
        seconds: int,
    ) -> AsyncIterator[WatchEvent]:
        """Every change after ``resource_version``, for about ``seconds``; then it just ends.

        A watch may be silent all that time. Raises Expired when that version is too old (list again), Unavailable when
        the connection breaks or outlives its time.
        """
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(seconds),
            **_selectors(labels, fields),
        }
        async with self._stream(kind.path(namespace), query, seconds + 15.0) as response:
            yield WatchEvent("OPENED", {})
            async for line in split_lines(response.content.iter_any()):
                event = orjson.loads(line)
                if event["type"] == "ERROR":
                    raise refusals.of_watch(event["object"])
                yield WatchEvent(event["type"], event["object"])

    async def logs(
        self,
        namespace: str,
        pod: str,
        container: str = "kserve-container",
        *,
        follow: bool = False,
        tail_lines: int | None = None,
        since: datetime | None = None,
        previous: bool = False,
    ) -> AsyncIterator[LogLine]:
        """Lines of a container's log, oldest first; with ``follow`` until the container ends, or some minutes are over.

        Follow again then: of a connection that died without a word nothing would ever be heard. Raises NotFound (no
        such pod), Rejected (the container has not started), Unavailable.
        """
        query = {"container": container, "timestamps": "true", "follow": str(follow).lower()}
        query["previous"] = str(previous).lower()
        if tail_lines is not None:
            query["tailLines"] = str(tail_lines)
        if since is not None:
            query["sinceTime"] = since.isoformat().replace("+00:00", "Z")
        async with self._stream(
            f"{POD.path(namespace, pod)}/log", query, _FOLLOW_SECONDS if follow else 30.0
        ) as response:
            async for line in split_lines(response.content.iter_any()):
                yield _log_line(line.decode("utf-8", "replace").replace("\0", "\ufffd"))

    async def pods(self, namespace: str, endpoint_id: object) -> list[PodSeen]:
        """The pods of a version endpoint now, oldest first. Raises Unavailable (CLUSTER_UNREACHABLE), Rejected."""
        listed = await self.list_all(POD, namespace, labels=f"{names.ENDPOINT}={endpoint_id}")
        return sorted((pod_seen(pod) for pod in listed.items), key=lambda pod: (pod.created_at, pod.name))

    async def runtimes(self) -> dict[str, list[str]]:
        """ClusterServingRuntimes by name, with the model formats each can serve."""
        listed = await self.list_all(CLUSTER_RUNTIME)
        return {
            str(runtime["metadata"]["name"]): [
                str(known["name"]) for known in runtime.get("spec", {}).get("supportedModelFormats", [])
            ]
            for runtime in listed.items
            if not runtime.get("spec", {}).get("disabled", False)
        }

    async def route_features(self, namespace: str, gateway: str, gateway_class: str = "") -> RouteFeatures:
        """What the gateway says it can do; nothing known when gateway or class are not there."""
        if not gateway_class:
            found = await self.get(GATEWAY, namespace, gateway)
            gateway_class = str((found or {}).get("spec", {}).get("gatewayClassName", ""))
        stated = await self.get(GATEWAY_CLASS, None, gateway_class) if gateway_class else None
        return features_of(stated) if stated else RouteFeatures()

    async def reachable(self) -> str:
        """The Kubernetes version. Raises Unavailable (CLUSTER_UNREACHABLE)."""
        answer = await self._request("GET", "/version") or {}
        return str(answer.get("gitVersion", "unknown"))

    async def may(self, verb: str, kind: Kind, namespace: str | None = None) -> bool:
        """Whether our credentials allow it (a SelfSubjectAccessReview, which changes nothing)."""
        group = kind.api_version.rpartition("/")[0]
        asked = {"verb": verb, "group": group, "resource": kind.plural, "namespace": namespace or ""}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": asked},
        }
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        answer = await self._request("POST", path, body=review) or {}
        return bool(answer.get("status", {}).get("allowed", False))

    async def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        body: Any = None,
        content_type: str = "application/json",
        absent_is_none: bool = False,
    ) -> Manifest | None:
        with _translated(path):
            response = await self._call(method, path, query, body, content_type, _REQUEST)
            async with response:
                content = await response.read()
        if response.status >= 300:
            refusals.raise_for(response.status, content, path, absent_is_none=absent_is_none)
            return None
        return _parsed(content, path)

    @contextlib.asynccontextmanager
    async def _stream(
        self, path: str, query: Mapping[str, str], seconds: float | None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        timeout = aiohttp.ClientTimeout(total=seconds, connect=_CONNECT_SECONDS)
        with _translated(path):
            async with await self._call("GET", path, query, None, "application/json", timeout) as response:
                if response.status >= 300:
                    refusals.raise_for(response.status, await response.read(), path)
                yield response

    async def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Any,
        content_type: str,
        timeout: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        response: aiohttp.ClientResponse = await self._client.call_api(
            path,
            method,
            query_params=list((query or {}).items()),
            header_params={"Accept": "application/json, */*", "Content-Type": content_type},
            body=body,
            auth_settings=["BearerToken"],
            _preload_content=False,
            _request_timeout=timeout,
        )
        return response


class Cluster(ReadOnlyCluster):
    """A cluster as workers use it: they alone change it."""

    async def apply(
        self, manifest: Manifest, *, resource_version: str | None = None, dry_run: bool = False
    ) -> Manifest:
        """Make the cluster hold ``manifest`` as written; applying it again changes nothing. The object as it is then.

        With a ``resource_version``, only if nobody wrote it since. Raises Rejected (422, 403: a named failure code),
        Conflict (409), NotFound (NAMESPACE_MISSING), Unavailable (5xx, time-out: retry). See k8s "Server-Side Apply".
        """
        metadata = manifest["metadata"]
        if resource_version is not None:
            manifest = {**manifest, "metadata": {**metadata, "resourceVersion": resource_version}}
        query = {"fieldManager": names.FIELD_MANAGER, "force": "true", **({"dryRun": "All"} if dry_run else {})}
        path = kind_of(manifest).path(metadata.get("namespace"), metadata["name"])
        return await self._request("PATCH", path, query, body=manifest, content_type=_APPLY) or {}

    async def create(self, manifest: Manifest) -> Manifest:
        """Make an object that must not be there yet. Raises Conflict when it is; else as `apply`.

        Only for manifests whose fields never go away again: what is created so is not owned by later applies.
        """
        path = kind_of(manifest).path(manifest["metadata"].get("namespace"))
        return await self._request("POST", path, {"fieldManager": names.FIELD_MANAGER}, body=manifest) or {}

    async def delete(
        self,
        kind: Kind,
        namespace: str | None,
        name: str,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
    ) -> bool:
        """Ask for its deletion; what it owns follows. False when it was not there.

        Raises Conflict when it is another one (``uid``), or was written since (``resource_version``).
        """
        options: dict[str, Any] = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        given = {"uid": uid, "resourceVersion": resource_version}
        preconditions = {field: value for field, value in given.items() if value is not None}
        if preconditions:
            options["preconditions"] = preconditions
        gone = await self._request("DELETE", kind.path(namespace, name), body=options, absent_is_none=True)
        return gone is not None


@contextlib.contextmanager
def _translated(path: str) -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise refusals.unreachable(f"it did not answer {path} in time") from error
    except aiohttp.ClientError as error:
        raise refusals.unreachable(f"{type(error).__name__} on {path}") from error
    except OSError as error:
        raise refusals.unreachable(str(error)) from error


def _parsed(content: bytes, path: str) -> Manifest:
    try:
        parsed = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise Unavailable(f"The cluster answered {path} with something that is not JSON.") from error
    if not isinstance(parsed, dict):
        raise Unavailable(f"The cluster answered {path} with something that is no object.")
    return parsed


def _selectors(labels: str, fields: str) -> dict[str, str]:
    return {key: value for key, value in (("labelSelector", labels), ("fieldSelector", fields)) if value}


def _log_line(line: str) -> LogLine:
    stamp, _, text = line.partition(" ")
    try:
        # Nanoseconds: more digits than Python reads.
        seconds, _, rest = stamp.partition(".")
        digits = rest.rstrip("Z").partition("+")[0][:6]
        return LogLine(datetime.fromisoformat(f"{seconds.rstrip('Z')}.{digits or '0'}+00:00"), text)
    except ValueError:
        return LogLine(datetime.now().astimezone(), line)
