"""Fields that differ: of two revisions, or of an object in a cluster and what a deploy would make of it."""

from __future__ import annotations

from typing import Annotated, Any

import strawberry

from merlin.domain import difference as domain
from merlin.resolvers import differences
from merlin.schema.context import Info
from merlin.schema.scalars import JSON
from merlin.schema.view import shown, typed, view

Other = Annotated[
    int | None, strawberry.argument(description="The revision to compare with; the one before if it is not said.")
]


@view(of=domain.FieldChange)
class FieldChange:
    """A field that differs."""

    path: str = shown("Where it stands: `resources.cpuRequest`, `spec.ports[http].port`.")
    before: JSON | None = shown("What it was; null where it was not there, `***` where it is not shown.")
    after: JSON | None = shown("What it is then; null where it is not there, `***` where it is not shown.")


async def _changes_from(root: Any, info: Info, number: Other = None) -> Any:
    return await differences.changes_from(root, info.context, number)


def changes_from() -> Any:
    """The field `changesFrom` of a revision."""
    return strawberry.field(
        resolver=typed(_changes_from, root=Any, info=Info, number=Other),
        description="What it asks for otherwise than another revision; values of variables for editors only.",
    )
