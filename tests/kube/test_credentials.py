"""Each way a kubeconfig may hold credentials reaches the cluster as a bearer token, with the lean import, too."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer

from merlin.domain.environment import ClusterConfig
from merlin.embedded.process import identity_of
from merlin.errors import Misconfigured, Unavailable
from merlin.kube import credentials
from merlin.kube.client import ReadOnlyCluster
from merlin.kube.doors import Doors

VERSION = "client.authentication.k8s.io/v1"


@pytest.fixture
async def echo() -> AsyncIterator[TestServer]:
    """A cluster whose version is the credentials it was asked with."""

    async def version(request: web.Request) -> web.Response:
        return web.json_response({"gitVersion": request.headers.get("authorization", "none")})

    app = web.Application()
    app.router.add_get("/version", version)
    server = TestServer(app)
    await server.start_server()
    yield server
    await server.close()


def a_cluster(server: TestServer, folder: Path, user: dict[str, Any], name: str = "c") -> ClusterConfig:
    """A cluster with a kubeconfig with that user."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": str(server.make_url("")).rstrip("/")}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path = folder / f"{name}.kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return ClusterConfig(name=name, kubeconfig=path)


async def asked_with(server: TestServer, folder: Path, user: dict[str, Any]) -> str:
    """The credentials that reach the cluster for a kubeconfig with that user."""
    cluster = await ReadOnlyCluster.connect(a_cluster(server, folder, user))
    try:
        return await cluster.reachable()
    finally:
        await cluster.close()


def a_plugin(folder: Path, script: str) -> dict[str, Any]:
    """A user with an exec plugin: a shell script that runs in the folder; `answer TOKEN` answers."""
    plugin = folder / "plugin"
    answer = {"apiVersion": VERSION, "kind": "ExecCredential", "status": {"token": "TOKEN"}}
    printed = json.dumps(answer).replace("TOKEN", "'$1'")
    plugin.write_text(f"#!/bin/sh\ncd {folder}\nanswer() {{ echo '{printed}'; }}\n{script}\n")
    plugin.chmod(0o700)
    return {"exec": {"apiVersion": VERSION, "command": str(plugin)}}


async def until_asked_with(cluster: ReadOnlyCluster, expected: str) -> None:
    """Until those credentials reach the cluster."""
    async with asyncio.timeout(30):
        while await cluster.reachable() != expected:
            pass


async def until_said(path: Path) -> str:
    """What a plugin wrote into the file, once it did."""
    async with asyncio.timeout(30):
        while True:
            said = words(path)
            if said.endswith("\n"):
                return said.strip()
            await asyncio.sleep(0.01)


async def until_gone(pid: int) -> None:
    """Until there is no such process."""
    async with asyncio.timeout(30):
        while True:
            if identity_of(pid) is None:
                return
            await asyncio.sleep(0.01)


def words(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def part(content: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


async def test_a_token_in_the_file(echo: TestServer, tmp_path: Path) -> None:
    assert await asked_with(echo, tmp_path, {"token": "secret"}) == "Bearer secret"


async def test_a_token_from_an_exec_plugin(echo: TestServer, tmp_path: Path) -> None:
    assert await asked_with(echo, tmp_path, a_plugin(tmp_path, "answer from-a-program")) == "Bearer from-a-program"


async def test_a_token_of_an_openid_provider(echo: TestServer, tmp_path: Path) -> None:
    token = f"{part({'alg': 'RS256'})}.{part({'exp': int(time.time()) + 3600})}.{part({'signature': 1})}"
    provider = {"name": "oidc", "config": {"id-token": token, "idp-issuer-url": "https://idp.example.org"}}
    assert await asked_with(echo, tmp_path, {"auth-provider": provider}) == f"Bearer {token}"


@pytest.fixture
async def issuer() -> AsyncIterator[TestServer]:
    """An OpenID provider that renews for who shows the right secrets."""

    async def known(_: web.Request) -> web.Response:
        return web.json_response({"token_endpoint": str(server.make_url("/token"))})

    async def token(request: web.Request) -> web.Response:
        shown = (request.headers["authorization"], (await request.post())["refresh_token"])
        if shown != (f"Basic {base64.b64encode(b'merlin:hush').decode()}", "again"):
            return web.json_response({"error": "invalid_grant"}, status=400)
        return web.json_response({"id_token": "renewed"})

    app = web.Application()
    app.router.add_get("/.well-known/openid-configuration", known)
    app.router.add_post("/token", token)
    server = TestServer(app)
    await server.start_server()
    yield server
    await server.close()


async def test_an_expired_token_of_an_openid_provider_is_renewed(
    echo: TestServer, issuer: TestServer, tmp_path: Path
) -> None:
    old = f"{part({'alg': 'RS256'})}.{part({'exp': int(time.time()) - 1})}.{part({'signature': 1})}"
    config = {"id-token": old, "idp-issuer-url": str(issuer.make_url("")), "client-id": "merlin"}
    config |= {"client-secret": "hush", "refresh-token": "again"}
    assert await asked_with(echo, tmp_path, {"auth-provider": {"name": "oidc", "config": config}}) == "Bearer renewed"
    config["refresh-token"] = "revoked"
    with pytest.raises(Unavailable):
        await asked_with(echo, tmp_path, {"auth-provider": {"name": "oidc", "config": config}})


async def test_a_plugin_whose_program_is_not_there_is_a_misconfiguration(echo: TestServer, tmp_path: Path) -> None:
    user = {"exec": {"apiVersion": VERSION, "command": str(tmp_path / "absent")}}
    with pytest.raises(Misconfigured):
        await asked_with(echo, tmp_path, user)


@pytest.mark.parametrize("content", [None, "", "a: [", "kind: Config", "- 1"])
async def test_a_kubeconfig_that_cannot_be_read_is_a_misconfiguration(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "kubeconfig"
    if content is not None:
        path.write_text(content)
    with pytest.raises(Misconfigured):
        await ReadOnlyCluster.connect(ClusterConfig(name="c", kubeconfig=path))


@pytest.mark.parametrize(
    "script", ["echo no network >&2; exit 1", "echo '{'", "echo '[]'", "answer x | sed s/token/t/"]
)
async def test_a_plugin_that_fails_is_asked_again_when_the_cluster_is(
    echo: TestServer, tmp_path: Path, script: str
) -> None:
    user = a_plugin(tmp_path, f"if mkdir once; then {script}; else answer later; fi")
    with pytest.raises(Unavailable) as raised:
        await asked_with(echo, tmp_path, user)
    assert raised.value.code == "CLUSTER_UNREACHABLE"
    assert ("no network" in raised.value.message) == ("network" in script)
    assert await asked_with(echo, tmp_path, user) == "Bearer later"


async def test_a_plugin_that_fails_later_is_asked_until_it_answers_again(
    echo: TestServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credentials, "_RENEW_SECONDS", 0.02)
    monkeypatch.setattr(credentials, "_FIRST_PAUSE_SECONDS", 0.01)
    script = "echo x >> asked; case $(wc -l < asked) in 1) answer first;; [23]) exit 1;; *) answer renewed;; esac"
    cluster = await ReadOnlyCluster.connect(a_cluster(echo, tmp_path, a_plugin(tmp_path, script)))
    await until_asked_with(cluster, "Bearer renewed")
    await cluster.close()


async def test_a_token_in_a_file_of_its_own_is_read_again(
    echo: TestServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credentials, "_RENEW_SECONDS", 0.01)
    token = tmp_path / "token"
    token.write_text("first")
    cluster = await ReadOnlyCluster.connect(a_cluster(echo, tmp_path, {"tokenFile": str(token)}))
    assert await cluster.reachable() == "Bearer first"
    token.write_text("second")
    await until_asked_with(cluster, "Bearer second")
    await cluster.close()


async def test_a_plugin_that_hangs_holds_up_no_other_cluster_and_is_left_behind_by_nobody(
    echo: TestServer, tmp_path: Path
) -> None:
    plugin = a_plugin(tmp_path, "sleep 1000 & echo $! >> asked; wait")
    hanging = a_cluster(echo, tmp_path, plugin, "hanging")
    doors = Doors(ReadOnlyCluster.connect)
    asking = [asyncio.create_task(doors.of(hanging)) for _ in range(3)]
    sleeps = int(await until_said(tmp_path / "asked"))  # one number: they all wait for the same answer
    other = await doors.of(a_cluster(echo, tmp_path, {"token": "secret"}, "other"))
    assert await other.reachable() == "Bearer secret"
    assert not any(task.done() for task in asking)
    await doors.close()
    await asyncio.gather(*asking, return_exceptions=True)
    await until_gone(sleeps)


async def test_a_plugin_that_hangs_is_not_waited_for_longer_than_its_deadline(
    echo: TestServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credentials, "_SECONDS", 0.2)
    with pytest.raises(Unavailable):
        await asked_with(echo, tmp_path, a_plugin(tmp_path, "sleep 1000"))
