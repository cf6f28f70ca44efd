"""How errors leave the API: expected ones with their code and hint, everything else masked and logged.

    {"message": …, "path": […], "locations": […], "extensions": {"code": …, "hint": …, "path": […]}}

``extensions.path`` names the argument or input field that is wrong, as a user error's path does.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from graphql import GraphQLError

from merlin.errors import InputErrors, MerlinError
from merlin.schema.errors import WHAT_TO_DO

log = logging.getLogger(__name__)

INTERNAL = "INTERNAL"


def format_errors(errors: Sequence[GraphQLError], *, request_id: str) -> list[dict[str, Any]]:
    """All errors of an answer as JSON. Unexpected ones are logged with their traceback under the request id."""
    return [formatted for error in errors for formatted in _format(error, request_id)]


def format_exception(error: Exception, *, request_id: str) -> list[dict[str, Any]]:
    """An error that no field raised, such as one that ends a subscription."""
    return _format(GraphQLError(str(error), original_error=error), request_id)


def expected(error: BaseException | None) -> list[MerlinError]:
    """The expected errors in it, several of `InputErrors`; empty for anything else."""
    if isinstance(error, InputErrors):
        return [inner for one in error.errors for inner in expected(one)]
    return [error] if isinstance(error, MerlinError) else []


def _format(error: GraphQLError, request_id: str) -> list[dict[str, Any]]:
    original = _original(error)
    told = expected(original)
    if told:
        return [_shown(error, one.message, _extensions(one)) for one in told]
    if original is None or (error.path is None and error.nodes):
        # graphql-core's own: syntax, validation, variables that do not fit their types.
        return [_shown(error, error.message, {"code": "INVALID_INPUT", **(error.extensions or {})})]
    log.error(
        "a request failed unexpectedly",
        exc_info=(type(original), original, original.__traceback__),
        extra={"request_id": request_id, "path": error.path},
    )
    message = f"Something went wrong in Merlin. Its log says more under the request id {request_id}."
    return [_shown(error, message, {"code": INTERNAL, "requestId": request_id})]


def _original(error: GraphQLError) -> Exception | None:
    original: Exception | None = error.original_error
    while isinstance(original, GraphQLError):
        original = original.original_error
    return original


def _extensions(error: MerlinError) -> dict[str, Any]:
    extensions: dict[str, Any] = {"code": error.code}
    hint = error.hint or WHAT_TO_DO.get(error.code)
    if hint:
        extensions["hint"] = hint
    if error.path:
        extensions["path"] = [str(part) for part in error.path]
    return extensions


def _shown(error: GraphQLError, message: str, extensions: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {"message": message}
    if error.locations:
        shown["locations"] = [location.formatted for location in error.locations]
    if error.path is not None:
        shown["path"] = list(error.path)
    shown["extensions"] = extensions
    return shown
