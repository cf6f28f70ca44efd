"""Field paths, merging, strategic patches, protobuf: tables without I/O.

The types come from the real schemas: containers are a map by name, their ports by containerPort and protocol,
finalizers a set, an HTTPRoute's rules are one value.
"""

from __future__ import annotations

from typing import Any

import pytest

from merlin.localcluster.api.errors import Refused
from merlin.localcluster.api.field_paths import (
    difference,
    from_fields,
    merged,
    paths_in,
    shown,
    to_fields,
    with_parents,
    without,
)
from merlin.localcluster.api.kinds import DEPLOYMENTS, HTTP_ROUTES, PODS, RESOURCES
from merlin.localcluster.api.patch import strategic_patched
from merlin.localcluster.api.protobuf import read
from merlin.localcluster.api.schema import document, type_of
from merlin.localcluster.api.selectors import selector_of

POD = type_of(PODS)


def containers(*items: dict[str, Any]) -> dict[str, Any]:
    return {"spec": {"containers": list(items)}}


def test_what_an_applied_object_owns() -> None:
    owned = paths_in(
        {
            "metadata": {"labels": {"a": "b"}, "finalizers": ["x"]},
            **containers({"name": "main", "ports": [{"containerPort": 80}], "args": ["a"], "resources": {}}),
        },
        POD,
    )
    assert {shown(path) for path in owned} == {
        ".metadata.labels.a",
        '.metadata.finalizers[="x"]',
        '.spec.containers[name="main"]',
        '.spec.containers[name="main"].name',
        '.spec.containers[name="main"].args',
        '.spec.containers[name="main"].resources',
        '.spec.containers[name="main"].ports[containerPort=80,protocol="TCP"]',
        '.spec.containers[name="main"].ports[containerPort=80,protocol="TCP"].containerPort',
    }
    assert from_fields(to_fields(owned)) == owned


def test_an_atomic_list_is_one_value() -> None:
    rules = {"spec": {"rules": [{"backendRefs": [{"name": "a"}]}]}}
    assert {shown(path) for path in paths_in(rules, type_of(HTTP_ROUTES))} == {".spec.rules"}


def test_differences() -> None:
    old = containers({"name": "a", "image": "one"}, {"name": "b"})
    new = containers({"name": "a", "image": "two"}, {"name": "c"})
    found = difference(old, new, POD)
    assert {shown(path) for path in found.modified} == {'.spec.containers[name="a"].image'}
    assert {shown(path) for path in found.added} == {
        '.spec.containers[name="c"]',
        '.spec.containers[name="c"].name',
    }
    assert {shown(path) for path in found.removed} == {
        '.spec.containers[name="b"]',
        '.spec.containers[name="b"].name',
    }


@pytest.mark.parametrize(
    ("live", "wanted", "expected"),
    [
        (["a", "b"], ["c"], ["a", "b", "c"]),
        (["a", "b"], ["b", "a"], ["b", "a"]),
        (["a", "b", "c"], ["c", "a"], ["b", "c", "a"]),
        (["a"], ["b", "a"], ["b", "a"]),
        (["a", "b"], ["b", "c"], ["a", "b", "c"]),
        ([], ["a"], ["a"]),
    ],
)
def test_lists_that_are_maps_keep_what_is_not_named(live: list[str], wanted: list[str], expected: list[str]) -> None:
    result = merged(
        containers(*({"name": name} for name in live)), containers(*({"name": name} for name in wanted)), POD
    )
    assert [one["name"] for one in result["spec"]["containers"]] == expected


def test_who_owns_a_part_of_an_item_does_not_hold_the_item() -> None:
    item = ("f:spec", "f:ports", 'k:{"port":80}')
    assert with_parents([(*item, "f:targetPort")]) == {(*item, "f:targetPort"), ("f:spec", "f:ports"), ("f:spec",)}


def test_removing_paths_removes_what_they_empty() -> None:
    live = {"metadata": {"labels": {"a": "b"}, "name": "x"}, **containers({"name": "a"}, {"name": "b"})}
    gone = paths_in({"metadata": {"labels": {"a": "b"}}, **containers({"name": "b"})}, POD)
    assert without(live, POD, gone) == {"metadata": {"name": "x"}, **containers({"name": "a"})}


@pytest.mark.parametrize(
    ("live", "change", "expected"),
    [
        pytest.param(
            [{"name": "a", "image": "1"}, {"name": "b"}],
            [{"name": "a", "image": "2"}],
            [{"name": "a", "image": "2"}, {"name": "b"}],
            id="by name",
        ),
        pytest.param(
            [{"name": "a"}], [{"name": "b"}, {"name": "a"}], [{"name": "b"}, {"name": "a"}], id="in the patch's order"
        ),
        pytest.param([{"name": "a"}], [{"name": "b"}], [{"name": "b"}, {"name": "a"}], id="new ones first"),
        pytest.param([{"name": "a"}, {"name": "b"}], [{"name": "a", "$patch": "delete"}], [{"name": "b"}], id="delete"),
        pytest.param([{"name": "a"}], [{"name": "b"}, {"$patch": "replace"}], [{"name": "b"}], id="replace"),
        pytest.param(
            [{"name": "a", "args": ["x"]}], [{"name": "a", "args": ["y"]}], [{"name": "a", "args": ["y"]}], id="values"
        ),
    ],
)
def test_strategic_patches(live: list[Any], change: list[Any], expected: list[Any]) -> None:
    assert strategic_patched(containers(*live), containers(*change), POD) == containers(*expected)


def test_strategic_patches_order_and_retain() -> None:
    live = containers({"name": "a"}, {"name": "b"})
    change = {"spec": {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]}}
    assert strategic_patched(live, change, POD) == containers({"name": "b"}, {"name": "a"})
    rolling = {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}
    recreate = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    assert strategic_patched(rolling, recreate, type_of(DEPLOYMENTS)) == {"spec": {"strategy": {"type": "Recreate"}}}
    held = {"metadata": {"finalizers": ["x", "y"]}}
    dropped = strategic_patched(held, {"metadata": {"$deleteFromPrimitiveList/finalizers": ["x"]}}, POD)
    assert dropped == {"metadata": {"finalizers": ["y"]}}


def test_a_patch_without_its_merge_key_is_refused() -> None:
    with pytest.raises(Refused, match="does not contain declared merge key: name"):
        strategic_patched(containers({"name": "a"}), containers({"image": "x"}), POD)


@pytest.mark.parametrize("text", ["a in b", "=b", "a=b=c", "a in (b", "!", "a!b"])
def test_selectors_that_are_none(text: str) -> None:
    with pytest.raises(Refused, match="unable to parse"):
        selector_of(PODS, text, "")


@pytest.mark.parametrize("text", ["spec.unknown=1", "nonsense", "status.phase"])
def test_field_selectors_that_are_none(text: str) -> None:
    with pytest.raises(Refused):
        selector_of(PODS, "", text)


def test_protobuf_as_kubectl_sends_it() -> None:
    """As of `kubectl create configmap a --from-literal=a=b`: Go writes empty fields too."""
    type_meta = b"\x0a\x0f\x0a\x02v1\x12\x09ConfigMap"
    metadata = b"\x0a\x0b\x0a\x01a\x12\x00\x1a\x00\x22\x00\x42\x00"
    data = b"\x12\x06\x0a\x01a\x12\x01b"
    raw = metadata + data
    sent = b"k8s\x00" + type_meta + b"\x12" + bytes([len(raw)]) + raw + b"\x1a\x00\x22\x00"
    made = read(sent)
    assert (made["kind"], made["metadata"]["name"], made["data"]) == ("ConfigMap", "a", {"a": "b"})
    assert "generateName" not in made["metadata"]


@pytest.mark.parametrize("content", [b"", b"k8s\x00", b"k8s\x00\x0a\xff", b"k8s\x00\x0a\x04\x0a\x02v1", b"k8s\x00\x07"])
def test_protobuf_that_is_none(content: bytes) -> None:
    with pytest.raises(Refused):
        read(content)


def test_every_kind_has_a_schema_and_every_reference_a_definition() -> None:
    for resource in RESOURCES:
        assert resource.kind in document()["kinds"]
        assert "metadata" in type_of(resource).fields
