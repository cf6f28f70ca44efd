"""Who may do what: readers read, editors change models and deploy, administrators change projects, members, secrets.

What a caller may not see does not exist for it. Every mutation goes through `require` (a test sees to it).
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from merlin.domain.lifecycle import Role
from merlin.errors import NotFound, PermissionDenied
from merlin.resolvers.context import Context


async def require(
    context: Context, project_id: UUID | None, needed: Role, *, path: Sequence[str | int], what: str = "project"
) -> None:
    """Pass if the caller may do that much in the project. ``None`` is a thing that was not found.

    Raises NotFound for what the caller may not see, PermissionDenied (with the role it needs).
    """
    role = await context.role(project_id) if project_id is not None else None
    if role is None:
        raise NotFound(f"There is no such {what}.", path=path, hint="Check the id; you see only your own projects.")
    if not role.includes(needed):
        raise PermissionDenied(
            f"That needs the role {needed.value} in the project; yours is {role.value}.",
            path=path,
            hint="Ask an administrator of the project.",
        )
