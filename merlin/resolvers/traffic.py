"""Who serves a model: all traffic to one version endpoint, or none. The gateway follows later; see `observed_rule`."""

from __future__ import annotations

from uuid import UUID

from merlin.db.actor import Actor
from merlin.db.model_endpoints import request_traffic
from merlin.db.records import ModelEndpointRecord
from merlin.domain.lifecycle import Role
from merlin.domain.traffic import TrafficRule
from merlin.errors import NotFound
from merlin.resolvers.context import Context
from merlin.resolvers.once import once_only
from merlin.resolvers.permissions import require

_AT_VERSION_ENDPOINT = ("versionEndpointId",)
_AT_MODEL_ENDPOINT = ("modelEndpointId",)


async def serve_version(context: Context, version_endpoint_id: UUID, *, key: str | None) -> ModelEndpointRecord:
    """Wish that all traffic of the model goes to this endpoint.

    Raises NotFound, PermissionDenied; NotAllowed (NOT_RUNNING, ENVIRONMENT_DETACHED).
    """
    endpoint = await context.load.version_endpoint(version_endpoint_id)
    project_id = endpoint.project_id if endpoint else None
    await require(context, project_id, Role.EDITOR, path=_AT_VERSION_ENDPOINT, what="version endpoint")
    if endpoint is None:
        raise NotFound("There is no such version endpoint.", path=_AT_VERSION_ENDPOINT)
    model = await context.load.model(endpoint.model_id)
    project = await context.load.project(endpoint.project_id)
    environment = await context.load.environment(endpoint.environment_id)
    if model is None or project is None or environment is None:
        raise NotFound("The version endpoint is being deleted.", path=_AT_VERSION_ENDPOINT)
    url = environment.config.model_url(project.name, model.name)

    async def act(actor: Actor) -> ModelEndpointRecord:
        wished = await request_traffic(
            actor,
            model_id=endpoint.model_id,
            environment_id=endpoint.environment_id,
            rule=TrafficRule.all_to(endpoint.id),
            namespace=endpoint.namespace,
            url=url,
        )
        return await _shown(context, wished.id)

    return await once_only(
        context,
        "serveVersion",
        {"endpoint": version_endpoint_id},
        key,
        act=act,
        recall=lambda answer: _shown(context, answer.subject_id),
    )


async def stop_serving(context: Context, model_endpoint_id: UUID, *, key: str | None) -> ModelEndpointRecord:
    """Wish that nothing serves there. Raises NotFound, PermissionDenied, NotAllowed (NOT_RUNNING)."""
    endpoint = await context.load.model_endpoint(model_endpoint_id)
    project_id = endpoint.project_id if endpoint else None
    await require(context, project_id, Role.EDITOR, path=_AT_MODEL_ENDPOINT, what="model endpoint")
    if endpoint is None:
        raise NotFound("There is no such model endpoint.", path=_AT_MODEL_ENDPOINT)

    async def act(actor: Actor) -> ModelEndpointRecord:
        await request_traffic(
            actor,
            model_id=endpoint.model_id,
            environment_id=endpoint.environment_id,
            rule=None,
            namespace=endpoint.namespace,
            url=endpoint.url,
        )
        return await _shown(context, endpoint.id)

    return await once_only(
        context,
        "stopServing",
        {"endpoint": model_endpoint_id},
        key,
        act=act,
        recall=lambda _: _shown(context, endpoint.id),
    )


async def _shown(context: Context, model_endpoint_id: UUID) -> ModelEndpointRecord:
    found = await context.load.model_endpoint(model_endpoint_id)
    if found is None:
        raise NotFound("The model endpoint is gone meanwhile.")
    return found
