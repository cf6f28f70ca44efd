"""Many versions at once, as if they had been logged: straight into the platform's database."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import asyncpg
import psutil

from merlin.schema.ids import parse_id
from tests.platform import Platform

_INSERT = """
INSERT INTO version (id, number, state, run_name, adopted, labels, properties, metrics, params, tags, created_by,
                     created_at, updated_at, finished_at, mlflow_run_id, artifact_uri, storage_uri, model_id)
SELECT gen_random_uuid(), n, 'finished', 'run-' || n, false,
       jsonb_build_object('parity', CASE n % 2 WHEN 0 THEN 'even' ELSE 'odd' END), '{}',
       (SELECT metrics FROM version WHERE metrics <> '[]' AND metrics <> '{}' LIMIT 1),
       (SELECT params FROM version WHERE params <> '[]' AND params <> '{}' LIMIT 1),
       '{}', 'admin', now() - make_interval(secs => $2 - n), now(), now(),
       md5('run-' || n), 'file:///none', 'file:///none', $1
FROM generate_series(1, $2::int) AS n
"""


def fill_versions(platform: Platform, model_id: str, count: int) -> None:
    """Give a new model the versions 1 to ``count``; some version of another with metrics must be there already."""
    key = parse_id(model_id, "Model", path=("modelId",))
    environment = psutil.Process(platform.pid("api")).environ()
    # In a thread of its own: Playwright has an event loop running in this one.
    with ThreadPoolExecutor(1) as threads:
        threads.submit(asyncio.run, _fill(environment["MERLIN_DATABASE_URL"], key, count)).result()


async def _fill(url: str, model: UUID, count: int) -> None:
    connection = await asyncpg.connect(url.replace("postgres://", "postgresql://"))
    try:
        await connection.execute(_INSERT, model, count)
        # Such a number is logged in days: PostgreSQL has seen to the table by then.
        await connection.execute("VACUUM (ANALYZE) version")
        await connection.execute("UPDATE model SET next_version = $2 WHERE id = $1", model, count + 1)
    finally:
        await connection.close()
