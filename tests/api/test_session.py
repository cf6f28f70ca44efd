"""A browser's session: begun with a token, carried by a cookie no script reads, of no use to foreign pages."""

from __future__ import annotations

import json
from http.cookies import SimpleCookie
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from websockets.exceptions import ConnectionClosed

from merlin.api import console
from merlin.api.server import all_routes
from merlin.api.session import cookie_name, seal, unseal
from merlin.db.secrets import SecretKey
from merlin.db.tokens import revoke_tokens_of
from merlin.domain.names import API_PATHS
from tests.api.served import Api

ME = "{ me { subject } }"


async def a_cookie(api: Api, token: str | None = None) -> str:
    """The Cookie header of a new session."""
    answer = await api.http.post(f"{api.url}/session", json={"token": token or api.token}, headers={"origin": api.url})
    assert answer.status_code == 200, answer.text
    api.http.cookies.clear()
    return answer.headers["set-cookie"].partition(";")[0]


async def asked(api: Api, cookie: str, **headers: str) -> int:
    """The status of a query with this Cookie header."""
    sent = {"cookie": cookie, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return (await api.http.post(api.graphql, json={"query": ME}, headers=sent)).status_code


async def test_a_token_becomes_a_cookie_that_scripts_and_other_paths_do_not_get(api: Api) -> None:
    answer = await api.http.post(f"{api.url}/session", json={"token": api.token})
    [morsel] = SimpleCookie(answer.headers["set-cookie"]).values()
    assert morsel["httponly"]
    assert morsel["samesite"] == "strict"
    assert morsel["path"] == "/graphql"
    assert morsel["max-age"] == str(30 * 24 * 3600)
    assert morsel.key.endswith(api.url.rpartition(":")[2])
    assert api.token not in answer.headers["set-cookie"] + answer.text


async def test_no_project_may_be_called_as_an_address_of_the_api_begins(api: Api) -> None:
    paths = {str(getattr(route, "path", "")) for route in all_routes(api.parts)} - {"/{path:path}"}
    assert {path.split("/")[1] for path in paths} | set(console.PAGES) == set(API_PATHS)
    for name in API_PATHS:
        refused = await api.change("createProject", "project { id }", name=name)
        assert [error["code"] for error in refused["errors"]] == ["RESERVED_NAME"]


async def test_its_requests_are_the_tokens_from_our_pages_only(api: Api) -> None:
    cookie = await a_cookie(api)
    assert await asked(api, cookie, origin=api.url) == 200
    assert await asked(api, cookie, sec_fetch_site="same-origin") == 200
    assert await asked(api, cookie) == 401
    assert await asked(api, cookie, sec_fetch_site="same-site") == 401
    assert await asked(api, cookie, origin="http://127.0.0.1:1") == 403
    assert await asked(api, cookie, origin=api.url, authorization="Bearer wrong") == 401


async def test_a_websocket_takes_it_too(api: Api) -> None:
    cookie = await a_cookie(api)
    async with api.raw_socket(additional_headers={"Cookie": cookie, "Origin": api.url}) as connection:
        await connection.send('{"type": "connection_init"}')
        assert json.loads(await connection.recv()) == {"type": "connection_ack"}
    async with api.raw_socket(additional_headers={"Cookie": cookie}) as connection:
        await connection.send('{"type": "connection_init"}')
        with pytest.raises(ConnectionClosed):
            await connection.recv()


async def test_it_ends_with_its_token(api: Api) -> None:
    token = await api.user("ada")
    cookie = await a_cookie(api, token)
    await revoke_tokens_of("ada")
    assert await asked(api, cookie, origin=api.url) == 401


async def test_ending_it_takes_the_cookie_away(api: Api) -> None:
    answer = await api.http.post(f"{api.url}/session/end", headers={"origin": api.url})
    [morsel] = SimpleCookie(answer.headers["set-cookie"]).values()
    assert (answer.status_code, morsel.value, morsel["max-age"], morsel["path"]) == (204, "", "0", "/graphql")


@pytest.mark.parametrize("origin", ["https://evil.example", "http://127.0.0.1:1", "null"])
async def test_a_foreign_page_cannot_begin_or_end_one(api: Api, origin: str) -> None:
    for path in ("/session", "/session/end"):
        answer = await api.http.post(api.url + path, json={"token": api.token}, headers={"origin": origin})
        assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b'{"token": "wrong"}', "application/json", 401),
        (b'{"token": 7}', "application/json", 400),
        (b'{"token": " "}', "application/json", 400),
        (b"[]", "application/json", 400),
        (b"{", "application/json", 400),
        (b'{"token": "x"}', "text/plain", 415),
        (b'{"token": "' + b"x" * 9000 + b'"}', "application/json", 413),
    ],
)
async def test_what_is_no_token_begins_none(api: Api, body: bytes, content_type: str, status: int) -> None:
    answer = await api.http.post(f"{api.url}/session", content=body, headers={"content-type": content_type})
    assert (answer.status_code, "set-cookie" in answer.headers) == (status, False)
    assert answer.json()["errors"][0]["message"]


async def test_a_token_in_the_address_begins_none(api: Api) -> None:
    answer = await api.http.get(f"{api.url}/session", params={"token": api.token})
    assert (answer.status_code, "set-cookie" in answer.headers) == (404, False)


@pytest.mark.parametrize("value", ["x", "", "a;b", "%C3%A9"])
async def test_a_made_up_cookie_is_nobody(api: Api, value: str) -> None:
    name = cookie_name(api.url.partition("//")[2])
    assert await asked(api, f"{name}={value}", origin=api.url) == 401


def test_only_what_this_key_sealed_as_a_session_is_opened(tmp_path: Path) -> None:
    keys = []
    for name in ("one", "two"):
        (tmp_path / name).write_text(Fernet.generate_key().decode())
        keys.append(SecretKey(tmp_path / name))
    sealed = seal("merlin_token", keys[0])
    assert unseal(sealed, keys[0]) == "merlin_token"
    assert unseal(sealed, keys[1]) is None
    assert unseal(keys[0].encrypt("a project's secret").decode(), keys[0]) is None
