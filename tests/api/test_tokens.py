"""`merlin token`, as an operator runs it, beside an API that runs; and what becomes of the administrator's file."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from merlin.db.tokens import issue_token
from merlin.settings import Settings
from tests.api.served import ADMIN_TOKEN, Api, served

ME = "{ me { subject } }"
SECONDS = 60


@dataclass
class Done:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it answered with `--json`."""
        return json.loads(self.out)


Run = Callable[..., Awaitable[Done]]


@pytest.fixture
def token(settings: Settings) -> Run:
    """Runs `merlin token …` with the API's settings."""
    named = ("database_url", "redis_url", "mlflow_url", "environments_file", "secret_key_file", "admin_token_file")
    stated = {f"MERLIN_{name.upper()}": str(getattr(settings, name)) for name in named}

    def run(*arguments: str) -> Done:
        done = subprocess.run(
            [sys.executable, "-m", "merlin.cli", "token", *arguments],
            env={**os.environ, **stated},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    async def beside(*arguments: str) -> Done:
        return await asyncio.to_thread(run, *arguments)

    return beside


async def status(api: Api, token: str) -> int:
    return (await api.post(ME, token=token)).status_code


async def audited(settings: Settings) -> list[tuple[str, str, dict[str, Any]]]:
    connection = await asyncpg.connect(settings.database_url, timeout=10)
    try:
        rows = await connection.fetch("SELECT actor, action, before, after FROM audit ORDER BY id")
    finally:
        await connection.close()
    return [(row["actor"], row["action"], json.loads(row["before"] or row["after"])) for row in rows]


async def test_a_token_that_was_issued_works_until_it_is_revoked(api: Api, token: Run, settings: Settings) -> None:
    issued = await token("create", "rita", "--expires-days", "30")
    assert issued.code == 0, issued.err
    secret = issued.out.strip()
    assert secret not in issued.err
    assert await api.ask(ME, token=secret) == {"me": {"subject": "rita"}}

    shown = await token("list")
    assert secret not in shown.out + shown.err
    [line] = [line for line in shown.out.splitlines() if " rita " in line]
    revoked = await token("revoke", line.split()[0])
    assert (revoked.code, "rita" in revoked.out) == (0, True), revoked.err
    assert await status(api, secret) == 401

    (by, created, _), (_, ended, what) = await audited(settings)
    assert (by, created, ended, what["subject"], what["scope"]) == (
        "operator",
        "token.created",
        "token.revoked",
        "rita",
        "user",
    )
    assert secret not in str(await audited(settings))


async def test_all_tokens_of_a_subject_are_revoked_at_once(api: Api, token: Run) -> None:
    made = [(await token("create", "admin", "--scope", "admin", "--json")).json for _ in range(2)]
    assert [await status(api, each["token"]) for each in made] == [200, 200]
    revoked = (await token("revoke", "--subject", "admin", "--json")).json["revoked"]
    assert [each["id"] for each in revoked] == [each["id"] for each in made]
    assert [await status(api, each["token"]) for each in made] == [401, 401]
    assert await status(api, ADMIN_TOKEN) == 200  # the file's is not an issued one


async def test_the_list_tells_programs_everything_but_the_token(api: Api, token: Run) -> None:
    made = (await token("create", "ci", "--scope", "admin", "--json")).json
    listed = (await token("list", "--json")).json
    assert {key: value for key, value in made.items() if key != "token"} in listed
    assert [(each["subject"], each["fromFile"]) for each in listed] == [("admin", True), ("ci", False)]
    assert made["expiresAt"] is None


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("create", ""), 2, "A subject is 1 to 255 printable characters"),
        (("create", "rita", "--expires-days", "-1"), 2, "1 to 3650 days, not -1"),
        (("create", "rita", "--scope", "root"), 2, "'root' is not one of 'user', 'admin'"),
        (("revoke", str(uuid4())), 3, "no token with that id"),
        (("revoke", "merlin_a-token-itself"), 3, "no token with that id"),
        (("revoke", "--subject", "nobody"), 3, "No token was issued for 'nobody'"),
        (("revoke",), 2, "either an ID or --subject"),
    ],
)
async def test_what_is_wrong_is_said_in_a_line(token: Run, arguments: tuple[str, ...], code: int, said: str) -> None:
    done = await token(*arguments)
    assert (done.code, done.out) == (code, "")
    assert said in done.err.splitlines()[-1]
    assert "a-token-itself" not in done.err


async def test_an_error_is_json_too(token: Run) -> None:
    done = await token("revoke", str(uuid4()), "--json")
    assert (done.code, done.json["error"]["code"]) == (3, "NOT_FOUND")


async def test_the_files_token_is_changed_in_the_file(api: Api, token: Run) -> None:
    [own] = (await token("list", "--json")).json
    refused = await token("revoke", own["id"])
    assert refused.code == 6
    assert "Change the file" in refused.err
    assert await status(api, ADMIN_TOKEN) == 200


async def test_a_new_token_in_the_file_is_the_only_one_from_there(settings: Settings) -> None:
    async with served(settings) as api:
        issued = (await issue_token("admin", scope="admin")).token
        assert await status(api, ADMIN_TOKEN) == 200
    assert settings.admin_token_file is not None
    settings.admin_token_file.write_text("another_token_of_the_administrator\n")
    for _ in range(2):  # every start does the same
        async with served(settings) as api:
            tokens = (ADMIN_TOKEN, "another_token_of_the_administrator", issued)
            assert [await status(api, token) for token in tokens] == [401, 200, 200]
    async with served(settings.model_copy(update={"admin_token_file": None})) as api:
        assert [await status(api, token) for token in tokens] == [401, 401, 200]
