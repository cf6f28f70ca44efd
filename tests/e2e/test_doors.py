"""Every HTTP port but the pods' own refuses strangers: no token, a foreign Host, a foreign Origin."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import yaml

from tests.platform import ROW, Deployed, Platform

pytestmark = pytest.mark.xdist_group("platform")

QUESTION = {"query": "{ me { subject } }"}


MLFLOW = ["mlflow", "mlflow GET", "mlflow page", "mlflow artifacts", "mlflow graphql", "mlflow health"]
DOORS = ["graphql", "graphiql", "console", *MLFLOW, "gateway", "kubernetes"]


@dataclass(frozen=True)
class Request:
    """One that is answered with 200, unless it comes from a stranger; with a body it is a POST."""

    url: str
    body: object = None
    token: str | None = None

    def send(self, platform: Platform, **headers: str) -> int:
        """The answer's status."""
        known = {"authorization": f"Bearer {self.token}"} if self.token else {}
        method = "GET" if self.body is None else "POST"
        return platform.http.request(method, self.url, json=self.body, headers={**known, **headers}).status_code


def kube_config(platform: Platform) -> tuple[str, str]:
    """The cluster's address and the token for it."""
    config = yaml.safe_load(Path(platform.addresses["kubeconfig"]).read_text())
    # The same port speaks plain http, which needs no trust in its certificate.
    server = str(config["clusters"][0]["cluster"]["server"]).replace("https://", "http://")
    return server, str(config["users"][0]["user"]["token"])


@pytest.fixture
def good(platform: Platform, running: Deployed, door: str) -> Request:
    """What a door answers when nothing is wrong with the request."""
    addresses = platform.addresses
    mlflow = addresses["mlflow"]
    server, token = kube_config(platform)
    requests = {
        "graphql": Request(addresses["graphql"], QUESTION, addresses["token"]),
        "graphiql": Request(addresses["graphiql"]),
        "console": Request(addresses["console"]),
        "mlflow": Request(mlflow + "/api/2.0/mlflow/experiments/search", {"max_results": 1}),
        "mlflow GET": Request(mlflow + "/api/2.0/mlflow/experiments/get?experiment_id=0"),
        "mlflow page": Request(mlflow + "/"),
        "mlflow artifacts": Request(mlflow + "/api/2.0/mlflow-artifacts/artifacts"),
        "mlflow graphql": Request(mlflow + "/graphql", {"query": "{ __typename }"}),
        "mlflow health": Request(mlflow + "/health"),
        "gateway": Request(f"{running.url}/v2/models/{running.model}/infer", ROW),
        "kubernetes": Request(server + "/api/v1/namespaces", token=token),
    }
    assert requests[door].send(platform) == 200
    return requests[door]


@pytest.mark.parametrize("door", DOORS)
def test_a_foreign_host_is_refused(platform: Platform, good: Request, door: str) -> None:
    refused = 403 if door in {*MLFLOW, "kubernetes"} else 421
    assert good.send(platform, host="evil.example") == refused
    assert good.send(platform) == 200


@pytest.mark.parametrize("door", DOORS)
def test_a_foreign_origin_is_refused(platform: Platform, good: Request, door: str) -> None:
    assert good.send(platform, origin="https://evil.example") == 403
    assert good.send(platform) == 200


@pytest.mark.parametrize("door", MLFLOW)
def test_mlflow_answers_its_own_pages_and_no_others_of_this_machine(
    platform: Platform, good: Request, door: str
) -> None:
    port = platform.addresses["mlflow"].rpartition(":")[2]
    for host in ("127.0.0.1", "localhost"):
        assert good.send(platform, host=f"{host}:{port}", origin=f"http://{host}:{port}") == 200
    # The page of another server of this machine, as a model's would be.
    assert good.send(platform, origin=platform.addresses["console"].rstrip("/")) == 403
    assert good.send(platform, origin="null") == 403


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer wrong"}, {"authorization": "Basic eDp5"}])
def test_without_its_token_graphql_and_kubernetes_say_401(platform: Platform, headers: dict[str, str]) -> None:
    graphql = platform.http.post(platform.addresses["graphql"], json=QUESTION, headers=headers)
    kubernetes = platform.http.get(kube_config(platform)[0] + "/api/v1/pods", headers=headers)
    assert (graphql.status_code, kubernetes.status_code) == (401, 401)


def test_files_with_secrets_are_private(platform: Platform) -> None:
    secret = [platform.home / "addresses.json", Path(platform.addresses["kubeconfig"])]
    secret += [path for path in (platform.home / "config").iterdir() if path.is_file()]
    assert {path.name: oct(path.stat().st_mode & 0o777) for path in secret} == {path.name: "0o600" for path in secret}


def test_nothing_below_the_data_folder_is_open_to_others(platform: Platform, running: Deployed) -> None:
    # As root the folder itself may be passed through, by the user that PostgreSQL runs as, and by everybody with it.
    assert platform.home.stat().st_mode & 0o066 == 0
    assert [path.name for path in platform.home.iterdir() if path.stat().st_mode & 0o077] == []


def test_no_secret_stands_in_a_log(platform: Platform, running: Deployed) -> None:
    token = platform.addresses["token"]
    password = (platform.home / "config" / "postgres-password").read_text().strip()
    for log in (platform.home / "logs").iterdir():
        text = log.read_text(errors="replace")
        assert token not in text, log.name
        assert password not in text, log.name
    assert httpx.get(running.url + f"/v2/models/{running.model}").status_code == 200
