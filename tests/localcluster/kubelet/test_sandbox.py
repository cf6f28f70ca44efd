"""Paths, ports and addresses of a pod on this machine; and what an artifact's links look like. No process, no API."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from merlin.localcluster.kubelet.sandbox import Sandbox, container_ports, made_up_ip, rewritten_path
from merlin.localcluster.kubelet.storage import provide

MOUNTS = {"/mnt/models/extra": Path("/host/e"), "/mnt/models": Path("/host/m")}


def a_pod(*containers: dict[str, Any]) -> dict[str, Any]:
    spec = {"containers": list(containers), "volumes": [{"name": "m", "emptyDir": {}}]}
    return {"metadata": {"uid": "u-1", "name": "p", "namespace": "n"}, "spec": spec}


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("/mnt/models", "/host/m"),
        ("/mnt/models/", "/host/m/"),
        ("/mnt/models/MLmodel", "/host/m/MLmodel"),
        ("--model-dir=/mnt/models", "--model-dir=/host/m"),
        ("/mnt/models/extra/x:/mnt/models", "/host/e/x:/host/m"),
        ("/mnt/models2", "/mnt/models2"),
        ("/mnt/models.old", "/mnt/models.old"),
        ("/a/mnt/models", "/a/mnt/models"),
        ("nothing", "nothing"),
    ],
)
def test_mount_paths_become_folders_of_this_machine(text: str, becomes: str) -> None:
    assert rewritten_path(text, MOUNTS) == becomes


@pytest.mark.parametrize(
    ("argument", "becomes"),
    [
        ("8080", "{port}"),
        ("--port=8080", "--port={port}"),
        ("0.0.0.0:8080", "0.0.0.0:{port}"),
        ("18080", "18080"),
        ("--port=80801", "--port=80801"),
        ("--rows=80", "--rows=80"),
        ("x8080", "x8080"),
    ],
)
def test_container_ports_in_arguments_become_ports_of_this_machine(tmp_path: Path, argument: str, becomes: str) -> None:
    sandbox = Sandbox(tmp_path, a_pod({"name": "c"}))
    sandbox.prepare([], [])
    assert sandbox.rewritten_arguments([argument], {}) == [becomes.format(port=sandbox.ports[8080])]


def test_only_variables_that_are_ports_become_ports(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path, a_pod({"name": "c"}))
    sandbox.prepare([], [])
    rewritten = sandbox.rewritten_variables({"HTTP_PORT": "8080", "ROWS": "8080", "M": "/mnt/models"}, MOUNTS)
    assert rewritten == {"HTTP_PORT": str(sandbox.ports[8080]), "ROWS": "8080", "M": "/host/m"}


def test_the_next_kubelet_finds_the_same_address_and_ports(tmp_path: Path) -> None:
    pod = a_pod({"name": "c", "ports": [{"containerPort": 9000}]})
    first, second = Sandbox(tmp_path, pod), Sandbox(tmp_path, pod)
    first.prepare([], [])
    second = Sandbox(tmp_path, pod)
    second.prepare([], [])
    assert (first.ip, first.ports, first.address) == (second.ip, second.ports, second.address)


def test_ports_are_the_declared_ones_those_of_probes_and_8080() -> None:
    probe = {"httpGet": {"path": "/", "port": 8081}}
    assert container_ports(a_pod({"name": "c"})) == [8080]
    assert container_ports(a_pod({"name": "c", "ports": [{"containerPort": 9000}], "readinessProbe": probe})) == [
        9000,
        8081,
    ]
    assert container_ports(a_pod({"name": "c", "ports": [{"containerPort": 9}, {"containerPort": 8080}]})) == [8080, 9]


def test_made_up_addresses_are_stable_and_not_shared() -> None:
    first = made_up_ip("u-1", set())
    assert made_up_ip("u-1", set()) == first
    assert made_up_ip("u-1", {first}) != first


def test_an_artifact_is_linked_not_copied_and_twice_is_once(tmp_path: Path) -> None:
    source, target = tmp_path / "a folder", tmp_path / "target"
    (source / "data").mkdir(parents=True)
    (source / "MLmodel").write_text("x")
    for _ in range(2):
        code, lines = provide(f"file://{tmp_path}/a%20folder", target)
        assert code == 0, lines
    assert (target / "MLmodel").is_symlink()
    assert sorted(entry.name for entry in target.iterdir()) == ["MLmodel", "data"]


def test_a_single_file_is_an_artifact_too(tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_text("x")
    assert provide(str(tmp_path / "model.pkl"), tmp_path / "target")[0] == 0
    assert (tmp_path / "target" / "model.pkl").read_text() == "x"
