"""One version running, or on its way to running, in one environment."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from merlin_client import portal
from merlin_client.errors import DeploymentCancelled, DeploymentFailed, DeploymentSuperseded, PredictionFailed
from merlin_client.revision import Failure, History, Revision, failure_from
from merlin_client.thing import AsyncThing, Facts, Thing, card, iterates, link, waits_for
from merlin_client.waiting import Step, Steps, awaited, waited, within

if TYPE_CHECKING:
    from merlin_client.model_endpoint import AsyncModelEndpoint, ModelEndpoint

_PHASES = {
    "QUEUED": "accepted, waiting for a worker",
    "STARTING": "the pods start and load the model",
    "READY": "the model is loaded, traffic is moving",
    "ACTIVE": "traffic has moved",
}
_FAILURES = {"CANCELLED": DeploymentCancelled, "SUPERSEDED": DeploymentSuperseded, "FAILED": DeploymentFailed}


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line that a pod wrote."""

    cursor: str
    at: str
    pod: str
    container: str
    revision: int | None
    text: str

    def __str__(self) -> str:
        return self.text


class VersionEndpointFacts(Facts):
    """What is known of a version endpoint."""

    @property
    def url(self) -> str:
        """Where it answers: stable, `POST {url}/v2/models/{model}/infer`."""
        return str(self.facts["url"])

    @property
    def lifecycle(self) -> str:
        """PENDING, RUNNING, SERVING (running, and its model's traffic goes to it), FAILED or TERMINATED."""
        return str(self.facts["lifecycle"])

    @property
    def status(self) -> str:
        """The lifecycle in small letters, as Merlin users know it."""
        return self.lifecycle.lower()

    @property
    def healthy(self) -> bool:
        """Whether its pods are well now."""
        return bool(self.facts["healthy"])

    @property
    def progressing(self) -> bool:
        """Whether something that was asked for is on its way."""
        return bool(self.facts["progressing"])

    @property
    def settled(self) -> bool:
        """Whether the cluster does what was asked for, or will not."""
        return bool(self.facts["settled"])

    @property
    def message(self) -> str:
        """What it is doing, in a sentence."""
        return str(self.facts["message"] or self.facts["reason"] or "")

    @property
    def failure(self) -> Failure | None:
        """Why the newest revision, or the endpoint, failed."""
        return failure_from(self.facts["failure"])

    @property
    def serving_weight(self) -> int:
        """Its share of the model's traffic in percent."""
        return int(self.facts["servingWeight"])

    @property
    def active_revision(self) -> int | None:
        """The number of the revision that runs."""
        return _number(self.facts["activeRevision"])

    @property
    def target_revision(self) -> int | None:
        """The number of the revision that was asked for last."""
        return _number(self.facts["targetRevision"])

    @property
    def environment_name(self) -> str:
        """Where it runs."""
        return str(self.facts["environment"]["name"])

    @property
    def version_number(self) -> int:
        """The version that it runs."""
        return int(self.facts["version"]["number"])

    @property
    def model_name(self) -> str:
        """The model, which is also the name in the V2 path."""
        return str(self.facts["version"]["model"]["name"])

    @property
    def project_name(self) -> str:
        """The project."""
        return str(self.facts["version"]["model"]["project"]["name"])

    @property
    def path(self) -> str:
        """project/model/version."""
        return f"{self.project_name}/{self.model_name}/{self.version_number}"

    @property
    def infer_url(self) -> str:
        """Where predictions are asked for."""
        return f"{self.url}/v2/models/{self.model_name}/infer"

    def __repr__(self) -> str:
        state = self.lifecycle + ("" if self.healthy or self.lifecycle == "TERMINATED" else ", not healthy")
        return f"<VersionEndpoint {self.path} in {self.environment_name}: {state} {self.url}>"

    def _repr_html_(self) -> str:
        rows = {
            "state": link(None, self.lifecycle + (" (progressing)" if self.progressing else "")),
            "URL": link(self.url, self.url),
            "environment": link(None, self.environment_name),
            "revision": link(None, str(self.active_revision or "none")),
        }
        if self.failure:
            rows["failure"] = link(None, f"{self.failure.code}: {self.failure.message}")
        return card(f"Endpoint of {link(None, self.path)}", rows)


class AsyncVersionEndpoint(AsyncThing, VersionEndpointFacts):
    """One version in one environment."""

    async def refresh(self) -> Self:
        """Read it again; returns itself."""
        self._facts = await self._connection.node("version_endpoint_by_id", self.id)
        return self

    async def predict(self, data: Any, *, timeout: float = 60.0) -> Any:
        """Predictions for a DataFrame, an array, records or rows, a dict of columns, or a V2 request.

        The answer has the form of the question: an array (a DataFrame, if the model has several outputs) for a
        DataFrame or an array; a list (a dict of lists) for records, rows and columns; a V2 response for a V2 request.
        Raises PredictionFailed with the endpoint's own reason.
        """
        signature = self.facts["version"]["signature"]
        try:
            return await self._connection.endpoints.ask(self.infer_url, data, signature, timeout)
        except PredictionFailed as error:
            if error.status == 404:
                await self._check_deployed(error)
            raise

    async def _check_deployed(self, error: PredictionFailed) -> None:
        """Where it is not deployed, the gateway may have asked whatever the model serves: say what is really so."""
        await self.refresh()
        if self.active_revision is None:
            said = f"{self.path} is not deployed in {self.environment_name}: it is {self.lifecycle}."
            raise PredictionFailed(said, status=404, hint="Deploy it first.") from error

    async def history(self) -> History:
        """All revisions, newest first, the failed ones with their cause."""
        pages = self._connection.pages("revisions", ("node", "revisions"), id=self.id)
        return History([Revision(facts) async for facts in pages])

    async def logs(self, *, follow: bool = False, tail: int = 100, pod: str | None = None) -> AsyncIterator[LogLine]:
        """The last lines of its pods' logs, oldest first; with ``follow`` then each new line, until you stop."""
        lines = self._connection.streams.lines(
            "follow_logs", endless=follow, id=self.id, follow=follow, tail=tail, pod=pod
        )
        async for line in lines:
            yield LogLine(**line)

    async def watch(self) -> AsyncIterator[Self]:
        """The endpoint as it is now, then after each change, endlessly."""
        async for facts in self._connection.streams.states("watch_version_endpoint", id=self.id):
            yield type(self)(self._connection, facts)

    async def rollback(
        self, to_revision: int | None = None, *, comment: str | None = None, wait: bool = True,
        timeout: float | None = None, progress: bool = True,
    ) -> Self:  # fmt: skip
        """Go back to an earlier revision's settings (the one before, if none is named). Raises as deploy does."""
        steps = self.rollback_steps(to_revision, comment=comment, wait=wait, timeout=timeout)
        return self._now(await awaited(steps, f"Rolling back {self.path}", progress and wait))

    async def undeploy(self, *, wait: bool = True, timeout: float | None = None, progress: bool = True) -> Self:
        """Stop it. Raises NotAllowed (STILL_SERVING) while its model's traffic goes to it."""
        steps = self.undeploy_steps(wait=wait, timeout=timeout)
        return self._now(await awaited(steps, f"Undeploying {self.path}", progress and wait))

    async def cancel(self) -> Self:
        """Cancel the deploy that is on its way; what ran before still runs."""
        payload = await self._connection.change("cancel_deployment", versionEndpointId=self.id)
        self._facts = payload["versionEndpoint"]
        return self

    async def serve(
        self, *, wait: bool = True, timeout: float | None = 120.0, progress: bool = True
    ) -> AsyncModelEndpoint:
        """Send all of the model's traffic here; its stable address stays the same. Returns the model endpoint."""
        steps = self.serve_steps(wait=wait, timeout=timeout)
        served: AsyncModelEndpoint = await awaited(steps, f"Serving {self.path}", progress and wait)
        return served

    # Steps: what the acts above, and their synchronous halves, wait for

    async def rollback_steps(
        self, to_revision: int | None, *, comment: str | None, wait: bool, timeout: float | None
    ) -> Steps:
        """Ask for it, then its steps."""
        payload = await self._connection.change(
            "rollback_version_endpoint", versionEndpointId=self.id, toRevision=to_revision, comment=comment
        )
        async for step in self.accepted(payload, wait=wait, timeout=timeout, what=f"The rollback of {self.path}"):
            yield step

    async def undeploy_steps(self, *, wait: bool, timeout: float | None) -> Steps:
        """Ask for it, then its steps."""
        payload = await self._connection.change("undeploy_version", versionEndpointId=self.id)
        endpoint = type(self)(self._connection, payload["versionEndpoint"])
        yield Step("STOPPING", endpoint.message, endpoint, done=not wait)
        if wait:
            async for step in within(self._stopping(), timeout, f"Undeploying {self.path}"):
                yield step

    async def serve_steps(self, *, wait: bool, timeout: float | None) -> Steps:
        """Ask for it, then its steps."""
        from merlin_client.model_endpoint import AsyncModelEndpoint

        payload = await self._connection.change("serve_version", versionEndpointId=self.id)
        endpoint = AsyncModelEndpoint(self._connection, payload["modelEndpoint"])
        async for step in endpoint.moved(payload["modelEndpoint"], wait=wait, timeout=timeout):
            yield step

    async def accepted(self, payload: dict[str, Any], *, wait: bool, timeout: float | None, what: str) -> Steps:
        """The steps of the revision that a mutation's payload names."""
        endpoint = type(self)(self._connection, payload["versionEndpoint"])
        number = int(payload["revision"]["number"])
        yield Step("ACCEPTED", f"revision {number}", endpoint, done=not wait)
        if wait:
            async for step in within(endpoint.rollout(number), timeout, what):
                yield step

    async def rollout(self, number: int) -> Steps:
        """What becomes of a revision until it runs. Raises DeploymentFailed, -Cancelled or -Superseded."""
        async for facts in self._connection.streams.states("follow_version_endpoint", id=self.id, revision=number):
            revision = facts.pop("revision")
            endpoint = type(self)(self._connection, facts)
            status = str(revision["status"]) if revision else "QUEUED"
            # A snapshot is read in several statements: its revision may be ACTIVE before its endpoint is RUNNING.
            runs = status == "ACTIVE" and endpoint.lifecycle in {"RUNNING", "SERVING"}
            if runs or status in {"DRAINING", "REMOVED"}:
                yield Step("RUNNING", endpoint.url, endpoint, done=True)
                return
            if status in _FAILURES:
                error = _failed(endpoint, revision)
                yield Step(status, error.message, endpoint, done=True)
                raise error
            yield Step(status, endpoint.message or _PHASES.get(status, ""), endpoint)

    async def _stopping(self) -> Steps:
        async for endpoint in self.watch():
            done = endpoint.lifecycle == "TERMINATED" and endpoint.settled
            yield Step("TERMINATED" if done else "STOPPING", endpoint.message, endpoint, done=done)
            if done:
                return

    def _now(self, endpoint: AsyncVersionEndpoint) -> Self:
        self._facts = endpoint.facts
        return self


class VersionEndpoint(Thing[AsyncVersionEndpoint], VersionEndpointFacts, half=AsyncVersionEndpoint):
    """One version in one environment."""

    history = waits_for(AsyncVersionEndpoint.history, History)
    logs = iterates(AsyncVersionEndpoint.logs, LogLine)

    def predict(self, data: Any, *, timeout: float = 60.0) -> Any:
        """Predictions for a DataFrame, an array, records or rows, a dict of columns, or a V2 request.

        The answer has the form of the question: an array (a DataFrame, if the model has several outputs) for a
        DataFrame or an array; a list (a dict of lists) for records, rows and columns; a V2 response for a V2 request.
        Raises PredictionFailed with the endpoint's own reason.
        """
        return portal.run(self._async.predict(data, timeout=timeout))

    def watch(self) -> Iterator[VersionEndpoint]:
        """The endpoint as it is now, then after each change, endlessly."""
        for endpoint in portal.iterate(self._async.watch()):
            yield VersionEndpoint(endpoint)

    def rollback(
        self, to_revision: int | None = None, *, comment: str | None = None, wait: bool = True,
        timeout: float | None = None, progress: bool = True,
    ) -> VersionEndpoint:  # fmt: skip
        """Go back to an earlier revision's settings (the one before, if none is named). Raises as deploy does."""
        steps = self._async.rollback_steps(to_revision, comment=comment, wait=wait, timeout=timeout)
        return self._now(waited(steps, f"Rolling back {self.path}", progress and wait))

    def undeploy(self, *, wait: bool = True, timeout: float | None = None, progress: bool = True) -> VersionEndpoint:
        """Stop it. Raises NotAllowed (STILL_SERVING) while its model's traffic goes to it."""
        steps = self._async.undeploy_steps(wait=wait, timeout=timeout)
        return self._now(waited(steps, f"Undeploying {self.path}", progress and wait))

    def serve(self, *, wait: bool = True, timeout: float | None = 120.0, progress: bool = True) -> ModelEndpoint:
        """Send all of the model's traffic here; its stable address stays the same. Returns the model endpoint."""
        from merlin_client.model_endpoint import ModelEndpoint

        steps = self._async.serve_steps(wait=wait, timeout=timeout)
        return ModelEndpoint(waited(steps, f"Serving {self.path}", progress and wait))

    def cancel(self) -> VersionEndpoint:
        """Cancel the deploy that is on its way; what ran before still runs."""
        portal.run(self._async.cancel())
        return self

    def _now(self, endpoint: AsyncVersionEndpoint) -> VersionEndpoint:
        self._async = endpoint
        return self


def _failed(endpoint: VersionEndpointFacts, revision: dict[str, Any]) -> DeploymentFailed:
    failure = failure_from(revision["failure"]) or endpoint.failure
    number = int(revision["number"])
    kind = _FAILURES[revision["status"]]
    if failure is None:
        return kind(f"Revision {number} of {endpoint.path} is {revision['status']}.", revision=number)
    code = failure.code if revision["status"] == "FAILED" else None
    return kind(failure.message, code=code, fix=failure.fix, evidence=failure.evidence, revision=number)


def _number(revision: dict[str, Any] | None) -> int | None:
    return int(revision["number"]) if revision else None
