"""Who did what in a project, for its administrators."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

from merlin.db.listing import checked_window
from merlin.db.read_audit import AUDIT, NEWEST_FIRST, AuditFilter, audit_conditions
from merlin.domain.lifecycle import Role
from merlin.errors import NotFound
from merlin.resolvers.context import Context
from merlin.resolvers.lists import Listed, list_all
from merlin.resolvers.permissions import require
from merlin.resolvers.projects import project_by_name


@dataclass(frozen=True, slots=True)
class AuditQuestion:
    """Which lines; see `AuditFilter`."""

    subject_id: UUID | None = None
    actor: str | None = None
    actions: tuple[str, ...] | None = None
    since: datetime | None = None
    until: datetime | None = None


async def audit(
    context: Context, project: str, wanted: AuditQuestion, *, first: int | None, after: str | None
) -> Listed:
    """A page of a project's audit, the newest first. Raises NotFound, PermissionDenied."""
    window = checked_window(first=first, after=after, last=None, before=None)
    found = await project_by_name(context, project)
    if found is None:
        raise NotFound(f"There is no project {project!r}.", path=("project",), hint="You see only your own projects.")
    await require(context, found.id, Role.ADMINISTRATOR, path=("project",))
    return await list_all(AUDIT, audit_conditions(AuditFilter(found.id, **asdict(wanted))), NEWEST_FIRST, window)
