"""Every page of the console, light and dark, into docs/console: `python -m tests.console.screenshots`.

The platform that is shown is a real one with real models: one that serves, one that fails, one not yet deployed.
"""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests.console.conftest import ARGUMENTS, CHROMIUM, SECONDS
from tests.console.seen import loaded
from tests.platform import ROOT, Platform, running_platform, until

FOLDER = ROOT / "docs" / "console"
SIZE = {"width": 1280, "height": 860}
MOST_BYTES = 150_000

IRIS = "/projects/shop/models/iris"
PAGES = {
    "home": "/",
    "models": "/projects/shop",
    "model": IRIS,
    "traffic": f"{IRIS}/endpoints",
    "compare": f"{IRIS}/compare?v=1&v=2&v=3",
    "version": f"{IRIS}/versions/3",
    "deploy": f"{IRIS}/versions/3/deploy?environment=live",
    "endpoint": f"{IRIS}/versions/1/endpoints/local",
    "endpoint-failed": f"{IRIS}/versions/2/endpoints/local",
    "endpoint-try": f"{IRIS}/versions/1/endpoints/local?tab=call",
    "endpoint-logs": f"{IRIS}/versions/1/endpoints/local?tab=logs",
    "endpoint-history": f"{IRIS}/versions/1/endpoints/local?tab=history",
    "activity": "/projects/shop/activity",
    "audit": "/projects/shop/activity?of=audit",
    "endpoints": "/projects/shop/endpoints?view=all",
    "settings": "/projects/shop/settings",
    "environments": "/environments",
    "environment": "/environments/live",
}


def fill(platform: Platform) -> None:
    """Something to look at."""
    iris = platform.deployed("shop", "iris")
    platform.change("serveVersion", "modelEndpoint { id }", versionEndpointId=iris.endpoint_id)
    platform.deploy(iris.version_id, comment="more memory", resources={"memoryRequest": "640Mi"})
    platform.settled(iris.endpoint_id)
    platform.deploy(iris.version_id, comment="for the sale", minReplicas=2, maxReplicas=2)
    live = platform.deploy(iris.version_id, environment="live")
    platform.settled(live)
    platform.change("serveVersion", "modelEndpoint { id }", versionEndpointId=live)
    broken, _ = platform.finished_version(iris.model_id, "broken")
    platform.settled(platform.deploy(broken))
    candidate, _ = platform.finished_version(iris.model_id)
    platform.change(
        "setVersionLabels", "version { id }", versionId=candidate, labels=[{"key": "stage", "value": "candidate"}]
    )
    platform.change("setVersionAlias", "version { id }", versionId=candidate, alias="challenger")
    platform.model("shop", "returns")
    shop = platform.project("shop")
    people = {"admin": "ADMINISTRATOR", "nightly-training": "EDITOR", "rita@example.org": "READER"}
    platform.change(
        "updateProject",
        "project { id }",
        projectId=shop,
        description="What the shop recommends and forecasts.",
        team="retail",
        labels=[{"key": "cost-centre", "value": "4711"}],
        members=[{"subject": subject, "role": role} for subject, role in people.items()],
    )
    platform.change("setSecret", "secret { name }", projectId=shop, name="warehouse-password", value="not shown")
    platform.project("fraud")
    until(lambda: platform.endpoint(iris.endpoint_id)["servingWeight"] == 100, 60, "iris serves")
    platform.settled(iris.endpoint_id)


def main() -> int:
    """Write the pictures; 1 when one is too large to be kept."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with running_platform() as platform, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        first_run(browser, platform)
        platform.add_environment("live", limits={"max_cpu": "2", "max_memory": "2Gi", "max_replicas": 4})
        fill(platform)
        for scheme in ("light", "dark"):
            page = opened(browser, platform, scheme)
            for name, path in PAGES.items():
                page.goto(path)
                take(page, f"{name}-{scheme}")
        browser.close()
    large = [path.name for path in FOLDER.glob("*.png") if path.stat().st_size > MOST_BYTES]
    for name in large:
        print(f"{name} is larger than {MOST_BYTES} bytes", file=sys.stderr)
    return 1 if large else 0


def first_run(browser: Browser, platform: Platform) -> None:
    """What is seen before there is anything, and by who has no session."""
    for scheme in ("light", "dark"):
        take(opened(browser, platform, scheme), f"first-run-{scheme}")
        page = opened(browser, platform, scheme, session=False)
        take(page, f"sign-in-{scheme}")


def opened(browser: Browser, platform: Platform, scheme: str, *, session: bool = True) -> Page:
    """The home page in that colour scheme."""
    context = browser.new_context(
        viewport={"width": SIZE["width"], "height": SIZE["height"]},
        base_url=platform.addresses["console"],
        color_scheme="dark" if scheme == "dark" else "light",
        reduced_motion="reduce",
    )
    context.set_default_timeout(SECONDS * 1000)
    page = context.new_page()
    page.goto(f"/?token={platform.addresses['token']}" if session else "/")
    if session:
        page.get_by_role("banner").wait_for()
    return page


def take(page: Page, name: str) -> None:
    """A picture of what is in the window, once nothing loads any more."""
    loaded(page)
    path: Path = FOLDER / f"{name}.png"
    page.screenshot(path=path, animations="disabled")


if __name__ == "__main__":
    sys.exit(main())
