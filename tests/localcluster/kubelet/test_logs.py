"""Logs: through the API server as `kubectl logs` asks, and the kubelet's own door."""

from __future__ import annotations

import stat
from typing import Any

import httpx
import pytest

from merlin.kube.kinds import POD
from tests.contract.api import NODE, ok
from tests.localcluster.kubelet.world import PATIENCE, Kubelet, Pods
from tests.platform import until

LINES = [f"line {number}" for number in range(20)]


@pytest.fixture
def counted(pods: Pods) -> str:
    """A pod that has written twenty lines and ended."""
    name = pods.create("count", "20", spec={"restartPolicy": "Never"})
    pods.until(name, lambda pod: pod["status"].get("phase") == "Succeeded", "ended")
    return name


def log(pods: Pods, name: str, **query: Any) -> str:
    answer = pods.api.get(f"{POD.path(pods.namespace, name)}/log", **query)
    assert answer.status_code == 200, answer.text
    return answer.text


def test_the_whole_log_and_its_tail(pods: Pods, counted: str) -> None:
    assert log(pods, counted).splitlines() == LINES
    assert log(pods, counted, tailLines=3).splitlines() == LINES[-3:]
    assert log(pods, counted, tailLines=0) == ""


def test_lines_carry_the_time_they_were_written(pods: Pods, counted: str) -> None:
    stamped = [line.partition(" ") for line in log(pods, counted, timestamps="true").splitlines()]
    assert [text for _, _, text in stamped] == LINES
    assert [stamp for stamp, _, _ in stamped] == sorted(stamp for stamp, _, _ in stamped)
    since = stamped[10][0][:19] + "Z"
    later = log(pods, counted, sinceTime=since).splitlines()
    assert later == [text for stamp, _, text in stamped if stamp >= since[:19]]


def test_following_gives_every_line_once_until_the_end(pods: Pods) -> None:
    name = pods.create("count", "150", spec={"restartPolicy": "Never"})
    pods.until(name, lambda pod: "running" in pods.main(name).get("state", {}), "running")
    path = f"{POD.path(pods.namespace, name)}/log"
    with pods.api.http.stream("GET", path, params={"follow": "true"}) as answer:
        assert answer.status_code == 200
        assert list(answer.iter_lines()) == [f"line {number}" for number in range(150)]


def test_the_log_of_the_run_before_is_kept(pods: Pods) -> None:
    name = pods.create("crash", "3", "so it ended")
    pods.until(name, lambda pod: pods.main(name).get("restartCount") == 1, "restarted")
    assert log(pods, name, previous="true") == "a first line\nso it ended\n"


def test_a_container_that_waits_has_no_log_yet(pods: Pods) -> None:
    name = pods.create(image="example.test/nothing:1")
    pods.until(name, lambda pod: "waiting" in pods.main(name).get("state", {}), "waiting")
    answer = pods.api.get(f"{POD.path(pods.namespace, name)}/log")
    assert answer.status_code == 400
    assert "waiting to start" in answer.text


def test_the_kubelet_opens_to_nobody_without_its_token(kubelet: Kubelet, pods: Pods, counted: str) -> None:
    node = ok(kubelet.api.get(NODE.path(None, kubelet.node)))
    port = node["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"]
    url = f"https://127.0.0.1:{port}/containerLogs/{pods.namespace}/{counted}/main"
    token = kubelet.home / "kubelet-token"
    with httpx.Client(verify=False, trust_env=False) as http:
        assert http.get(url).status_code == 401
        assert http.get(url, headers={"Authorization": "Bearer wrong"}).status_code == 401
        known = {"Authorization": f"Bearer {token.read_text()}"}
        assert http.get(url, headers=known).text.splitlines() == LINES
        assert http.get(url + "x", headers=known).status_code == 404
        for stranger in ({"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Origin": "null"}):
            assert http.get(url, headers={**known, **stranger}).status_code == 403, stranger
        assert http.get(url, headers={**known, "Host": f"{kubelet.node}:{port}"}).status_code == 200
    assert stat.S_IMODE(token.stat().st_mode) == 0o600


def test_a_follower_that_goes_away_costs_nothing(kubelet: Kubelet, pods: Pods) -> None:
    name = pods.create("count")
    pods.until(name, lambda pod: "running" in pods.main(name).get("state", {}), "running")
    path = f"{POD.path(pods.namespace, name)}/log"
    with pods.api.http.stream("GET", path, params={"follow": "true"}) as answer:
        assert next(answer.iter_lines()) == "line 0"
    pods.delete(name)
    until(lambda: pods.is_gone(name), PATIENCE, "gone")
