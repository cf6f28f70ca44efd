"""A platform of this folder's own and real Chromium in front of it.

Every page is watched: a request to another host, an uncaught error or anything the page's policy forbids fails the
test that opened it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from merlin.api.console import is_built
from tests.console.seen import Seen, open_page
from tests.platform import Platform, running_platform

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage")
SECONDS = 30

expect.set_options(timeout=SECONDS * 1000)


@pytest.fixture(scope="session")
def platform() -> Iterator[Platform]:
    """A running platform with nothing in it at first; tests use projects of their own."""
    assert is_built(), "The console is not built: install Node.js (20 or newer, with npm), then run `make setup`."
    assert Path(CHROMIUM).exists(), "Chromium was not found: apt-get install chromium."
    with running_platform() as platform:
        yield platform


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Debian's Chromium. It ends with this folder's tests: while it runs, its event loop is in the way of others'."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture
def seen() -> Iterator[Seen]:
    """What pages of this test did that they must not."""
    seen = Seen()
    yield seen
    assert seen.wrong == []


@pytest.fixture
def context(browser: Browser, platform: Platform, seen: Seen) -> Iterator[BrowserContext]:
    """A browser without a session."""
    context = browser.new_context(viewport={"width": 1360, "height": 900}, base_url=platform.addresses["console"])
    context.set_default_timeout(SECONDS * 1000)
    seen.watch(context, urlsplit(platform.addresses["console"]).netloc)
    yield context
    print("not answered when the test ended:", seen.unanswered)  # shown of a test that failed
    context.close()


@pytest.fixture
def page(context: BrowserContext, platform: Platform) -> Page:
    """A page of somebody who came by the printed address."""
    return open_page(context, platform)
