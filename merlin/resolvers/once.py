"""Acts that a caller may repeat with the same idempotency key: it gets the first one's answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from merlin.db.actor import Actor
from merlin.db.idempotency import Answer, once, request_hash
from merlin.resolvers.context import Context

Result = TypeVar("Result")


async def once_only(
    context: Context,
    operation: str,
    arguments: Mapping[str, Any],
    key: str | None,
    *,
    act: Callable[[Actor], Awaitable[Result]],
    recall: Callable[[Answer], Awaitable[Result]],
) -> Result:
    """Do ``act``, or recall what it did before. ``arguments``: all that was asked, as the key's request.

    Raises Conflict (IDEMPOTENCY_KEY_REUSED) when the key was used for another request.
    """
    return await once(context.actor, key, request_hash=request_hash(operation, arguments), act=act, recall=recall)
