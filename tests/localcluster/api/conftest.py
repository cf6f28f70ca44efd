"""An API server of its own for each test, over real HTTP, in the test's own loop."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from merlin.localcluster.api.server import serving
from tests.localcluster.api.caller import Caller


@pytest.fixture
async def caller(tmp_path: Path) -> AsyncIterator[Caller]:
    """Somebody with the token, and a namespace "work" to work in."""
    async with serving(tmp_path / "cluster", 0) as (_, port), Caller.of(tmp_path / "cluster", port) as caller:
        await caller.ok("POST", "/api/v1/namespaces", {"metadata": {"name": "work"}})
        yield caller
