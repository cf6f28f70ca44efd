"""The console in a real browser, on a real platform: getting in, lists, tags, comparison, traffic, a cut line."""

from __future__ import annotations

import re
from typing import Literal

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.console.many import fill_versions
from tests.console.seen import held, loaded, open_page, serious
from tests.platform import Deployed, Platform, until


@pytest.fixture(scope="module")
def wine(platform: Platform) -> Deployed:
    """wine/quality: version 1 serves, version 2 runs, version 3 is only logged."""
    first = platform.deployed("wine", "quality")
    platform.change("serveVersion", "modelEndpoint { id }", versionEndpointId=first.endpoint_id)
    second, _ = platform.finished_version(first.model_id)
    assert platform.settled(platform.deploy(second))["lifecycle"] == "RUNNING"
    platform.finished_version(first.model_id)
    return first


@pytest.fixture(scope="module")
def many(platform: Platform, wine: Deployed) -> str:
    """The page of a model with 10,000 versions."""
    fill_versions(platform, platform.model("many", "versions"), 10_000)
    return "/projects/many/models/versions"


def test_first_run_shows_how_to_log_a_model(context: BrowserContext, platform: Platform) -> None:
    page = open_page(context, platform)
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile("Welcome|Projects"))
    if platform.ask("{ projects { totalCount } }")["projects"]["totalCount"] == 0:
        expect(page.get_by_role("region", name="Python for a notebook")).to_contain_text(
            f'merlin.set_url("{platform.addresses["console"].rstrip("/")}")'
        )
    assert "token" not in page.url


def test_who_comes_without_a_session_is_told_how_to_get_in(context: BrowserContext, platform: Platform) -> None:
    page = context.new_page()
    page.goto("/environments")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in to Merlin")
    page.get_by_label("Or paste a token").fill("nonsense")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("Merlin does not know this token")).to_be_visible()
    assert serious(page) == []
    page.get_by_label("Or paste a token").fill(platform.addresses["token"])
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Environments")
    [cookie] = context.cookies(platform.addresses["graphql"])
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Strict", "/graphql")
    page.get_by_role("button", name="You: admin").click()
    page.get_by_role("menuitem", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in to Merlin")


def test_a_project_and_a_model_are_made_in_forms_that_say_what_is_wrong(page: Page) -> None:
    page.get_by_role("button", name="New project").click()
    name = page.get_by_role("textbox", name="Name")
    name.fill("Fraud")
    expect(page.get_by_text("Only a to z, 0 to 9 and -.")).to_be_visible()
    name.fill("kube-system")
    page.get_by_role("button", name="Create project").click()
    expect(page.get_by_role("dialog")).to_contain_text("kube-")
    name.fill("churn")
    page.get_by_role("button", name="Create project").click()
    expect(page).to_have_url(re.compile("/projects/churn$"))
    expect(page.get_by_text("No models yet")).to_be_visible()
    page.get_by_role("button", name="New model").click()
    page.get_by_role("textbox", name="Name").fill("monthly")
    page.get_by_role("button", name="Create model").click()
    expect(page).to_have_url(re.compile("/projects/churn/models/monthly$"))
    expect(page.get_by_text("No versions yet")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("link", name="monthly")).to_be_visible()


def test_home_counts_what_is_deployed_of_each_project(page: Page, wine: Deployed) -> None:
    row = page.get_by_role("table", name="Projects").get_by_role("row").filter(has_text="wine")
    expect(row.get_by_text("1 serving")).to_be_visible()
    expect(row.get_by_text("1 running")).to_be_visible()


def test_each_count_leads_to_what_it_counts(page: Page, wine: Deployed) -> None:
    row = page.get_by_role("table", name="Projects").get_by_role("row").filter(has_text="wine")
    row.get_by_role("link", name="1 running").press("Enter")
    listed = page.get_by_role("table", name="Endpoints of wine")
    expect(listed.get_by_role("link")).to_have_text(["wine/quality version 2"])
    expect(listed.get_by_role("cell", name="local")).to_be_visible()
    page.go_back()
    row.get_by_role("link", name="1 serving").press("Enter")
    expect(page.get_by_role("radio", name="Serving", exact=True)).to_be_checked()
    expect(page.get_by_role("table", name="Models of wine").get_by_role("link", name="quality")).to_be_visible()


def test_labels_and_aliases_are_changed_in_place_and_others_see_it_at_once(
    page: Page, context: BrowserContext, platform: Platform, wine: Deployed
) -> None:
    page.goto("/projects/wine/models/quality")
    other = open_page(context, platform, "/projects/wine/models/quality")
    for text in ("stage=candidate", "@champion"):
        page.get_by_label("Add a label or an alias to version 2").click()
        page.get_by_label("Label or alias", exact=True).fill(text)
        page.keyboard.press("Enter")
        expect(other.get_by_text(text.removeprefix("@"), exact=True)).to_be_visible()
    page.get_by_role("button", name="Remove stage=candidate").click()
    page.get_by_role("button", name="Remove label").click()
    expect(other.get_by_text("stage=candidate")).to_have_count(0)


def test_filters_sorting_and_columns_live_in_the_address(page: Page, wine: Deployed) -> None:
    page.goto("/projects/wine/models/quality?status=SERVING")
    expect(page.get_by_role("link", name=re.compile(r"^Version \d"))).to_have_count(1)
    page.get_by_role("button", name="Remove Serving").click()
    expect(page.get_by_role("link", name=re.compile(r"^Version \d"))).to_have_count(3)
    page.get_by_role("button", name="Filter").click()
    page.get_by_label("Metric", exact=True).fill("accuracy > 2")
    page.keyboard.press("Enter")
    expect(page.get_by_text("No version matches")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("link", name=re.compile(r"^Version \d"))).to_have_count(3)
    page.keyboard.press("Escape")
    page.get_by_role("columnheader", name="Version").get_by_role("button").click()
    expect(page).to_have_url(re.compile("sort=number"))
    page.goto("/projects/wine/models/quality?show=param:max_iter")
    expect(page.get_by_role("columnheader", name="max_iter")).to_be_visible()
    expect(page.get_by_role("cell", name="500")).to_have_count(3)


def test_versions_are_compared(page: Page, wine: Deployed) -> None:
    page.goto("/projects/wine/models/quality")
    for version in (1, 3):
        page.get_by_label(f"Compare version {version}").check()
    page.get_by_role("button", name="Compare 2 versions").click()
    expect(page).to_have_url(re.compile(r"/compare\?v=1&v=3$"))
    expect(page.get_by_role("row", name=re.compile("accuracy"))).to_be_visible()
    expect(page.get_by_role("row", name=re.compile("scikit-learn"))).to_be_visible()
    page.get_by_label("Only differences").check()
    expect(page.get_by_role("row", name=re.compile("max_iter"))).to_have_count(0)


def test_a_switch_that_lives_in_the_address_follows_each_click(page: Page, wine: Deployed) -> None:
    page.goto("/projects/wine/models/quality/compare?v=1&v=3")
    expect(page.get_by_role("row", name=re.compile("accuracy"))).to_be_visible()
    only_differences = page.get_by_label("Only differences")
    for _ in range(5):
        only_differences.check()
        only_differences.uncheck()
    expect(page).to_have_url(re.compile(r"/compare\?v=1&v=3$"))


def test_traffic_is_switched_after_asking_once_and_the_address_stays(
    page: Page, platform: Platform, wine: Deployed
) -> None:
    page.goto("/projects/wine/models/quality/endpoints")
    place = page.get_by_role("region", name="Traffic in local")
    url = place.locator(".mono").first.inner_text()
    place.get_by_label("Switch to").click()
    page.get_by_role("option", name=re.compile("version 2")).click()
    place.get_by_role("button", name="Switch").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("go to version 2 instead of version 1")
    dialog.get_by_role("button", name="Switch").click()
    expect(place.get_by_role("link", name="version 2")).to_be_visible()
    expect(place.get_by_label("Share of version 2")).to_be_visible()
    assert place.locator(".mono").first.inner_text() == url
    assert platform.predict(url, "quality").status_code == 200


def test_activity_is_live_filtered_and_says_what_it_is_about(page: Page, platform: Platform, wine: Deployed) -> None:
    page.goto("/projects/wine/activity")
    timeline = page.get_by_role("region", name="Timeline")
    expect(timeline.get_by_role("link", name="quality version 1 in local").first).to_be_visible()
    platform.change(
        "setVersionLabels", "version { id }", versionId=wine.version_id, labels=[{"key": "seen", "value": "live"}]
    )
    expect(timeline.get_by_role("listitem").first).to_contain_text("labels changed")
    page.goto("/projects/wine/activity?type=deployment.ready")
    expect(timeline.get_by_role("listitem")).to_have_count(2)
    page.get_by_role("tab", name="Audit").click()
    expect(page.get_by_role("cell", name="version.labels_changed")).not_to_have_count(0)


def test_an_environment_shows_health_limits_and_what_runs(page: Page, wine: Deployed) -> None:
    page.goto("/environments")
    page.get_by_role("link", name="local", exact=True).first.click()
    expect(page.get_by_role("region", name="Limits")).to_be_visible()
    expect(page.get_by_role("link", name="wine/quality version 2")).to_be_visible()
    expect(page.get_by_role("banner").get_by_text("Cluster answers")).to_be_visible()


def test_ten_thousand_versions_are_paged_by_the_server(page: Page, many: str) -> None:
    page.goto(many)
    expect(page.get_by_text("10,000 versions")).to_be_visible()
    expect(page.get_by_role("link", name="Version 10000", exact=True)).to_be_visible()
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_role("link", name="Version 9975", exact=True)).to_be_visible()
    expect(page.get_by_role("row")).to_have_count(26)
    page.get_by_role("button", name="Previous").click()
    expect(page.get_by_role("link", name="Version 10000", exact=True)).to_be_visible()
    page.get_by_placeholder("Find by run name").fill("run-777")
    expect(page.get_by_text("11 versions")).to_be_visible()
    page.goto(f"{many}?label=parity%3Dodd")
    expect(page.get_by_text("5,000 versions")).to_be_visible()


def test_until_the_rows_that_were_asked_for_are_there_the_ones_before_can_be_read(page: Page, many: str) -> None:
    page.goto(many)
    loaded(page)
    asked = held(page, "query ModelVersions")
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_role("table")).to_have_attribute("aria-busy", "true")
    expect(page.locator("tbody.outdated").get_by_role("link", name="Version 10000", exact=True)).to_be_visible()
    assert serious(page) == []
    for route in asked:
        route.continue_()
    expect(page.get_by_role("link", name="Version 9975", exact=True)).to_be_visible()


def test_a_cut_connection_is_said_and_heals_and_no_event_is_lost(
    page: Page, platform: Platform, wine: Deployed
) -> None:
    page.goto("/projects/wine/activity")
    timeline = page.get_by_role("region", name="Timeline")
    expect(timeline.get_by_role("listitem").first).to_be_visible()
    page.context.set_offline(True)
    platform.kill("api")
    expect(page.get_by_text("The connection to Merlin is lost.")).to_be_visible()
    labels = [{"key": "while", "value": "away"}]

    def told() -> bool:
        return bool(platform.change("setVersionLabels", "version { id }", versionId=wine.version_id, labels=labels))

    until(told, 30, "the API answers again")
    page.context.set_offline(False)
    expect(page.get_by_text("The connection to Merlin is lost.")).to_have_count(0)
    expect(timeline.get_by_role("listitem").first).to_contain_text("labels changed")


PAGES = (
    "/",
    "/projects/wine",
    "/projects/wine/endpoints?view=all",
    "/projects/wine/models/quality",
    "/projects/wine/models/quality/endpoints",
    "/projects/wine/models/quality/compare?v=1&v=2",
    "/projects/wine/models/quality/activity",
    "/projects/wine/activity?of=audit",
    "/environments",
    "/environments/local",
    "/nowhere",
)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(page: Page, wine: Deployed, scheme: Literal["light", "dark"]) -> None:
    page.emulate_media(color_scheme=scheme)
    found = {}
    for path in PAGES:
        page.goto(path)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        page.wait_for_load_state("networkidle")
        expect(page.get_by_role("status").filter(has_text="Loading")).to_have_count(0)
        if problems := serious(page):
            found[path] = problems
    assert found == {}
