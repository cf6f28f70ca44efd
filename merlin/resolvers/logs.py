"""What the pods of a version endpoint write, as one stream: pods that come (redeploys, restarts) are followed too.

A line's place is its pod, its time, and its count among the pod's lines of the same time; a cursor holds the place
reached in every pod. Kubernetes answers "since" by whole seconds, so what comes again is told by these places and left
out: going on after a cursor neither repeats a line nor leaves one out, as long as the cluster still has the log.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

import orjson

from merlin.db.records import VersionEndpointRecord
from merlin.domain.lifecycle import Role
from merlin.domain.observation import PodSeen
from merlin.errors import InvalidInput, MerlinError, NotFound, Rejected, Unavailable
from merlin.kube.client import LogLine as Line
from merlin.kube.client import ReadOnlyCluster
from merlin.resolvers.context import Context
from merlin.resolvers.permissions import require

CONTAINER = "kserve-container"
MOST_LINES = 5000
LONGEST_SEARCH = 200
LOOK_SECONDS = 1.0
READ_SECONDS = 20.0
PATIENCE_SECONDS = 30.0  # the cluster may be restarted meanwhile
_QUEUE_LENGTH = 500
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line. ``cursor`` goes on after it."""

    cursor: str
    at: datetime
    pod: str
    container: str
    revision: int | None
    text: str


@dataclass(frozen=True, slots=True)
class LogQuestion:
    """Which lines: of all pods or one, the last ``tail`` of them, or those after a cursor.

    ``search``: only those that hold this text, whatever the case; "" is no search. Of what was written before, the last
    5,000 lines of each pod are looked through (after a cursor: the next 5,000).
    """

    endpoint_id: UUID
    tail: int = 100
    previous: bool = False
    pod: str | None = None
    after: str | None = None
    search: str | None = None

    def check(self) -> None:
        """Raise InvalidInput for an impossible ``tail`` or ``search``."""
        if not 0 <= self.tail <= MOST_LINES:
            raise InvalidInput(f"`tail` must be from 0 to {MOST_LINES}.", path=("tail",))
        if len(self.search or "") > LONGEST_SEARCH:
            raise InvalidInput(f"`search` has at most {LONGEST_SEARCH} characters.", path=("search",))


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """How far a pod's log was read: microseconds since 1970, and lines of that very time."""

    micros: int = -1
    count: int = 0

    def moment(self) -> datetime:
        """Its time. Raises OverflowError for what is none."""
        return _EPOCH + timedelta(microseconds=self.micros)


@dataclass(slots=True)
class Places:
    """The places reached in all pods: what a cursor says."""

    reached: dict[str, Place] = field(default_factory=dict)

    @classmethod
    def from_cursor(cls, cursor: str) -> Places:
        """The places in a cursor. Raises InvalidInput."""
        try:
            padded = cursor.encode() + b"=" * (-len(cursor) % 4)
            stated = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
            places = cls({str(pod): Place(int(micros), int(count)) for pod, (micros, count) in stated.items()})
            for place in places.reached.values():
                place.moment()
            return places
        except (ValueError, TypeError, AttributeError, OverflowError, binascii.Error) as error:
            raise InvalidInput("That is no cursor of a log.", path=("after",)) from error

    def cursor(self) -> str:
        """The cursor that goes on from here."""
        stated = {pod: (place.micros, place.count) for pod, place in self.reached.items()}
        return base64.urlsafe_b64encode(orjson.dumps(stated)).rstrip(b"=").decode()

    def keep(self, pods: set[str]) -> None:
        """Forget pods that are gone: nothing of theirs can be read again."""
        for pod in self.reached.keys() - pods:
            del self.reached[pod]


@dataclass(frozen=True, slots=True)
class _Read:
    """A line as it was read, with its place in its pod."""

    pod: PodSeen
    place: Place
    at: datetime
    text: str


async def page_of_logs(context: Context, asked: LogQuestion) -> tuple[list[LogLine], str | None]:
    """What the pods have written so far, in order of time, and the cursor after it. Raises as `follow_logs`."""
    source = await _Source.open(context, asked)
    lines = await _history(source)
    return lines, source.places.cursor() if source.places.reached else None


async def follow_logs(context: Context, asked: LogQuestion, *, follow: bool) -> AsyncGenerator[LogLine, None]:
    """What the pods have written so far, then (``follow``) what they write, for ever.

    Raises NotFound (endpoint, pod), InvalidInput; Unavailable when the cluster does not answer: resume after the last
    cursor.
    """
    source = await _Source.open(context, asked)
    for line in await _history(source):
        yield line
    if follow and not asked.previous:
        async with contextlib.aclosing(source.live()) as live:
            async for line in live:
                yield line


async def _history(source: _Source) -> list[LogLine]:
    try:
        async with asyncio.timeout(READ_SECONDS):
            return await source.history()
    except TimeoutError as error:
        raise Unavailable("The cluster did not give the logs in time.", code="CLUSTER_UNREACHABLE") from error


class _Source:
    """The pods of one endpoint, and the places reached in their logs."""

    def __init__(self, cluster: ReadOnlyCluster, endpoint: VersionEndpointRecord, asked: LogQuestion) -> None:
        self._cluster = cluster
        self._endpoint = endpoint
        self._asked = asked
        self.places = Places.from_cursor(asked.after) if asked.after is not None else Places()
        self._readers: dict[str, asyncio.Task[None]] = {}
        self._needle = (asked.search or "").casefold()

    @classmethod
    async def open(cls, context: Context, asked: LogQuestion) -> _Source:
        """Check everything that can be checked without the cluster."""
        asked.check()
        path = ("versionEndpointId",)
        endpoint = await context.load.version_endpoint(asked.endpoint_id)
        project_id = endpoint.project_id if endpoint else None
        await require(context, project_id, Role.READER, path=path, what="version endpoint")
        environment = await context.load.environment(endpoint.environment_id) if endpoint else None
        if endpoint is None or environment is None:
            raise NotFound("There is no such version endpoint.", path=path)
        return cls(await context.clusters.of(environment.config), endpoint, asked)

    async def history(self) -> list[LogLine]:
        """The lines there are, by time: the last ``tail``, or all after the cursor."""
        pods = await self._pods()
        if self._asked.pod is not None and not pods:
            raise NotFound(f"The endpoint has no pod {self._asked.pod[:80]!r} now.", path=("pod",))
        self.places.keep({pod.name for pod in pods})
        read = await asyncio.gather(*(self._history_of(pod) for pod in pods))
        lines = sorted(
            (line for lines in read for line in lines), key=lambda line: (line.at, line.pod.name, line.place)
        )
        found = sum(map(self._is_wanted, lines))
        skipped = max(0, found - self._asked.tail) if self._asked.after is None else 0
        told: list[LogLine] = []
        for line in lines:
            if len(told) == MOST_LINES:
                break
            if self._is_wanted(line) and skipped == 0:
                told.append(self._told(line))
                continue
            skipped -= self._is_wanted(line)
            self.places.reached[line.pod.name] = line.place
        return told

    async def live(self) -> AsyncGenerator[LogLine, None]:
        """Lines as they are written; pods are looked for every second."""
        queue: asyncio.Queue[_Read] = asyncio.Queue(_QUEUE_LENGTH)
        looking = asyncio.create_task(self._look(queue))
        getting: asyncio.Future[_Read] | None = None
        try:
            while True:
                getting = asyncio.ensure_future(queue.get())
                await asyncio.wait({getting, looking}, return_when=asyncio.FIRST_COMPLETED)
                if not getting.done():
                    looking.result()  # it ends by an error only
                    return
                line = getting.result()
                if line.place > self.places.reached.get(line.pod.name, Place()):
                    if self._is_wanted(line):
                        yield self._told(line)
                    else:
                        self.places.reached[line.pod.name] = line.place
        finally:
            tasks: list[asyncio.Future[Any]] = [looking, *self._readers.values(), *([getting] if getting else [])]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _is_wanted(self, line: _Read) -> bool:
        return self._needle in line.text.casefold() if self._needle else True

    def _told(self, line: _Read) -> LogLine:
        self.places.reached[line.pod.name] = line.place
        return LogLine(self.places.cursor(), line.at, line.pod.name, CONTAINER, line.pod.revision, line.text)

    async def _pods(self) -> list[PodSeen]:
        pods = await self._cluster.pods(self._endpoint.namespace, self._endpoint.id)
        return [pod for pod in pods if self._asked.pod in (None, pod.name)]

    async def _history_of(self, pod: PodSeen) -> list[_Read]:
        place = self.places.reached.get(pod.name)
        fresh = place is None and self._asked.after is None
        lines = []
        try:
            # With a tail of 0 the place of the last line must be known all the same.
            tail = (MOST_LINES if self._needle else max(1, self._asked.tail)) if fresh else None
            async with contextlib.aclosing(self._read(pod, place, follow=False, tail=tail)) as read:
                async for line in read:
                    lines.append(line)
                    if len(lines) >= MOST_LINES:
                        break
        except (NotFound, Rejected):
            pass  # the pod is gone meanwhile, or its container has not started: nothing is written yet
        return lines

    async def _look(self, queue: asyncio.Queue[_Read]) -> None:
        """Follow every pod there is; one that ended its log (a restart) is followed again from where it was.

        Raises what the cluster says once it has said nothing else for long.
        """
        last_seen = time.monotonic()
        while True:
            try:
                for pod in await self._pods():
                    reader = self._readers.get(pod.name)
                    if reader is None or reader.done():
                        self._readers[pod.name] = asyncio.create_task(self._follow(pod, queue))
                last_seen = time.monotonic()
            except Unavailable:
                if time.monotonic() - last_seen > PATIENCE_SECONDS:
                    raise
            await asyncio.sleep(LOOK_SECONDS)

    async def _follow(self, pod: PodSeen, queue: asyncio.Queue[_Read]) -> None:
        try:
            place = self.places.reached.get(pod.name)
            async with contextlib.aclosing(self._read(pod, place, follow=True, tail=None)) as read:
                async for line in read:
                    await queue.put(line)
        except MerlinError:
            pass  # gone, not started yet, or a broken connection: the next look tries again

    async def _read(
        self, pod: PodSeen, after: Place | None, *, follow: bool, tail: int | None
    ) -> AsyncGenerator[_Read, None]:
        """A pod's lines after a place, each with its own. Lines of one time are counted from the first of them."""
        since = after.moment() if after is not None and after.micros >= 0 else None
        options: dict[str, Any] = {"follow": follow, "tail_lines": tail, "previous": self._asked.previous}
        place = Place()
        lines = self._cluster.logs(
            self._endpoint.namespace, pod.name, CONTAINER, since=since and since.replace(microsecond=0), **options
        )
        async with contextlib.aclosing(cast("AsyncGenerator[Line, None]", lines)):
            async for line in lines:
                micros = (line.at - _EPOCH) // timedelta(microseconds=1)
                place = Place(micros, place.count + 1 if micros == place.micros else 1)
                if after is None or place > after:
                    yield _Read(pod, place, line.at, line.text)
