"""A numbered iteration of a model: an MLflow run, its labels and aliases, and the endpoints that it has."""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

from merlin_client import portal
from merlin_client.deploy_settings import deploy_fields
from merlin_client.thing import AsyncThing, Facts, Thing, card, iterates, link, waits_for, waits_for_maybe
from merlin_client.version_endpoint import AsyncVersionEndpoint, VersionEndpoint
from merlin_client.waiting import Steps, awaited, once_mlflow_answers, waited

if TYPE_CHECKING:
    from merlin_client.run import RunLog

MLFLOW_SECONDS = 30.0  # how long MLflow is waited for where nothing else is said; it needs seconds to start


class VersionFacts(Facts):
    """What is known of a version."""

    @property
    def number(self) -> int:
        """1, 2, 3 … for each model."""
        return int(self.facts["number"])

    @property
    def state(self) -> str:
        """OPEN while it is logged to, then FINISHED."""
        return str(self.facts["state"])

    @property
    def labels(self) -> dict[str, str]:
        """Its labels."""
        return {str(pair["key"]): str(pair["value"]) for pair in self.facts["labels"]}

    @property
    def aliases(self) -> list[str]:
        """The aliases that point to it now."""
        return list(self.facts["aliases"])

    @property
    def properties(self) -> dict[str, Any]:
        """Whatever was given at its creation."""
        return dict(self.facts["properties"] or {})

    @property
    def metrics(self) -> dict[str, float]:
        """The latest value of each metric, as mirrored from MLflow."""
        return {str(m["key"]): float("nan") if m["value"] is None else float(m["value"]) for m in self.facts["metrics"]}

    @property
    def params(self) -> dict[str, str]:
        """The parameters, as mirrored from MLflow."""
        return {str(pair["key"]): str(pair["value"]) for pair in self.facts["params"]}

    @property
    def signature(self) -> dict[str, Any] | None:
        """What goes in and what comes out, as MLflow knows it."""
        found = self.facts["signature"]
        return dict(found) if found else None

    @property
    def run_id(self) -> str | None:
        """The MLflow run."""
        run = self.facts["run"]
        return str(run["id"]) if run else None

    @property
    def run_url(self) -> str | None:
        """The run's page in MLflow."""
        run = self.facts["run"]
        return str(run["url"]) if run else None

    @property
    def artifact_uri(self) -> str | None:
        """Where the model was logged; known once it is finished."""
        found = self.facts["artifactUri"]
        return str(found) if found else None

    @property
    def model_name(self) -> str:
        """The model."""
        return str(self.facts["model"]["name"])

    @property
    def project_name(self) -> str:
        """The project."""
        return str(self.facts["model"]["project"]["name"])

    @property
    def path(self) -> str:
        """project/model/number."""
        return f"{self.project_name}/{self.model_name}/{self.number}"

    def __repr__(self) -> str:
        labels = "".join(f" {key}={value}" for key, value in self.labels.items())
        aliases = "".join(f" @{alias}" for alias in self.aliases)
        return f"<Version {self.path} {self.state}{aliases}{labels}>"

    def _repr_html_(self) -> str:
        rows = {
            "state": link(None, self.state),
            "run": link(self.run_url, self.run_id or "none"),
            "labels": link(None, ", ".join(f"{key}={value}" for key, value in self.labels.items())),
            "aliases": link(None, ", ".join(self.aliases)),
            "metrics": link(None, ", ".join(f"{key}={value:.4g}" for key, value in self.metrics.items())),
        }
        return card(f"Version {link(None, self.path)}", rows)


class AsyncVersion(AsyncThing, VersionFacts):
    """A version of a model."""

    async def refresh(self) -> Self:
        """Read it again; returns itself."""
        self._facts = await self._connection.node("version_by_id", self.id)
        return self

    async def start_run(self, *, timeout: float = MLFLOW_SECONDS, progress: bool = True) -> Self:
        """Have its MLflow run started, if MLflow was down when the version was made; one that is there stays.

        MLflow is waited for, ``timeout`` seconds at most. Raises Unavailable (MLFLOW_UNAVAILABLE) then."""
        if self.run_id is None:
            await awaited(self.start_run_steps(timeout), f"The run of {self.path}", progress)
        return self

    def start_run_steps(self, timeout: float) -> Steps:
        """Ask for the run until MLflow answers."""
        key = str(uuid4())

        async def ask() -> AsyncVersion:
            return await self._changed("refresh_version", idempotencyKey=key)

        return once_mlflow_answers(ask, timeout, "Nothing is lost: try again once MLflow is up.")

    async def finish(self, artifact: str | None = None) -> Self:
        """Close it: the model that its run holds (at ``artifact``, or the only one) can be deployed from now on."""
        return await self._changed("finish_version", artifact=artifact)

    async def set_labels(self, labels: Mapping[str, str]) -> Self:
        """Add labels, or give them another value. Works at any time."""
        return await self._changed("set_version_labels", labels=pairs(labels))

    async def remove_labels(self, keys: Iterable[str]) -> Self:
        """Remove labels; ones that it does not have are fine."""
        return await self._changed("remove_version_labels", keys=[keys] if isinstance(keys, str) else list(keys))

    async def set_alias(self, alias: str) -> Self:
        """Point an alias, such as champion, to this version; it leaves the one it pointed to."""
        return await self._changed("set_version_alias", alias=alias)

    async def remove_alias(self, alias: str) -> Self:
        """Remove an alias of the model."""
        await self._connection.change("remove_version_alias", modelId=self.facts["model"]["id"], alias=alias)
        return await self.refresh()

    async def delete(self) -> None:
        """Delete it and its run. Raises NotAllowed (VERSION_IN_USE) while it is deployed."""
        await self._connection.change("delete_version", versionId=self.id)

    async def endpoint(self, environment: str | None = None) -> AsyncVersionEndpoint | None:
        """Its endpoint in an environment (the default one, if none is named), if it ever had one."""
        node = await self._connection.node("version_endpoint", self.id, environment=environment)
        return AsyncVersionEndpoint(self._connection, node["endpoint"]) if node["endpoint"] else None

    async def endpoints(self) -> AsyncIterator[AsyncVersionEndpoint]:
        """Its endpoints in all environments."""
        async for facts in self._connection.pages("version_endpoints", ("node", "endpoints"), id=self.id):
            yield AsyncVersionEndpoint(self._connection, facts)

    async def deploy(
        self, environment: str | None = None, *, wait: bool = True, timeout: float | None = None,
        progress: bool = True, **settings: Any,
    ) -> AsyncVersionEndpoint:  # fmt: skip
        """Make it run, and wait until it does.

        ``settings``: resources, min_replicas, max_replicas, timeout_seconds, deadline_seconds, runtime, strategy,
        autoscaling, variables, secrets, clear, comment; what is absent keeps its value of the active revision.
        ``wait=False`` returns at once. Raises DeploymentFailed with the cause and the log's end; TimedOut when you
        stopped waiting, which leaves the deploy running, as Ctrl-C does.
        """
        steps = self.deploy_steps(environment, wait=wait, timeout=timeout, **settings)
        endpoint: AsyncVersionEndpoint = await awaited(steps, f"Deploying {self.path}", progress and wait)
        return endpoint

    async def undeploy(self, /, environment: str | None = None, **how: Any) -> AsyncVersionEndpoint | None:
        """Stop its endpoint there; None if it never had one. Options as in `VersionEndpoint.undeploy`."""
        endpoint = await self.endpoint(environment)
        return await endpoint.undeploy(**how) if endpoint else None

    async def deploy_steps(
        self, environment: str | None, *, wait: bool, timeout: float | None, **settings: Any
    ) -> Steps:
        """Ask for it, then its steps."""
        fields = deploy_fields(**settings)
        payload = await self._connection.change("deploy_version", versionId=self.id, environment=environment, **fields)
        endpoint = AsyncVersionEndpoint(self._connection, payload["versionEndpoint"])
        async for step in endpoint.accepted(payload, wait=wait, timeout=timeout, what=f"The deploy of {self.path}"):
            yield step

    async def _changed(self, operation: str, **fields: Any) -> Self:
        payload = await self._connection.change(operation, versionId=self.id, **fields)
        self._facts = payload["version"]
        return self


class Version(Thing[AsyncVersion], VersionFacts, half=AsyncVersion):
    """A version of a model."""

    delete = waits_for(AsyncVersion.delete, type(None))
    endpoint = waits_for_maybe(AsyncVersion.endpoint, VersionEndpoint)
    endpoints = iterates(AsyncVersion.endpoints, VersionEndpoint)
    undeploy = waits_for_maybe(AsyncVersion.undeploy, VersionEndpoint)

    def start_run(self, *, timeout: float = MLFLOW_SECONDS, progress: bool = True) -> Version:
        """Have its MLflow run started, if MLflow was down when the version was made; one that is there stays.

        MLflow is waited for, ``timeout`` seconds at most. Raises Unavailable (MLFLOW_UNAVAILABLE) then."""
        if self.run_id is None:
            waited(self._async.start_run_steps(timeout), f"The run of {self.path}", progress)
        return self

    def finish(self, artifact: str | None = None) -> Version:
        """Close it: the model that its run holds (at ``artifact``, or the only one) can be deployed from now on."""
        return self._after(self._async.finish(artifact))

    def set_labels(self, labels: Mapping[str, str]) -> Version:
        """Add labels, or give them another value. Works at any time."""
        return self._after(self._async.set_labels(labels))

    def remove_labels(self, keys: Iterable[str]) -> Version:
        """Remove labels; ones that it does not have are fine."""
        return self._after(self._async.remove_labels(keys))

    def set_alias(self, alias: str) -> Version:
        """Point an alias, such as champion, to this version; it leaves the one it pointed to."""
        return self._after(self._async.set_alias(alias))

    def remove_alias(self, alias: str) -> Version:
        """Remove an alias of the model."""
        return self._after(self._async.remove_alias(alias))

    def deploy(
        self, environment: str | None = None, *, wait: bool = True, timeout: float | None = None,
        progress: bool = True, **settings: Any,
    ) -> VersionEndpoint:  # fmt: skip
        """Make it run, show how it goes, and wait until it does.

        ``settings``: resources, min_replicas, max_replicas, timeout_seconds, deadline_seconds, runtime, strategy,
        autoscaling, variables, secrets, clear, comment; what is absent keeps its value of the active revision.
        ``wait=False`` returns at once. Raises DeploymentFailed with the cause and the log's end; TimedOut when you
        stopped waiting, which leaves the deploy running, as Ctrl-C does.
        """
        steps = self._async.deploy_steps(environment, wait=wait, timeout=timeout, **settings)
        return VersionEndpoint(waited(steps, f"Deploying {self.path}", progress and wait))

    @property
    def log(self) -> RunLog:
        """Its MLflow run: log_metric, log_param, log_model … (needs mlflow in this Python environment).

        Where it has none yet, it is started as by `start_run`."""
        from merlin_client.run import RunLog

        return RunLog.of(self)

    def _after(self, change: Coroutine[Any, Any, AsyncVersion]) -> Version:
        portal.run(change)
        return self


def pairs(labels: Mapping[str, str]) -> list[dict[str, str]]:
    """A mapping as the API takes it."""
    return [{"key": str(key), "value": str(value)} for key, value in labels.items()]
