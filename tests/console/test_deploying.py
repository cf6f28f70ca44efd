"""From a version to a live endpoint in a real browser: one click, failure, trial, switch, rollback, a cut line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.console.seen import loaded, open_page, serious
from tests.platform import Platform, until

HERE = "/projects/shop/models/iris/versions"
EVENTS = "query($ids: [ID!]) { events(subjects: $ids, last: 100) { nodes { message } } }"
TRAFFIC = 'query { model(project: "shop", name: "iris") { endpoint(environment: "local") { id } } }'


@dataclass(frozen=True)
class Iris:
    """shop/iris: versions 1 and 3 are good, version 2 cannot be loaded; the ids by number."""

    model_id: str
    versions: dict[int, str]


@pytest.fixture(scope="module")
def iris(platform: Platform) -> Iris:
    """Versions that are logged and nothing more; each test deploys what it needs (`running`)."""
    model_id = platform.model("shop", "iris")
    kinds = ("good", "broken", "good")
    return Iris(model_id, {number: id_ for id_, number in (platform.finished_version(model_id, k) for k in kinds)})


def running(platform: Platform, version_id: str) -> str:
    """The endpoint of the version, which runs and serves nothing under way."""
    found = platform.ask("query($id: ID!) { node(id: $id) { ... on Version { endpoint { id } } } }", id=version_id)
    existing = found["node"]["endpoint"]
    if existing is None or platform.endpoint(existing["id"])["lifecycle"] not in ("RUNNING", "SERVING"):
        existing = {"id": platform.deploy(version_id)}
    endpoint = platform.settled(existing["id"])
    assert endpoint["lifecycle"] in ("RUNNING", "SERVING"), endpoint
    return str(existing["id"])


def badge(page: Page, word: str) -> None:
    """The page's head says so."""
    expect(page.get_by_role("main").get_by_text(word, exact=True).first).to_be_visible()


def test_one_click_and_it_answers(page: Page, platform: Platform, iris: Iris) -> None:
    _, number = platform.finished_version(iris.model_id)
    page.goto(f"{HERE}/{number}")
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Version {number}")
    page.get_by_role("button", name="Deploy to local").click()
    expect(page).to_have_url(re.compile(f"{HERE}/{number}/endpoints/local$"))
    timeline = page.get_by_role("region", name="Timeline")
    expect(timeline.get_by_text("Revision 1 is active.")).to_be_visible()
    badge(page, "Running")
    expect(page.get_by_role("list", name="Rollout of revision 1")).to_contain_text("Active, done")
    expect(page.get_by_role("table", name="Pods").get_by_text("Ready")).to_be_visible()

    page.get_by_role("tab", name="Try it").click()
    page.get_by_label("petal length (cm)").fill("5.1")
    expect(page.get_by_role("region", name="curl")).to_contain_text('"data":[5.1]')
    page.get_by_role("button", name="Send").click()
    answer = page.get_by_role("group", name="Answer")
    expect(answer.get_by_text("Answered")).to_be_visible()
    expect(answer.get_by_text(re.compile(r"^\d+(\.\d)? ms$"))).to_be_visible()
    expect(answer).to_contain_text(f"by version {number}, revision 1")


def test_a_wrong_request_is_told_as_the_model_tells_it(page: Page, platform: Platform, iris: Iris) -> None:
    running(platform, iris.versions[1])
    page.goto(f"{HERE}/1/endpoints/local?tab=call")
    page.get_by_text("JSON", exact=True).click()
    request = page.get_by_role("textbox", name="V2 request")
    request.fill("{")
    expect(page.get_by_text("That is no JSON")).to_be_visible()
    expect(page.get_by_role("button", name="Send")).to_be_disabled()
    request.fill('{"inputs": [{"name": "nonsense", "shape": [1], "datatype": "FP64", "data": [1]}]}')
    request.press("Control+Enter")
    expect(page.get_by_role("group", name="Answer").get_by_text("Refused: 400")).to_be_visible()


def test_a_model_that_fails_shows_why_and_what_to_do(page: Page, iris: Iris) -> None:
    page.goto(f"{HERE}/2")
    page.get_by_role("button", name=re.compile("eploy to local")).click()
    cause = page.get_by_role("region", name="Root cause")
    expect(cause).to_contain_text("the weights are corrupt")
    expect(cause).to_contain_text("MODEL_LOAD_FAILED")
    expect(cause).to_contain_text("To mend it:")
    expect(cause.get_by_role("region", name="What it said")).to_contain_text("RuntimeError")
    badge(page, "Failed")
    expect(page.get_by_role("list", name="Rollout of revision")).to_contain_text("Pods ready, failed")


def test_settings_are_judged_as_one_types_and_planned_then_rolled_back(
    page: Page, platform: Platform, iris: Iris
) -> None:
    endpoint_id = running(platform, iris.versions[1])
    before = platform.endpoint(endpoint_id)["activeRevision"]["number"]
    page.goto(f"{HERE}/1/endpoints/local")
    page.get_by_role("link", name="Redeploy …").click()
    memory = page.get_by_label("Memory", exact=True)
    memory.fill("much")
    expect(page.get_by_text("As 512Mi, 1Gi or 1.5G.")).to_be_visible()
    expect(page.get_by_role("button", name="Redeploy to local")).to_be_disabled()
    memory.fill("640Mi")
    plan = page.get_by_role("region", name="Plan")
    expect(plan).to_contain_text(f"Revision {before + 1} gets pods of its own")
    expect(plan).to_contain_text("InferenceService")
    page.get_by_role("button", name="Add a variable").click()
    page.get_by_label("Name of variable 1").fill("KUBERNETES_SERVICE_HOST")
    expect(page.get_by_text(re.compile("KUBERNETES_SERVICE_HOST.*"))).not_to_have_count(0)
    page.get_by_label("Name of variable 1").fill("COLOUR")
    page.get_by_label("Value of variable 1").fill("green")
    page.get_by_label("Why").fill("more memory")
    page.get_by_role("button", name="Redeploy to local").click()
    expect(page.get_by_text(f"Revision {before + 1} is active.")).to_be_visible()

    page.get_by_role("tab", name="History").click()
    expect(page.get_by_role("row", name=re.compile("more memory"))).to_be_visible()
    changes = page.get_by_role("table", name=f"Changes from revision {before} to {before + 1}")
    expect(changes).to_contain_text("resources.memoryRequest")
    expect(changes).to_contain_text("640Mi")
    page.get_by_role("button", name=f"Roll back to revision {before}").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(f"Revision {before + 1} answers until it is ready.")
    dialog.get_by_role("button", name="Roll back").click()
    expect(page.get_by_role("row", name=re.compile(f"Rolled back to revision {before}"))).to_contain_text("Active")
    assert platform.settled(endpoint_id)["activeRevision"]["number"] == before + 2


def test_a_version_is_set_as_serving_and_the_model_switches(page: Page, platform: Platform, iris: Iris) -> None:
    first, third = running(platform, iris.versions[1]), running(platform, iris.versions[3])
    platform.change("serveVersion", "modelEndpoint { id }", versionEndpointId=first)
    until(lambda: platform.endpoint(first)["servingWeight"] == 100, 30, "version 1 serves")
    page.goto(f"{HERE}/3/endpoints/local")
    page.get_by_role("button", name="Set as serving").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("go to version 3 instead of version 1")
    dialog.get_by_role("button", name="Set as serving").click()
    badge(page, "Serving")
    expect(page.get_by_role("button", name="Set as serving")).to_have_count(0)
    page.get_by_role("button", name="Undeploy").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Version 3 serves: switch the traffic first")
    assert [error["code"] for error in platform.refusals("undeployVersion", versionEndpointId=third)] == [
        "STILL_SERVING"
    ]
    dialog.get_by_role("button", name="Leave it").click()
    expect(dialog).to_have_count(0)
    assert platform.endpoint(third)["servingWeight"] == 100


def test_logs_are_followed_searched_and_downloaded(page: Page, platform: Platform, iris: Iris) -> None:
    running(platform, iris.versions[1])
    page.goto(f"{HERE}/1/endpoints/local?tab=logs")
    log = page.get_by_role("log")
    expect(log.get_by_text("ready", exact=True)).to_be_visible()
    page.get_by_label("Search the log").fill("MODEL LOADED")
    expect(log.locator("mark").first).to_have_text("model loaded")
    expect(log.get_by_text("ready", exact=True)).to_have_count(0)
    with page.expect_download() as downloaded:
        page.get_by_role("button", name="Download").click()
    assert downloaded.value.suggested_filename == "shop-iris-1-local.log"
    page.get_by_label("Search the log").fill("nothing says this")
    expect(page.get_by_text("No line holds")).to_be_visible()


def test_a_cut_line_in_the_middle_of_a_rollout_loses_no_event(page: Page, platform: Platform, iris: Iris) -> None:
    endpoint_id = running(platform, iris.versions[1])
    number = platform.endpoint(endpoint_id)["activeRevision"]["number"] + 1
    page.goto(f"{HERE}/1/endpoints/local")
    timeline = page.get_by_role("region", name="Timeline")
    expect(timeline.get_by_role("listitem").first).to_be_visible()
    platform.deploy(iris.versions[1], comment="while the line is cut")
    expect(page.get_by_role("list", name=f"Rollout of revision {number}")).to_be_visible()
    platform.kill("api")
    expect(page.get_by_text("The connection to Merlin is lost.")).to_be_visible()
    expect(page.get_by_text("The connection to Merlin is lost.")).to_have_count(0)
    expect(timeline.get_by_text(f"Revision {number} is active.")).to_be_visible()
    platform.settled(endpoint_id)

    def told() -> list[str]:
        traffic = platform.ask(TRAFFIC)["model"]["endpoint"]
        about = [endpoint_id, *([traffic["id"]] if traffic else [])]
        nodes = platform.ask(EVENTS, ids=about)["events"]["nodes"]
        return [str(node["message"]) for node in reversed(nodes)]

    # The oldest that the page holds are on another of its pages.
    until(lambda: (seen := messages(page)) and seen == told()[: len(seen)], 20, "the page shows what happened")


def messages(page: Page) -> list[str]:
    """What the lines of the timeline say, the newest first."""
    lines = page.get_by_role("region", name="Timeline").get_by_role("listitem")
    return [text.split("\n")[0] for text in lines.locator("> div:last-child").all_inner_texts()]


def test_a_deploy_that_never_comes_up_is_cancelled_and_what_ran_goes_on(
    page: Page, platform: Platform, iris: Iris
) -> None:
    endpoint_id = running(platform, iris.versions[1])
    active = platform.endpoint(endpoint_id)["activeRevision"]["number"]
    platform.deploy(iris.versions[1], resources={"memoryRequest": "9Ti"})
    page.goto(f"{HERE}/1/endpoints/local")
    expect(page.get_by_text(re.compile(f"revision {active} answers meanwhile"))).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(f"revision {active} goes on answering as before")
    dialog.get_by_role("button", name="Cancel the deploy").click()
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
    assert platform.settled(endpoint_id)["activeRevision"]["number"] == active


def test_an_endpoint_is_undeployed_after_saying_what_that_means(page: Page, platform: Platform, iris: Iris) -> None:
    platform.settled(platform.deploy(iris.versions[2]))
    page.goto(f"{HERE}/2/endpoints/local")
    page.get_by_role("button", name="Undeploy").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("answers 404")
    dialog.get_by_role("button", name="Undeploy").click()
    badge(page, "Undeployed")
    expect(page.get_by_role("link", name="Deploy again …")).to_be_visible()


@pytest.fixture(scope="module", params=["light", "dark"])
def shaded(request: pytest.FixtureRequest, browser: Browser, platform: Platform) -> Iterator[Page]:
    """A signed-in page in light, and in dark."""
    context = browser.new_context(base_url=platform.addresses["console"], color_scheme=request.param)
    yield open_page(context, platform)
    context.close()


@pytest.mark.parametrize(
    "path", ["1", "1/deploy", "3/deploy", *(f"1/endpoints/local?tab={tab}" for tab in ("", "call", "logs", "history"))]
)
def test_axe_finds_nothing_serious(shaded: Page, platform: Platform, iris: Iris, path: str) -> None:
    running(platform, iris.versions[1])
    shaded.goto(f"{HERE}/{path}")
    loaded(shaded)
    assert serious(shaded) == []


def test_axe_finds_nothing_serious_about_a_failure(shaded: Page, platform: Platform, iris: Iris) -> None:
    platform.settled(platform.deploy(iris.versions[2]))
    shaded.goto(f"{HERE}/2/endpoints/local")
    expect(shaded.get_by_role("region", name="Root cause")).to_be_visible()
    assert serious(shaded) == []
