"""What an InferenceService and its runtime make together, without a cluster."""

from __future__ import annotations

from typing import Any

import pytest

from merlin.localcluster.client import Manifest
from merlin.localcluster.controllers.predictor import check_storage, children
from merlin.localcluster.controllers.serving_runtime import InvalidModel, ServingRuntime, runtime_for


def runtime(name: str = "own", *, of_cluster: bool = True, **spec: Any) -> ServingRuntime:
    container = {
        "name": "kserve-container",
        "image": "example.test/server:1",
        "args": ["--name={{.Name}}"],
        "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "1"}],
        "resources": {"requests": {"cpu": "1", "memory": "1Gi"}},
    }
    return ServingRuntime(name, {"containers": [container], **spec}, of_cluster)


def service(**model: Any) -> Manifest:
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": "iris", "namespace": "p", "uid": "u", "labels": {"team": "a"}},
        "spec": {"predictor": {"model": {"modelFormat": {"name": "mlflow"}, **model}}},
    }


def container(manifests: list[Manifest]) -> dict[str, Any]:
    deployment = next(one for one in manifests if one["kind"] == "Deployment")
    found: dict[str, Any] = deployment["spec"]["template"]["spec"]["containers"][0]
    return found


def test_the_models_fields_go_over_the_runtimes() -> None:
    model = {
        "args": ["--more"],
        "env": [{"name": "B", "value": "2"}, {"name": "C", "value": "3"}],
        "resources": {"requests": {"cpu": "2"}, "limits": {"memory": "2Gi"}},
        "runtimeVersion": "7",
    }
    made = container(children(service(**model), runtime()))
    assert made["image"] == "example.test/server:7"
    assert made["args"] == ["--name=iris", "--more"]
    values = {entry["name"]: entry["value"] for entry in made["env"]}
    assert values == {"A": "1", "B": "2", "C": "3", "INFERENCE_SERVICE_NAME": "iris"}
    assert made["resources"] == {"requests": {"cpu": "2", "memory": "1Gi"}, "limits": {"memory": "2Gi"}}
    assert "modelFormat" not in made


def test_placeholders_name_metadata_and_anything_else_is_refused() -> None:
    made = children(service(args=["{{.Namespace}}/{{ .Labels.team }}/{{.Annotations.none}}"]), runtime())
    assert container(made)["args"][-1] == "p/a/<no value>"
    with pytest.raises(InvalidModel) as refused:
        children(service(args=["{{ range . }}"]), runtime())
    assert refused.value.reason == "InvalidPredictorSpec"


def test_rendering_changes_neither_the_service_nor_the_runtime() -> None:
    given, its_runtime = service(storageUri="file:///m"), runtime()
    before = repr((given, its_runtime))
    assert children(given, its_runtime) == children(given, its_runtime)
    assert repr((given, its_runtime)) == before


@pytest.mark.parametrize("uri", ["file:///m", "/m", "m", "s3://b/m", "pvc://c/m", "hf://o/m", ""])
def test_storage_that_the_initialiser_knows(uri: str) -> None:
    check_storage(uri)


@pytest.mark.parametrize("uri", ["ftp://h/m", "mlflow-artifacts:/1/m://", "runs://x"])
def test_storage_that_it_does_not_know(uri: str) -> None:
    with pytest.raises(ValueError, match="StorageURI not supported"):
        check_storage(uri)


def manifest(name: str, *formats: dict[str, Any], **spec: Any) -> Manifest:
    spec = {"supportedModelFormats": list(formats), "protocolVersions": ["v2"], **spec}
    return {"metadata": {"name": name}, "spec": spec}


def test_a_runtime_is_chosen_by_format_priority_and_the_namespaces_own_first() -> None:
    low = manifest("low", {"name": "mlflow", "autoSelect": True, "priority": 1})
    high = manifest("high", {"name": "mlflow", "autoSelect": True, "priority": 2})
    by_hand = manifest("by-hand", {"name": "mlflow"})
    model = {"modelFormat": {"name": "mlflow"}, "protocolVersion": "v2"}
    assert runtime_for(model, [], [low, high, by_hand]).name == "high"
    assert runtime_for(model, [low], [high]).name == "low"
    assert runtime_for({**model, "runtime": "by-hand"}, [], [by_hand]).of_cluster
    with pytest.raises(InvalidModel):
        runtime_for(model, [], [by_hand])
    with pytest.raises(InvalidModel):
        runtime_for({"modelFormat": {"name": "mlflow", "version": "3"}}, [], [low])
    with pytest.raises(InvalidModel, match="disabled"):
        runtime_for({**model, "runtime": "off"}, [], [manifest("off", {"name": "mlflow"}, disabled=True)])
