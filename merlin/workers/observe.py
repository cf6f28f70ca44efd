"""One environment as it really is, written down: the only writer of what was observed there.

Whatever may matter (a change in the cluster, a wish, an answer, a deadline) only marks an endpoint; the loop then reads
its row and what the informers hold, has the domain judge both, and writes on the connection that holds the
environment's lock, only while the generation is the same. So nothing depends on the order in which things are heard.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from merlin.db import endpoints, events, model_endpoints
from merlin.db.connection import translated
from merlin.db.doorbell import Doorbell
from merlin.db.environments import record_health
from merlin.db.transaction import transaction
from merlin.domain.environment import EnvironmentConfig
from merlin.domain.lifecycle import RevisionStatus
from merlin.domain.observation import Observation
from merlin.domain.settle import awaits_answer, is_on_record, needs_reconcile, settle
from merlin.domain.settle_traffic import (
    TrafficObservation,
    awaits_traffic_answer,
    blocking_versions,
    is_traffic_on_record,
    needs_rerouting,
    settle_traffic,
)
from merlin.domain.settlement import Settlement, with_log_tail
from merlin.domain.wish import TrafficWish, Wish
from merlin.errors import MerlinError, Unavailable
from merlin.kube.client import ReadOnlyCluster
from merlin.workers.answers import Asking, Question
from merlin.workers.cluster_events import ClusterEvents
from merlin.workers.drift import Drift
from merlin.workers.evidence import Evidence
from merlin.workers.lifetime import run_until
from merlin.workers.scene import Scene
from merlin.workers.wishes import (
    endpoints_with_objects,
    read_traffic_wishes,
    read_wishes,
    traffic_to,
    unsettled_endpoints,
)

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 5.0
PAUSE_SECONDS = 0.2
LOOK_AGAIN_SECONDS = 1.0  # at what is on its way: causes become clear with time


def own_time() -> datetime:
    """This process's clock."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Watched:
    """What an observer watches, and for whom."""

    installation_id: UUID
    environment_id: UUID
    environment: EnvironmentConfig
    resync_seconds: float = 5.0


class Observer:
    """One environment's, while ``connection`` holds its lock. `run` once."""

    def __init__(
        self, watched: Watched, cluster: ReadOnlyCluster, connection: asyncpg.Connection[Any], doorbell: Doorbell
    ) -> None:
        self._watched = watched
        self._connection = connection
        self._doorbell = doorbell
        self._writing = asyncio.Lock()
        self._marked: set[UUID] = set()
        self._rung = asyncio.Event()
        self._timers: dict[UUID, asyncio.TimerHandle] = {}
        self._health: tuple[bool, str] | None = None
        self._health_changed = asyncio.Event()
        self._unsettled_traffic: set[UUID] = set()
        self._blocked_traffic: set[UUID] = set()
        self._told: dict[UUID, set[str]] = {}  # keys of lines that are written, of endpoints on their way
        self._ahead = timedelta(0)
        self._drift = Drift()
        self._asking = Asking(self.mark)
        self._evidence = Evidence(cluster, self.mark)
        self._events = ClusterEvents(cluster, self.mark)
        self._scene = Scene(
            cluster, watched.environment, watched.installation_id, changed=self.mark, reachable=self._note_health
        )

    def mark(self, endpoint_id: UUID) -> None:
        """Have an endpoint judged soon; many marks are one."""
        self._marked.add(endpoint_id)
        self._rung.set()

    async def run(self) -> None:
        """Observe until cancelled. Raises Unavailable when the connection with the lock is lost."""
        try:
            await run_until(
                asyncio.Event(),
                self._scene.run(),
                self._begin(),
                self._listen(),
                self._judge_for_ever(),
                self._write_health(),
                self._keep_lock(),
            )
        finally:
            for timer in self._timers.values():
                timer.cancel()
            await self._asking.close()
            await self._evidence.close()
            await self._events.close()

    # What marks endpoints

    async def _begin(self) -> None:
        """Once every list is there: all that has objects or should have them."""
        await self._scene.listed()
        await self._compare_clocks()
        self._note_health(True, "")
        while True:
            with contextlib.suppress(Unavailable):
                versions, models = await endpoints_with_objects(self._watched.environment_id)
                self._mark_all([*self._scene.owners(), *versions, *models])
                break
            await asyncio.sleep(PAUSE_SECONDS)
        await asyncio.Event().wait()

    async def _listen(self) -> None:
        """Wishes ring; and now and then, whatever is unsettled, for what was not heard."""
        every = self._watched.resync_seconds
        swept = 0.0
        clock = asyncio.get_running_loop().time
        async for ring in self._doorbell.rings(events.CHANNEL, at_least_every=every):
            self._mark_all(UUID(payload) for payload in ring.payloads)
            if ring.gap or clock() - swept >= every:
                swept = clock()
                await self._compare_clocks()
                with contextlib.suppress(Unavailable):
                    versions, models = await unsettled_endpoints(self._watched.environment_id)
                    self._unsettled_traffic = set(models)
                    self._mark_all([*versions, *models])

    async def _compare_clocks(self) -> None:
        """Deadlines and drains are written and judged by the database's clock, whoever's is wrong."""
        with contextlib.suppress(Unavailable):
            async with transaction() as tx:
                self._ahead = own_time() - await tx.value("SELECT clock_timestamp()")

    def _now(self) -> datetime:
        return own_time() - self._ahead

    def _by_their_clock(self, at: datetime | None) -> datetime | None:
        return None if at is None else at - self._ahead

    def _mark_all(self, endpoint_ids: Iterable[UUID]) -> None:
        self._marked.update(endpoint_ids)
        if self._marked:
            self._rung.set()

    def _look_again(self, endpoint_id: UUID, seconds: float | None) -> None:
        """Mark it then, instead of whenever it was to be looked at before."""
        timer = self._timers.pop(endpoint_id, None)
        if timer is not None:
            timer.cancel()
        if seconds is not None:
            loop = asyncio.get_running_loop()
            self._timers[endpoint_id] = loop.call_later(max(seconds, 0.001), self._ring_timer, endpoint_id)

    def _ring_timer(self, endpoint_id: UUID) -> None:
        self._timers.pop(endpoint_id, None)
        self.mark(endpoint_id)

    # Judging

    async def _judge_for_ever(self) -> None:
        while True:
            await self._rung.wait()
            self._rung.clear()
            marked, self._marked = self._marked, set()
            try:
                await self._judge(marked)
            except Unavailable as error:
                if self._connection.is_closed():
                    raise
                log.warning("judging waits", extra={"reason": error.message})
                await asyncio.sleep(PAUSE_SECONDS)
                self._mark_all(marked)

    async def _judge(self, endpoint_ids: set[UUID]) -> None:
        wishes = await read_wishes(list(endpoint_ids))
        for wish in wishes.values():
            if wish.environment_id == self._watched.environment_id:
                await self._guarded(wish.endpoint_id, self._settle(wish))
        others = endpoint_ids - wishes.keys()
        traffic = await read_traffic_wishes(list(others)) if others else {}
        for rule in traffic.values():
            if rule.environment_id == self._watched.environment_id:
                await self._guarded(rule.endpoint_id, self._settle_traffic(rule))

    async def _guarded(self, endpoint_id: UUID, work: Any) -> None:
        """One endpoint that cannot be written must not stop the others; it is looked at again."""
        try:
            await work
        except Unavailable:
            raise
        except MerlinError as error:
            log.error(
                "what was seen could not be written", extra={"endpoint_id": str(endpoint_id), "reason": error.message}
            )
            self._look_again(endpoint_id, self._watched.resync_seconds)

    async def _settle(self, wish: Wish) -> None:
        key = wish.endpoint_id
        seen = self._see(wish)
        now = self._now()
        settlement = settle(wish, seen, now)
        if settlement.failure is not None and settlement.failure != wish.failure:
            lines = self._evidence.tail(key, wish.namespace, settlement.failure)
            if lines is None:
                return  # marked again when they are there
            settlement = with_log_tail(settlement, lines)
        if not await self._write(wish, settlement):
            self.mark(key)
            return
        self._evidence.forget(key)
        await self._follow_up(wish, settlement)
        self._look_again(key, await self._next_look(wish, seen, settlement, now))

    async def _write(self, wish: Wish, settlement: Settlement) -> bool:
        """Write what is new; false when the generation moved on meanwhile."""
        key = wish.endpoint_id
        told = self._told.get(key, set())
        fresh = replace(settlement, happenings=tuple(h for h in settlement.happenings if h.key not in told))
        if is_on_record(wish, fresh):
            return True
        async with self._writing:
            written = await endpoints.record_observation(
                self._connection, key, generation=wish.generation, settlement=fresh
            )
        if written and not settlement.settled:
            self._told[key] = told | {h.key for h in settlement.happenings if h.key}
        elif settlement.settled:
            self._told.pop(key, None)
        return written

    def _see(self, wish: Wish) -> Observation:
        """What is known of it, the answer through the gateway included where that is waited for."""
        if wish.is_settled:
            self._events.leave(wish)
        else:
            self._events.follow(wish)
        seen = self._scene.observation(wish, self._events.about(wish), None)
        seen = replace(seen, unreachable_since=self._by_their_clock(seen.unreachable_since))
        target = wish.target
        if target is None or not awaits_answer(wish, seen):
            self._asking.stop(wish.endpoint_id)
            return seen
        wanted = frozenset({target.workload_revision})
        self._asking.ask(wish.endpoint_id, Question(wish.url, wish.model, wanted, wish.version))
        answer = self._asking.answer(wish.endpoint_id)
        return replace(seen, answered_by=answer.answered_by, answer=answer.text) if answer else seen

    async def _follow_up(self, wish: Wish, settlement: Settlement) -> None:
        """Model endpoints that may be concerned by what changed."""
        can_serve_changed = (settlement.lifecycle, settlement.healthy) != (wish.lifecycle, wish.healthy)
        if can_serve_changed:
            self._mark_all(self._unsettled_traffic | self._blocked_traffic)
        if settlement.active_revision not in (None, wish.active_revision):
            # Its time-out may be another one, which the routes that lead to it must follow.
            for model_endpoint_id in await traffic_to(wish.endpoint_id):
                await model_endpoints.bump_wake(model_endpoint_id)
                self.mark(model_endpoint_id)  # looked at until its route follows: a wake may be lost

    async def _next_look(self, wish: Wish, seen: Observation, settlement: Settlement, now: datetime) -> float | None:
        """Seconds until time alone may change the judgement."""
        looks = []
        target = wish.target
        on_its_way = target is not None and target.is_unfinished and wish.active_revision != target.number
        if on_its_way and settlement.progressing and target is not None:
            looks.append(min(LOOK_AGAIN_SECONDS, max(0.0, (target.deadline - now).total_seconds())))
        draining = [m.drain_until for m in settlement.moves if m.drain_until is not None]
        draining += [r.drain_until for r in wish.revisions if r.status is RevisionStatus.DRAINING and r.drain_until]
        looks += [(until - now).total_seconds() for until in draining if until > now]
        is_ill = wish.active_revision is not None and not settlement.healthy and settlement.failure is None
        if is_ill and not settlement.progressing:
            looks.append(LOOK_AGAIN_SECONDS)
        differs = wish.is_settled and needs_reconcile(wish, seen)
        wake, again = self._drift.note(wish.endpoint_id, differs=differs)
        if wake:
            log.info("settled endpoint differs in the cluster", extra={"endpoint_id": str(wish.endpoint_id)})
            await endpoints.bump_wake(wish.endpoint_id)
        if again is not None:
            looks.append(again)
        return min(looks, default=None)

    async def _settle_traffic(self, wish: TrafficWish) -> None:
        key = wish.endpoint_id
        seen = self._see_traffic(wish)
        now = self._now()
        settlement = settle_traffic(wish, seen, now)
        if not is_traffic_on_record(wish, settlement):
            async with self._writing:
                written = await model_endpoints.record_observed(
                    self._connection, key, generation=wish.generation, settlement=settlement
                )
            if not written:
                self.mark(key)
                return
        await self._wake_router(wish, seen)
        if not settlement.settled:
            self._unsettled_traffic.add(key)
            left = (wish.deadline_at - now).total_seconds() if wish.deadline_at else LOOK_AGAIN_SECONDS
            self._look_again(key, min(LOOK_AGAIN_SECONDS, max(left, 0.05)))
        else:
            self._unsettled_traffic.discard(key)

    def _see_traffic(self, wish: TrafficWish) -> TrafficObservation:
        seen = self._scene.traffic_observation(wish, None)
        seen = replace(seen, unreachable_since=self._by_their_clock(seen.unreachable_since))
        if wish.desired_rule is None or not awaits_traffic_answer(wish, seen):
            self._asking.stop(wish.endpoint_id)
            return seen
        wanted = frozenset(wish.weights(wish.desired_rule))
        self._asking.ask(wish.endpoint_id, Question(wish.url, wish.model, wanted))
        answer = self._asking.answer(wish.endpoint_id)
        return replace(seen, answered_by=answer.answered_by, answer=answer.text) if answer else seen

    async def _wake_router(self, wish: TrafficWish, seen: TrafficObservation) -> None:
        key = wish.endpoint_id
        if not wish.is_settled and blocking_versions(wish):
            self._blocked_traffic.add(key)
            return
        if key in self._blocked_traffic:
            self._blocked_traffic.discard(key)
            await model_endpoints.bump_wake(key)
            return
        wake, again = self._drift.note(key, differs=wish.is_settled and needs_rerouting(wish, seen))
        if wake:
            log.info("settled route differs in the cluster", extra={"model_endpoint_id": str(key)})
            await model_endpoints.bump_wake(key)
        self._look_again(key, again)

    # The environment itself

    def _note_health(self, reachable: bool, message: str) -> None:
        self._health = (reachable, message)
        self._health_changed.set()
        if not reachable:
            self._mark_all(self._scene.owners())

    async def _write_health(self) -> None:
        while True:
            await self._health_changed.wait()
            self._health_changed.clear()
            if self._health is None:
                continue
            try:
                reachable, message = self._health
                await record_health(self._watched.environment_id, reachable=reachable, message=message)
            except Unavailable:
                await asyncio.sleep(PAUSE_SECONDS)
                self._health_changed.set()

    async def _keep_lock(self) -> None:
        """Raise Unavailable when the connection that holds the lock is lost, or stalls."""
        ended = asyncio.Event()
        self._connection.add_termination_listener(lambda _: ended.set())
        while not self._connection.is_closed():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT_SECONDS):
                    await ended.wait()
                break
            async with self._writing:
                with translated():
                    await self._connection.fetchval("SELECT 1", timeout=HEARTBEAT_SECONDS)
        raise Unavailable("The connection that holds the environment's lock was lost.")
