"""Who gets in: tokens, Host, Origin; and what a request must look like before anything is run."""

from __future__ import annotations

import json
import socket
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from merlin.db.tokens import revoke_tokens_of
from tests.api.served import Api

ME = "{ me { subject } }"


async def test_the_administrators_token_from_the_file_is_accepted(api: Api) -> None:
    assert (await api.ask("{ me { subject isAdministrator } }"))["me"] == {"subject": "admin", "isAdministrator": True}


@pytest.mark.parametrize("header", [None, "Bearer wrong", "Basic eDp5", "Bearer", "bearer", "Bearer " + "x" * 5000])
async def test_without_a_good_token_the_answer_is_401_in_graphqls_shape(api: Api, header: str | None) -> None:
    headers = {} if header is None else {"authorization": header}
    answer = await api.http.post(api.graphql, json={"query": ME}, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    error = answer.json()["errors"][0]
    assert error["extensions"]["code"] == "UNAUTHENTICATED"
    is_told_as_unknown = header is not None and header.startswith("Bearer ")
    assert ("is not known" in error["message"]) is is_told_as_unknown
    assert "addresses.json" in error["extensions"]["hint"]


async def test_a_token_in_a_cookie_or_the_address_is_not_taken(api: Api) -> None:
    answer = await api.http.post(
        f"{api.graphql}?token={api.token}", json={"query": ME}, headers={"cookie": f"token={api.token}"}
    )
    assert answer.status_code == 401


@pytest.mark.parametrize("path", ["/graphql", "/graphiql", "/", "/healthz", "/readyz", "/metrics"])
async def test_a_foreign_host_is_refused_everywhere(api: Api, path: str) -> None:
    answer = await api.http.get(api.url + path, headers={"host": "evil.example:8080"})
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (421, "FOREIGN_HOST")


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "file://", "http://127.0.0.1", "http://localhost:1", "x"]
)
async def test_a_foreign_origin_is_refused_even_with_a_token(api: Api, origin: str) -> None:
    answer = await api.post(ME, origin=origin)
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (403, "FOREIGN_ORIGIN")


async def test_its_own_origin_is_welcome(api: Api) -> None:
    assert (await api.post(ME, origin=api.url)).status_code == 200


async def test_websockets_check_host_and_origin_too(api: Api) -> None:
    for headers, status in (({"Origin": "https://evil.example"}, 403), ({}, 101)):
        try:
            async with api.raw_socket(additional_headers=headers):
                got = 101
        except InvalidStatus as refused:
            got = refused.response.status_code
        assert got == status


async def test_a_request_id_is_taken_over_if_it_is_a_good_one(api: Api) -> None:
    given = await api.post(ME, x_request_id="abc-123")
    made = await api.post(ME, x_request_id="bad id\twith spaces")
    assert given.headers["x-request-id"] == given.json()["extensions"]["requestId"] == "abc-123"
    assert len(made.headers["x-request-id"]) == 32


@pytest.mark.parametrize(
    ("content", "content_type", "status", "code"),
    [
        (b"{}", "text/plain", 415, "UNSUPPORTED_MEDIA_TYPE"),
        (b"{}", "", 415, "UNSUPPORTED_MEDIA_TYPE"),
        (b"{}", "application/x-www-form-urlencoded", 415, "UNSUPPORTED_MEDIA_TYPE"),
        (b"{}", "application/json; charset=latin-1", 415, "UNSUPPORTED_MEDIA_TYPE"),
        (b"{", "application/json", 400, "BAD_REQUEST"),
        (b"\xff\xfe", "application/json", 400, "BAD_REQUEST"),
        (b"", "application/json", 400, "BAD_REQUEST"),
        (b"7", "application/json", 400, "BAD_REQUEST"),
        (b"[]", "application/json", 400, "BATCHING_NOT_SUPPORTED"),
        (b'[{"query": "{ me { subject } }"}]', "application/json", 400, "BATCHING_NOT_SUPPORTED"),
        (b"{}", "application/json", 400, "BAD_REQUEST"),
        (b'{"query": 7}', "application/json", 400, "BAD_REQUEST"),
        (b'{"query": " "}', "application/json", 400, "BAD_REQUEST"),
        (b'{"query": "{ me { subject } }", "variables": []}', "application/json", 400, "BAD_REQUEST"),
        (b'{"query": "{ me { subject } }", "operationName": 7}', "application/json", 400, "BAD_REQUEST"),
        (b'{"query": "{ me { subject } }", "extensions": 7}', "application/json", 400, "BAD_REQUEST"),
    ],
)
async def test_a_body_that_is_no_operation_is_refused_with_the_reason(
    api: Api, content: bytes, content_type: str, status: int, code: str
) -> None:
    answer = await api.http.post(api.graphql, content=content, headers={**api.headers(), "content-type": content_type})
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (status, code)
    assert answer.json()["errors"][0]["message"]


async def test_a_huge_body_is_413_stated_or_streamed_and_the_server_lives(api: Api) -> None:
    most = api.parts.settings.max_body_bytes

    async def chunks() -> Any:
        for _ in range(3):
            yield b" " * (most // 2)

    headers = {**api.headers(), "content-type": "application/json"}
    stated = await api.http.post(api.graphql, content=b" " * (most + 1), headers=headers)
    streamed = await api.http.post(api.graphql, content=chunks(), headers=headers)
    assert (stated.status_code, streamed.status_code) == (413, 413)
    assert (await api.ask(ME))["me"]["subject"] == "admin"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
async def test_only_post_runs_operations(api: Api, method: str) -> None:
    answer = await api.http.request(method, api.graphql, params={"query": ME}, headers=api.headers())
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize(
    ("accept", "status", "form"),
    [
        ("*/*", 200, "application/json"),
        ("application/json", 200, "application/json"),
        ("application/graphql-response+json", 200, "application/graphql-response+json"),
        ("application/json;q=0.5, application/graphql-response+json", 200, "application/graphql-response+json"),
        ("text/html", 406, "application/json"),
    ],
)
async def test_accept_chooses_the_answers_form(api: Api, accept: str, status: int, form: str) -> None:
    answer = await api.post(ME, accept=accept)
    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (status, form)


async def test_a_refused_operation_is_200_in_plain_json_and_400_in_the_other_form(api: Api) -> None:
    plain = await api.post("{ nothing }", accept="application/json")
    other = await api.post("{ nothing }", accept="application/graphql-response+json")
    assert (plain.status_code, other.status_code) == (200, 400)
    assert "data" not in plain.json()


async def test_a_subscription_over_plain_post_says_how_to_do_it(api: Api) -> None:
    answer = await api.post("subscription { events { cursor } }")
    assert answer.status_code == 406
    assert "text/event-stream" in answer.json()["errors"][0]["extensions"]["hint"]


# WebSocket


@pytest.mark.parametrize("payload", [{}, {"authorization": "Bearer wrong"}, {"token": "wrong"}])
async def test_a_websocket_without_a_good_token_is_closed_with_4403(api: Api, payload: dict[str, str]) -> None:
    async with api.raw_socket() as connection:
        await connection.send(json.dumps({"type": "connection_init", "payload": payload}))
        with pytest.raises(ConnectionClosed) as closed:
            await connection.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4403
    assert ("not known" in closed.value.rcvd.reason) is bool(payload)


@pytest.mark.parametrize("key", ["authorization", "Authorization", "token"])
async def test_a_websockets_token_comes_in_connection_init(api: Api, key: str) -> None:
    value = api.token if key == "token" else f"Bearer {api.token}"
    async with api.socket(**{key: value}) as socket:
        await socket.subscribe("1", ME)
        assert (await socket.next())["data"] == {"me": {"subject": "admin"}}
        assert await socket.hear() == {"id": "1", "type": "complete"}


async def test_or_in_the_handshakes_header(api: Api) -> None:
    async with api.raw_socket(additional_headers=api.headers()) as connection:
        await connection.send('{"type": "connection_init"}')
        assert json.loads(await connection.recv()) == {"type": "connection_ack"}


async def test_a_revoked_token_ends_the_connection_at_the_next_operation(api: Api) -> None:
    token = await api.user("bob")
    async with api.socket(token) as socket:
        await revoke_tokens_of("bob")
        await socket.subscribe("1", ME)
        with pytest.raises(ConnectionClosed) as closed:
            await socket.hear()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4403


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("no JSON", 4400),
        ("[]", 4400),
        ('{"type": 7}', 4400),
        ('{"type": "unheard of"}', 4400),
        ('{"id": "1", "type": "subscribe", "payload": {"query": "{ me { subject } }"}}', 4401),
        (b"bytes", 4400),
    ],
)
async def test_what_breaks_the_protocol_before_the_acknowledgement(api: Api, said: str | bytes, code: int) -> None:
    async with api.raw_socket() as connection:
        await connection.send(said)
        with pytest.raises(ConnectionClosed) as closed:
            await connection.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == code


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"type": "connection_init"}, 4429),
        ({"type": "subscribe", "payload": {"query": ME}}, 4400),
        ({"id": "1", "type": "subscribe"}, 4400),
        ({"id": "1", "type": "subscribe", "payload": {"query": 7}}, 4400),
    ],
)
async def test_what_breaks_the_protocol_afterwards(api: Api, message: dict[str, Any], code: int) -> None:
    async with api.socket() as socket:
        await socket.send(message)
        with pytest.raises(ConnectionClosed) as closed:
            await socket.hear()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == code


async def test_an_id_in_use_closes_and_a_ping_is_answered(api: Api) -> None:
    async with api.socket() as socket:
        await socket.send({"type": "ping"})
        assert await socket.hear() == {"type": "pong"}
        await socket.subscribe("1", "subscription { events { cursor } }")
        await socket.subscribe("1", "subscription { events { cursor } }")
        with pytest.raises(ConnectionClosed) as closed:
            await socket.hear()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4409


async def test_another_subprotocol_is_refused_in_the_handshake(api: Api) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with api.raw_socket(subprotocols=["graphql-ws"]):
            pass
    assert refused.value.response.status_code == 400
    assert "graphql-transport-ws" in (refused.value.response.body or b"").decode()


# Pages


async def test_health_readiness_and_metrics_need_no_token(api: Api) -> None:
    await api.ask(ME)
    answers = {path: await api.http.get(api.url + path) for path in ("/healthz", "/readyz", "/metrics")}
    assert {path: answer.status_code for path, answer in answers.items()} == dict.fromkeys(answers, 200)
    assert answers["/readyz"].json() == {"ready": True, "problem": None}
    assert 'merlin_api_requests_total{operation="me",status="ok"} 1.0' in answers["/metrics"].text


async def test_graphiql_may_speak_to_nobody_else(api: Api) -> None:
    page = await api.http.get(api.url + "/graphiql?token=x")
    assert page.status_code == 200
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "http" not in policy
    assert "GraphiQL" in page.text


async def test_no_answer_tells_what_the_server_is_made_of(api: Api) -> None:
    answer = await api.http.get(api.url + "/nothing-here")
    assert answer.status_code == 404
    assert "server" not in answer.headers
    assert isinstance(answer, httpx.Response)


async def test_answers_are_not_held_back_for_an_acknowledgement(api: Api) -> None:
    await api.http.get(f"{api.url}/healthz")
    (connection,) = api.server.server_state.connections
    accepted: socket.socket = connection.transport.get_extra_info("socket")
    assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
