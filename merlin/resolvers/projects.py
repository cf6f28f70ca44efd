"""Projects as they are read, with who and what is in them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from merlin.db.listing import Sort, Window, read_by_key
from merlin.db.read_projects import PROJECTS, ProjectFilter, ProjectOrderField, ProjectSummary, project_conditions
from merlin.db.records import MemberRecord, ProjectRecord, SecretRecord
from merlin.domain.lifecycle import Role
from merlin.resolvers.context import Context
from merlin.resolvers.lists import Listed, list_all
from merlin.resolvers.permissions import require

_BY_NAME = (ProjectOrderField.NAME.value,)


async def projects(
    _root: Any, context: Context, wanted: ProjectFilter | None, order: tuple[Sort, ...], window: Window
) -> Listed:
    """All that the caller is a member of."""
    seen = replace(wanted or ProjectFilter(), visible=await context.visible())
    return await list_all(PROJECTS, project_conditions(seen), order or _BY_NAME, window)


async def project_by_name(context: Context, name: str) -> ProjectRecord | None:
    """The one of that name, if the caller may see it."""
    project = (await read_by_key(PROJECTS, [name], "p.name")).get(name)
    return project if project and await context.role(project.id) else None


async def role_in(project: ProjectRecord, context: Context) -> Role | None:
    """What the caller may do in it."""
    return await context.role(project.id)


async def members_of(project: ProjectRecord, context: Context) -> list[MemberRecord]:
    """Its members, for its administrators. Raises PermissionDenied."""
    await require(context, project.id, Role.ADMINISTRATOR, path=())
    return await context.load.members(project.id) or []


async def secrets_of(project: ProjectRecord, context: Context) -> list[SecretRecord]:
    """Its secrets without their values."""
    return await context.load.secrets(project.id) or []


async def summary_of(project: ProjectRecord, context: Context) -> ProjectSummary:
    """How much is in it, and how it is."""
    return await context.load.project_summary(project.id) or ProjectSummary()
