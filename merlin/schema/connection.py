"""Relay connections over pages of records, and the fields that hold them."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Annotated, Any, Generic, TypeVar

import strawberry

from merlin.db.listing import Sort, checked_window
from merlin.resolvers.lists import Listed
from merlin.schema.context import Context, Info
from merlin.schema.enums import Direction
from merlin.schema.filters import bounded
from merlin.schema.view import made_by, resolved_by, shown, typed

T = TypeVar("T")


@dataclass(slots=True)
class EdgeRecord:
    """What fills an edge."""

    node: Any
    cursor: str


@strawberry.type(description="Where a page lies in its list.")
class PageInfo:
    """See the fields."""

    has_next_page: bool = strawberry.field(description="Whether the list goes on after this page.")
    has_previous_page: bool = strawberry.field(description="Whether there is something before this page.")
    start_cursor: str | None = strawberry.field(description="The first one's cursor: give it as `before`.")
    end_cursor: str | None = strawberry.field(description="The last one's cursor: give it as `after`.")


@strawberry.type(description="One of a page, with its place in the list.")
class Edge(Generic[T]):
    """See the fields."""

    cursor: str = shown("Its place in the list in this order.")
    node: T = shown("The thing itself.")


def _edges(root: Listed) -> list[EdgeRecord]:
    return [EdgeRecord(*pair) for pair in zip(root.page.records, root.page.cursors, strict=True)]


def _page_info(root: Listed) -> PageInfo:
    cursors = root.page.cursors
    return PageInfo(
        has_next_page=root.page.has_next,
        has_previous_page=root.page.has_previous,
        start_cursor=cursors[0] if cursors else None,
        end_cursor=cursors[-1] if cursors else None,
    )


async def _total(root: Listed, _context: Context) -> int:
    return await root.count()


@strawberry.type(description="A page of a list.")
class Connection(Generic[T]):
    """See the fields."""

    edges: list[Edge[T]] = made_by(_edges, "The page with a cursor for each.")
    nodes: list[T] = made_by(lambda root: root.page.records, "The page.")
    page_info: PageInfo = made_by(_page_info, "Where it lies in the list.")
    total_count: int = resolved_by(_total, "How many the whole list has; counted only when it is asked for.")


def connection(
    read: Callable[..., Awaitable[Listed]],
    description: str,
    *,
    filter: type | None = None,
    order: type | None = None,
) -> Any:
    """A field with a page of a list: ``await read(record, context, filter, order, window)``.

    ``filter`` and ``order`` are its inputs; they turn themselves into the database's (`.as_filter()`, `.sort()`).
    """

    async def resolve(
        root: Any,
        info: Info,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
        filter: Any = None,
        order: Any = None,
    ) -> Any:
        window = checked_window(first=first, after=after, last=last, before=before)
        sorts = tuple(one.sort() for one in bounded(order, "order"))
        return await read(root, info.context, filter.as_filter() if filter else None, sorts, window)

    def argument(kind: Any, text: str) -> Any:
        return Annotated[kind, strawberry.argument(description=text)]

    given: dict[str, Any] = {
        "root": Any,
        "info": Info,
        "first": argument(int | None, "How many from the beginning, at most 100; 20 when nothing is said."),
        "after": argument(str | None, "Begin after this cursor."),
        "last": argument(int | None, "How many from the end, at most 100."),
        "before": argument(str | None, "End before this cursor."),
        "filter": argument(filter | None, "Only those; all given conditions hold.") if filter else None,
        "order": argument(list[order] | None, "Sorted by these, in turn.") if order else None,  # type: ignore[valid-type]
    }
    return strawberry.field(resolver=_without_absent(resolve, given), description=description)


def _without_absent(resolve: Any, given: dict[str, Any]) -> Any:
    """The resolver with only the arguments that have a type."""
    kept = {name: kind for name, kind in given.items() if kind is not None}
    signature = inspect.signature(resolve)
    resolve.__signature__ = signature.replace(
        parameters=[p.replace(annotation=kept[p.name]) for p in signature.parameters.values() if p.name in kept]
    )
    return typed(resolve, **kept)


def direction(sort: Sort, wanted: Direction) -> Sort:
    """The sort in that direction."""
    return replace(sort, descending=wanted is Direction.DESC)
