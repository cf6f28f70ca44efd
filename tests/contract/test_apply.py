"""Server-side apply: what Merlin writes everything with."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from merlin.kube.kinds import Manifest
from tests.contract.api import APPLY, Api, address, causes, ok, refusal
from tests.contract.objects import config_map, http_route, inference_service, service
from tests.platform import until


def test_apply_creates_and_says_so(api: Api, namespace: str) -> None:
    answer = api.apply(config_map(namespace))
    assert answer.status_code == 201
    made = answer.json()
    assert made["data"] == {"colour": "red"}
    assert made["metadata"]["uid"]
    assert made["metadata"]["creationTimestamp"]
    (owner,) = made["metadata"]["managedFields"]
    assert (owner["manager"], owner["operation"], owner["apiVersion"]) == ("tests", "Apply", "v1")
    assert owner["fieldsV1"] == {"f:data": {"f:colour": {}}}


@pytest.mark.parametrize("force", ["true", "false"])
@pytest.mark.parametrize("render", [config_map, service, inference_service, http_route], ids=lambda one: one.__name__)
def test_the_same_again_changes_nothing(
    api: Api, namespace: str, render: Callable[[str], Manifest], force: str
) -> None:
    def applied() -> tuple[str, int | None]:
        metadata = ok(api.apply(render(namespace), force=force))["metadata"]
        return metadata["resourceVersion"], metadata.get("generation")

    applied()
    # A controller may write its status between two of them, but it comes to an end.
    until(lambda: applied() == applied(), 10, "it stays as it is")


def test_a_field_no_longer_applied_goes(api: Api, namespace: str) -> None:
    ok(api.apply(config_map(namespace, data={"colour": "red", "shape": "round"})))
    after = ok(api.apply(config_map(namespace, data={"colour": "red"})))
    assert after["data"] == {"colour": "red"}


def test_a_field_that_somebody_else_also_applied_stays(api: Api, namespace: str) -> None:
    ok(api.apply(config_map(namespace, data={"colour": "red", "shape": "round"}), "one"))
    ok(api.apply(config_map(namespace, data={"shape": "round"}), "two"))
    after = ok(api.apply(config_map(namespace, data={"colour": "red"}), "one"))
    assert after["data"] == {"colour": "red", "shape": "round"}
    last = ok(api.apply(config_map(namespace, data={}), "two"))
    assert last["data"] == {"colour": "red"}


def test_what_others_wrote_is_left_alone(api: Api, namespace: str) -> None:
    ok(api.apply(config_map(namespace)))
    ok(api.patch(address(config_map(namespace)), {"data": {"added": "by hand"}}, fieldManager="hand"))
    after = ok(api.apply(config_map(namespace, data={"colour": "blue"})))
    assert after["data"] == {"colour": "blue", "added": "by hand"}


def test_another_value_is_a_conflict_that_names_the_owner_and_the_field(api: Api, namespace: str) -> None:
    ok(api.apply(config_map(namespace), "one"))
    answer = api.apply(config_map(namespace, data={"colour": "blue"}), "two")
    assert refusal(answer) == (409, "Conflict", 'Apply failed with 1 conflict: conflict with "one": .data.colour')
    assert answer.json()["details"]["causes"] == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "one"', "field": ".data.colour"}
    ]
    assert ok(api.get(address(config_map(namespace))))["data"] == {"colour": "red"}


def test_two_conflicts_are_counted_and_both_named(api: Api, namespace: str) -> None:
    ok(api.apply(config_map(namespace, data={"colour": "red", "shape": "round"}), "one"))
    answer = api.apply(config_map(namespace, data={"colour": "blue", "shape": "flat"}), "two")
    code, reason, message = refusal(answer)
    assert (code, reason) == (409, "Conflict")
    assert message == 'Apply failed with 2 conflicts: conflicts with "one":\n- .data.colour\n- .data.shape'
    assert [field for _, field in causes(answer)] == [".data.colour", ".data.shape"]


def test_a_conflict_with_an_update_names_the_updater(api: Api, namespace: str) -> None:
    ok(api.create(config_map(namespace), fieldManager="hand"))
    code, reason, message = refusal(api.apply(config_map(namespace, data={"colour": "blue"})))
    assert (code, reason) == (409, "Conflict")
    assert message.startswith('Apply failed with 1 conflict: conflict with "hand" using v1')
    assert message.endswith(": .data.colour")


def test_force_takes_the_field_over(api: Api, namespace: str) -> None:
    ok(api.apply(config_map(namespace), "one"))
    taken = ok(api.apply(config_map(namespace, data={"colour": "blue"}), "two", force="true"))
    assert taken["data"] == {"colour": "blue"}
    assert [owner["manager"] for owner in taken["metadata"]["managedFields"]] == ["two"]


def test_a_shared_value_cannot_be_changed_by_one_owner_alone(api: Api, namespace: str) -> None:
    ok(api.apply(config_map(namespace), "one"))
    ok(api.apply(config_map(namespace), "two"))
    code, reason, message = refusal(api.apply(config_map(namespace, data={"colour": "blue"}), "one"))
    assert (code, reason) == (409, "Conflict")
    assert message == 'Apply failed with 1 conflict: conflict with "two": .data.colour'


def test_an_old_resource_version_is_refused(api: Api, namespace: str) -> None:
    first = ok(api.apply(config_map(namespace)))
    ok(api.apply(config_map(namespace, data={"colour": "blue"})))
    late = config_map(namespace, data={"colour": "green"}, resourceVersion=first["metadata"]["resourceVersion"])
    assert refusal(api.apply(late, force="true")) == (
        409,
        "Conflict",
        'Operation cannot be fulfilled on configmaps "map": the object has been modified; '
        "please apply your changes to the latest version and try again",
    )


def test_an_old_resource_version_of_a_custom_kind_is_refused(api: Api, namespace: str) -> None:
    first = ok(api.apply(http_route(namespace)))
    ok(api.apply(http_route(namespace, weight=2)))
    late = http_route(namespace, weight=3)
    late["metadata"]["resourceVersion"] = first["metadata"]["resourceVersion"]
    assert refusal(api.apply(late, force="true")) == (
        409,
        "Conflict",
        'Operation cannot be fulfilled on httproutes.gateway.networking.k8s.io "route": the object has been modified; '
        "please apply your changes to the latest version and try again",
    )


def test_the_current_resource_version_is_accepted(api: Api, namespace: str) -> None:
    first = ok(api.apply(config_map(namespace)))
    version = first["metadata"]["resourceVersion"]
    assert ok(api.apply(config_map(namespace, data={"colour": "blue"}, resourceVersion=version)))["data"] == {
        "colour": "blue"
    }


def test_a_resource_version_of_what_does_not_exist_is_not_looked_at(api: Api, namespace: str) -> None:
    """So a stale writer can bring a deleted object back: Merlin gives no version where it saw no object."""
    assert api.apply(config_map(namespace, resourceVersion="1")).status_code == 201


def test_another_uid_is_refused(api: Api, namespace: str) -> None:
    ok(api.apply(config_map(namespace)))
    answer = api.apply(config_map(namespace, uid="11111111-1111-1111-1111-111111111111"))
    assert answer.status_code in {409, 422}  # a built-in kind says conflict, a custom one says invalid
    answer = api.apply(
        {**(route := http_route(namespace)), "metadata": {**route["metadata"], "uid": "1" * 8}}, force="true"
    )
    assert answer.status_code in {409, 422}


def test_a_dry_run_changes_nothing(api: Api, namespace: str) -> None:
    shown = api.apply(config_map(namespace), dryRun="All")
    assert shown.status_code == 201
    assert api.get(address(config_map(namespace))).status_code == 404
    made = ok(api.apply(config_map(namespace)))
    shown = api.apply(config_map(namespace, data={"colour": "blue"}), dryRun="All")
    assert shown.status_code == 200
    assert shown.json()["data"] == {"colour": "blue"}
    assert ok(api.get(address(made))) == made


def test_a_dry_run_meets_the_same_refusals(api: Api, namespace: str) -> None:
    ok(api.apply(config_map(namespace), "one"))
    assert api.apply(config_map(namespace, data={"colour": "blue"}), "two", dryRun="All").status_code == 409
    assert api.apply(http_route(namespace, weight=-1), dryRun="All").status_code == 422


def test_a_list_with_keys_is_merged_by_key(api: Api, namespace: str) -> None:
    ok(api.apply(service(namespace), "one"))
    other = service(namespace)
    other["spec"] = {"ports": [{"name": "metrics", "protocol": "TCP", "port": 9090, "targetPort": 9090}]}
    both = ok(api.apply(other, "two"))
    assert sorted(port["port"] for port in both["spec"]["ports"]) == [80, 9090]
    other["spec"] = {"ports": []}
    after = ok(api.apply(other, "two"))
    assert [port["port"] for port in after["spec"]["ports"]] == [80]


def test_an_entry_of_a_list_with_keys_changes_in_place(api: Api, namespace: str) -> None:
    ok(api.apply(service(namespace)))
    changed = service(namespace)
    changed["spec"]["ports"][0]["targetPort"] = 9000
    after = ok(api.apply(changed))
    assert [(port["port"], port["targetPort"]) for port in after["spec"]["ports"]] == [(80, 9000)]


def test_a_selector_is_replaced_as_a_whole(api: Api, namespace: str) -> None:
    """How Merlin moves a version endpoint's traffic: `spec.selector` of a Service is one atomic map."""
    ok(api.apply(service(namespace, selector={"app": "old", "tier": "web"})))
    after = ok(api.apply(service(namespace, selector={"app": "new"})))
    assert after["spec"]["selector"] == {"app": "new"}


def test_an_atomic_list_is_owned_as_a_whole(api: Api, namespace: str) -> None:
    ok(api.apply(http_route(namespace), "one"))
    answer = api.apply(http_route(namespace, weight=7), "two")
    assert refusal(answer) == (
        409,
        "Conflict",
        'Apply failed with 2 conflicts: conflicts with "one":\n- .spec.parentRefs\n- .spec.rules',
    )


def test_apply_gives_back_an_ownership_it_dropped(api: Api, namespace: str) -> None:
    ok(api.apply(config_map(namespace), "one"))
    ok(api.apply(config_map(namespace), "two"))
    after = ok(api.apply(config_map(namespace, data={}), "one"))
    owners = {owner["manager"]: owner["fieldsV1"] for owner in after["metadata"]["managedFields"]}
    assert owners["two"] == {"f:data": {"f:colour": {}}}
    assert "f:colour" not in owners.get("one", {}).get("f:data", {})


def test_labels_and_annotations_have_an_owner_each(api: Api, namespace: str) -> None:
    ok(api.apply(config_map(namespace, labels={"a": "1"}, annotations={"x": "1"}), "one"))
    after = ok(api.apply({**config_map(namespace, labels={"b": "2"}), "data": {}}, "two"))
    assert after["metadata"]["labels"] == {"a": "1", "b": "2"}
    last = ok(api.apply({**config_map(namespace), "metadata": {"name": "map", "namespace": namespace}}, "one"))
    assert last["metadata"]["labels"] == {"b": "2"}
    assert "annotations" not in last["metadata"]


def test_finalizers_are_a_set_with_an_owner_each(api: Api, namespace: str) -> None:
    held = config_map(namespace, finalizers=["example.test/one"])
    ok(api.apply(held, "one"))
    ok(api.apply(config_map(namespace, finalizers=["example.test/two"]), "two"))
    after = ok(api.apply(config_map(namespace), "one"))
    assert after["metadata"]["finalizers"] == ["example.test/two"]
    after = ok(api.apply(config_map(namespace), "two"))
    assert "finalizers" not in after["metadata"]


def test_status_in_the_body_is_ignored(api: Api, namespace: str) -> None:
    stated = {**http_route(namespace), "status": {"parents": []}}
    assert "status" not in ok(api.apply(stated))
    isvc = {**inference_service(namespace), "status": {"url": "http://lies.test"}}
    assert "url" not in ok(api.apply(isvc)).get("status", {})


def test_status_can_be_applied_through_its_own_door(api: Api, namespace: str) -> None:
    isvc = inference_service(namespace)
    made = ok(api.apply(isvc))
    metadata = {"name": isvc["metadata"]["name"], "namespace": namespace, "labels": {"colour": "red"}}
    head = {"apiVersion": isvc["apiVersion"], "kind": isvc["kind"], "metadata": metadata}
    stated = {**head, "status": {"url": "http://ok.test"}}
    after = ok(
        api.request(
            *("PATCH", address(isvc) + "/status", stated),
            content_type=APPLY,
            query={"fieldManager": "controller", "force": "true"},
        )
    )
    # A controller of the cluster may have said what it knows meanwhile; what was applied stands beside it.
    assert after["status"]["url"] == "http://ok.test"
    assert after["spec"] == made["spec"]
    assert after["metadata"]["generation"] == made["metadata"]["generation"]
    (owner,) = (o for o in after["metadata"]["managedFields"] if o["manager"] == "controller")
    assert owner["subresource"] == "status"
    # A label is owned through this door, but not written.
    assert owner["fieldsV1"] == {"f:metadata": {"f:labels": {"f:colour": {}}}, "f:status": {"f:url": {}}}
    assert after["metadata"]["labels"] == made["metadata"]["labels"]


def test_a_yaml_body_is_read_as_well(api: Api, namespace: str) -> None:
    body = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: map}\ndata:\n  colour: red # a comment\n"
    path = address(config_map(namespace))
    answer = api.request("PATCH", path, body, content_type=APPLY, query={"fieldManager": "tests"})
    assert answer.status_code == 201
    assert answer.json()["data"] == {"colour": "red"}


def test_apply_without_a_field_manager_is_refused(api: Api, namespace: str) -> None:
    path = address(config_map(namespace))
    answer = api.request("PATCH", path, config_map(namespace), content_type=APPLY)
    assert refusal(answer) == (
        422,
        "Invalid",
        'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
    )
    assert causes(answer) == [("FieldValueRequired", "fieldManager")]


def test_managed_fields_in_the_body_are_refused(api: Api, namespace: str) -> None:
    made = ok(api.apply(config_map(namespace)))
    del made["metadata"]["resourceVersion"]
    assert refusal(api.apply(made)) == (400, "BadRequest", "metadata.managedFields must be nil")


def test_another_name_than_in_the_address_is_refused(api: Api, namespace: str) -> None:
    path = address(config_map(namespace, name="other"))
    answer = api.request("PATCH", path, config_map(namespace), content_type=APPLY, query={"fieldManager": "tests"})
    assert refusal(answer) == (
        400,
        "BadRequest",
        "the name of the object (map) does not match the name on the URL (other)",
    )


def test_apply_into_a_namespace_that_does_not_exist_names_it(api: Api) -> None:
    answer = api.apply(config_map("contract-nowhere"))
    assert refusal(answer) == (404, "NotFound", 'namespaces "contract-nowhere" not found')
    assert answer.json()["details"] == {"name": "contract-nowhere", "kind": "namespaces"}


def test_apply_is_strict_about_fields(api: Api, namespace: str) -> None:
    route = http_route(namespace)
    route["spec"]["nonsense"] = 1
    answer = api.apply(route)
    assert answer.status_code == 500
    assert answer.json()["message"] == (
        f"failed to create typed patch object ({namespace}/route; gateway.networking.k8s.io/v1, Kind=HTTPRoute): "
        ".spec.nonsense: field not declared in schema"
    )


def test_apply_is_strict_about_types(api: Api, namespace: str) -> None:
    isvc = inference_service(namespace)
    isvc["spec"]["predictor"]["minReplicas"] = "two"
    answer = api.apply(isvc)
    assert answer.status_code == 500
    assert answer.json()["message"] == (
        f"failed to create typed patch object ({namespace}/iris; serving.kserve.io/v1beta1, Kind=InferenceService): "
        ".spec.predictor.minReplicas: expected numeric (int or float), got string"
    )
