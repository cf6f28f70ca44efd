"""The environments as they are on record: what workers act in, whoever wrote them."""

from __future__ import annotations

from uuid import UUID

import orjson

from merlin.db.transaction import transaction
from merlin.domain.environment import EnvironmentConfig


async def watched_environments() -> list[tuple[UUID, EnvironmentConfig]]:
    """All of them, detached ones too: what runs there is still ours. Raises Unavailable, Misconfigured."""
    async with transaction() as tx:
        rows = await tx.rows("SELECT id, config FROM environment ORDER BY name")
    return [(row["id"], EnvironmentConfig.from_json(orjson.loads(row["config"]))) for row in rows]
