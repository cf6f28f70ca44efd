"""Answers that are no execution's result: refusals at a door, as JSON in GraphQL's shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from starlette.responses import Response

NO_STORE = {"cache-control": "no-store"}


class JSONAnswer(Response):
    """A value as JSON, in UTF-8."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Bytes of the value."""
        return orjson.dumps(content)


def refusal(
    status: int, code: str, message: str, *, hint: str = "", headers: Mapping[str, str] | None = None
) -> Response:
    """``{"errors": [{message, extensions: {code, hint}}]}`` with this status."""
    extensions = {"code": code, "hint": hint} if hint else {"code": code}
    content = {"errors": [{"message": message, "extensions": extensions}]}
    return JSONAnswer(content, status_code=status, headers={**NO_STORE, **(headers or {})})


def unauthenticated(*, given: bool) -> Response:
    """401: no token was given, or one that is not known."""
    needed = "A token is needed: send it as `Authorization: Bearer TOKEN`."
    unknown = "This token is not known here, or its time is over."
    return refusal(
        401,
        "UNAUTHENTICATED",
        unknown if given else needed,
        hint="A local platform's token stands in addresses.json of its own data folder; `merlin up` prints it.",
        headers={"www-authenticate": 'Bearer realm="merlin"'},
    )
