"""Who answers at an address: asked through the gateway, only while that is all an endpoint waits for.

A route's status shows a new rule before traffic has moved (facts of real gateways), so a switch is believed when
somebody new has answered. Merlin's runtime names model, version and revision in its headers; others do not say.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

import aiohttp

FIRST_PAUSE_SECONDS = 0.02
LONGEST_PAUSE_SECONDS = 0.5
_DEADLINE = aiohttp.ClientTimeout(total=3.0, connect=2.0)
_UNSAID = 0


@dataclass(frozen=True, slots=True)
class Question:
    """Whether one of ``wanted`` answers there: workload revisions (of ``version``), or versions (``version`` unset)."""

    url: str
    model: str
    wanted: frozenset[int]
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back last. ``answered_by``: who it was, 0 = somebody who does not say, ``None`` = nobody of ours."""

    answered_by: int | None
    text: str

    def satisfies(self, question: Question) -> bool:
        """Whether the wait is over."""
        return self.answered_by == _UNSAID or self.answered_by in question.wanted


class Asking:
    """Questions by endpoint. ``answered`` is called with its id whenever the answer is another one."""

    def __init__(self, answered: Callable[[UUID], None]) -> None:
        self._answered = answered
        self._tasks: dict[UUID, tuple[Question, asyncio.Task[None]]] = {}
        self._answers: dict[UUID, Answer] = {}
        # A connection of its own for each question: a kept one may lead to the old pods for long.
        self._http = aiohttp.ClientSession(timeout=_DEADLINE, connector=aiohttp.TCPConnector(force_close=True))

    async def close(self) -> None:
        """Ask nobody any more."""
        tasks = [task for _, task in self._tasks.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._http.close()

    def answer(self, endpoint_id: UUID) -> Answer | None:
        """The last answer to the question that is being asked, if any."""
        return self._answers.get(endpoint_id)

    def ask(self, endpoint_id: UUID, question: Question) -> None:
        """Ask until it is satisfied, or another question, or `stop`. Asking the same again changes nothing."""
        known = self._tasks.get(endpoint_id)
        if known is not None and known[0] == question:
            return
        self.stop(endpoint_id)
        task = asyncio.create_task(self._ask_until_satisfied(endpoint_id, question))
        self._tasks[endpoint_id] = (question, task)

    def stop(self, endpoint_id: UUID) -> None:
        """It is not waited for any more."""
        known = self._tasks.pop(endpoint_id, None)
        self._answers.pop(endpoint_id, None)
        if known is not None:
            known[1].cancel()

    async def _ask_until_satisfied(self, endpoint_id: UUID, question: Question) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            answer = await self._ask_once(question)
            if self._answers.get(endpoint_id) != answer:
                self._answers[endpoint_id] = answer
                self._answered(endpoint_id)
            if answer.satisfies(question):
                return
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _ask_once(self, question: Question) -> Answer:
        address = f"{question.url}/v2/models/{question.model}/ready"
        try:
            async with self._http.get(address, allow_redirects=False) as response:
                status, headers = response.status, response.headers
                with contextlib.suppress(aiohttp.ClientError):
                    await response.content.read(1024)
        except TimeoutError:
            return Answer(None, "the gateway did not answer in time")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Answer(None, f"the gateway cannot be reached: {type(error).__name__}")
        return read_answer(question, status, headers)


def read_answer(question: Question, status: int, headers: Mapping[str, str]) -> Answer:
    """What an HTTP answer says of who gave it."""
    if status != 200:
        return Answer(None, f"HTTP {status} through the gateway")
    model, version = headers.get("merlin-model"), headers.get("merlin-version")
    if model is None and version is None:
        return Answer(_UNSAID, "ready, by a server that does not say which it is")
    if model != question.model:
        return Answer(None, f"another model answered: {model}")
    if question.version is None:
        return Answer(_number(version), f"version {version} answered")
    if version != str(question.version):
        return Answer(None, f"another version answered: {version}")
    revision = headers.get("merlin-revision")
    return Answer(_number(revision), f"revision {revision} answered")


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() and int(text) > 0 else None
