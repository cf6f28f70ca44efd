"""Create, replace and the three other patches; what generation and status keep apart."""

from __future__ import annotations

from tests.contract.api import JSON_PATCH, STRATEGIC, Api, address, causes, collection, ok, refusal
from tests.contract.objects import config_map, deployment, http_route, inference_service, pod, service


def test_create_fills_in_what_the_server_owns(api: Api, namespace: str) -> None:
    answer = api.create(config_map(namespace))
    assert answer.status_code == 201
    metadata = answer.json()["metadata"]
    assert metadata["uid"]
    assert int(metadata["resourceVersion"]) > 0
    assert metadata["creationTimestamp"].endswith("Z")


def test_what_exists_cannot_be_created_again(api: Api, namespace: str) -> None:
    ok(api.create(config_map(namespace)))
    answer = api.create(config_map(namespace))
    assert refusal(answer) == (409, "AlreadyExists", 'configmaps "map" already exists')
    assert answer.json()["details"] == {"name": "map", "kind": "configmaps"}


def test_a_custom_kind_that_exists_is_named_with_its_group(api: Api, namespace: str) -> None:
    ok(api.create(inference_service(namespace)))
    answer = api.create(inference_service(namespace))
    assert refusal(answer) == (409, "AlreadyExists", 'inferenceservices.serving.kserve.io "iris" already exists')
    assert answer.json()["details"] == {"name": "iris", "group": "serving.kserve.io", "kind": "inferenceservices"}


def test_a_name_can_be_made_by_the_server(api: Api, namespace: str) -> None:
    manifest = config_map(namespace)
    manifest["metadata"] = {"generateName": "map-", "namespace": namespace}
    path = collection(config_map(namespace))
    names = {ok(api.request("POST", path, manifest))["metadata"]["name"] for _ in range(3)}
    assert len(names) == 3
    assert all(name.startswith("map-") and len(name) == len("map-") + 5 for name in names)


def test_a_create_in_a_namespace_that_does_not_exist_names_it(api: Api) -> None:
    assert refusal(api.create(config_map("contract-nowhere")))[:2] == (404, "NotFound")


def test_another_namespace_in_the_body_is_refused(api: Api, namespace: str) -> None:
    answer = api.request("POST", collection(config_map(namespace)), config_map("default"))
    assert refusal(answer) == (
        400,
        "BadRequest",
        "the namespace of the provided object does not match the namespace sent on the request",
    )


def test_a_dry_run_of_a_create_creates_nothing(api: Api, namespace: str) -> None:
    assert api.create(config_map(namespace), dryRun="All").status_code == 201
    assert api.get(address(config_map(namespace))).status_code == 404


def test_replace_removes_what_is_not_said(api: Api, namespace: str) -> None:
    made = ok(api.create(config_map(namespace, data={"colour": "red", "shape": "round"})))
    made["data"] = {"colour": "blue"}
    assert ok(api.put(made))["data"] == {"colour": "blue"}


def test_replace_with_an_old_version_is_a_conflict(api: Api, namespace: str) -> None:
    first = ok(api.create(config_map(namespace)))
    ok(api.put({**first, "data": {"colour": "blue"}}))
    answer = api.put({**first, "data": {"colour": "green"}})
    assert refusal(answer) == (
        409,
        "Conflict",
        'Operation cannot be fulfilled on configmaps "map": the object has been modified; '
        "please apply your changes to the latest version and try again",
    )
    assert answer.json()["details"] == {"name": "map", "kind": "configmaps"}


def test_replacing_with_the_same_keeps_the_version(api: Api, namespace: str) -> None:
    first = ok(api.create(config_map(namespace)))
    assert ok(api.put(first))["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


def test_replace_of_what_is_not_there_is_not_found(api: Api, namespace: str) -> None:
    assert refusal(api.put(config_map(namespace))) == (404, "NotFound", 'configmaps "map" not found')


def test_a_merge_patch_sets_and_removes(api: Api, namespace: str) -> None:
    made = ok(api.create(config_map(namespace, data={"colour": "red", "shape": "round"})))
    after = ok(api.patch(address(made), {"data": {"colour": None, "size": "big"}}))
    assert after["data"] == {"shape": "round", "size": "big"}
    assert int(after["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])


def test_a_merge_patch_that_changes_nothing_keeps_the_version(api: Api, namespace: str) -> None:
    made = ok(api.create(config_map(namespace)))
    after = ok(api.patch(address(made), {"data": {"colour": "red"}}))
    assert after["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


def test_a_merge_patch_with_an_old_version_is_a_conflict(api: Api, namespace: str) -> None:
    made = ok(api.create(config_map(namespace)))
    ok(api.patch(address(made), {"data": {"colour": "blue"}}))
    late = {"metadata": {"resourceVersion": made["metadata"]["resourceVersion"]}, "data": {"colour": "green"}}
    assert refusal(api.patch(address(made), late))[:2] == (409, "Conflict")


def test_a_json_patch_tests_and_changes(api: Api, namespace: str) -> None:
    made = ok(api.create(config_map(namespace)))
    steps = [
        {"op": "test", "path": "/data/colour", "value": "red"},
        {"op": "replace", "path": "/data/colour", "value": "blue"},
        {"op": "add", "path": "/metadata/labels", "value": {"a": "b"}},
    ]
    after = ok(api.patch(address(made), steps, JSON_PATCH))
    assert after["data"] == {"colour": "blue"}
    assert after["metadata"]["labels"] == {"a": "b"}
    refused = api.patch(address(made), steps, JSON_PATCH)
    assert refused.status_code == 422
    assert refusal(refused)[1] == "Invalid"


def test_a_strategic_patch_merges_lists_by_key(api: Api, namespace: str) -> None:
    made = ok(api.create(deployment(namespace, replicas=0)))
    containers = [{"name": "main", "image": "example.test/other:2"}, {"name": "side", "image": "example.test/side:1"}]
    body = {"spec": {"template": {"spec": {"containers": containers}}}}
    after = ok(api.patch(address(made), body, STRATEGIC))
    found = {c["name"]: c for c in after["spec"]["template"]["spec"]["containers"]}
    assert found["main"]["image"] == "example.test/other:2"
    assert found["main"]["ports"], "what the patch does not name stays"
    assert found["side"]["image"] == "example.test/side:1"
    body = {"spec": {"template": {"spec": {"containers": [{"name": "side", "$patch": "delete"}]}}}}
    after = ok(api.patch(address(made), body, STRATEGIC))
    assert [c["name"] for c in after["spec"]["template"]["spec"]["containers"]] == ["main"]


def test_a_strategic_patch_of_a_custom_kind_is_no_media_type(api: Api, namespace: str) -> None:
    made = ok(api.create(http_route(namespace)))
    answer = api.patch(address(made), {"metadata": {"labels": {"a": "b"}}}, STRATEGIC)
    assert refusal(answer)[:2] == (415, "UnsupportedMediaType")


def test_a_patch_of_what_is_not_there_is_not_found(api: Api, namespace: str) -> None:
    assert refusal(api.patch(address(config_map(namespace)), {})) == (404, "NotFound", 'configmaps "map" not found')


def test_generation_counts_changes_of_the_spec_only(api: Api, namespace: str) -> None:
    for manifest in (deployment(namespace, replicas=0), http_route(namespace), inference_service(namespace)):
        made = ok(api.create(manifest))
        assert made["metadata"]["generation"] == 1, manifest["kind"]
        labelled = ok(api.patch(address(made), {"metadata": {"labels": {"a": "b"}}}))
        assert labelled["metadata"]["generation"] == 1, manifest["kind"]
    route = ok(api.patch(address(http_route(namespace)), {"spec": {"hostnames": ["a.test"]}}))
    assert route["metadata"]["generation"] == 2


def test_status_has_its_own_door(api: Api, namespace: str) -> None:
    route = http_route(namespace)
    route["spec"]["parentRefs"] = [{"name": "nobody"}]  # so that no controller writes into it, too
    made = ok(api.create({**route, "status": {"parents": []}}))
    assert "status" not in made
    parent = {
        "parentRef": {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "merlin"},
        "controllerName": "example.test/tests",
        "conditions": [
            {
                "type": "Accepted",
                "status": "True",
                "reason": "Accepted",
                "message": "",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }
        ],
    }
    stated = ok(api.patch(address(made) + "/status", {"status": {"parents": [parent]}}))
    assert stated["status"]["parents"] == [parent]
    assert stated["metadata"]["generation"] == 1
    changed = ok(api.patch(address(made), {"spec": {"hostnames": ["a.test"]}, "status": {"parents": []}}))
    assert changed["status"]["parents"] == [parent], "the main door leaves the status alone"
    again = ok(api.patch(address(made) + "/status", {"spec": {"hostnames": []}, "status": {"parents": []}}))
    assert again["spec"]["hostnames"] == ["a.test"], "the status door leaves the spec alone"


def test_status_can_be_replaced(api: Api, namespace: str) -> None:
    made = ok(api.create(pod(namespace, node="nobody-here")))
    made["status"] = {**made.get("status", {}), "message": "said by a test"}
    made["spec"]["nodeName"] = "somewhere-else"
    after = ok(api.request("PUT", address(made) + "/status", made))
    assert after["status"]["message"] == "said by a test"
    assert after["spec"]["nodeName"] == "nobody-here"


def test_the_server_gives_a_service_its_address(api: Api, namespace: str) -> None:
    made = ok(api.create(service(namespace)))
    assert made["spec"]["type"] == "ClusterIP"
    assert made["spec"]["clusterIP"].count(".") == 3
    assert made["spec"]["clusterIPs"] == [made["spec"]["clusterIP"]]
    answer = api.patch(address(made), {"spec": {"clusterIP": "10.96.200.200"}})
    assert refusal(answer)[:2] == (422, "Invalid")
    assert ("FieldValueInvalid", "spec.clusterIPs[0]") in causes(answer)


def test_the_server_fills_in_defaults_of_a_deployment(api: Api, namespace: str) -> None:
    spec = ok(api.create(deployment(namespace, replicas=0)))["spec"]
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}
    assert spec["progressDeadlineSeconds"] == 600
    assert spec["revisionHistoryLimit"] == 10
    assert spec["template"]["spec"]["restartPolicy"] == "Always"
    (container,) = spec["template"]["spec"]["containers"]
    assert container["terminationMessagePath"] == "/dev/termination-log"
    assert container["imagePullPolicy"] == "IfNotPresent"


def test_a_secret_takes_plain_text_and_keeps_it_encoded(api: Api, namespace: str) -> None:
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "secret", "namespace": namespace},
        "stringData": {"key": "value"},
    }
    made = ok(api.create(secret))
    assert made["data"] == {"key": "dmFsdWU="}
    assert "stringData" not in made
    assert made["type"] == "Opaque"
