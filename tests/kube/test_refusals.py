"""What every recorded refusal of a real API server means to Merlin."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson
import pytest

from merlin.errors import Conflict, MerlinError, NotFound, Rejected, Unavailable
from merlin.kube.refusals import KIND_NOT_INSTALLED, NAMESPACE_MISSING, Expired, of_watch, raise_for, unreachable

RECORDED: list[dict[str, Any]] = json.loads((Path(__file__).parent / "recordings" / "errors.json").read_text())
REFUSED = [entry for entry in RECORDED if entry["http"] >= 400]

# By the beginning of the case; what is not here is refused for good as ADMISSION_REFUSED.
MEANINGS: list[tuple[str, type[MerlinError], str]] = [
    ("another manager applies another storageUri", Conflict, "CONFLICT"),
    ("the same, dry run", Conflict, "CONFLICT"),
    ("then the first one changes the now shared value", Conflict, "CONFLICT"),
    ("apply carrying an old resourceVersion", Conflict, "CONFLICT"),
    ("update (PUT) with an old resourceVersion", Conflict, "CONFLICT"),
    ("create (POST) of what exists", Conflict, "CONFLICT"),
    ("delete with a wrong uid precondition", Conflict, "CONFLICT"),
    ("it is not there after the dry run", NotFound, "NOT_FOUND"),
    ("get of what does not exist", NotFound, "NOT_FOUND"),
    ("delete of what does not exist", NotFound, "NOT_FOUND"),
    ("gone after the finalizer went", NotFound, "NOT_FOUND"),
    ("a namespace that does not exist", NotFound, NAMESPACE_MISSING),
    ("a namespace that is being deleted", Unavailable, "UNAVAILABLE"),
    ("a kind that is not installed", Rejected, KIND_NOT_INSTALLED),
    ("object count quota: one too many", Rejected, "QUOTA_EXCEEDED"),
    ("wrong token", Unavailable, "CLUSTER_UNREACHABLE"),
    ("list with resourceVersion in the future", Unavailable, "CLUSTER_UNREACHABLE"),
    ("watch from resourceVersion 'abc'", Unavailable, "CLUSTER_UNREACHABLE"),
    ("KServe controller hangs: apply", Unavailable, "CLUSTER_UNREACHABLE"),
]


def content(entry: dict[str, Any]) -> bytes:
    body = entry["body"]
    return body.encode() if isinstance(body, str) else orjson.dumps(body)


@pytest.mark.parametrize("entry", REFUSED, ids=lambda entry: entry["case"])
def test_a_recorded_refusal_means_what_helps(entry: dict[str, Any]) -> None:
    kind, code = next(
        ((kind, code) for case, kind, code in MEANINGS if entry["case"].startswith(case)),
        (Rejected, "ADMISSION_REFUSED"),
    )
    with pytest.raises(MerlinError) as raised:
        raise_for(entry["http"], content(entry), "/apis/x")
    assert (type(raised.value), raised.value.code) == (kind, code)
    assert raised.value.message


def test_what_is_not_there_is_no_error_where_that_is_an_answer_but_a_missing_kind_is() -> None:
    cases = {entry["case"]: entry for entry in REFUSED}
    for case in ("get of what does not exist", "a namespace that does not exist"):
        raise_for(404, content(cases[case]), "/x", absent_is_none=True)
    with pytest.raises(Rejected):
        raise_for(404, content(cases["a kind that is not installed"]), "/x", absent_is_none=True)


def test_a_watch_that_is_too_old_lists_again() -> None:
    assert isinstance(of_watch({"code": 410, "message": "too old"}), Expired)
    assert not isinstance(of_watch({"code": 500}), Expired)


def test_a_cluster_that_does_not_answer_has_a_code_of_its_own() -> None:
    assert unreachable("no route").code == "CLUSTER_UNREACHABLE"
