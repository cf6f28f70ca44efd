"""Trying an endpoint: one V2 request to its own address, through the gateway, as anybody's call would go.

A reader may: calling is what endpoints are for, and it changes nothing of Merlin's (so there is no audit either). The
address is always the endpoint's own, never a caller's. Every call has a connection of its own: a kept one may lead to
old pods for long.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import aiohttp
import orjson

from merlin.db.records import ModelEndpointRecord, VersionEndpointRecord
from merlin.domain.lifecycle import Lifecycle, Role
from merlin.errors import InvalidInput, NotAllowed, NotFound, Rejected, Unavailable
from merlin.resolvers.context import Context
from merlin.resolvers.permissions import require

TRY_SECONDS = 20.0  # less than a mutation may take, so that it is this error which is told
CONNECT_SECONDS = 3.0
MOST_REQUEST_BYTES = 1_000_000
MOST_ANSWER_BYTES = 1_000_000
MOST_TEXT = 2_000
MOST_AT_ONCE = 16
_VERSION_ENDPOINT = ("versionEndpointId",)
_MODEL_ENDPOINT = ("modelEndpointId",)
_at_once = 0


@dataclass(frozen=True, slots=True)
class Trial:
    """What came back. ``answer`` is its JSON; ``text`` the beginning of what is none. Who answered, if it says so."""

    url: str
    status: int
    latency_ms: float
    answer: Any
    text: str | None
    model: str | None
    version: int | None
    revision: int | None


async def try_version_endpoint(context: Context, endpoint_id: UUID, request: Any) -> Trial:
    """Call a version endpoint. Raises as `try_model_endpoint`."""
    endpoint = await context.load.version_endpoint(endpoint_id)
    project_id = endpoint.project_id if endpoint else None
    await require(context, project_id, Role.READER, path=_VERSION_ENDPOINT, what="version endpoint")
    if endpoint is None:
        raise NotFound("There is no such version endpoint.", path=_VERSION_ENDPOINT)
    if endpoint.active_revision is None or endpoint.lifecycle is not Lifecycle.RUNNING:
        raise NotAllowed(
            "No revision of it answers calls now.",
            code="NOT_RUNNING",
            path=_VERSION_ENDPOINT,
            hint="Deploy it and wait until it runs.",
        )
    return await _call(context, endpoint, request)


async def try_model_endpoint(context: Context, endpoint_id: UUID, request: Any) -> Trial:
    """Call a model endpoint. Whatever HTTP status the model answers with is a result, no error.

    Raises NotFound; NotAllowed (NOT_RUNNING), InvalidInput (not a JSON object), LIMIT_EXCEEDED (size);
    Unavailable (ENDPOINT_UNREACHABLE: no connection, no answer in time; too many trials at once).
    """
    endpoint = await context.load.model_endpoint(endpoint_id)
    project_id = endpoint.project_id if endpoint else None
    await require(context, project_id, Role.READER, path=_MODEL_ENDPOINT, what="model endpoint")
    if endpoint is None:
        raise NotFound("There is no such model endpoint.", path=_MODEL_ENDPOINT)
    if endpoint.observed_rule is None:
        raise NotAllowed(
            "No version serves it now.", code="NOT_RUNNING", path=_MODEL_ENDPOINT, hint="Serve a running version."
        )
    return await _call(context, endpoint, request)


async def _call(context: Context, endpoint: VersionEndpointRecord | ModelEndpointRecord, request: Any) -> Trial:
    body = _body(request)
    model = await context.load.model(endpoint.model_id)
    if model is None:
        raise NotFound("The model is gone.")
    global _at_once
    if _at_once >= MOST_AT_ONCE:
        raise Unavailable("Too many endpoints are being tried at once.", hint="Try again in a moment.")
    _at_once += 1
    try:
        return await _asked(f"{endpoint.url}/v2/models/{model.name}/infer", body)
    finally:
        _at_once -= 1


def _body(request: Any) -> bytes:
    if not isinstance(request, Mapping):
        raise InvalidInput(
            "A V2 request is a JSON object.",
            path=("request",),
            hint='Begin with {"inputs": [ … ]}; see exampleRequest.',
        )
    try:
        body = orjson.dumps(request)
    except (orjson.JSONEncodeError, RecursionError) as error:
        raise InvalidInput(f"The request cannot be sent as JSON: {error}.", path=("request",)) from error
    if len(body) > MOST_REQUEST_BYTES:
        message = f"The request has {len(body)} bytes; at most {MOST_REQUEST_BYTES} can be tried."
        raise InvalidInput(message, code="LIMIT_EXCEEDED", path=("request",), hint="Call the endpoint directly.")
    return body


async def _asked(url: str, body: bytes) -> Trial:
    began = time.perf_counter()
    try:
        async with (
            asyncio.timeout(TRY_SECONDS),
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None, connect=CONNECT_SECONDS)) as http,
            http.post(url, data=body, headers={"content-type": "application/json"}, allow_redirects=False) as response,
        ):
            content = await _read(response)
            return _trial(url, response, content, (time.perf_counter() - began) * 1000)
    except TimeoutError as error:
        took = time.perf_counter() - began
        raise _unreachable(f"It did not answer within {took:.0f} s.") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise _unreachable(f"Its gateway cannot be reached: {type(error).__name__}.") from error


async def _read(response: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) > MOST_ANSWER_BYTES:
            raise Rejected(
                f"The answer is longer than {MOST_ANSWER_BYTES} bytes.",
                code="LIMIT_EXCEEDED",
                hint="Send fewer rows, or call the endpoint directly.",
            )
    return bytes(content)


def _trial(url: str, response: aiohttp.ClientResponse, content: bytes, latency_ms: float) -> Trial:
    try:
        answer, text = orjson.loads(content), None
    except orjson.JSONDecodeError:
        answer, text = None, content.decode("utf-8", "replace")[:MOST_TEXT]
    headers = response.headers
    return Trial(
        url=url,
        status=response.status,
        latency_ms=round(latency_ms, 3),
        answer=answer,
        text=text,
        model=headers.get("merlin-model"),
        version=_number(headers.get("merlin-version")),
        revision=_number(headers.get("merlin-revision")),
    )


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() and len(text) < 10 else None


def _unreachable(message: str) -> Unavailable:
    return Unavailable(message, code="ENDPOINT_UNREACHABLE", hint="See its `pods` and `logs`, then try again.")
