"""Projects, their members, and what a caller may do in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

import asyncpg

from merlin.db.actor import Actor
from merlin.db.audit import Act, record_act
from merlin.db.connection import borrowed, translated
from merlin.db.events import NewEvent, ring
from merlin.db.tables import Project
from merlin.db.transaction import Transaction, transaction
from merlin.domain.lifecycle import Role
from merlin.errors import AlreadyExists, InvalidInput, NotFound

_MEMBERS = UUID("0f72a585-3c27-451e-b730-111acdca3d93")  # the namespace of `member_key`


@dataclass(frozen=True, slots=True)
class Member:
    """A subject and what it may do."""

    subject: str
    role: Role


async def create_project(
    actor: Actor,
    *,
    name: str,
    description: str = "",
    team: str = "",
    stream: str = "",
    labels: Mapping[str, str] | None = None,
    members: Sequence[Member] = (),
) -> Project:
    """A new project (its name is already checked). Its creator administers it, whatever ``members`` say.

    Raises AlreadyExists.
    """
    roles = {member.subject: member.role for member in members} | {actor.subject: Role.ADMINISTRATOR}
    async with transaction() as tx:
        try:
            project = await tx.insert(
                Project,
                name=name,
                description=description,
                team=team,
                stream=stream,
                labels=dict(labels or {}),
                created_by=actor.subject,
            )
        except asyncpg.UniqueViolationError as error:
            raise AlreadyExists(
                f"There is a project {name!r} already.", path=("name",), hint="Choose another name."
            ) from error
        await _write_members(tx, project.id, roles)
        await _record(tx, actor, project, "created", before=None, after=_content(project, roles))
        await ring(tx, map(member_key, roles))
    return project


async def update_project(
    actor: Actor,
    project_id: UUID,
    *,
    description: str | None = None,
    team: str | None = None,
    stream: str | None = None,
    labels: Mapping[str, str] | None = None,
    members: Sequence[Member] | None = None,
) -> Project:
    """Change what is given; ``None`` keeps. ``members`` replaces all of them. Nothing is written if nothing differs.

    Raises NotFound; InvalidInput when no administrator would be left.
    """
    async with transaction() as tx:
        project = await _locked(tx, project_id)
        roles = await _members(tx, project_id)
        before = _content(project, roles)
        given = {"description": description, "team": team, "stream": stream, "labels": labels}
        changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        if members is not None:
            held, roles = roles, {member.subject: member.role for member in members}
            if Role.ADMINISTRATOR not in roles.values():
                raise InvalidInput("A project needs at least one administrator among its members.", path=("members",))
        if {**before, **changes, "members": _shown(roles)} == before:
            return project
        project = await tx.update(Project, project_id, **changes)
        if members is not None:
            await tx.execute("DELETE FROM membership WHERE project_id = $1", project_id)
            await _write_members(tx, project_id, roles)
            await ring(tx, (member_key(subject) for subject, _ in held.items() ^ roles.items()))
        await _record(tx, actor, project, "updated", before=before, after=_content(project, roles))
    return project


def member_key(subject: str) -> UUID:
    """What is rung when what somebody may see, or do, changes: whoever follows for them asks again at once."""
    return uuid5(_MEMBERS, subject)


async def role_of(actor: Actor, project_id: UUID) -> Role | None:
    """What the caller may do in a project; ``None`` = it may not know of it. An administrator is one everywhere."""
    if actor.is_administrator:
        return Role.ADMINISTRATOR
    async with borrowed() as connection:
        with translated():
            role = await connection.fetchval(
                "SELECT role FROM membership WHERE project_id = $1 AND subject = $2", project_id, actor.subject
            )
    return Role(role) if role else None


async def roles_of(actor: Actor) -> dict[UUID, Role] | None:
    """The caller's projects and roles; ``None`` = an administrator, who sees all."""
    if actor.is_administrator:
        return None
    async with borrowed() as connection:
        with translated():
            rows = await connection.fetch("SELECT project_id, role FROM membership WHERE subject = $1", actor.subject)
    return {row["project_id"]: Role(row["role"]) for row in rows}


async def _locked(tx: Transaction, project_id: UUID) -> Project:
    project = await tx.find(Project, "FOR NO KEY UPDATE", id=project_id)
    if project is None:
        raise NotFound("There is no such project.", path=("projectId",))
    return project


async def _members(tx: Transaction, project_id: UUID) -> dict[str, Role]:
    rows = await tx.rows("SELECT subject, role FROM membership WHERE project_id = $1", project_id)
    return {row["subject"]: Role(row["role"]) for row in rows}


async def _write_members(tx: Transaction, project_id: UUID, roles: Mapping[str, Role]) -> None:
    await tx.execute(
        "INSERT INTO membership (id, project_id, subject, role) "
        "SELECT gen_random_uuid(), $1, subject, role FROM unnest($2::text[], $3::text[]) AS given (subject, role)",
        project_id,
        list(roles),
        [role.value for role in roles.values()],
    )


async def _record(
    tx: Transaction,
    actor: Actor,
    project: Project,
    verb: str,
    *,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any],
) -> None:
    event = NewEvent(
        type=f"project.{verb}",
        subject_type="Project",
        subject_id=project.id,
        project_id=project.id,
        message=f"Project {project.name} {verb}.",
        actor=actor.subject,
    )
    act = Act(f"project.{verb}", "Project", project.id, project.id, before=before, after=after)
    await record_act(tx, actor, act, events=[event])


def _content(project: Project, roles: Mapping[str, Role]) -> dict[str, Any]:
    return {
        "name": project.name,
        "description": project.description,
        "team": project.team,
        "stream": project.stream,
        "labels": project.labels,
        "members": _shown(roles),
    }


def _shown(roles: Mapping[str, Role]) -> dict[str, str]:
    return {subject: role.value for subject, role in sorted(roles.items())}
