"""The console by keyboard: an act that takes its own button away does not throw one to the page's top."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.platform import Deployed, Platform

HERE = "/projects/keys/models/press"


@pytest.fixture(scope="module")
def press(platform: Platform) -> Deployed:
    """keys/press: version 1 runs; nothing serves."""
    return platform.deployed("keys", "press")


def confirmed(page: Page, verb: str, confirm: str | None = None) -> None:
    """Press a button of the page, and that of the dialog which asks."""
    page.get_by_role("button", name=verb, exact=True).press("Enter")
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name=confirm or verb, exact=True).press("Enter")
    expect(dialog).to_have_count(0)
    expect(page.get_by_role("button", name=verb, exact=True)).to_have_count(0)


def test_what_is_done_leaves_the_keyboard_where_it_was_done(page: Page, press: Deployed) -> None:
    heading = page.get_by_role("heading", level=1)
    place = page.get_by_role("region", name="Traffic in local")
    page.goto(f"{HERE}/versions/1")
    confirmed(page, "Set as serving")
    expect(page.get_by_role("table", name="Endpoints")).to_be_focused()

    page.goto(f"{HERE}/endpoints")
    confirmed(page, "Stop serving")
    expect(place).to_be_focused()
    place.get_by_label("Let it be answered by").press("Enter")
    page.get_by_role("option", name=re.compile("version 1")).click()
    confirmed(page, "Serve")
    expect(place).to_be_focused()
    confirmed(page, "Stop serving")

    page.goto(f"{HERE}/versions/1/endpoints/local")
    confirmed(page, "Set as serving")
    expect(heading).to_be_focused()
    page.goto(f"{HERE}/endpoints")
    confirmed(page, "Stop serving")
    page.goto(f"{HERE}/versions/1/endpoints/local")
    confirmed(page, "Undeploy")
    expect(heading).to_be_focused()


def test_a_cancelled_deploy_leaves_the_keyboard_on_its_page(page: Page, platform: Platform, press: Deployed) -> None:
    version_id, number = platform.finished_version(press.model_id)
    platform.deploy(version_id)
    page.goto(f"{HERE}/versions/{number}/endpoints/local")
    confirmed(page, "Cancel the deploy")
    expect(page.get_by_role("heading", level=1)).to_be_focused()


def test_a_button_that_was_busy_has_the_keyboard_again(page: Page, press: Deployed) -> None:
    page.goto(f"{HERE}/versions/1")
    refresh = page.get_by_role("button", name="Refresh")
    refresh.press("Enter")
    expect(page.get_by_text("Read from MLflow again.")).to_be_visible()
    expect(refresh).to_be_focused()


def test_who_chose_none_chooses_others(page: Page, press: Deployed) -> None:
    page.goto(f"{HERE}?v=1")
    expect(page.get_by_label("Compare version 1")).to_be_checked()
    page.get_by_role("button", name="Choose none").press("Enter")
    expect(page.get_by_role("checkbox", name=re.compile("Compare version")).first).to_be_focused()
