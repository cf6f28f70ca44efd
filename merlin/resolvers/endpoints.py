"""Version endpoints, revisions and model endpoints as they are read."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from merlin.db.listing import Condition, ListRequest, Sort, Window
from merlin.db.read_endpoints import (
    IN_ENVIRONMENT,
    MODEL_ENDPOINTS,
    OF_ENDPOINT,
    OF_VERSION,
    REVISIONS,
    TRAFFIC_IN_ENVIRONMENT,
    TRAFFIC_OF_MODEL,
    VERSION_ENDPOINTS,
    ModelEndpointFilter,
    ModelEndpointOrderField,
    RevisionFilter,
    RevisionOrderField,
    VersionEndpointFilter,
    VersionEndpointOrderField,
    model_endpoint_conditions,
    revision_conditions,
    version_endpoint_conditions,
)
from merlin.db.records import (
    EnvironmentRecord,
    ModelEndpointRecord,
    ModelRecord,
    RevisionRecord,
    VersionEndpointRecord,
    VersionRecord,
)
from merlin.domain.lifecycle import Lifecycle, Role
from merlin.domain.observation import PodSeen
from merlin.domain.revision import RevisionSpec
from merlin.domain.traffic import TrafficRule
from merlin.errors import Unavailable
from merlin.resolvers.context import Context
from merlin.resolvers.lists import Listed, list_all, list_of

POD_SECONDS = 5.0
_OLDEST = (VersionEndpointOrderField.CREATED_AT.value,)
_OLDEST_TRAFFIC = (ModelEndpointOrderField.CREATED_AT.value,)
_NEWEST_REVISION = (replace(RevisionOrderField.NUMBER.value, descending=True),)


@dataclass(frozen=True, slots=True)
class ShownVariable:
    """An environment variable; ``value`` is ``None`` for who may not see it."""

    name: str
    value: str | None


@dataclass(frozen=True, slots=True)
class Share:
    """A version endpoint's part of a model endpoint's traffic, in percent."""

    weight: int
    version_endpoint: VersionEndpointRecord


async def version_endpoints(
    _root: Any, context: Context, wanted: VersionEndpointFilter | None, order: tuple[Sort, ...], window: Window
) -> Listed:
    """All that the caller may see."""
    seen = replace(wanted or VersionEndpointFilter(), visible=await context.visible())
    return await list_all(VERSION_ENDPOINTS, version_endpoint_conditions(seen), order or _OLDEST, window)


async def endpoints_of_version(
    version: VersionRecord,
    context: Context,
    wanted: VersionEndpointFilter | None,
    order: tuple[Sort, ...],
    window: Window,
) -> Listed:
    """A version's, one per environment."""
    conditions = version_endpoint_conditions(wanted or VersionEndpointFilter())
    return await list_of(context, VERSION_ENDPOINTS, (OF_VERSION, version.id), conditions, order or _OLDEST, window)


async def version_endpoints_in(
    environment: EnvironmentRecord,
    context: Context,
    wanted: VersionEndpointFilter | None,
    order: tuple[Sort, ...],
    window: Window,
) -> Listed:
    """An environment's, of the caller's projects."""
    seen = replace(wanted or VersionEndpointFilter(), visible=await context.visible())
    parent = (IN_ENVIRONMENT, environment.id)
    return await list_of(
        context, VERSION_ENDPOINTS, parent, version_endpoint_conditions(seen), order or _OLDEST, window
    )


async def model_endpoints_in(
    environment: EnvironmentRecord,
    context: Context,
    wanted: ModelEndpointFilter | None,
    order: tuple[Sort, ...],
    window: Window,
) -> Listed:
    """An environment's, of the caller's projects."""
    seen = replace(wanted or ModelEndpointFilter(), visible=await context.visible())
    parent = (TRAFFIC_IN_ENVIRONMENT, environment.id)
    conditions = model_endpoint_conditions(seen)
    return await list_of(context, MODEL_ENDPOINTS, parent, conditions, order or _OLDEST_TRAFFIC, window)


async def endpoints_of_model(
    model: ModelRecord,
    context: Context,
    wanted: ModelEndpointFilter | None,
    order: tuple[Sort, ...],
    window: Window,
) -> Listed:
    """A model's, one per environment."""
    conditions = model_endpoint_conditions(wanted or ModelEndpointFilter())
    parent = (TRAFFIC_OF_MODEL, model.id)
    return await list_of(context, MODEL_ENDPOINTS, parent, conditions, order or _OLDEST_TRAFFIC, window)


async def endpoint_of_version(
    version: VersionRecord, context: Context, environment: str | None
) -> VersionEndpointRecord | None:
    """The version's endpoint in an environment, the default one if none is named."""
    request = ListRequest((_environment(environment),), (), Window(first=1))
    return await context.load.first(VERSION_ENDPOINTS, OF_VERSION, version.id, request)


async def endpoint_of_model(
    model: ModelRecord, context: Context, environment: str | None
) -> ModelEndpointRecord | None:
    """The model's endpoint in an environment, the default one if none is named."""
    request = ListRequest((_environment(environment),), (), Window(first=1))
    return await context.load.first(MODEL_ENDPOINTS, TRAFFIC_OF_MODEL, model.id, request)


async def revisions_of(
    endpoint: VersionEndpointRecord,
    context: Context,
    wanted: RevisionFilter | None,
    order: tuple[Sort, ...],
    window: Window,
) -> Listed:
    """An endpoint's revisions, the newest first."""
    conditions = revision_conditions(wanted or RevisionFilter())
    return await list_of(context, REVISIONS, (OF_ENDPOINT, endpoint.id), conditions, order or _NEWEST_REVISION, window)


async def revision_of(endpoint: VersionEndpointRecord, context: Context, number: int | None) -> RevisionRecord | None:
    """The endpoint's revision of that number."""
    return None if number is None else await context.load.revision_by_number((endpoint.id, number))


async def target_revision(endpoint: VersionEndpointRecord, context: Context) -> RevisionRecord | None:
    """The revision that is to be active."""
    return await revision_of(endpoint, context, endpoint.target_revision)


async def active_revision(endpoint: VersionEndpointRecord, context: Context) -> RevisionRecord | None:
    """The revision that is active."""
    return await revision_of(endpoint, context, endpoint.active_revision)


async def version_of(endpoint: VersionEndpointRecord, context: Context) -> VersionRecord | None:
    """The version behind an endpoint."""
    return await context.load.version(endpoint.version_id)


async def model_of(endpoint: ModelEndpointRecord, context: Context) -> ModelRecord | None:
    """The model behind an endpoint."""
    return await context.load.model(endpoint.model_id)


async def environment_of(
    endpoint: VersionEndpointRecord | ModelEndpointRecord, context: Context
) -> EnvironmentRecord | None:
    """Where the endpoint is."""
    return await context.load.environment(endpoint.environment_id)


async def endpoint_of_revision(revision: RevisionRecord, context: Context) -> VersionEndpointRecord | None:
    """The endpoint that a revision is of."""
    return await context.load.version_endpoint(revision.endpoint_id)


async def spec_of(revision: RevisionRecord, context: Context) -> RevisionSpec:
    """The spec; values of variables only for who may edit the project."""
    role = await context.role(revision.project_id)
    return shown_spec(revision.spec, may_see_values=role is not None and role.includes(Role.EDITOR))


def shown_spec(spec: RevisionSpec, *, may_see_values: bool) -> RevisionSpec:
    """The spec with its variables as a caller may see them."""
    variables: Any = tuple(ShownVariable(v.name, v.value if may_see_values else None) for v in spec.variables)
    return replace(spec, variables=variables)


async def traffic(endpoint: ModelEndpointRecord, context: Context) -> list[Share]:
    """The rule that the gateway was seen to follow."""
    return await _shares(endpoint.observed_rule, context)


async def desired_traffic(endpoint: ModelEndpointRecord, context: Context) -> list[Share]:
    """The rule that is wished."""
    return await _shares(endpoint.desired_rule, context)


async def serving_version(endpoint: ModelEndpointRecord, context: Context) -> VersionRecord | None:
    """The version that gets the most of the observed traffic."""
    rule = endpoint.observed_rule
    if rule is None:
        return None
    heaviest = max(rule.destinations, key=lambda destination: destination.weight)
    found = await context.load.version_endpoint(heaviest.version_endpoint_id)
    return await context.load.version(found.version_id) if found else None


async def pods_of(endpoint: VersionEndpointRecord, context: Context) -> Sequence[PodSeen]:
    """The endpoint's pods, asked of its cluster now. Raises Unavailable (CLUSTER_UNREACHABLE) in 5 s at the latest."""
    if endpoint.lifecycle is Lifecycle.TERMINATED and endpoint.settled:
        return []
    environment = await environment_of(endpoint, context)
    if environment is None:
        return []
    try:
        async with asyncio.timeout(POD_SECONDS):
            door = await context.clusters.of(environment.config)
            return await door.pods(endpoint.namespace, endpoint.id)
    except TimeoutError as error:
        raise Unavailable(
            f"The cluster of {environment.name} did not tell of pods in time.",
            code="CLUSTER_UNREACHABLE",
            hint="Try again; calls to the models do not depend on it.",
        ) from error


async def _shares(rule: TrafficRule | None, context: Context) -> list[Share]:
    if rule is None:
        return []
    found = await asyncio.gather(*(_share(d.version_endpoint_id, d.weight, context) for d in rule.destinations))
    return [share for share in found if share is not None]


async def _share(endpoint_id: UUID, weight: int, context: Context) -> Share | None:
    endpoint = await context.load.version_endpoint(endpoint_id)
    return Share(weight, endpoint) if endpoint else None


def _environment(name: str | None) -> Condition:
    return Condition("n.is_default") if name is None else Condition("n.name = ?", (name,))
