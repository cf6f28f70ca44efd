"""What a browser is seen to do: other hosts, uncaught errors, broken policies."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Request, Route, expect

from tests.platform import Platform

AXE = Path(__file__).parent.parent.parent / "ui" / "console" / "node_modules" / "axe-core" / "axe.min.js"
# What a browser says of a server that is away, was killed while it answered, or has no such address: tests do all of it
# on purpose, and which of Chromium's dozens of connection errors it names is a matter of the millisecond.
_EXPECTED = re.compile(r"net::ERR_(?!BLOCKED_BY|CERT|UNSAFE|DISALLOWED)|status of 40|WebSocket connection")


class Seen:
    """``wrong`` must stay empty; a test adds to ``expected`` what it brings about itself.

    ``unanswered``: what pages asked for and did not get, nor gave up, in order: why one that waits in vain does so.
    """

    def __init__(self) -> None:
        self.wrong: list[str] = []
        self.expected: list[str] = []
        self.unanswered: list[str] = []

    def watch(self, context: BrowserContext, host: str) -> None:
        """Listen to every page of the context; only ``host`` may be asked."""

        def on_request(request: Request) -> None:
            self.unanswered.append(f"{request.method} {request.url}")
            parts = urlsplit(request.url)
            if parts.scheme not in ("data", "blob", "about") and parts.netloc != host:
                self.wrong.append(f"asked {request.url}")

        def on_end(request: Request) -> None:
            with contextlib.suppress(ValueError):  # asked before we listened
                self.unanswered.remove(f"{request.method} {request.url}")

        def on_console(message: ConsoleMessage) -> None:
            if message.type == "error" and not self._is_expected(message.text):
                self.wrong.append(f"said {message.text} of {message.location.get('url')}")

        def on_page(page: Page) -> None:
            page.on("pageerror", lambda error: self.wrong.append(f"threw {error}"))

        context.on("request", on_request)
        context.on("requestfinished", on_end)
        context.on("requestfailed", on_end)
        context.on("console", on_console)
        context.on("page", on_page)

    def _is_expected(self, text: str) -> bool:
        return bool(_EXPECTED.search(text)) or any(expected in text for expected in self.expected)


def open_page(context: BrowserContext, platform: Platform, path: str = "/") -> Page:
    """A new page, signed in by the printed address, at this path."""
    page = context.new_page()
    page.goto(f"{path}{'&' if '?' in path else '?'}token={platform.addresses['token']}")
    page.get_by_role("heading", level=1).wait_for()
    return page


def loaded(page: Page) -> None:
    """Wait until the page has a heading and nothing of it is on its way any more."""
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.locator("[aria-busy=true], .mantine-Skeleton-root, .mantine-Loader-root")).to_have_count(0)


def held(page: Page, operation: str) -> list[Route]:
    """What the page asks with that GraphQL operation (``query Session``); it comes to the API once it is continued."""
    asked: list[Route] = []

    def hold(route: Route) -> None:
        if operation in (route.request.post_data or ""):
            asked.append(route)
        else:
            route.continue_()

    page.route("**/graphql", hold)
    return asked


def serious(page: Page) -> list[dict[str, Any]]:
    """What axe finds serious or critical on the page as it is now (WCAG A and AA)."""
    page.evaluate(AXE.read_text())
    found: list[dict[str, Any]] = page.evaluate(
        """async () => (await axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']}))
        .violations.filter(v => ['serious', 'critical'].includes(v.impact))
        .map(v => ({rule: v.id, nodes: v.nodes.slice(0, 3).map(n => n.html.slice(0, 200) + ' ' + n.failureSummary)}))"""
    )
    return found
