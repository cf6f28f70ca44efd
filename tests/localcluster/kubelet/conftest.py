"""A kubelet on the API server under test (embedded, or of `--kubeconfig`)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.api import Api
from tests.contract.conftest import api, kubeconfig, namespace  # noqa: F401
from tests.localcluster.kubelet.world import Kubelet, Pods, running_kubelet


@pytest.fixture(scope="session")
def kubelet(api: Api, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubelet]:  # noqa: F811
    """A kubelet that no test harms."""
    with running_kubelet(api, tmp_path_factory.mktemp("kubelet")) as kubelet:
        yield kubelet


@pytest.fixture
def pods(api: Api, namespace: str, kubelet: Kubelet) -> Pods:  # noqa: F811
    """Pods of a namespace of the test's own."""
    return Pods(api, namespace, kubelet)


@pytest.fixture
def own_kubelet(api: Api, tmp_path: Path) -> Iterator[Kubelet]:  # noqa: F811
    """A kubelet that the test may kill."""
    with running_kubelet(api, tmp_path / "kubelet") as kubelet:
        yield kubelet


@pytest.fixture
def own_pods(api: Api, namespace: str, own_kubelet: Kubelet) -> Pods:  # noqa: F811
    """Pods on it."""
    return Pods(api, namespace, own_kubelet)
