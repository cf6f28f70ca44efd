"""The doctor names every broken part, and one of them hides no other."""

from __future__ import annotations

from typing import Any

import orjson

from merlin.doctor import Finding, examine
from merlin.kube import names
from merlin.kube.kinds import NAMESPACE
from merlin.settings import Settings
from tests.workers.plays import Play

CLASS = {
    "apiVersion": "gateway.networking.k8s.io/v1",
    "kind": "GatewayClass",
    "metadata": {"name": "played"},
    "spec": {"controllerName": "test/played"},
}
GATEWAY = {
    "apiVersion": "gateway.networking.k8s.io/v1",
    "kind": "Gateway",
    "metadata": {"name": "merlin", "namespace": names.SYSTEM_NAMESPACE},
    "spec": {"gatewayClassName": "played", "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]},
}
RUNTIME = {
    "apiVersion": "serving.kserve.io/v1alpha1",
    "kind": "ClusterServingRuntime",
    "metadata": {"name": "merlin-mlflow"},
    "spec": {
        "supportedModelFormats": [{"name": "mlflow"}],
        "protocolVersions": ["v2"],
        "containers": [{"name": "kserve-container", "image": "merlin/runtime"}],
    },
}


async def put(play: Play, manifest: dict[str, Any], path: str) -> None:
    await play.cluster._request(
        "PATCH",
        path,
        {"fieldManager": "test", "force": "true"},
        body=manifest,
        content_type="application/apply-patch+yaml",
    )


async def by_subject(settings: Settings) -> dict[str, Finding]:
    return {finding.subject: finding for finding in await examine(settings)}


async def test_a_whole_installation_is_well_but_for_the_mlflow_that_is_away(settings: Settings, play: Play) -> None:
    settings.environments_file.write_bytes(orjson.dumps([play.config.as_json()]))
    system = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": names.SYSTEM_NAMESPACE}}
    await put(play, system, NAMESPACE.path(None, names.SYSTEM_NAMESPACE))
    group = "/apis/gateway.networking.k8s.io/v1"
    await put(play, CLASS, f"{group}/gatewayclasses/played")
    await put(play, GATEWAY, f"{group}/namespaces/{names.SYSTEM_NAMESPACE}/gateways/merlin")
    await put(play, RUNTIME, "/apis/serving.kserve.io/v1alpha1/clusterservingruntimes/merlin-mlflow")
    found = await by_subject(settings)
    wrong = [finding.line() for finding in found.values() if not finding.well]
    assert [line.split(":")[0] for line in wrong] == ["WRONG MLflow"]
    assert "MERLIN_MLFLOW_URL" in found["MLflow"].mend
    assert found["database"].seen.startswith("PostgreSQL 18")
    assert "mend" not in found["queue"].as_json()
    assert found["MLflow"].as_json()["mend"] == found["MLflow"].mend
    assert found["queue"].seen.startswith("valkey 9")
    assert found["environment local: address"].seen.endswith("answers, with HTTP 503 at its root")


async def test_each_broken_part_is_named_with_what_to_do(settings: Settings, play: Play) -> None:
    entry = play.config.as_json()
    entry["runtimes"] = {"no-such-runtime": {"formats": ["mlflow"]}}
    entry["gateway"] |= {"name": "no-such-gateway", "url": "http://127.0.0.1:9"}
    entry["defaults"]["runtime"] = "no-such-runtime"
    unreachable = {**play.config.as_json(), "name": "far", "default": False}
    unreachable["cluster"] = {"name": "far", "kubeconfig": "/no/such/file", "in_cluster": False}
    settings.environments_file.write_bytes(orjson.dumps([entry, unreachable]))
    broken = settings.model_copy(update={"redis_url": "redis://127.0.0.1:9"})
    found = await by_subject(broken)
    assert found["database schema"].well
    assert not found["queue"].well
    assert "no-such-runtime" in found["environment local: runtimes"].seen
    assert "no-such-gateway" in found["environment local: gateway"].seen
    assert "127.0.0.1:9" in found["environment local: address"].seen
    assert not found["environment far"].well
    assert all(finding.mend for finding in found.values() if not finding.well)


async def test_a_database_without_a_schema_says_how_to_make_one(settings: Settings, empty_database_url: str) -> None:
    settings.environments_file.write_text("[]")
    found = await by_subject(settings.model_copy(update={"database_url": empty_database_url}))
    assert found["database schema"].mend == "Run `merlin migrate`."
    assert "at least one environment" in found["environments"].seen
