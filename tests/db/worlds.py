"""Builders for tests of the database: a world with a project, models, versions, environments, ready to deploy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

from merlin.db import endpoints, environments, model_endpoints, models, projects, versions
from merlin.db.actor import Actor
from merlin.db.connection import borrowed
from merlin.db.tables import Environment, Model, ModelEndpoint, Project, Revision, Version, VersionEndpoint
from merlin.domain.environment import EnvironmentConfig, parse_environments
from merlin.domain.lifecycle import Cause, Lifecycle, ModelEndpointStatus, RevisionStatus
from merlin.domain.revision import RevisionSpec
from merlin.domain.settlement import Happening, RevisionMove, Settlement, TrafficSettlement
from merlin.domain.traffic import TrafficRule

ALICE = Actor("alice", is_administrator=False, request_id="request-1")
SPEC = parse_environments(
    [
        {
            "name": "x",
            "cluster": {"name": "x", "in_cluster": True},
            "gateway": {"namespace": "g", "name": "g", "url": "http://g"},
        }
    ]
)[0].defaults


def environment_entry(name: str = "local", **changes: Any) -> dict[str, Any]:
    """An entry of the environments' file."""
    return {
        "name": name,
        "cluster": {"name": name, "kubeconfig": "/kubeconfig"},
        "gateway": {"namespace": "merlin-system", "name": "merlin", "url": f"http://{name}:8081"},
        **changes,
    }


def configs(*entries: dict[str, Any]) -> list[EnvironmentConfig]:
    return parse_environments(entries or [environment_entry()])


async def an_environment(name: str = "local", **changes: Any) -> Environment:
    return (await environments.sync_environments(configs(environment_entry(name, **changes))))[0]


async def a_project(name: str = "fraud", actor: Actor = ALICE) -> Project:
    return await projects.create_project(actor, name=name)


async def a_model(name: str = "scorer", project: Project | None = None) -> Model:
    return await models.create_model(ALICE, project_id=(project or await a_project()).id, name=name)


async def a_version(model: Model | None = None, *, finished: bool = True) -> Version:
    version = await versions.create_version(ALICE, model_id=(model or await a_model()).id)
    if not finished:
        return version
    return await versions.finish_version(ALICE, version.id, artifact_uri="a:/m", storage_uri="file:///m")


class World:
    """One finished version and one environment; verbs with defaults for what tests do to them."""

    def __init__(self, model: Model, version: Version, environment: Environment) -> None:
        self.model = model
        self.version = version
        self.environment = environment

    @classmethod
    async def make(cls) -> World:
        environment = await an_environment()
        model = await a_model()
        return cls(model, await a_version(model), environment)

    async def sibling(self) -> World:
        """The same model with one more version."""
        return World(self.model, await a_version(self.model), self.environment)

    async def deploy(
        self, spec: Any = SPEC, *, actor: Actor = ALICE, **changes: Any
    ) -> tuple[VersionEndpoint, Revision]:
        prefix = f"{self.model.name}-{self.version.number}"
        arguments: dict[str, Any] = {
            "version_id": self.version.id,
            "environment_id": self.environment.id,
            "spec": spec,
            "namespace": "fraud",
            "service_name": prefix,
            "url": "http://gateway/fraud",
            "workload_of": lambda number: f"{prefix}-r{number}",
        }
        return await endpoints.request_deployment(actor, **{**arguments, **changes})

    async def rollback(self, to: int | None = None) -> tuple[VersionEndpoint, Revision]:
        return await self.deploy(None, cause=Cause.ROLLBACK, rollback_to=to)

    async def running(self, spec: RevisionSpec = SPEC, **changes: Any) -> VersionEndpoint:
        """Deployed and ready."""
        endpoint, revision = await self.deploy(spec, **changes)
        return await self.become_active(endpoint, revision)

    async def become_active(self, endpoint: VersionEndpoint, revision: Revision) -> VersionEndpoint:
        """Let the cluster bring it up: the revision ACTIVE, the one before DRAINING."""
        moves = [RevisionMove(revision.number, RevisionStatus.ACTIVE)]
        if endpoint.active_revision is not None:
            moves.append(RevisionMove(endpoint.active_revision, RevisionStatus.DRAINING))
        seen = a_settlement(revision.number, moves=tuple(moves))
        assert await endpoints.record_observation(None, endpoint.id, generation=endpoint.generation, settlement=seen)
        return await self.endpoint(endpoint.id)

    async def gone(self, endpoint: VersionEndpoint) -> VersionEndpoint:
        """Let the cluster have nothing of it left."""
        live = [r for r in await revisions(endpoint.id) if r.status in (RevisionStatus.ACTIVE, RevisionStatus.DRAINING)]
        seen = Settlement(
            Lifecycle.TERMINATED,
            progressing=False,
            healthy=False,
            settled=True,
            moves=tuple(RevisionMove(r.number, RevisionStatus.REMOVED) for r in live),
            happenings=(Happening("endpoint.terminated", "Gone."),),
        )
        assert await endpoints.record_observation(None, endpoint.id, generation=endpoint.generation, settlement=seen)
        return await self.endpoint(endpoint.id)

    async def serve(self, rule: TrafficRule | None) -> ModelEndpoint:
        return await model_endpoints.request_traffic(
            ALICE,
            model_id=self.model.id,
            environment_id=self.environment.id,
            rule=rule,
            namespace="fraud",
            url="http://gateway/fraud/scorer",
        )

    async def serving(self, rule: TrafficRule) -> ModelEndpoint:
        """Wished and done."""
        wished = await self.serve(rule)
        return await self.observe_traffic(wished, rule)

    async def observe_traffic(self, wished: ModelEndpoint, rule: TrafficRule | None) -> ModelEndpoint:
        status = ModelEndpointStatus.SERVING if rule else ModelEndpointStatus.STOPPED
        seen = TrafficSettlement(status, progressing=False, settled=True, observed_rule=rule)
        assert await model_endpoints.record_observed(None, wished.id, generation=wished.generation, settlement=seen)
        return await ModelEndpoint.get(id=wished.id)

    async def endpoint(self, endpoint_id: UUID) -> VersionEndpoint:
        return await VersionEndpoint.get(id=endpoint_id)


def a_settlement(revision: int, **changes: Any) -> Settlement:
    """A version endpoint that runs this revision and wants nothing more."""
    running = Settlement(
        Lifecycle.RUNNING,
        progressing=False,
        healthy=True,
        settled=True,
        target_revision=revision,
        active_revision=revision,
    )
    return replace(running, **changes)


async def revisions(endpoint_id: UUID) -> list[Revision]:
    return await Revision.filter(endpoint_id=endpoint_id).order_by("number")


async def statuses(endpoint_id: UUID) -> dict[int, str]:
    return {revision.number: revision.status.value for revision in await revisions(endpoint_id)}


async def fetch(sql: str, *arguments: Any) -> list[dict[str, Any]]:
    """Rows by SQL, to look behind the writers."""
    async with borrowed() as connection:
        return [dict(row) for row in await connection.fetch(sql, *arguments)]


async def count(table: str) -> int:
    rows = await fetch(f"SELECT count(*) AS n FROM {table}")
    return int(rows[0]["n"])


async def traces() -> dict[str, int]:
    """How much has been written beside the state."""
    return {table: await count(table) for table in ("event", "audit", "outbox", "revision", "idempotency_key")}
