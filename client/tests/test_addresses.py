"""Which server, and which token: given, from the environment, or from a platform that runs here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from merlin_client.addresses import find_address, graphql_url, is_loopback
from merlin_client.errors import NotConfigured, Unavailable

RUNNING = {"graphql": "http://127.0.0.1:8080/graphql", "token": "the-local-one"}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("MERLIN_URL", "MERLIN_TOKEN", "MERLIN_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def a_platform(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "addresses.json").write_text(json.dumps(RUNNING))
    return folder


def test_nothing_known_says_what_to_do() -> None:
    with pytest.raises(NotConfigured) as caught:
        find_address()
    assert "merlin up" in str(caught.value)


def test_a_platform_is_found_from_the_folders_below_it(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_platform(here / ".merlin")
    (here / "notebooks").mkdir()
    monkeypatch.chdir(here / "notebooks")
    found = find_address()
    assert (found.url, found.token) == (RUNNING["graphql"], RUNNING["token"])


def test_a_stopped_platform_is_told_as_one(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / ".merlin").mkdir()
    with pytest.raises(Unavailable, match="No platform runs in") as caught:
        find_address()
    assert f"merlin up --home {here / '.merlin'}" in str(caught.value)
    (here / "other").mkdir()
    monkeypatch.setenv("MERLIN_HOME", str(here / "other"))
    with pytest.raises(Unavailable, match="other"):
        find_address()


def test_merlin_home_and_a_given_home_are_looked_at(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = a_platform(here / "elsewhere")
    assert find_address(home=home).token == "the-local-one"
    monkeypatch.setenv("MERLIN_HOME", str(home))
    assert find_address().token == "the-local-one"
    with pytest.raises(Unavailable, match="No platform runs in"):
        find_address(home=here / "nowhere")


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080", "http://localhost:8080/", "http://127.0.0.1:8080/graphql"])
def test_the_local_token_goes_to_the_local_server(here: Path, url: str) -> None:
    a_platform(here / ".merlin")
    assert find_address(url).token == "the-local-one"


@pytest.mark.parametrize("url", ["http://127.0.0.1:9999", "https://merlin.example.org"])
def test_the_local_token_goes_nowhere_else(here: Path, url: str) -> None:
    a_platform(here / ".merlin")
    assert find_address(url).token is None


def test_what_was_given_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MERLIN_URL", "https://merlin.example.org")
    monkeypatch.setenv("MERLIN_TOKEN", "from-the-environment")
    assert find_address().token == "from-the-environment"
    assert find_address("https://other.example.org", "given").token == "given"


def test_a_token_is_never_shown() -> None:
    assert "secret" not in repr(find_address("https://merlin.example.org", "secret"))


def test_urls_name_the_root_or_the_endpoint() -> None:
    assert graphql_url("https://m.example.org/") == graphql_url("https://m.example.org/graphql")
    with pytest.raises(NotConfigured):
        graphql_url("m.example.org")


def test_loopback_is_told_from_names_that_begin_like_it() -> None:
    assert is_loopback("http://127.0.0.1:1/graphql")
    assert not is_loopback("http://127.0.0.1.example.org/graphql")
