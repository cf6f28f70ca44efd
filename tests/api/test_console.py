"""The console's addresses, and that it never stands in the way of others."""

from __future__ import annotations

import gzip
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from merlin.api import console
from merlin.api.pages import PageHeaders
from tests.api.served import Api

HTML = {"accept": "text/html,application/xhtml+xml"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A built console, in small."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text(f'<meta property="csp-nonce" nonce="{console.NONCE}"><div id="root"></div>')
    (tmp_path / "assets" / "main-B3x_9aZ-.js").write_text("export {}")
    (tmp_path / "assets" / "merlin.svg").write_text("<svg/>")
    return tmp_path


@pytest.fixture
async def browser(folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application with that console and one route before it."""
    app = Starlette(routes=[Route("/healthz", lambda _: PlainTextResponse("ok")), *console.routes(folder)])
    transport = httpx.ASGITransport(app=PageHeaders(app))
    async with httpx.AsyncClient(transport=transport, base_url="http://merlin") as client:
        yield client


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/?token=x",
        "/sign-in",
        "/projects/fraud",
        "/projects/fraud/models/cards/versions/7/endpoints/local",
        "/environments",
        "/environments/local",
    ],
)
async def test_each_address_of_the_console_is_its_page(browser: httpx.AsyncClient, path: str) -> None:
    answer = await browser.get(path, headers=HTML)
    assert answer.status_code == 200
    assert 'id="root"' in answer.text
    assert answer.headers["cache-control"] == "no-store"


async def test_an_unknown_address_is_404_with_the_page_for_browsers_only(browser: httpx.AsyncClient) -> None:
    page = await browser.get("/nothing", headers=HTML)
    plain = await browser.get("/nothing", headers={"accept": "application/json"})
    assert (page.status_code, 'id="root"' in page.text) == (404, True)
    assert (plain.status_code, 'id="root"' in plain.text) == (404, False)


async def test_what_stands_before_it_keeps_its_address(browser: httpx.AsyncClient) -> None:
    assert (await browser.get("/healthz", headers=HTML)).text == "ok"


async def test_its_hashed_files_are_kept_and_a_missing_one_is_404(browser: httpx.AsyncClient) -> None:
    there = await browser.get("/assets/main-B3x_9aZ-.js")
    plain = await browser.get("/assets/merlin.svg")
    missing = await browser.get("/assets/main-B3x_9aZ0.js", headers=HTML)
    outside = await browser.get("/assets/%2e%2e/index.html")
    assert (there.status_code, "immutable" in there.headers["cache-control"]) == (200, True)
    assert plain.headers["cache-control"] == "no-cache"
    assert "javascript" in there.headers["content-type"]
    assert (missing.status_code, "immutable" in missing.headers.get("cache-control", "")) == (404, False)
    assert outside.status_code == 404


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip, deflate, br", "gzip"),
        ("br;q=1.0, gzip;q=0.8", "gzip"),
        ("identity", None),
        ("gzip;q=0, br", None),
        ("br, gzip; q=0.0", None),
        ("x-gzip", None),
    ],
)
async def test_the_compressed_twin_of_a_file_goes_to_who_accepts_it(
    browser: httpx.AsyncClient, folder: Path, accepted: str, encoding: str | None
) -> None:
    script = folder / "assets" / "big-B3x_9aZ-.js"
    script.write_text("export {}" * 1000)
    script.with_name(script.name + ".gz").write_bytes(gzip.compress(script.read_bytes()))
    answer = await browser.get("/assets/big-B3x_9aZ-.js", headers={"accept-encoding": accepted})
    assert (answer.text, answer.headers.get("content-encoding")) == (script.read_text(), encoding)
    assert "javascript" in answer.headers["content-type"]
    assert answer.headers["vary"] == "Accept-Encoding"
    assert "immutable" in answer.headers["cache-control"]
    again = {"accept-encoding": accepted, "if-none-match": answer.headers["etag"]}
    assert (await browser.get("/assets/big-B3x_9aZ-.js", headers=again)).status_code == 304


async def test_the_page_may_load_from_itself_alone_and_its_nonce_is_new_each_time(browser: httpx.AsyncClient) -> None:
    first, second = [await browser.get("/", headers=HTML) for _ in range(2)]
    [policy] = first.headers.get_list("content-security-policy")
    found = re.search(r"'nonce-([^']+)'", policy)
    assert found is not None
    assert f'nonce="{found[1]}"' in first.text
    assert found[1] not in second.text
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "script-src 'self';" in policy


async def test_without_a_built_console_the_page_says_how_to_build_it(tmp_path: Path) -> None:
    app = Starlette(routes=console.routes(tmp_path / "none"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://merlin") as client:
        answer = await client.get("/", headers=HTML)
        assert answer.status_code == 200
        assert "make setup" in answer.text
        assert "/graphiql" in answer.text
        assert (await client.get("/assets/x.js")).status_code == 404


async def test_the_api_serves_it_and_keeps_its_own_addresses(api: Api) -> None:
    paths = ("/", "/graphiql", "/healthz", "/metrics")
    assert [(await api.http.get(api.url + path, headers=HTML)).status_code for path in paths] == [200] * 4
    assert (await api.http.get(api.url + "/graphql", headers=HTML)).status_code == 405
