"""Prune removes what has no row, and stops itself before it removes the world."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest

from merlin.kube import names
from merlin.kube.client import Cluster
from merlin.kube.kinds import CONFIG_MAP, SERVICE, Manifest
from merlin.kube.manifests import render_installation, render_namespace
from merlin.workers.clusters import Clusters
from merlin.workers.prune import Pruner, is_too_much
from tests.workers.plays import Play


@pytest.fixture
async def installation_id(play: Play) -> UUID:
    """An installation of the test's own, and a cluster that knows of none yet."""
    found = uuid4()
    await play.cluster.delete(CONFIG_MAP, names.SYSTEM_NAMESPACE, names.INSTALLATION_CONFIG_MAP)
    await play.cluster.apply(render_namespace(play.namespace, found, play.project.name))
    return found


@pytest.fixture
async def pruner(installation_id: UUID) -> AsyncIterator[Pruner]:
    clusters = Clusters()
    yield Pruner(installation_id, clusters)
    await clusters.close()


async def an_object(play: Play, installation_id: UUID, endpoint_id: UUID, name: str) -> None:
    labels = {names.INSTALLATION: str(installation_id), names.ENDPOINT: str(endpoint_id)}
    service: Manifest = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": play.namespace, "labels": labels},
        "spec": {"ports": [{"name": "http", "port": 80, "protocol": "TCP"}]},
    }
    await play.cluster.apply(service)


async def services(play: Play) -> set[str]:
    return {item["metadata"]["name"] for item in (await play.cluster.list_all(SERVICE, play.namespace)).items}


async def endpoint_ids(play: Play, count: int) -> list[UUID]:
    made = [await play.deploy()]
    made += [await play.deploy(version=await play.another_version()) for _ in range(count - 1)]
    return [endpoint.id for endpoint, _ in made]


@pytest.mark.parametrize(
    ("orphans", "total", "is_stopped"),
    [(0, 0, False), (0, 50, False), (1, 9, True), (1, 10, False), (5, 50, False), (5, 49, True), (6, 1000, True)],
)
def test_above_a_handful_or_a_tenth_an_operator_is_needed(orphans: int, total: int, is_stopped: bool) -> None:
    assert is_too_much(orphans, total) is is_stopped


async def test_what_has_no_row_goes_and_what_has_one_stays(play: Play, pruner: Pruner, installation_id: UUID) -> None:
    known = await endpoint_ids(play, 10)
    for number, endpoint_id in enumerate(known):
        await an_object(play, installation_id, endpoint_id, f"known-{number}")
    await an_object(play, installation_id, uuid4(), "left-over")
    await an_object(play, uuid4(), uuid4(), "of-another-installation")
    pruned = await pruner.prune_cluster(play.cluster)
    assert (pruned.removed, pruned.waiting) == (1, "")
    assert await services(play) == {*(f"known-{n}" for n in range(10)), "of-another-installation"}


async def test_an_empty_database_does_not_delete_the_world_until_an_operator_confirms(
    play: Play, pruner: Pruner, installation_id: UUID
) -> None:
    for number in range(7):
        await an_object(play, installation_id, uuid4(), f"left-{number}")
    stopped = await pruner.prune_cluster(play.cluster)
    assert stopped.removed == 0
    assert len(await services(play)) == 7
    note = await config_map(play.cluster)
    assert "7 of 7 endpoints" in note["metadata"]["annotations"][names.PRUNE_WAITING]
    assert stopped.waiting in note["metadata"]["annotations"][names.PRUNE_WAITING]
    await confirm(play.cluster, "some-older-token")
    assert (await pruner.prune_cluster(play.cluster)).removed == 0
    await confirm(play.cluster, stopped.waiting)
    assert (await pruner.prune_cluster(play.cluster)).removed == 7
    assert await services(play) == set()
    assert names.PRUNE_WAITING not in ((await config_map(play.cluster))["metadata"].get("annotations") or {})


async def test_a_confirmation_is_for_exactly_what_was_shown(play: Play, pruner: Pruner, installation_id: UUID) -> None:
    for number in range(7):
        await an_object(play, installation_id, uuid4(), f"left-{number}")
    await confirm(play.cluster, (await pruner.prune_cluster(play.cluster)).waiting)
    await an_object(play, installation_id, uuid4(), "one-more")
    assert (await pruner.prune_cluster(play.cluster)).removed == 0


async def test_a_cluster_of_another_installation_is_left_alone(
    play: Play, pruner: Pruner, installation_id: UUID
) -> None:
    await pruner.prune_cluster(play.cluster)  # makes the namespace
    await play.cluster.apply(render_installation(uuid4()))
    await an_object(play, installation_id, uuid4(), "left-over")
    assert (await pruner.prune_cluster(play.cluster)).removed == 0
    assert await services(play) == {"left-over"}


async def test_a_pass_that_finds_nothing_writes_nothing(play: Play, pruner: Pruner) -> None:
    await pruner.prune_cluster(play.cluster)
    before = (await config_map(play.cluster))["metadata"]["resourceVersion"]
    await pruner.prune()
    assert (await config_map(play.cluster))["metadata"]["resourceVersion"] == before


async def config_map(cluster: Cluster) -> Manifest:
    found = await cluster.get(CONFIG_MAP, names.SYSTEM_NAMESPACE, names.INSTALLATION_CONFIG_MAP)
    assert found is not None
    return found


async def confirm(cluster: Cluster, token: str) -> None:
    """As an operator does: kubectl annotate."""
    await cluster._request(
        "PATCH",
        CONFIG_MAP.path(names.SYSTEM_NAMESPACE, names.INSTALLATION_CONFIG_MAP),
        body={"metadata": {"annotations": {names.PRUNE_CONFIRMED: token}}},
        content_type="application/merge-patch+json",
    )
