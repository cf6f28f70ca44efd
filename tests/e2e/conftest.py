"""One running platform for all tests of this folder that do not break it for good (xdist group `platform`)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.platform import Deployed, Platform, running_platform


@pytest.fixture(scope="session")
def platform() -> Iterator[Platform]:
    """A running platform, shared: tests use projects of their own."""
    with running_platform() as platform:
        yield platform


@pytest.fixture(scope="session")
def running(platform: Platform) -> Deployed:
    """A model with one running version, shared by tests that only read it."""
    return platform.deployed("shared", "iris")
