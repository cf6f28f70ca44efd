"""Pods as processes: what they are given, how they start, fail, restart and end. Each caused for real."""

from __future__ import annotations

import base64
import time
from pathlib import Path

import psutil
import pytest

from merlin.kube.kinds import SECRET, Manifest
from tests.contract.api import Api, ok
from tests.localcluster.kubelet.world import IMAGE, Pods, is_ready, process_of
from tests.platform import until

READY = {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 1}
SERVE = ("serve", "--port", "8080")


def test_a_pod_is_a_process_with_what_its_spec_says(pods: Pods, api: Api, tmp_path: Path) -> None:
    artifact = tmp_path / "model"
    artifact.mkdir()
    (artifact / "MLmodel").write_text("flavors: {}")
    secret(api, pods.namespace, "token", {"TOKEN": "very secret"})
    mount = [{"name": "model", "mountPath": "/mnt/models"}]
    initializer = {
        "name": "storage-initializer",
        "image": "kserve/storage-initializer:v0.20.0",
        "args": [f"file://{artifact}", "/mnt/models"],
        "volumeMounts": mount,
    }
    name = pods.create(
        *SERVE,
        "--model-dir=/mnt/models",
        env=[
            {"name": "MODEL", "value": "/mnt/models/MLmodel"},
            {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "SAID", "value": "it is $(POD)"},
        ],
        envFrom=[{"secretRef": {"name": "token"}}],
        volumeMounts=mount,
        readinessProbe=READY,
        spec={"initContainers": [initializer], "volumes": [{"name": "model", "emptyDir": {}}]},
    )
    pod = pods.ready(name)
    environment = dict(line.split("=", 1) for line in pods.ask(name, "/env").splitlines())
    assert environment["TOKEN"] == "very secret"
    assert environment["SAID"] == f"it is {name}"
    assert environment["FROM"] == "the image"
    assert "PYTHONDONTWRITEBYTECODE" not in environment
    assert pods.ask(name, f"/file?{environment['MODEL']}") == "flavors: {}"
    assert environment["MODEL"].startswith(str(pods.kubelet.home))
    assert pod["metadata"]["annotations"]["merlin.dev/address"] == f"127.0.0.1:{environment['PORT']}"
    assert pod["status"]["podIP"].startswith("10.244.")
    assert {"Pulled", "Created", "Started"} <= set(pods.reasons(name))
    secrets_on_disk = [p for p in pods.kubelet.home.rglob("*") if p.is_file() and b"very secret" in p.read_bytes()]
    assert secrets_on_disk == []


def test_readiness_is_seen_long_before_the_period(pods: Pods) -> None:
    slow = {**READY, "periodSeconds": 60}
    name = pods.create(*SERVE, startupProbe=slow, readinessProbe=slow)
    started = time.monotonic()
    pods.ready(name)
    assert time.monotonic() - started < 20


def test_a_pod_that_fails_its_readiness_probe_is_not_ready_and_not_restarted(pods: Pods) -> None:
    name = pods.create(*SERVE, readinessProbe={**READY, "failureThreshold": 1})
    pods.ready(name)
    pods.ask(name, "/fail")
    pods.until(name, lambda pod: not is_ready(pod), "not ready")
    until(lambda: "Unhealthy" in pods.reasons(name), 10, "the event")
    assert pods.main(name)["restartCount"] == 0


def test_a_pod_that_fails_its_liveness_probe_is_restarted(pods: Pods) -> None:
    name = pods.create(*SERVE, livenessProbe={**READY, "failureThreshold": 1}, readinessProbe=READY)
    pods.ready(name)
    pods.ask(name, "/fail")
    pods.until(name, lambda pod: is_ready(pod) and main(pod)["restartCount"] == 1, "restarted")


def test_a_killed_process_is_restarted_at_once(pods: Pods) -> None:
    name = pods.create(*SERVE, readinessProbe=READY)
    pods.ready(name)
    process_of(pods, name).kill()
    pod = pods.until(name, lambda pod: is_ready(pod) and main(pod)["restartCount"] == 1, "restarted", 8)
    assert main(pod)["lastState"]["terminated"]["exitCode"] == 137


def test_a_crash_tells_its_code_and_its_last_lines_and_backs_off(pods: Pods) -> None:
    name = pods.create("crash", "7", "no weights", terminationMessagePolicy="FallbackToLogsOnError")
    pod = pods.until(name, lambda pod: waits(pod) == "CrashLoopBackOff", "backing off")
    ended = main(pod)["lastState"]["terminated"]
    assert (ended["exitCode"], ended["reason"], ended["message"]) == (7, "Error", "a first line\nno weights")
    # The first restart is immediate, the second waits for ten seconds.
    assert main(pod)["restartCount"] == 1
    assert main(pod)["state"]["waiting"]["message"].startswith("back-off 10s restarting failed container=main pod=")
    until(lambda: "BackOff" in pods.reasons(name), 10, "the event")


def test_the_termination_log_comes_before_the_logs(pods: Pods) -> None:
    name = pods.create("crash", "3", "more", "--tell", terminationMessagePolicy="FallbackToLogsOnError")
    pod = pods.until(name, lambda pod: waits(pod) == "CrashLoopBackOff", "backing off")
    assert main(pod)["lastState"]["terminated"]["message"] == '{"code": "MODEL_LOAD_FAILED"}'


def test_a_pod_that_is_never_restarted_ends(pods: Pods) -> None:
    failed = pods.create("crash", "4", "x", spec={"restartPolicy": "Never"})
    done = pods.create("crash", "0", "x", spec={"restartPolicy": "OnFailure"})
    pods.until(failed, lambda pod: pod["status"].get("phase") == "Failed", "failed")
    pods.until(done, lambda pod: pod["status"].get("phase") == "Succeeded", "succeeded")


def test_who_takes_more_memory_than_its_limit_is_oom_killed(pods: Pods) -> None:
    name = pods.create("hog", resources={"limits": {"memory": "64Mi"}}, spec={"restartPolicy": "Never"})
    pod = pods.until(name, lambda pod: pod["status"].get("phase") == "Failed", "ended")
    ended = main(pod)["state"]["terminated"]
    assert (ended["reason"], ended["exitCode"]) == ("OOMKilled", 137)


def test_an_unknown_image_is_an_image_pull_error_until_it_is_known(pods: Pods) -> None:
    name = pods.create(*SERVE, image="example.test/nothing:1")
    pod = pods.until(name, lambda pod: waits(pod) == "ImagePullBackOff", "backing off")
    assert "example.test/nothing:1: not found" in main(pod)["state"]["waiting"]["message"]
    until(lambda: {"Failed", "BackOff"} <= set(pods.reasons(name)), 10, "the events")
    pods.delete(name)
    until(lambda: pods.is_gone(name), 10, "gone")


def test_a_missing_secret_is_a_configuration_error_until_it_is_there(pods: Pods, api: Api) -> None:
    name = pods.create(*SERVE, envFrom=[{"secretRef": {"name": "absent"}}], readinessProbe=READY)
    pod = pods.until(name, lambda pod: waits(pod) == "CreateContainerConfigError", "waiting")
    assert main(pod)["state"]["waiting"]["message"] == 'secret "absent" not found'
    secret(api, pods.namespace, "absent", {"A": "b"})
    pods.ready(name)


@pytest.mark.parametrize("source", ["file:///no/such/folder", "/no/such/folder", "s3://bucket/model"])
def test_an_artifact_that_is_not_there_fails_the_init_container(pods: Pods, source: str) -> None:
    initializer = {
        "name": "storage-initializer",
        "image": "kserve/storage-initializer:v0.20.0",
        "args": [source, "/mnt/models"],
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [{"name": "model", "mountPath": "/mnt/models"}],
    }
    spec = {"initContainers": [initializer], "volumes": [{"name": "model", "emptyDir": {}}]}
    name = pods.create(*SERVE, spec=spec)
    pod = pods.until(name, lambda pod: init(pod).get("lastState", {}).get("terminated"), "failed")
    ended = init(pod)["lastState"]["terminated"]
    assert ended["exitCode"] == 1
    assert ended["message"].startswith("RuntimeError: ")
    assert source in ended["message"]
    assert main(pod)["state"]["waiting"]["reason"] == "PodInitializing"
    assert pod["status"]["phase"] == "Pending"


def test_a_command_that_is_not_there_is_told(pods: Pods) -> None:
    name = pods.create(command=["/no/such/program"], terminationMessagePolicy="FallbackToLogsOnError")
    pod = pods.until(name, lambda pod: main(pod).get("lastState", {}).get("terminated"), "failed")
    ended = main(pod)["lastState"]["terminated"]
    assert ended["exitCode"] == 127
    assert "/no/such/program: No such file or directory" in ended["message"]


def test_a_deleted_pod_ends_and_leaves_nothing(pods: Pods) -> None:
    name = pods.create(*SERVE, readinessProbe=READY)
    pod = pods.ready(name)
    process = process_of(pods, name)
    pods.delete(name)
    until(lambda: pods.is_gone(name), 10, "the pod is gone")
    assert not process.is_running()
    until(lambda: not (pods.kubelet.home / "pods" / pod["metadata"]["uid"]).exists(), 10, "the folder is gone")
    until(lambda: "Killing" in pods.reasons(name), 10, "the event")


def test_who_does_not_listen_to_sigterm_is_killed_with_its_children(pods: Pods) -> None:
    name = pods.create("stubborn")
    pods.until(name, lambda pod: "running" in main(pod).get("state", {}), "running")
    uid = pods.get(name)["metadata"]["uid"]
    until(lambda: len(processes_of(uid)) == 2, 10, "two processes")
    deaf = processes_of(uid)
    pods.delete(name)
    until(lambda: pods.is_gone(name), 15, "the pod is gone")
    assert [process for process in deaf if alive(process)] == []


def test_a_pod_that_is_removed_by_force_ends_too(pods: Pods) -> None:
    name = pods.create(*SERVE, readinessProbe=READY)
    pods.ready(name)
    process = process_of(pods, name)
    pods.delete(name, gracePeriodSeconds=0)
    until(lambda: not alive(process), 10, "its process ends")


def test_arguments_of_two_containers_get_ports_of_their_own(pods: Pods) -> None:
    other = {"name": "other", "image": IMAGE, "args": ["serve", "--port", "9090"], "ports": [{"containerPort": 9090}]}
    main_container = {"name": "main", "image": IMAGE, "args": list(SERVE), "ports": [{"containerPort": 8080}]}
    name = pods.create(spec={"containers": [main_container, other]})
    pods.until(name, is_ready, "ready")
    until(lambda: pods.ask(name, "/arguments").startswith("serve"), 10, "it answers")


def test_a_pod_that_finds_no_room_waits_for_it(pods: Pods) -> None:
    """The folder of the pods cannot be written to: told, and tried again."""
    folder = pods.kubelet.home / "pods"
    aside = folder.rename(folder.with_name("pods-aside"))
    folder.write_text("a file in its place")
    try:
        name = pods.create(*SERVE, readinessProbe=READY)
        until(lambda: "FailedCreatePodSandBox" in pods.reasons(name), 20, "the event")
    finally:
        folder.unlink()
        aside.rename(folder)
    pods.ready(name)


def secret(api: Api, namespace: str, name: str, values: dict[str, str]) -> None:
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    metadata = {"name": name, "namespace": namespace}
    ok(api.create({"apiVersion": "v1", "kind": SECRET.kind, "metadata": metadata, "data": data}))


def main(pod: Manifest) -> Manifest:
    found: Manifest = (pod.get("status", {}).get("containerStatuses") or [{}])[0]
    return found


def init(pod: Manifest) -> Manifest:
    found: Manifest = (pod.get("status", {}).get("initContainerStatuses") or [{}])[0]
    return found


def waits(pod: Manifest) -> str:
    return str(main(pod).get("state", {}).get("waiting", {}).get("reason", ""))


def processes_of(uid: str) -> list[psutil.Process]:
    """The processes of a pod, without its shims."""
    found = []
    for process in psutil.process_iter():
        try:
            if uid in process.environ().get("HOME", ""):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


def alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
