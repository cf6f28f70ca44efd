"""Two environments, one of them with limits: what the console does where there is a choice."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import yaml
from playwright.sync_api import Page, expect

from tests.console.seen import loaded, serious
from tests.platform import Deployed, Platform, running_platform, until

HERE = "/projects/lake/models/trout/versions/1"
LIMITS = {"max_cpu": "2", "max_memory": "1Gi", "max_replicas": 3, "max_deployed_versions_per_model": 2}


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    """A platform of this file's own, with a second environment "live" on the same cluster."""
    with running_platform() as platform:
        platform.add_environment("live", limits=LIMITS, defaults={"resources": {"cpu_request": "250m"}})
        yield platform


@pytest.fixture(scope="module")
def trout(platform: Platform) -> Deployed:
    """lake/trout: version 1 runs in "local" with settings of its own, and nowhere else."""
    made = platform.deployed("lake", "trout")
    platform.deploy(made.version_id, timeoutSeconds=77)
    platform.settled(made.endpoint_id)
    return made


def choose(page: Page, environment: str) -> None:
    """Pick it in the form."""
    page.get_by_role("combobox", name="Environment").click()
    page.get_by_role("option", name=environment).click()


def test_what_was_typed_goes_along_to_another_environment(page: Page, trout: Deployed) -> None:
    page.goto(f"{HERE}/deploy")
    cpu, timeout = page.get_by_label("CPU", exact=True), page.get_by_label("A prediction may take", exact=True)
    expect(timeout).to_have_value("77")
    choose(page, "live")
    expect(cpu).to_have_value("250m")
    expect(timeout).not_to_have_value("77")
    expect(page.get_by_text("the fields you did not change follow them")).to_have_count(0)

    page.get_by_label("Memory", exact=True).fill("900Mi")
    page.get_by_label("Why").fill("for the summer")
    choose(page, "local")
    expect(timeout).to_have_value("77")
    expect(page.get_by_label("Memory", exact=True)).to_have_value("900Mi")
    expect(page.get_by_label("Why")).to_have_value("for the summer")
    expect(page.get_by_role("status").filter(has_text=re.compile("Revision 2 is there now"))).to_be_visible()
    expect(page.get_by_role("region", name="Plan")).to_contain_text("Revision 3 gets pods of its own")


def test_the_limits_of_where_it_goes_are_told_at_the_fields(page: Page, trout: Deployed) -> None:
    page.goto(f"{HERE}/deploy")
    deploy = page.get_by_role("button", name="Redeploy to local")
    page.get_by_label("CPU", exact=True).fill("3")
    page.get_by_label("At most", exact=True).fill("5")
    expect(deploy).to_be_enabled()
    choose(page, "live")
    deploy = page.get_by_role("button", name="Deploy to live")
    expect(deploy).to_be_disabled()
    assert serious(page) == []
    page.get_by_label("CPU", exact=True).fill("2")
    expect(deploy).to_be_disabled()
    page.get_by_label("At most", exact=True).fill("3")
    expect(deploy).to_be_enabled()


def test_a_page_with_something_typed_is_not_left_by_a_slip(page: Page, trout: Deployed) -> None:
    page.goto(f"{HERE}/deploy?environment=live")
    loaded(page)
    page.get_by_role("link", name="Environments", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Environments")
    page.go_back()
    page.get_by_label("Why").fill("for the winter")
    page.get_by_role("link", name="Environments", exact=True).click()
    asked = page.get_by_role("dialog", name="Leave this page?")
    expect(asked).to_contain_text("What you typed here is not deployed.")
    expect(asked).to_have_css("opacity", "1")
    assert serious(page) == []
    asked.get_by_role("button", name="Stay").click()
    expect(asked).to_have_count(0)
    expect(page.get_by_label("Why")).to_have_value("for the winter")
    page.get_by_role("link", name="Environments", exact=True).click()
    asked.get_by_role("button", name="Leave").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Environments")


def test_one_click_deploys_to_the_other_environment_and_both_are_told_apart(
    page: Page, platform: Platform, trout: Deployed
) -> None:
    page.goto(HERE)
    page.get_by_role("button", name="More ways to deploy").click()
    page.get_by_role("menuitem", name="Deploy to live").click()
    expect(page).to_have_url(re.compile(f"{HERE}/endpoints/live"))
    query = """query($id: ID!) { node(id: $id) { ... on Version { endpoints { nodes {
      id url environment { name } } } } } }"""
    nodes = platform.ask(query, id=trout.version_id)["node"]["endpoints"]["nodes"]
    there = {each["environment"]["name"]: each for each in nodes}
    assert platform.settled(there["live"]["id"])["lifecycle"] == "RUNNING"
    assert there["live"]["url"] == trout.url.replace("/lake/", "/live/lake/")
    expect(page.get_by_text(there["live"]["url"], exact=True).first).to_be_visible()
    for each in there.values():
        assert platform.predict(each["url"], "trout").status_code == 200
    page.goto("/environments/live")
    expect(page.get_by_text("1 Gi")).to_be_visible()
    assert serious(page) == []


@pytest.fixture(scope="module")
def perch(platform: Platform) -> str:
    """The page of lake/perch's version 1, which runs in "live" only."""
    version_id, _ = platform.finished_version(platform.model("lake", "perch"))
    assert platform.settled(platform.deploy(version_id, environment="live"))["lifecycle"] == "RUNNING"
    return "/projects/lake/models/perch/versions/1"


def test_how_many_versions_are_deployed_of_how_many_is_told_with_the_environment(
    page: Page, platform: Platform, perch: str
) -> None:
    page.goto(f"{perch}/deploy")
    environment = page.get_by_role("combobox", name="Environment")
    expect(environment).to_have_value("local")
    expect(page.get_by_text("versions deployed here")).to_have_count(0)
    choose(page, "live")
    expect(environment).to_have_accessible_description("1 of 2 versions deployed here")


@contextmanager
def taken_out(platform: Platform, name: str) -> Iterator[None]:
    """An environment is out of the environments' file, and detached, for as long as this lasts."""
    path = platform.home / "config" / "environments.yaml"
    before = path.read_text()

    def started_anew(text: str, *, detached: bool) -> None:
        path.write_text(text)
        for role in ("watcher", "worker", "api"):
            platform.kill(role)
        query = "query($n: String!) { environment(name: $n) { detached reachable } }"

        def seen() -> bool:
            environment = platform.ask(query, n=name)["environment"]
            return environment["detached"] is detached and (detached or environment["reachable"])

        until(seen, 60, f"{name} is {'detached' if detached else 'back'}")

    started_anew(yaml.safe_dump([each for each in yaml.safe_load(before) if each["name"] != name]), detached=True)
    try:
        yield
    finally:
        started_anew(before, detached=False)


def test_nothing_that_was_meant_for_a_detached_environment_goes_to_another(
    page: Page, platform: Platform, perch: str
) -> None:
    closed = re.compile("live takes no new deployments: an operator has taken it out of the environments' file")
    page.goto(f"{perch}/deploy?environment=live")
    memory = page.get_by_label("Memory", exact=True)
    memory.fill("900Mi")
    with taken_out(platform, "live"):
        deploy = page.get_by_role("button", name="Redeploy to live")
        expect(page.get_by_text(closed)).to_be_visible()
        expect(deploy).to_be_disabled()
        expect(memory).to_have_value("900Mi")
        choose(page, "local")
        expect(page.get_by_text(closed)).to_have_count(0)
        expect(page.get_by_role("button", name="Deploy to local")).to_be_enabled()
        expect(memory).to_have_value("900Mi")
        assert serious(page) == []

        page.goto(f"{perch}/deploy?environment=live")
        expect(page.get_by_text(closed)).to_be_visible()
        expect(page.get_by_role("form")).to_have_count(0)
        page.get_by_role("button", name="Deploy to local …").click()
        expect(page).to_have_url(re.compile("environment=local"))
        expect(page.get_by_role("button", name="Deploy to local")).to_be_enabled()
        page.goto(f"{perch}/deploy?environment=nope")
        expect(page.get_by_text("There is no environment nope")).to_be_visible()

        page.goto(f"{perch}/endpoints/live?tab=history")
        expect(page.get_by_text(closed)).to_be_visible()
        expect(page.get_by_role("button", name="Undeploy")).to_be_visible()
        expect(page.get_by_role("link", name=re.compile("eploy"))).to_have_count(0)
        page.goto(f"{perch}/endpoints/local")
        expect(page.get_by_role("link", name="Deploy it …")).to_be_visible()
    expect(page.get_by_role("link", name="Deploy it …")).to_be_visible()
    page.goto(f"{perch}/endpoints/live")
    expect(page.get_by_role("link", name="Redeploy …")).to_be_visible()
