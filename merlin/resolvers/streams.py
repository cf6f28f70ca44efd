"""What subscriptions send: state with each change, and the event log from any cursor on.

Every stream asks again whether the caller may still see it, as soon as its memberships change and every half minute,
and ends with the error if not. A stream belongs to its reader: closing it (``aclose``) frees all that it holds.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Sequence
from typing import Any, TypeVar
from uuid import UUID

from merlin.db.events import StoredEvent
from merlin.db.feed import EventFeed
from merlin.db.projects import member_key
from merlin.db.records import ModelEndpointRecord, VersionEndpointRecord
from merlin.domain.lifecycle import Role, Severity
from merlin.errors import NotFound, Unavailable
from merlin.resolvers.context import Context
from merlin.resolvers.events import event_filter
from merlin.resolvers.logs import LogLine, LogQuestion, follow_logs
from merlin.resolvers.permissions import require

Item = TypeVar("Item")
Seen = TypeVar("Seen", VersionEndpointRecord, ModelEndpointRecord)
RECHECK_SECONDS = 30.0
PATIENCE_SECONDS = 60.0
PAUSE_SECONDS = 0.25


class Resubscribe(Unavailable):
    """Raised by a stream's check to end it: what the reader may see changed, and a new subscription goes on."""


async def every(seconds: float) -> AsyncGenerator[None, None]:
    """An item each time so many seconds have passed."""
    while True:
        await asyncio.sleep(seconds)
        yield


async def interleaved(
    items: AsyncGenerator[Item, None], ticks: AsyncGenerator[None, None]
) -> AsyncGenerator[Item | None, None]:
    """The items, and ``None`` at each tick, however often items come. Ends with the items; closes both."""
    item: asyncio.Future[Item] | None = None
    tick = asyncio.ensure_future(anext(ticks))
    try:
        while True:
            if item is None:
                item = asyncio.ensure_future(anext(items))
            either: set[asyncio.Future[Any]] = {item, tick}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if tick.done():
                tick.result()
                tick = asyncio.ensure_future(anext(ticks))
                yield None
            if item.done():
                done, item = item, None
                try:
                    found = done.result()
                except StopAsyncIteration:
                    return
                yield found
    finally:
        pending: list[asyncio.Future[Any]] = [future for future in (item, tick) if future is not None]
        for future in pending:
            future.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        await items.aclose()
        await ticks.aclose()


async def guarded(
    items: AsyncGenerator[Item, None], check: Callable[[], Awaitable[object]], ticks: AsyncGenerator[None, None]
) -> AsyncGenerator[Item, None]:
    """The items for as long as ``check``, asked now and at each tick, raises nothing.

    A check that is Unavailable is asked again later: a database that is restarted ends no stream.
    """
    async with contextlib.aclosing(interleaved(items, ticks)) as found:
        await check()
        async for item in found:
            if item is None:
                await _checked(check)
            else:
                yield item


async def _checked(check: Callable[[], Awaitable[object]]) -> None:
    try:
        await check()
    except Resubscribe:
        raise
    except Unavailable:
        return


async def follow_version_endpoint(context: Context, endpoint_id: UUID) -> AsyncGenerator[VersionEndpointRecord, None]:
    """The endpoint now, and after each change; it ends when the endpoint is deleted. Raises NotFound."""
    return await _follow(context, endpoint_id, context.load.version_endpoint, "version endpoint")


async def follow_model_endpoint(context: Context, endpoint_id: UUID) -> AsyncGenerator[ModelEndpointRecord, None]:
    """The endpoint now, and after each change; it ends when the endpoint is deleted. Raises NotFound."""
    return await _follow(context, endpoint_id, context.load.model_endpoint, "model endpoint")


async def follow_events(
    context: Context,
    *,
    project: str | None,
    subjects: Collection[UUID] | None,
    types: Sequence[str] | None,
    severity: Severity | None,
    after: str | None,
) -> AsyncGenerator[StoredEvent, None]:
    """Events after a cursor (``None`` = from now), then new ones for ever: no gap, no duplicate.

    Raises NotFound (project), CursorExpired, InvalidInput; Unavailable for a reader that is too slow, or whose
    projects changed: it resumes after its last cursor.
    """
    wanted = await event_filter(context, project=project, subjects=subjects, types=types, severity=severity)
    visible = await context.visible()

    async def check() -> None:
        context.forget_roles()
        if await context.visible() != visible:
            raise Resubscribe("Your projects have changed.", hint="Subscribe again after your last cursor.")

    return guarded(_feed(context).follow(after=after, filter=wanted), check, _rechecks(context))


async def follow_log_lines(context: Context, asked: LogQuestion, *, follow: bool) -> AsyncGenerator[LogLine, None]:
    """Lines of an endpoint's pods (see `merlin.resolvers.logs`), for as long as the caller may read the project."""
    asked.check()

    async def check() -> None:
        context.forget_roles()
        await _check_version_endpoint(context, asked.endpoint_id)

    return guarded(follow_logs(context, asked, follow=follow), check, _rechecks(context))


async def _follow(
    context: Context, key: UUID, load: Callable[[UUID], Awaitable[Seen | None]], what: str
) -> AsyncGenerator[Seen, None]:
    first = await load(key)
    await require(context, first.project_id if first else None, Role.READER, path=("id",), what=what)
    if first is None:
        raise NotFound(f"There is no such {what}.", path=("id",))
    project_id = first.project_id

    async def check() -> None:
        context.forget_roles()
        await require(context, project_id, Role.READER, path=("id",), what=what)

    return guarded(_states(_feed(context), key, load), check, _rechecks(context))


async def _states(
    feed: EventFeed, key: UUID, load: Callable[[UUID], Awaitable[Seen | None]]
) -> AsyncGenerator[Seen, None]:
    async with contextlib.aclosing(feed.changes([key])) as changes:
        async for _ in changes:
            found = await _patiently(load, key)
            if found is None:
                return
            yield found


async def _patiently(load: Callable[[UUID], Awaitable[Seen | None]], key: UUID) -> Seen | None:
    """What is loaded, even while the database is restarted. Raises Unavailable after a minute of that."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return await load(key)
        except Unavailable:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(PAUSE_SECONDS)


async def _check_version_endpoint(context: Context, endpoint_id: UUID) -> None:
    endpoint = await context.load.version_endpoint(endpoint_id)
    project_id = endpoint.project_id if endpoint else None
    await require(context, project_id, Role.READER, path=("versionEndpointId",), what="version endpoint")


def _rechecks(context: Context) -> AsyncGenerator[None, None]:
    """When to ask again whether the caller may see it: as soon as its memberships change, and now and then."""
    return _feed(context).changes([member_key(context.actor.subject)], at_least_every=RECHECK_SECONDS)


def _feed(context: Context) -> EventFeed:
    if context.feed is None:
        raise Unavailable("This process follows no events.")
    return context.feed
