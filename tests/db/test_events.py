"""The event log: what is visible is complete and in order, cursors expire honestly, readers miss nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from uuid import UUID, uuid4

import pytest

from merlin.db.connection import Database, own_connection
from merlin.db.doorbell import Doorbell
from merlin.db.events import (
    CHANNEL,
    EventFilter,
    NewEvent,
    StoredEvent,
    append_events,
    events_after,
    events_before,
    format_cursor,
    newest_cursor,
    parse_cursor,
    prune_events,
)
from merlin.db.feed import EventFeed
from merlin.db.transaction import transaction
from merlin.domain.lifecycle import Severity
from merlin.errors import CursorExpired, InvalidInput, Unavailable
from tests.db.worlds import fetch

WRITERS = 8
EACH = 40


def an_event(
    subject: UUID | None = None, *, message: str = "x", model_id: UUID | None = None, project_id: UUID | None = None
) -> NewEvent:
    return NewEvent(
        type="pod.event",
        subject_type="VersionEndpoint",
        subject_id=subject or uuid4(),
        message=message,
        model_id=model_id,
        project_id=project_id,
    )


async def write(*events: NewEvent) -> list[int]:
    async with transaction() as tx:
        return await append_events(tx, events)


async def write_many(writer: int, *, each: int = EACH) -> None:
    for number in range(each):
        # Two lines a transaction, and some work before them, so that transactions overlap as real ones do.
        async with transaction() as tx:
            await tx.execute("SELECT pg_sleep($1)", (writer * number % 5) / 1000)
            await append_events(tx, [an_event(message=f"{writer}-{number}-{part}") for part in "ab"])


def expected(each: int = EACH) -> set[str]:
    return {f"{writer}-{number}-{part}" for writer in range(WRITERS) for number in range(each) for part in "ab"}


async def test_a_reader_of_eight_writers_misses_nothing_and_sees_numbers_rise(database: Database) -> None:
    seen: list[StoredEvent] = []

    # Taken before any writer starts: each task connects for itself, and the reader may be the last.
    start = await newest_cursor()

    async def read() -> None:
        cursor = start
        while len(seen) < len(expected()):
            page = await events_after(cursor, limit=7)
            seen.extend(page.events)
            cursor = page.cursor
            await asyncio.sleep(0)

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(read())
        for writer in range(WRITERS):
            group.create_task(write_many(writer))
    assert {event.message for event in seen} == expected()
    numbers = [event.id for event in seen]
    assert numbers == sorted(set(numbers))


async def test_lines_of_one_transaction_stay_together_in_the_order_given(database: Database) -> None:
    numbers = await write(*(an_event(message=str(index)) for index in range(20)))
    page = await events_after(None)
    assert [event.id for event in page.events] == numbers
    assert [event.message for event in page.events] == [str(index) for index in range(20)]


async def test_a_rolled_back_transaction_leaves_no_line(database: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with transaction() as tx:
            await append_events(tx, [an_event()])
            raise ZeroDivisionError
    assert (await events_after(None)).events == ()


async def test_a_subjects_timeline_holds_what_is_about_it_its_model_or_project(database: Database) -> None:
    endpoint, model, project, lone = uuid4(), uuid4(), uuid4(), uuid4()
    await write(
        an_event(endpoint, message="mine", model_id=model, project_id=project),
        an_event(message="sibling", model_id=model, project_id=project),
        an_event(message="cousin", project_id=project),
        an_event(lone, message="stranger"),
    )

    async def messages(**conditions: object) -> list[str]:
        page = await events_after(None, filter=EventFilter(**conditions))  # type: ignore[arg-type]
        return [event.message for event in page.events]

    assert await messages(subjects=frozenset({endpoint})) == ["mine"]
    assert await messages(subjects=frozenset({model})) == ["mine", "sibling"]
    assert await messages(subjects=frozenset({project})) == ["mine", "sibling", "cousin"]
    assert await messages(subjects=frozenset({endpoint, lone})) == ["mine", "stranger"]
    assert await messages(subjects=frozenset()) == []
    assert await messages(project=project) == ["mine", "sibling", "cousin"]
    assert await messages(projects=frozenset({project})) == ["mine", "sibling", "cousin"]
    assert await messages(projects=frozenset()) == []
    assert await messages(types=frozenset({"other"})) == []
    assert await messages(severity=Severity.ERROR) == []


async def test_pages_join_without_gap_or_overlap(database: Database) -> None:
    await write(*(an_event(message=str(index)) for index in range(25)))
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = await events_after(cursor, limit=10)
        seen += [event.message for event in page.events]
        cursor = page.cursor
        if not page.has_more:
            break
    assert seen == [str(index) for index in range(25)]
    assert (await events_after(cursor)).cursor == cursor


async def test_pages_backwards_from_the_newest_join_too_and_go_on_forwards(database: Database) -> None:
    await write(*(an_event(message=str(index)) for index in range(25)))
    seen: list[str] = []
    before: str | None = None
    while True:
        page = await events_before(before, limit=10)
        seen = [event.message for event in page.events] + seen
        if before is None:
            newest = page.cursor
        before = page.events[0].cursor
        if not page.has_more:
            break
    assert seen == [str(index) for index in range(25)]
    assert (await events_before(before)).events == ()
    await write(an_event(message="later"))
    assert [event.message for event in (await events_after(newest)).events] == ["later"]


async def test_before_nothing_at_all_the_cursor_begins_the_log(database: Database) -> None:
    cursor = (await events_before(None)).cursor
    await write(an_event(message="first"))
    assert [event.message for event in (await events_after(cursor)).events] == ["first"]


@pytest.mark.parametrize("text", ["", "7", "abc", "abc.", "abc.x", "ABC.1", "a.1.1", "a.-1", "a." + "9" * 40])
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_cursor(text)
    assert refused.value.path == ("after",)


async def test_a_cursor_of_another_epoch_is_expired_and_the_oldest_is_told(database: Database) -> None:
    await write(an_event())
    with pytest.raises(CursorExpired) as gone:
        await events_after(format_cursor("0ther", 0))
    page = await events_after(gone.value.hint)
    assert len(page.events) == 1


async def test_a_cursor_from_the_future_is_expired(database: Database) -> None:
    await write(an_event())
    epoch, number = parse_cursor(await newest_cursor())
    with pytest.raises(CursorExpired):
        await events_after(format_cursor(epoch, number + 1))


async def test_pruned_events_expire_the_cursors_before_them_only(database: Database) -> None:
    numbers = await write(*(an_event(message=str(index)) for index in range(5)))
    await fetch("UPDATE event SET at = at - interval '40 days' WHERE id <= $1", numbers[2])
    epoch, _ = parse_cursor(await newest_cursor())
    assert await prune_events(older_than_days=30) == 3
    with pytest.raises(CursorExpired) as gone:
        await events_after(format_cursor(epoch, numbers[1]))
    assert gone.value.hint == format_cursor(epoch, numbers[2])
    kept = await events_after(format_cursor(epoch, numbers[2]))
    assert [event.message for event in kept.events] == ["3", "4"]
    assert await prune_events(older_than_days=30) == 0


async def test_pruning_goes_on_in_bounded_steps(database: Database) -> None:
    await write(*(an_event() for _ in range(5)))
    await fetch("UPDATE event SET at = at - interval '40 days'")
    assert [await prune_events(older_than_days=30, most=2) for _ in range(4)] == [2, 2, 1, 0]
    cursor = await newest_cursor()
    assert (await events_after(cursor)).events == ()


async def test_an_old_line_behind_a_young_one_is_kept(database: Database) -> None:
    numbers = await write(*(an_event() for _ in range(3)))
    await fetch("UPDATE event SET at = at - interval '40 days' WHERE id <> $1", numbers[1])
    assert await prune_events(older_than_days=30) == 1
    assert len((await events_after(None)).events) == 2


# The doorbell


async def test_the_doorbell_rings_on_commit_with_the_subject(database: Database) -> None:
    subject = uuid4()
    async with asyncio.timeout(10), Doorbell(database.direct_url) as doorbell:
        await doorbell.connected()
        async with aclosing(doorbell.rings(CHANNEL, at_least_every=10)) as rings:
            assert (await anext(rings)).gap
            await write(an_event(subject))
            assert (await anext(rings)).payloads == {str(subject)}


async def test_the_doorbell_listens_again_after_its_connection_was_killed(database: Database) -> None:
    async with asyncio.timeout(20), Doorbell(database.direct_url) as doorbell:
        await doorbell.connected()
        async with aclosing(doorbell.rings(CHANNEL, at_least_every=20)) as rings:
            await anext(rings)
            await kill_doorbells(database)
            # Nobody heard this one; the gap after the reconnect says to read again.
            await write(an_event())
            ring = await anext(rings)
            while not ring.gap:
                ring = await anext(rings)
            assert doorbell.connections == 2
            subject = uuid4()
            await write(an_event(subject))
            heard: set[str] = set()
            while str(subject) not in heard:
                heard |= (await anext(rings)).payloads


async def kill_doorbells(database: Database) -> None:
    async with own_connection(database.direct_url) as connection:
        await connection.fetch(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name = 'merlin doorbell'"
        )


async def test_a_reader_is_woken_now_and_then_without_any_ring(database: Database) -> None:
    async with asyncio.timeout(10), Doorbell(database.direct_url) as doorbell:
        await doorbell.connected()
        async with aclosing(doorbell.rings(CHANNEL, at_least_every=0.05)) as rings:
            await anext(rings)
            ring = await anext(rings)
            assert (ring.gap, ring.payloads) == (False, frozenset())


# The feed


async def test_a_follower_gets_the_past_then_the_live_without_gap_or_duplicate(database: Database) -> None:
    async with asyncio.timeout(60), Doorbell(database.direct_url) as doorbell, EventFeed(doorbell) as feed:
        await write(*(an_event(message=f"before-{index}") for index in range(30)))
        start = (await events_after(None, limit=1)).cursor
        readers = [asyncio.create_task(follow(feed, start, 29 + len(expected()))) for _ in range(3)]
        await asyncio.gather(*(write_many(w) for w in range(WRITERS)))
        followed = [await reader for reader in readers]
    for seen in followed:
        numbers = [event.id for event in seen]
        assert numbers == sorted(set(numbers))
        assert {e.message for e in seen} == {f"before-{i}" for i in range(1, 30)} | expected()


async def test_a_follower_that_leaves_resumes_where_it_was(database: Database) -> None:
    async with asyncio.timeout(60), Doorbell(database.direct_url) as doorbell, EventFeed(doorbell) as feed:
        cursor = await newest_cursor()

        async def read_in_pieces() -> list[StoredEvent]:
            seen: list[StoredEvent] = []
            at = cursor
            while len(seen) < len(expected(10)):
                piece = await follow(feed, at, min(13, len(expected(10)) - len(seen)))
                seen += piece
                at = piece[-1].cursor
            return seen

        reader = asyncio.create_task(read_in_pieces())
        await asyncio.gather(*(write_many(w, each=10) for w in range(WRITERS)))
        seen = await reader
    assert [event.id for event in seen] == sorted({event.id for event in seen})
    assert {event.message for event in seen} == expected(10)


async def test_a_follower_survives_a_killed_doorbell(database: Database) -> None:
    async with asyncio.timeout(30), Doorbell(database.direct_url) as doorbell, EventFeed(doorbell) as feed:
        await doorbell.connected()
        reader = asyncio.create_task(follow(feed, await newest_cursor(), 2))
        await write(an_event(message="one"))
        await kill_doorbells(database)
        await write(an_event(message="two"))
        assert [event.message for event in await reader] == ["one", "two"]


async def test_a_slow_follower_is_cut_off_and_told_where_to_resume(database: Database) -> None:
    async with (
        asyncio.timeout(20),
        Doorbell(database.direct_url) as doorbell,
        EventFeed(doorbell, queue_length=5) as feed,
        aclosing(feed.follow(after=await newest_cursor())) as events,
    ):
        first = asyncio.ensure_future(anext(events))
        await until(lambda: feed.followers == 1)
        await write(an_event(message="0"))
        assert (await first).message == "0"
        fast = asyncio.create_task(follow(feed, await newest_cursor(), 1))
        await until(lambda: feed.followers == 2)
        await write(*(an_event(message=str(index)) for index in range(1, 50)))
        await fast
        seen = []
        with pytest.raises(Unavailable) as cut:
            while True:
                seen.append((await anext(events)).message)
        rest = await follow(feed, cut.value.hint, 49 - len(seen))
        assert [*seen, *(event.message for event in rest)] == [str(index) for index in range(1, 50)]


async def test_followers_see_their_filter_only(database: Database) -> None:
    mine = uuid4()
    async with asyncio.timeout(20), Doorbell(database.direct_url) as doorbell, EventFeed(doorbell) as feed:
        reader = asyncio.create_task(follow(feed, await newest_cursor(), 2, EventFilter(subjects=frozenset({mine}))))
        await write(an_event(), an_event(mine, message="one"), an_event())
        await write(an_event(), an_event(mine, message="two"))
        assert [event.message for event in await reader] == ["one", "two"]


async def test_changes_of_a_subject_fold_into_one_and_others_stay_silent(database: Database) -> None:
    mine = uuid4()
    async with asyncio.timeout(20), Doorbell(database.direct_url) as doorbell, EventFeed(doorbell) as feed:
        await doorbell.connected()
        async with aclosing(feed.changes([mine], at_least_every=20)) as changes:
            await anext(changes)
            follower = asyncio.create_task(follow(feed, await newest_cursor(), 3))
            await write(an_event(mine), an_event(mine))
            await anext(changes)
            await write(an_event())
            await follower
            waiting = asyncio.ensure_future(anext(changes))
            await asyncio.sleep(0)
            while waiting.done():  # the reconnect's gap may have come late; it counts as one change
                waiting = asyncio.ensure_future(anext(changes))
                await asyncio.sleep(0.05)
            await write(an_event(mine))
            await waiting


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 (a number of the feed's, which tells nobody)
            await asyncio.sleep(0.01)


async def follow(
    feed: EventFeed, after: str | None, count: int, filter: EventFilter | None = None
) -> list[StoredEvent]:
    seen: list[StoredEvent] = []
    async with aclosing(feed.follow(after=after, filter=filter)) as events:
        async for event in events:
            seen.append(event)
            if len(seen) == count:
                break
    return seen


async def test_a_mistake_of_the_reader_costs_followers_only_time(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = asyncio.Event()

    async def mistaken(*_: object, **__: object) -> None:
        failed.set()
        raise ValueError("an event that this version cannot read")

    subject = uuid4()
    async with Doorbell(database.direct_url) as doorbell, EventFeed(doorbell) as feed:
        with monkeypatch.context() as broken:
            broken.setattr(EventFeed, "_fetch", mistaken)
            await write(an_event(subject))
            await failed.wait()
        async with (
            aclosing(feed.follow(filter=EventFilter(subjects=frozenset({subject})))) as events,
            asyncio.timeout(20),
        ):
            following = asyncio.ensure_future(anext(events))
            await until(lambda: feed.followers == 1)
            await write(an_event(subject, message="later"))
            assert (await following).message == "later"
