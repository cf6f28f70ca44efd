"""How errors look: expected ones tell their code and hint; anything else is masked and found in the log by its id."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest

from merlin.db import endpoints
from merlin.errors import InputErrors, InvalidInput, NotFound, Unavailable
from merlin.resolvers.context import Context
from merlin.schema.errors import WHAT_TO_DO
from merlin.schema.ids import global_id
from tests.api.served import Api, a_settings, served
from tests.db.worlds import World

ME = "{ me { subject } projects { totalCount } }"


def breaks(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Make every read of the caller's projects fail."""

    async def roles(_: Context) -> Any:
        raise error

    monkeypatch.setattr(Context, "roles", roles)
    monkeypatch.setattr(Context, "visible", roles)


async def test_an_unexpected_error_is_masked_and_logged_under_the_request_id(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    breaks(monkeypatch, ZeroDivisionError("the password is hunter2"))
    with caplog.at_level(logging.ERROR):
        answer = await api.post(ME, x_request_id="request-7")
    error = answer.json()["errors"][0]
    assert error["extensions"] == {"code": "INTERNAL", "requestId": "request-7"}
    assert "hunter2" not in answer.text
    record = next(r for r in caplog.records if r.message == "a request failed unexpectedly")
    assert (record.__dict__["request_id"], record.exc_info is not None) == ("request-7", True)


async def test_a_querys_expected_error_has_code_hint_and_path(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    breaks(monkeypatch, Unavailable("The database is away.", hint="Try again.", path=("x", 1)))
    error = (await api.errors(ME))[0]
    assert error["message"] == "The database is away."
    assert error["extensions"] == {"code": "UNAVAILABLE", "hint": "Try again.", "path": ["x", "1"]}
    assert error["path"] == ["projects"]


async def test_several_expected_errors_come_as_several(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    breaks(monkeypatch, InputErrors([InvalidInput("One."), NotFound("Two.")]))
    assert [error["extensions"]["code"] for error in await api.errors(ME)] == ["INVALID_INPUT", "NOT_FOUND"]


async def test_a_refused_mutation_tells_its_request_too(api: Api) -> None:
    query = 'mutation { createProject(input: {name: "No"}) { errors { code } } }'
    answer = (await api.post(query, x_request_id="request-8")).json()
    assert answer["data"]["createProject"]["errors"] == [{"code": "INVALID_NAME"}]
    assert answer["extensions"]["requestId"] == "request-8"


async def test_a_mutations_expected_errors_are_in_its_payload_and_others_masked(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = await World.make()
    endpoint = await world.running()
    id = global_id("VersionEndpoint", endpoint.id)

    def refuse(error: Exception) -> None:
        async def undeploy(*_: Any, **__: Any) -> Any:
            raise error

        monkeypatch.setattr(endpoints, "request_undeploy", undeploy)

    refuse(InputErrors([InvalidInput("One.", path=("a", 0)), NotFound("Two.", hint="Look.")]))
    payload = await api.change("undeployVersion", "versionEndpoint { id }", versionEndpointId=id)
    assert payload == {
        "versionEndpoint": None,
        "errors": [
            {"code": "INVALID_INPUT", "message": "One.", "path": ["a", "0"], "hint": WHAT_TO_DO["INVALID_INPUT"]},
            {"code": "NOT_FOUND", "message": "Two.", "path": [], "hint": "Look."},
        ],
    }
    refuse(RuntimeError("secret"))
    query = "mutation($i: UndeployVersionInput!) { undeployVersion(input: $i) { errors { code } } }"
    assert (await api.errors(query, i={"versionEndpointId": id}))[0]["extensions"]["code"] == "INTERNAL"


async def test_an_operation_that_takes_too_long_is_ended(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(a_settings(tmp_path, database_url, request_timeout_seconds=0.05)) as api:
        ended = asyncio.Event()

        async def visible(_: Context) -> Any:
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

        monkeypatch.setattr(Context, "visible", visible)
        answer = (await api.post(ME)).json()
        async with asyncio.timeout(5):
            await ended.wait()
    assert answer["data"] is None
    assert answer["errors"][0]["extensions"]["code"] == "TIMEOUT"


async def test_a_stream_that_breaks_ends_with_a_masked_error(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    breaks(monkeypatch, ZeroDivisionError("the password is hunter2"))
    async with api.sent("subscription { events { cursor } }") as payloads:
        answers = [payload async for payload in payloads]
    assert [error["extensions"]["code"] for answer in answers for error in answer["errors"]] == ["INTERNAL"]
    assert "hunter2" not in str(answers)
