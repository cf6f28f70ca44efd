"""GraphiQL's own door and its looks: one session with the console, the console's choice of light or dark."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable

from playwright.sync_api import BrowserContext, Page, expect

from tests.platform import Platform, until


def test_a_wrong_token_is_told_and_a_good_one_begins_the_session(context: BrowserContext, platform: Platform) -> None:
    page = context.new_page()
    page.goto("/graphiql?token=wrong")
    expect(page.get_by_role("alert")).to_contain_text("does not know this token")
    assert "token" not in page.url
    page.get_by_label("Token").fill(platform.addresses["token"])
    page.get_by_role("button", name="Open").click()
    editor = page.locator(".graphiql-container")
    expect(editor).to_be_visible()
    page.reload()
    expect(editor).to_be_visible()
    assert platform.addresses["token"] not in page.evaluate("JSON.stringify([localStorage, sessionStorage])")


def test_who_is_signed_in_to_the_console_is_in_and_signs_out_of_both(page: Page) -> None:
    page.get_by_role("link", name="GraphiQL").first.click()
    expect(page.locator(".graphiql-container")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Token")).to_be_visible()
    page.goto("/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in to Merlin")


def run(page: Page, shows: Callable[[str], bool]) -> None:
    """Run what stands in the editor until the result is right: GraphiQL takes a moment to know a tab's operation."""
    execute = page.get_by_role("button", name="Execute query")

    def is_right() -> bool:
        if execute.is_visible():
            execute.click()
        return shows(page.locator(".result-window").inner_text())

    until(is_right, 30, "GraphiQL shows what was asked for")


def test_an_example_runs_and_a_subscription_is_accepted_with_the_session(page: Page, platform: Platform) -> None:
    page.goto("/graphiql")
    editor = page.locator(".graphiql-query-editor")
    expect(editor).to_contain_text("query Overview")
    run(page, lambda result: "totalCount" in result)
    page.get_by_role("tab", name="Follow").click()
    expect(editor).to_contain_text("subscription Follow")
    names = itertools.count()

    # It is told of what happens once it stands, so something happens until it is told.
    def is_told(result: str) -> bool:
        told = "model.created" in result
        if not told:
            platform.model("asked", f"model-{next(names)}")
        return told

    run(page, is_told)


def test_light_and_dark_follow_the_console_and_the_system(page: Page) -> None:
    page.emulate_media(color_scheme="light")
    page.goto("/graphiql")
    expect(page.locator("body")).to_have_class(re.compile("graphiql-light"))
    page.emulate_media(color_scheme="dark")
    expect(page.locator("body")).to_have_class(re.compile("graphiql-dark"))
    expect(page.locator(".monaco-editor").first).to_have_class(re.compile("vs-dark"))
    page.evaluate("localStorage.setItem('mantine-color-scheme-value', 'light')")
    page.reload()
    expect(page.locator("body")).to_have_class(re.compile("graphiql-light"))
