"""A model's pages in a real browser: filters, comparison, what fails, aliases, narrow windows."""

from __future__ import annotations

import re

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.console.people import token_of
from tests.console.seen import serious
from tests.platform import Platform

HERE = "/projects/acts/models/score"


@pytest.fixture(scope="module")
def score(platform: Platform) -> dict[int, str]:
    """acts/score, versions 1 to 6 by number: f1 of 0.95, 0.93, 0.9 …; a gain below zero, above, below …"""
    model_id = platform.model("acts", "score")
    found = {}
    for f1, gain in ((0.95, -0.2), (0.93, 0.5), (0.9, -1.25), (0.88, 0.005), (0.7, -0.4), (0.65, 0.1)):
        id_, number = platform.finished_version(model_id)
        measured(platform, id_, f1=f1, gain=gain)
        found[number] = id_
    return found


def measured(platform: Platform, version_id: str, **metrics: float) -> None:
    """Log more metrics to a version's run, and let Merlin read them."""
    run = platform.ask("query($id: ID!) { node(id: $id) { ... on Version { run { id } } } }", id=version_id)["node"]
    given = [{"key": key, "value": value, "timestamp": 1} for key, value in metrics.items()]
    httpx.post(
        f"{platform.addresses['mlflow']}/api/2.0/mlflow/runs/log-batch",
        json={"run_id": run["run"]["id"], "metrics": given},
        timeout=30,
    ).raise_for_status()
    platform.change("refreshVersion", "version { id }", versionId=version_id)


def versions(page: Page) -> list[str | None]:
    """The numbers of the listed versions, from above."""
    links = page.get_by_role("link", name=re.compile(r"^Version \d"))
    return [link.text_content() for link in links.all()]


def test_a_bound_takes_in_its_own_value(page: Page, score: dict[int, str]) -> None:
    page.goto(HERE)
    page.get_by_role("button", name="Filter").click()
    page.get_by_label("Metric", exact=True).fill("f1 >= 0.93")
    page.keyboard.press("Enter")
    expect(page.get_by_text("2 versions")).to_be_visible()
    assert versions(page) == ["2", "1"]
    page.goto(f"{HERE}?where=f1+%3E+0.93")
    expect(page.get_by_text("1 version", exact=True)).to_be_visible()


def test_a_page_that_is_none_is_told_and_left(page: Page, score: dict[int, str]) -> None:
    page.goto("/projects/acts?after=garbage")
    expect(page.get_by_role("alert")).to_contain_text("not a cursor of this list")
    expect(page.get_by_text("There is no project")).to_have_count(0)
    page.get_by_role("button", name="Go to the first page").click()
    expect(page.get_by_role("link", name="score")).to_be_visible()
    page.goto(f"{HERE}/versions/99999999999")
    expect(page.get_by_text("There is no version 99999999999")).to_be_visible()


def test_a_comparison_draws_from_zero_and_keeps_its_heads(page: Page, score: dict[int, str]) -> None:
    page.set_viewport_size({"width": 1360, "height": 400})
    page.goto(f"{HERE}/compare?v=1&v=2")
    bars = page.get_by_role("row", name=re.compile("gain")).locator(".bar")
    expect(bars).to_have_count(2)
    below, above = (bar.locator(".length").bounding_box() for bar in bars.all())
    zeros = [bar.locator(".zero").bounding_box() for bar in bars.all()]
    assert below is not None and above is not None and zeros[0] is not None and zeros[1] is not None
    assert below["x"] + below["width"] == pytest.approx(zeros[0]["x"], abs=1.5)
    assert above["x"] == pytest.approx(zeros[1]["x"], abs=1.5)
    assert above["width"] == pytest.approx(2.5 * below["width"], rel=0.05)
    last = page.get_by_role("row").last
    last.scroll_into_view_if_needed()
    expect(last).to_be_in_viewport()
    expect(page.get_by_role("link", name="Version 2")).to_be_in_viewport()


def test_five_are_compared_at_most_and_back_finds_them_ticked(page: Page, score: dict[int, str]) -> None:
    page.goto(HERE)
    for number in range(1, 6):
        page.get_by_label(f"Compare version {number}").check()
    expect(page.get_by_label("Compare version 6")).to_be_disabled()
    expect(page.get_by_title("At most 5 versions can be compared; untick one first.")).to_have_count(1)
    page.get_by_label("Compare version 5").uncheck()
    expect(page.get_by_label("Compare version 6")).to_be_enabled()
    page.get_by_role("button", name="Compare 4 versions").click()
    expect(page).to_have_url(re.compile(r"/compare\?v=1&v=2&v=3&v=4$"))
    page.go_back()
    for number in range(1, 7):
        expect(page.get_by_label(f"Compare version {number}")).to_be_checked(checked=number < 5)


def test_a_list_of_models_tells_what_fails_and_what_runs_without_serving(page: Page, platform: Platform) -> None:
    model_id = platform.model("health", "mixed")
    for kind in ("good", "broken", "broken"):
        version_id, _ = platform.finished_version(model_id, kind)
        platform.settled(platform.deploy(version_id))
    platform.model("health", "idle")
    page.goto("/projects/health")
    row = page.get_by_role("row", name=re.compile("mixed"))
    expect(row).to_contain_text("2 failed")
    expect(row).to_contain_text("1 running")
    expect(page.get_by_role("row", name=re.compile("idle"))).to_contain_text("nothing deployed")


def test_an_alias_moves_and_goes_after_asking_once(page: Page, platform: Platform, score: dict[int, str]) -> None:
    platform.change("setVersionAlias", "version { id }", versionId=score[1], alias="champion")
    page.goto(HERE)
    add = page.get_by_label("Add a label or an alias to version 5")
    add.click()
    field = page.get_by_label("Label or alias", exact=True)
    field.fill("@v9")
    expect(page.get_by_text("@v9 would be mistaken for a version.")).to_be_visible()
    field.fill("@champion")
    page.keyboard.press("Enter")
    expect(page.get_by_text("@champion moves from version 1 to version 5.")).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_css("opacity", "1")
    assert serious(page) == []
    page.keyboard.press("Enter")
    row = page.get_by_role("row", name=re.compile("score-5"))
    expect(row.get_by_text("champion", exact=True)).to_be_visible()
    expect(page.get_by_text("champion", exact=True)).to_have_count(1)

    row.get_by_role("button", name="Remove champion").press("Enter")
    asked = page.get_by_role("dialog", name="Remove @champion")
    expect(asked).to_contain_text("Take @champion off version 5?")
    expect(asked).to_have_css("opacity", "1")
    assert serious(page) == []
    page.keyboard.press("Escape")
    expect(asked).to_have_count(0)
    row.get_by_role("button", name="Remove champion").press("Enter")
    asked.get_by_role("button", name="Remove alias").press("Enter")
    expect(page.get_by_text("champion", exact=True)).to_have_count(0)
    expect(add).to_be_focused()
    platform.change("setVersionLabels", "version { id }", versionId=score[5], labels=[{"key": "by", "value": "hand"}])
    row.get_by_role("button", name="Remove by=hand").press("Enter")
    asked = page.get_by_role("dialog", name="Remove by=hand")
    expect(asked).to_contain_text("Take by=hand off version 5?")
    asked.get_by_role("button", name="Remove label").press("Enter")
    expect(page.get_by_text("by=hand", exact=True)).to_have_count(0)
    expect(add).to_be_focused()


def test_a_row_or_filter_that_goes_leaves_the_keyboard_beside_it(
    page: Page, platform: Platform, score: dict[int, str]
) -> None:
    for number in (2, 3):
        label = {"key": "leaves", "value": "soon"}
        platform.change("setVersionLabels", "version { id }", versionId=score[number], labels=[label])
    page.goto(f"{HERE}?label=leaves%3Dsoon")

    def remove(name: str) -> None:
        row = page.get_by_role("row", name=re.compile(name))
        row.get_by_role("button", name="Remove leaves=soon").press("Enter")
        page.get_by_role("button", name="Remove label").press("Enter")
        expect(row).to_have_count(0)

    remove("score-2")
    expect(page.get_by_role("table", name="Versions of score")).to_be_focused()
    remove("score-3")
    expect(page.get_by_role("button", name="Clear the filters")).to_be_focused()
    page.get_by_role("button", name="Remove leaves=soon").press("Enter")
    expect(page.get_by_role("button", name="Filter")).to_be_focused()
    expect(page.get_by_text("6 versions")).to_be_visible()


def test_a_filter_that_is_not_understood_says_so(page: Page, score: dict[int, str]) -> None:
    page.goto(f"{HERE}?where=very.metric+5&status=NOPE&where=f1%3E0.93")
    expect(page.get_by_text("not understood", exact=True)).to_have_count(2)
    expect(page.get_by_text("“NOPE” narrows nothing. One of SERVING,")).to_be_visible()
    expect(page.get_by_text("1 version", exact=True)).to_be_visible()
    expect(page.locator(".mantine-Indicator-indicator")).to_have_text("1")
    page.get_by_role("button", name="Remove NOPE").click()
    expect(page.get_by_text("not understood", exact=True)).to_have_count(1)


def test_a_narrow_window_shows_that_a_table_goes_on(page: Page, score: dict[int, str]) -> None:
    page.set_viewport_size({"width": 800, "height": 900})
    page.goto(HERE)
    expect(page.get_by_text("6 versions")).to_be_visible()
    scrolled = page.get_by_role("table", name="Versions of score").locator("xpath=../..")
    assert scrolled.evaluate("each => each.scrollWidth > each.clientWidth")
    # What covers the shadows moves with the table, and the shadows do not.
    expect(scrolled).to_have_css("background-attachment", "local, local, scroll, scroll")


def test_numbers_of_a_column_align_at_the_point(page: Page, score: dict[int, str]) -> None:
    page.goto(f"{HERE}?show=metric:gain")
    expect(page.get_by_role("cell", name="0.005", exact=True)).to_be_visible()
    expect(page.get_by_role("cell", name="-0.2", exact=True)).to_be_visible()
    # Where the point is, counted from the right edge of its column.
    places = page.locator("td .numbers").evaluate_all(
        """each => each.map(shown => {
          const [text] = shown.childNodes;
          const range = document.createRange();
          const point = text.data.indexOf('.');
          range.setStart(text, point);
          range.setEnd(text, point + 1);
          return Math.round(range.getBoundingClientRect().left);
        })"""
    )
    assert len(places) == 6
    assert len(set(places)) == 1, places


def test_a_metric_that_no_version_of_the_page_has_becomes_a_column(page: Page, score: dict[int, str]) -> None:
    page.goto(f"{HERE}?where=f1+%3E+0.93")
    page.get_by_role("button", name="Columns").click()
    page.get_by_role("combobox", name="Metrics and params as columns").fill("rare")
    page.get_by_role("option", name="rare (not on this page)").first.click()
    expect(page.get_by_role("columnheader", name="rare")).to_be_visible()
    expect(page).to_have_url(re.compile("show=metric%3Arare"))


def test_a_reader_is_told_why_there_are_no_buttons(
    context: BrowserContext, platform: Platform, score: dict[int, str]
) -> None:
    members = [{"subject": "admin", "role": "ADMINISTRATOR"}, {"subject": "rita", "role": "READER"}]
    platform.change("updateProject", "project { id }", projectId=platform.project("acts"), members=members)
    page = context.new_page()
    page.goto(f"/?token={token_of(platform, 'rita')}")
    page.get_by_role("heading", level=1).wait_for()
    for place in (HERE, f"{HERE}/endpoints"):
        page.goto(place)
        expect(page.get_by_text("You are a reader here: editors deploy, serve and label versions.")).to_be_visible()
        expect(page.get_by_role("button", name="Delete")).to_have_count(0)
