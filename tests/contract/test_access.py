"""What an API server tells about itself and about what one may do."""

from __future__ import annotations

import pytest

from merlin.kube.client import Cluster
from merlin.kube.kinds import INFERENCE_SERVICE, Kind
from tests.contract.api import ALL_KINDS, TABLE, Api, collection, ok
from tests.contract.objects import config_map, deployment


def test_its_version(api: Api) -> None:
    version = ok(api.get("/version"))
    assert version["gitVersion"].startswith("v1.")
    assert {"major", "minor", "platform", "gitCommit"} <= version.keys()


def test_whether_it_is_ready(api: Api) -> None:
    for path in ("/readyz", "/livez", "/healthz"):
        answer = api.get(path)
        assert (answer.status_code, answer.text) == (200, "ok")


@pytest.mark.parametrize("kind", ALL_KINDS, ids=lambda kind: kind.kind)
def test_every_kind_is_discovered(api: Api, kind: Kind) -> None:
    root = f"/api/{kind.api_version}" if "/" not in kind.api_version else f"/apis/{kind.api_version}"
    listed = ok(api.get(root))
    assert (listed["kind"], listed["groupVersion"]) == ("APIResourceList", kind.api_version)
    found = {resource["name"]: resource for resource in listed["resources"]}
    stated = found[kind.plural]
    assert (stated["kind"], stated["namespaced"]) == (kind.kind, kind.namespaced)
    assert {"create", "delete", "get", "list", "patch", "update", "watch"} <= set(stated["verbs"])


def test_groups_are_discovered(api: Api) -> None:
    core = ok(api.get("/api"))
    assert (core["kind"], core["versions"]) == ("APIVersions", ["v1"])
    groups = {group["name"]: group for group in ok(api.get("/apis"))["groups"]}
    for kind in ALL_KINDS:
        group, _, version = kind.api_version.rpartition("/")
        if group:
            assert version in [one["version"] for one in groups[group]["versions"]]


def test_groups_are_discovered_in_one_answer(api: Api) -> None:
    accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
    listed = ok(api.request("GET", "/apis", accept=accept))
    assert listed["kind"] == "APIGroupDiscoveryList"
    found = {
        (item["metadata"]["name"], version["version"], resource["resource"])
        for item in listed["items"]
        for version in item["versions"]
        for resource in version["resources"]
    }
    assert ("serving.kserve.io", "v1beta1", "inferenceservices") in found
    assert ("apps", "v1", "deployments") in found


def test_schemas_are_published(api: Api) -> None:
    paths = ok(api.get("/openapi/v3"))["paths"]
    assert {"api/v1", "apis/apps/v1", "apis/serving.kserve.io/v1beta1"} <= paths.keys()
    schema = ok(api.get(paths["apis/serving.kserve.io/v1beta1"]["serverRelativeURL"]))
    assert schema["openapi"].startswith("3.")
    named = [one.get("x-kubernetes-group-version-kind") or [] for one in schema["components"]["schemas"].values()]
    wanted = {"group": "serving.kserve.io", "version": "v1beta1", "kind": "InferenceService"}
    assert any(wanted in kinds for kinds in named)


def test_a_list_as_a_table(api: Api, namespace: str) -> None:
    ok(api.create(config_map(namespace)))
    path = collection(config_map(namespace))
    table = ok(api.request("GET", path, accept=TABLE, query={"fieldSelector": "metadata.name=map"}))
    assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Data", "Age"]
    (row,) = table["rows"]
    assert row["cells"][:2] == ["map", 1]
    assert row["object"]["kind"] == "PartialObjectMetadata"
    assert row["object"]["metadata"]["name"] == "map"


def test_the_columns_of_what_merlin_shows(api: Api, namespace: str) -> None:
    for path, columns in (
        (collection(deployment(namespace)), ["Name", "Ready", "Up-to-date", "Available", "Age"]),
        (f"/api/v1/namespaces/{namespace}/pods", ["Name", "Ready", "Status", "Restarts", "Age"]),
        (INFERENCE_SERVICE.path(namespace), ["Name", "URL", "Ready", "Prev", "Latest"]),
    ):
        table = ok(api.request("GET", path, accept=TABLE))
        names = [column["name"] for column in table["columnDefinitions"]]
        assert names[: len(columns)] == columns


def test_one_may_ask_what_one_may(api: Api, namespace: str) -> None:
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {"verb": "delete", "resource": "pods", "namespace": namespace}},
    }
    answer = api.request("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
    assert answer.status_code == 201
    assert answer.json()["status"]["allowed"] is True


async def test_merlins_door_asks_the_same(cluster: Cluster, namespace: str) -> None:
    assert (await cluster.reachable()).startswith("v1.")
    assert await cluster.may("patch", INFERENCE_SERVICE, namespace)
