"""Who may come in."""

from __future__ import annotations

import base64
import ssl
from pathlib import Path

import httpx
import pytest
import yaml

from merlin.localcluster.api.server import serving
from tests.localcluster.api.caller import Caller


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Origin": "null"}])
async def test_other_hosts_and_pages_are_refused_even_with_the_token(caller: Caller, headers: dict[str, str]) -> None:
    answer = await caller.http.get("/api/v1/pods", headers=headers)
    assert (answer.status_code, answer.json()["kind"]) == (403, "Status")


@pytest.mark.parametrize("given", ["", "Bearer", "Bearer wrong", "Basic eDp5", "bearer \u00e9"])
async def test_without_the_token_everything_is_401(caller: Caller, given: str) -> None:
    for path in ("/api/v1/pods", "/api", "/openapi/v3", "/version", "/nothing"):
        answer = await caller.http.get(path, headers={b"Authorization": given.encode("latin-1")})
        assert answer.status_code == 401, path
    assert answer.json()["message"] == "Unauthorized"


async def test_health_needs_no_token(caller: Caller) -> None:
    answer = await caller.http.get("/readyz", headers={"Authorization": ""})
    assert answer.status_code == 200


async def test_one_port_speaks_https_and_plain_http(tmp_path: Path) -> None:
    async with serving(tmp_path, 0) as (_, port):
        config = yaml.safe_load((tmp_path / "kubeconfig").read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        assert cluster["server"] == f"https://127.0.0.1:{port}"
        (tmp_path / "ca").write_bytes(base64.b64decode(cluster["certificate-authority-data"]))
        trust = ssl.create_default_context(cafile=str(tmp_path / "ca"))
        for url in (cluster["server"], f"http://127.0.0.1:{port}"):
            async with httpx.AsyncClient(verify=trust, trust_env=False) as http:
                answer = await http.get(f"{url}/version", headers={"Authorization": f"Bearer {user['token']}"})
                assert answer.json()["major"] == "1"


async def test_files_are_private(tmp_path: Path) -> None:
    async with serving(tmp_path / "cluster", 0):
        secrets = ("kubeconfig", "token", "kubelet-token", "pki/server.pem")
        modes = {name: oct((tmp_path / "cluster" / name).stat().st_mode & 0o777) for name in secrets}
    assert modes == dict.fromkeys(secrets, "0o600")


async def test_the_token_stays_over_a_restart(tmp_path: Path) -> None:
    kept = []
    for _ in range(2):
        async with serving(tmp_path, 0):
            kept.append(((tmp_path / "token").read_text(), (tmp_path / "pki" / "server.pem").read_bytes()))
    assert kept[0] == kept[1]


async def test_a_body_that_is_too_large_is_refused(caller: Caller) -> None:
    answer = await caller.http.post("/api/v1/namespaces/work/configmaps", content=b"x" * (4 << 20))
    assert (answer.status_code, answer.json()["reason"]) == (413, "RequestEntityTooLarge")
