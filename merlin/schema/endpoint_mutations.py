"""Mutations about endpoints: deploy, roll back, cancel, undeploy, serve, stop. They record a wish and return."""

from __future__ import annotations

import strawberry

from merlin.resolvers import deployments, traffic
from merlin.schema.context import Info
from merlin.schema.deployment_inputs import (
    CancelDeploymentInput,
    DeployVersionInput,
    RollbackVersionEndpointInput,
    ServeVersionInput,
    StopServingInput,
    UndeployVersionInput,
)
from merlin.schema.errors import Payload
from merlin.schema.ids import parse_id
from merlin.schema.model_endpoint import ModelEndpoint
from merlin.schema.mutation import as_shown, mutation
from merlin.schema.revision import Revision
from merlin.schema.version_endpoint import VersionEndpoint

_ENDPOINT = ("versionEndpointId",)


@strawberry.type(description="A deploy that was accepted.")
class DeployVersionPayload(Payload):
    """See the fields."""

    version_endpoint: VersionEndpoint | None = strawberry.field(default=None, description="The endpoint.")
    revision: Revision | None = strawberry.field(default=None, description="The revision that it is to run.")


@strawberry.type(description="A rollback that was accepted.")
class RollbackVersionEndpointPayload(Payload):
    """See the fields."""

    version_endpoint: VersionEndpoint | None = strawberry.field(default=None, description="The endpoint.")
    revision: Revision | None = strawberry.field(default=None, description="The new revision, like the earlier one.")


@strawberry.type(description="A deploy that was taken back.")
class CancelDeploymentPayload(Payload):
    """See the fields."""

    version_endpoint: VersionEndpoint | None = strawberry.field(default=None, description="The endpoint.")


@strawberry.type(description="An undeploy that was accepted.")
class UndeployVersionPayload(Payload):
    """See the fields."""

    version_endpoint: VersionEndpoint | None = strawberry.field(default=None, description="The endpoint.")


@strawberry.type(description="A traffic rule that was accepted.")
class ServeVersionPayload(Payload):
    """See the fields."""

    model_endpoint: ModelEndpoint | None = strawberry.field(default=None, description="The model endpoint.")


@strawberry.type(description="A stop that was accepted.")
class StopServingPayload(Payload):
    """See the fields."""

    model_endpoint: ModelEndpoint | None = strawberry.field(default=None, description="The model endpoint.")


@strawberry.type
class EndpointMutations:
    """A part of the root type Mutation."""

    @mutation
    async def deploy_version(self, info: Info, input: DeployVersionInput) -> DeployVersionPayload:
        """Deploy a version, or redeploy it with changes. Follow the rollout with the subscription `versionEndpoint`.

        What runs keeps running until the new revision is ready; if that fails, it runs on.
        """
        endpoint, revision = await deployments.deploy_version(
            info.context, input.as_deployment(), key=input.idempotency_key
        )
        return DeployVersionPayload(version_endpoint=as_shown(endpoint), revision=as_shown(revision))

    @mutation
    async def rollback_version_endpoint(
        self, info: Info, input: RollbackVersionEndpointInput
    ) -> RollbackVersionEndpointPayload:
        """Run as an earlier revision did: a new revision with its settings.

        It is judged by what the environment allows now.
        """
        endpoint, revision = await deployments.rollback_version_endpoint(
            info.context,
            parse_id(input.version_endpoint_id, "VersionEndpoint", path=_ENDPOINT),
            to_revision=input.to_revision,
            comment=input.comment or "",
            expected_generation=input.expected_generation,
            key=input.idempotency_key,
        )
        return RollbackVersionEndpointPayload(version_endpoint=as_shown(endpoint), revision=as_shown(revision))

    @mutation
    async def cancel_deployment(self, info: Info, input: CancelDeploymentInput) -> CancelDeploymentPayload:
        """Take back a deploy that is under way. What ran before goes on."""
        key = parse_id(input.version_endpoint_id, "VersionEndpoint", path=_ENDPOINT)
        endpoint = await deployments.cancel_deployment(
            info.context, key, expected_generation=input.expected_generation, key=input.idempotency_key
        )
        return CancelDeploymentPayload(version_endpoint=as_shown(endpoint))

    @mutation
    async def undeploy_version(self, info: Info, input: UndeployVersionInput) -> UndeployVersionPayload:
        """Remove a version from an environment. Refused while it serves traffic."""
        key = parse_id(input.version_endpoint_id, "VersionEndpoint", path=_ENDPOINT)
        endpoint = await deployments.undeploy_version(
            info.context, key, expected_generation=input.expected_generation, key=input.idempotency_key
        )
        return UndeployVersionPayload(version_endpoint=as_shown(endpoint))

    @mutation
    async def serve_version(self, info: Info, input: ServeVersionInput) -> ServeVersionPayload:
        """Send all traffic of a model to one of its running versions. The model's address stays the same for ever."""
        key = parse_id(input.version_endpoint_id, "VersionEndpoint", path=_ENDPOINT)
        endpoint = await traffic.serve_version(info.context, key, key=input.idempotency_key)
        return ServeVersionPayload(model_endpoint=as_shown(endpoint))

    @mutation
    async def stop_serving(self, info: Info, input: StopServingInput) -> StopServingPayload:
        """Stop serving a model in an environment: its address answers 404 until a version serves again."""
        key = parse_id(input.model_endpoint_id, "ModelEndpoint", path=("modelEndpointId",))
        endpoint = await traffic.stop_serving(info.context, key, key=input.idempotency_key)
        return StopServingPayload(model_endpoint=as_shown(endpoint))
