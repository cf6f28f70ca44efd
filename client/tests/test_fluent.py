"""The notebook's functions take a version in any way that people name one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import merlin_client as merlin
import pytest
from merlin_client_tests.facts import a_model_endpoint, an_endpoint, tell_of
from merlin_client_tests.faulty_server import FaultyServer, faulty_server

PROJECT = {"id": "P", "name": "wine"}


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with faulty_server(FaultyServer()) as server:
        tell_of(
            server,
            an_endpoint(),
            Project={"project": PROJECT},
            DeployVersion={
                "deployVersion": {"versionEndpoint": an_endpoint(), "revision": {"number": 1}, "errors": []}
            },
            ServeVersion={"serveVersion": {"modelEndpoint": a_model_endpoint(), "errors": []}},
        )
        merlin.set_url(server.url, "t")
        merlin.set_project("wine")
        merlin.set_model("quality")
        yield server


def asked(server: FaultyServer, word: str) -> dict[str, Any]:
    """The input of the last mutation of that name."""
    found = [body["variables"]["input"] for body in server.asked if f"mutation {word}" in body["query"]]
    return dict(found[-1])


def a_version() -> merlin.Version:
    return merlin.active_model().version(2)


def its_endpoint() -> merlin.VersionEndpoint:
    found = a_version().endpoint()
    assert found is not None
    return found


WAYS = [a_version, its_endpoint, lambda: 2, lambda: "champion", lambda: "wine/quality/2"]
NAMES = ["version", "endpoint", "number", "alias", "path"]


@pytest.mark.parametrize("way", WAYS, ids=NAMES)
def test_serve_traffic_takes_a_version_however_it_is_named(server: FaultyServer, way: Callable[[], Any]) -> None:
    assert merlin.serve_traffic(way(), wait=False).url.endswith("/wine/quality")
    assert asked(server, "ServeVersion")["versionEndpointId"] == "E"


@pytest.mark.parametrize("way", WAYS, ids=NAMES)
def test_deploy_takes_a_version_however_it_is_named(server: FaultyServer, way: Callable[[], Any]) -> None:
    assert merlin.deploy(way(), wait=False).path == "wine/quality/2"
    assert asked(server, "DeployVersion")["versionId"] == "V"


def test_a_given_endpoint_is_deployed_where_it_is(server: FaultyServer) -> None:
    merlin.deploy(its_endpoint(), wait=False)
    assert asked(server, "DeployVersion")["environment"] == "local"


def test_what_was_never_deployed_cannot_be_served(server: FaultyServer) -> None:
    tell_of(server, None)
    with pytest.raises(merlin.NotFound, match="wine/quality/2 was never deployed there") as caught:
        merlin.serve_traffic(2)
    assert "deploy" in str(caught.value)
