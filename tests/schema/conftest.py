"""Every test of this folder has a PostgreSQL database of its own, and the schema in process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from merlin.db.connection import Database
from tests.postgres import database, database_server, database_url
from tests.schema.asking import Api, an_api

__all__ = ["api", "database", "database_server", "database_url"]


@pytest.fixture
async def api(database: Database, tmp_path: Path) -> AsyncIterator[Api]:
    """The API, called by an administrator; MLflow is away."""
    api = an_api(tmp_path)
    yield api
    await api.context.mlflow.close()
