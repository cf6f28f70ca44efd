"""Environments."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import strawberry

from merlin.db.records import EnvironmentRecord
from merlin.domain import limits
from merlin.domain.quantity import format_cpu, format_memory
from merlin.resolvers import endpoints as endpoint_reads
from merlin.resolvers import environments as environment_reads
from merlin.schema.connection import Connection, connection
from merlin.schema.event import EventPage, timeline
from merlin.schema.filters import (
    ModelEndpointFilter,
    ModelEndpointOrder,
    VersionEndpointFilter,
    VersionEndpointOrder,
)
from merlin.schema.model_endpoint import ModelEndpoint
from merlin.schema.spec import RevisionSpec
from merlin.schema.version_endpoint import VersionEndpoint
from merlin.schema.view import Node, made_by, node_id, resolved_by, shown, view


@dataclass(frozen=True, slots=True)
class RuntimeEntry:
    """A serving runtime that an environment offers."""

    name: str
    formats: tuple[str, ...]


@view(of=RuntimeEntry)
class Runtime:
    """A serving runtime that revisions may ask for."""

    name: str = shown("Its name.")
    formats: list[str] = shown("The model formats it serves.")


def _cpu(limit: limits.EnvironmentLimits) -> str | None:
    return None if limit.max_cpu_millicores is None else format_cpu(limit.max_cpu_millicores)


def _memory(limit: limits.EnvironmentLimits) -> str | None:
    return None if limit.max_memory_bytes is None else format_memory(limit.max_memory_bytes)


@view(of=limits.EnvironmentLimits)
class EnvironmentLimits:
    """What may be asked for at most; null = no limit."""

    max_cpu: str | None = made_by(_cpu, "CPU of a pod.")
    max_memory: str | None = made_by(_memory, "Memory of a pod.")
    max_replicas: int | None = shown("Pods of a version endpoint.")
    max_deployed_versions_per_model: int | None = shown("Versions of a model that are deployed at once.")


def _runtimes(environment: EnvironmentRecord) -> list[RuntimeEntry]:
    return [RuntimeEntry(name, formats) for name, formats in environment.config.runtimes.items()]


@view(of=EnvironmentRecord)
class Environment(Node):
    """A named place to deploy to: a Kubernetes cluster with its gateway, defaults and limits."""

    id: strawberry.ID = node_id("Environment")
    name: str = shown("Its name.")
    is_default: bool = shown("Whether it is meant where none is named.")
    detached: bool = shown("Whether it is gone from the configuration while in use: no new deploys.")
    cluster: str = shown("The name of its cluster.")
    namespace_template: str = shown("How a project's namespace is called there.")
    gateway_url: str = made_by(lambda e: e.config.gateway.url, "The address that endpoints answer under.")
    url_style: str = made_by(lambda e: e.config.url_style.value, "How endpoints are told apart: by path, or by host.")
    reachable: bool | None = made_by(
        lambda e: e.health.get("reachable"), "Whether the cluster answered last; null before the first look."
    )
    health_message: str = made_by(lambda e: e.health.get("message", ""), "What it answered, or why it did not.")
    health_at: datetime | None = made_by(environment_reads.health_at, "Since when that is so.")
    runtimes: list[Runtime] = made_by(_runtimes, "The serving runtimes it offers.")
    defaults: RevisionSpec = resolved_by(environment_reads.defaults_of, "What a deploy gets where it says nothing.")
    limits: EnvironmentLimits = made_by(lambda e: e.config.limits, "What may be asked for at most.")
    version_endpoints: Connection[VersionEndpoint] = connection(
        endpoint_reads.version_endpoints_in,
        "Version endpoints there, of the caller's projects.",
        filter=VersionEndpointFilter,
        order=VersionEndpointOrder,
    )
    model_endpoints: Connection[ModelEndpoint] = connection(
        endpoint_reads.model_endpoints_in,
        "Model endpoints there, of the caller's projects.",
        filter=ModelEndpointFilter,
        order=ModelEndpointOrder,
    )
    events: EventPage = timeline()
