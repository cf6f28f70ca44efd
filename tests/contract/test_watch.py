"""Watches: what Merlin's informers live on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

from merlin.kube.client import Cluster
from merlin.kube.kinds import CONFIG_MAP, Manifest
from tests.contract.api import Api, address, collection, ok
from tests.contract.objects import config_map, http_route


def version_of(api: Api, path: str) -> str:
    """The version that a list shows now, from which a watch goes on."""
    return str(ok(api.get(path))["metadata"]["resourceVersion"])


def seen(events: Iterator[Manifest], last: Callable[[Manifest], bool]) -> list[tuple[str, str]]:
    """Type and name of each event, up to and with the last one; bookmarks left out."""
    found = []
    for event in events:
        if event["type"] == "BOOKMARK":
            continue
        found.append((event["type"], event["object"]["metadata"]["name"]))
        if last(event):
            return found
    raise AssertionError(f"the watch ended after {found}")


def is_deletion(event: Manifest) -> bool:
    return bool(event["type"] == "DELETED")


def test_changes_come_in_their_order(api: Api, namespace: str) -> None:
    path = collection(config_map(namespace))
    version = version_of(api, path)
    with api.watch(path, resourceVersion=version, fieldSelector="metadata.name=map") as events:
        made = ok(api.create(config_map(namespace)))
        ok(api.patch(address(made), {"data": {"colour": "blue"}}))
        ok(api.delete(address(made)))
        assert seen(events, is_deletion) == [("ADDED", "map"), ("MODIFIED", "map"), ("DELETED", "map")]


def test_versions_only_grow_and_a_deletion_carries_its_own(api: Api, namespace: str) -> None:
    path = collection(config_map(namespace))
    with api.watch(path, resourceVersion=version_of(api, path), fieldSelector="metadata.name=map") as events:
        made = ok(api.create(config_map(namespace)))
        changed = ok(api.patch(address(made), {"data": {"colour": "blue"}}))
        ok(api.delete(address(made)))
        versions = []
        for event in events:
            versions.append(int(event["object"]["metadata"]["resourceVersion"]))
            if event["type"] == "DELETED":
                break
    assert versions[:2] == [int(made["metadata"]["resourceVersion"]), int(changed["metadata"]["resourceVersion"])]
    assert versions[2] > versions[1]
    assert event["object"]["data"] == {"colour": "blue"}, "a deletion shows the last state"


def test_a_watch_goes_on_where_another_ended(api: Api, namespace: str) -> None:
    path = collection(config_map(namespace))
    made = ok(api.create(config_map(namespace)))
    versions = [made["metadata"]["resourceVersion"]]
    for number in range(5):
        changed = ok(api.patch(address(made), {"data": {"number": str(number)}}))
        versions.append(changed["metadata"]["resourceVersion"])
    with api.watch(path, resourceVersion=versions[2], fieldSelector="metadata.name=map") as events:
        replayed = [next(events)["object"] for _ in range(3)]
    assert [one["metadata"]["resourceVersion"] for one in replayed] == versions[3:]
    assert [one["data"]["number"] for one in replayed] == ["2", "3", "4"]


def test_without_a_version_it_begins_with_what_there_is(api: Api, namespace: str) -> None:
    ok(api.create(config_map(namespace, "one", labels={"mine": "yes"})))
    ok(api.create(config_map(namespace, "two", labels={"mine": "yes"})))
    for begin in ({}, {"resourceVersion": "0"}):
        with api.watch(collection(config_map(namespace)), labelSelector="mine=yes", **begin) as events:
            first = seen(events, lambda event: event["object"]["metadata"]["name"] == "two")
        assert first == [("ADDED", "one"), ("ADDED", "two")]


def test_it_ends_when_its_time_is_over(api: Api, namespace: str) -> None:
    path = collection(config_map(namespace))
    with api.watch(path, resourceVersion=version_of(api, path), timeoutSeconds=1) as events:
        assert [event["type"] for event in events if event["type"] != "BOOKMARK"] in ([], ["ADDED"])


def test_bookmarks_say_where_to_go_on_and_nothing_else(api: Api, namespace: str) -> None:
    """A server sends one shortly before a watch's time is over, where it was asked to."""
    path = collection(http_route(namespace))
    version = version_of(api, path)
    ok(api.create(config_map(namespace)))  # the world goes on elsewhere
    with api.watch(path, resourceVersion=version, allowWatchBookmarks="true", timeoutSeconds=3) as events:
        marks = [event for event in events if event["type"] == "BOOKMARK"]
    assert marks, "no bookmark came"
    marked = marks[-1]["object"]
    assert (marked["kind"], marked["apiVersion"]) == ("HTTPRoute", "gateway.networking.k8s.io/v1")
    assert int(marked["metadata"]["resourceVersion"]) >= int(version)
    assert "name" not in marked["metadata"]


def test_who_did_not_ask_gets_no_bookmark(api: Api, namespace: str) -> None:
    path = collection(http_route(namespace))
    with api.watch(path, resourceVersion=version_of(api, path), timeoutSeconds=2) as events:
        assert list(events) == []


def test_the_list_can_be_streamed_up_to_a_bookmark(api: Api, namespace: str) -> None:
    """`sendInitialEvents`, which kubectl and client-go's informers ask for."""
    ok(api.create(config_map(namespace, labels={"mine": "yes"})))
    query = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}
    with api.watch(collection(config_map(namespace)), labelSelector="mine=yes", **query) as events:
        first, mark = next(events), next(events)
    assert (first["type"], first["object"]["metadata"]["name"]) == ("ADDED", "map")
    assert mark["type"] == "BOOKMARK"
    assert mark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


def test_a_version_that_is_too_old_is_gone(api: Api, namespace: str) -> None:
    """Answer 200, then one ERROR event with 410: list again."""
    path = collection(http_route(namespace))
    with api.watch(path, resourceVersion=1, timeoutSeconds=5) as events:
        (event,) = list(events)
    assert event["type"] == "ERROR"
    stated = event["object"]
    assert (stated["kind"], stated["code"], stated["reason"]) == ("Status", 410, "Expired")
    assert stated["message"].startswith("too old resource version: 1 (")


def test_a_version_that_is_no_number_is_refused(api: Api, namespace: str) -> None:
    answer = api.get(collection(config_map(namespace)), watch="true", resourceVersion="abc", timeoutSeconds=1)
    assert answer.status_code >= 400
    assert "abc" in answer.json()["message"]


def test_an_object_that_leaves_the_selector_is_deleted_for_the_watcher(api: Api, namespace: str) -> None:
    path = collection(config_map(namespace))
    made = ok(api.create(config_map(namespace, labels={"colour": "red"})))
    version = made["metadata"]["resourceVersion"]
    with api.watch(path, resourceVersion=version, labelSelector="colour=red") as events:
        ok(api.patch(address(made), {"metadata": {"labels": {"colour": "blue"}}}))
        ok(api.patch(address(made), {"data": {"seen": "by nobody"}}))
        ok(api.patch(address(made), {"metadata": {"labels": {"colour": "red"}}}))
        ok(api.delete(address(made)))
        found = [next(events) for _ in range(3)]
    assert [event["type"] for event in found] == ["DELETED", "ADDED", "DELETED"]
    left = found[0]["object"]
    assert left["metadata"]["labels"] == {"colour": "red"}, "as it was when it still matched"
    assert int(left["metadata"]["resourceVersion"]) > int(version), "with the version of the change"


def test_one_watch_sees_all_namespaces(api: Api, namespace: str) -> None:
    version = version_of(api, "/api/v1/configmaps")
    with api.watch("/api/v1/configmaps", resourceVersion=version, labelSelector=f"in={namespace}") as events:
        ok(api.create(config_map(namespace, labels={"in": namespace})))
        event = next(events)
    assert (event["type"], event["object"]["metadata"]["namespace"]) == ("ADDED", namespace)


def test_a_dry_run_is_seen_by_nobody(api: Api, namespace: str) -> None:
    path = collection(config_map(namespace))
    with api.watch(path, resourceVersion=version_of(api, path), labelSelector="mine=yes") as events:
        ok(api.create(config_map(namespace, "dry", labels={"mine": "yes"}), dryRun="All"))
        ok(api.create(config_map(namespace, "real", labels={"mine": "yes"})))
        assert next(events)["object"]["metadata"]["name"] == "real"


def test_what_changes_nothing_is_seen_by_nobody(api: Api, namespace: str) -> None:
    path = collection(config_map(namespace))
    made = ok(api.apply(config_map(namespace)))
    version = made["metadata"]["resourceVersion"]
    with api.watch(path, resourceVersion=version, fieldSelector="metadata.name=map") as events:
        ok(api.apply(config_map(namespace)))
        ok(api.apply(config_map(namespace, data={"colour": "blue"})))
        assert next(events)["object"]["data"] == {"colour": "blue"}


def test_an_event_is_one_line(api: Api, namespace: str) -> None:
    path = collection(config_map(namespace))
    made = ok(api.create(config_map(namespace, data={"text": "two\nlines"})))
    query = {"watch": "true", "fieldSelector": "metadata.name=map", "timeoutSeconds": "1"}
    answer = api.get(path, **query)
    (line,) = answer.text.strip().split("\n")
    assert json.loads(line)["object"]["metadata"]["uid"] == made["metadata"]["uid"]


async def test_merlins_door_follows_changes(api: Api, namespace: str, cluster: Cluster) -> None:
    listed = await cluster.list_all(CONFIG_MAP, namespace, labels="mine=yes")
    ok(api.create(config_map(namespace, labels={"mine": "yes"})))
    version = listed.resource_version
    watch = cluster.watch(CONFIG_MAP, namespace, labels="mine=yes", resource_version=version, seconds=1)
    found = [(event.type, event.object["metadata"]["name"]) async for event in watch if event.type == "ADDED"]
    assert found == [("ADDED", "map")]
