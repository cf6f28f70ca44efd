"""A served API for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from merlin.settings import Settings
from tests.api.served import Api, a_settings, served
from tests.postgres import database_server, database_url, empty_database_url

__all__ = ["database_server", "database_url", "empty_database_url"]


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    """Settings of an API of the test's own."""
    return a_settings(tmp_path, database_url)


@pytest.fixture
async def api(settings: Settings) -> AsyncIterator[Api]:
    """A served API with an empty database and one environment, `local`, whose cluster does not answer."""
    async with served(settings) as api:
        yield api
