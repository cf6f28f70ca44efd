"""Clients and informers against a real server: what is seen, what is said of errors, what survives."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml

from merlin.localcluster.client import (
    AlreadyExists,
    Conflict,
    Expired,
    Invalid,
    KubeClient,
    Manifest,
    NotFound,
    Resource,
    Unavailable,
)
from merlin.localcluster.controllers.index import Index
from merlin.localcluster.controllers.kinds import HTTP_ROUTES, NAMESPACES
from merlin.localcluster.informer import Informer

MAPS = Resource("v1", "configmaps")


def config_map(namespace: str, name: str = "map", **data: str) -> Manifest:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


@pytest.fixture
async def namespace(client: KubeClient) -> AsyncIterator[str]:
    name = f"t-{secrets.token_hex(4)}"
    await client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    await client.delete(NAMESPACES, None, name)


@contextlib.asynccontextmanager
async def following(informer: Informer) -> AsyncIterator[asyncio.Queue[tuple[Manifest | None, Manifest | None]]]:
    changes: asyncio.Queue[tuple[Manifest | None, Manifest | None]] = asyncio.Queue()
    informer.subscribe(lambda before, now: changes.put_nowait((before, now)))
    task = asyncio.create_task(informer.run())
    try:
        async with asyncio.timeout(30):
            await informer.complete.wait()
            yield changes
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_it_sees_what_there_is_and_every_change(client: KubeClient, namespace: str) -> None:
    await client.create(MAPS, config_map(namespace, colour="red"))
    informer = Informer(client, MAPS, namespace, fields="metadata.name=map")
    async with following(informer) as changes:
        _, first = await changes.get()
        assert first is not None
        assert (first["kind"], first["data"]) == ("ConfigMap", {"colour": "red"})
        await client.patch_merge(MAPS, namespace, "map", {"data": {"colour": "blue"}})
        before, now = await changes.get()
        assert before == first
        assert now is not None
        assert now["data"] == {"colour": "blue"}
        await client.delete(MAPS, namespace, "map")
        before, gone = await changes.get()
        assert (before, gone) == (now, None)
        assert informer.store == {}


async def test_an_own_write_is_seen_at_once_and_an_older_state_is_not_taken(client: KubeClient, namespace: str) -> None:
    old = await client.create(MAPS, config_map(namespace, colour="red"))
    new = await client.patch_merge(MAPS, namespace, "map", {"data": {"colour": "blue"}})
    informer = Informer(client, MAPS, namespace)
    informer.note(new)
    informer.note(old)
    assert informer.get(namespace, "map") == new


async def test_a_watch_from_long_ago_is_expired_and_an_informer_lists_again(client: KubeClient, namespace: str) -> None:
    with pytest.raises(Expired):
        async for _ in client.watch(HTTP_ROUTES, namespace, resource_version="1", seconds=5):
            raise AssertionError("an event of a time that is forgotten")
    informer = Informer(client, HTTP_ROUTES, namespace)
    informer._version = "1"
    async with following(informer):
        assert informer.store == {}


async def test_errors_say_what_they_mean(client: KubeClient, namespace: str) -> None:
    with pytest.raises(NotFound):
        await client.get(MAPS, namespace, "nothing")
    made = await client.create(MAPS, config_map(namespace, colour="red"))
    with pytest.raises(AlreadyExists):
        await client.create(MAPS, config_map(namespace))
    await client.update(MAPS, {**made, "data": {"colour": "blue"}})
    with pytest.raises(Conflict):
        await client.update(MAPS, {**made, "data": {"colour": "green"}})
    with pytest.raises(Conflict):
        await client.delete(MAPS, namespace, "map", uid="00000000-0000-0000-0000-000000000000")
    with pytest.raises(Invalid):
        await client.create(MAPS, config_map(namespace, name="Not_A_Name"))
    with pytest.raises(Conflict):
        await client.apply(MAPS, config_map(namespace, colour="grey"), field_manager="other", force=False)
    answer = await client.apply(MAPS, config_map(namespace, colour="grey"), field_manager="other")
    assert answer["data"] == {"colour": "grey"}


async def test_a_server_that_is_not_there_is_unavailable(kubeconfig: Path, tmp_path: Path) -> None:
    content = yaml.safe_load(kubeconfig.read_text())  # noqa: ASYNC240 (a test)
    content["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    moved = tmp_path / "kubeconfig"
    moved.write_text(yaml.safe_dump(content))
    async with KubeClient.from_kubeconfig(moved) as client:
        with pytest.raises(Unavailable):
            await client.get(MAPS, "default", "nothing")


async def test_a_kubeconfig_without_its_context_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text("{current-context: here, contexts: [], clusters: [], users: []}")
    with pytest.raises(ValueError, match="no 'here' among its contexts"):
        KubeClient.from_kubeconfig(path)


async def test_an_index_keeps_each_group_in_the_order_of_arrival(client: KubeClient) -> None:
    informer = Informer(client, MAPS)
    index = Index(informer, lambda item: item["data"].get("colour"))

    def put(name: str, version: int, colour: str) -> None:
        manifest = config_map("p", name, colour=colour)
        manifest["metadata"]["resourceVersion"] = str(version)
        informer.note(manifest)

    def names(colour: str) -> list[str]:
        return [item["metadata"]["name"] for item in index.of(colour)]

    put("a", 1, "red")
    put("b", 2, "red")
    put("a", 3, "red")
    assert names("red") == ["a", "b"]
    put("a", 4, "blue")
    assert (names("red"), names("blue"), names("green")) == (["b"], ["a"], [])
