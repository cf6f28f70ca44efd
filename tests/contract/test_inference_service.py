"""InferenceServices: the local controller makes of them what KServe does (recorded: 0.20, Standard mode)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from merlin.kube.kinds import DEPLOYMENT, POD, SERVICE, Manifest
from tests.contract.api import AUTOSCALER, SERVING_RUNTIME, Api, address, ok
from tests.contract.images import PROGRAM
from tests.contract.objects import inference_service
from tests.platform import until

pytestmark = pytest.mark.usefixtures("local_node", "gateway_url")
SECONDS = 90.0


@pytest.fixture
def place(api: Api, namespace: str) -> str:
    """A namespace with a runtime `tests` that is the tests' program."""
    container = {"name": "kserve-container", "image": PROGRAM, "args": ["--port=8080", "--name={{.Name}}"]}
    runtime = {
        "apiVersion": "serving.kserve.io/v1alpha1",
        "kind": "ServingRuntime",
        "metadata": {"name": "tests", "namespace": namespace},
        "spec": {
            "supportedModelFormats": [{"name": "mlflow", "autoSelect": True}],
            "protocolVersions": ["v2"],
            "containers": [container],
        },
    }
    ok(api.create(runtime))
    return namespace


@pytest.fixture
def wanted(place: str, tmp_path: Path) -> Manifest:
    """An InferenceService whose model is an empty folder, probed as Merlin has it probed."""
    (tmp_path / "MLmodel").write_text("flavors: {}\n")
    manifest = inference_service(place)
    ready = {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 1}
    manifest["spec"]["predictor"]["model"] |= {"storageUri": tmp_path.as_uri(), "readinessProbe": ready}
    return manifest


def status_of(api: Api, manifest: Manifest) -> dict[str, Any]:
    status: dict[str, Any] = ok(api.get(address(manifest))).get("status", {})
    return status


def conditions(api: Api, manifest: Manifest) -> dict[str, dict[str, Any]]:
    return {one["type"]: one for one in status_of(api, manifest).get("conditions", [])}


def is_ready(api: Api, manifest: Manifest) -> bool:
    return bool(conditions(api, manifest).get("Ready", {}).get("status") == "True")


def test_it_becomes_a_deployment_and_a_service(api: Api, wanted: Manifest, place: str) -> None:
    made = ok(api.apply(wanted))
    until(lambda: api.get(DEPLOYMENT.path(place, "iris-predictor")).status_code == 200, SECONDS, "the Deployment")
    found = ok(api.get(DEPLOYMENT.path(place, "iris-predictor")))
    labels = {
        "app": "isvc.iris-predictor",
        "component": "predictor",
        "serving.kserve.io/inferenceservice": "iris",
        "networking.kserve.io/visibility": "cluster-local",
    }
    assert labels.items() <= found["metadata"]["labels"].items()
    (reference,) = found["metadata"]["ownerReferences"]
    assert (reference["kind"], reference["uid"], reference["controller"]) == (
        "InferenceService",
        made["metadata"]["uid"],
        True,
    )
    assert found["spec"]["replicas"] == 1
    assert found["spec"]["selector"] == {"matchLabels": {"app": "isvc.iris-predictor"}}
    template = found["spec"]["template"]
    assert labels.items() <= template["metadata"]["labels"].items()
    (container,) = template["spec"]["containers"]
    assert (container["name"], container["image"]) == ("kserve-container", PROGRAM)
    assert "--name=iris" in container["args"], "Go templates of a runtime are filled in"
    assert {"name": "INFERENCE_SERVICE_NAME", "value": "iris"} in container["env"]
    until(lambda: api.get(SERVICE.path(place, "iris-predictor")).status_code == 200, SECONDS, "the Service")
    service = ok(api.get(SERVICE.path(place, "iris-predictor")))
    (port,) = service["spec"]["ports"]
    assert (port["name"], port["port"], port["targetPort"]) == ("iris-predictor", 80, 8080)
    assert service["spec"]["selector"] == {"app": "isvc.iris-predictor"}
    assert api.get(AUTOSCALER.path(place, "iris-predictor")).status_code == 404


def test_it_gets_ready_and_says_so_as_kserve_does(api: Api, wanted: Manifest, place: str) -> None:
    ok(api.apply(wanted))
    until(lambda: is_ready(api, wanted), SECONDS, "it is ready")
    found = ok(api.get(address(wanted)))
    assert found["metadata"]["finalizers"] == ["inferenceservice.finalizers"]
    status = found["status"]
    assert status["url"] == f"http://iris-{place}.example.com"
    assert status["address"] == {"url": f"http://iris-predictor.{place}.svc.cluster.local"}
    assert status["deploymentMode"] == "Standard"
    assert status["servingRuntimeName"] == "tests"
    stated = {one["type"]: one["status"] for one in status["conditions"]}
    assert stated == {"IngressReady": "True", "PredictorReady": "True", "Ready": "True", "Stopped": "False"}
    assert conditions(api, wanted)["PredictorReady"]["reason"] == "NewReplicaSetAvailable"
    until(lambda: status_of(api, wanted)["modelStatus"]["transitionStatus"] == "UpToDate", SECONDS, "up to date")
    model = status_of(api, wanted)["modelStatus"]
    assert model["states"] == {"activeModelState": "Loaded", "targetModelState": "Loaded"}
    assert model["copies"] == {"failedCopies": 0, "totalCopies": 1}
    (pod,) = ok(api.get(POD.path(place)))["items"]
    assert pod["metadata"]["labels"]["serving.kserve.io/inferenceservice"] == "iris"
    events = ok(api.get(f"/api/v1/namespaces/{place}/events", fieldSelector="reason=InferenceServiceReady"))["items"]
    assert [event["message"] for event in events] == ["InferenceService [iris] is Ready"]


def test_applying_it_again_changes_nothing(api: Api, wanted: Manifest, place: str) -> None:
    ok(api.apply(wanted))
    until(lambda: is_ready(api, wanted), SECONDS, "it is ready")
    before = ok(api.get(DEPLOYMENT.path(place, "iris-predictor")))["metadata"]["generation"]
    again = ok(api.apply(wanted))
    assert again["metadata"]["generation"] == 1
    assert ok(api.get(DEPLOYMENT.path(place, "iris-predictor")))["metadata"]["generation"] == before


def test_more_replicas_keep_the_pods_there_are(api: Api, wanted: Manifest, place: str) -> None:
    ok(api.apply(wanted))
    until(lambda: is_ready(api, wanted), SECONDS, "it is ready")
    (before,) = ok(api.get(POD.path(place)))["items"]
    wanted["spec"]["predictor"] |= {"minReplicas": 2, "maxReplicas": 2}
    ok(api.apply(wanted))

    def available() -> Any:
        return ok(api.get(DEPLOYMENT.path(place, "iris-predictor")))["status"].get("availableReplicas") == 2

    until(available, SECONDS, "two pods are available")
    assert before["metadata"]["uid"] in {pod["metadata"]["uid"] for pod in ok(api.get(POD.path(place)))["items"]}


def test_an_unknown_runtime_is_an_invalid_spec(api: Api, wanted: Manifest, place: str) -> None:
    wanted["spec"]["predictor"]["model"]["runtime"] = "no-such-runtime"
    ok(api.apply(wanted))

    def failure() -> Any:
        return status_of(api, wanted).get("modelStatus", {}).get("lastFailureInfo")

    found = until(failure, SECONDS, "the failure is told")
    assert found["reason"] == "RuntimeNotRecognized"
    assert status_of(api, wanted)["modelStatus"]["transitionStatus"] == "InvalidSpec"
    assert api.get(DEPLOYMENT.path(place, "iris-predictor")).status_code == 404


def test_a_name_that_is_too_long_for_its_host_gets_no_deployment(api: Api, wanted: Manifest, place: str) -> None:
    """KServe says nothing about it but an event: Merlin's names are short enough."""
    wanted["metadata"]["name"] = "i" * 54
    ok(api.apply(wanted))
    path = f"/api/v1/namespaces/{place}/events"
    until(lambda: ok(api.get(path, fieldSelector="reason=InternalError"))["items"], SECONDS, "an event InternalError")
    assert ok(api.get(DEPLOYMENT.path(place)))["items"] == []


def test_everything_goes_with_it(api: Api, wanted: Manifest, place: str) -> None:
    ok(api.apply(wanted))
    until(lambda: is_ready(api, wanted), SECONDS, "it is ready")
    ok(api.delete(address(wanted), "Background"))
    until(lambda: api.get(address(wanted)).status_code == 404, SECONDS, "it is gone")
    for kind in (DEPLOYMENT, SERVICE, POD):
        until(lambda k=kind: not ok(api.get(k.path(place)))["items"], SECONDS, f"no {kind.kind}")  # type: ignore[misc]


def test_a_runtime_that_comes_later_helps(api: Api, wanted: Manifest, place: str) -> None:
    runtime = ok(api.get(SERVING_RUNTIME.path(place, "tests")))
    wanted["spec"]["predictor"]["model"]["runtime"] = "later"
    ok(api.apply(wanted))
    until(lambda: status_of(api, wanted).get("modelStatus", {}).get("lastFailureInfo"), SECONDS, "it has failed")
    later = {"name": "later", "namespace": place}
    ok(api.create({**runtime, "metadata": later}))
    until(lambda: is_ready(api, wanted), SECONDS, "it is ready")
