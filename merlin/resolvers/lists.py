"""A page of a list together with the way to count all of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from merlin.db.listing import Condition, Listing, ListRequest, Page, Sort, Window, count_all, read_page
from merlin.resolvers.context import Context


@dataclass(slots=True)
class Listed:
    """A page, and how to count the whole list; nothing is counted before it is asked for."""

    page: Page[Any]
    count: Callable[[], Awaitable[int]]


async def list_all(
    listing: Listing[Any], conditions: tuple[Condition, ...], order: tuple[Sort, ...], window: Window
) -> Listed:
    """A page of all that meet the conditions. Raises InvalidInput for a cursor of another list."""
    page = await read_page(listing, ListRequest(conditions, order, window))
    return Listed(page, lambda: count_all(listing, conditions))


async def list_of(
    context: Context,
    listing: Listing[Any],
    parent: tuple[str, UUID],
    conditions: tuple[Condition, ...],
    order: tuple[Sort, ...],
    window: Window,
) -> Listed:
    """A page of what one parent (its column, its id) has; asked for many parents at once it is one statement."""
    page = await context.load.page(listing, *parent, ListRequest(conditions, order, window))
    return Listed(page, lambda: context.load.count(listing, *parent, conditions))
