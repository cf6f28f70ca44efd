"""A prediction service: versions, and one stable URL per environment."""

from __future__ import annotations

import platform
from collections.abc import AsyncIterator, Mapping
from typing import Any, Self
from uuid import uuid4

from merlin_client import portal
from merlin_client.errors import NotFound
from merlin_client.model_endpoint import AsyncModelEndpoint, ModelEndpoint
from merlin_client.thing import AsyncThing, Facts, Thing, card, iterates, link, waits_for, waits_for_maybe
from merlin_client.version import MLFLOW_SECONDS, AsyncVersion, Version, pairs
from merlin_client.waiting import Steps, awaited, once_mlflow_answers, waited

# Why a repeat of new_version is no way to go on: it is another version.
_KEPT = (
    "Go on with that version once MLflow is up: set_model_version(its number), or model.version(its number), and log "
    "to it; its start_run() waits for MLflow."
)


class ModelFacts(Facts):
    """What is known of a model."""

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.facts["name"])

    @property
    def type(self) -> str:
        """What kind of model it is."""
        return str(self.facts["type"])

    @property
    def description(self) -> str:
        """What it is for."""
        return str(self.facts["description"])

    @property
    def project_name(self) -> str:
        """The project."""
        return str(self.facts["project"]["name"])

    @property
    def path(self) -> str:
        """project/model."""
        return f"{self.project_name}/{self.name}"

    @property
    def mlflow_url(self) -> str | None:
        """Its experiment's page in MLflow."""
        found = self.facts["mlflowUrl"]
        return str(found) if found else None

    @property
    def mlflow_experiment_id(self) -> str | None:
        """Its experiment in MLflow."""
        found = self.facts["mlflowExperimentId"]
        return str(found) if found else None

    def __repr__(self) -> str:
        return f"<Model {self.path} ({self.type})>"

    def _repr_html_(self) -> str:
        rows = {
            "type": link(None, self.type),
            "experiment": link(self.mlflow_url, "MLflow"),
            "about": link(None, self.description),
        }
        return card(f"Model {link(None, self.path)}", rows)


class AsyncModel(AsyncThing, ModelFacts):
    """A model of a project."""

    async def refresh(self) -> Self:
        """Read it again; returns itself."""
        self._facts = await self._connection.node("model_by_id", self.id)
        return self

    async def versions(
        self, *, labels: Mapping[str, str] | None = None, filter: Mapping[str, Any] | None = None,
        order: list[Mapping[str, Any]] | None = None, limit: int | None = None,
    ) -> AsyncIterator[AsyncVersion]:  # fmt: skip
        """Its versions, newest first, read page by page as you use them.

        ``labels`` must all match; ``filter`` and ``order`` are the API's VersionFilter and VersionOrder."""
        wanted = dict(filter or {})
        if labels:
            wanted["label"] = pairs(labels)
        ordered = order or [{"field": "NUMBER", "direction": "DESC"}]
        pages = self._connection.pages(
            "versions", ("node", "versions"), limit=limit, id=self.id, filter=wanted or None, order=ordered
        )
        async for facts in pages:
            yield AsyncVersion(self._connection, facts)

    async def version(self, version: int | str) -> AsyncVersion:
        """A version by its number or by an alias. Raises NotFound."""
        which: dict[str, Any] = (
            {"number": int(version)} if str(version).isdigit() else {"alias": str(version).removeprefix("@")}
        )
        answer = await self._connection.ask("version", project=self.project_name, model=self.name, **which)
        found = (answer["model"] or {}).get("version")
        if not found:
            raise NotFound(f"{self.path} has no version {version}.", path=["version"])
        return AsyncVersion(self._connection, found)

    async def latest_version(self) -> AsyncVersion | None:
        """The newest version, if there is any."""
        answer = await self._connection.ask("latest_version", project=self.project_name, model=self.name)
        found = (answer["model"] or {}).get("latestVersion")
        return AsyncVersion(self._connection, found) if found else None

    async def new_version(
        self, *, labels: Mapping[str, str] | None = None, run_name: str | None = None,
        properties: Mapping[str, Any] | None = None, adopt: str | None = None,
        timeout: float = MLFLOW_SECONDS, progress: bool = True,
    ) -> AsyncVersion:  # fmt: skip
        """A new version; its MLflow run is started by the server.

        ``adopt`` takes a run that exists instead: a run id, runs:/…, models:/name/3 or models:/name@alias.
        MLflow is waited for, ``timeout`` seconds at most. Raises Unavailable (MLFLOW_UNAVAILABLE) then: a version that
        adopts nothing is kept, OPEN and without a run; go on by logging to that one, or with its `start_run`."""
        steps = self.new_version_steps(labels, run_name, properties, adopt, timeout)
        version: AsyncVersion = await awaited(steps, f"A new version of {self.path}", progress)
        return version

    def new_version_steps(
        self, labels: Mapping[str, str] | None, run_name: str | None, properties: Mapping[str, Any] | None,
        adopt: str | None, timeout: float,
    ) -> Steps:  # fmt: skip
        """Ask for it until MLflow answers, always with the same key, so that there is one."""
        asked = {
            "idempotencyKey": str(uuid4()),
            "modelId": self.id,
            "labels": pairs(labels or {}) or None,
            "runName": run_name,
            "properties": dict(properties) if properties else None,
            "pythonVersion": platform.python_version(),
            "adopt": adopt,
        }

        async def ask() -> AsyncVersion:
            payload = await self._connection.change("create_version", **asked)
            return AsyncVersion(self._connection, payload["version"])

        return once_mlflow_answers(ask, timeout, _KEPT if adopt is None else "Try again once MLflow is up.")

    async def endpoint(self, environment: str | None = None) -> AsyncModelEndpoint | None:
        """Its endpoint in an environment (the default one, if none is named), if anything was ever served there."""
        node = await self._connection.node("model_endpoint", self.id, environment=environment)
        return AsyncModelEndpoint(self._connection, node["endpoint"]) if node["endpoint"] else None

    async def endpoints(self) -> AsyncIterator[AsyncModelEndpoint]:
        """Its endpoints in all environments."""
        async for facts in self._connection.pages("model_endpoints", ("node", "endpoints"), id=self.id):
            yield AsyncModelEndpoint(self._connection, facts)

    async def update(self, *, description: str | None = None, type: str | None = None) -> Self:
        """Change what is given."""
        payload = await self._connection.change("update_model", modelId=self.id, description=description, type=type)
        self._facts = payload["model"]
        return self

    async def delete(self) -> None:
        """Delete it with all its versions. Raises NotAllowed (MODEL_IN_USE) while any is deployed."""
        await self._connection.change("delete_model", modelId=self.id)


class Model(Thing[AsyncModel], ModelFacts, half=AsyncModel):
    """A model of a project."""

    versions = iterates(AsyncModel.versions, Version)
    version = waits_for(AsyncModel.version, Version)
    latest_version = waits_for_maybe(AsyncModel.latest_version, Version)
    endpoint = waits_for_maybe(AsyncModel.endpoint, ModelEndpoint)
    endpoints = iterates(AsyncModel.endpoints, ModelEndpoint)
    delete = waits_for(AsyncModel.delete, type(None))

    def new_version(
        self, *, labels: Mapping[str, str] | None = None, run_name: str | None = None,
        properties: Mapping[str, Any] | None = None, adopt: str | None = None,
        timeout: float = MLFLOW_SECONDS, progress: bool = True,
    ) -> Version:  # fmt: skip
        """A new version; its MLflow run is started by the server.

        ``adopt`` takes a run that exists instead: a run id, runs:/…, models:/name/3 or models:/name@alias.
        MLflow is waited for, ``timeout`` seconds at most. Raises Unavailable (MLFLOW_UNAVAILABLE) then: a version that
        adopts nothing is kept, OPEN and without a run; go on by logging to that one, or with its `start_run`."""
        steps = self._async.new_version_steps(labels, run_name, properties, adopt, timeout)
        return Version(waited(steps, f"A new version of {self.path}", progress))

    def update(self, *, description: str | None = None, type: str | None = None) -> Model:
        """Change what is given."""
        portal.run(self._async.update(description=description, type=type))
        return self
