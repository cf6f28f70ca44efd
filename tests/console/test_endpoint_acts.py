"""An endpoint's page in a real browser: what it lets one do with a model of 13 columns, logged with two rows."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.console.seen import loaded, serious
from tests.mlflow_server import MODELS_PYTHON
from tests.platform import Platform, until

HERE = "/projects/cellar/models/wine/versions/1/endpoints/local"
LOG_WINE = """
import warnings
warnings.filterwarnings("ignore")
import merlin_client as merlin
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
X, y = load_wine(return_X_y=True, as_frame=True)
merlin.set_url()
merlin.set_project("cellar")
merlin.set_model("wine")
with merlin.new_model_version() as version:
    merlin.log_model(LogisticRegression(max_iter=50).fit(X, y), input_example=X.head(2))
print(version.id)
"""


@dataclass(frozen=True)
class Wine:
    """Version 1 of cellar/wine, and its endpoint in `local`, which runs."""

    version_id: str
    endpoint_id: str


def python(platform: Platform, code: str, *, home: bool = True) -> str:
    """What a data scientist's Python prints; with ``home`` it knows where the platform is."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MERLIN_")}
    known = {"MERLIN_HOME": str(platform.home)} if home else {"MERLIN_TOKEN": str(platform.addresses["token"])}
    done = subprocess.run(
        [str(MODELS_PYTHON), "-c", code],
        env={**clean, **known, "MLFLOW_DISABLE_TELEMETRY": "true"},
        cwd=platform.home,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def wine(platform: Platform) -> Wine:
    """Logged by the client from Python, as its users do, and deployed."""
    platform.project("cellar")
    version_id = python(platform, LOG_WINE).split()[-1]
    endpoint_id = platform.deploy(version_id)
    assert platform.settled(endpoint_id)["lifecycle"] == "RUNNING"
    return Wine(version_id, endpoint_id)


def sent(page: Page) -> dict[str, Any]:
    """The request that a click on Send sends."""
    with page.expect_request(lambda request: "TryVersionEndpoint" in (request.post_data or "")) as caught:
        page.get_by_role("button", name="Send").click()
    request: dict[str, Any] = json.loads(caught.value.post_data or "")["variables"]["input"]["request"]
    return request


def test_a_form_has_a_field_for_each_column_and_sends_what_was_meant(page: Page, wine: Wine) -> None:
    page.goto(f"{HERE}?tab=call")
    form = page.get_by_role("region", name="Try it")
    expect(form.get_by_role("textbox")).to_have_count(13)
    send = form.get_by_role("button", name="Send")
    alcohol = form.get_by_label("alcohol", exact=True)
    for text, value in (("5.10", 5.1), ("1.0", 1), (".5", 0.5), ("-3", -3), ("1e3", 1000)):
        alcohol.press("Control+a")
        alcohol.press_sequentially(text)
        expect(alcohol).to_have_value(text)
        expect(send).to_be_enabled()
        first = sent(page)["inputs"][0]
        assert (first["name"], first["shape"], first["data"]) == ("alcohol", [1], [value])
        expect(page.get_by_role("group", name="Answer").get_by_text("Answered")).to_be_visible()
    alcohol.fill("abc")
    expect(form.get_by_text("A number, please.")).to_be_visible()
    expect(send).to_be_disabled()
    form.get_by_text("JSON", exact=True).click()
    expect(form.get_by_role("textbox", name="V2 request")).to_have_value(re.compile(r"\b1000\b"))
    form.get_by_text("Form", exact=True).click()
    expect(alcohol).to_have_value("1000")
    expect(send).to_be_enabled()


def test_what_was_tried_is_there_after_a_look_at_the_logs(page: Page, wine: Wine) -> None:
    page.goto(f"{HERE}?tab=call")
    form = page.get_by_role("region", name="Try it")
    alcohol = form.get_by_label("alcohol", exact=True)
    answer = form.get_by_role("group", name="Answer")

    def looked_at_the_logs() -> None:
        page.get_by_role("tab", name="Logs").click()
        expect(form).to_have_count(0)
        page.get_by_role("tab", name="Try it").click()

    alcohol.fill("5.10")
    assert sent(page)["inputs"][0]["data"] == [5.1]
    expect(answer.get_by_text("Answered")).to_be_visible()
    looked_at_the_logs()
    expect(alcohol).to_have_value("5.10")
    expect(answer.get_by_text("Answered")).to_be_visible()
    form.get_by_text("JSON", exact=True).click()
    looked_at_the_logs()
    expect(form.get_by_role("textbox", name="V2 request")).to_have_value(re.compile(r"\b5\.1\b"))


def serving(platform: Platform, wine: Wine) -> None:
    """Its version answers at the model's address."""
    platform.settled(wine.endpoint_id)
    if platform.endpoint(wine.endpoint_id)["servingWeight"] != 100:
        platform.change("serveVersion", "modelEndpoint { id }", versionEndpointId=wine.endpoint_id)
        until(lambda: platform.endpoint(wine.endpoint_id)["servingWeight"] == 100, 30, "version 1 serves")


@pytest.fixture(scope="module")
def sour(platform: Platform) -> str:
    """The page of a version that cannot be loaded; its deploy has failed."""
    version_id, _ = platform.finished_version(platform.model("cellar", "sour"), "broken")
    assert platform.settled(platform.deploy(version_id))["lifecycle"] == "FAILED"
    return "/projects/cellar/models/sour/versions/1/endpoints/local"


def test_the_timeline_tells_of_pods_logs_and_traffic(page: Page, platform: Platform, wine: Wine) -> None:
    number = platform.settled(wine.endpoint_id)["activeRevision"]["number"] + 1
    page.goto(HERE)
    timeline = page.get_by_role("region", name="Timeline")
    expect(timeline.get_by_text(f"Revision {number - 1} is active.")).to_be_visible()
    platform.deploy(wine.version_id)
    expect(timeline.get_by_text(f"Revision {number} is active.")).to_be_visible()
    written = timeline.get_by_role("listitem").filter(has_text=f"revision {number}").locator("details")
    expect(written).to_contain_text("lines of its log")
    expect(written.get_by_role("region")).to_be_hidden()
    written.locator("summary").click()
    expect(written.get_by_role("region")).to_contain_text("model loaded flavor=sklearn")
    serving(platform, wine)
    expect(timeline.get_by_text("Traffic: version 1 100 %.").first).to_be_visible()
    expect(timeline.get_by_role("link", name="wine in local").first).to_be_visible()
    assert serious(page) == []


def test_a_failure_shows_the_end_of_what_was_said_and_its_kept_lines(page: Page, sour: str) -> None:
    page.goto(sour)
    said = page.get_by_role("region", name="What it said")
    expect(said).to_contain_text("RuntimeError: the weights are corrupt")
    assert said.evaluate("box => box.scrollTop + box.clientHeight >= box.scrollHeight - 1 && box.scrollTop > 0")
    expect(page.get_by_role("term").filter(has_text="Exception")).to_be_visible()
    failed = page.get_by_role("region", name="Timeline").get_by_role("listitem").filter(has_text="deployment.failed")
    expect(failed.locator("summary")).to_contain_text("lines of its log")
    page.get_by_role("tab", name="Logs").click()
    logs = page.get_by_role("region", name="Logs")
    expect(logs).to_contain_text("No pod is left to follow. The last lines before it failed were kept:")
    expect(logs.get_by_role("region", name="Lines that were kept")).to_contain_text(
        "error: the model could not be loaded"
    )
    expect(logs.get_by_text("Following")).to_have_count(0)
    assert serious(page) == []


def test_what_was_chosen_stands_in_the_address_and_back_undoes_it(page: Page, platform: Platform, wine: Wine) -> None:
    platform.settled(wine.endpoint_id)
    platform.deploy(wine.version_id, resources={"memoryRequest": "600Mi"})
    last = platform.settled(wine.endpoint_id)["activeRevision"]["number"]
    page.goto(HERE)
    page.get_by_role("tab", name="Logs").click()
    page.get_by_label("Container before the restart").click()
    page.get_by_label("Raw lines").click()
    expect(page).to_have_url(re.compile("tab=logs&previous=1&raw=1"))
    page.reload()
    expect(page.get_by_label("Container before the restart")).to_be_checked()
    page.get_by_role("tab", name="History").click()
    page.get_by_label(f"Compare revision {last}").click()
    page.get_by_label("Compare revision 1", exact=True).click()
    expect(page).to_have_url(re.compile(f"tab=history&compare={last}&compare=1$"))
    page.reload()
    expect(page.get_by_role("table", name=f"Changes from revision 1 to {last}")).to_contain_text("600Mi")
    for _ in range(3):
        page.go_back()
    expect(page.get_by_role("tab", name="Logs")).to_have_attribute("aria-selected", "true")
    expect(page.get_by_label("Raw lines")).to_be_checked()


def test_what_is_ready_to_be_copied_runs_as_it_stands(page: Page, platform: Platform, wine: Wine) -> None:
    platform.settled(wine.endpoint_id)
    page.goto(f"{HERE}?tab=call")
    elsewhere = page.get_by_role("region", name="From elsewhere")

    def text(name: str) -> str:
        elsewhere.get_by_text(name, exact=True).click()
        return elsewhere.get_by_role("region", name=name, exact=True).inner_text()

    done = subprocess.run(["bash", "-c", text("curl")], capture_output=True, text=True, timeout=30, check=True)
    (output,) = json.loads(done.stdout)["outputs"]
    assert output["data"] == [0]
    assert "'data': [0]" in python(platform, text("Python"), home=False)
    assert "[0]" in python(platform, text("Merlin client"), home=False)


def test_an_environment_that_does_not_exist_is_said_not_to(page: Page, wine: Wine) -> None:
    page.goto(HERE.replace("local", "nope"))
    expect(page.get_by_text("There is no environment “nope”")).to_be_visible()
    expect(page.get_by_role("link", name="Deploy it …")).to_have_count(0)
    expect(page.get_by_role("main").get_by_role("link", name="environments")).to_be_visible()


def test_an_open_version_is_said_to_have_nothing_to_deploy(page: Page, platform: Platform) -> None:
    platform.change("createVersion", "version { id }", modelId=platform.model("cellar", "unfinished"))
    page.goto("/projects/cellar/models/unfinished/versions/1/endpoints/local")
    expect(page.get_by_text("It can be deployed once its model is logged and it is finished.")).to_be_visible()
    expect(page.get_by_role("link", name="Deploy it …")).to_have_count(0)


def test_what_serves_is_not_undeployed_but_the_way_is_shown(page: Page, platform: Platform, wine: Wine) -> None:
    serving(platform, wine)
    page.goto(HERE)
    page.get_by_role("button", name="Undeploy").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Version 1 serves: switch the traffic first")
    expect(dialog.get_by_role("button", name="Undeploy")).to_have_count(0)
    dialog.get_by_role("link", name="To the traffic of wine").click()
    expect(page).to_have_url(re.compile("/models/wine/endpoints$"))


def test_what_is_undeployed_does_not_look_as_if_it_ran(page: Page, platform: Platform) -> None:
    version_id, _ = platform.finished_version(platform.model("cellar", "gone"))
    endpoint_id = platform.deploy(version_id)
    platform.settled(endpoint_id)
    platform.change("undeployVersion", "versionEndpoint { id }", versionEndpointId=endpoint_id)
    platform.settled(endpoint_id)
    platform.deploy(version_id, resources={"memoryRequest": "9Ti"})
    platform.change("cancelDeployment", "versionEndpoint { id }", versionEndpointId=endpoint_id)
    platform.settled(endpoint_id)
    page.goto("/projects/cellar/models/gone/versions/1/endpoints/local")
    state = page.get_by_role("region", name="State")
    expect(state).to_contain_text("Undeployed")
    expect(state).to_contain_text("revision 1 was the last that ran")
    expect(state).to_contain_text("answers 404 until it is deployed again")
    expect(state.get_by_role("list")).to_have_count(0)
    expect(state.get_by_role("button", name="Copy the URL")).to_have_count(0)
    page.get_by_role("tab", name="Logs").click()
    expect(page.get_by_text("It is undeployed: no pod is left to follow.")).to_be_visible()
    loaded(page)


def test_what_one_confirms_never_ends_what_somebody_else_began(page: Page, platform: Platform) -> None:
    made = platform.deployed("cellar", "shared")
    platform.deploy(made.version_id, resources={"memoryRequest": "9Ti"})
    page.goto("/projects/cellar/models/shared/versions/1/endpoints/local")
    dialog = page.get_by_role("dialog")

    def refused(verb: str, asked: str, theirs: int) -> None:
        expect(page.get_by_role("list", name=f"Rollout of revision {theirs}", include_hidden=True)).to_be_attached()
        dialog.get_by_role("button", name=verb).click()
        expect(dialog.get_by_text("CONFLICT")).to_be_visible()
        endpoint = platform.endpoint(made.endpoint_id)
        assert (endpoint["desired"], endpoint["targetRevision"]["number"]) == ("DEPLOYED", theirs)
        expect(dialog).to_contain_text(asked)
        dialog.get_by_role("button", name="Leave it").click()
        expect(dialog).to_have_count(0)

    page.get_by_role("button", name="Cancel the deploy").click()
    expect(dialog).to_contain_text("Cancel the deploy of revision 2?")
    platform.deploy(made.version_id, resources={"memoryRequest": "8Ti"})
    refused("Cancel the deploy", "Cancel the deploy of revision 2?", 3)
    page.get_by_role("button", name="Cancel the deploy").click()
    expect(dialog).to_contain_text("Cancel the deploy of revision 3?")
    dialog.get_by_role("button", name="Cancel the deploy").click()
    expect(dialog).to_have_count(0)
    assert platform.settled(made.endpoint_id)["activeRevision"]["number"] == 1

    page.get_by_role("button", name="Undeploy").click()
    expect(dialog).to_contain_text("Undeploy version 1 from local?")
    platform.deploy(made.version_id, timeoutSeconds=61)
    refused("Undeploy", "Undeploy version 1 from local?", 4)
    platform.settled(made.endpoint_id)

    page.get_by_role("tab", name="History").click()
    page.get_by_role("button", name="Roll back to revision 1").click()
    expect(dialog).to_contain_text("Roll back to revision 1?")
    platform.deploy(made.version_id, timeoutSeconds=62)
    refused("Roll back", "Roll back to revision 1?", 5)


def test_an_outage_of_the_cluster_is_told_whole_and_passes_by_itself(
    page: Page, context: BrowserContext, platform: Platform, wine: Wine
) -> None:
    platform.settled(wine.endpoint_id)
    form = context.new_page()
    cluster = platform.pid("local cluster")
    os.kill(cluster, signal.SIGSTOP)
    try:
        page.goto(f"{HERE}?tab=logs")
        form.goto(HERE.replace("endpoints/local", "deploy"))
        pods, logs = page.get_by_role("region", name="Pods"), page.get_by_role("region", name="Logs")
        plan = form.get_by_role("region", name="Plan")
        for panel in (plan, pods, logs):
            expect(panel.get_by_role("alert")).to_contain_text("CLUSTER_UNREACHABLE · request ")
            expect(panel.get_by_role("button", name="Try again")).to_be_visible()
    finally:
        os.kill(cluster, signal.SIGCONT)
    expect(plan).to_contain_text("As the cluster stands now")
    expect(page.get_by_role("table", name="Pods")).to_be_visible()
    expect(logs).to_contain_text("Following")
    expect(logs.get_by_role("log")).to_contain_text("model loaded")
    expect(page.get_by_role("button", name="Try again")).to_have_count(0)


@pytest.mark.parametrize("width", [1360, 390])
def test_a_long_word_in_why_stays_within_the_page(page: Page, platform: Platform, wine: Wine, width: int) -> None:
    platform.settled(wine.endpoint_id)
    platform.deploy(wine.version_id, comment="w" * 400)
    number = platform.settled(wine.endpoint_id)["activeRevision"]["number"]
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{HERE}?tab=history")
    expect(page.get_by_role("region", name="State")).to_contain_text("wwww")
    row = page.get_by_role("table", name="Revisions").get_by_role("row").filter(has_text="wwww").first
    expect(row).to_contain_text(str(number))
    right = "box => box.getBoundingClientRect().right"
    why = row.get_by_text("wwww").first.evaluate(right)
    assert why <= row.get_by_role("cell").nth(4).evaluate("box => box.getBoundingClientRect().left") + 1
    assert page.get_by_role("region", name="State").evaluate(right) <= width
