"""The stable URL of a model in one environment, and which version its traffic goes to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, Self

from merlin_client import portal
from merlin_client.errors import DeploymentFailed, PredictionFailed
from merlin_client.revision import Failure, failure_from
from merlin_client.thing import AsyncThing, Facts, Thing, card, link
from merlin_client.waiting import Step, Steps, awaited, waited, within


class ModelEndpointFacts(Facts):
    """What is known of a model endpoint."""

    @property
    def url(self) -> str:
        """Where it answers, whichever version serves."""
        return str(self.facts["url"])

    @property
    def status(self) -> str:
        """STOPPED, PENDING or SERVING."""
        return str(self.facts["status"])

    @property
    def progressing(self) -> bool:
        """Whether traffic is being moved."""
        return bool(self.facts["progressing"])

    @property
    def message(self) -> str:
        """What it is doing, in a sentence."""
        return str(self.facts["message"] or self.facts["reason"] or "")

    @property
    def failure(self) -> Failure | None:
        """Why the last rule was not accepted."""
        return failure_from(self.facts["failure"])

    @property
    def traffic(self) -> dict[int, int]:
        """Percent by version number, as the gateway really does it."""
        return {int(s["versionEndpoint"]["version"]["number"]): int(s["weight"]) for s in self.facts["traffic"]}

    @property
    def serving_version_number(self) -> int | None:
        """The version that has the traffic, or most of it."""
        found = self.facts["servingVersion"]
        return int(found["number"]) if found else None

    @property
    def environment_name(self) -> str:
        """Where it is."""
        return str(self.facts["environment"]["name"])

    @property
    def model_name(self) -> str:
        """The model, which is also the name in the V2 path."""
        return str(self.facts["model"]["name"])

    @property
    def project_name(self) -> str:
        """The project."""
        return str(self.facts["model"]["project"]["name"])

    @property
    def path(self) -> str:
        """project/model."""
        return f"{self.project_name}/{self.model_name}"

    @property
    def infer_url(self) -> str:
        """Where predictions are asked for."""
        return f"{self.url}/v2/models/{self.model_name}/infer"

    def __repr__(self) -> str:
        version = self.serving_version_number
        serves = f"version {version}" if version else "nothing"
        return f"<ModelEndpoint {self.path} in {self.environment_name}: {self.status}, serves {serves} {self.url}>"

    def _repr_html_(self) -> str:
        shares = ", ".join(f"version {number}: {weight} %" for number, weight in self.traffic.items()) or "none"
        rows = {"URL": link(self.url, self.url), "state": link(None, self.status), "traffic": link(None, shares)}
        return card(f"Model endpoint of {link(None, self.path)}", rows)


class AsyncModelEndpoint(AsyncThing, ModelEndpointFacts):
    """The stable URL of a model in one environment."""

    async def refresh(self) -> Self:
        """Read it again; returns itself."""
        self._facts = await self._connection.node("model_endpoint_by_id", self.id)
        return self

    async def predict(self, data: Any, *, timeout: float = 60.0) -> Any:
        """Predictions of whichever version serves; data and answer as in `VersionEndpoint.predict`."""
        serving = self.facts["servingVersion"]
        signature = serving and serving["signature"]
        try:
            return await self._connection.endpoints.ask(self.infer_url, data, signature, timeout)
        except PredictionFailed as error:
            if error.status == 404 and (await self.refresh()).status == "STOPPED":
                said = f"{self.path} serves no version in {self.environment_name}."
                raise PredictionFailed(said, status=404, hint="Serve one first.") from error
            raise

    async def watch(self) -> AsyncIterator[Self]:
        """The endpoint as it is now, then after each change, endlessly."""
        async for facts in self._connection.streams.states("watch_model_endpoint", id=self.id):
            yield type(self)(self._connection, facts)

    async def stop(self, *, wait: bool = True, timeout: float | None = 120.0, progress: bool = True) -> Self:
        """Serve nothing: the stable URL answers 404 until something is served again."""
        stopped = await awaited(self.stop_steps(wait=wait, timeout=timeout), f"Stopping {self.path}", progress and wait)
        self._facts = stopped.facts
        return self

    async def stop_steps(self, *, wait: bool, timeout: float | None) -> Steps:
        """Ask for it, then its steps."""
        payload = await self._connection.change("stop_serving", modelEndpointId=self.id)
        async for step in self.moved(payload["modelEndpoint"], wait=wait, timeout=timeout):
            yield step

    async def moved(self, asked: dict[str, Any], *, wait: bool, timeout: float | None) -> Steps:
        """The steps until traffic has moved as a mutation, whose answer this is, asked for."""
        endpoint = type(self)(self._connection, asked)
        yield Step("ACCEPTED", endpoint.message, endpoint, done=not wait)
        if wait:
            moving = self._moving(int(asked["generation"]), _rule(asked["desiredTraffic"]))
            async for step in within(moving, timeout, f"Moving the traffic of {self.path}"):
                yield step

    async def _moving(self, generation: int, rule: dict[str, int]) -> Steps:
        async for endpoint in self.watch():
            if endpoint.facts["generation"] > generation:
                yield Step("SUPERSEDED", "Somebody else changed the traffic meanwhile.", endpoint, done=True)
                return
            if _rule(endpoint.facts["traffic"]) == rule and not endpoint.progressing:
                yield Step(endpoint.status, endpoint.url, endpoint, done=True)
                return
            if endpoint.failure is not None and endpoint.facts["settled"]:
                failure = endpoint.failure
                yield Step("FAILED", failure.message, endpoint, done=True)
                raise DeploymentFailed(failure.message, code=failure.code, fix=failure.fix, evidence=failure.evidence)
            yield Step("MOVING", endpoint.message, endpoint)


class ModelEndpoint(Thing[AsyncModelEndpoint], ModelEndpointFacts, half=AsyncModelEndpoint):
    """The stable URL of a model in one environment."""

    def predict(self, data: Any, *, timeout: float = 60.0) -> Any:
        """Predictions of whichever version serves; data and answer as in `VersionEndpoint.predict`."""
        return portal.run(self._async.predict(data, timeout=timeout))

    def watch(self) -> Iterator[ModelEndpoint]:
        """The endpoint as it is now, then after each change, endlessly."""
        for endpoint in portal.iterate(self._async.watch()):
            yield ModelEndpoint(endpoint)

    def stop(self, *, wait: bool = True, timeout: float | None = 120.0, progress: bool = True) -> ModelEndpoint:
        """Serve nothing: the stable URL answers 404 until something is served again."""
        steps = self._async.stop_steps(wait=wait, timeout=timeout)
        self._async = waited(steps, f"Stopping {self.path}", progress and wait)
        return self


def _rule(shares: list[dict[str, Any]]) -> dict[str, int]:
    return {str(share["versionEndpoint"]["id"]): int(share["weight"]) for share in shares if share["weight"]}
