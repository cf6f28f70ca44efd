"""Views: GraphQL types that are filled by records. A type says the public name, what may be null, and who answers.

Plain fields are read off the record; `resolved_by` names a function of `merlin.resolvers` that takes the record and
the context. A list has hundreds of plain fields: those are made without Strawberry's `Info` and arguments, and what is
known at once is not awaited. Inside a view's method ``self`` would be the record, so views have no methods.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from operator import attrgetter
from typing import Any, TypeVar

import strawberry
from strawberry.types.field import StrawberryField

from merlin.schema.context import Info
from merlin.schema.ids import global_id

View = TypeVar("View", bound=type)

ROW_OF: dict[type, type] = {}
"""The record type behind each view; tests walk it."""


def view(of: type) -> Callable[[View], View]:
    """A class of annotations as the GraphQL type of those records, described by its docstring."""

    def decorate(cls: View) -> View:
        cls.is_type_of = staticmethod(lambda value, _info: isinstance(value, of))  # type: ignore[attr-defined]
        shown = strawberry.type(cls, description=inspect.cleandoc(cls.__doc__ or ""))
        ROW_OF[shown] = of
        return shown

    return decorate


def shown(description: str) -> Any:
    """A plain field: read off the record under the same name."""
    return strawberry.field(description=description)


class MadeField(StrawberryField):
    """A field that ``metadata["make"]`` makes of the record, as quick as one that is read off it."""

    def get_result(self, source: Any, info: Any, args: list[Any], kwargs: Any) -> Any:
        """See `StrawberryField`: called with nothing but the source, as this is a basic field."""
        return self.metadata["make"](source)


def made_by(function: Callable[[Any], Any], description: str) -> Any:
    """A field computed from the record alone."""
    return MadeField(metadata={"make": function}, description=description)


def read_as(attribute: str, description: str) -> Any:
    """A plain field whose record calls it otherwise."""
    return made_by(attrgetter(attribute), description)


def node_id(type_name: str) -> Any:
    """The field ``id`` of a node."""
    return made_by(lambda record: global_id(type_name, record.id), "Its id; the same for ever. Give it to `node(id)`.")


def resolved_by(function: Callable[..., Any], description: str) -> Any:
    """A field that a resolver answers: ``function(record, context)``, or what awaiting that gives."""

    # Not a coroutine: what a resolver knows at once costs no task.
    def resolve(root: Any, info: Info) -> Any:
        return function(root, info.context)

    return strawberry.field(resolver=typed(resolve, root=Any, info=Info), description=description)


def typed(resolver: Any, **annotations: Any) -> Any:
    """The resolver with these types for its arguments."""
    # What the class declares outranks what a resolver returns, so none is stated here.
    resolver.__annotations__ = annotations
    return resolver


@strawberry.interface(description="Anything with an id that `node(id)` finds.")
class Node:
    """See the field."""

    id: strawberry.ID = strawberry.field(description="Its id; the same for ever. Give it to `node(id)`.")
