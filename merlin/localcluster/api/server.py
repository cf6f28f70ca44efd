"""The API over HTTP: every request to the door that answers it."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import orjson
import yaml
from aiohttp import StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import RawRequestMessage

from merlin.localcluster.api import discovery, doors, errors, openapi, patch, protobuf
from merlin.localcluster.api.call import Options, Place, options_of, place_at
from merlin.localcluster.api.deleting import Deleter
from merlin.localcluster.api.errors import Refused
from merlin.localcluster.api.garbage import Collector
from merlin.localcluster.api.kinds import ACCESS_REVIEWS, NAMESPACES, PODS, Manifest
from merlin.localcluster.api.listen import Listener, certificate_in
from merlin.localcluster.api.logs import Logs
from merlin.localcluster.api.reading import Reader, json_response
from merlin.localcluster.api.scale import scale_of, scaled
from merlin.localcluster.api.store import Store
from merlin.localcluster.api.watch import Hub
from merlin.localcluster.api.writing import Answer, Writer

log = logging.getLogger(__name__)

KUBELET_TOKEN: Final = "kubelet-token"  # noqa: S105  # the name of a file
_NAMESPACES: Final = ("default", "kube-system", "kube-public")
_LARGEST_BODY: Final = 3 << 20
_CHECKPOINT_SECONDS: Final = 5.0


class Api:
    """The API of one folder. `serving` is how to run it."""

    def __init__(self, home: Path) -> None:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._token = doors.token_in(home / "token")
        self.store = Store(home)
        self._hub = Hub(self.store)
        self._reader = Reader(self.store, self._hub)
        self._writer = Writer(self.store)
        self._deleter = Deleter(self.store)
        self.collector = Collector(self.store, self._deleter)
        self._logs = Logs(self.store, doors.token_in(home / KUBELET_TOKEN))
        for name in _NAMESPACES:
            if self.store.get(NAMESPACES, "", name) is None:
                body: Manifest = {"metadata": {"name": name}}
                self._writer.create(Place(NAMESPACES), body, Options("kube-apiserver"))

    def stop(self) -> None:
        """End all watches soon."""
        self._hub.stop()

    async def close(self) -> None:
        """Close what is open; idempotent."""
        await self._logs.close()
        self.store.close()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request; every refusal is a `Status`."""
        try:
            doors.check(request.headers, request.path, self._token)
            return await self._answer(request)
        except Refused as refused:
            return json_response(refused.body, refused.code)
        except web.HTTPRequestEntityTooLarge:
            text = f"Request entity too large: limit is {_LARGEST_BODY}"
            return json_response(Refused(413, "RequestEntityTooLarge", text).body, 413)
        except sqlite3.Error as error:
            log.warning("a write failed", extra={"reason": str(error)})
            return json_response(errors.internal(f"the state could not be written: {error}").body, 500)
        except (asyncio.CancelledError, ConnectionError):
            raise
        except Exception:  # the edge of a request: nothing that one does may end the server
            log.exception("a request failed", extra={"path": request.path})
            return json_response(errors.internal("see the log of the API server").body, 500)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path
        if path in doors.HEALTH:
            return web.Response(text="ok")
        if path.startswith("/openapi/"):
            return _described(path)
        if request.method == "GET" and (found := _discovered(request)) is not None:
            return found
        try:
            place = place_at(path)
        except Refused:
            return web.Response(text="404 page not found\n", status=404)
        if place.resource is ACCESS_REVIEWS:
            return await _allowed(request)
        if place.subresource in ("log", "binding", "eviction", "scale"):
            return await self._answer_part(request, place)
        match request.method:
            case "GET":
                return await self._read(request, place)
            case "POST" if not place.name:
                return await self._create(request, place)
            case "PUT" if place.name:
                options = options_of(request.query, _agent(request), applies=False)
                return _told(self._writer.update(place, await _body(request), options))
            case "PATCH" if place.name:
                return await self._patch(request, place)
            case "DELETE" if not place.subresource:
                return await self._delete(request, place)
        raise errors.not_allowed()

    async def _read(self, request: web.BaseRequest, place: Place) -> web.StreamResponse:
        query, accept = request.query, request.headers.get("Accept", "")
        if query.get("watch", "").lower() in ("true", "1"):
            return await self._reader.watch(request, place, query, accept)
        if place.name:
            return self._reader.get(place, query, accept)
        return self._reader.listing(place, query, accept)

    async def _create(self, request: web.BaseRequest, place: Place) -> web.Response:
        options = options_of(request.query, _agent(request), applies=False)
        return _told(self._writer.create(place, await _body(request), options))

    async def _patch(self, request: web.BaseRequest, place: Place) -> web.Response:
        kind = request.content_type
        options = options_of(request.query, _agent(request), applies=kind == patch.APPLY)
        return _told(self._writer.patch(place, kind, await _content(request), options))

    async def _delete(self, request: web.BaseRequest, place: Place) -> web.Response:
        options = await _delete_options(request)
        dry_run = options.get("dryRun") == ["All"] or request.query.get("dryRun") == "All"
        if place.name:
            live = self._writer.existing(place)
            found, gone = self._deleter.delete(place.resource, live, options, dry_run=dry_run)
            if gone and place.resource is not PODS:
                return json_response(errors.success(place.resource, place.name, live["metadata"]["uid"]))
            return json_response(found)
        items = []
        for _, one in self._reader.chosen(place, request.query):
            current = self.store.get(place.resource, *_key(one.manifest))
            if current is not None:
                items.append(self._deleter.delete(place.resource, current, options, dry_run=dry_run)[0])
        metadata = {"resourceVersion": str(self.store.version)}
        head = {"kind": f"{place.resource.kind}List", "apiVersion": place.resource.api_version}
        return json_response({**head, "metadata": metadata, "items": items})

    async def _answer_part(self, request: web.BaseRequest, place: Place) -> web.StreamResponse:
        live = self._writer.existing(place)
        match place.subresource, request.method:
            case "log", "GET":
                return await self._logs.stream(request, live, request.query)
            case "binding", "POST":
                return self._bind(place, live, await _body(request))
            case "eviction", "POST":
                body = await _body(request)
                self._deleter.delete(place.resource, live, body.get("deleteOptions") or {})
                return json_response({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}, 201)
            case "scale", "GET":
                return json_response(scale_of(live))
            case "scale", "PUT" | "PATCH":
                options = options_of(request.query, _agent(request), applies=False)
                whole = Place(place.resource, place.namespace, place.name)
                change = scaled(live, request.content_type, await _content(request))
                changed = self._writer.patch(whole, patch.MERGE, change, options)
                return json_response(scale_of(changed.manifest))
        raise errors.not_allowed()

    def _bind(self, place: Place, live: Manifest, body: Manifest) -> web.Response:
        """Give a pod to a node."""
        target = str((body.get("target") or {}).get("name", ""))
        if not target:
            raise errors.invalid(PODS, place.name, [errors.required_value("target.name")])
        if live["spec"].get("nodeName"):
            why = f'pod {place.name} is already assigned to node "{live["spec"]["nodeName"]}"'
            raise errors.conflict(place.resource, place.name, why)
        conditions = [
            one for one in (live.get("status") or {}).get("conditions") or [] if one.get("type") != "PodScheduled"
        ]
        stamp = live["metadata"]["creationTimestamp"]
        conditions.append(
            {"type": "PodScheduled", "status": "True", "lastProbeTime": None, "lastTransitionTime": stamp}
        )
        status = {**(live.get("status") or {}), "conditions": conditions}
        spec = {**live["spec"], "nodeName": target}
        self._writer.replace(place, live, {**live, "spec": spec, "status": status})
        return json_response(
            {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}, 201
        )


def _key(manifest: Manifest) -> tuple[str, str]:
    return manifest["metadata"].get("namespace", ""), manifest["metadata"]["name"]


def _described(path: str) -> web.Response:
    rest = path.removeprefix("/openapi/").strip("/")
    found = openapi.index() if rest == "v3" else openapi.describing(rest.removeprefix("v3/"))
    if found is None or not rest.startswith("v3"):
        return web.Response(text="404 page not found\n", status=404)
    return web.Response(body=found, content_type="application/json")


def _discovered(request: web.BaseRequest) -> web.Response | None:
    if "as=APIGroupDiscoveryList" in request.headers.get("Accept", ""):
        found = discovery.in_one(request.path)
        if found is not None:
            response = json_response(found)
            response.headers["Content-Type"] = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
            return response
    found = discovery.answer(request.path)
    return None if found is None else json_response(found)


def _agent(request: web.BaseRequest) -> str:
    return request.headers.get("User-Agent", "")


def _told(answer: Answer) -> web.Response:
    response = json_response(answer.manifest, answer.status)
    for warning in answer.warnings:
        response.headers.add("Warning", '299 - "{}"'.format(warning.replace('"', '\\"')))
    return response


async def _content(request: web.BaseRequest) -> Any:
    """The body as JSON (or the YAML that an apply may be). Raises Refused (400)."""
    text = await request.read()
    if request.content_type == protobuf.CONTENT_TYPE:
        return protobuf.read(text)
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        if "yaml" not in request.content_type:
            raise errors.bad_request(f"the object provided is unrecognized: {error}") from error
    try:
        return yaml.load(text, Loader=yaml.CSafeLoader)  # the safe loader, in C
    except yaml.YAMLError as error:
        raise errors.bad_request(f"error decoding YAML: {error}") from error


async def _body(request: web.BaseRequest) -> Manifest:
    body = await _content(request)
    if not isinstance(body, dict):
        raise errors.bad_request("the body of the request is not an object")
    return body


async def _delete_options(request: web.BaseRequest) -> Manifest:
    text = await request.read()
    options = await _body(request) if text.strip() else {}
    query = request.query
    if "propagationPolicy" in query:
        options.setdefault("propagationPolicy", query["propagationPolicy"])
    if query.get("gracePeriodSeconds", "").isdigit():
        options.setdefault("gracePeriodSeconds", int(query["gracePeriodSeconds"]))
    grace, preconditions = options.get("gracePeriodSeconds"), options.get("preconditions")
    if not (grace is None or type(grace) is int) or not (preconditions is None or isinstance(preconditions, dict)):
        raise errors.bad_request("DeleteOptions: gracePeriodSeconds is a number and preconditions is an object")
    return options


async def _allowed(request: web.BaseRequest) -> web.Response:
    """Who holds the token may do everything."""
    if request.method != "POST":
        raise errors.not_allowed()
    review = await _body(request)
    review["metadata"] = review.get("metadata") or {"creationTimestamp": None}
    review["status"] = {"allowed": True, "reason": "the token of the embedded cluster allows everything"}
    return json_response(review, 201)


def _request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: web.RequestHandler,
    writer: AbstractStreamWriter,
    task: asyncio.Task[None],
) -> web.BaseRequest:
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=_LARGEST_BODY)


async def _checkpoints(store: Store) -> None:
    written = store.version
    while True:
        await asyncio.sleep(_CHECKPOINT_SECONDS)
        if store.version != written:
            written = store.version
            try:
                await asyncio.to_thread(store.checkpoint)
            except sqlite3.Error as error:
                log.warning("a checkpoint failed; it is tried again", extra={"reason": str(error)})


@asynccontextmanager
async def serving(home: Path, port: int) -> AsyncIterator[tuple[Api, int]]:
    """The API of that folder on a loopback port (0: a free one), with its garbage collector; and the port.

    Writes ``home/kubeconfig``. Raises OSError when the port is taken.
    """
    api = Api(home)
    certificate = certificate_in(home / "pki")
    # A handler is cancelled when its caller hangs up: a silent watch would stay for an hour. Writes do not wait.
    server = web.Server(
        api.handle, request_factory=_request, handler_cancellation=True, access_log=None, keepalive_timeout=300.0
    )
    runner = web.ServerRunner(server)
    await runner.setup()
    listener = Listener(server, certificate)
    tasks = [asyncio.create_task(api.collector.run()), asyncio.create_task(_checkpoints(api.store))]
    try:
        bound = await listener.start(port)
        doors.write_private(home / "kubeconfig", kubeconfig(bound, certificate.authority, home / "token"))
        yield api, bound
    finally:
        await listener.stop()
        api.stop()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.shutdown(1.0)
        await runner.cleanup()
        await api.close()


def kubeconfig(port: int, authority: str, token: Path) -> str:
    """A kubeconfig of the administrator.

    With https: kubectl sends no token over plain http.
    """
    name = "merlin"
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [
            {
                "name": name,
                "cluster": {"server": f"https://127.0.0.1:{port}", "certificate-authority-data": authority},
            }
        ],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "users": [{"name": name, "user": {"token": token.read_text().strip()}}],
    }
    return yaml.safe_dump(content, sort_keys=False)
