"""A request's body as one GraphQL operation to run; anything else is refused with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from merlin.api.answers import refusal


@dataclass(frozen=True, slots=True)
class GraphQLRequest:
    """What a caller asks to be run."""

    query: str
    variables: dict[str, Any] | None = None
    operation_name: str | None = None


class Refused(Exception):
    """The request cannot be read; ``response`` says why."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status_code)
        self.response = response


async def read_request(request: Request, *, most_bytes: int) -> GraphQLRequest:
    """The operation in the body. Raises Refused: 415, 413, 400."""
    return parse_request(await read_json(request, most_bytes=most_bytes))


async def read_json(request: Request, *, most_bytes: int) -> bytes:
    """The body, which says that it is JSON. Raises Refused: 415, 413."""
    media_type, _, parameters = request.headers.get("content-type", "").partition(";")
    if media_type.strip().lower() != "application/json":
        what = f"not {media_type.strip()[:80]!r}" if media_type.strip() else "and its content-type header is missing"
        raise _refused(415, "UNSUPPORTED_MEDIA_TYPE", f"The body must be application/json, {what}.")
    charset = parameters.lower().replace(" ", "").partition("charset=")[2].strip('"')
    if charset not in ("", "utf-8", "utf8"):
        raise _refused(415, "UNSUPPORTED_MEDIA_TYPE", f"The body must be UTF-8, not {charset[:40]!r}.")
    return await _read(request, most_bytes)


def parse_request(content: bytes) -> GraphQLRequest:
    """The operation in these bytes. Raises Refused (400)."""
    try:
        stated = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise _refused(400, "BAD_REQUEST", f"The body is not JSON: {error}.") from error
    if isinstance(stated, list):
        raise _refused(400, "BATCHING_NOT_SUPPORTED", "Send one operation a request; batches are not supported.")
    if not isinstance(stated, dict):
        raise _refused(400, "BAD_REQUEST", 'The body must be an object with a "query".')
    return operation_of(stated)


def operation_of(stated: dict[str, Any]) -> GraphQLRequest:
    """The operation that an object states. Raises Refused (400)."""
    query = stated.get("query")
    if not isinstance(query, str) or not query.strip():
        raise _refused(400, "BAD_REQUEST", '"query" must be a GraphQL document.')
    for name, kind, what in (
        ("variables", dict, "an object"),
        ("operationName", str, "a text"),
        ("extensions", dict, "an object"),
    ):
        if not isinstance(stated.get(name), kind | None):
            raise _refused(400, "BAD_REQUEST", f'"{name}" must be {what} or null.')
    return GraphQLRequest(query, stated.get("variables"), stated.get("operationName") or None)


async def _read(request: Request, most_bytes: int) -> bytes:
    stated = request.headers.get("content-length", "")
    if stated.isdigit() and int(stated) > most_bytes:
        raise _too_large(most_bytes)
    chunks: list[bytes] = []
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > most_bytes:
                raise _too_large(most_bytes)
            chunks.append(chunk)
    except ClientDisconnect as error:
        raise _refused(400, "BAD_REQUEST", "The body ended early.") from error
    return b"".join(chunks)


def _too_large(most_bytes: int) -> Refused:
    return _refused(
        413,
        "BODY_TOO_LARGE",
        f"The body is larger than {most_bytes} bytes.",
        hint="Artifacts go to MLflow, not through this API.",
        # What was not read must not be taken for the next request.
        headers={"connection": "close"},
    )


def _refused(status: int, code: str, message: str, **more: Any) -> Refused:
    return Refused(refusal(status, code, message, **more))
