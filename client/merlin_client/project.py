"""A namespace of models."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, Self

from merlin_client import portal
from merlin_client.errors import AlreadyExists, NotFound
from merlin_client.model import AsyncModel, Model
from merlin_client.thing import AsyncThing, Facts, Thing, card, iterates, link, waits_for
from merlin_client.version import pairs


class ProjectFacts(Facts):
    """What is known of a project."""

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.facts["name"])

    @property
    def description(self) -> str:
        """What it is for."""
        return str(self.facts["description"])

    @property
    def team(self) -> str:
        """Whose it is."""
        return str(self.facts["team"])

    @property
    def stream(self) -> str:
        """The stream it belongs to."""
        return str(self.facts["stream"])

    @property
    def labels(self) -> dict[str, str]:
        """Its labels."""
        return {str(pair["key"]): str(pair["value"]) for pair in self.facts["labels"]}

    @property
    def role(self) -> str | None:
        """What you may do here: READER, EDITOR or ADMINISTRATOR."""
        found = self.facts["role"]
        return str(found) if found else None

    def __repr__(self) -> str:
        return f"<Project {self.name}{f' of {self.team}' if self.team else ''}>"

    def _repr_html_(self) -> str:
        rows = {
            "team": link(None, self.team),
            "about": link(None, self.description),
            "your role": link(None, self.role or ""),
        }
        return card(f"Project {link(None, self.name)}", rows)


class AsyncProject(AsyncThing, ProjectFacts):
    """A project."""

    async def refresh(self) -> Self:
        """Read it again; returns itself."""
        self._facts = await self._connection.node("project_by_id", self.id)
        return self

    async def models(
        self, *, filter: Mapping[str, Any] | None = None, limit: int | None = None
    ) -> AsyncIterator[AsyncModel]:
        """Its models by name, read page by page as you use them; ``filter`` is the API's ModelFilter."""
        pages = self._connection.pages(
            "models", ("project", "models"), limit=limit, project=self.name, filter=filter, order=[{"field": "NAME"}]
        )
        async for facts in pages:
            yield AsyncModel(self._connection, facts)

    async def model(self, name: str) -> AsyncModel:
        """The model of exactly that name. Raises NotFound."""
        found = (await self._connection.ask("model", project=self.name, name=name))["model"]
        if not found:
            raise NotFound(f"Project {self.name} has no model {name!r}.", path=["model"])
        return AsyncModel(self._connection, found)

    async def create_model(self, name: str, *, type: str | None = None, description: str | None = None) -> AsyncModel:
        """A new model. Raises AlreadyExists, or InputError naming what is wrong with the name."""
        payload = await self._connection.change(
            "create_model", projectId=self.id, name=name, type=type, description=description
        )
        return AsyncModel(self._connection, payload["model"])

    async def get_or_create_model(self, /, name: str, **how: Any) -> AsyncModel:
        """The model of exactly that name, made if absent. Safe to call from several places at once."""
        try:
            return await self.model(name)
        except NotFound:
            pass
        try:
            return await self.create_model(name, **how)
        except AlreadyExists:  # somebody was quicker
            return await self.model(name)

    async def update(
        self, *, description: str | None = None, team: str | None = None, stream: str | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> Self:  # fmt: skip
        """Change what is given."""
        payload = await self._connection.change(
            "update_project",
            projectId=self.id,
            description=description,
            team=team,
            stream=stream,
            labels=None if labels is None else pairs(labels),
        )
        self._facts = payload["project"]
        return self

    async def set_secret(self, name: str, value: str) -> None:
        """Keep a secret in the project, or give it another value. It can be referred to, never read back."""
        await self._connection.change("set_secret", projectId=self.id, name=name, value=value)

    async def delete_secret(self, name: str) -> None:
        """Delete a secret."""
        await self._connection.change("delete_secret", projectId=self.id, name=name)


class Project(Thing[AsyncProject], ProjectFacts, half=AsyncProject):
    """A project."""

    models = iterates(AsyncProject.models, Model)
    model = waits_for(AsyncProject.model, Model)
    create_model = waits_for(AsyncProject.create_model, Model)
    get_or_create_model = waits_for(AsyncProject.get_or_create_model, Model)
    set_secret = waits_for(AsyncProject.set_secret, type(None))
    delete_secret = waits_for(AsyncProject.delete_secret, type(None))

    def update(
        self, *, description: str | None = None, team: str | None = None, stream: str | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> Project:  # fmt: skip
        """Change what is given."""
        portal.run(self._async.update(description=description, team=team, stream=stream, labels=labels))
        return self
