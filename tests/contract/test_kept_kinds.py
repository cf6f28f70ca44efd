"""Kinds that are only kept: leases, autoscalers, events, runtimes, gateways."""

from __future__ import annotations

import pytest

from merlin.kube.kinds import Manifest
from tests.contract.api import Api, address, ok, refusal


def kept(namespace: str) -> dict[str, Manifest]:
    """One object of each, all called `contract-kept` or in the namespace."""
    here = {"name": "kept", "namespace": namespace}
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    metric = {
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
    }
    container = {"name": "kserve-container", "image": "example.test/nothing:1", "args": ["--model_name={{.Name}}"]}
    runtime = {
        "supportedModelFormats": [{"name": "mlflow", "version": "2", "autoSelect": True}],
        "protocolVersions": ["v2"],
        "containers": [container],
    }
    gateway = {
        "gatewayClassName": "contract",
        "listeners": [
            {"name": "http", "port": 80, "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": "All"}}}
        ],
    }
    return {
        "lease": {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": here,
            "spec": {"holderIdentity": "tests", "leaseDurationSeconds": 15, "renewTime": "2026-01-01T00:00:00.000000Z"},
        },
        "autoscaler": {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": here,
            "spec": {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 3, "metrics": [metric]},
        },
        "event": {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": here,
            "involvedObject": {"kind": "Pod", "namespace": namespace, "name": "web", "apiVersion": "v1"},
            "reason": "Tested",
            "message": "Somebody tests.",
            "type": "Normal",
            "count": 1,
            "firstTimestamp": "2026-01-01T00:00:00Z",
            "lastTimestamp": "2026-01-01T00:00:00Z",
            "source": {"component": "tests"},
        },
        "runtime": {
            "apiVersion": "serving.kserve.io/v1alpha1",
            "kind": "ServingRuntime",
            "metadata": here,
            "spec": runtime,
        },
        "gateway": {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "Gateway",
            "metadata": here,
            "spec": gateway,
        },
        "service account": {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": here},
    }


KINDS = ("lease", "autoscaler", "event", "runtime", "gateway", "service account")


@pytest.mark.parametrize("name", KINDS)
def test_it_is_given_back_as_it_was_written(api: Api, namespace: str, name: str) -> None:
    manifest = kept(namespace)[name]
    assert api.apply(manifest).status_code == 201
    again = ok(api.apply(manifest))
    found = ok(api.get(address(manifest)))
    assert found["metadata"]["uid"] == again["metadata"]["uid"]
    for part in manifest.keys() - {"metadata", "spec"}:
        assert found[part] == manifest[part]
    assert covers(found.get("spec", {}), manifest.get("spec", {}))
    ok(api.delete(address(manifest)))
    assert api.get(address(manifest)).status_code == 404


def covers(found: object, written: object) -> bool:
    """Whether all that was written is there (a server may add)."""
    if isinstance(written, dict):
        return isinstance(found, dict) and all(key in found and covers(found[key], written[key]) for key in written)
    if isinstance(written, list):
        return (
            isinstance(found, list)
            and len(found) == len(written)
            and all(covers(here, there) for here, there in zip(found, written, strict=True))
        )
    return found == written


def test_events_are_found_by_what_they_are_about(api: Api, namespace: str) -> None:
    manifest = kept(namespace)["event"]
    ok(api.create(manifest))
    path = f"/api/v1/namespaces/{namespace}/events"
    for selector, count in (
        ("involvedObject.name=web", 1),
        ("involvedObject.kind=Pod,involvedObject.name=web", 1),
        ("involvedObject.name=other", 0),
        ("reason=Tested,type=Normal", 1),
        ("type=Warning", 0),
    ):
        assert len(ok(api.get(path, fieldSelector=selector))["items"]) == count, selector


def test_an_event_about_another_namespace_is_refused(api: Api, namespace: str) -> None:
    manifest = kept(namespace)["event"]
    manifest["involvedObject"]["namespace"] = "default"
    assert refusal(api.create(manifest))[:2] == (422, "Invalid")


def test_a_lease_has_one_winner(api: Api, namespace: str) -> None:
    made = ok(api.create(kept(namespace)["lease"]))
    for holder, code in (("one", 200), ("two", 409)):
        claim = {**made, "spec": {**made["spec"], "holderIdentity": holder}}
        assert api.put(claim).status_code == code
    assert ok(api.get(address(made)))["spec"]["holderIdentity"] == "one"


def test_an_autoscaler_with_more_minimum_than_maximum_is_refused(api: Api, namespace: str) -> None:
    manifest = kept(namespace)["autoscaler"]
    manifest["spec"]["minReplicas"] = 4
    code, reason, message = refusal(api.create(manifest))
    assert (code, reason) == (422, "Invalid")
    assert "spec.maxReplicas: Invalid value: 3: must be greater than or equal to `minReplicas`" in message
