"""Deploying with others about, and acts that are refused: nobody's work is lost, and each refusal says enough."""

from __future__ import annotations

import asyncio
import hashlib
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import asyncpg
import psutil
import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.console.people import ADMIN, token_of, update
from tests.console.seen import held, loaded, open_page, serious
from tests.platform import Platform, until

HERE = "/projects/yard/models/wine/versions"


@dataclass(frozen=True)
class Wine:
    """yard/wine: version 1 runs; version 2 is finished and deployed nowhere."""

    model_id: str
    first: str
    endpoint: str
    second: str


@pytest.fixture(scope="module")
def wine(platform: Platform) -> Wine:
    """What the tests of this file share; none of them undeploys version 1."""
    made = platform.deployed("yard", "wine")
    second, _ = platform.finished_version(made.model_id)
    return Wine(made.model_id, made.version_id, made.endpoint_id, second)


def redeployed(platform: Platform, wine: Wine, **fields: object) -> int:
    """Somebody deploys version 1 by the API; the number of the revision."""
    made = platform.change("deployVersion", "revision { number }", versionId=wine.first, **fields)
    return int(made["revision"]["number"])


def test_what_others_deploy_meanwhile_is_followed_and_what_one_typed_stays(
    page: Page, context: BrowserContext, platform: Platform, wine: Wine
) -> None:
    redeployed(platform, wine, resources={"memoryRequest": "777Mi"})
    platform.settled(wine.endpoint)
    other = open_page(context, platform, f"{HERE}/1/deploy")
    page.goto(f"{HERE}/1/deploy")
    expect(page.get_by_label("Memory", exact=True)).to_have_value("777Mi")
    page.get_by_label("CPU", exact=True).fill("450m")
    page.get_by_role("button", name="Add a variable").click()
    page.keyboard.type("MINE")
    page.get_by_label("Value of variable 1").fill("1")

    other.get_by_label("Memory", exact=True).fill("600Mi")
    other.get_by_label("Why").fill("less memory")
    other.get_by_role("button", name="Redeploy to local").click()
    expect(other).to_have_url(re.compile("endpoints/local"))
    number = platform.settled(wine.endpoint)["activeRevision"]["number"]

    said = f"Revision {number} is there now: the fields you did not change follow it."
    expect(page.get_by_role("status").filter(has_text=said)).to_be_visible()
    expect(page.get_by_label("Memory", exact=True)).to_have_value("600Mi")
    expect(page.get_by_label("CPU", exact=True)).to_have_value("450m")
    plan = page.get_by_role("region", name="Plan")
    expect(plan).to_contain_text(f"Revision {number + 1} gets pods of its own")

    next_one = redeployed(platform, wine, variables=[{"name": "THEIRS", "value": "2"}])
    expect(page.get_by_label("Value of variable 2")).to_have_value("2")
    expect(page.get_by_label("Name of variable 1")).to_have_value("MINE")
    expect(plan).to_contain_text(f"Revision {next_one + 1} gets pods of its own")
    page.get_by_role("button", name="Redeploy to local").click()
    expect(page).to_have_url(re.compile("endpoints/local"))
    query = """query($id: ID!) { node(id: $id) { ... on VersionEndpoint { targetRevision { number spec {
      resources { cpuRequest memoryRequest } variables { name } } } } } }"""
    target = platform.ask(query, id=wine.endpoint)["node"]["targetRevision"]
    assert target["number"] == next_one + 1
    assert target["spec"]["resources"] == {"cpuRequest": "450m", "memoryRequest": "600Mi"}
    assert [variable["name"] for variable in target["spec"]["variables"]] == ["MINE", "THEIRS"]


def test_a_deploy_that_somebody_else_forestalled_is_refused_and_asked_for_anew(
    page: Page, platform: Platform, wine: Wine
) -> None:
    page.goto(f"{HERE}/1/deploy")
    page.get_by_label("CPU", exact=True).fill("333m")
    deploy = page.get_by_role("button", name="Redeploy to local")
    expect(deploy).to_be_enabled()
    theirs: list[int] = []

    def forestall(route: Route) -> None:
        if "mutation DeployVersion" in (route.request.post_data or "") and not theirs:
            theirs.append(redeployed(platform, wine, variables=[{"name": "FIRST", "value": "1"}]))
        route.continue_()

    page.route("**/graphql", forestall)
    deploy.click()
    expect(
        page.get_by_role("alert").filter(has_text="Somebody else deployed, cancelled, rolled back or undeployed it")
    ).to_be_visible()
    expect(page.get_by_text(f"Revision {theirs[0]} is there now")).to_be_visible()
    expect(page.get_by_label("Name of variable 1")).to_have_value("FIRST")
    expect(page.get_by_label("CPU", exact=True)).to_have_value("333m")
    deploy.click()
    expect(page).to_have_url(re.compile("endpoints/local"))
    assert platform.settled(wine.endpoint)["activeRevision"]["number"] == theirs[0] + 1


def test_a_late_click_can_be_made_again_where_no_event_comes_through(
    page: Page, platform: Platform, wine: Wine
) -> None:
    page.route_web_socket("**/graphql", lambda _: None)
    page.goto(f"{HERE}/1/deploy")
    page.get_by_label("CPU", exact=True).fill("334m")
    deploy = page.get_by_role("button", name="Redeploy to local")
    expect(deploy).to_be_enabled()
    number = redeployed(platform, wine, variables=[{"name": "UNSEEN", "value": "1"}])
    deploy.click()
    expect(page.get_by_text("CONFLICT")).to_be_visible()
    expect(page.get_by_text(f"Revision {number} is there now")).to_be_visible()
    deploy.click()
    expect(page).to_have_url(re.compile("endpoints/local"))
    assert platform.settled(wine.endpoint)["targetRevision"]["number"] == number + 1


def test_whoever_leaves_while_a_deploy_is_sent_is_asked_and_told_of_its_refusal(
    page: Page, platform: Platform, wine: Wine
) -> None:
    page.goto(f"{HERE}/1/deploy")
    deploys = held(page, "mutation DeployVersion")
    page.get_by_role("button", name="Redeploy to local").click()
    page.get_by_role("link", name="Environments", exact=True).click()
    asked = page.get_by_role("dialog", name="Leave this page?")
    expect(asked).to_contain_text("It is being sent.")
    asked.get_by_role("button", name="Leave").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Environments")
    redeployed(platform, wine, comment="meanwhile")
    deploys[0].continue_()
    notice = page.get_by_role("status").filter(has_text="The deploy of version 1 to local: ")
    expect(notice).to_contain_text("Somebody else deployed")
    expect(notice.locator("[class*=Notification-root]")).to_have_css("opacity", "1")
    assert serious(page) == []


def test_nobody_is_pulled_to_what_was_deployed_from_a_page_that_was_left(
    page: Page, platform: Platform, wine: Wine
) -> None:
    _, number = platform.finished_version(wine.model_id)
    page.goto(f"{HERE}/{number}")
    deploys = held(page, "mutation DeployVersion")
    page.get_by_role("button", name="Deploy to local").click()
    page.get_by_role("link", name="Environments", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Environments")
    deploys[0].continue_()
    expect(page.get_by_text(f"Version {number} is on its way to local.")).to_be_visible()
    loaded(page)
    expect(page).to_have_url(re.compile("/environments$"))


def test_every_limit_is_told_at_its_field_as_one_types(page: Page, wine: Wine) -> None:
    page.goto(f"{HERE}/2/deploy")
    deploy = page.get_by_role("button", name="Deploy to local")
    expect(deploy).to_be_enabled()
    why = page.get_by_label("Why")
    why.fill("x" * 12)
    expect(page.get_by_text("12 of 1,000 characters")).to_be_visible()
    why.fill("x" * 3_000)
    expect(page.get_by_text("At most 1,000 characters; this has 3,000.")).to_be_visible()
    expect(deploy).to_be_disabled()
    why.fill("")
    expect(deploy).to_be_enabled()
    for label, text, told in (
        ("At least", "7", "Above “At most”"),
        ("CPU", "20000", "Cores (2, 0.5) or thousandths (500m)."),
        ("A prediction may take", "4000", "A whole number from 1 to 3,600."),
    ):
        field = page.get_by_label(label, exact=True)
        before = field.input_value()
        field.fill(text)
        expect(page.get_by_text(told)).to_be_visible()
        expect(deploy).to_be_disabled()
        field.fill(before)
        expect(deploy).to_be_enabled()


def test_a_variable_is_added_and_removed_without_a_mouse(page: Page, wine: Wine) -> None:
    page.goto(f"{HERE}/2/deploy")
    add = page.get_by_role("button", name="Add a variable")
    add.press("Enter")
    name = page.get_by_label("Name of variable 1")
    expect(name).to_be_focused()
    page.keyboard.type("MERLIN_HOME")
    expect(page.get_by_text("MERLIN_HOME is reserved: MERLIN_… is the platform's.")).to_be_visible()
    assert serious(page) == []
    page.get_by_role("button", name="Remove MERLIN_HOME").press("Enter")
    expect(name).to_have_count(0)
    expect(add).to_be_focused()


def test_a_refusal_tells_its_request_and_is_gone_when_one_asks_anew(page: Page, wine: Wine) -> None:
    page.goto(f"{HERE}/1")
    loaded(page)
    page.get_by_role("button", name="Delete").click()
    dialog = page.get_by_role("dialog")
    with page.expect_response(lambda answer: "deleteVersion" in (answer.request.post_data or "")) as answered:
        dialog.get_by_role("button", name="Delete").click()
    expect(dialog.get_by_text(f"VERSION_IN_USE · request {answered.value.headers['x-request-id']}")).to_be_visible()
    dialog.get_by_role("button", name="Leave it").click()
    expect(dialog).to_have_count(0)
    page.get_by_role("button", name="Delete").click()
    expect(dialog.get_by_role("button", name="Delete")).to_be_visible()
    expect(dialog.get_by_text("VERSION_IN_USE")).to_have_count(0)
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(page.get_by_role("button", name="Delete")).to_be_focused()


def test_an_act_that_is_lost_says_what_to_do_then(page: Page, context: BrowserContext, wine: Wine) -> None:
    page.goto(f"{HERE}/1")
    loaded(page)
    page.get_by_role("button", name="Delete").click()
    dialog = page.get_by_role("dialog")
    context.set_offline(True)
    dialog.get_by_role("button", name="Delete").click()
    expect(dialog.get_by_text("CONNECTION_LOST")).to_be_visible()
    expect(dialog).to_contain_text("you will see it here once the connection is back. Try again then.")
    context.set_offline(False)
    dialog.get_by_role("button", name="Delete").click()
    expect(dialog.get_by_text("VERSION_IN_USE")).to_be_visible()


def test_what_runs_is_redeployed_from_the_form_and_set_as_serving_from_the_versions_page(
    page: Page, platform: Platform, wine: Wine
) -> None:
    endpoint = platform.deploy(wine.second)
    platform.settled(endpoint)
    page.goto(f"{HERE}/2")
    expect(page.get_by_role("button", name="Redeploy to local")).to_have_count(0)
    row = page.get_by_role("table", name="Endpoints").get_by_role("row").nth(1)
    row.get_by_role("button", name="Set as serving").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("All calls to the model's address in local go to version 2")
    dialog.get_by_role("button", name="Set as serving").click()
    expect(row).to_contain_text("100 %")
    expect(page.get_by_role("button", name="Set as serving")).to_have_count(0)
    assert serious(page) == []
    page.get_by_role("link", name="Redeploy to local …").click()
    expect(page).to_have_url(re.compile(f"{HERE}/2/deploy"))
    number = platform.endpoint(endpoint)["activeRevision"]["number"]
    expect(page.get_by_role("region", name="Plan")).to_contain_text(f"Revision {number + 1}")
    stopped = platform.ask(
        "query($id: ID!) { node(id: $id) { ... on Model { endpoints { nodes { id } } } } }", id=wine.model_id
    )
    for one in stopped["node"]["endpoints"]["nodes"]:
        platform.change("stopServing", "modelEndpoint { id }", modelEndpointId=one["id"])
    until(lambda: platform.endpoint(endpoint)["servingWeight"] == 0, 30, "version 2 serves no more")
    platform.change("undeployVersion", "versionEndpoint { id }", versionEndpointId=endpoint)
    platform.settled(endpoint)


def test_why_a_version_cannot_be_finished_stands_below_the_head(page: Page, platform: Platform, wine: Wine) -> None:
    made = platform.change("createVersion", "version { number }", modelId=wine.model_id)["version"]
    page.goto(f"{HERE}/{made['number']}")
    finish = page.get_by_role("button", name="Finish")
    finish.click()
    refusal = page.get_by_role("alert")
    expect(refusal).to_contain_text(" · request ")
    below, above, main = refusal.bounding_box(), finish.bounding_box(), page.locator("#main").bounding_box()
    assert below
    assert above
    assert main
    assert below["y"] > above["y"] + above["height"]
    assert below["width"] > 0.9 * main["width"]


def test_a_session_that_ends_leaves_what_was_typed(
    page: Page, context: BrowserContext, platform: Platform, wine: Wine
) -> None:
    page.goto(f"{HERE}/1/deploy")
    memory = page.get_by_label("Memory", exact=True)
    expect(memory).to_be_editable()
    context.clear_cookies()
    memory.fill("790Mi")
    dialog = page.get_by_role("dialog", name="Sign in again")
    expect(dialog).to_be_visible()
    expect(dialog.get_by_label("Your token")).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_be_visible()
    assert serious(page) == []
    dialog.get_by_label("Your token").fill("nonsense")
    dialog.get_by_role("button", name="Sign in").click()
    expect(dialog).to_contain_text("Merlin does not know this token.")
    dialog.get_by_label("Your token").fill(str(platform.addresses["token"]))
    dialog.get_by_role("button", name="Sign in").click()
    expect(dialog).to_have_count(0)
    expect(memory).to_be_focused()
    expect(memory).to_have_value("790Mi")
    expect(page.get_by_role("region", name="Plan")).to_contain_text("gets pods of its own")
    expect(page.get_by_role("alert")).to_have_count(0)
    page.get_by_role("button", name="Redeploy to local").click()
    expect(page).to_have_url(re.compile("endpoints/local"))


def revoke(platform: Platform, token: str) -> None:
    """The token is good no longer."""
    url = psutil.Process(platform.pid("api")).environ()["MERLIN_DATABASE_URL"].replace("postgres://", "postgresql://")

    async def delete() -> None:
        connection = await asyncpg.connect(url)
        try:
            digest = hashlib.sha256(token.encode()).hexdigest()
            assert await connection.execute("DELETE FROM api_token WHERE hash = $1", digest) == "DELETE 1"
        finally:
            await connection.close()

    # In a thread of its own: Playwright has an event loop running in this one.
    with ThreadPoolExecutor(1) as threads:
        threads.submit(asyncio.run, delete()).result()


def test_what_a_page_follows_goes_on_when_one_is_back(context: BrowserContext, platform: Platform, wine: Wine) -> None:
    update(platform, "yard", members=[ADMIN, {"subject": "ida", "role": "EDITOR"}])
    token = token_of(platform, "ida")
    page = context.new_page()
    page.goto(f"{HERE}/1/endpoints/local?token={token}")
    loaded(page)
    revoke(platform, token)
    platform.kill("api")  # the page comes back, and is not known
    dialog = page.get_by_role("dialog", name="Sign in again")
    expect(dialog).to_be_visible()
    number = redeployed(platform, wine, comment="while nobody was signed in")
    dialog.get_by_label("Your token").fill(token_of(platform, "ida"))
    dialog.get_by_role("button", name="Sign in").click()
    expect(dialog).to_have_count(0)
    timeline = page.get_by_role("region", name="Timeline")
    expect(timeline.get_by_text(f"Revision {number} is active.")).to_be_visible()
    number = redeployed(platform, wine, comment="and after")
    expect(page.get_by_role("list", name=f"Rollout of revision {number}")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)

    revoke(platform, token)
    redeployed(platform, wine, comment="which the page wants to read")
    dialog.get_by_label("Your token").fill(str(platform.addresses["token"]))
    dialog.get_by_role("button", name="Sign in").click()
    # Somebody else: the page is loaded anew.
    expect(page.get_by_role("button", name="You: admin")).to_be_visible()


def test_whoever_leaves_comes_to_the_whole_page_to_sign_in(page: Page, wine: Wine) -> None:
    page.goto(f"{HERE}/1")
    page.get_by_role("button", name="You: admin").click()
    page.get_by_role("menuitem", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in to Merlin")
    expect(page.get_by_role("dialog")).to_have_count(0)


@pytest.mark.parametrize(
    ("path", "button"),
    [("/", "New project"), ("/projects/yard", "New model"), ("/projects/yard/settings", "New secret")],
)
def test_a_dialog_gives_the_focus_back(page: Page, wine: Wine, path: str, button: str) -> None:
    page.goto(path)
    opener = page.get_by_role("button", name=button)
    opener.press("Enter")
    expect(page.get_by_role("dialog").get_by_label("Name")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(opener).to_be_focused()
