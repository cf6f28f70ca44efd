"""What stands around the pages, in a real browser: a lost connection, the keyboard, and the pages of all projects."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.console.people import token_of
from tests.console.seen import Seen, held, loaded, open_page
from tests.platform import Deployed, Platform, until

LOST = "The connection to Merlin is lost."
KEPT = "window.kept === true"


@pytest.fixture(scope="module")
def quality(platform: Platform) -> Deployed:
    """A running version."""
    return platform.deployed("shell", "quality")


def keep(page: Page) -> None:
    """Leave a mark in the page, which is gone once the page is loaded anew."""
    page.evaluate("window.kept = true")


@contextmanager
def offline(page: Page) -> Iterator[None]:
    """No network, for a while. What is connected already stays so."""
    page.context.set_offline(True)
    try:
        yield
    finally:
        page.context.set_offline(False)


@contextmanager
def hanging(platform: Platform) -> Iterator[None]:
    """The API takes connections and says nothing, for a while."""
    pid = platform.pid("api")
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


# Where the header's parts are, in pixels, and how they look.
_LOOK = """() => {
  const header = document.querySelector('header');
  const texts = [...header.querySelectorAll('*')].filter((each) => !each.childElementCount);
  const parts = [header, header.querySelector('img'), texts.find((each) => each.textContent === 'Merlin')];
  const places = parts.map((part) => part.getBoundingClientRect());
  const { backgroundColor, borderBottom } = getComputedStyle(header);
  const { color, fontFamily, fontWeight, fontSize } = getComputedStyle(parts[2]);
  return [
    places.flatMap(({ x, y, width, height }) => [x, y, width, height]),
    [backgroundColor, borderBottom, color, fontFamily, fontWeight, fontSize],
    getComputedStyle(document.body).backgroundColor,
  ];
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1360, 420])
def test_before_scripts_and_session_are_there_the_header_stands_where_it_will_stand(
    page: Page, scheme: Literal["light", "dark"], width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme)
    page.goto("/")
    loaded(page)
    places, *looks = page.evaluate(_LOOK)
    same = [pytest.approx(places, abs=0.5), *looks]
    asked = held(page, "query Session")
    page.goto("/")
    expect(page.get_by_role("status").filter(has_text="Loading")).to_have_count(1)
    assert page.evaluate(_LOOK) == same
    assert asked
    page.route("**/assets/index-*.js", lambda route: route.abort())
    page.goto("/")
    assert page.evaluate(_LOOK) == same


def test_a_page_asked_for_while_the_connection_is_lost_opens_by_itself(page: Page, platform: Platform) -> None:
    expect(page.get_by_role("banner").get_by_text("Cluster answers")).to_be_visible()
    keep(page)
    with offline(page):
        platform.kill("api")
        page.get_by_role("link", name="Environments", exact=True).click()
        expect(page.get_by_text(LOST)).to_be_visible()
        expect(page.get_by_text("What you asked for opens then.")).to_be_visible()
        expect(page.get_by_text("The page is on its way")).to_be_attached()
        expect(page.get_by_role("banner").get_by_text("Cluster unknown")).to_be_visible()
        until(lambda: platform.http.get(platform.addresses["console"] + "healthz").is_success, 30, "the API is back")
    expect(page.get_by_role("heading", level=1)).to_have_text("Environments")
    expect(page).to_have_url(re.compile("/environments$"))
    expect(page.get_by_text(LOST)).to_have_count(0)
    expect(page.get_by_role("banner").get_by_text("Cluster answers")).to_be_visible()
    assert page.evaluate(KEPT)
    styles = "[...document.querySelectorAll('link[rel=stylesheet]')].map(link => link.sheet?.cssRules.length > 0)"
    assert all(page.evaluate(styles))
    assert page.evaluate("[...document.styleSheets].some(sheet => /mantine-pages/.test(sheet.href))")


def test_a_page_asked_for_of_a_killed_api_opens_by_itself(page: Page, platform: Platform) -> None:
    keep(page)
    platform.kill("api")
    page.get_by_role("link", name="Environments", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Environments")
    assert page.evaluate(KEPT)


def test_a_tab_asked_for_while_offline_opens_by_itself(page: Page, quality: Deployed) -> None:
    page.goto(f"/projects/shell/models/quality/versions/{quality.number}/endpoints/local")
    loaded(page)
    keep(page)
    with offline(page):
        page.get_by_role("tab", name="History").click()
        expect(page.get_by_text(LOST)).to_be_visible()
    expect(page.get_by_role("table", name="Revisions").get_by_role("row")).to_have_count(2)
    expect(page.get_by_text(LOST)).to_have_count(0)
    assert page.evaluate(KEPT)


def test_a_page_of_an_older_build_is_loaded_anew_once(page: Page) -> None:
    loads = []
    page.on("load", lambda _: loads.append(page.url))

    def gone(route: Route) -> None:
        route.fulfill(status=404)

    page.route("**/assets/environments-*.js", gone)
    page.get_by_role("link", name="Environments", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("A file of it is missing on the server.")
    assert len(loads) == 1
    assert page.url.endswith("/environments")
    page.unroute("**/assets/environments-*.js")
    page.get_by_role("button", name="Load again").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Environments")


def test_a_server_that_hangs_is_seen_to(page: Page, platform: Platform, seen: Seen) -> None:
    seen.expected.append("status of 503")  # what it says of questions that grew too old while it hung
    expect(page.get_by_role("banner").get_by_text("Cluster answers")).to_be_visible()
    keep(page)
    with hanging(platform):
        page.get_by_role("link", name="Environments", exact=True).click()
        expect(page.locator(".progress")).to_be_visible(timeout=2_000)
        expect(page.get_by_text(LOST)).to_be_visible(timeout=12_000)
        expect(page.get_by_role("banner").get_by_text("Cluster unknown")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_have_text("Environments")
    expect(page.get_by_text(LOST)).to_have_count(0)
    assert page.evaluate(KEPT)


def test_audit_is_filtered_in_the_address_and_says_what_was_done(
    page: Page, platform: Platform, quality: Deployed
) -> None:
    platform.change("serveVersion", "modelEndpoint { id }", versionEndpointId=quality.endpoint_id)
    page.goto("/projects/shell/activity?of=audit")
    audit = page.get_by_role("table", name="Audit")
    traffic = audit.get_by_role("row", name=re.compile("traffic.requested"))
    traffic.locator("summary").click()
    expect(traffic).to_contain_text("traffic: none → 100 % to quality version 1 in local")
    expect(audit.get_by_role("row", name=re.compile("model.created")).get_by_role("link")).to_have_text("quality")
    expect(audit.get_by_role("row", name=re.compile("project.created")).get_by_role("link")).to_have_text("shell")
    page.get_by_label("What").first.click()
    page.get_by_role("option", name="Models").click()
    expect(page).to_have_url(re.compile(r"what=model\."))
    expect(audit.get_by_role("row")).to_have_count(2)
    page.keyboard.press("Escape")
    page.get_by_label("Who").first.fill("nobody")
    page.keyboard.press("Enter")
    expect(page.get_by_text("No entry matches")).to_be_visible()
    page.get_by_label("Who").first.fill("adm")
    page.get_by_role("option", name="admin").click()
    expect(page).to_have_url(re.compile("who=admin"))
    expect(audit.get_by_role("row")).to_have_count(2)
    page.get_by_label("To", exact=True).fill("2020-01-31")
    expect(page.get_by_text("No entry matches")).to_be_visible()
    page.get_by_label("To", exact=True).fill("")
    page.get_by_label("From", exact=True).fill("2020-01-31")
    expect(page).to_have_url(re.compile("since=2020-01-31"))
    expect(audit.get_by_role("row")).to_have_count(2)
    page.get_by_role("tab", name="Events").click()
    expect(page).to_have_url(re.compile("/activity$"))


def test_a_part_that_there_is_not_is_the_timeline(page: Page, quality: Deployed) -> None:
    page.goto("/projects/shell/activity?of=nonsense")
    expect(page.get_by_role("tab", name="Events")).to_have_attribute("aria-selected", "true")
    expect(page.get_by_role("region", name="Timeline").get_by_role("listitem")).not_to_have_count(0)


def test_who_is_a_member_of_nothing_is_told_what_to_do(context: BrowserContext, platform: Platform) -> None:
    platform.project("wine")
    page = context.new_page()
    page.goto(f"/?token={token_of(platform, 'Nina.Ny')}")
    expect(page.get_by_role("heading", level=1)).to_have_text("Welcome to Merlin")
    expect(page.get_by_text("You see no project yet.")).to_contain_text("you are Nina.Ny here")
    expect(page.get_by_label("Python for a notebook")).to_contain_text('merlin.set_project("wine-nina-ny")')
    page.get_by_role("button", name="New project").click()
    page.get_by_label("Name").fill("wine-nina-ny")
    page.get_by_role("button", name="Create project").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("wine-nina-ny")


@pytest.mark.parametrize("width", [1360, 600])
def test_the_frame_is_walked_by_keyboard_alone(context: BrowserContext, platform: Platform, width: int) -> None:
    page = open_page(context, platform)
    page.set_viewport_size({"width": width, "height": 800})
    page.goto("/environments?a=b")
    loaded(page)
    banner = page.get_by_role("banner")
    expect(banner.get_by_text("Cluster answers")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="To the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    expect(page).to_have_url(re.compile(r"/environments\?a=b$"))
    for name, role, first in (
        ("Cluster answers", "link", "local"),
        ("Colours", "menuitem", "Light"),
        ("You: admin", "menuitem", "Sign out" if width > 768 else "MLflow"),
    ):
        button = banner.get_by_role("button", name=name)
        button.focus()
        page.keyboard.press("Enter")
        inside = page.get_by_role(role, name=first).last  # type: ignore[arg-type]
        expect(inside).to_be_visible()
        expect(button).not_to_be_focused()
        if role == "menuitem":
            page.keyboard.press("ArrowDown")
        expect(inside).to_be_focused()
        assert inside.evaluate("each => getComputedStyle(each).outlineStyle") == "solid"
        page.keyboard.press("Escape")
        expect(inside).to_have_count(0 if role == "menuitem" else 1)
        expect(button).to_be_focused()


def test_a_dialog_gives_the_focus_back(page: Page) -> None:
    button = page.get_by_role("button", name="New project")
    button.press("Enter")
    expect(page.get_by_role("dialog").get_by_label("Name")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(button).to_be_focused()


def test_a_badge_is_no_stop_for_the_tab_key_and_says_why(page: Page, platform: Platform, quality: Deployed) -> None:
    version_id, _ = platform.finished_version(quality.model_id, "broken")
    platform.settled(platform.deploy(version_id))
    page.goto("/environments/local?view=trouble")
    row = page.get_by_role("row", name=re.compile("shell.quality version"))
    expect(row.get_by_role("cell", name=re.compile(r"^Failed \(MODEL_LOAD_FAILED"))).to_be_visible()
    expect(row.locator("[tabindex]")).to_have_count(0)
    row.get_by_text("Failed", exact=True).hover()
    expect(page.get_by_role("tooltip")).to_contain_text("MODEL_LOAD_FAILED")


def test_narrow_environments_lose_no_column(page: Page) -> None:
    page.set_viewport_size({"width": 800, "height": 700})
    page.goto("/environments")
    table = page.get_by_role("table", name="Environments")
    expect(table.get_by_role("columnheader", name="At most")).to_be_in_viewport(ratio=1)
    assert table.evaluate("each => each.scrollWidth <= each.parentElement.clientWidth")
