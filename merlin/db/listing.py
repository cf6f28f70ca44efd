"""Lists read page by page: one statement for the pages of all parents at once, keyset cursors, no offset.

A cursor holds the order's name and the values of its last row, so a page goes on from where it was even when rows were
added or removed meanwhile. NULLs come last in both directions; ties are broken by the key. Nothing here knows a table.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, TypeVar, cast
from uuid import UUID

import orjson

from merlin.db.connection import read
from merlin.errors import InvalidInput

MOST_PER_PAGE = 100
DEFAULT_PER_PAGE = 20

Record = TypeVar("Record")


class Kind(StrEnum):
    """The SQL type of what is sorted by."""

    TEXT = "text"
    WHOLE = "bigint"
    NUMBER = "float8"
    TIME = "timestamptz"
    ID = "uuid"


@dataclass(frozen=True, slots=True)
class Condition:
    """A part of WHERE. Each ``?`` stands for one argument (arrays as tuples)."""

    sql: str
    arguments: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Sort:
    """One column of an order; ``name`` tells it apart in cursors.

    What is not ``nullable`` is never NULL: indexes, which know no NULLS LAST, give its order.
    """

    name: str
    sql: str
    kind: Kind
    descending: bool = False
    arguments: tuple[Any, ...] = ()
    nullable: bool = False

    @property
    def label(self) -> str:
        """Its name and direction."""
        return f"{self.name}-" if self.descending else self.name


@dataclass(frozen=True, slots=True)
class Window:
    """Which part of a list: the first ones after a cursor, or the last ones before one. Check with `checked_window`."""

    first: int | None = None
    after: str | None = None
    last: int | None = None
    before: str | None = None

    @property
    def backwards(self) -> bool:
        """Whether it counts from the end."""
        return self.last is not None

    @property
    def size(self) -> int:
        """How many rows at most."""
        wanted = self.last if self.last is not None else self.first
        return DEFAULT_PER_PAGE if wanted is None else wanted


@dataclass(frozen=True, slots=True)
class ListRequest:
    """What is asked of a list; hashable, so that equal questions about many parents become one statement."""

    conditions: tuple[Condition, ...] = ()
    order: tuple[Sort, ...] = ()
    window: Window = Window()


@dataclass(frozen=True, slots=True)
class Listing(Generic[Record]):
    """How a noun is read: ``columns`` of ``source`` (FROM …), its ``key``, and how a row becomes a record."""

    columns: str
    source: str
    key: str
    make: Callable[[Mapping[str, Any]], Record]
    key_kind: Kind = Kind.ID


@dataclass(slots=True)
class Page(Generic[Record]):
    """One page, in the order that was asked for."""

    records: list[Record]
    has_next: bool = False
    has_previous: bool = False
    written: Callable[[], list[str]] = list

    @property
    def cursors(self) -> list[str]:
        """One per record; written only when it is asked for, as few are."""
        return self.written()


def checked_window(*, first: int | None, after: str | None, last: int | None, before: str | None) -> Window:
    """The window, or InvalidInput with the argument's path: counts from 0 to 100, not both ``first`` and ``last``."""
    if first is not None and last is not None:
        raise InvalidInput("Give either `first` or `last`, not both.", path=("last",))
    for name, count in (("first", first), ("last", last)):
        if count is not None and not 0 <= count <= MOST_PER_PAGE:
            raise InvalidInput(
                f"`{name}` must be from 0 to {MOST_PER_PAGE}; it is {count}.",
                path=(name,),
                hint="Read the next page with `after: pageInfo.endCursor`.",
            )
    return Window(first, after, last, before)


async def read_page(listing: Listing[Record], request: ListRequest) -> Page[Record]:
    """One page of all there are. Raises InvalidInput for a cursor that does not belong to this order."""
    statement = _Statement(listing, request)
    return _page(listing, request, await _fetch(statement.whole(), statement.arguments))


async def read_pages(
    listing: Listing[Record], parent: str, parents: Sequence[UUID], request: ListRequest
) -> dict[UUID, Page[Record]]:
    """The page of each parent, in one statement; ``parent`` is the column that holds the parent's id."""
    statement = _Statement(listing, request)
    rows = await _fetch(statement.of_parents(parent, parents), statement.arguments)
    grouped: dict[UUID, list[Mapping[str, Any]]] = {key: [] for key in parents}
    for row in rows:
        grouped[row["_parent"]].append(row)
    return {key: _page(listing, request, found) for key, found in grouped.items()}


async def count_all(listing: Listing[Any], conditions: tuple[Condition, ...]) -> int:
    """How many there are, over all pages."""
    statement = _Statement(listing, ListRequest(conditions))
    rows = await _fetch(f"SELECT count(*) AS n {statement.rest()}", statement.arguments)
    return int(rows[0]["n"])


async def count_of_parents(
    listing: Listing[Any], parent: str, parents: Sequence[UUID], conditions: tuple[Condition, ...]
) -> dict[UUID, int]:
    """How many each parent has, over all pages, in one statement."""
    statement = _Statement(listing, ListRequest(conditions))
    of_parents = Condition(f"{parent} = ANY(?::uuid[])", (tuple(parents),))
    sql = f"SELECT {parent} AS _parent, count(*) AS n {statement.rest(of_parents)} GROUP BY {parent}"
    counted = {row["_parent"]: row["n"] for row in await _fetch(sql, statement.arguments)}
    return {key: counted.get(key, 0) for key in parents}


async def read_where(listing: Listing[Record], *conditions: Condition) -> list[Record]:
    """All records that meet the conditions, by their key. For few."""
    statement = _Statement(listing, ListRequest(conditions))
    sql = f"SELECT {listing.columns} {statement.rest()} ORDER BY {listing.key}"
    return [listing.make(row) for row in await _fetch(sql, statement.arguments)]


async def read_by_key(listing: Listing[Record], keys: Sequence[Any], key: str | None = None) -> dict[Any, Record]:
    """Records by their key (or another unique column of theirs), in one statement; those that are not there are not."""
    column = key or listing.key
    kind = listing.key_kind if key is None else Kind.TEXT
    sql = f"SELECT {column} AS _key, {listing.columns} {listing.source} WHERE {column} = ANY($1::{kind.value}[])"
    return {row["_key"]: listing.make(row) for row in await _fetch(sql, [list(keys)])}


class _Statement:
    """SQL and its arguments, built together."""

    def __init__(self, listing: Listing[Any], request: ListRequest) -> None:
        self._listing = listing
        self._request = request
        self.arguments: list[Any] = []
        self._sorts = [*request.order, Sort("id", listing.key, listing.key_kind)]

    def whole(self) -> str:
        # The inner order finds the page, from its end if need be; the outer one is the list's own.
        sql = "SELECT page.* FROM ({}) AS page ORDER BY {}"
        return sql.format(self._select(None), self._order_by("page."))

    def of_parents(self, parent: str, parents: Sequence[UUID]) -> str:
        self.arguments.append(list(parents))
        inner = self._select(Condition(f"{parent} = parent.id"))
        parents_once = "unnest($1::uuid[]) WITH ORDINALITY AS parent (id, place)"
        order = f"parent.place, {self._order_by('page.')}"
        sql = "SELECT parent.id AS _parent, page.* FROM {} CROSS JOIN LATERAL ({}) AS page ORDER BY {}"
        return sql.format(parents_once, inner, order)

    def rest(self, *more: Condition) -> str:
        return self._from([self._filled(condition) for condition in (*self._request.conditions, *more)])

    def _from(self, conditions: Sequence[str]) -> str:
        where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
        return f"{self._listing.source} {where}"

    def _select(self, of_parent: Condition | None) -> str:
        sorted_by = [self._filled(Condition(sort.sql, sort.arguments)) for sort in self._sorts]
        keys = ", ".join(f"{sql} AS _o{index}" for index, sql in enumerate(sorted_by))
        window = self._request.window
        wanted = [*self._request.conditions, *([] if of_parent is None else [of_parent])]
        conditions = [self._filled(condition) for condition in wanted]
        for name, cursor, forwards in (("after", window.after, True), ("before", window.before, False)):
            if cursor is not None:
                position = parse_position(cursor, self._sorts, path=name)
                conditions.append(self._beyond(sorted_by, position, forwards))
        order = self._directions([f"_o{index}" for index in range(len(self._sorts))], window.backwards)
        # The extra row tells whether there is another page.
        rest = self._from(conditions)
        return f"SELECT {self._listing.columns}, {keys} {rest} ORDER BY {order} LIMIT {window.size + 1}"

    def _order_by(self, prefix: str) -> str:
        return self._directions([f"{prefix}_o{index}" for index in range(len(self._sorts))], False)

    def _directions(self, columns: Sequence[str], backwards: bool) -> str:
        nulls = f" NULLS {'FIRST' if backwards else 'LAST'}"
        return ", ".join(
            f"{column} {'DESC' if sort.descending is not backwards else 'ASC'}{nulls if sort.nullable else ''}"
            for column, sort in zip(columns, self._sorts, strict=True)
        )

    def _beyond(self, columns: Sequence[str], values: Sequence[Any], forwards: bool) -> str:
        """Rows that come after (or before) the values in this order."""
        places = [self._place(value, sort.kind) for value, sort in zip(values, self._sorts, strict=True)]
        operators = ["<" if sort.descending is forwards else ">" for sort in self._sorts]
        alternatives = []
        equal: list[str] = []
        for column, sort, value, place, operator in zip(columns, self._sorts, values, places, operators, strict=True):
            if value is None:
                step = "false" if forwards else f"{column} IS NOT NULL"
            else:
                step = f"{column} {operator} {place}"
                step += f" OR {column} IS NULL" if sort.nullable and forwards else ""
            alternatives.append(" AND ".join([*equal, f"({step})"]))
            equal.append(f"{column} IS NULL" if value is None else f"{column} = {place}")
        beyond = "(" + " OR ".join(f"({alternative})" for alternative in alternatives) + ")"
        if self._sorts[0].nullable:
            return beyond
        # This says nothing new, but tells an index where to begin.
        return f"{columns[0]} {operators[0]}= {places[0]} AND {beyond}"

    def _place(self, value: Any, kind: Kind) -> str:
        if value is None:
            return f"NULL::{kind.value}"
        self.arguments.append(value)
        return f"${len(self.arguments)}::{kind.value}"

    def _filled(self, condition: Condition) -> str:
        sql = condition.sql
        for argument in condition.arguments:
            self.arguments.append(list(argument) if isinstance(argument, tuple) else argument)
            sql = sql.replace("?", f"${len(self.arguments)}", 1)
        return sql


def _page(listing: Listing[Record], request: ListRequest, rows: Sequence[Mapping[str, Any]]) -> Page[Record]:
    window = request.window
    more = len(rows) > window.size
    kept = (rows[1:] if window.backwards else rows[:-1]) if more else rows
    sorts = [*request.order, Sort("id", listing.key, listing.key_kind)]

    def written() -> list[str]:
        return [_position(sorts, [row[f"_o{index}"] for index in range(len(sorts))]) for row in kept]

    return Page(
        records=[listing.make(row) for row in kept],
        has_next=(window.before is not None) if window.backwards else more,
        has_previous=more if window.backwards else window.after is not None,
        written=written,
    )


def _position(sorts: Sequence[Sort], values: Sequence[Any]) -> str:
    label = ",".join(sort.label for sort in sorts)
    content = orjson.dumps([label, *(_written(value) for value in values)])
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def parse_position(cursor: str, sorts: Sequence[Sort], *, path: str) -> list[Any]:
    """The values in a cursor of exactly this order. Raises InvalidInput."""
    label = ",".join(sort.label for sort in sorts)
    try:
        content = orjson.loads(base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4)))
        if not isinstance(content, list) or len(content) != len(sorts) + 1:
            raise ValueError(cursor)
        values = [_read(value, sort) for value, sort in zip(content[1:], sorts, strict=True)]
    except (ValueError, TypeError, binascii.Error) as error:
        raise InvalidInput(
            "That is not a cursor of this list; pass one as you got it.", path=(path,), hint="Leave it out to begin."
        ) from error
    if content[0] != label:
        raise InvalidInput(
            "That cursor belongs to another order of this list.", path=(path,), hint="Begin again without it."
        )
    return values


def _written(value: Any) -> Any:
    if isinstance(value, float):
        return repr(value)  # JSON knows no infinities
    return value.isoformat() if isinstance(value, datetime) else str(value) if isinstance(value, UUID) else value


def _read(value: Any, sort: Sort) -> Any:
    kind = sort.kind
    if value is None and sort.nullable:
        return None
    if kind is Kind.WHOLE:
        if not isinstance(value, int) or isinstance(value, bool) or abs(value) >= 2**63:
            raise ValueError(value)
        return value
    if not isinstance(value, str) or "\0" in value:
        raise ValueError(value)
    if kind is Kind.TIME:
        at = datetime.fromisoformat(value)
        if at.tzinfo is None:
            raise ValueError(value)
        return at
    if kind is Kind.NUMBER:
        number = float(value)
        if math.isnan(number):
            raise ValueError(value)
        return number
    return UUID(value) if kind is Kind.ID else value


async def _fetch(sql: str, arguments: Iterable[Any]) -> list[Mapping[str, Any]]:
    return cast("list[Mapping[str, Any]]", await read(sql, *arguments))
