"""`@mutation`: a method of a mutations class becomes a field; what it refuses becomes its payload's ``errors``."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable
from typing import Annotated, Any

import strawberry

from merlin.schema.expected_errors import ExpectedErrors
from merlin.schema.parts import KeyValueInput

KEY = "Repeat the request with the same key and it is done once; kept for a day."
"""What ``idempotencyKey`` is for."""


def mutation(method: Callable[..., Awaitable[Any]]) -> Any:
    """The method as a field described by its docstring. It takes ``info`` and ``input`` and returns a `Payload`."""
    if method.__doc__ is None:
        raise AssertionError(f"{method.__qualname__} has no docstring")
    given = method.__annotations__["input"]
    described = strawberry.argument(description="What to do it with.")
    scope = method.__globals__
    method.__annotations__["input"] = Annotated[eval(given, scope) if isinstance(given, str) else given, described]
    return strawberry.mutation(
        resolver=method, description=inspect.cleandoc(method.__doc__), extensions=[ExpectedErrors()]
    )


def as_shown(value: Any) -> Any:
    """A record where the schema's view of it is declared: views are filled by records (see `merlin.schema.view`)."""
    return value


def pairs_of(given: Iterable[KeyValueInput] | None) -> tuple[tuple[str, str], ...]:
    """Keys with their texts, in their order."""
    return tuple((pair.key, pair.value) for pair in given or ())
