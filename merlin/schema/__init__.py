"""What the API says: types, inputs, errors, the SDL. `build_schema` puts it together; `print_sdl` prints it.

One arrow: schema > resolvers > db. Types point down by import and up by `strawberry.lazy`: project > model > version
> version endpoint > revision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

import strawberry
from strawberry.extensions import SchemaExtension
from strawberry.schema.config import StrawberryConfig

from merlin.schema.endpoint_mutations import EndpointMutations
from merlin.schema.environment import Environment
from merlin.schema.log_queries import LogQueries
from merlin.schema.model_mutations import ModelMutations
from merlin.schema.plan import PlanMutations
from merlin.schema.project_mutations import ProjectMutations
from merlin.schema.query import Queries
from merlin.schema.revision import Revision
from merlin.schema.scalars import SCALARS
from merlin.schema.subscription import Subscription
from merlin.schema.trial import TrialMutations
from merlin.schema.version_mutations import VersionMutations

__all__ = ["build_schema", "print_sdl"]


@strawberry.type(description="What can be asked.")
class Query(Queries, LogQueries):
    """Put together from its parts."""


@strawberry.type(
    description="What can be done: one field per act. Each that changes something takes an `idempotencyKey`, so it may "
    "be repeated."
)
class Mutation(ProjectMutations, ModelMutations, VersionMutations, EndpointMutations, TrialMutations, PlanMutations):
    """Put together from its parts."""


def build_schema(
    *, extensions: Iterable[type[SchemaExtension] | Callable[[], SchemaExtension]] = (), **options: Any
) -> strawberry.Schema:
    """The schema with these extensions; ``options`` go to `strawberry.Schema`."""
    return strawberry.Schema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        types=[Environment, Revision],
        extensions=extensions,
        config=StrawberryConfig(scalar_map=dict(SCALARS)),
        **options,
    )


@lru_cache(maxsize=1)
def print_sdl() -> str:
    """The schema as text, as schema.graphql in the root holds it."""
    return build_schema().as_str().rstrip("\n") + "\n"
