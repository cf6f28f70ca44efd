"""Every test of this folder has a PostgreSQL database of its own; MLflow is a real server of the test process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from merlin.db.connection import Database
from merlin.tracking.client import MlflowClient
from tests.mlflow_server import MlflowServer, mlflow_server
from tests.postgres import database, database_server, database_url
from tests.schema.asking import Api, an_api

__all__ = ["database", "database_server", "database_url", "mlflow_server"]


@pytest.fixture
async def api(database: Database, tmp_path: Path, mlflow_server: MlflowServer) -> AsyncIterator[Api]:
    """The API, called by an administrator."""
    client = MlflowClient(mlflow_server.url, artifact_map=mlflow_server.artifact_map)
    api = an_api(tmp_path, mlflow=client, mlflow_url=mlflow_server.url)
    yield api
    await client.close()


@pytest.fixture
async def without_mlflow(database: Database, tmp_path: Path) -> AsyncIterator[Api]:
    """The same API while MLflow is away."""
    api = an_api(tmp_path)
    yield api
    await api.context.mlflow.close()
