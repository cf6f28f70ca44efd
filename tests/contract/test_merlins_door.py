"""Merlin's own client on the cluster under test: what its answers and errors come out as."""

from __future__ import annotations

import pytest

from merlin.errors import Conflict, NotFound, Rejected, Unavailable
from merlin.kube.client import Cluster
from merlin.kube.kinds import CONFIG_MAP, HTTP_ROUTE, INFERENCE_SERVICE, NAMESPACE, POD, Kind
from merlin.kube.refusals import NAMESPACE_MISSING, Expired
from tests.contract.api import Api, ok
from tests.contract.objects import config_map, http_route, inference_service
from tests.contract.test_quota import enforced, quota


async def test_apply_get_and_delete(cluster: Cluster, namespace: str) -> None:
    assert await cluster.get(CONFIG_MAP, namespace, "map") is None
    made = await cluster.apply(config_map(namespace))
    assert made["metadata"]["managedFields"][0]["manager"] == "merlin"
    assert await cluster.get(CONFIG_MAP, namespace, "map") == made
    assert await cluster.delete(CONFIG_MAP, namespace, "map") is True
    assert await cluster.delete(CONFIG_MAP, namespace, "map") is False


async def test_applying_the_same_again_changes_nothing(cluster: Cluster, namespace: str) -> None:
    first = await cluster.apply(inference_service(namespace, runtime="contract-no-such-runtime"))
    again = await cluster.apply(inference_service(namespace, runtime="contract-no-such-runtime"))
    assert again["metadata"]["generation"] == first["metadata"]["generation"]


async def test_an_older_version_is_a_conflict(cluster: Cluster, namespace: str) -> None:
    first = await cluster.apply(config_map(namespace))
    await cluster.apply(config_map(namespace, data={"colour": "blue"}))
    with pytest.raises(Conflict):
        await cluster.apply(config_map(namespace), resource_version=first["metadata"]["resourceVersion"])


async def test_another_uid_is_a_conflict(cluster: Cluster, namespace: str) -> None:
    await cluster.apply(config_map(namespace))
    with pytest.raises(Conflict):
        await cluster.delete(CONFIG_MAP, namespace, "map", uid="11111111-1111-1111-1111-111111111111")


async def test_a_missing_namespace_is_named(cluster: Cluster) -> None:
    with pytest.raises(NotFound) as raised:
        await cluster.apply(config_map("contract-nowhere"))
    assert raised.value.code == NAMESPACE_MISSING


async def test_a_namespace_that_goes_helps_itself(api: Api, cluster: Cluster, namespace: str) -> None:
    held = ok(api.create(config_map(namespace, finalizers=["example.test/hold"])))
    assert await cluster.delete(NAMESPACE, None, namespace)
    with pytest.raises(Unavailable, match="being deleted"):
        await cluster.apply(config_map(namespace, "late"))
    ok(api.patch(CONFIG_MAP.path(namespace, held["metadata"]["name"]), {"metadata": {"finalizers": None}}))


async def test_a_full_quota_is_named(api: Api, cluster: Cluster, namespace: str) -> None:
    enforced(api, {**quota(namespace), "spec": {"hard": {"count/inferenceservices.serving.kserve.io": "0"}}})
    with pytest.raises(Rejected) as raised:
        await cluster.apply(inference_service(namespace))
    assert raised.value.code == "QUOTA_EXCEEDED"


async def test_what_the_schema_refuses_is_final(cluster: Cluster, namespace: str) -> None:
    with pytest.raises(Rejected) as raised:
        await cluster.apply(http_route(namespace, weight=-1))
    assert raised.value.code == "ADMISSION_REFUSED"
    wrong = inference_service(namespace)
    wrong["spec"]["predictor"]["nonsense"] = 1
    with pytest.raises(Rejected) as raised:
        await cluster.apply(wrong)
    assert raised.value.code == "ADMISSION_REFUSED"


async def test_a_kind_that_is_not_installed_is_named(cluster: Cluster, namespace: str) -> None:
    with pytest.raises(Rejected) as raised:
        await cluster.get(Kind("example.test/v1", "Thing", "things"), namespace, "thing")
    assert raised.value.code == "KIND_NOT_INSTALLED"


async def test_a_watch_from_too_long_ago_is_expired(cluster: Cluster, namespace: str) -> None:
    with pytest.raises(Expired):
        async for _ in cluster.watch(HTTP_ROUTE, namespace, resource_version="1", seconds=2):
            pass


async def test_a_dry_run_changes_nothing(cluster: Cluster, namespace: str) -> None:
    await cluster.apply(inference_service(namespace), dry_run=True)
    assert await cluster.get(INFERENCE_SERVICE, namespace, "iris") is None


async def test_logs_of_a_pod_that_does_not_exist_are_not_found(cluster: Cluster, namespace: str) -> None:
    with pytest.raises(NotFound):
        async for _ in cluster.logs(namespace, "none"):
            pass
    assert (await cluster.list_all(POD, namespace)).items == []
