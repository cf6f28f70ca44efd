"""kubectl as a program: what people (and Merlin's README) do with it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from merlin.kube.kinds import Manifest
from tests.cluster import binary
from tests.contract.api import Api, address, ok
from tests.contract.objects import config_map, deployment, http_route, inference_service, program, service
from tests.contract.test_quota import has_account
from tests.platform import until

Ran = subprocess.CompletedProcess[str]
Kubectl = Callable[..., Ran]


@pytest.fixture(scope="session")
def command(kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """kubectl from PATH or out of the tests' binary, if that is built; with a cache of its own."""
    found = shutil.which("kubectl")
    program = [found] if found else [str(binary.BINARY), "kubectl"]
    if found is None and not binary.BINARY.exists():
        pytest.skip("no kubectl: neither on PATH nor built (make test-cluster)")
    cache = tmp_path_factory.mktemp("kubectl")
    return [*program, "--kubeconfig", str(kubeconfig), "--cache-dir", str(cache)]


@pytest.fixture
def kubectl(command: list[str], namespace: str) -> Kubectl:
    """Run kubectl in the test's namespace; fails unless it ends with the code that is expected."""

    def run(
        *arguments: str, manifest: Any = None, code: int = 0, seconds: int = 60
    ) -> subprocess.CompletedProcess[str]:
        ran = subprocess.run(
            [*command, "--namespace", namespace, *arguments],
            input=json.dumps(manifest) if manifest is not None else None,
            env={**os.environ, "KUBECTL_EXTERNAL_DIFF": "diff -u"},
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert ran.returncode == code, f"{arguments}: {ran.returncode}\n{ran.stdout}\n{ran.stderr}"
        return ran

    return run


def test_version_and_kinds(kubectl: Kubectl) -> None:
    stated = json.loads(kubectl("version", "--output=json").stdout)
    assert stated["serverVersion"]["gitVersion"].startswith("v1.")
    kinds = kubectl("api-resources", "--no-headers").stdout
    for name in ("inferenceservices", "httproutes", "deployments", "pods", "horizontalpodautoscalers"):
        assert name in kinds


def test_apply_get_and_delete(kubectl: Kubectl, namespace: str) -> None:
    for manifest, name in (
        (config_map(namespace), "configmap/map"),
        (inference_service(namespace, runtime="contract-none"), "inferenceservice.serving.kserve.io/iris"),
        (http_route(namespace), "httproute.gateway.networking.k8s.io/route"),
    ):
        applied = kubectl("apply", "--server-side", "-f", "-", manifest=manifest)
        assert applied.stdout.strip() == f"{name} serverside-applied"
        found = json.loads(kubectl("get", name, "-o", "json").stdout)
        assert found["metadata"]["name"] == manifest["metadata"]["name"]
        assert kubectl("get", name, "-o", "name").stdout.strip() == name
        gone = kubectl("delete", name, "--timeout=30s")
        assert gone.stdout.startswith(f'{name.partition("/")[0]} "{manifest["metadata"]["name"]}" deleted')
        missing = kubectl("get", name, code=1)
        assert "(NotFound)" in missing.stderr


def test_client_side_apply(kubectl: Kubectl, namespace: str) -> None:
    assert kubectl("apply", "-f", "-", manifest=config_map(namespace)).stdout.strip() == "configmap/map created"
    assert kubectl("apply", "-f", "-", manifest=config_map(namespace)).stdout.strip() == "configmap/map unchanged"
    changed = config_map(namespace, data={"colour": "blue"})
    assert kubectl("apply", "-f", "-", manifest=changed).stdout.strip() == "configmap/map configured"
    assert kubectl("apply", "-f", "-", manifest=deployment(namespace, replicas=0)).stdout.startswith("deployment.apps")
    more = deployment(namespace, replicas=0)
    more["spec"]["template"]["spec"]["containers"][0]["image"] = "example.test/other:1"
    assert kubectl("apply", "-f", "-", manifest=more).stdout.strip() == "deployment.apps/web configured"


def test_a_conflict_is_told(api: Api, kubectl: Kubectl, namespace: str) -> None:
    ok(api.apply(config_map(namespace), "somebody-else"))
    changed = config_map(namespace, data={"colour": "blue"})
    refused = kubectl("apply", "--server-side", "-f", "-", manifest=changed, code=1)
    assert 'conflict with "somebody-else": .data.colour' in refused.stderr
    kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", manifest=changed)


def test_what_is_wrong_is_told(kubectl: Kubectl, namespace: str) -> None:
    wrong = http_route(namespace, weight=-1)
    refused = kubectl("apply", "--server-side", "-f", "-", manifest=wrong, code=1)
    assert "should be greater than or equal to 0" in refused.stderr
    unknown = http_route(namespace)
    unknown["spec"]["nonsense"] = 1
    refused = kubectl("create", "-f", "-", manifest=unknown, code=1)
    assert 'unknown field "spec.nonsense"' in refused.stderr


def test_tables(api: Api, kubectl: Kubectl, namespace: str) -> None:
    ok(api.create(deployment(namespace, replicas=0)))
    header, row = kubectl("get", "deployments").stdout.splitlines()
    assert header.split() == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"]
    assert row.split()[:4] == ["web", "0/0", "0", "0"]
    ok(api.create(service(namespace)))
    header, row = kubectl("get", "services").stdout.splitlines()
    assert header.split() == ["NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE"]
    assert row.split()[0:2] == ["web", "ClusterIP"]
    assert row.split()[4] == "80/TCP"
    assert kubectl("get", "pods").stderr.strip() == f"No resources found in {namespace} namespace."
    wide = kubectl("get", "deployments", "-o", "wide").stdout.splitlines()[0].split()
    assert wide[5:] == ["CONTAINERS", "IMAGES", "SELECTOR"]
    everything = kubectl("get", "all").stdout
    assert "deployment.apps/web" in everything
    assert "service/web" in everything


def test_get_by_selector_and_everywhere(api: Api, kubectl: Kubectl, namespace: str) -> None:
    ok(api.create(config_map(namespace, labels={"mine": namespace})))
    assert kubectl("get", "cm", "-l", f"mine={namespace}", "-o", "name").stdout.strip() == "configmap/map"
    everywhere = kubectl("get", "cm", "-A", "-l", f"mine={namespace}", "--no-headers").stdout.split()
    assert everywhere[:2] == [namespace, "map"]
    assert kubectl("get", "cm", "--field-selector", "metadata.name=map", "-o", "name").stdout.strip() == "configmap/map"


def test_get_watch_shows_changes(api: Api, command: list[str], namespace: str) -> None:
    made = ok(api.create(config_map(namespace, labels={"mine": "yes"})))
    arguments = [
        "--namespace",
        namespace,
        "get",
        "configmaps",
        "-l",
        "mine=yes",
        "-w",
        "-o",
        "jsonpath={.data.colour} ",
    ]
    with subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        try:
            assert watching.stdout.read(4) == "red "
            ok(api.patch(address(made), {"data": {"colour": "tan"}}))
            assert watching.stdout.read(4) == "tan "
        finally:
            watching.terminate()


def test_wait(api: Api, kubectl: Kubectl, namespace: str) -> None:
    made = ok(api.create(deployment(namespace, replicas=0)))
    kubectl("wait", "deployment/web", "--for=condition=Available", "--timeout=30s")
    ok(api.delete(address(made)))
    kubectl("wait", "deployment/web", "--for=delete", "--timeout=30s")


def test_rollout_status(api: Api, kubectl: Kubectl, namespace: str) -> None:
    ok(api.create(deployment(namespace, replicas=0)))
    assert "successfully rolled out" in kubectl("rollout", "status", "deployment/web", "--timeout=30s").stdout
    kubectl("scale", "deployment/web", "--replicas=0")


def test_explain(kubectl: Kubectl) -> None:
    told = kubectl("explain", "inferenceservice.spec.predictor.minReplicas").stdout
    assert "minReplicas <integer>" in told
    assert "KIND:       InferenceService" in told
    assert "replicas <integer>" in kubectl("explain", "deployment.spec.replicas").stdout


def test_diff(api: Api, kubectl: Kubectl, namespace: str) -> None:
    ok(api.create(config_map(namespace)))
    kubectl("diff", "--server-side", "-f", "-", manifest=config_map(namespace))
    different = kubectl("diff", "--server-side", "--force-conflicts", "-f", "-", code=1, manifest=_blue(namespace))
    assert "-  colour: red" in different.stdout
    assert "+  colour: blue" in different.stdout


def _blue(namespace: str) -> Manifest:
    return config_map(namespace, data={"colour": "blue"})


def test_describe(api: Api, kubectl: Kubectl, namespace: str) -> None:
    ok(api.create(deployment(namespace, replicas=0)))
    told = kubectl("describe", "deployment", "web").stdout
    assert "Selector:               app=web" in told
    ok(api.create(http_route(namespace)))
    assert "Kind:         HTTPRoute" in kubectl("describe", "httproute", "route").stdout


def test_patch_label_annotate_and_edit_by_replace(api: Api, kubectl: Kubectl, namespace: str) -> None:
    ok(api.create(config_map(namespace)))
    kubectl("patch", "cm", "map", "--type=merge", "-p", '{"data":{"colour":"blue"}}')
    kubectl("label", "cm", "map", "mine=yes")
    kubectl("annotate", "cm", "map", "note=hello")
    found = json.loads(kubectl("get", "cm", "map", "-o", "json").stdout)
    assert found["data"] == {"colour": "blue"}
    assert found["metadata"]["labels"] == {"mine": "yes"}
    assert found["metadata"]["annotations"] == {"note": "hello"}
    found["data"] = {"colour": "green"}
    assert kubectl("replace", "-f", "-", manifest=found).stdout.strip() == "configmap/map replaced"


def test_may_i(kubectl: Kubectl) -> None:
    assert kubectl("auth", "can-i", "create", "pods").stdout.strip() == "yes"


def test_events(api: Api, kubectl: Kubectl, namespace: str, idle_node: str) -> None:
    ok(api.create(deployment(namespace, node=idle_node)))
    until(lambda: "ScalingReplicaSet" in kubectl("get", "events").stdout, 30, "an event")
    assert "ScalingReplicaSet" in kubectl("events").stdout


@pytest.mark.usefixtures("local_node")
def test_logs(api: Api, command: list[str], kubectl: Kubectl, namespace: str) -> None:
    until(lambda: has_account(api, namespace), 30, "the default service account")
    ok(api.create(program(namespace, "pod", "--name=first")))
    kubectl("wait", "pod/pod", "--for=condition=Ready", "--timeout=60s", seconds=90)
    assert kubectl("logs", "pod").stdout == "first starts\n"
    row = kubectl("get", "pods", "--no-headers").stdout.split()
    assert row[:4] == ["pod", "1/1", "Running", "0"]
    arguments = ["--namespace", namespace, "logs", "-f", "pod"]
    with subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout is not None
        assert following.stdout.readline() == "first starts\n"
        kubectl("delete", "pod", "pod", "--timeout=60s", seconds=90)
        assert following.wait(30) == 0, "it ends with the container"
