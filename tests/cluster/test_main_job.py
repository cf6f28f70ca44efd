"""Merlin's main job on a real Kubernetes API server: `merlin up --kubeconfig`, then everything a user does.

The same code as on the embedded cluster; only who keeps the objects is another. Needs Merlin's node and gateway as
clients of that cluster (`make test-cluster` starts them) and MERLIN_GATEWAY_URL, where that gateway answers.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.test_main_job import serve, steady_calls
from tests.platform import ROOT, Platform, running_platform, until

pytestmark = [pytest.mark.cluster, pytest.mark.xdist_group("cluster-platform")]


@pytest.fixture(scope="module")
def platform(request: pytest.FixtureRequest) -> Iterator[Platform]:
    """A platform on the cluster of `--kubeconfig`."""
    if "MERLIN_GATEWAY_URL" not in os.environ:
        pytest.skip("MERLIN_GATEWAY_URL does not say where the cluster's gateway answers")
    kubeconfig = Path(request.config.getoption("--kubeconfig")).absolute()
    with running_platform(arguments=("--kubeconfig", str(kubeconfig))) as platform:
        yield platform


def test_from_a_version_to_serving_and_back(platform: Platform) -> None:
    first = platform.deployed("job", "iris")
    answer = platform.predict(first.url, "iris")
    assert answer.status_code == 200, answer.text
    assert answer.json()["outputs"][0]["data"] == [0]
    assert answer.headers["merlin-version"] == "1"

    served = serve(platform, first.endpoint_id)
    assert served["status"] == "SERVING"
    assert platform.endpoint(first.endpoint_id)["lifecycle"] == "SERVING"
    assert platform.predict(served["url"], "iris").headers["merlin-version"] == "1"

    version_id, number = platform.finished_version(first.model_id)
    second_id = platform.deploy(version_id)
    second = platform.settled(second_id)
    assert second["lifecycle"] == "RUNNING", second
    with steady_calls(served["url"], "iris") as failed:
        switched = serve(platform, second_id)
        for _ in range(50):
            assert platform.predict(switched["url"], "iris").headers["merlin-version"] == str(number)
    assert failed == []
    assert switched["url"] == served["url"]
    assert platform.endpoint(first.endpoint_id)["lifecycle"] == "RUNNING"

    refused = platform.refusals("undeployVersion", versionEndpointId=second_id)
    assert [error["code"] for error in refused] == ["STILL_SERVING"]
    platform.change("stopServing", "modelEndpoint { id }", modelEndpointId=switched["id"])
    until(lambda: platform.predict(switched["url"], "iris").status_code == 404, 30, "the stable address is gone")
    for endpoint_id in (first.endpoint_id, second_id):
        platform.change("undeployVersion", "versionEndpoint { id }", versionEndpointId=endpoint_id)
        assert platform.settled(endpoint_id)["lifecycle"] == "TERMINATED"


def test_a_redeploy_and_a_rollback_fail_no_call(platform: Platform) -> None:
    deployed = platform.deployed("redeploy", "iris")
    with steady_calls(deployed.url, "iris") as failed:
        platform.deploy(deployed.version_id, variables=[{"name": "GREETING", "value": "hello"}])
        after = platform.settled(deployed.endpoint_id)
        assert after["activeRevision"]["number"] == 2, after
        platform.change("rollbackVersionEndpoint", "revision { number }", versionEndpointId=deployed.endpoint_id)
        back = platform.settled(deployed.endpoint_id)
        assert back["activeRevision"]["number"] == 3, back
    assert failed == []


def test_a_model_that_cannot_load_names_its_cause(platform: Platform) -> None:
    version_id, _ = platform.finished_version(platform.model("broken", "iris"), "broken")
    failed = platform.settled(platform.deploy(version_id), 60)
    assert failed["lifecycle"] == "FAILED"
    assert failed["failure"]["code"] == "MODEL_LOAD_FAILED"
    assert any("the weights are corrupt" in line for line in failed["failure"]["evidence"]["log_tail"])


def test_the_quickstart_runs(platform: Platform) -> None:
    """The program of the README, as a user runs it."""
    ran = subprocess.run(
        [str(ROOT / ".venv-models" / "bin" / "python"), str(ROOT / "examples" / "quickstart.py")],
        cwd=ROOT,
        env={**os.environ, "MERLIN_HOME": str(platform.home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=240,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-4000:]
