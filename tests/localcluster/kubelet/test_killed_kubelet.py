"""The kubelet is killed, stopped, or comes back to another world: pods go on, or end, as they should."""

from __future__ import annotations

import signal
from pathlib import Path

import httpx
import psutil

from merlin.kube.kinds import POD
from tests.contract.api import Api
from tests.localcluster.gateway.road import road_in_thread
from tests.localcluster.kubelet.world import PATIENCE, Kubelet, Pods, is_ready, process_of, running_kubelet
from tests.platform import until

SERVE = ("serve", "--port", "8080")
READY = {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 1}


def test_pods_outlive_a_killed_kubelet_and_are_adopted(own_kubelet: Kubelet, own_pods: Pods) -> None:
    name = own_pods.create(*SERVE, readinessProbe=READY)
    own_pods.ready(name)
    process = process_of(own_pods, name)
    own_kubelet.kill()
    assert own_pods.ask(name, "/pid") == str(process.pid)
    own_kubelet.start()
    assert is_ready(own_pods.get(name))
    assert own_pods.main(name)["restartCount"] == 0
    process.kill()  # seen by the new kubelet, though the process is no child of its
    own_pods.until(name, lambda pod: is_ready(pod) and own_pods.main(name)["restartCount"] == 1, "restarted")
    own_pods.delete(name)
    until(lambda: own_pods.is_gone(name), PATIENCE, "gone")


def test_what_happened_meanwhile_is_found_out(own_kubelet: Kubelet, own_pods: Pods) -> None:
    crashed = own_pods.create(*SERVE, spec={"restartPolicy": "Never"})
    deleted = own_pods.create(*SERVE, readinessProbe=READY)
    removed = own_pods.create(*SERVE, readinessProbe=READY)
    for name in (deleted, removed):
        own_pods.ready(name)
    own_pods.until(crashed, lambda pod: is_ready(pod), "ready")
    until(lambda: own_pods.ask(crashed, "/pid"), PATIENCE, "it answers")
    processes = {name: process_of(own_pods, name) for name in (crashed, deleted, removed)}
    own_kubelet.kill()
    processes[crashed].send_signal(signal.SIGSEGV)
    own_pods.delete(deleted)
    own_pods.delete(removed, gracePeriodSeconds=0)
    added = own_pods.create(*SERVE, readinessProbe=READY)
    own_kubelet.start()
    own_pods.ready(added)
    pod = own_pods.until(crashed, lambda pod: pod["status"]["phase"] == "Failed", "failed")
    # Its exit code was written down although nobody but the shim was there.
    assert pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 128 + signal.SIGSEGV
    until(lambda: own_pods.is_gone(deleted), PATIENCE, "the deleted one is gone")
    until(lambda: not any(map(alive, (processes[deleted], processes[removed]))), PATIENCE, "both have ended")


def test_a_shim_that_is_killed_takes_its_process_along(own_pods: Pods) -> None:
    name = own_pods.create(*SERVE, readinessProbe=READY)
    own_pods.ready(name)
    process = process_of(own_pods, name)
    shim = process.parent()
    assert shim is not None
    shim.kill()
    own_pods.until(name, lambda pod: is_ready(pod) and own_pods.main(name)["restartCount"] == 1, "restarted")
    assert not alive(process)


def test_a_stopped_kubelet_ends_its_pods_and_the_next_one_starts_them_at_once(
    own_kubelet: Kubelet, own_pods: Pods
) -> None:
    name = own_pods.create(*SERVE, readinessProbe=READY)
    own_pods.ready(name)
    process = process_of(own_pods, name)
    for round_ in (1, 2, 3):
        own_kubelet.stop()
        assert not alive(process)
        own_kubelet.start()
        # No back-off, however often: the pod did nothing wrong.
        own_pods.until(name, lambda pod: own_pods.main(name)["restartCount"] == round_, "started again", 8)  # noqa: B023
        own_pods.until(name, is_ready, "ready", 8)
        process = process_of(own_pods, name)


def test_pods_run_on_while_the_api_does_not_know_their_node(own_kubelet: Kubelet, own_pods: Pods) -> None:
    name = own_pods.create(*SERVE, readinessProbe=READY)
    own_pods.ready(name)
    own_kubelet.api.delete(f"/api/v1/nodes/{own_kubelet.node}")
    own_kubelet.kill()
    own_kubelet.start()  # registers again
    assert own_pods.ask(name, "/pid")
    assert own_kubelet.api.get(POD.path(own_pods.namespace, name)).status_code == 200


def test_pods_run_on_while_the_api_is_away(api: Api, namespace: str, tmp_path: Path) -> None:
    with road_in_thread(api.kubeconfig) as road, running_kubelet(api, tmp_path / "kubelet") as kubelet:
        kubelet.kill()
        kubelet.kubeconfig = tmp_path / "kubeconfig"
        road.road.write_kubeconfig(kubelet.kubeconfig)
        kubelet.start()
        pods = Pods(api, namespace, kubelet)
        name = pods.create(*SERVE, readinessProbe=READY)
        pods.ready(name)
        first = process_of(pods, name)
        road.cut()
        first.kill()
        until(lambda: answers(pods, name) not in {"", str(first.pid)}, PATIENCE, "it is restarted all the same")
        kubelet.kill()
        kubelet.start(wait=False)  # a new kubelet knows its pods from its folder alone
        second = process_of(pods, name)
        second.kill()
        until(lambda: answers(pods, name) not in {"", str(second.pid)}, PATIENCE, "it is restarted once more")
        road.open()
        pods.until(name, lambda pod: is_ready(pod) and pods.main(name)["restartCount"] == 2, "told in the end")


def answers(pods: Pods, name: str) -> str:
    try:
        return pods.ask(name, "/pid")
    except httpx.TransportError:
        return ""


def alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
