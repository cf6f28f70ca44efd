"""Requests through the gateway to pods that answer well, badly, slowly or not at all."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import httpx
import pytest

from merlin.api.session import cookie_name
from merlin.localcluster.gateway.exchange import SESSION_COOKIE
from tests.localcluster.gateway.backend import Backend, Seen, running
from tests.localcluster.gateway.conftest import Gate
from tests.localcluster.gateway.objects import a_route, exact, prefix, rule

STRIP = [{"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}}]
HEADERS = [
    {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "X-Team", "value": "iris"}]}},
    {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"remove": ["x-name"]}},
]


def serve(gate: Gate, *backends: Backend, path: str = "/m", **more: Any) -> None:
    """One Service with those pods behind a prefix."""
    gate.route(a_route(rule(prefix(path), filters=STRIP, **more)))
    gate.world.service("web", {backend.name: backend.port for backend in backends})


async def test_a_request_reaches_the_pod_without_the_prefix(gate: Gate) -> None:
    async with running("a") as [pod]:
        serve(gate, pod)
        answer = await gate.http.post("/m/v2/models/iris/infer?x=1&y=%2F", content=b"12345")
    said = answer.json()
    assert said["line"] == "POST /v2/models/iris/infer?x=1&y=%2F HTTP/1.1"
    assert said["bytes"] == 5
    assert said["headers"]["host"] == f"127.0.0.1:{gate.port}"
    assert said["headers"]["x-forwarded-for"] == "127.0.0.1"
    assert said["headers"]["x-forwarded-proto"] == "http"
    assert answer.headers["x-name"] == "a"


async def test_headers_of_one_hop_stay_there_and_modifiers_hold(gate: Gate) -> None:
    async with running("a") as [pod]:
        serve(gate, pod)
        gate.route(a_route(rule(prefix("/h"), filters=[*STRIP, *HEADERS]), name="h"))
        hop = {"connection": "keep-alive, x-mine", "x-mine": "1", "te": "trailers", "x-team": "other"}
        answer = await gate.http.get("/h", headers=hop)
    sent = answer.json()["headers"]
    assert sent["x-team"] == "iris"
    assert not {"x-mine", "te", "connection", "keep-alive"} & set(sent)
    assert "x-name" not in answer.headers


@pytest.mark.parametrize(
    ("sent", "reaches"),
    [
        ("merlin_session_8080=x", None),
        ("merlin_session=x; merlin_session_9=y", None),
        ("a=1; merlin_session_8080=gAA==; b=merlin_session", "a=1; b=merlin_session"),
        ("a=1;  b=2", "a=1;  b=2"),
    ],
)
async def test_no_pod_gets_the_consoles_session_and_each_other_cookie_arrives(
    gate: Gate, sent: str, reaches: str | None
) -> None:
    async with running("a") as [pod]:
        serve(gate, pod)
        answer = await gate.http.get("/m", headers={"cookie": sent})
    assert answer.json()["headers"].get("cookie") == reaches


def test_the_session_that_no_pod_gets_is_the_one_that_the_api_gives() -> None:
    assert cookie_name("127.0.0.1:8080").startswith(SESSION_COOKIE)
    assert cookie_name("merlin.example").startswith(SESSION_COOKIE)


async def test_connections_are_kept_on_both_sides(gate: Gate) -> None:
    async with running("a") as [pod]:
        serve(gate, pod)
        for _ in range(5):
            assert (await gate.http.get("/m")).status_code == 200
        assert pod.connections == 1
        assert len(gate.site.open) == 1


async def test_head_has_no_body(gate: Gate) -> None:
    async with running("a") as [pod]:
        serve(gate, pod)
        answer = await gate.http.head("/m")
        assert (answer.status_code, answer.content) == (200, b"")
        assert int(answer.headers["content-length"]) > 0
        assert (await gate.http.get("/m")).json()["name"] == "a"


async def test_large_bodies_pass_in_both_directions(gate: Gate) -> None:
    async def echo(seen: Seen, writer: Any) -> bool:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for start in range(0, len(seen.body), 100_000):
            piece = seen.body[start : start + 100_000]
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        return True

    body = bytes(range(256)) * 4096 * 8

    async def pieces() -> Any:
        for start in range(0, len(body), 65_536):
            yield body[start : start + 65_536]

    async with running("a", answer=echo) as [pod]:
        serve(gate, pod)
        assert (await gate.http.post("/m", content=body)).content == body
        assert (await gate.http.post("/m", content=pieces())).content == body  # chunked


async def test_pieces_are_passed_on_as_they_come(gate: Gate) -> None:
    go_on = asyncio.Event()

    async def two(seen: Seen, writer: Any) -> bool:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        await go_on.wait()
        writer.write(b"6\r\nsecond\r\n0\r\n\r\n")
        return True

    async with running("a", answer=two) as [pod]:
        serve(gate, pod)
        async with gate.http.stream("GET", "/m") as answer:
            pieces = answer.aiter_raw()
            assert await anext(pieces) == b"first"
            go_on.set()
            assert await anext(pieces) == b"second"


async def test_an_answer_that_ends_with_its_connection_is_whole(gate: Gate) -> None:
    async def until_close(seen: Seen, writer: Any) -> bool:
        writer.write(b"HTTP/1.0 200 OK\r\n\r\nall of it")
        return False

    async with running("a", answer=until_close) as [pod]:
        serve(gate, pod)
        assert (await gate.http.get("/m")).content == b"all of it"
        assert (await gate.http.get("/m")).content == b"all of it"


async def test_half_an_answer_is_not_taken_for_a_whole_one(gate: Gate) -> None:
    async def half(seen: Seen, writer: Any) -> bool:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        await writer.drain()
        return False

    async with running("a", answer=half) as [pod]:
        serve(gate, pod)
        with pytest.raises(httpx.RemoteProtocolError):
            await gate.http.get("/m")


@pytest.mark.parametrize(("chunked", "size"), [(False, 10), (False, 400_000), (True, 400_000)])
async def test_who_refuses_a_connection_is_passed_over(gate: Gate, chunked: bool, size: int) -> None:
    async def body() -> Any:
        for _ in range(10):
            yield b"x" * (size // 10)

    async with running("gone", "here") as [gone, here]:
        serve(gate, gone, here)
        await gone.stop()
        for _ in range(6):
            answer = await gate.http.post("/m", content=body() if chunked else b"x" * size)
            assert (answer.json()["name"], answer.json()["bytes"]) == ("here", size)


async def test_a_kept_connection_that_the_pod_ended_costs_no_request(gate: Gate) -> None:
    async def once(seen: Seen, writer: Any) -> bool:
        # Claims to keep the connection and ends it as soon as the next request comes.
        if len(pods[0].seen) % 2 == 0 and len(pods[0].seen) > 0 and writer in used:
            writer.transport.abort()
            return False
        used.add(writer)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        return True

    used: set[Any] = set()
    async with running("a", answer=once) as pods:
        serve(gate, pods[0])
        for _ in range(8):
            answer = await gate.http.post("/m", content=b"body")
            assert (answer.status_code, answer.content) == (200, b"ok")
        assert {seen.body for seen in pods[0].seen} == {b"body"}


async def test_a_new_connection_that_breaks_is_not_tried_again(gate: Gate) -> None:
    async def never(seen: Seen, writer: Any) -> bool:
        writer.transport.abort()
        return False

    async with running("a", answer=never) as [pod]:
        serve(gate, pod)
        assert (await gate.http.post("/m", content=b"x")).status_code == 502
        assert len(pod.seen) == 1


async def test_who_takes_too_long_is_a_504(gate: Gate) -> None:
    async def sleeps(seen: Seen, writer: Any) -> bool:
        await asyncio.Event().wait()
        return False

    async with running("a", answer=sleeps) as [pod]:
        serve(gate, pod, timeouts={"request": "100ms"})
        answer = await gate.http.get("/m")
        assert (answer.status_code, answer.json()) == (504, {"error": "no answer within 0.1 s"})


@pytest.mark.parametrize(
    ("path", "status"), [("/nowhere", 404), ("/absent", 500), ("/foreign", 500), ("/empty", 503), ("/zero", 500)]
)
async def test_what_cannot_be_served_is_told(gate: Gate, path: str, status: int) -> None:
    gate.route(
        a_route(
            rule(prefix("/absent"), to="absent"),
            rule(prefix("/foreign"), to=[{"name": "web", "port": 80, "namespace": "other"}]),
            rule(prefix("/empty"), to="web"),
            rule(prefix("/zero"), to=[{"name": "web", "port": 80, "weight": 0}]),
        )
    )
    gate.world.service("web", {})
    answer = await gate.http.get(path)
    assert answer.status_code == status
    assert set(answer.json()) == {"error"}


async def test_weights_hold_over_http(gate: Gate) -> None:
    async with running("a", "b") as [first, second]:
        backends = [{"name": "one", "port": 80, "weight": 9}, {"name": "two", "port": 80, "weight": 1}]
        gate.route(a_route(rule(prefix("/m"), to=backends)))
        gate.world.service("one", {"a": first.port})
        gate.world.service("two", {"b": second.port})
        for _ in range(40):
            assert (await gate.http.get("/m")).status_code == 200
        assert (len(first.seen), len(second.seen)) == (36, 4)


async def test_mirrored_requests_get_there_and_change_nothing(gate: Gate) -> None:
    arrived = asyncio.Event()

    async def fails(seen: Seen, writer: Any) -> bool:
        writer.write(b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n")
        arrived.set()
        return True

    async with running("a") as [pod], running("b", answer=fails) as [mirror]:
        filters = [{"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "mirror", "port": 80}}}]
        gate.route(a_route(rule(prefix("/m"), filters=filters)))
        gate.world.service("web", {"a": pod.port})
        gate.world.service("mirror", {"b": mirror.port})
        answer = await gate.http.post("/m/x", content=b"copied")
        assert answer.status_code == 200
        async with asyncio.timeout(10):
            await arrived.wait()
        assert mirror.seen[0].body == b"copied"
        assert mirror.seen[0].line == "POST /m/x HTTP/1.1"


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1"])
async def test_a_foreign_host_is_refused(gate: Gate, host: str) -> None:
    gate.route(a_route(rule(prefix("/"))))
    assert (await gate.http.get("/", headers={"host": host})).status_code == 421


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1.evil.example", ""])
async def test_a_foreign_origin_is_refused(gate: Gate, origin: str) -> None:
    gate.route(a_route(rule(prefix("/"))))
    assert (await gate.http.post("/", headers={"origin": origin})).status_code == 403


@pytest.mark.parametrize("host", ["localhost:{port}", "127.0.0.1", "[::1]:80", "iris.localhost", "iris.example.com"])
async def test_names_of_this_machine_and_of_routes_are_served(gate: Gate, host: str) -> None:
    async with running("a") as [pod]:
        gate.route(a_route(rule(prefix("/"))), a_route(rule(exact("/")), name="h", hosts=("iris.example.com",)))
        gate.world.service("web", {"a": pod.port})
        named = host.format(port=gate.port)
        assert (await gate.http.get("/", headers={"host": named})).status_code == 200
        answer = await gate.http.get("/", headers={"host": named, "origin": f"http://{named}"})
        assert answer.status_code == 200


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GARBAGE\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400),
        (b"GET relative HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 70_000, 431),
        (b"GET http://localhost/none HTTP/1.1\r\nHost: other\r\n\r\n", 404),
    ],
)
async def test_garbage_is_refused_and_the_gateway_lives(gate: Gate, sent: bytes, status: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
    writer.write(sent)
    async with asyncio.timeout(10):
        line = await reader.readline()
    assert line.startswith(f"HTTP/1.1 {status} ".encode())
    writer.close()
    assert (await gate.http.get("/none")).status_code == 404


async def test_pipelined_requests_are_answered_in_order(gate: Gate) -> None:
    async with running("a") as [pod]:
        serve(gate, pod)
        reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
        writer.write(b"".join(b"GET /m/%d HTTP/1.1\r\nHost: localhost\r\n\r\n" % number for number in range(20)))
        async with asyncio.timeout(20):
            for number in range(20):
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                assert f"GET /{number} ".encode() in await reader.readexactly(length)
        writer.close()


async def test_a_body_that_is_expected_to_be_asked_for_is_asked_for(gate: Gate) -> None:
    async with running("a") as [pod]:
        serve(gate, pod)
        reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
        writer.write(b"POST /m HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
        async with asyncio.timeout(10):
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(b"body")
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        writer.close()
        assert pod.seen[0].body == b"body"
        assert "expect" not in pod.seen[0].headers


async def test_a_caller_who_goes_away_frees_the_pod(gate: Gate) -> None:
    asked, freed = asyncio.Event(), asyncio.Event()

    async def waits(seen: Seen, writer: Any) -> bool:
        asked.set()
        assert await seen.rest.read() == b""
        freed.set()
        return False

    async with running("a", answer=waits) as [pod]:
        serve(gate, pod)
        _, writer = await asyncio.open_connection("127.0.0.1", gate.port)
        writer.write(b"GET /m HTTP/1.1\r\nHost: localhost\r\n\r\n")
        async with asyncio.timeout(10):
            await asked.wait()
            writer.transport.abort()
            await freed.wait()


async def test_pods_are_switched_under_load_without_a_failed_request(gate: Gate) -> None:
    """As the kubelet and the controllers do it: the new pod joins, the old one leaves, and only then ends."""
    failed: list[str] = []
    answered: dict[str, int] = {}
    done = asyncio.Event()

    async def caller() -> None:
        async with httpx.AsyncClient(base_url=gate.url, trust_env=False, timeout=30) as http:
            while not done.is_set():
                answer = await http.post("/m/infer", content=b"x" * 100)
                name = answer.headers.get("x-name", "")
                answered[name] = answered.get(name, 0) + 1
                if answer.status_code != 200:
                    failed.append(answer.text)

    async def has_answered(name: str) -> None:
        before = answered.get(name, 0)
        while answered.get(name, 0) < before + 20:  # noqa: ASYNC110 - counted by the callers
            await asyncio.sleep(0.001)

    async with running(*(f"pod-{number}" for number in range(8))) as pods:
        serve(gate, pods[0])
        callers = [asyncio.create_task(caller()) for _ in range(8)]
        async with asyncio.timeout(60):
            for old, new in itertools.pairwise(pods):
                await has_answered(old.name)
                gate.world.service("web", {new.name: new.port})
                # The harder way every other time: it ends while the gateway still holds connections to it.
                await old.stop()
                await has_answered(new.name)
        done.set()
        await asyncio.gather(*callers)
    assert failed == []
    assert len(answered) == 8
