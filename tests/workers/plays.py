"""A stage for workers: a world in the database, and everybody else of the cluster played by the test.

`Play` plays KServe's controller (a Deployment per InferenceService), the kubelet (its status, pods) and the gateway
(route status, and an HTTP server that answers as the chosen pods would). tests/workers/test_real_rollouts.py holds the
same claims with the real controllers and kubelet.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from aiohttp import web

from merlin.db import endpoints, model_endpoints, models, projects, versions
from merlin.db.actor import Actor
from merlin.db.environments import config_of, sync_environments
from merlin.db.tables import Environment, Model, ModelEndpoint, Project, Revision, Version, VersionEndpoint
from merlin.domain.environment import EnvironmentConfig, parse_environments
from merlin.domain.lifecycle import Cause
from merlin.domain.revision import RevisionSpec
from merlin.domain.traffic import TrafficRule
from merlin.errors import Conflict
from merlin.kube import names
from merlin.kube.client import Cluster
from merlin.kube.kinds import DEPLOYMENT, HTTP_ROUTE, INFERENCE_SERVICE, NAMESPACE, POD, SERVICE, Kind, Manifest

ALICE = Actor("alice", is_administrator=False)
Found = TypeVar("Found")


async def until(claim: Callable[[], Awaitable[Found | None]], what: str, seconds: float = 20) -> Found:
    """What the claim answers once it is true; asked again and again, yielding between."""
    deadline = time.monotonic() + seconds
    last: object = None
    while time.monotonic() < deadline:
        last = answer = await claim()
        if answer:
            return answer
        await asyncio.sleep(0.01)
    raise AssertionError(f"{what} did not hold within {seconds} s; last: {last!r}")


@dataclass
class Gateway:
    """Answers every ready question with these headers, or (``None``) with 503; counts the questions."""

    headers: dict[str, str] | None = None
    asked: int = 0
    url: str = ""
    runner: web.AppRunner | None = field(default=None, repr=False)

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/{path:.*}", self._answer)
        self.runner = web.AppRunner(app)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self.runner.addresses[0][1]}"

    async def stop(self) -> None:
        if self.runner is not None:
            await self.runner.cleanup()

    async def _answer(self, _: web.Request) -> web.Response:
        self.asked += 1
        return web.Response(status=503) if self.headers is None else web.Response(headers=self.headers)


@dataclass
class Play:
    """One project with one model in one environment; see the module."""

    cluster: Cluster
    environment: Environment
    project: Project
    model: Model
    version: Version
    gateway: Gateway

    @classmethod
    @contextlib.asynccontextmanager
    async def opened(
        cls, kubeconfig: Path, cluster: Cluster, *, project: str, gateway_url: str = ""
    ) -> AsyncIterator[Play]:
        """With a ``gateway_url`` the gateway there is used, and nobody plays one."""
        gateway = Gateway(url=gateway_url)
        if not gateway_url:
            await gateway.start()
        entry = {
            "name": "local",
            "cluster": {"name": "local", "kubeconfig": str(kubeconfig)},
            "gateway": {"namespace": "merlin-system", "name": "merlin", "url": gateway.url},
            "drain_seconds": 1,
        }
        environment = (await sync_environments(parse_environments([entry])))[0]
        made = await projects.create_project(ALICE, name=project)
        model = await models.create_model(ALICE, project_id=made.id, name="iris")
        try:
            yield cls(cluster, environment, made, model, await _version(model), gateway)
        finally:
            await cluster.delete(NAMESPACE, None, project)
            await gateway.stop()

    @property
    def config(self) -> EnvironmentConfig:
        return config_of(self.environment)

    @property
    def namespace(self) -> str:
        return self.project.name

    # Wishes

    async def another_version(self, storage_uri: str = "file:///m") -> Version:
        return await _version(self.model, storage_uri)

    async def deploy(
        self, spec: RevisionSpec | None = None, *, version: Version | None = None, rollback_to: int | None = None
    ) -> tuple[VersionEndpoint, Revision]:
        version = version or self.version
        rollback: dict[str, Any] = {"cause": Cause.ROLLBACK, "rollback_to": rollback_to} if rollback_to else {}
        return await endpoints.request_deployment(
            ALICE,
            version_id=version.id,
            environment_id=self.environment.id,
            spec=None if rollback_to else spec or self.config.defaults,
            namespace=self.namespace,
            service_name=names.service(self.model.name, version.number),
            url=self.config.version_url(self.project.name, self.model.name, version.number),
            workload_of=lambda n: names.inference_service(self.model.name, version.number, n, self.namespace),
            **rollback,
        )

    async def undeploy(self, endpoint_id: UUID) -> VersionEndpoint:
        return await endpoints.request_undeploy(ALICE, endpoint_id=endpoint_id)

    async def serve(self, endpoint_id: UUID | None) -> ModelEndpoint:
        return await model_endpoints.request_traffic(
            ALICE,
            model_id=self.model.id,
            environment_id=self.environment.id,
            rule=TrafficRule.all_to(endpoint_id) if endpoint_id else None,
            namespace=self.namespace,
            url=self.config.model_url(self.project.name, self.model.name),
        )

    # What the cluster holds

    async def get(self, kind: Kind, name: str) -> Manifest | None:
        return await self.cluster.get(kind, self.namespace, name)

    async def there(self, kind: Kind, name: str) -> Manifest:
        return await until(lambda: self.get(kind, name), f"{kind.kind} {name}")

    async def selected(self, version: int = 1) -> str | None:
        service = await self.get(SERVICE, names.service(self.model.name, version))
        return names.inference_service_of(service["spec"]["selector"]["app"]) if service else None

    async def counts(self) -> dict[str, int]:
        kinds = (INFERENCE_SERVICE, SERVICE, HTTP_ROUTE)
        return {kind.kind: len((await self.cluster.list_all(kind, self.namespace)).items) for kind in kinds}

    # Who else acts there

    async def roll_out(self, service_name: str, *, ready: bool = True) -> None:
        """KServe and the kubelet: the Deployment of an InferenceService, all of its pods ready or none."""
        service = await self.there(INFERENCE_SERVICE, service_name)
        predictor = service["spec"]["predictor"]
        labels = {"app": names.predictor_app(service_name), **predictor["labels"]}
        replicas = int(predictor["minReplicas"])
        template = {
            "metadata": {"labels": labels, "annotations": predictor["annotations"]},
            "spec": {"containers": [{"name": "kserve-container", "image": "none"}]},
        }
        selector = {"matchLabels": {"app": labels["app"]}}
        deployment = await self.cluster.apply(
            self._object(
                DEPLOYMENT,
                names.predictor(service_name),
                labels,
                spec={"replicas": replicas, "selector": selector, "template": template},
            )
        )
        count = replicas if ready else 0
        status = {
            "observedGeneration": deployment["metadata"]["generation"],
            "replicas": replicas,
            "updatedReplicas": replicas,
            "availableReplicas": count,
            "readyReplicas": count,
        }
        await self.status(DEPLOYMENT, names.predictor(service_name), status)

    async def crash(self, service_name: str, message: str) -> None:
        """The kubelet: a pod whose container ended with 1 and said this."""
        service = await self.there(INFERENCE_SERVICE, service_name)
        predictor = service["spec"]["predictor"]
        name = f"{names.predictor(service_name)}-1"
        pod = self._object(
            POD,
            name,
            {"app": names.predictor_app(service_name), **predictor["labels"]},
            spec={"containers": [{"name": "kserve-container", "image": "none"}]},
        )
        pod["metadata"]["annotations"] = predictor["annotations"]
        await self._account()
        await self.cluster.apply(pod)
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        ended = {"exitCode": 1, "reason": "Error", "message": message, "finishedAt": now, "startedAt": now}
        container = {
            "name": "kserve-container",
            "image": "none",
            "imageID": "",
            "ready": False,
            "restartCount": 1,
            "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}},
            "lastState": {"terminated": ended},
        }
        await self.status(POD, name, {"phase": "Running", "containerStatuses": [container]})

    async def accept_route(self, name: str) -> None:
        """The gateway: a route accepted as it stands now."""
        route = await self.there(HTTP_ROUTE, name)
        now = "2026-01-01T00:00:00Z"
        conditions = [
            {
                "type": kind,
                "status": "True",
                "reason": kind,
                "message": "",
                "observedGeneration": route["metadata"]["generation"],
                "lastTransitionTime": now,
            }
            for kind in ("Accepted", "ResolvedRefs")
        ]
        parent = {**route["spec"]["parentRefs"][0], "namespace": "merlin-system"}
        seen = {"parentRef": parent, "controllerName": "test/played", "conditions": conditions}
        await self.status(HTTP_ROUTE, name, {"parents": [seen]})

    async def answer(self, *, version: int = 1, revision: int) -> None:
        """The gateway leads to the pods of this revision."""
        self.gateway.headers = {
            "merlin-model": self.model.name,
            "merlin-version": str(version),
            "merlin-revision": str(revision),
        }

    async def bring_up(self, endpoint: VersionEndpoint, revision: Revision) -> VersionEndpoint:
        """Everybody does their part until the revision is active."""
        version = await Version.get(id=endpoint.version_id)
        await self.roll_out(revision.service_name)
        await self.accept_route(names.version_route(self.model.name, version.number))
        await self.answer(version=version.number, revision=revision.workload_revision)
        return await self.active(endpoint.id, revision.number)

    async def active(self, endpoint_id: UUID, number: int) -> VersionEndpoint:
        async def claim() -> VersionEndpoint | None:
            found = await VersionEndpoint.get(id=endpoint_id)
            return found if found.active_revision == number and not found.progressing else None

        return await until(claim, f"revision {number} is active")

    async def remove(self, service_name: str) -> None:
        """Garbage collection: what the InferenceService owned."""
        await self.cluster.delete(DEPLOYMENT, self.namespace, names.predictor(service_name))
        await self.cluster.delete(POD, self.namespace, f"{names.predictor(service_name)}-1")

    async def status(self, kind: Kind, name: str, status: dict[str, Any]) -> None:
        """Write a status subresource."""
        await self.cluster._request(
            "PATCH",
            kind.path(self.namespace, name) + "/status",
            body={"status": status},
            content_type="application/merge-patch+json",
        )

    async def _account(self) -> None:
        """The account that a real API server wants to see before it takes a pod."""
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
        with contextlib.suppress(Conflict):
            await self.cluster._request("POST", f"/api/v1/namespaces/{self.namespace}/serviceaccounts", body=account)

    def _object(self, kind: Kind, name: str, labels: dict[str, str], *, spec: dict[str, Any]) -> Manifest:
        metadata = {"name": name, "namespace": self.namespace, "labels": labels}
        return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, "spec": spec}


async def _version(model: Model, storage_uri: str = "file:///m") -> Version:
    version = await versions.create_version(ALICE, model_id=model.id)
    return await versions.finish_version(ALICE, version.id, artifact_uri="a:/m", storage_uri=storage_uri)
