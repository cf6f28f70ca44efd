"""Ports are held for the servers that they are for, and nobody else's answer counts."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator

import pytest

from merlin.embedded.ports import _FREE, Ports, listens
from merlin.errors import Misconfigured


@pytest.fixture
def ports() -> Iterator[Ports]:
    ports = Ports()
    yield ports
    ports.close()


def server(port: int) -> socket.socket:
    return socket.create_server(("127.0.0.1", port))


def test_a_taken_port_is_named_or_replaced(ports: Ports) -> None:
    with server(0) as stranger:
        port = stranger.getsockname()[1]
        with pytest.raises(Misconfigured, match=str(port)) as refused:
            ports.take(port, name="API", otherwise="Free it.")
        assert refused.value.hint == "Free it."
        assert ports.take(port, name="API") != port
        assert ports.take(port, name="API", ours=True) != port


def test_no_port_is_given_that_browsers_refuse() -> None:
    bad = {*range(1, 1024), 1719, 1720, 1723, 2049, 3659, 4045, 5060, 5061, 6000, 6566, *range(6665, 6670), 6697, 10080}
    assert not bad & set(_FREE)  # https://fetch.spec.whatwg.org/#port-blocking


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a port is chosen and let go")
def test_a_held_port_is_given_to_its_server_and_to_nobody_who_wants_a_free_one(ports: Ports) -> None:
    port = ports.take(0, name="mlflow")
    other = Ports()
    assert other.take(port, name="mlflow") != port
    for _ in range(2):  # a server that is restarted gets it again
        with server(port):
            assert listens(os.getpid(), port)
            assert other.take(port, name="mlflow") != port
    other.close()


def test_a_port_of_last_time_is_taken_again_though_connections_linger(ports: Ports) -> None:
    port = ports.take(0, name="gateway")
    with server(port) as listening, socket.create_connection(("127.0.0.1", port)) as client:
        listening.accept()[0].close()  # who closes first keeps the connection lingering
        client.recv(1)
    ports.close()
    assert ports.take(port, name="gateway", ours=True) == port


def test_no_free_port_is_a_sentence(ports: Ports, monkeypatch: pytest.MonkeyPatch) -> None:
    with server(0) as stranger:
        port = stranger.getsockname()[1]
        monkeypatch.setattr("merlin.embedded.ports._FREE", range(port, port + 1))
        with pytest.raises(Misconfigured, match="No free port"):
            ports.take(0, name="cluster")


def test_only_the_process_itself_listens() -> None:
    with server(0) as ours:
        port = ours.getsockname()[1]
        assert listens(os.getpid(), port)
        assert not listens(os.getppid(), port)
    assert not listens(os.getpid(), port)
    assert not listens(2**22 + 1, port)
