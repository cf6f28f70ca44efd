"""What a dry run says will change: actions and fields, without the server's own, without a secret's values."""

from __future__ import annotations

from typing import Any

import pytest

from merlin.kube.changes import ChangeAction, change_of, with_unknown

OWN: dict[str, Any] = {
    "resourceVersion": "7",
    "uid": "u",
    "managedFields": [{"manager": "merlin"}],
    "creationTimestamp": "t",
}


def manifest(spec: Any, kind: str = "Service", **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": kind,
        "metadata": {"name": "a", "namespace": "n", **metadata},
        "spec": spec,
        "status": {"ready": True},
    }


@pytest.mark.parametrize(
    ("found", "then", "action", "fields"),
    [
        (None, manifest({"x": 1}), ChangeAction.CREATE, [("spec.x", None, 1)]),
        (manifest({"x": 1}), manifest({"x": 2}), ChangeAction.UPDATE, [("spec.x", 1, 2)]),
        (manifest({"x": 1}, **OWN), manifest({"x": 1}, resourceVersion="8"), ChangeAction.UNCHANGED, []),
        (manifest({"clusterIP": "10.0.0.1"}), manifest({"clusterIP": "10.0.0.2"}), ChangeAction.UNCHANGED, []),
        (manifest({"x": 1}), None, ChangeAction.DELETE, []),
        (
            manifest({}, annotations={"m/generation": "1"}),
            manifest({}, annotations={"m/generation": "2"}),
            ChangeAction.UPDATE,
            [('metadata.annotations["m/generation"]', "1", "2")],
        ),
    ],
)
def test_what_becomes_of_an_object(found: Any, then: Any, action: ChangeAction, fields: list[Any]) -> None:
    change = change_of(found, then)
    assert (change.api_version, change.kind, change.name, change.namespace) == ("v1", "Service", "a", "n")
    assert change.action is action
    assert [(field.path, field.before, field.after) for field in change.fields] == fields


def test_a_secrets_values_are_never_told() -> None:
    found = {**manifest(None, "Secret"), "data": {"A": "b2xk", "GONE": "eA=="}, "type": "Opaque"}
    then = {**found, "data": {"A": "bmV3", "B": "bmV3"}}
    assert "bmV3" not in repr(change_of(found, then)) and "b2xk" not in repr(change_of(found, then))
    assert [(field.path, field.before, field.after) for field in change_of(found, then).fields] == [
        ("data.A", "***", "***"),
        ("data.B", None, "***"),
        ("data.GONE", "***", None),
    ]


def test_what_is_not_known_yet_is_said_to_be() -> None:
    change = with_unknown(change_of(None, manifest({}, labels={"endpoint": "id-1", "x": "y"})), "id-1", "(later)")
    assert [(field.path, field.after) for field in change.fields] == [
        ("metadata.labels.endpoint", "(later)"),
        ("metadata.labels.x", "y"),
    ]
