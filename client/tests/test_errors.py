"""What a failed deploy shows of its log."""

from __future__ import annotations

from merlin_client import DeploymentFailed
from merlin_client.errors import log_lines

TRACEBACK = 'Traceback (most recent call last):\n  File "mine.py", line 3\nRuntimeError: corrupt'


def test_the_users_own_traceback_is_shown_and_not_the_raw_log_line_that_carried_it() -> None:
    evidence = {"log_tail": ['MERLIN-FAILURE {"code": "MODEL_LOAD_FAI'], "details": {"log": TRACEBACK}}
    shown = str(DeploymentFailed("It does not load.", evidence=evidence))
    assert '\n  |   File "mine.py", line 3' in shown
    assert "MERLIN-FAILURE" not in shown


def test_without_it_the_logs_end_is_shown() -> None:
    assert log_lines({"log_tail": ["one", "two"], "details": None}) == ["one", "two"]
    assert log_lines({"log_tail": ["one"], "details": {"packages": []}}) == ["one"]
    assert log_lines({}) == []
