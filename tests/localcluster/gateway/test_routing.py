"""Which rule a request belongs to, what becomes of it, and who gets it: the Gateway API's rules as tables. Pure.

| table | what is walked |
|---|---|
| precedence | host, then exact, longest prefix, expression; then method, headers, query, age, name, order |
| rewriting | prefix and full path, with and without slashes, element by element |
| shares | weights, exactly and evenly |
| endpoints | ready, leaving, not ready, of slices and pods that disagree |
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from merlin.localcluster.gateway.balance import Balancer
from merlin.localcluster.gateway.endpoints import Endpoints
from merlin.localcluster.gateway.rules import HeaderChange, Match, Rewrite, route_of, seconds_of
from merlin.localcluster.gateway.table import Table
from tests.localcluster.gateway.objects import a_pod, a_route, a_service, a_slice, exact, prefix, read, regex, rule

HEADER = {"name": "X-Team", "value": "a"}
ROUTES = [
    a_route(rule(prefix("/shop"), to="shop"), name="shop", created="2026-01-01T00:00:02Z"),
    a_route(rule(prefix("/shop/iris"), to="iris"), rule(exact("/shop/iris"), to="exact"), name="iris"),
    a_route(rule(prefix("/shop/iris/versions/1/"), to="version"), name="version"),
    a_route(rule(regex("/shop/.*/deep"), to="expression"), rule(regex("/lone/[0-9]+"), to="expression"), name="regex"),
    a_route(rule(prefix("/m", method="POST"), to="posted"), rule(prefix("/m"), to="any"), name="methods"),
    a_route(
        rule(prefix("/h"), to="plain"),
        rule(prefix("/h", headers=[HEADER]), to="one"),
        rule(prefix("/h", headers=[HEADER, {"name": "y", "value": "b.", "type": "RegularExpression"}]), to="two"),
        rule(prefix("/h", queryParams=[{"name": "q", "value": "1"}]), to="query"),
        name="headers",
    ),
    a_route(rule(prefix("/same"), to="older"), name="z", created="2026-01-01T00:00:00Z"),
    a_route(rule(prefix("/same"), to="newer"), name="a", created="2026-01-01T00:00:09Z"),
    a_route(rule(prefix("/twin"), to="first"), name="b", created="2026-01-01T00:00:00Z"),
    a_route(rule(prefix("/twin"), to="second"), name="c", created="2026-01-01T00:00:00Z"),
    a_route(rule(prefix("/order"), to="first"), rule(prefix("/order"), to="second"), name="order"),
    a_route(rule(prefix("/"), to="host"), name="host", hosts=("iris.example.com",)),
    a_route(rule(prefix("/"), to="wild"), name="wild", hosts=("*.example.com",)),
    a_route(rule(prefix("/"), to="wilder"), name="wilder", hosts=("*.deep.example.com",)),
]
PRECEDENCE: list[tuple[str, str, dict[str, Any], str | None]] = [
    ("localhost", "/shop", {}, "shop"),
    ("localhost", "/shop/", {}, "shop"),
    ("localhost", "/shop/other", {}, "shop"),
    ("localhost", "/shopping", {}, None),
    ("localhost", "/shop/iris", {}, "exact"),
    ("localhost", "/shop/iris/v2", {}, "iris"),
    ("localhost", "/shop/irises", {}, "shop"),
    ("localhost", "/shop/iris/versions/1", {}, "version"),
    ("localhost", "/shop/iris/versions/1/v2", {}, "version"),
    ("localhost", "/shop/iris/versions/12", {}, "iris"),
    ("localhost", "/shop/x/deep", {}, "shop"),  # a prefix comes before an expression
    ("localhost", "/lone/42", {}, "expression"),
    ("localhost", "/lone/42x", {}, None),
    ("localhost", "/m", {"method": "POST"}, "posted"),
    ("localhost", "/m", {}, "any"),
    ("localhost", "/h", {}, "plain"),
    ("localhost", "/h", {"headers": {"x-team": "a"}}, "one"),
    ("localhost", "/h", {"headers": {"x-team": "b"}}, "plain"),
    ("localhost", "/h", {"headers": {"x-team": "a", "y": "bc"}}, "two"),
    ("localhost", "/h", {"headers": {"x-team": "a", "y": "bcd"}}, "one"),
    ("localhost", "/h", {"headers": {"x-team": "a"}, "query": {"q": "1"}}, "one"),
    ("localhost", "/h", {"query": {"q": "1"}}, "query"),
    ("localhost", "/same", {}, "older"),
    ("localhost", "/twin", {}, "first"),
    ("localhost", "/order", {}, "first"),
    ("localhost", "/", {}, None),
    ("iris.example.com", "/shop", {}, "host"),
    ("other.example.com", "/x", {}, "wild"),
    ("a.b.example.com", "/x", {}, "wild"),
    ("a.deep.example.com", "/x", {}, "wilder"),
    ("example.com", "/x", {}, None),
    ("example.com", "/shop", {}, "shop"),
]


@pytest.mark.parametrize(("host", "path", "more", "expected"), PRECEDENCE)
@pytest.mark.parametrize("turned", [False, True])
def test_precedence(host: str, path: str, more: dict[str, Any], expected: str | None, turned: bool) -> None:
    table = Table()
    for manifest in reversed(ROUTES) if turned else ROUTES:
        table.put(read(manifest))
    asked = {"method": "GET", "headers": {}, "query": {}, **more}
    found = table.find(host, path, **asked)
    service = found[0].backends[0].service if found is not None else None
    assert (service[1] if service else None) == expected


def test_a_changed_route_leaves_nothing_of_the_old_one() -> None:
    table = Table()
    table.put(read(a_route(rule(prefix("/old")), hosts=("old.example",))))
    table.put(read(a_route(rule(prefix("/new")))))
    assert not table.knows("old.example")
    assert table.find("old.example", "/old", "GET", {}, {}) is None
    assert table.find("localhost", "/new", "GET", {}, {}) is not None
    table.remove(("shop", "route"))
    assert table.find("localhost", "/new", "GET", {}, {}) is None


def test_routes_of_another_gateway_are_nobodys_business() -> None:
    manifest = a_route(rule(prefix("/")))
    assert route_of(manifest, ("merlin-system", "other")) is None
    assert route_of(manifest, ("kserve", "merlin")) is None


@pytest.mark.parametrize(
    ("matched", "replacement", "path", "becomes"),
    [
        ("/shop/iris", "/", "/shop/iris", "/"),
        ("/shop/iris", "/", "/shop/iris/", "/"),
        ("/shop/iris", "/", "/shop/iris/v2/models", "/v2/models"),
        ("/shop/iris", "", "/shop/iris/v2", "/v2"),
        ("/shop/iris", "/x", "/shop/iris", "/x"),
        ("/shop/iris", "/x/", "/shop/iris/v2", "/x/v2"),
        ("/", "/x", "/v2", "/x/v2"),
        ("/shop", "/y", "/shop/a%2Fb", "/y/a%2Fb"),
    ],
)
def test_prefixes_are_replaced_element_by_element(matched: str, replacement: str, path: str, becomes: str) -> None:
    assert Rewrite(prefix=replacement).path(path, Match(path=matched)) == becomes


def test_a_full_path_is_replaced_whatever_matched() -> None:
    assert Rewrite(full_path="/x").path("/a/b", Match(path_type="Exact", path="/a/b")) == "/x"
    assert Rewrite(prefix="/x").path("/a/b", Match(path_type="Exact", path="/a/b")) == "/a/b"


def test_headers_are_set_added_and_removed_whatever_their_case() -> None:
    change = HeaderChange(set=(("a", "new"),), add=(("b", "2"),), remove=frozenset({"c"}))
    assert change.applied([("A", "old"), ("b", "1"), ("C", "x")]) == [("b", "1"), ("a", "new"), ("b", "2")]


@pytest.mark.parametrize(
    ("weights", "requests", "shares"),
    [
        ((9, 1), 100, {0: 90, 1: 10}),
        ((1, 1, 1), 99, {0: 33, 1: 33, 2: 33}),
        ((5, 0), 50, {0: 50}),
        ((0, 5), 50, {1: 50}),
        ((97, 2, 1), 200, {0: 194, 1: 4, 2: 2}),
    ],
)
def test_weights_are_shares(weights: tuple[int, ...], requests: int, shares: dict[int, int]) -> None:
    backends = [{"name": f"s{number}", "port": 80, "weight": weight} for number, weight in enumerate(weights)]
    chosen, _ = read(a_route(rule(prefix("/"), to=backends))).rules[0]
    balancer = Balancer()
    got = Counter(chosen.backends.index(backend) for _ in range(requests) if (backend := balancer.backend(chosen)))
    assert got == shares


@pytest.mark.parametrize("weights", [(0,), (0, 0), ()])
def test_without_any_weight_there_is_no_backend(weights: tuple[int, ...]) -> None:
    backends = [{"name": "s", "port": 80, "weight": weight} for weight in weights]
    chosen, _ = read(a_route(rule(prefix("/"), to=backends))).rules[0]
    assert Balancer().backend(chosen) is None


def test_the_least_busy_endpoint_comes_first() -> None:
    balancer = Balancer()
    first, second, third = (("127.0.0.1", port) for port in (1, 2, 3))
    balancer.in_flight.update({first: 2, second: 1})
    assert balancer.endpoint([first, second, third], ()) == third
    assert balancer.endpoint([first, second, third], {third}) == second
    assert balancer.endpoint([first], {first}) is None
    balancer.in_flight.clear()
    assert len({balancer.endpoint([first, second], ()) for _ in range(4)}) == 2


@pytest.mark.parametrize(
    ("ref", "known"),
    [
        ({"name": "web", "port": 80}, True),
        ({"name": "web", "port": 80, "namespace": "shop"}, True),
        ({"name": "web"}, False),
        ({"name": "web", "port": 80, "namespace": "other"}, False),
        ({"name": "web", "port": 80, "kind": "Bucket", "group": "example.com"}, False),
    ],
)
def test_references_that_nobody_can_follow_are_known_as_such(ref: dict[str, Any], known: bool) -> None:
    chosen, _ = read(a_route(rule(prefix("/"), to=[ref]))).rules[0]
    assert (chosen.backends[0].service is not None) is known


def test_endpoints_of_slices_and_pods() -> None:
    endpoints = Endpoints()
    web = ("shop", "web")
    assert endpoints.of(web, 80) is None
    endpoints.service_changed(None, a_service())
    assert endpoints.of(web, 80) == []
    assert endpoints.of(web, 81) is None
    first = a_slice("web", "a", "b")
    endpoints.slice_changed(None, first)
    endpoints.pod_changed(None, a_pod("a", 1001))
    endpoints.pod_changed(None, a_pod("b", 1002))
    assert endpoints.of(web, 80) == [("127.0.0.1", 1001), ("127.0.0.1", 1002)]
    # The pod tells of its end before the slice does.
    endpoints.pod_changed(a_pod("a", 1001), a_pod("a", 1001, leaving=True))
    assert endpoints.of(web, 80) == [("127.0.0.1", 1002)]
    endpoints.pod_changed(a_pod("b", 1002), a_pod("b", 1002, ready=False))
    # Nobody else is left, and one that is leaving still answers.
    assert endpoints.of(web, 80) == [("127.0.0.1", 1001)]
    second = a_slice("web", "c")
    endpoints.slice_changed(first, second)
    endpoints.pod_changed(None, a_pod("c", 1003))
    assert endpoints.of(web, 80) == [("127.0.0.1", 1003)]
    endpoints.slice_changed(second, None)
    assert endpoints.of(web, 80) == []


@pytest.mark.parametrize(("text", "seconds"), [("10s", 10), ("1m30s", 90), ("500ms", 0.5), ("1h", 3600), ("0s", None)])
def test_durations(text: str, seconds: float | None) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "10", "1.5s", "s", "-1s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no duration"):
        seconds_of(text)
