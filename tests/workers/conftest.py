"""Workers against a real PostgreSQL, a real Valkey and a Kubernetes API where the test itself plays the controllers."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from cryptography.fernet import Fernet

from merlin.db.connection import Database
from merlin.domain.environment import ClusterConfig
from merlin.kube.client import Cluster
from merlin.settings import Settings
from tests.platform import ROOT, until
from tests.postgres import database, database_server, database_url, empty_database_url, valkey, valkey_server
from tests.workers.plays import Play

__all__ = ["database", "database_server", "database_url", "empty_database_url", "valkey", "valkey_server"]


@pytest.fixture(scope="session")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The embedded API server alone, without anybody who acts on it; or what MERLIN_TEST_KUBECONFIG names.

    That one must have no controllers either, since the test plays them (of a control plane of tests/cluster: end them).
    """
    given = os.environ.get("MERLIN_TEST_KUBECONFIG")
    if given:
        yield Path(given).absolute()
        return
    home = tmp_path_factory.mktemp("cluster")
    api_port, gateway_port = _free_port(), _free_port()
    (home / "images.json").write_text("[]")
    command = [sys.executable, "-m", "merlin.localcluster", "serve", "--without-controllers", "--home", str(home)]
    command += ["--images", str(home / "images.json"), "--api-port", str(api_port), "--gateway-port", str(gateway_port)]
    with (home / "server.out").open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
    try:
        until(lambda: _is_ready(process, api_port, home), 60, "the embedded API server")
        yield home / "kubeconfig"
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        process.kill()
        process.wait(10)


@pytest.fixture
async def cluster(kubeconfig: Path) -> AsyncIterator[Cluster]:
    """Merlin's door to that API."""
    cluster = await Cluster.connect(ClusterConfig(name="test", kubeconfig=kubeconfig))
    yield cluster
    await cluster.close()


@pytest.fixture
def settings(database_url: str, valkey: str, tmp_path: Path) -> Settings:
    """Settings of a worker's process; its MLflow is away and its environments come from the test."""
    key = tmp_path / "key"
    key.write_bytes(Fernet.generate_key())
    return Settings(
        database_url=database_url,
        redis_url=valkey,
        mlflow_url="http://127.0.0.1:1",
        environments_file=tmp_path / "environments.yaml",
        secret_key_file=key,
        resync_seconds=0.5,
        drain_seconds=1,
    )


@pytest.fixture
async def play(kubeconfig: Path, cluster: Cluster, database: Database, tmp_path: Path) -> AsyncIterator[Play]:
    """A world whose environment is that cluster, in a namespace of its own, and a gateway that the test answers for."""
    async with Play.opened(kubeconfig, cluster, project=f"t-{secrets.token_hex(4)}") as play:
        yield play


def _is_ready(process: subprocess.Popen[bytes], port: int, home: Path) -> bool:
    if process.poll() is not None:
        pytest.fail(f"the API server ended:\n{(home / 'server.out').read_text(errors='replace')[-3000:]}")
    return httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False).status_code == 200


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
