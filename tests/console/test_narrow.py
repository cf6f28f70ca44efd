"""The console on a phone and a tablet: nothing is wider than the window, and what the header offers is within reach."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.console.seen import loaded, serious
from tests.platform import Platform

HEIGHT = 844
# As long as each may be, and what people write longer than any line, without a space.
PROJECT, NAME = "narrow" * 5 + "ly", "fitting" * 3 + "more"
LONG = "unbroken" * 40
HERE = f"/projects/{PROJECT}"
MODEL = f"{HERE}/models/{NAME}"
PAGES = (
    "/",
    HERE,
    f"{HERE}/endpoints?view=all",
    MODEL,
    f"{MODEL}/endpoints",
    f"{MODEL}/compare?v=1&v=2",
    f"{MODEL}/activity",
    f"{MODEL}/versions/1",
    f"{MODEL}/versions/1/deploy",
    f"{MODEL}/versions/1/endpoints/local",
    f"{MODEL}/versions/1/endpoints/local?tab=call",
    f"{MODEL}/versions/1/endpoints/local?tab=logs",
    f"{MODEL}/versions/1/endpoints/local?tab=history",
    f"{HERE}/activity",
    f"{HERE}/activity?of=audit",
    f"{HERE}/settings",
    "/environments",
    "/environments/local",
    "/nowhere",
)


@pytest.fixture(scope="module", autouse=True)
def _all_at_length(platform: Platform) -> None:
    """Version 1 serves, version 2 is only logged; all that can be told of them is told at length."""
    project_id = platform.project(PROJECT)
    platform.change("updateProject", "project { id }", projectId=project_id, description=LONG, team=LONG[:60])
    made = platform.change("createModel", "model { id }", projectId=project_id, name=NAME, description=LONG)
    first, _ = platform.finished_version(made["model"]["id"])
    endpoint = platform.settled(platform.deploy(first, comment=LONG))
    platform.change("serveVersion", "modelEndpoint { id }", versionEndpointId=endpoint["id"])
    platform.finished_version(made["model"]["id"])


def too_wide(page: Page, width: int) -> dict[str, int]:
    """The pages that are wider than the window, and how wide."""
    found = {}
    page.set_viewport_size({"width": width, "height": HEIGHT})
    for path in PAGES:
        page.goto(path)
        loaded(page)
        wide: int = page.evaluate("document.scrollingElement.scrollWidth")
        if wide > width:
            found[path] = wide
    return found


@pytest.mark.parametrize("width", [390, 768])
def test_no_page_is_wider_than_a_narrow_window(page: Page, width: int) -> None:
    assert too_wide(page, width) == {}


@pytest.mark.parametrize("width", [390, 768])
def test_all_of_the_header_is_within_reach(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": HEIGHT})
    page.goto(MODEL)
    loaded(page)
    header = page.get_by_role("banner")
    expect(header.get_by_role("button", name="Cluster answers")).to_be_visible()
    for act in header.locator("a, button").all():
        box = act.bounding_box()
        if box is not None:
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width, act.inner_text()
    assert serious(page) == []
    header.get_by_role("button", name=re.compile("^You: ")).click()
    expect(page.get_by_role("menuitem", name="Sign out")).to_be_in_viewport(ratio=1)
    expect(page.get_by_role("menuitem", name="GraphiQL")).to_be_in_viewport(ratio=1)
