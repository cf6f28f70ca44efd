"""A project's settings in a real browser: what it is, its members and secrets; as each role sees them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Dialog, Locator, Page, Response, Route, WebSocket, expect

from tests.console.conftest import SECONDS
from tests.console.people import ADMIN, token_of, update
from tests.console.seen import Seen, loaded, serious
from tests.platform import Platform

SETTINGS = """query($name: String!) { project(name: $name) {
  description team stream labels { key value } members { subject role } secrets { name updatedBy } } }"""
PEM = "-----BEGIN PRIVATE KEY-----\nhush-0af31c\n-----END PRIVATE KEY-----"

Enter = Callable[..., Page]


def settings(platform: Platform, project: str) -> dict[str, Any]:
    """What the API says of it."""
    found: dict[str, Any] = platform.ask(SETTINGS, name=project)["project"]
    return found


def roles(platform: Platform, project: str) -> dict[str, str]:
    """Its members and what they may do."""
    return {member["subject"]: member["role"] for member in settings(platform, project)["members"]}


@pytest.fixture
def enter(browser: Browser, platform: Platform, seen: Seen) -> Iterator[Enter]:
    """Open a project's settings as somebody, in a browser of its own; the platform's administrator if not said."""
    contexts: list[BrowserContext] = []

    def open_settings(project: str, subject: str | None = None, **options: Any) -> Page:
        context = browser.new_context(base_url=platform.addresses["console"], **options)
        contexts.append(context)
        context.set_default_timeout(SECONDS * 1000)
        seen.watch(context, urlsplit(platform.addresses["console"]).netloc)
        token = platform.addresses["token"] if subject is None else token_of(platform, subject)
        page = context.new_page()
        page.goto(f"/projects/{project}/settings?token={token}")
        loaded(page)
        return page

    yield open_settings
    for context in contexts:
        context.close()


def panel(page: Page, name: str) -> Locator:
    """One part of the page."""
    return page.get_by_role("region", name=name)


def choose_role(page: Page, field: str, role: str) -> None:
    """Pick a role."""
    page.get_by_role("combobox", name=field, exact=True).click()
    page.get_by_role("option", name=role).click()


def test_what_a_project_is_is_saved_and_seen_by_others_at_once(platform: Platform, enter: Enter) -> None:
    platform.project("about")
    update(platform, "about", members=[ADMIN, {"subject": "rita", "role": "READER"}])
    page, other = enter("about"), enter("about", "rita")
    expect(page.get_by_text("Nothing to save.")).to_be_visible()
    page.get_by_label("What it is for").fill("Forecasts of returns.")
    page.get_by_label("Team").fill("t" * 64)
    page.get_by_label("Labels", exact=True).fill("stage=live")
    page.keyboard.press("Enter")
    page.get_by_label("Labels", exact=True).fill("cost centre=4711")
    expect(page.get_by_text("Not saved yet.")).to_be_visible()
    page.get_by_role("button", name="Save").click()
    expect(panel(page, "About")).to_contain_text("`team` has 64 characters; at most 63 are possible.")
    expect(panel(page, "About")).to_contain_text("'cost centre' is not a valid name.")
    page.get_by_label("Team").fill("retail")
    page.get_by_role("button", name="Remove cost centre=4711").click()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Nothing to save.")).to_be_visible()
    expect(page.get_by_label("What it is for")).to_have_value("Forecasts of returns.")
    for text in ("Forecasts of returns.", "retail", "stage=live"):
        expect(panel(other, "About").get_by_text(text, exact=True)).to_be_visible()
    assert settings(platform, "about")["labels"] == [{"key": "stage", "value": "live"}]


def test_settings_are_not_left_by_a_slip_before_they_are_saved(platform: Platform, enter: Enter) -> None:
    platform.project("slip")
    page = enter("slip")
    page.get_by_label("Team").fill("risk")
    page.get_by_role("link", name="Projects", exact=True).first.click()
    asked = page.get_by_role("dialog", name="Leave this page?")
    asked.get_by_role("button", name="Stay").click()
    expect(asked).to_have_count(0)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Nothing to save.")).to_be_visible()
    assert settings(platform, "slip")["team"] == "risk"
    page.get_by_role("link", name="Projects", exact=True).first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Projects")


def test_no_way_off_the_page_loses_what_was_typed_without_asking(platform: Platform, enter: Enter) -> None:
    platform.project("exits")
    page = enter("exits")
    told: list[str] = []

    def refuse(dialog: Dialog) -> None:
        told.append(dialog.type)
        dialog.dismiss()

    page.on("dialog", refuse)
    team = page.get_by_label("Team")
    team.fill("risk")
    page.evaluate("location.reload()")
    expect(team).to_have_value("risk")
    page.get_by_role("link", name="GraphiQL").click(no_wait_after=True)
    expect(team).to_have_value("risk")
    assert told == ["beforeunload"] * 2
    page.get_by_role("button", name="You: admin").click()
    page.get_by_role("menuitem", name="Sign out").click()
    asked = page.get_by_role("dialog", name="Leave this page?")
    asked.get_by_role("button", name="Stay").click()
    expect(asked).to_have_count(0)
    expect(team).to_have_value("risk")
    page.get_by_role("button", name="You: admin").click()
    page.get_by_role("menuitem", name="Sign out").click()
    asked.get_by_role("button", name="Leave").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in to Merlin")
    page.reload()
    assert told == ["beforeunload"] * 2


def sign_in_beside(page: Page, token: str) -> Page:
    """Open the address that carries this token in another window of the same browser."""
    beside = page.context.new_page()
    beside.goto(f"/?token={token}")
    loaded(beside)
    return beside


def test_all_windows_of_a_browser_are_of_who_signed_in_last(platform: Platform, enter: Enter) -> None:
    platform.project("windows")
    update(platform, "windows", members=[ADMIN, {"subject": "ed", "role": "EDITOR"}])
    page = enter("windows", "ed")
    expect(page.get_by_role("button", name="You: ed")).to_be_visible()
    beside = sign_in_beside(page, platform.addresses["token"])
    expect(page.get_by_role("button", name="You: admin")).to_be_visible()
    expect(page.get_by_label("Team")).to_be_visible()
    beside.get_by_role("button", name="You: admin").click()
    beside.get_by_role("menuitem", name="Sign out").click()
    expect(page.get_by_role("dialog", name="Sign in again")).to_be_visible()


def test_what_is_typed_is_never_sent_as_who_signed_in_beside(platform: Platform, enter: Enter) -> None:
    platform.project("beside")
    update(platform, "beside", members=[ADMIN, {"subject": "ed", "role": "ADMINISTRATOR"}])
    page = enter("beside", "ed")
    page.get_by_label("Team").fill("risk")
    sign_in_beside(page, token_of(platform, "stranger"))
    dialog = page.get_by_role("dialog", name="You are stranger now")
    expect(dialog.get_by_label("Token of ed")).to_be_focused()
    assert serious(page) == []
    update(platform, "beside", description="Changed meanwhile.")
    dialog.get_by_label("Token of ed").fill(token_of(platform, "ed"))
    dialog.get_by_role("button", name="Sign in").click()
    expect(dialog).to_have_count(0)
    expect(page.get_by_label("What it is for")).to_have_value("Changed meanwhile.")
    expect(page.get_by_label("Team")).to_have_value("risk")
    sign_in_beside(page, token_of(platform, "stranger"))
    dialog.get_by_role("button", name="Go on without it").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Not found")
    expect(page.get_by_role("button", name="You: stranger")).to_be_visible()


def test_what_is_typed_is_not_lost_by_what_others_save_nor_is_theirs(platform: Platform, enter: Enter) -> None:
    platform.project("typed")
    page = enter("typed")
    page.get_by_label("What it is for").fill("Mine.")
    page.get_by_label("Labels", exact=True).fill("mine=1")
    page.keyboard.press("Enter")
    update(platform, "typed", description="Theirs.", team="theirs", labels=[{"key": "theirs", "value": "1"}])
    expect(page.get_by_label("Team")).to_have_value("theirs")
    expect(page.get_by_label("What it is for")).to_have_value("Mine.")
    expect(panel(page, "About")).to_contain_text("Somebody else wrote “Theirs.” meanwhile; saving replaces it.")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Nothing to save.")).to_be_visible()
    saved = settings(platform, "typed")
    assert (saved["description"], saved["team"]) == ("Mine.", "theirs")
    assert [label["key"] for label in saved["labels"]] == ["mine", "theirs"]


def test_a_member_is_added_changed_and_removed(platform: Platform, enter: Enter) -> None:
    platform.project("members")
    page = enter("members")
    page.get_by_label("Add somebody").fill("rita")
    page.keyboard.press("Enter")
    expect(page.get_by_role("row", name=re.compile("^rita"))).to_be_visible()
    assert roles(platform, "members") == {"admin": "ADMINISTRATOR", "rita": "READER"}
    page.get_by_label("Add somebody").fill("rita")
    page.get_by_role("button", name="Add").click()
    expect(panel(page, "Members")).to_contain_text("rita is a member already")
    other = enter("members", "rita")
    expect(other.get_by_text("You are a reader here.")).to_be_visible()
    role = page.get_by_role("combobox", name="Role of rita")
    # Without a mouse; each key once the one before has been answered.
    role.press("Enter")
    editor = page.get_by_role("option", name="Editor")
    expect(editor).to_be_visible()
    role.press("ArrowDown")
    expect(editor).to_have_attribute("data-combobox-selected", "true")
    role.press("Enter")
    expect(other.get_by_text("You are an editor here.")).to_be_visible()
    remove = page.get_by_role("button", name="Remove rita")
    remove.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("rita will no longer be an editor of members")
    dialog.get_by_role("button", name="Remove").press("Enter")
    expect(page.get_by_role("row", name=re.compile("^rita"))).to_have_count(0)
    expect(page.get_by_label("Add somebody")).to_be_focused()
    assert roles(platform, "members") == {"admin": "ADMINISTRATOR"}
    expect(other.get_by_role("heading", level=1)).to_have_text("Not found")  # at once, without a reload


def test_who_becomes_a_member_sees_the_project_at_once(platform: Platform, enter: Enter) -> None:
    platform.project("joined")
    page = enter("joined", "nora")
    expect(page.get_by_role("heading", level=1)).to_have_text("Not found")
    update(platform, "joined", members=[ADMIN, {"subject": "nora", "role": "READER"}])
    expect(page.get_by_role("heading", level=1)).to_have_text("Settings")
    expect(page.get_by_text("You are a reader here.")).to_be_visible()


def test_the_last_administrator_cannot_be_removed(platform: Platform, enter: Enter) -> None:
    platform.project("last")
    page = enter("last")
    choose_role(page, "Role of admin", "Reader")
    page.get_by_role("dialog", name="Give up your role?").get_by_role("button", name="Become a reader").click()
    row = page.get_by_role("row", name=re.compile("^admin"))
    expect(row).to_contain_text("A project needs at least one administrator")
    expect(page.get_by_role("combobox", name="Role of admin")).to_have_value("Administrator")
    page.get_by_role("button", name="Remove admin").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Remove").click()
    expect(dialog).to_contain_text("A project needs at least one administrator")
    dialog.get_by_role("button", name="Leave it").click()
    assert roles(platform, "last") == {"admin": "ADMINISTRATOR"}


def test_nobody_gives_up_its_own_role_by_a_slip(platform: Platform, enter: Enter) -> None:
    platform.project("slip")
    update(platform, "slip", members=[ADMIN, {"subject": "ada", "role": "ADMINISTRATOR"}])
    page = enter("slip", "ada")
    choose_role(page, "Role of ada", "Editor")
    dialog = page.get_by_role("dialog", name="Give up your role?")
    dialog.get_by_role("button", name="Leave it").click()
    assert roles(platform, "slip")["ada"] == "ADMINISTRATOR"
    choose_role(page, "Role of ada", "Editor")
    dialog.get_by_role("button", name="Become an editor").click()
    expect(page.get_by_text("You are an editor here.")).to_be_visible()
    expect(page.get_by_role("main").get_by_role("button")).to_have_count(0)


def test_nobody_is_made_to_may_less_without_asking_once(platform: Platform, enter: Enter) -> None:
    platform.project("step-down")
    update(platform, "step-down", members=[ADMIN, {"subject": "rita", "role": "EDITOR"}])
    page = enter("step-down")
    choose_role(page, "Role of rita", "Reader")
    dialog = page.get_by_role("dialog", name="Make rita a reader?")
    expect(dialog).to_contain_text(
        "rita becomes a reader of step-down, and can no longer change models, deploy, serve or see values of variables."
    )
    assert serious(page) == []
    dialog.get_by_role("button", name="Leave it").click()
    expect(page.get_by_role("combobox", name="Role of rita")).to_have_value("Editor")
    choose_role(page, "Role of rita", "Reader")
    dialog.get_by_role("button", name="Make a reader").click()
    expect(page.get_by_text("rita is a reader now.")).to_be_visible()
    assert roles(platform, "step-down")["rita"] == "READER"
    choose_role(page, "Role of rita", "Administrator")
    expect(page.get_by_text("rita is an administrator now.")).to_be_visible()


def test_a_label_or_secret_that_is_removed_leaves_the_keyboard_beside_it(platform: Platform, enter: Enter) -> None:
    id_ = platform.project("beside")
    update(platform, "beside", labels=[{"key": "one", "value": "1"}, {"key": "two", "value": "2"}])
    platform.change("setSecret", "secret { name }", projectId=id_, name="db", value="hush")
    page = enter("beside")
    page.get_by_role("button", name="Remove one=1").press("Enter")
    expect(page.get_by_label("Labels", exact=True)).to_be_focused()
    page.get_by_role("button", name="Delete db").press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="Delete").press("Enter")
    expect(page.get_by_text("No secrets yet")).to_be_visible()
    expect(page.get_by_role("button", name="New secret")).to_be_focused()


def test_of_two_administrators_none_loses_the_others_change(platform: Platform, enter: Enter) -> None:
    platform.project("two")
    page = enter("two")
    expect(page.get_by_role("row", name=re.compile("^admin"))).to_be_visible()

    def no_newer(route: Route) -> None:
        """That question is never answered: the page keeps the list that it has."""
        if "query ProjectMembers" not in (route.request.post_data or ""):
            route.continue_()

    page.route("**/graphql", no_newer)
    update(platform, "two", members=[ADMIN, {"subject": "theirs", "role": "EDITOR"}])
    page.get_by_label("Add somebody").fill("mine")
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_text("mine is a reader now.")).to_be_visible()
    assert roles(platform, "two") == {"admin": "ADMINISTRATOR", "mine": "READER", "theirs": "EDITOR"}


class Answers:
    """All that a page was told over the network."""

    def __init__(self, page: Page) -> None:
        self._responses: list[Response] = []
        self._frames: list[str] = []
        page.on("response", lambda response: self._responses.append(response))
        page.on("websocket", self._listen)

    def _listen(self, socket: WebSocket) -> None:
        socket.on("framereceived", lambda frame: self._frames.append(str(frame)))

    def text(self) -> str:
        """Every answer of the API, and every message."""
        answers = [response.text() for response in self._responses if response.url.endswith("/graphql")]
        assert answers
        return "\n".join(answers + self._frames)


def test_a_secret_is_set_replaced_and_deleted_and_its_value_is_nowhere(platform: Platform, enter: Enter) -> None:
    platform.project("hushed")
    page = enter("hushed").context.new_page()
    answers = Answers(page)
    page.goto("/projects/hushed/settings")
    expect(page.get_by_text("No secrets yet")).to_be_visible()
    page.get_by_role("button", name="New secret").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("DB_PASSWORD")
    expect(dialog).to_contain_text("Only a to z, 0 to 9 and -.")
    expect(dialog.get_by_role("button", name="Set secret")).to_be_disabled()
    dialog.get_by_label("Name").fill("db")
    value = dialog.get_by_label("Value")
    value.fill(PEM)
    expect(dialog).to_contain_text(f"{len(PEM)} characters, 3 lines.")
    assert value.evaluate("element => getComputedStyle(element).webkitTextSecurity") == "disc"
    assert value.get_attribute("autocomplete") == "off"
    with page.expect_request(lambda request: "setSecret" in (request.post_data or "")) as asked:
        dialog.get_by_role("button", name="Set secret").click()
    assert json.loads(asked.value.post_data or "")["variables"]["input"]["value"] == PEM
    row = page.get_by_role("row", name=re.compile("^db"))
    expect(row).to_contain_text("admin")

    page.get_by_role("button", name="Replace the value of db").click()
    expect(dialog).to_contain_text("with their next redeploy")
    dialog.get_by_label("New value").fill("hush-1b")
    dialog.get_by_role("button", name="Replace value").click()
    expect(dialog).to_have_count(0)
    told, shown = answers.text(), page.content()
    assert '"db"' in told
    assert ">db<" in shown
    assert "hush-" not in told + shown
    page.reload()
    expect(row).to_be_visible()

    page.get_by_role("button", name="Delete db").click()
    dialog.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("No secrets yet")).to_be_visible()
    assert settings(platform, "hushed")["secrets"] == []


def test_a_secret_in_use_is_not_deleted_and_it_is_said_who_uses_it(platform: Platform, enter: Enter) -> None:
    version, _ = platform.finished_version(platform.model("in-use", "iris"))
    page = enter("in-use")
    page.get_by_role("button", name="New secret").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("db")
    dialog.get_by_label("Value").fill("hush")
    dialog.get_by_role("button", name="Set secret").click()
    expect(page.get_by_role("row", name=re.compile("^db"))).to_be_visible()
    platform.deploy(version, secrets=[{"secret": "db", "variable": "DB_PASSWORD"}])
    page.get_by_role("button", name="Delete db").click()
    dialog.get_by_role("button", name="Delete").click()
    expect(dialog).to_contain_text("Version 1 of iris uses the secret 'db'.")
    expect(dialog).to_contain_text("Redeploy it without the secret, or undeploy it.")


@pytest.mark.parametrize(("subject", "role"), [("rita", "READER"), ("eve", "EDITOR")])
def test_who_may_not_change_it_sees_no_buttons(platform: Platform, enter: Enter, subject: str, role: str) -> None:
    project = f"seen-by-{subject}"
    platform.project(project)
    platform.change("setSecret", "secret { name }", projectId=platform.project(project), name="db", value="hush")
    update(platform, project, description="To be read.", members=[ADMIN, {"subject": subject, "role": role}])
    page = enter(project, subject)
    main = page.get_by_role("main")
    expect(main.get_by_text("Only administrators of the project change its settings.")).to_be_visible()
    expect(main.get_by_text("To be read.")).to_be_visible()
    expect(panel(page, "Members")).to_contain_text("Only administrators of the project see its members.")
    expect(page.get_by_role("row", name=re.compile("^db"))).to_be_visible()
    expect(main.get_by_role("alert")).to_have_count(0)
    for kind in ("button", "textbox", "combobox"):
        expect(main.get_by_role(kind)).to_have_count(0)
    assert serious(page) == []


def test_it_is_found_from_the_project_and_a_project_that_is_none_is_said(page: Page, platform: Platform) -> None:
    platform.project("found")
    page.goto("/projects/found")
    page.get_by_role("link", name="Settings").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Settings")
    page.goto("/projects/none/settings")
    expect(page.get_by_role("heading", level=1)).to_have_text("Not found")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(platform: Platform, enter: Enter, scheme: str) -> None:
    platform.project("axe")
    page = enter("axe", color_scheme=scheme)
    page.get_by_label("Labels", exact=True).fill("stage=live")
    page.keyboard.press("Enter")
    assert serious(page) == []
    page.get_by_role("combobox", name="Role of admin").click()
    expect(page.get_by_role("option", name="Editor")).to_be_visible()
    assert serious(page) == []
    page.get_by_role("option", name="Editor").click()
    page.get_by_role("dialog").get_by_role("button", name="Become an editor").click()
    expect(panel(page, "Members")).to_contain_text("A project needs at least one administrator")
    assert serious(page) == []
    page.get_by_role("button", name="New secret").click()
    page.get_by_role("dialog").get_by_label("Name").fill("No")
    expect(page.get_by_role("dialog")).to_contain_text("Only a to z")
    assert serious(page) == []
