"""Codes: every one that the code raises is public and documented, and nothing else is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from merlin.domain.failure import FailureCode
from merlin.errors import InputErrors, InvalidInput, MerlinError
from merlin.schema.errors import CODES, WHAT_TO_DO, user_error, user_errors

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "errors.md").read_text()
ROOMS = ("errors.py", "domain", "db", "kube", "tracking", "resolvers", "schema", "api", "app.py")
_RAISED = re.compile(r"""code=["']([A-Z_]+)["']|code = ["']([A-Z_]+)["']|["']code["']: ["']([A-Z_]+)["']""")
NOT_FOR_USERS = {
    "WATCH_EXPIRED",  # ends a watch of the informer, which lists again
}
TOP_LEVEL = set(re.findall(r"`([A-Z_]+)`", PAGE.split("## Codes that only top-level")[1].split("\n## ")[0]))


def raised() -> set[str]:
    files = [file for room in ROOMS for file in ([ROOT / "merlin" / room] if "." in room else _files(room))]
    texts = [file.read_text() for file in files if file.exists()]
    return {code for text in texts for found in _RAISED.findall(text) for code in found if code}


def _files(room: str) -> list[Path]:
    return sorted((ROOT / "merlin" / room).rglob("*.py"))


def test_every_code_that_is_raised_is_known() -> None:
    assert raised() - set(CODES) - NOT_FOR_USERS - TOP_LEVEL == set()
    assert {error.code for error in all_errors(MerlinError)} - set(CODES) - NOT_FOR_USERS == set()


def all_errors(kind: type[MerlinError]) -> list[type[MerlinError]]:
    public = [k for k in kind.__subclasses__() if k.__module__.startswith(("merlin.errors", "merlin.kube"))]
    return [kind, *(error for one in public for error in all_errors(one))]


@pytest.mark.parametrize("code", CODES)
def test_every_code_is_documented_with_its_meaning(code: str) -> None:
    assert f"| `{code}` | {CODES[code]} |" in PAGE


def test_the_page_says_about_every_code_what_the_hint_says() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \| .* \| (.*) \|$", PAGE.split("\n## Codes that only")[0], re.M)
    assert {code: text.replace("`", "") for code, text in rows} == WHAT_TO_DO
    assert set(WHAT_TO_DO) == set(CODES)


@pytest.mark.parametrize("code", FailureCode)
def test_every_cause_of_a_failed_deploy_is_documented(code: FailureCode) -> None:
    assert f"| `{code.value}` |" in PAGE.split("## Causes of failed deploys")[1]


def test_an_error_is_shown_with_all_it_says() -> None:
    shown = user_error(InvalidInput("No.", code="INVALID_NAME", path=("labels", 0, "key"), hint="Do."))
    assert (shown.code.name, shown.message, shown.path, shown.hint) == (
        "INVALID_NAME",
        "No.",
        ["labels", "0", "key"],
        "Do.",
    )
    assert [error.message for error in user_errors(InputErrors([InvalidInput("a"), InvalidInput("b")]))] == ["a", "b"]


def test_an_error_without_a_hint_gets_its_codes() -> None:
    assert user_error(InvalidInput("No.", code="NO_RUNTIME")).hint == WHAT_TO_DO["NO_RUNTIME"]


def test_a_code_that_is_not_public_is_shown_as_error_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    assert user_error(MerlinError("x", code="SOMETHING")).code.name == "ERROR"
    assert [record.message for record in caplog.records] == ["an error has a code that is not public"]
