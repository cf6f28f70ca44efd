"""Options of the whole suite."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ON_BOTH = {HERE / "contract", HERE / "localcluster" / "kubelet", HERE / "localcluster" / "gateway"}


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--kubeconfig FILE`: run what concerns a cluster on that one, and nothing else.

    That is what takes the embedded cluster otherwise (contract, kubelet, gateway), and what is marked `cluster`.
    """
    parser.addoption("--kubeconfig", metavar="FILE", default=None, help="the cluster to run cluster tests on")


def pytest_configure(config: pytest.Config) -> None:
    """Know xdist's mark where xdist is off (`-p no:xdist`), and Ctrl-C where a shell's `&` has it ignored.

    What ignores SIGINT hands that down: the servers that tests stop by it would go on for ever.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line("markers", "xdist_group(name): tests that run in one process")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without `--kubeconfig` there is no cluster for tests marked `cluster`; with it there are no other tests."""
    has_cluster = config.getoption("--kubeconfig") is not None
    kept: list[pytest.Item] = []
    left: list[pytest.Item] = []
    for item in items:
        is_marked = item.get_closest_marker("cluster") is not None
        wanted = is_marked or bool(ON_BOTH & set(item.path.parents)) if has_cluster else not is_marked
        (kept if wanted else left).append(item)
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = kept
