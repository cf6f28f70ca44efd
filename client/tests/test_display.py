"""Progress where somebody looks, and nothing of it where nobody does."""

from __future__ import annotations

import pytest
from merlin_client.display import Lines, display_for
from merlin_client.thing import card, link


def test_a_step_that_repeats_is_shown_once_and_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    display = Lines("Deploying a/b/1")
    display.step("STARTING", "0 of 1 pods ready.")
    display.step("STARTING", "0 of 1 pods ready.")
    display.step("RUNNING", "http://x", done=True)
    shown = capsys.readouterr()
    assert shown.out == ""
    lines = shown.err.splitlines()
    assert lines[0] == "Deploying a/b/1"
    assert [line.split()[0] for line in lines[1:]] == ["·", "✓"]


def test_a_sentence_is_not_said_again_under_the_next_phase(capsys: pytest.CaptureFixture[str]) -> None:
    display = Lines("Deploying a/b/1")
    for phase in ("STARTING", "READY"):
        display.step(phase, "Revision 1 starts.")
    display.step("RUNNING", "http://x", done=True)
    assert capsys.readouterr().err.count("Revision 1 starts.") == 1


def test_what_was_refused_at_once_leaves_no_title_behind(capsys: pytest.CaptureFixture[str]) -> None:
    with display_for("Deploying a/b/1", show=True):
        pass
    assert capsys.readouterr() == ("", "")


def test_a_display_that_fails_does_not_stop_what_it_shows() -> None:
    class Broken(Lines):
        def _begin(self) -> None:
            raise OSError("the terminal is gone")

        def _show(self) -> None:
            raise OSError("the terminal is gone")

    Broken("Deploying a/b/1").step("STARTING", "0 of 1 pods ready.")


def test_nothing_is_shown_when_nothing_is_to_be_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with display_for("Deploying", show=False) as display:
        display.step("STARTING", "")
    assert capsys.readouterr() == ("", "")


def test_html_is_escaped_and_only_web_addresses_become_links() -> None:
    assert link("javascript:alert(1)", "<b>") == "&lt;b&gt;"
    assert link('http://x/"', "x").startswith('<a href="http://x/&quot;"')
    assert "<script>" not in card(link(None, "<script>"), {"<script>": link(None, "<script>")})
