"""Changes of projects, their members and their secrets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from merlin.db import projects, secrets
from merlin.db.actor import Actor
from merlin.db.idempotency import Answer
from merlin.db.projects import Member
from merlin.db.records import ProjectRecord, SecretRecord
from merlin.domain.lifecycle import Role
from merlin.domain.names import check_project_name, check_secret_name
from merlin.errors import InvalidInput, NotFound
from merlin.resolvers.context import Context
from merlin.resolvers.labels import checked_labels
from merlin.resolvers.once import once_only
from merlin.resolvers.permissions import require
from merlin.resolvers.problems import Problems, located

LONGEST_DESCRIPTION = 10_000
LONGEST_TEAM = 63
LONGEST_SUBJECT = 255


@dataclass(frozen=True, slots=True)
class ProjectContent:
    """What a project is to say; ``None`` keeps (or leaves empty). Labels and members replace all there are."""

    description: str | None = None
    team: str | None = None
    stream: str | None = None
    labels: tuple[tuple[str, str], ...] | None = None
    members: tuple[Member, ...] | None = None

    def check(self, problems: Problems) -> dict[str, Any]:
        """The content as the writers take it; what is wrong goes to ``problems``."""
        problems.longest(self.description, LONGEST_DESCRIPTION, "description")
        problems.longest(self.team, LONGEST_TEAM, "team")
        problems.longest(self.stream, LONGEST_TEAM, "stream")
        labels = None if self.labels is None else checked_labels(self.labels, problems)
        if self.members is not None:
            _check_members(self.members, problems)
        given: dict[str, Any] = {"description": self.description, "team": self.team, "stream": self.stream}
        given |= {"labels": labels, "members": self.members}
        return {name: value for name, value in given.items() if value is not None}


async def create_project(context: Context, name: str, content: ProjectContent, *, key: str | None) -> ProjectRecord:
    """A new project; whoever makes it administers it. Everybody may.

    Raises InvalidInput or InputErrors, AlreadyExists.
    """
    problems = Problems()
    problems.check(check_project_name, name)
    given = content.check(problems)
    problems.raise_any()

    async def act(actor: Actor) -> UUID:
        return (await projects.create_project(actor, name=name, **given)).id

    asked = {"name": name, **asdict(content)}
    made = await once_only(context, "createProject", asked, key, act=act, recall=_subject)
    context.forget_roles()
    return await _shown(context, made)


async def update_project(
    context: Context, project_id: UUID, content: ProjectContent, *, key: str | None
) -> ProjectRecord:
    """Change what is given, for administrators of the project.

    Raises NotFound, PermissionDenied; InvalidInput or InputErrors.
    """
    await require(context, project_id, Role.ADMINISTRATOR, path=("projectId",))
    problems = Problems()
    given = content.check(problems)
    if content.members is not None and Role.ADMINISTRATOR not in {member.role for member in content.members}:
        problems.add(InvalidInput("A project needs at least one administrator among its members.", path=("members",)))
    problems.raise_any()

    async def act(actor: Actor) -> UUID:
        return (await projects.update_project(actor, project_id, **given)).id

    asked = {"project": project_id, **asdict(content)}
    changed = await once_only(context, "updateProject", asked, key, act=act, recall=_subject)
    context.forget_roles()
    return await _shown(context, changed)


async def set_secret(context: Context, project_id: UUID, name: str, value: str, *, key: str | None) -> SecretRecord:
    """Keep a value under a name, for administrators of the project.

    Raises NotFound, PermissionDenied; InvalidInput or InputErrors.
    """
    await require(context, project_id, Role.ADMINISTRATOR, path=("projectId",))
    problems = Problems()
    problems.check(check_secret_name, name)
    if not value or len(value.encode()) > secrets.LONGEST_VALUE_BYTES:
        problems.add(InvalidInput(f"A secret has 1 to {secrets.LONGEST_VALUE_BYTES} bytes.", path=("value",)))
    if "\0" in value:
        problems.add(InvalidInput("A secret becomes an environment variable, which cannot hold NUL.", path=("value",)))
    problems.raise_any()

    async def act(actor: Actor) -> str:
        held = await secrets.set_secret(actor, project_id=project_id, name=name, value=value, key=context.secret_key)
        return str(held.name)

    # A hash of this is kept for a day: of the value only what tells nothing without the installation's key.
    asked = {"project": project_id, "name": name, "value": context.secret_key.digest(value)}
    kept = await once_only(context, "setSecret", asked, key, act=act, recall=_secret_name)
    for secret in await context.load.secrets(project_id) or []:
        if secret.name == kept:
            return secret
    raise NotFound(f"The secret {kept!r} was deleted meanwhile.", code="SECRET_UNKNOWN", path=("name",))


async def delete_secret(context: Context, project_id: UUID, name: str, *, key: str | None) -> str:
    """Remove a secret, for administrators of the project; its name.

    Raises NotFound, PermissionDenied; NotFound (SECRET_UNKNOWN); NotAllowed (SECRET_IN_USE).
    """
    await require(context, project_id, Role.ADMINISTRATOR, path=("projectId",))

    async def act(actor: Actor) -> str:
        with located("name"):
            await secrets.delete_secret(actor, project_id=project_id, name=name)
        return name

    asked = {"project": project_id, "name": name}
    return await once_only(context, "deleteSecret", asked, key, act=act, recall=_secret_name)


def _check_members(members: Sequence[Member], problems: Problems) -> None:
    seen: set[str] = set()
    for place, member in enumerate(members):
        path = ("members", place, "subject")
        if not 1 <= len(member.subject) <= LONGEST_SUBJECT or not member.subject.isprintable():
            problems.add(InvalidInput(f"A subject is 1 to {LONGEST_SUBJECT} printable characters.", path=path))
        if member.subject in seen:
            problems.add(InvalidInput(f"The member {member.subject!r} is given twice.", path=path))
        seen.add(member.subject)


async def _subject(answer: Answer) -> UUID:
    return answer.subject_id


async def _secret_name(answer: Answer) -> str:
    return str(answer.data["secret"])


async def _shown(context: Context, project_id: UUID) -> ProjectRecord:
    project = await context.load.project(project_id)
    if project is None:
        raise NotFound("The project was deleted meanwhile.", path=("projectId",))
    return project
