"""InferenceServices against what KServe 0.20 was recorded to make of them."""

from __future__ import annotations

from typing import Any

import pytest

from merlin.localcluster.client import Manifest
from merlin.localcluster.controllers.kinds import (
    AUTOSCALERS,
    DEPLOYMENTS,
    INFERENCE_SERVICES,
    PODS,
    SERVICES,
)
from tests.localcluster.controllers.world import World, fetching, running

APP = "isvc.iris-predictor"


def service(name: str = "iris", *, annotations: dict[str, str] | None = None, **model: Any) -> Manifest:
    """An InferenceService as Merlin writes it."""
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {
            "name": name,
            "labels": {"networking.kserve.io/visibility": "cluster-local"},
            "annotations": {
                "serving.kserve.io/deploymentMode": "Standard",
                "serving.kserve.io/autoscalerClass": "none",
                **(annotations or {}),
            },
        },
        "spec": {
            "predictor": {
                "minReplicas": 1,
                "labels": {"merlin.dev/revision": "1"},
                "annotations": {"merlin.dev/workload-revision": "1"},
                "model": {
                    "modelFormat": {"name": "mlflow"},
                    "protocolVersion": "v2",
                    "runtime": "merlin-mlflow",
                    "storageUri": "file:///tmp/model",
                    "env": [{"name": "MERLIN_MODEL_NAME", "value": "iris"}],
                    "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
                    **model,
                },
            }
        },
    }


def status(world: World, name: str = "iris") -> dict[str, Any]:
    found: dict[str, Any] = world.one(INFERENCE_SERVICES, name).get("status", {})
    return found


def condition(world: World, kind: str, name: str = "iris") -> dict[str, Any]:
    return next(c for c in status(world, name)["conditions"] if c["type"] == kind)


def is_ready(world: World) -> bool:
    return bool(condition(world, "Ready")["status"] == "True" and world.events("InferenceServiceReady"))


async def test_its_children_are_named_labelled_and_owned_as_kserves(world: World) -> None:
    made = await world.apply(INFERENCE_SERVICES, service())
    await world.until(lambda: is_ready(world), "it is ready")
    for kind in (DEPLOYMENTS, SERVICES):
        child = world.one(kind, "iris-predictor")
        labels, annotations = child["metadata"]["labels"], child["metadata"]["annotations"]
        assert labels == {
            "app": APP,
            "component": "predictor",
            "serving.kserve.io/inferenceservice": "iris",
            "networking.kserve.io/visibility": "cluster-local",
            "merlin.dev/revision": "1",
        }
        assert annotations["internal.serving.kserve.io/storage-initializer-sourceuri"] == "file:///tmp/model"
        assert annotations["merlin.dev/workload-revision"] == "1"
        (owner,) = child["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["uid"], owner["controller"]) == (
            "InferenceService",
            made["metadata"]["uid"],
            True,
        )
    assert world.one(SERVICES, "iris-predictor")["spec"]["selector"] == {"app": APP}
    (port,) = world.one(SERVICES, "iris-predictor")["spec"]["ports"]
    assert (port["name"], port["port"], port["targetPort"]) == ("iris-predictor", 80, 8080)
    assert world.all(AUTOSCALERS) == []


async def test_its_pods_fetch_the_model_and_run_the_runtime(world: World) -> None:
    await world.apply(INFERENCE_SERVICES, service())
    (pod,) = await world.until(lambda: world.all(PODS), "a pod was made")
    assert pod["metadata"]["labels"]["app"] == APP
    assert pod["metadata"]["annotations"]["merlin.dev/workload-revision"] == "1"
    (initializer,) = pod["spec"]["initContainers"]
    assert initializer["name"] == "storage-initializer"
    assert initializer["image"].startswith("kserve/storage-initializer:")
    assert initializer["args"] == ["file:///tmp/model", "/mnt/models"]
    (container,) = pod["spec"]["containers"]
    assert container["name"] == "kserve-container"
    assert container["image"].startswith("merlin/runtime:")
    assert container["args"] == ["--model-dir", "/mnt/models", "--port", "8080"]
    assert {"name": "MERLIN_MODEL_NAME", "value": "iris"} in container["env"]
    assert {"name": "INFERENCE_SERVICE_NAME", "value": "iris"} in container["env"]
    assert container["readinessProbe"]["tcpSocket"]["port"] == 8080
    mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
    assert mounts["/mnt/models"]["readOnly"] is True


async def test_its_status_goes_the_way_that_was_recorded(world: World) -> None:
    world.plays = lambda pod: [fetching(pod, {"running": {"startedAt": "2026-01-01T00:00:00Z"}}), running(pod)]
    await world.apply(INFERENCE_SERVICES, service())
    await world.until(lambda: is_ready(world), "it is ready")
    states = [state["status"] for state in world.states("InferenceService", "iris") if state.get("status")]
    targets = [state["modelStatus"].get("states", {}).get("targetModelState", "") for state in states]
    assert [one for one in ("Pending", "Loading", "Loaded") if one in targets][-1] == "Loaded"
    assert targets[0] in ("", "Pending")
    readiness = [c["status"] for state in states for c in state["conditions"] if c["type"] == "Ready"]
    assert set(readiness[:-1]) <= {"False", "Unknown", "True"}
    assert readiness == sorted(readiness, key=lambda one: one == "True"), "once ready, it stays so"
    final = status(world)
    kept = {c["type"]: (c["status"], c.get("reason", ""), c.get("severity", "")) for c in final["conditions"]}
    assert [c["type"] for c in final["conditions"]] == ["IngressReady", "PredictorReady", "Ready", "Stopped"]
    assert kept == {
        "IngressReady": ("True", "", ""),
        "PredictorReady": ("True", "NewReplicaSetAvailable", ""),
        "Ready": ("True", "", ""),
        "Stopped": ("False", "", "Info"),
    }
    namespace = world.namespace
    assert {key: value for key, value in final.items() if key != "conditions"} == {
        "address": {"url": f"http://iris-predictor.{namespace}.svc.cluster.local"},
        "clusterServingRuntimeName": "merlin-mlflow",
        "components": {"predictor": {"url": f"http://iris-predictor-{namespace}.example.com"}},
        "deploymentMode": "Standard",
        "modelStatus": {
            "copies": {"failedCopies": 0, "totalCopies": 1},
            "states": {"activeModelState": "Loaded", "targetModelState": "Loaded"},
            "transitionStatus": "UpToDate",
        },
        "observedGeneration": 1,
        "url": f"http://iris-{namespace}.example.com",
    }


async def test_an_update_rolls_and_stays_ready(world: World) -> None:
    await world.apply(INFERENCE_SERVICES, service())
    await world.until(lambda: is_ready(world), "it is ready")
    await world.apply(INFERENCE_SERVICES, service(env=[{"name": "MERLIN_MODEL_NAME", "value": "other"}]))
    seen = len(world.history)

    def is_done() -> bool:
        deployment = world.one(DEPLOYMENTS, "iris-predictor")
        counts = deployment["status"]
        is_new = deployment["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"] == "other"
        observed = counts["observedGeneration"] == deployment["metadata"]["generation"]
        settled = counts["updatedReplicas"] == counts["replicas"] == counts["availableReplicas"] == 1
        is_told = condition(world, "PredictorReady")["reason"] == "NewReplicaSetAvailable"
        return bool(is_new and observed and settled and is_told)

    await world.until(is_done, "the update is done")
    for state in world.history[seen:]:
        if state["kind"] == "InferenceService":
            assert {c["type"]: c["status"] for c in state["status"]["conditions"]}["Ready"] == "True"


@pytest.mark.parametrize(
    ("model", "reason", "message", "said"),
    [
        (
            {"runtime": "no-such-runtime"},
            "RuntimeNotRecognized",
            "Waiting for runtime to become available",
            "No ServingRuntimes or ClusterServingRuntimes with the name: no-such-runtime",
        ),
        (
            {"runtime": None, "modelFormat": {"name": "no-such-format"}},
            "NoSupportingRuntime",
            "No runtime found to support specified framework/version",
            "no runtime found to support predictor with model type: {no-such-format <nil>}",
        ),
        (
            {"protocolVersion": "v1"},
            "NoSupportingRuntime",
            "Specified runtime does not support specified protocol version",
            "specified runtime merlin-mlflow does not support specified protocol version",
        ),
    ],
)
async def test_a_model_that_no_runtime_can_serve_is_an_invalid_spec(
    world: World, model: dict[str, Any], reason: str, message: str, said: str
) -> None:
    manifest = service(**model)
    fields = manifest["spec"]["predictor"]["model"]
    manifest["spec"]["predictor"]["model"] = {key: value for key, value in fields.items() if value is not None}
    await world.apply(INFERENCE_SERVICES, manifest)
    found = await world.until(lambda: status(world)["modelStatus"], "modelStatus")
    assert found == {
        "lastFailureInfo": {"message": message, "reason": reason},
        "states": {"activeModelState": "", "targetModelState": "FailedToLoad"},
        "transitionStatus": "InvalidSpec",
    }
    assert {c["status"] for c in status(world)["conditions"]} == {"Unknown"}
    (event,) = await world.until(lambda: world.events("InternalError"), "the event")
    assert (event["type"], event["message"]) == ("Warning", said)
    assert world.all(DEPLOYMENTS) == []


async def test_an_unknown_storage_scheme_is_told_by_an_event_alone(world: World) -> None:
    await world.apply(INFERENCE_SERVICES, service(storageUri="ftp://host/model"))
    (event,) = await world.until(lambda: world.events("InternalError"), "the event")
    assert event["message"].startswith("StorageURI not supported: storageUri, must be one of: [gs://, s3://, pvc://")
    assert event["message"].endswith("StorageUri [ftp://host/model] is not supported")
    await world.until(lambda: status(world)["conditions"], "conditions")
    assert {c["status"] for c in status(world)["conditions"]} == {"Unknown"}
    assert world.all(DEPLOYMENTS) == []


async def test_a_name_that_is_too_long_fails_to_reconcile(world: World) -> None:
    name = "i" * 48
    await world.apply(INFERENCE_SERVICES, service(name))
    found = await world.until(lambda: condition(world, "PredictorReady", name), "PredictorReady")
    assert (found["status"], found["reason"]) == ("False", "ReconcileFailed")
    assert "must be no more than 63 characters" in found["message"]
    assert world.all(DEPLOYMENTS) == []


async def test_without_knative_the_serverless_mode_is_rejected(world: World) -> None:
    await world.apply(INFERENCE_SERVICES, service(annotations={"serving.kserve.io/deploymentMode": "Serverless"}))
    await world.until(lambda: world.events("ServerlessModeRejected"), "the event")
    await world.until(lambda: status(world)["deploymentMode"] == "Knative", "the mode")
    assert condition(world, "Ready")["status"] == "Unknown"


async def test_a_failed_download_is_a_failed_load_whose_cause_stays_after_recovery(world: World) -> None:
    ended = {"exitCode": 1, "reason": "Error", "message": "No model found", "startedAt": _THEN, "finishedAt": _THEN}
    world.plays = lambda pod: [fetching(pod, {"terminated": ended})]
    await world.apply(INFERENCE_SERVICES, service())
    await world.until(lambda: status(world)["modelStatus"]["transitionStatus"] == "BlockedByFailedLoad", "it failed")
    failure = {"exitCode": 1, "message": "No model found", "reason": "ModelLoadFailed"}
    assert status(world)["modelStatus"]["lastFailureInfo"] == failure
    world.plays = lambda pod: [running(pod)]
    await world.apply(INFERENCE_SERVICES, service(storageUri="file:///tmp/other"))
    await world.until(lambda: is_ready(world), "it is ready")
    assert status(world)["modelStatus"]["lastFailureInfo"] == failure


async def test_stopping_removes_the_workload_and_clears_the_status(world: World) -> None:
    await world.apply(INFERENCE_SERVICES, service())
    await world.until(lambda: is_ready(world), "it is ready")
    await world.apply(INFERENCE_SERVICES, service(annotations={"serving.kserve.io/stop": "true"}))
    await world.until(lambda: condition(world, "Stopped")["status"] == "True", "it is stopped")
    await world.until(lambda: not (world.all(DEPLOYMENTS) or world.all(SERVICES) or world.all(PODS)), "nothing runs")
    await world.until(lambda: "clusterServingRuntimeName" in status(world), "the runtime is named again")
    assert "observedGeneration" not in status(world)
    assert condition(world, "Ready")["reason"] == "Stopped"
    await world.apply(INFERENCE_SERVICES, service())
    await world.until(lambda: condition(world, "Ready")["status"] == "True", "it runs again")


async def test_deleted_it_goes_and_all_that_it_owned(world: World) -> None:
    await world.apply(INFERENCE_SERVICES, service())
    await world.until(lambda: is_ready(world), "it is ready")
    await world.client.delete(INFERENCE_SERVICES, world.namespace, "iris")
    await world.until(lambda: not world.all(INFERENCE_SERVICES), "it is gone")
    await world.until(lambda: not (world.all(DEPLOYMENTS) or world.all(SERVICES) or world.all(PODS)), "all is gone")


async def test_an_autoscaled_one_runs_its_minimum(world: World) -> None:
    manifest = service(annotations={"serving.kserve.io/autoscalerClass": "hpa"})
    manifest["spec"]["predictor"].update(minReplicas=2, maxReplicas=4, scaleMetric="cpu", scaleTarget=60)
    await world.apply(INFERENCE_SERVICES, manifest)
    await world.until(lambda: len(world.all(PODS)) == 2, "two pods")
    spec = world.one(AUTOSCALERS, "iris-predictor")["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 4)
    assert spec["metrics"][0]["resource"]["target"] == {"type": "Utilization", "averageUtilization": 60}


async def test_controllers_that_start_again_write_nothing(world: World) -> None:
    await world.apply(INFERENCE_SERVICES, service())
    await world.until(lambda: is_ready(world), "it is ready")
    await world.stop()
    before = {item["metadata"]["uid"]: item["metadata"]["resourceVersion"] for item in _everything(world)}
    world.start()
    # What they do for another one shows that they have been through the first.
    await world.apply(INFERENCE_SERVICES, service("other"))
    await world.until(lambda: condition(world, "Ready", "other")["status"] == "True", "the other one is ready")
    after = {item["metadata"]["uid"]: item["metadata"]["resourceVersion"] for item in _everything(world)}
    assert {uid: version for uid, version in after.items() if uid in before} == before


def _everything(world: World) -> list[Manifest]:
    return [item for kind in (INFERENCE_SERVICES, DEPLOYMENTS, SERVICES, PODS) for item in world.all(kind)]


_THEN = "2026-01-01T00:00:00Z"
