"""What every object of the client is made of, and how its asynchronous half becomes the synchronous one.

Facts (what the server told) are properties. Acts are written once, as coroutines of the ``Async…`` class; the
synchronous class names them, `waits_for` keeps their signature and docstring and runs them on the private loop.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from datetime import datetime
from html import escape
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar

from merlin_client import portal
from merlin_client.connection import Connection

Given = ParamSpec("Given")
Returned = TypeVar("Returned")
Half = TypeVar("Half", bound="AsyncThing")

_SYNC_HALVES: dict[type[Any], type[Any]] = {}


class Facts:
    """What the server told about one thing, as of the last time it was read."""

    @property
    def facts(self) -> dict[str, Any]:
        """The GraphQL fields as they came."""
        raise NotImplementedError

    @property
    def id(self) -> str:
        """The opaque id."""
        return str(self.facts["id"])

    @property
    def created_at(self) -> datetime:
        """When it was made."""
        return datetime.fromisoformat(self.facts["createdAt"])

    @property
    def updated_at(self) -> datetime:
        """When it was last changed."""
        return datetime.fromisoformat(self.facts["updatedAt"])

    @property
    def created_by(self) -> str:
        """Who made it."""
        return str(self.facts["createdBy"])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Facts) and self.id == other.id

    def __hash__(self) -> int:
        return hash(self.id)


class AsyncThing(Facts):
    """The asynchronous half."""

    def __init__(self, connection: Connection, facts: Mapping[str, Any]) -> None:
        self._connection = connection
        self._facts = dict(facts)

    @property
    def facts(self) -> dict[str, Any]:
        return self._facts


class Thing(Facts, Generic[Half]):
    """The synchronous half; it stands before an asynchronous one."""

    def __init__(self, half: Half) -> None:
        self._async = half

    def __init_subclass__(cls, half: type[Any] | None = None, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        if half is not None:
            _SYNC_HALVES[half] = cls

    @property
    def facts(self) -> dict[str, Any]:
        return self._async.facts

    def refresh(self) -> Self:
        """Read it again; returns itself."""
        portal.run(self._async.refresh())  # type: ignore[attr-defined]
        return self


def to_sync(value: Any) -> Any:
    """The synchronous half of an object, or of each in a list; anything else as it is."""
    if type(value) is list:  # and not History, which is one and shows itself
        return [to_sync(item) for item in value]
    half = _SYNC_HALVES.get(type(value))
    return half(value) if half else value


def to_async(value: Any) -> Any:
    """The asynchronous half of an object; anything else as it is."""
    return value._async if isinstance(value, Thing) else value


def waits_for(
    act: Callable[Concatenate[Any, Given], Coroutine[Any, Any, Any]], returns: type[Returned]
) -> Callable[Concatenate[Any, Given], Returned]:
    """The same act, waited for; ``returns`` is the synchronous type."""

    @functools.wraps(act)
    def wait(self: Any, /, *given: Any, **named: Any) -> Any:
        arguments = [to_async(value) for value in given]
        return to_sync(portal.run(act(self._async, *arguments, **{key: to_async(v) for key, v in named.items()})))

    return wait


def waits_for_maybe(
    act: Callable[Concatenate[Any, Given], Coroutine[Any, Any, Any]], returns: type[Returned]
) -> Callable[Concatenate[Any, Given], Returned | None]:
    """The same, for an act that may return None."""
    return waits_for(act, returns)


def iterates(
    act: Callable[Concatenate[Any, Given], AsyncIterator[Any]], of: type[Returned]
) -> Callable[Concatenate[Any, Given], Iterator[Returned]]:
    """The same items, one after the other, read when they are used."""

    @functools.wraps(act)
    def iterate(self: Any, /, *given: Any, **named: Any) -> Any:
        arguments = [to_async(value) for value in given]
        for item in portal.iterate(act(self._async, *arguments, **{key: to_async(v) for key, v in named.items()})):
            yield to_sync(item)

    return iterate


def link(url: str | None, text: str) -> str:
    """An HTML link, or the text alone where there is no http address."""
    if not url or not url.startswith(("http://", "https://")):
        return escape(text)
    return f'<a href="{escape(url, quote=True)}" target="_blank" rel="noopener">{escape(text)}</a>'


def card(title: str, rows: Mapping[str, str]) -> str:
    """A small HTML table. Title and values are HTML already, names are not."""
    lines = "".join(
        f"<tr><th align=left>{escape(name)}</th><td align=left>{html}</td></tr>" for name, html in rows.items()
    )
    return f"<div><b>{title}</b><table>{lines}</table></div>"
