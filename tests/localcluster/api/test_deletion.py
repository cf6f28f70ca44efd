"""Finalizers, owners, grace periods, namespaces."""

from __future__ import annotations

from pathlib import Path

import pytest

from merlin.localcluster.api.server import serving
from tests.localcluster.api.caller import MAPS, MERGE, PODS, Caller, config_map, owned_by, pod, until


async def test_dependents_follow_their_owner(caller: Caller) -> None:
    owner = await caller.ok("POST", MAPS, config_map("owner"))
    child = await caller.ok("POST", MAPS, config_map("child", ownerReferences=owned_by(owner)))
    await caller.ok("POST", MAPS, config_map("grandchild", ownerReferences=owned_by(child)))
    await caller.ok("DELETE", f"{MAPS}/owner")
    await caller.gone(f"{MAPS}/grandchild")
    await caller.gone(f"{MAPS}/child")


async def test_a_dependent_stays_while_one_owner_lives(caller: Caller) -> None:
    owners = [await caller.ok("POST", MAPS, config_map(f"owner-{number}")) for number in range(2)]
    both = owned_by(owners[0]) + owned_by(owners[1])
    await caller.ok("POST", MAPS, config_map("child", ownerReferences=both))
    await caller.ok("DELETE", f"{MAPS}/owner-0")

    async def disowned() -> bool:
        child = await caller.ok("GET", f"{MAPS}/child")
        return [one["name"] for one in child["metadata"]["ownerReferences"]] == ["owner-1"]

    await until(disowned)


async def test_an_owner_that_never_was_counts_as_gone(caller: Caller) -> None:
    ghost = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "ghost", "uid": "none"}}
    await caller.ok("POST", MAPS, config_map("child", ownerReferences=owned_by(ghost)))
    await caller.gone(f"{MAPS}/child")


async def test_foreground_ends_the_owner_last(caller: Caller) -> None:
    owner = await caller.ok("POST", MAPS, config_map("owner"))
    references = owned_by(owner, blockOwnerDeletion=True)
    child = config_map("child", ownerReferences=references, finalizers=["tests.example/hold"])
    await caller.ok("POST", MAPS, child)
    marked = await caller.ok("DELETE", f"{MAPS}/owner", {"propagationPolicy": "Foreground"})
    assert marked["metadata"]["finalizers"] == ["foregroundDeletion"]

    async def child_is_ending() -> bool:
        return "deletionTimestamp" in (await caller.ok("GET", f"{MAPS}/child"))["metadata"]

    await until(child_is_ending)
    assert (await caller.send("GET", f"{MAPS}/owner")).status_code == 200
    await caller.ok("PATCH", f"{MAPS}/child", {"metadata": {"finalizers": None}}, kind=MERGE)
    await caller.gone(f"{MAPS}/owner")


async def test_orphans_stay_and_forget_their_owner(caller: Caller) -> None:
    owner = await caller.ok("POST", MAPS, config_map("owner"))
    await caller.ok("POST", MAPS, config_map("child", ownerReferences=owned_by(owner)))
    await caller.ok("DELETE", f"{MAPS}/owner", propagationPolicy="Orphan")
    await caller.gone(f"{MAPS}/owner")
    assert "ownerReferences" not in (await caller.ok("GET", f"{MAPS}/child"))["metadata"]


async def test_a_pod_on_a_node_ends_when_its_kubelet_says_so(caller: Caller) -> None:
    await caller.ok("POST", PODS, pod(node="local"))
    marked = await caller.ok("DELETE", f"{PODS}/pod")
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 30
    shorter = await caller.ok("DELETE", f"{PODS}/pod", {"gracePeriodSeconds": 5})
    assert shorter["metadata"]["deletionGracePeriodSeconds"] == 5
    longer = await caller.ok("DELETE", f"{PODS}/pod", {"gracePeriodSeconds": 60})
    assert longer["metadata"]["deletionGracePeriodSeconds"] == 5
    await caller.ok("DELETE", f"{PODS}/pod", {"gracePeriodSeconds": 0})
    assert (await caller.send("GET", f"{PODS}/pod")).status_code == 404


async def test_a_pod_without_a_node_is_gone_at_once(caller: Caller) -> None:
    await caller.ok("POST", PODS, pod())
    await caller.ok("DELETE", f"{PODS}/pod")
    assert (await caller.send("GET", f"{PODS}/pod")).status_code == 404


async def test_a_namespace_waits_for_its_contents(caller: Caller) -> None:
    await caller.ok("POST", PODS, pod(node="local"))
    await caller.ok("POST", MAPS, config_map())
    ending = await caller.ok("DELETE", "/api/v1/namespaces/work")
    assert ending["status"]["phase"] == "Terminating"
    await caller.gone(f"{MAPS}/map")
    refused = await caller.send("POST", MAPS, config_map("new"))
    assert refused.json()["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    await caller.ok("DELETE", f"{PODS}/pod", {"gracePeriodSeconds": 0})
    await caller.gone("/api/v1/namespaces/work")


@pytest.mark.parametrize("name", ["default", "kube-system"])
async def test_some_namespaces_stay(caller: Caller, name: str) -> None:
    assert (await caller.send("DELETE", f"/api/v1/namespaces/{name}")).status_code == 403


async def test_collecting_goes_on_after_a_restart(tmp_path: Path) -> None:
    async with serving(tmp_path, 0) as (api, port), Caller.of(tmp_path, port) as caller:
        await caller.ok("POST", "/api/v1/namespaces", {"metadata": {"name": "work"}})
        owner = await caller.ok("POST", MAPS, config_map("owner"))
        await caller.ok("POST", MAPS, config_map("child", ownerReferences=owned_by(owner)))
        api.store.listeners.clear()  # as if it were killed right after the next write
        await caller.ok("DELETE", f"{MAPS}/owner")
    async with serving(tmp_path, 0) as (_, port), Caller.of(tmp_path, port) as caller:
        await caller.gone(f"{MAPS}/child")
