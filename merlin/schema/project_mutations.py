"""Mutations of projects, their members and their secrets."""

from __future__ import annotations

import strawberry

from merlin.db import projects
from merlin.resolvers import change_projects
from merlin.resolvers.change_projects import ProjectContent
from merlin.schema.context import Info
from merlin.schema.enums import Role
from merlin.schema.errors import Payload
from merlin.schema.filters import given, needed
from merlin.schema.ids import parse_id
from merlin.schema.mutation import KEY, as_shown, mutation, pairs_of
from merlin.schema.parts import KeyValueInput, Secret
from merlin.schema.project import Project


@strawberry.input(description="Somebody, and what it may do.")
class MemberInput:
    """See the fields."""

    subject: str = needed("Who: a person or a program.")
    role: Role = needed("What it may do.")


def _members(members: list[MemberInput] | None) -> tuple[projects.Member, ...] | None:
    return None if members is None else tuple(projects.Member(member.subject, member.role) for member in members)


@strawberry.input(description="A new project.")
class CreateProjectInput:
    """See the fields."""

    name: str = needed("Its name, for ever: at most 32 lower-case letters, digits and '-'.")
    description: str | None = given("What it is for.")
    team: str | None = given("The team it belongs to.")
    stream: str | None = given("The stream it belongs to.")
    labels: list[KeyValueInput] | None = given("Its labels.")
    members: list[MemberInput] | None = given("Who may do what; who makes it administers it anyway.")
    idempotency_key: str | None = given(KEY)


@strawberry.input(description="What is to be different about a project; what is left out stays.")
class UpdateProjectInput:
    """See the fields."""

    project_id: strawberry.ID = needed("The project.")
    description: str | None = given("What it is for.")
    team: str | None = given("The team it belongs to.")
    stream: str | None = given("The stream it belongs to.")
    labels: list[KeyValueInput] | None = given("All its labels, instead of those it has.")
    members: list[MemberInput] | None = given("All its members, instead of those it has; one administrator at least.")
    idempotency_key: str | None = given(KEY)


@strawberry.input(description="A secret to be kept.")
class SetSecretInput:
    """See the fields."""

    project_id: strawberry.ID = needed("The project that may use it.")
    name: str = needed("What revisions refer to it by.")
    value: str = needed("Its value, at most 64 KiB; it is never shown again.")
    idempotency_key: str | None = given(KEY)


@strawberry.input(description="A secret to be removed.")
class DeleteSecretInput:
    """See the fields."""

    project_id: strawberry.ID = needed("The project that has it.")
    name: str = needed("Its name.")
    idempotency_key: str | None = given(KEY)


@strawberry.type(description="What became of it.")
class CreateProjectPayload(Payload):
    """See the fields."""

    project: Project | None = strawberry.field(default=None, description="The new project.")


@strawberry.type(description="What became of it.")
class UpdateProjectPayload(Payload):
    """See the fields."""

    project: Project | None = strawberry.field(default=None, description="The project as it is now.")


@strawberry.type(description="What became of it.")
class SetSecretPayload(Payload):
    """See the fields."""

    secret: Secret | None = strawberry.field(default=None, description="The secret, without its value.")


@strawberry.type(description="What became of it.")
class DeleteSecretPayload(Payload):
    """See the fields."""

    deleted_name: str | None = strawberry.field(default=None, description="The name that is free again.")


@strawberry.type
class ProjectMutations:
    """A part of the root type Mutation."""

    @mutation
    async def create_project(self, info: Info, input: CreateProjectInput) -> CreateProjectPayload:
        """Make a project. Everybody may; who makes it administers it."""
        made = await change_projects.create_project(
            info.context, input.name, _content(input), key=input.idempotency_key
        )
        return CreateProjectPayload(project=as_shown(made))

    @mutation
    async def update_project(self, info: Info, input: UpdateProjectInput) -> UpdateProjectPayload:
        """Change a project; for its administrators."""
        key = parse_id(input.project_id, "Project", path=("projectId",))
        changed = await change_projects.update_project(info.context, key, _content(input), key=input.idempotency_key)
        return UpdateProjectPayload(project=as_shown(changed))

    @mutation
    async def set_secret(self, info: Info, input: SetSecretInput) -> SetSecretPayload:
        """Keep a secret, encrypted; for the project's administrators. Endpoints take it with their next redeploy."""
        key = parse_id(input.project_id, "Project", path=("projectId",))
        secret = await change_projects.set_secret(info.context, key, input.name, input.value, key=input.idempotency_key)
        return SetSecretPayload(secret=as_shown(secret))

    @mutation
    async def delete_secret(self, info: Info, input: DeleteSecretInput) -> DeleteSecretPayload:
        """Remove a secret that no live revision refers to; for the project's administrators."""
        key = parse_id(input.project_id, "Project", path=("projectId",))
        name = await change_projects.delete_secret(info.context, key, input.name, key=input.idempotency_key)
        return DeleteSecretPayload(deleted_name=name)


def _content(input: CreateProjectInput | UpdateProjectInput) -> ProjectContent:
    return ProjectContent(
        description=input.description,
        team=input.team,
        stream=input.stream,
        labels=None if input.labels is None else pairs_of(input.labels),
        members=_members(input.members),
    )
