"""The caller, and this server."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from uuid import UUID

import strawberry

import merlin
from merlin.db.actor import Actor
from merlin.db.connection import borrowed, translated
from merlin.db.listing import MOST_PER_PAGE
from merlin.schema.context import Context
from merlin.schema.view import shown, view
from merlin.settings import Settings


@view(of=Actor)
class Me:
    """Who calls."""

    subject: str = shown("The name that the token stands for.")
    is_administrator: bool = shown("Whether it may do everything in every project.")


@strawberry.type(description="How much may be asked for at once.")
class ServerLimits:
    """See the fields."""

    max_depth: int = strawberry.field(description="Deepest nesting of an operation.")
    max_aliases: int = strawberry.field(description="Most aliases in an operation.")
    max_tokens: int = strawberry.field(description="Most tokens in a document.")
    max_cost: int = strawberry.field(description="Highest cost of an operation; see `extensions.cost` of answers.")
    max_body_bytes: int = strawberry.field(description="Largest request body.")
    max_page_size: int = strawberry.field(description="Most things on a page of a list.")


@strawberry.type(description="This server.")
class Server:
    """See the fields."""

    version: str = strawberry.field(description="Merlin's version.")
    mlflow_url: str = strawberry.field(description="MLflow, as notebooks reach it: models are logged there.")
    public_url: str = strawberry.field(description="This API, as users reach it.")
    installation_id: strawberry.ID = strawberry.field(description="What its objects in clusters are marked with.")
    schema_version: str = strawberry.field(description="Changes whenever this schema does.")
    limits: ServerLimits = strawberry.field(description="How much may be asked for at once.")


async def server(context: Context) -> Server:
    """What the server says of itself."""
    return Server(
        version=merlin.__version__,
        mlflow_url=context.mlflow_url,
        public_url=context.public_url,
        installation_id=strawberry.ID(str(await _installation())),
        schema_version=_schema_version(),
        limits=_limits(context.settings),
    )


def _limits(settings: Settings) -> ServerLimits:
    return ServerLimits(
        max_depth=settings.max_depth,
        max_aliases=settings.max_aliases,
        max_tokens=settings.max_tokens,
        max_cost=settings.max_cost,
        max_body_bytes=settings.max_body_bytes,
        max_page_size=MOST_PER_PAGE,
    )


@lru_cache(maxsize=1)
def _schema_version() -> str:
    from merlin.schema import print_sdl  # the schema holds this type

    return hashlib.sha256(print_sdl().encode()).hexdigest()[:12]


async def _installation() -> UUID:
    async with borrowed() as connection:
        with translated():
            found: UUID = await connection.fetchval("SELECT id FROM installation")
    return found
