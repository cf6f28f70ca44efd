"""Trying an endpoint: a V2 request through its gateway. It changes nothing, so it takes no key and leaves no audit."""

from __future__ import annotations

import strawberry

from merlin.resolvers import trials
from merlin.schema.context import Info
from merlin.schema.errors import Payload
from merlin.schema.ids import parse_id
from merlin.schema.mutation import as_shown, mutation
from merlin.schema.scalars import JSON
from merlin.schema.view import shown, view

_REQUEST = "A V2 request: `{inputs: [{name, shape, datatype, data}]}`. See `Version.exampleRequest`."


@view(of=trials.Trial)
class Trial:
    """What an endpoint answered."""

    url: str = shown("Where the request was sent.")
    status: int = shown("The HTTP status; 200 is a prediction, 400 says what is wrong with the request.")
    latency_ms: float = shown("Milliseconds from sending the request to the whole answer, by the API's clock.")
    answer: JSON | None = shown("The answer; null when it is no JSON.")
    text: str | None = shown("The first 2,000 characters of an answer that is no JSON.")
    model: str | None = shown("The model that answered, if its runtime says so.")
    version: int | None = shown("The number of the version that answered, if its runtime says so.")
    revision: int | None = shown("The revision whose pods answered, if their runtime says so.")


@strawberry.input(description="Which version endpoint to call, and with what.")
class TryVersionEndpointInput:
    """See the fields."""

    version_endpoint_id: strawberry.ID = strawberry.field(description="The endpoint; it must run.")
    request: JSON = strawberry.field(description=_REQUEST)


@strawberry.input(description="Which model endpoint to call, and with what.")
class TryModelEndpointInput:
    """See the fields."""

    model_endpoint_id: strawberry.ID = strawberry.field(description="The endpoint; a version must serve it.")
    request: JSON = strawberry.field(description=_REQUEST)


@strawberry.type(description="A call of a version endpoint.")
class TryVersionEndpointPayload(Payload):
    """See the fields."""

    trial: Trial | None = strawberry.field(default=None, description="What it answered, whatever the status.")


@strawberry.type(description="A call of a model endpoint.")
class TryModelEndpointPayload(Payload):
    """See the fields."""

    trial: Trial | None = strawberry.field(default=None, description="What it answered, whatever the status.")


@strawberry.type
class TrialMutations:
    """A part of the root type Mutation."""

    @mutation
    async def try_version_endpoint(self, info: Info, input: TryVersionEndpointInput) -> TryVersionEndpointPayload:
        """Send one request to a version endpoint through its gateway and show the answer; for readers, too.

        Changes nothing, so it takes no key. At most 1 MB each way and 20 seconds.
        """
        key = parse_id(input.version_endpoint_id, "VersionEndpoint", path=("versionEndpointId",))
        trial = await trials.try_version_endpoint(info.context, key, input.request)
        return TryVersionEndpointPayload(trial=as_shown(trial))

    @mutation
    async def try_model_endpoint(self, info: Info, input: TryModelEndpointInput) -> TryModelEndpointPayload:
        """Send one request to a model endpoint through its gateway and show the answer; for readers, too.

        Changes nothing, so it takes no key. At most 1 MB each way and 20 seconds.
        """
        key = parse_id(input.model_endpoint_id, "ModelEndpoint", path=("modelEndpointId",))
        trial = await trials.try_model_endpoint(info.context, key, input.request)
        return TryModelEndpointPayload(trial=as_shown(trial))
