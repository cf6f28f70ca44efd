"""The console in Debian's Chromium: first paint, weight, answer to input, status on screen, other hosts.

Everything is measured by the browser itself, on a platform of the benchmark's own and a model with 10,000 versions:
paints and interactions by its Paint Timing and Event Timing (which rounds to 8 ms), weight by its Resource Timing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from urllib.parse import urlsplit

import httpx
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Locator,
    Page,
    Request,
    StorageState,
    expect,
    sync_playwright,
)

from bench.platform import cluster
from bench.report import Figure, percentile, write
from tests.console.conftest import ARGUMENTS, CHROMIUM
from tests.console.many import fill_versions
from tests.console.seen import loaded, open_page
from tests.platform import Platform, running_platform

COMMAND = "python -m bench console"
VERSIONS = 10_000
LOADS = 10
ROUNDS = 5
CHANGES = 20
VERSIONS_PAGE = "/projects/bench/models/many"

# The interactions of the page from now on, each with what it was: the browser tells those of 16 ms and more.
_WATCH_INTERACTIONS = """() => {
  const longest = (window.interactions = new Map());
  new PerformanceObserver((list) => {
    for (const { interactionId: id, duration, name, target } of list.getEntries())
      if (id && duration > (longest.get(id)?.[0] ?? 0))
        longest.set(id, [duration, `${name} on ${target?.ariaLabel ?? target?.innerText ?? target?.id}`]);
  }).observe({ type: 'event', durationThreshold: 16 });
}"""

# A promise of the moment, in milliseconds of the wall clock, when a frame was drawn in which a badge says this word.
_WATCH_WORD = """([word, most]) => {
  window.drawn = new Promise((resolve, reject) => {
    const observer = new MutationObserver(() => {
      if (![...document.querySelectorAll('main span')].some((span) => span.textContent === word)) return;
      observer.disconnect();
      requestAnimationFrame(() => setTimeout(() => resolve(Date.now())));
    });
    observer.observe(document.body, { subtree: true, childList: true, characterData: true });
    setTimeout(() => reject(new Error(`${word} did not come`)), most);
  });
  window.drawn.catch(() => undefined);
}"""

# The encoded size of each file of the page, by its address.
_RECEIVED = """() => Object.fromEntries(
  [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
    .filter((entry) => !entry.name.includes('/graphql'))
    .map((entry) => [new URL(entry.name).pathname, entry.encodedBodySize]))"""


def main() -> None:
    """Measure and write bench/results/console.json. Raises RuntimeError when another host was asked."""
    with running_platform() as platform, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        number, workload = fill(platform)
        sight = Sight(platform, browser)
        endpoint_page = f"{VERSIONS_PAGE}/versions/{number}/endpoints/local"
        figures = [
            *painted(sight, "Home", "/"),
            *painted(sight, "10,000 versions", VERSIONS_PAGE),
            weight(sight),
            *interacted(sight),
            *changed(sight, platform, "endpoint's page", endpoint_page, workload),
            *changed(sight, platform, "10,000 versions", VERSIONS_PAGE, workload),
            figure("requests to other hosts", len(sight.others), "", "0", 1),
        ]
        browser.close()
    write("console", figures)
    if sight.others:
        raise RuntimeError(f"other hosts were asked: {', '.join(sorted(sight.others))}")


def fill(platform: Platform) -> tuple[int, str]:
    """A model with 10,000 versions that were logged and one that runs: its number and the name of its workload."""
    platform.finished_version(platform.model("bench", "first"))
    many = platform.model("bench", "many")
    fill_versions(platform, many, VERSIONS)
    version, number = platform.finished_version(many)
    endpoint = platform.settled(platform.deploy(version))
    return number, str(endpoint["revisions"]["nodes"][0]["serviceName"])


class Sight:
    """Windows without a cache, signed in; what they ask of other hosts is kept in ``others``."""

    def __init__(self, platform: Platform, browser: Browser) -> None:
        self.others: set[str] = set()
        self._browser, self._console = browser, platform.addresses["console"]
        self._session: StorageState | None = None
        context = self.window()
        open_page(context, platform)
        self._session = context.storage_state()
        context.close()

    def window(self) -> BrowserContext:
        """A new one, with the session and an empty cache."""
        context = self._browser.new_context(
            viewport={"width": 1360, "height": 900}, base_url=self._console, storage_state=self._session
        )
        host = urlsplit(self._console).netloc

        def on_request(request: Request) -> None:
            parts = urlsplit(request.url)
            if parts.scheme not in ("data", "blob") and parts.netloc != host:
                self.others.add(request.url)

        context.on("request", on_request)
        return context

    @contextmanager
    def page(self, path: str) -> Iterator[Page]:
        """A page of a new window, with all of it there."""
        context = self.window()
        page = context.new_page()
        page.goto(path)
        loaded(page)
        yield page
        context.close()


def painted(sight: Sight, what: str, path: str) -> Iterator[Figure]:
    """The first contentful paint of a page that is opened with an empty cache, and until nothing of it loads."""
    first, whole = [], []
    for _ in range(LOADS):
        with sight.page(path) as page:
            whole.append(page.evaluate("performance.now()"))
            first.append(page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime"))
    yield figure(f"first contentful paint, {what} (median)", median(first), "ms", "< 1 s", 1000)
    yield figure(f"first contentful paint, {what} (worst of {LOADS})", max(first), "ms", "< 1 s", 1000)
    yield figure(f"all there, {what} (median)", median(whole), "ms", "")


def weight(sight: Sight) -> Figure:
    """What the browser received for Home, bodies as they were encoded; without the answers of the API."""
    with sight.page("/") as page:
        received: dict[str, int] = page.evaluate(_RECEIVED)
    for name, size in sorted(received.items(), key=lambda each: -each[1]):
        print(f"  {size / 1000:7.1f} kB  {name}")
    return figure("first page, as received", sum(received.values()) / 1000, "kB", "< 250 kB", 250)


def interacted(sight: Sight) -> Iterator[Figure]:
    """From a key or a click to the next frame that shows it; the slowest kinds are printed."""
    with sight.page(VERSIONS_PAGE) as page:
        page.evaluate(_WATCH_INTERACTIONS)
        for _ in range(ROUNDS):
            for act in (turned, sorted_by, searched, ticked, filtered):
                act(page)
                loaded(page)
        count: int = page.evaluate("performance.interactionCount")
        told: list[tuple[float, str]] = page.evaluate("[...window.interactions.values()]")
    # The browser tells only of those that took 16 ms or more.
    durations = [*(duration for duration, _ in told), *[16.0] * (count - len(told))]
    print(f"  {count} interactions, {len(told)} of 16 ms or more; the slowest:")
    for duration, what in sorted(told, reverse=True)[:8]:
        print(f"  {duration:7.0f} ms  {what[:80]}")
    # INP is defined so: one of each fifty interactions may be slower.
    inp = percentile(durations, 0.98)
    yield figure("interaction to next paint (INP), 10,000 versions", inp, "ms", "< 100 ms", 100)
    yield figure("slowest interaction, 10,000 versions", max(durations), "ms", "")


def turned(page: Page) -> None:
    """To the next page and back."""
    page.get_by_role("button", name="Next").click()
    loaded(page)
    page.get_by_role("button", name="Previous").click()


def sorted_by(page: Page) -> None:
    """By number, the other way round, and back."""
    for _ in range(2):
        page.get_by_role("columnheader", name="Version").get_by_role("button").click()
        loaded(page)


def searched(page: Page) -> None:
    """A run's name, typed key by key."""
    field = page.get_by_placeholder("Find by run name")
    field.press_sequentially("run-777", delay=30)
    expect(page.get_by_text("11 versions")).to_be_visible()
    field.press("ControlOrMeta+a")
    field.press("Backspace")
    expect(page.get_by_text(f"{VERSIONS + 1:,} versions")).to_be_visible()


def ticked(page: Page) -> None:
    """Two versions chosen for a comparison, and given up."""
    for version in (VERSIONS, VERSIONS - 1):
        page.get_by_label(f"Compare version {version}", exact=True).check()
    for version in (VERSIONS, VERSIONS - 1):
        page.get_by_label(f"Compare version {version}", exact=True).uncheck()


def filtered(page: Page) -> None:
    """By a metric, and the filter removed."""
    page.get_by_role("button", name="Filter").click()
    page.get_by_label("Metric", exact=True).fill("accuracy > 2")
    page.keyboard.press("Enter")
    expect(page.get_by_text("No version matches")).to_be_visible()
    page.keyboard.press("Escape")
    page.go_back()


def changed(sight: Sight, platform: Platform, what: str, path: str, workload: str) -> Iterator[Figure]:
    """From the acknowledged write to the cluster's API, which deletes the only pod, to the frame that says so."""
    milliseconds = []
    with cluster(platform, httpx.Timeout(10)) as http, sight.page(path) as page:
        for _ in range(CHANGES):
            expect(badges(page, "Unhealthy")).to_have_count(0)
            expect(badges(page, "Running").first).to_be_visible()
            page.evaluate(_WATCH_WORD, ["Unhealthy", 20_000])
            [pod] = living(http, workload)
            http.delete(f"api/v1/namespaces/bench/pods/{pod}").raise_for_status()
            acknowledged = time.time() * 1000
            milliseconds.append(max(0.0, page.evaluate("window.drawn") - acknowledged))
    yield figure(f"cluster change to screen, {what} (median)", median(milliseconds), "ms", "< 200 ms", 200)
    yield figure(f"cluster change to screen, {what} (worst of {CHANGES})", max(milliseconds), "ms", "< 200 ms", 200)


def badges(page: Page, word: str) -> Locator:
    """Where the page says this of an endpoint, or of a pod."""
    return page.locator("main span").get_by_text(word, exact=True)


def living(http: httpx.Client, workload: str) -> list[str]:
    """The names of the workload's pods that are not on their way out."""
    query = {"labelSelector": f"serving.kserve.io/inferenceservice={workload}"}
    pods = http.get("api/v1/namespaces/bench/pods", params=query).raise_for_status().json()["items"]
    return [pod["metadata"]["name"] for pod in pods if "deletionTimestamp" not in pod["metadata"]]


def figure(name: str, value: float, unit: str, reach: str, limit: float | None = None) -> Figure:
    """A figure that is met when it stays under the limit."""
    return Figure(name, round(value, 1), unit, COMMAND, reach, None if limit is None else value < limit)


if __name__ == "__main__":
    main()
