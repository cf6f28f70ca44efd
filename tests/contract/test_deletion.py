"""Deletion: preconditions, finalizers, what goes with an owner, pods' two steps, namespaces."""

from __future__ import annotations

from typing import Any

from merlin.kube.kinds import CONFIG_MAP, NAMESPACE, POD, Manifest
from tests.contract.api import Api, address, collection, ok, refusal
from tests.contract.objects import config_map, deployment, inference_service, pod
from tests.platform import until

OTHER_UID = "11111111-1111-1111-1111-111111111111"


def is_gone(api: Api, manifest: Manifest) -> bool:
    return api.get(address(manifest)).status_code == 404


def owner(manifest: Manifest, **more: Any) -> list[dict[str, Any]]:
    """The ownerReferences of what belongs to that object."""
    metadata = manifest["metadata"]
    reference = {"apiVersion": manifest["apiVersion"], "kind": manifest["kind"], "name": metadata["name"]}
    return [{**reference, "uid": metadata["uid"], **more}]


def test_a_deletion_answers_with_what_it_deleted(api: Api, namespace: str) -> None:
    made = ok(api.create(config_map(namespace)))
    answer = ok(api.delete(address(made)))
    assert (answer["kind"], answer["status"]) == ("Status", "Success")
    assert answer["details"]["uid"] == made["metadata"]["uid"]
    assert is_gone(api, made)


def test_a_deletion_of_another_uid_is_a_conflict(api: Api, namespace: str) -> None:
    made = ok(api.create(config_map(namespace)))
    answer = api.delete(address(made), preconditions={"uid": OTHER_UID})
    code, reason, message = refusal(answer)
    assert (code, reason) == (409, "Conflict")
    assert f"the UID in the precondition ({OTHER_UID}) does not match the UID in record" in message
    assert made["metadata"]["uid"] in message
    assert not is_gone(api, made)
    ok(api.delete(address(made), preconditions={"uid": made["metadata"]["uid"]}))


def test_a_deletion_of_an_older_version_is_a_conflict(api: Api, namespace: str) -> None:
    made = ok(api.create(config_map(namespace)))
    ok(api.patch(address(made), {"data": {"colour": "blue"}}))
    version = made["metadata"]["resourceVersion"]
    assert refusal(api.delete(address(made), preconditions={"resourceVersion": version}))[:2] == (409, "Conflict")


def test_a_dry_run_of_a_deletion_deletes_nothing(api: Api, namespace: str) -> None:
    made = ok(api.create(config_map(namespace)))
    ok(api.delete(address(made), dryRun=["All"]))
    assert not is_gone(api, made)


def test_a_finalizer_holds_an_object_until_it_is_taken_away(api: Api, namespace: str) -> None:
    made = ok(api.create(config_map(namespace, finalizers=["example.test/hold"])))
    held = ok(api.delete(address(made)))
    assert held["metadata"]["deletionTimestamp"]
    assert held["metadata"]["deletionGracePeriodSeconds"] == 0
    assert not is_gone(api, made)
    again = ok(api.delete(address(made)))
    assert again["metadata"]["deletionTimestamp"] == held["metadata"]["deletionTimestamp"]
    ok(api.patch(address(made), {"metadata": {"finalizers": None}}))
    assert is_gone(api, made)


def test_what_is_being_deleted_can_still_be_written_but_not_be_held_anew(api: Api, namespace: str) -> None:
    made = ok(api.create(config_map(namespace, finalizers=["example.test/hold"])))
    ok(api.delete(address(made)))
    assert ok(api.patch(address(made), {"data": {"colour": "blue"}}))["data"] == {"colour": "blue"}
    answer = api.patch(address(made), {"metadata": {"finalizers": ["example.test/hold", "example.test/more"]}})
    assert refusal(answer)[:2] == (422, "Invalid")
    ok(api.patch(address(made), {"metadata": {"finalizers": None}}))


def test_a_watcher_sees_a_held_deletion_as_a_change_and_then_as_a_deletion(api: Api, namespace: str) -> None:
    made = ok(api.create(config_map(namespace, finalizers=["example.test/hold"])))
    query = {"resourceVersion": made["metadata"]["resourceVersion"], "fieldSelector": "metadata.name=map"}
    with api.watch(collection(made), **query) as events:
        ok(api.delete(address(made)))
        ok(api.patch(address(made), {"metadata": {"finalizers": None}}))
        assert [next(events)["type"], next(events)["type"]] == ["MODIFIED", "DELETED"]


def test_what_it_owns_goes_with_an_object(api: Api, namespace: str) -> None:
    parent = ok(api.create(config_map(namespace, "parent")))
    child = ok(api.create(config_map(namespace, "child", ownerReferences=owner(parent))))
    grandchild = ok(api.create(config_map(namespace, "grandchild", ownerReferences=owner(child))))
    stranger = ok(api.create(config_map(namespace, "stranger")))
    ok(api.delete(address(parent), "Background"))
    assert is_gone(api, parent)
    until(lambda: is_gone(api, child) and is_gone(api, grandchild), 30, "the children are gone")
    assert not is_gone(api, stranger)


def test_in_the_foreground_the_owner_goes_last(api: Api, namespace: str) -> None:
    parent = ok(api.create(config_map(namespace, "parent")))
    references = owner(parent, blockOwnerDeletion=True)
    held = ok(api.create(config_map(namespace, "child", ownerReferences=references, finalizers=["example.test/hold"])))
    answer = ok(api.delete(address(parent), "Foreground"))
    assert answer["metadata"]["finalizers"] == ["foregroundDeletion"]

    def is_on_its_way() -> bool:
        return "deletionTimestamp" in ok(api.get(address(held)))["metadata"]

    until(is_on_its_way, 30, "the child is being deleted")
    assert not is_gone(api, parent)
    ok(api.patch(address(held), {"metadata": {"finalizers": None}}))
    until(lambda: is_gone(api, held) and is_gone(api, parent), 30, "both are gone")


def test_orphans_stay_and_forget_their_owner(api: Api, namespace: str) -> None:
    parent = ok(api.create(config_map(namespace, "parent")))
    child = ok(api.create(config_map(namespace, "child", ownerReferences=owner(parent))))
    # The collector only orphans what it has seen; an owner that it does not know yet has no children for it.
    ok(api.patch(address(child), {"metadata": {"labels": {"seen": "yes"}}}))
    ok(api.delete(address(parent), "Orphan"))
    until(lambda: is_gone(api, parent), 30, "the owner is gone")
    until(
        lambda: "ownerReferences" not in ok(api.get(address(child)))["metadata"],
        30,
        "the child has forgotten its owner",
    )


def test_an_object_with_another_owner_stays(api: Api, namespace: str) -> None:
    one, two = (ok(api.create(config_map(namespace, name))) for name in ("one", "two"))
    child = ok(api.create(config_map(namespace, "child", ownerReferences=owner(one) + owner(two))))
    witness = ok(api.create(config_map(namespace, "witness", ownerReferences=owner(one))))
    ok(api.delete(address(one), "Background"))
    until(lambda: is_gone(api, witness), 30, "the collector has been here")
    until(
        lambda: [ref["name"] for ref in ok(api.get(address(child)))["metadata"]["ownerReferences"]] == ["two"],
        30,
        "only the living owner is named",
    )


def test_an_object_whose_owner_never_was_is_collected(api: Api, namespace: str) -> None:
    made = ok(api.create(config_map(namespace, "parent")))
    made["metadata"]["uid"] = OTHER_UID
    child = ok(api.create(config_map(namespace, "child", ownerReferences=owner(made))))
    until(lambda: is_gone(api, child), 30, "the child of an unknown uid is gone")


def test_a_custom_kind_owns_like_any_other(api: Api, namespace: str) -> None:
    isvc = ok(api.create(inference_service(namespace, runtime="contract-no-such-runtime")))
    child = ok(api.create(config_map(namespace, "child", ownerReferences=owner(isvc, controller=True))))
    ok(api.delete(address(isvc), "Background"))
    # A real collector looks for new custom kinds every half a minute only.
    until(lambda: is_gone(api, child), 90, "the child is gone")


def test_the_deployments_pods_go_with_it(api: Api, namespace: str, idle_node: str) -> None:
    made = ok(api.create(deployment(namespace, node=idle_node)))
    until(lambda: ok(api.get(POD.path(namespace)))["items"], 30, "a pod was made")
    ok(api.delete(address(made), "Background"))
    sets = f"/apis/apps/v1/namespaces/{namespace}/replicasets"
    until(lambda: not ok(api.get(sets))["items"], 30, "its ReplicaSets are gone")

    def are_leaving() -> bool:
        pods = ok(api.get(POD.path(namespace)))["items"]
        return all("deletionTimestamp" in one["metadata"] for one in pods)

    until(are_leaving, 30, "its pods are leaving")


def test_a_pod_on_a_node_goes_in_two_steps(api: Api, namespace: str, idle_node: str) -> None:
    manifest = pod(namespace, node=idle_node)
    manifest["spec"]["terminationGracePeriodSeconds"] = 17
    made = ok(api.create(manifest))
    leaving = ok(api.delete(address(made)))
    assert leaving["metadata"]["deletionGracePeriodSeconds"] == 17
    assert leaving["metadata"]["deletionTimestamp"] > leaving["metadata"]["creationTimestamp"]
    assert not is_gone(api, made), "its kubelet has the last word"
    ok(api.delete(address(made), gracePeriodSeconds=0))
    assert is_gone(api, made)


def test_a_pod_on_no_node_goes_at_once(api: Api, namespace: str) -> None:
    manifest = pod(namespace)
    manifest["spec"]["schedulerName"] = "nobody"
    manifest["spec"]["terminationGracePeriodSeconds"] = 30
    made = ok(api.create(manifest))
    ok(api.delete(address(made)))
    assert is_gone(api, made)


def test_a_collection_can_be_deleted_by_selector(api: Api, namespace: str) -> None:
    for number in range(3):
        ok(api.create(config_map(namespace, f"map-{number}", labels={"even": str(number % 2 == 0)})))
    ok(api.request("DELETE", CONFIG_MAP.path(namespace), query={"labelSelector": "even=True"}))
    left = ok(api.get(CONFIG_MAP.path(namespace), labelSelector="even"))
    assert [item["metadata"]["name"] for item in left["items"]] == ["map-1"]


def test_a_namespace_takes_everything_with_it(api: Api, namespace: str) -> None:
    held = ok(api.create(config_map(namespace, finalizers=["example.test/hold"])))
    plain = ok(api.create(config_map(namespace, "plain")))
    isvc = ok(api.create(inference_service(namespace, runtime="contract-no-such-runtime")))
    answer = ok(api.delete(NAMESPACE.path(None, namespace)))
    assert answer["status"]["phase"] == "Terminating"
    refused = api.apply(inference_service(namespace, "late"))
    assert refusal(refused) == (
        403,
        "Forbidden",
        f'inferenceservices.serving.kserve.io "late" is forbidden: unable to create new content in namespace '
        f"{namespace} because it is being terminated",
    )
    assert refused.json()["details"] == {
        "name": "late",
        "group": "serving.kserve.io",
        "kind": "inferenceservices",
        "causes": [
            {
                "reason": "NamespaceTerminating",
                "message": f"namespace {namespace} is being terminated",
                "field": "metadata.namespace",
            }
        ],
    }
    until(lambda: is_gone(api, plain) and is_gone(api, isvc), 60, "its objects are gone")
    assert api.get(NAMESPACE.path(None, namespace)).status_code == 200, "the finalizer holds it"
    ok(api.patch(address(held), {"metadata": {"finalizers": None}}))
    until(lambda: api.get(NAMESPACE.path(None, namespace)).status_code == 404, 60, "the namespace is gone")
