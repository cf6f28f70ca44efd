"""Lists: pages, selectors, versions."""

from __future__ import annotations

import pytest

from merlin.kube.client import Cluster
from merlin.kube.kinds import CONFIG_MAP, POD
from tests.contract.api import Api, collection, ok, refusal
from tests.contract.objects import config_map, http_route, pod
from tests.platform import until


@pytest.fixture
def maps(api: Api, namespace: str) -> str:
    """Where seven ConfigMaps lie, called map-0 to map-6, each labelled with whether its number is even."""
    for number in range(7):
        labels = {"even": str(number % 2 == 0).lower(), "number": str(number)}
        ok(api.create(config_map(namespace, f"map-{number}", labels=labels)))
    return collection(config_map(namespace))


def names(listed: dict[str, object]) -> list[str]:
    items = listed["items"]
    assert isinstance(items, list)
    return [item["metadata"]["name"] for item in items]


def test_a_list_names_its_kind_and_the_version_it_shows(api: Api, namespace: str) -> None:
    made = ok(api.create(config_map(namespace)))
    listed = ok(api.get(collection(made), fieldSelector="metadata.name=map"))
    assert (listed["kind"], listed["apiVersion"]) == ("ConfigMapList", "v1")
    assert int(listed["metadata"]["resourceVersion"]) >= int(made["metadata"]["resourceVersion"])
    (item,) = listed["items"]
    assert item["metadata"] == made["metadata"]


def test_entries_of_a_list_say_what_they_are_for_custom_kinds_only(api: Api, namespace: str) -> None:
    ok(api.create(pod(namespace, node="nobody-here")))
    ok(api.create(http_route(namespace)))
    (built_in,) = ok(api.get(collection(pod(namespace))))["items"]
    assert "kind" not in built_in
    assert "apiVersion" not in built_in
    (custom,) = ok(api.get(collection(http_route(namespace))))["items"]
    assert (custom["kind"], custom["apiVersion"]) == ("HTTPRoute", "gateway.networking.k8s.io/v1")


def test_a_list_is_in_order_of_names(api: Api, maps: str) -> None:
    assert names(ok(api.get(maps, labelSelector="even"))) == [f"map-{number}" for number in range(7)]


def test_pages_show_everything_once_and_one_version(api: Api, maps: str) -> None:
    first = ok(api.get(maps, limit=3, labelSelector="even"))
    assert names(first) == ["map-0", "map-1", "map-2"]
    second = ok(api.get(maps, limit=3, labelSelector="even", **{"continue": first["metadata"]["continue"]}))
    third = ok(api.get(maps, limit=3, labelSelector="even", **{"continue": second["metadata"]["continue"]}))
    assert names(second) + names(third) == ["map-3", "map-4", "map-5", "map-6"]
    assert "continue" not in third["metadata"]
    versions = {page["metadata"]["resourceVersion"] for page in (first, second, third)}
    assert len(versions) == 1


def test_pages_and_a_watch_from_their_version_miss_nothing(api: Api, namespace: str, maps: str) -> None:
    first = ok(api.get(maps, limit=3, labelSelector="even"))
    ok(api.delete(f"{maps}/map-0"))
    ok(api.create(config_map(namespace, "map-9", labels={"even": "no"})))
    ok(api.delete(f"{maps}/map-5"))
    rest = ok(api.get(maps, labelSelector="even", **{"continue": first["metadata"]["continue"]}))
    known = {*names(first), *names(rest)}
    version = rest["metadata"]["resourceVersion"]
    with api.watch(maps, labelSelector="even", resourceVersion=version) as events:
        for event in (next(events) for _ in range(3)):
            (known.discard if event["type"] == "DELETED" else known.add)(event["object"]["metadata"]["name"])
    assert known == {"map-1", "map-2", "map-3", "map-4", "map-6", "map-9"}


def test_a_page_says_how_many_remain(api: Api, maps: str) -> None:
    total = len(ok(api.get(maps))["items"])
    page = ok(api.get(maps, limit=2))
    assert page["metadata"]["remainingItemCount"] == total - 2


def test_a_continue_token_that_is_none_is_refused(api: Api, maps: str) -> None:
    answer = api.get(maps, limit=3, **{"continue": "nonsense"})
    code, reason, message = refusal(answer)
    assert (code, reason) == (400, "BadRequest")
    assert "continue" in message


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("even=true", [0, 2, 4, 6]),
        ("even==true", [0, 2, 4, 6]),
        ("even!=true,number", [1, 3, 5]),
        ("number in (1, 2)", [1, 2]),
        ("number notin (1,2,3),even", [0, 4, 5, 6]),
        ("even=true,number!=4", [0, 2, 6]),
        ("number,!missing", [0, 1, 2, 3, 4, 5, 6]),
        ("missing", []),
        ("number>4", [5, 6]),
        ("number<2", [0, 1]),
    ],
)
def test_label_selectors(api: Api, maps: str, selector: str, expected: list[int]) -> None:
    listed = ok(api.get(maps, labelSelector=selector))
    assert names(listed) == [f"map-{number}" for number in expected]


def test_a_selector_that_is_none_is_refused(api: Api, maps: str) -> None:
    assert refusal(api.get(maps, labelSelector="a=b=c"))[:2] == (400, "BadRequest")
    assert refusal(api.get(maps, fieldSelector="data.colour=red"))[:2] == (400, "BadRequest")


def test_field_selectors(api: Api, namespace: str) -> None:
    for name, node in (("here", "node-1"), ("there", "node-2")):
        ok(api.create(pod(namespace, name, node=node)))
    path = collection(pod(namespace))
    assert names(ok(api.get(path, fieldSelector="metadata.name=here"))) == ["here"]
    assert names(ok(api.get(path, fieldSelector="spec.nodeName=node-2"))) == ["there"]
    assert names(ok(api.get(path, fieldSelector="spec.nodeName!=node-2,status.phase=Pending"))) == ["here"]
    everywhere = ok(api.get("/api/v1/pods", fieldSelector=f"metadata.namespace={namespace}"))
    assert names(everywhere) == ["here", "there"]


def test_a_list_at_a_version_of_the_future_waits_and_says_so(api: Api, namespace: str) -> None:
    answer = api.get(collection(config_map(namespace)), resourceVersion=99_999_999)
    code, reason, message = refusal(answer)
    assert (code, reason) == (504, "Timeout")
    assert message.startswith("Timeout: Too large resource version: 99999999, current: ")


def test_a_list_from_the_cache_is_a_list(api: Api, namespace: str) -> None:
    ok(api.create(config_map(namespace)))
    path = collection(config_map(namespace))
    until(lambda: "map" in names(ok(api.get(path, resourceVersion="0"))), 10, "the cache has caught up")


async def test_merlins_door_reads_all_pages(api: Api, namespace: str, cluster: Cluster) -> None:
    for number in range(3):
        ok(api.create(config_map(namespace, f"map-{number}", labels={"mine": "yes"})))
    listed = await cluster.list_all(CONFIG_MAP, namespace, labels="mine=yes")
    assert [item["metadata"]["name"] for item in listed.items] == ["map-0", "map-1", "map-2"]
    assert int(listed.resource_version) > 0
    nothing = await cluster.list_all(POD, namespace)
    assert nothing.items == []
