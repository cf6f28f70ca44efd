"""Anything by its id, if the caller may see it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from merlin.db.records import EnvironmentRecord
from merlin.resolvers.context import Context


async def node(context: Context, type_name: str, key: UUID) -> Any:
    """The record of that type and key; ``None`` where there is none, or none that the caller may see."""
    load = {
        "Project": context.load.project,
        "Model": context.load.model,
        "Version": context.load.version,
        "VersionEndpoint": context.load.version_endpoint,
        "Revision": context.load.revision,
        "ModelEndpoint": context.load.model_endpoint,
        "Environment": context.load.environment,
    }[type_name]
    found: Any = await load(key)  # type: ignore[operator]
    if found is None or isinstance(found, EnvironmentRecord):
        return found
    return found if await context.role(found.project_id) else None
