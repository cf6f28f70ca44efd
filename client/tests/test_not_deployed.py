"""A prediction asked of what is not deployed: the gateway may have asked whatever the model serves."""

from __future__ import annotations

from typing import Any

import pytest
from merlin_client import Client, PredictionFailed
from merlin_client_tests.facts import a_model_endpoint, an_endpoint, tell, tell_of
from merlin_client_tests.faulty_server import FaultyServer, faulty_server


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (
            {"lifecycle": "TERMINATED", "activeRevision": None},
            "wine/quality/2 is not deployed in local: it is TERMINATED.",
        ),
        ({}, "HTTP 404"),
    ],
    ids=["not deployed", "deployed"],
)
def test_it_is_told_whether_the_version_is_deployed(now: dict[str, Any], said: str) -> None:
    with faulty_server(FaultyServer()) as server:
        tell_of(server, an_endpoint(url=f"{server.url}/wine/quality/versions/2"))
        tell(server, VersionEndpointById={"node": an_endpoint(**now)})
        endpoint = Client(server.url, "t").version("wine/quality/2").endpoint()
        assert endpoint is not None
        with pytest.raises(PredictionFailed) as caught:
            endpoint.predict([[1.0]])
    assert caught.value.status == 404
    assert said in caught.value.message


def test_it_is_told_that_a_model_serves_nothing() -> None:
    with faulty_server(FaultyServer()) as server:
        served = a_model_endpoint(url=f"{server.url}/wine/quality")
        stopped = a_model_endpoint(status="STOPPED", servingVersion=None, traffic=[])
        tell_of(server, None, ModelEndpointOfModel={"node": {"endpoint": served}}, ModelEndpointById={"node": stopped})
        endpoint = Client(server.url, "t").model("wine/quality").endpoint()
        assert endpoint is not None
        with pytest.raises(PredictionFailed, match="serves no version in local") as caught:
            endpoint.predict([[1.0]])
    assert caught.value.status == 404
