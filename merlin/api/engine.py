"""Runs operations: checked by `merlin.schema.limits`, executed by graphql-core on Strawberry's schema.

Strawberry's own `execute` is passed by: with caches for parsing, validation and cost in one place nothing of its
per-request machinery is left to do.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

import strawberry
from graphql import ExecutionResult, GraphQLError, OperationType, create_source_event_stream, execute
from strawberry.execution.is_awaitable import optimized_is_awaitable

from merlin.api.body import GraphQLRequest
from merlin.api.metrics import Metrics
from merlin.resolvers import streams
from merlin.resolvers.streams import every, guarded
from merlin.schema.error_format import format_errors, format_exception
from merlin.schema.limits import Documents, Operation, OperationRefused
from merlin.settings import Settings

log = logging.getLogger(__name__)

Payload = dict[str, Any]
STATE_STREAMS = {"versionEndpoint", "modelEndpoint"}


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose request it is. ``context()`` makes what resolvers get: one per operation, one per event of a stream.

    ``recheck`` raises Unauthenticated once the token is no longer good; streams ask now and then.
    """

    request_id: str
    context: Callable[[], Any]
    recheck: Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer's JSON. ``refused``: nothing ran (it then has no ``data``)."""

    payload: Payload
    status: str
    refused: bool = False


class Engine:
    """The schema, ready to run."""

    def __init__(self, schema: strawberry.Schema, settings: Settings, metrics: Metrics) -> None:
        self._schema = schema._schema
        self._executor = schema.execution_context_class
        self._settings = settings
        self._metrics = metrics
        self._documents = Documents(self._schema, settings)

    def prepare(self, request: GraphQLRequest) -> Operation:
        """The operation that is asked for. Raises OperationRefused."""
        return self._documents.operation(request.query, request.operation_name, request.variables)

    def refused(self, error: OperationRefused, request_id: str) -> Answer:
        """The answer that says why nothing was run."""
        self._metrics.requests.labels("", "refused").inc()
        return Answer({"errors": format_errors(error.errors, request_id=request_id)}, "refused", refused=True)

    async def run(self, operation: Operation, request: GraphQLRequest, caller: Caller) -> Answer:
        """Run a query or mutation."""
        started = time.perf_counter()
        answer = await self._run(operation, request, caller)
        taken = time.perf_counter() - started
        self._metrics.requests.labels(operation.root_field, answer.status).inc()
        self._metrics.seconds.labels(operation.root_field).observe(taken)
        log.debug(
            "answered",
            extra={"request_id": caller.request_id, "operation": operation.root_field, "seconds": round(taken, 4)},
        )
        return answer

    async def stream(
        self, operation: Operation, request: GraphQLRequest, caller: Caller
    ) -> AsyncGenerator[Payload, None]:
        """The answers of a subscription, one per event; of a query or mutation the one.

        An error that ends it is the last answer, without ``data``: it says where to resume, if that is possible.
        """
        if operation.kind is not OperationType.SUBSCRIPTION:
            yield (await self.run(operation, request, caller)).payload
            return
        gauge = self._metrics.subscriptions.labels(operation.root_field)
        gauge.inc()
        status = "ok"
        try:
            source = await self._source(operation, request, caller)
            if isinstance(source, ExecutionResult):
                status = "error"
                yield {"errors": format_errors(source.errors or [], request_id=caller.request_id)}
                return
            async with contextlib.aclosing(guarded(source, caller.recheck, every(streams.RECHECK_SECONDS))) as items:
                async for payload in self._payloads(items, operation, request, caller):
                    yield payload
        except Exception as error:  # noqa: BLE001 (the edge of a stream: logged and masked)
            status = "error"
            yield {"errors": format_exception(error, request_id=caller.request_id)}
        finally:
            gauge.dec()
            self._metrics.requests.labels(operation.root_field, status).inc()

    async def _run(self, operation: Operation, request: GraphQLRequest, caller: Caller) -> Answer:
        try:
            async with asyncio.timeout(self._settings.request_timeout_seconds):
                result = await self._execute(operation, request, caller, None)
        except TimeoutError:
            message = f"The operation did not end within {self._settings.request_timeout_seconds:g} s."
            error = GraphQLError(message, extensions={"code": "TIMEOUT", "hint": "Ask for less at a time."})
            errors = format_errors([error], request_id=caller.request_id)
            return Answer({"data": None, "errors": errors}, "timeout")
        return self._answer(result, operation, caller.request_id)

    async def _execute(
        self, operation: Operation, request: GraphQLRequest, caller: Caller, root: Any
    ) -> ExecutionResult:
        result = execute(
            self._schema,
            operation.document,
            root_value=root,
            context_value=caller.context(),
            variable_values=request.variables,
            operation_name=operation.name,
            executor_class=self._executor,
            is_awaitable=cast(Any, optimized_is_awaitable),
        )
        return await result if inspect.isawaitable(result) else result

    def _answer(self, result: ExecutionResult, operation: Operation, request_id: str) -> Answer:
        cost = {"requested": operation.cost, "maximum": self._settings.max_cost}
        extensions = {"cost": cost, "requestId": request_id}
        if not result.errors:
            return Answer({"data": result.data, "extensions": extensions}, "ok")
        errors = format_errors(result.errors, request_id=request_id)
        if result.data is None and all(error.path is None for error in result.errors):
            return Answer({"errors": errors, "extensions": extensions}, "refused", refused=True)
        return Answer({"data": result.data, "errors": errors, "extensions": extensions}, "error")

    async def _source(
        self, operation: Operation, request: GraphQLRequest, caller: Caller
    ) -> AsyncGenerator[Any, None] | ExecutionResult:
        executor = self._executor.build(
            self._schema,
            operation.document,
            None,
            caller.context(),
            request.variables,
            operation.name,
        )
        if isinstance(executor, list):  # the variables do not fit
            return ExecutionResult(None, executor)
        async with asyncio.timeout(self._settings.request_timeout_seconds):
            source = create_source_event_stream(executor)
            opened = await source if inspect.isawaitable(source) else source
            return cast("AsyncGenerator[Any, None] | ExecutionResult", opened)

    async def _payloads(
        self, source: AsyncGenerator[Any, None], operation: Operation, request: GraphQLRequest, caller: Caller
    ) -> AsyncGenerator[Payload, None]:
        last: Payload | None = None
        async for item in source:
            async with asyncio.timeout(self._settings.request_timeout_seconds):
                result = await self._execute(operation, request, caller, item)
            payload: Payload = {"data": result.data}
            if result.errors:
                payload["errors"] = format_errors(result.errors, request_id=caller.request_id)
            if operation.root_field in STATE_STREAMS:
                if payload == last:  # nothing that was asked for differs
                    continue
                last = payload
            elif isinstance(at := getattr(item, "at", None), datetime) and operation.root_field == "events":
                self._metrics.event_lag.observe(max(0.0, (datetime.now(UTC) - at).total_seconds()))
            yield payload
