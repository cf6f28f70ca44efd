"""The HTTP face of one model: routes, statuses, headers. An ASGI application that runs before the model is loaded.

Liveness answers from the first moment; everything that needs the model answers 503 until it is there. Every answer
names the model, its version and the revision in headers, by which a watcher tells who answered.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson

from merlin_runtime import __version__
from merlin_runtime.batching import Batcher, Overloaded
from merlin_runtime.conform import Conformer
from merlin_runtime.datatypes import InvalidRequest
from merlin_runtime.inputs import Inputs
from merlin_runtime.invocations import read_invocation, write_predictions
from merlin_runtime.metrics import Metrics
from merlin_runtime.outputs import UnknownResult, name_outputs
from merlin_runtime.predictor import ModelError, Predictor
from merlin_runtime.settings import Settings
from merlin_runtime.v2 import chosen, read_request, write_answer
from merlin_runtime.wire import (
    PROMETHEUS,
    TEXT,
    Answer,
    ClientGone,
    Receive,
    Refused,
    Scope,
    Send,
    header,
    read_body,
    send_answer,
)

log = logging.getLogger(__name__)

# Decoding or encoding more than this would keep the event loop from answering health checks for milliseconds.
LARGE_BODY_BYTES = 128 * 1024
LARGE_ROWS = 5_000

# Only these log their failures: a probe that finds the model not ready is no news, many times over.
PREDICTING = ("infer", "invocations")

Handler = Callable[[Scope, Receive], Awaitable[Answer]]


class Application:
    """One model's endpoints. ``serve`` hands over the loaded model; ``drain`` turns readiness off."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._name, self._version = settings.model_name, settings.model_version
        self._headers = tuple(
            (key, value.encode("latin-1", "replace"))
            for key, value in (
                (b"merlin-model", settings.model_name),
                (b"merlin-version", settings.model_version),
                (b"merlin-revision", settings.revision),
            )
        )
        labels = {"model": self._name, "version": self._version, "revision": settings.revision, "runtime": __version__}
        self.metrics = Metrics(labels)
        self.in_flight = 0
        self._draining = False
        self._model: Predictor | None = None
        self._routes = self._all_routes()
        self.metrics.gauge("merlin_runtime_ready", "1 when predictions are answered.", lambda: self.ready)
        self.metrics.gauge("merlin_runtime_requests_in_flight", "Requests being answered.", lambda: self.in_flight)

    @property
    def ready(self) -> bool:
        return self._model is not None and not self._draining

    def serve(self, model: Predictor) -> None:
        """Answer predictions with this model from now on. Call it on the event loop, once."""
        settings = self._settings
        batching = {"on": True, "off": False, "auto": model.rowwise}[settings.batching]
        self._conformer = Conformer(model.signature, model.names)
        self._batcher = Batcher(
            model,
            self.metrics,
            batching=batching,
            max_rows=settings.max_batch_rows,
            max_queued=settings.max_queued,
            timeout_seconds=settings.request_timeout_seconds,
        )
        self.metrics.gauge("merlin_runtime_requests_waiting", "Not yet handed over.", lambda: self._batcher.waiting)
        self._model = model

    def drain(self) -> None:
        """Say that no more requests should come; those that do are still answered."""
        self._draining = True

    # One request --------------------------------------------------------------------------------------------------

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        started = time.perf_counter()
        self.in_flight += 1
        route = "other"
        try:
            route, answer = await self._answer(scope, receive)
            await send_answer(send, answer, self._headers, head_only=scope["method"] == "HEAD")
            self._observe(scope, route, answer.status, time.perf_counter() - started)
        except ClientGone:
            self.metrics.request(route, 499, time.perf_counter() - started)
        finally:
            self.in_flight -= 1

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[str, Answer]:
        path = scope["path"]
        route = self._routes.get(path) or self._routes.get(path.rstrip("/"))
        if route is None:
            return "other", self._error(path, 404, self._unknown(path))
        name, methods, handler = route
        if scope["method"] not in methods:
            allow = ((b"allow", ", ".join(methods).encode()),)
            return name, self._error(path, 405, f"{path} answers {' and '.join(methods)} only", allow)
        try:
            return name, await handler(scope, receive)
        except InvalidRequest as error:
            return name, self._error(path, 400, str(error))
        except Refused as error:
            return name, self._error(path, error.status, error.message, error.headers)
        except Overloaded as error:
            return name, self._error(path, 503, str(error), ((b"retry-after", b"1"),))
        except TimeoutError:
            seconds = self._settings.request_timeout_seconds
            return name, self._error(path, 504, f"the model did not answer within {seconds:g} s")
        except (ModelError, UnknownResult) as error:
            log.exception("prediction failed", extra={"path": path})
            return name, self._error(path, 500, str(error))
        except ClientGone:
            raise
        except Exception:  # the server lives on whatever one request brings; the log has the cause
            log.exception("request failed unexpectedly", extra={"path": path})
            return name, self._error(path, 500, "the server failed on this request; its log says why")

    def _error(self, path: str, status: int, message: str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> Answer:
        if path == "/invocations":
            code = "BAD_REQUEST" if status < 500 else "INTERNAL_ERROR"
            body = {"error_code": code, "message": message}
        else:
            body = {"error": message}
        return Answer(status, orjson.dumps(body), headers=headers)

    def _observe(self, scope: Scope, route: str, status: int, seconds: float) -> None:
        self.metrics.request(route, status, seconds)
        if (status >= 500 and route in PREDICTING) or self._settings.log_requests:
            fields = {"path": scope["path"], "method": scope["method"], "status": status, "seconds": round(seconds, 5)}
            log.log(logging.WARNING if status >= 500 else logging.INFO, "request answered", extra=fields)

    # Routes -------------------------------------------------------------------------------------------------------

    def _all_routes(self) -> dict[str, tuple[str, tuple[str, ...], Handler]]:
        get, post = ("GET", "HEAD"), ("POST",)
        routes: dict[str, tuple[str, tuple[str, ...], Handler]] = {
            "/v2": ("server_metadata", get, self._server_metadata),
            "/v2/health/live": ("live", get, self._live),
            "/v2/health/ready": ("ready", get, self._server_ready),
            "/invocations": ("invocations", post, self._invocations),
            "/ping": ("ready", get, self._ping),
            "/health": ("ready", get, self._ping),
            "/version": ("version", get, self._mlflow_version),
            "/metrics": ("metrics", get, self._metrics),
        }
        own = f"/v2/models/{self._name}"
        for base in (own, f"{own}/versions/{self._version}") if self._version else (own,):
            routes[base] = ("model_metadata", get, self._model_metadata)
            routes[f"{base}/ready"] = ("model_ready", get, self._model_ready)
            routes[f"{base}/infer"] = ("infer", post, self._infer)
        return routes

    def _unknown(self, path: str) -> str:
        parts = path.strip("/").split("/")
        if parts[:2] == ["v2", "models"] and len(parts) > 2:
            served = f"this server has model {self._name!r}" + (f", version {self._version}" if self._version else "")
            if parts[2] != self._name:
                return f"unknown model {parts[2]!r}: {served}"
            if parts[3:4] == ["versions"] and parts[4:5] != [self._version]:
                return f"unknown version {'/'.join(parts[4:5])!r}: {served}"
        return f"there is nothing at {path}"

    # Health and metadata ------------------------------------------------------------------------------------------

    async def _live(self, _scope: Scope, _receive: Receive) -> Answer:
        return Answer(200, b'{"live":true}')

    async def _server_ready(self, _scope: Scope, _receive: Receive) -> Answer:
        return Answer(200 if self.ready else 503, orjson.dumps({"ready": self.ready}))

    async def _model_ready(self, _scope: Scope, _receive: Receive) -> Answer:
        return Answer(200 if self.ready else 503, orjson.dumps({"name": self._name, "ready": self.ready}))

    async def _ping(self, _scope: Scope, _receive: Receive) -> Answer:
        return Answer(200, b"\n", TEXT) if self.ready else Answer(503, b"not ready\n", TEXT)

    async def _mlflow_version(self, _scope: Scope, _receive: Receive) -> Answer:
        from importlib import metadata

        try:
            return Answer(200, metadata.version("mlflow").encode(), TEXT)
        except metadata.PackageNotFoundError as error:
            raise Refused(404, "MLflow is not installed here") from error

    async def _metrics(self, _scope: Scope, _receive: Receive) -> Answer:
        return Answer(200, self.metrics.exposition(), PROMETHEUS)

    async def _server_metadata(self, _scope: Scope, _receive: Receive) -> Answer:
        return Answer(200, orjson.dumps({"name": "merlin-runtime", "version": __version__, "extensions": []}))

    async def _model_metadata(self, _scope: Scope, _receive: Receive) -> Answer:
        model = self._loaded()
        body: dict[str, Any] = {
            "name": self._name,
            "versions": [self._version] if self._version else [],
            "platform": f"mlflow_{model.flavor}",
            "inputs": model.signature.inputs_metadata(),
            "outputs": model.signature.outputs_metadata(),
        }
        if model.signature.params:
            body["parameters"] = {"params": dict(model.signature.params)}
        return Answer(200, orjson.dumps(body, default=str))

    # Predictions --------------------------------------------------------------------------------------------------

    def _loaded(self) -> Predictor:
        if self._model is None:
            raise Refused(503, "the model is still being loaded", ((b"retry-after", b"1"),))
        return self._model

    async def _infer(self, scope: Scope, receive: Receive) -> Answer:
        model = self._loaded()
        body = await self._body(scope, receive)
        if header(scope, b"inference-header-content-length") is not None:
            raise InvalidRequest("the binary tensor extension is not supported; send the data as JSON")
        request = await _off_loop_if(len(body) > LARGE_BODY_BYTES, read_request, body, self._conformer)
        result = await self._predict(request.inputs, request.params if model.signature.params else None)

        def write() -> bytes:
            outputs = chosen(name_outputs(result, model.signature.output_names), request.outputs)
            return write_answer(self._name, self._version, request.id, outputs)

        return Answer(200, await _off_loop_if(request.inputs.rows > LARGE_ROWS, write))

    async def _invocations(self, scope: Scope, receive: Receive) -> Answer:
        self._loaded()
        body = await self._body(scope, receive)
        kind = _content_type(scope)
        read = (body, kind, self._conformer)
        inputs, params = await _off_loop_if(len(body) > LARGE_BODY_BYTES, read_invocation, *read)
        result = await self._predict(inputs, params)
        return Answer(200, await _off_loop_if(inputs.rows > LARGE_ROWS, write_predictions, result))

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        if (header(scope, b"content-encoding") or b"identity") != b"identity":
            raise Refused(415, "compressed bodies are not supported; send the data as it is")
        settings = self._settings
        return await read_body(
            scope, receive, limit=settings.max_body_bytes, timeout_seconds=settings.request_timeout_seconds
        )

    async def _predict(self, inputs: Inputs, params: Mapping[str, Any] | None) -> Any:
        if inputs.rows == 0:
            raise InvalidRequest("the request holds no rows")
        return await self._batcher.submit(inputs, params)


async def _off_loop_if(large: bool, work: Callable[..., Any], *arguments: Any) -> Any:
    """Work's result; large work is done in a thread, small work right here, where it costs no thread switch."""
    return await asyncio.to_thread(work, *arguments) if large else work(*arguments)


def _content_type(scope: Scope) -> str:
    text = (header(scope, b"content-type") or b"application/json").decode("latin-1")
    kind, _, parameters = text.partition(";")
    kind = kind.strip().lower()
    if kind not in ("application/json", "text/csv"):
        raise Refused(415, f"application/json or text/csv expected, found {kind}")
    if "charset" in parameters and "utf-8" not in parameters.lower():
        raise Refused(415, "only UTF-8 is understood")
    return kind
