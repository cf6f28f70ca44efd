"""The snippets of README and of the pages run as they are printed, on a running platform."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from merlin.kube import names
from tests.cluster import binary
from tests.mlflow_server import MODELS_PYTHON
from tests.platform import ROOT, Deployed, Platform, until

pytestmark = pytest.mark.xdist_group("platform")

README = (ROOT / "README.md").read_text()
# What the reader of the snippet has already: a trained model and data it was not trained on.
GIVEN = """
import warnings; warnings.filterwarnings("ignore")
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
X, y = load_wine(return_X_y=True, as_frame=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
model = LogisticRegression(max_iter=5000).fit(X_train, y_train)
"""
ENDLESS = {"--watch", "-f"}


def snippet(heading: str, language: str) -> str:
    """The first code block under a heading."""
    section = README.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    match = re.search(rf"^```{language}\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    assert match, heading
    return match[1]


def environment(platform: Platform) -> dict[str, str]:
    return {**os.environ, "MERLIN_HOME": str(platform.home), "MLFLOW_DISABLE_TELEMETRY": "true"}


def in_notebook(platform: Platform, code: str) -> str:
    """Run code where a notebook's kernel would; its output."""
    port = platform.addresses["graphql"].split(":")[2].split("/")[0]
    done = subprocess.run(
        [str(MODELS_PYTHON), "-c", GIVEN + code.replace(":8080", f":{port}")],
        env=environment(platform),
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    return done.stdout


def in_shell(platform: Platform, line: str) -> None:
    """Run one line of the shell snippet; those that follow for ever are ended once they have shown something."""
    words = shlex.split(line.replace(".merlin", str(platform.home)), comments=True)
    command = [str(Path(sys.executable).parent / words[0]), *words[1:]]
    if ENDLESS & set(words):
        with subprocess.Popen(
            command, env=environment(platform), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            assert process.stdout is not None
            first = process.stdout.readline()
            process.terminate()
            assert first.strip(), line
        return
    done = subprocess.run(command, env=environment(platform), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"{line}: {done.stdout[-1000:]}{done.stderr[-2000:]}"


def test_the_snippets_do_what_they_say(platform: Platform) -> None:
    python = snippet("From a notebook", "python")
    in_notebook(platform, python)
    in_notebook(platform, python.split("endpoint = ")[0])  # a second version, for the shell to deploy
    for line in snippet("From a shell", "sh").splitlines():
        in_shell(platform, line)


def blocks(page: str, word: str) -> list[str]:
    """The blocks of shell in a page that have a word in them."""
    found = re.findall(r"^```(?:sh|bash)\n(.*?)^```", (ROOT / "docs" / page).read_text(), re.MULTILINE | re.DOTALL)
    return [block for block in found if word in block]


def as_here(platform: Platform, block: str) -> str:
    """A block with the addresses of this platform; its token comes from its own folder, or a block before."""
    token = f"TOKEN={platform.addresses['token']}\n"
    here = block.replace("http://127.0.0.1:8080/graphql", platform.addresses["graphql"])
    return token + here.replace(".merlin/", f"{platform.home}/")


def in_bash(platform: Platform, block: str) -> str:
    """Run a block; its output."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block],
        env={**os.environ, "KUBECONFIG": platform.addresses["kubeconfig"]},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{block}: {done.stdout[-1000:]}{done.stderr[-2000:]}"
    return done.stdout


def data_of(answer: str) -> dict[str, Any]:
    """What an operation answered; it has no errors, neither at the top nor in the payload of a mutation."""
    said = json.loads(answer)
    assert "errors" not in said, said
    data: dict[str, Any] = said["data"]
    assert not any(payload.get("errors") for payload in data.values()), data
    return data


@pytest.mark.skipif(not shutil.which("curl"), reason="no curl")
def test_the_requests_of_the_graphql_page_are_answered(platform: Platform, tmp_path: Path) -> None:
    question, subscription, deploy = blocks("graphql.md", "curl")
    asked = data_of(in_bash(platform, as_here(platform, question)))
    assert asked["me"]["subject"]
    assert asked["projects"]["totalCount"] >= len(asked["projects"]["nodes"])

    model_id = platform.model("graphql-page", "iris")
    version_id, _ = platform.finished_version(model_id)
    filled_in, placeholders = re.subn(r"VmVyc2lvbjo\w*…", version_id, deploy)
    assert placeholders == 1
    deployed = data_of(in_bash(platform, as_here(platform, filled_in)))
    assert deployed["deployVersion"]["revision"]["number"] == 1
    endpoint_id = deployed["deployVersion"]["versionEndpoint"]["id"]
    platform.change("undeployVersion", "versionEndpoint { id }", versionEndpointId=endpoint_id)

    event = first_event(platform, as_here(platform, subscription), tmp_path / "stream", model_id)
    assert event.keys() == {"cursor", "type", "message"}


def first_event(platform: Platform, block: str, stream: Path, model_id: str) -> dict[str, Any]:
    """The first event that a block follows; a model changes until it has come."""

    def told() -> list[str]:
        platform.change("updateModel", "model { id }", modelId=model_id, description=f"changed at {time.monotonic()}")
        return re.findall(r"^data: ?(.+)$", stream.read_text(), re.MULTILINE)

    with (
        stream.open("wb") as output,
        subprocess.Popen(["bash", "-c", block], stdout=output, start_new_session=True) as following,
    ):
        try:
            event: dict[str, Any] = data_of(until(told, 60, "an event")[0])["events"]
        finally:
            os.killpg(following.pid, signal.SIGTERM)
    return event


def test_the_commands_for_left_over_objects_are_understood(platform: Platform, running: Deployed) -> None:
    kubectl = binary.kubectl() if shutil.which("kubectl") or binary.BINARY.exists() else None
    if kubectl is None:
        pytest.skip("no kubectl: neither on PATH nor built (make test-cluster)")
    (block,) = blocks("operations.md", "kubectl")
    read = "kubectl -n merlin-system get configmap merlin-installation -o json"
    held = json.loads(in_bash(platform, with_program(read, kubectl)))["metadata"]
    shown = in_bash(platform, with_program(block.replace("ID", held["labels"][names.INSTALLATION]), kubectl))
    for kind in ("inferenceservice.serving.kserve.io/", "service/", "httproute.gateway.networking.k8s.io/"):
        assert re.search(rf"^\S+ +{re.escape(kind)}{running.model}", shown, re.MULTILINE), shown
    assert "configmap/merlin-installation annotated" in shown


def with_program(block: str, kubectl: list[str]) -> str:
    """A block in which kubectl is called so."""
    return re.sub(r"^kubectl\b", shlex.join(kubectl), block, flags=re.MULTILINE)
