"""One Merlin server, as an object: where projects, environments and events begin."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from merlin_client import portal
from merlin_client.addresses import Address, find_address
from merlin_client.connection import Connection
from merlin_client.environment import AsyncEnvironment, Environment
from merlin_client.errors import AlreadyExists, NotFound
from merlin_client.event import Event
from merlin_client.model import AsyncModel, Model
from merlin_client.project import AsyncProject, Project
from merlin_client.thing import iterates, waits_for
from merlin_client.version import AsyncVersion, Version, pairs


class AsyncClient:
    """One server, for one event loop. Opens its connections when they are needed; close it, or use ``async with``.

    URL and token are found as `find_address` says. ``timeout_seconds`` is one attempt's deadline, ``patience_seconds``
    how long attempts are repeated while the server is restarting.
    """

    def __init__(
        self, url: str | None = None, token: str | None = None, *, home: str | Path | None = None,
        timeout_seconds: float = 30.0, patience_seconds: float = 15.0,
    ) -> None:  # fmt: skip
        self.address: Address = find_address(url, token, home)
        self._connection = Connection(self.address, timeout_seconds=timeout_seconds, patience_seconds=patience_seconds)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.address.url}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close its connections; the next use opens them again."""
        await self._connection.close()

    async def server(self) -> dict[str, Any]:
        """The server's version and addresses, and who you are to it."""
        return dict(await self._connection.server())

    async def mlflow_url(self) -> str:
        """Where MLflow is."""
        return str((await self._connection.server())["mlflowUrl"])

    async def projects(
        self, *, filter: Mapping[str, Any] | None = None, limit: int | None = None
    ) -> AsyncIterator[AsyncProject]:
        """The projects you are a member of, by name, read page by page; ``filter`` is the API's ProjectFilter."""
        pages = self._connection.pages("projects", ("projects",), limit=limit, filter=filter, order=[{"field": "NAME"}])
        async for facts in pages:
            yield AsyncProject(self._connection, facts)

    async def project(self, name: str) -> AsyncProject:
        """The project of exactly that name. Raises NotFound."""
        found = (await self._connection.ask("project", name=name))["project"]
        if not found:
            raise NotFound(f"There is no project {name!r}, or you are not a member.", path=["project"])
        return AsyncProject(self._connection, found)

    async def create_project(
        self, name: str, *, description: str | None = None, team: str | None = None, stream: str | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> AsyncProject:  # fmt: skip
        """A new project. Raises AlreadyExists, or InputError naming what is wrong with the name."""
        payload = await self._connection.change(
            "create_project",
            name=name,
            description=description,
            team=team,
            stream=stream,
            labels=pairs(labels) if labels else None,
        )
        return AsyncProject(self._connection, payload["project"])

    async def get_or_create_project(self, /, name: str, **how: Any) -> AsyncProject:
        """The project of exactly that name, made if absent. Safe to call from several places at once."""
        try:
            return await self.project(name)
        except NotFound:
            pass
        try:
            return await self.create_project(name, **how)
        except AlreadyExists:  # somebody was quicker
            return await self.project(name)

    async def model(self, path: str) -> AsyncModel:
        """The model at ``project/model``. Raises NotFound."""
        project, _, name = path.partition("/")
        found = (await self._connection.ask("model", project=project, name=name))["model"]
        if not found:
            raise NotFound(f"There is no model {path!r}.", path=["model"])
        return AsyncModel(self._connection, found)

    async def version(self, path: str) -> AsyncVersion:
        """The version at ``project/model/3`` or ``project/model/alias``. Raises NotFound."""
        model, _, version = path.rpartition("/")
        return await (await self.model(model)).version(version)

    async def environments(self) -> AsyncIterator[AsyncEnvironment]:
        """Where one can deploy to."""
        async for facts in self._connection.pages("environments", ("environments",)):
            yield AsyncEnvironment(self._connection, facts)

    async def environment(self, name: str | None = None) -> AsyncEnvironment:
        """An environment, or the default one. Raises NotFound."""
        found = (await self._connection.ask("environment", name=name))["environment"]
        if not found:
            hint = "There are: " + ", ".join([environment.name async for environment in self.environments()]) + "."
            said = f"There is no environment {name!r}." if name else "There is no default environment."
            raise NotFound(said, code="ENVIRONMENT_UNKNOWN", path=["environment"], hint=hint)
        return AsyncEnvironment(self._connection, found)

    async def events(
        self, *, project: str | None = None, subject: str | None = None, after: str | None = None, follow: bool = False
    ) -> AsyncIterator[Event]:
        """What happened, oldest first; with ``follow`` then what happens, with no gap and none twice.

        ``after`` is the cursor of the last event you have. Raises CursorExpired when those after it are gone."""
        cursor = after
        while True:
            page = (await self._connection.ask("events", project=project, subject=subject, first=100, after=cursor))[
                "events"
            ]
            for facts in page["nodes"]:
                yield Event(facts)
            cursor = page["cursor"]
            if not page["hasMore"]:
                break
        if follow:
            lines = self._connection.streams.lines("follow_events", project=project, subject=subject, after=cursor)
            async for facts in lines:
                yield Event(facts)


class Client:
    """One server. URL and token are found as `find_address` says; needs no closing."""

    def __init__(
        self, url: str | None = None, token: str | None = None, *, home: str | Path | None = None,
        timeout_seconds: float = 30.0, patience_seconds: float = 15.0,
    ) -> None:  # fmt: skip
        self._async = portal.run(
            _opened(url, token, home=home, timeout_seconds=timeout_seconds, patience_seconds=patience_seconds)
        )
        self.address = self._async.address

    def __repr__(self) -> str:
        return f"<Client of {self.address.url}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    close = waits_for(AsyncClient.close, type(None))
    server = waits_for(AsyncClient.server, dict[str, Any])
    mlflow_url = waits_for(AsyncClient.mlflow_url, str)
    projects = iterates(AsyncClient.projects, Project)
    project = waits_for(AsyncClient.project, Project)
    create_project = waits_for(AsyncClient.create_project, Project)
    get_or_create_project = waits_for(AsyncClient.get_or_create_project, Project)
    model = waits_for(AsyncClient.model, Model)
    version = waits_for(AsyncClient.version, Version)
    environments = iterates(AsyncClient.environments, Environment)
    environment = waits_for(AsyncClient.environment, Environment)
    events = iterates(AsyncClient.events, Event)


async def _opened(url: str | None, token: str | None, **how: Any) -> AsyncClient:
    client = AsyncClient(url, token, **how)
    client._connection.close_when_forgotten()
    return client
