"""How two revisions of an endpoint differ, in the words of the API."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from typing import Any

from merlin.db.records import RevisionRecord
from merlin.domain.difference import FieldChange, differences, masked_where
from merlin.domain.lifecycle import Role
from merlin.domain.revision import RevisionSpec
from merlin.errors import NotFound
from merlin.resolvers.context import Context


async def changes_from(revision: RevisionRecord, context: Context, number: int | None) -> tuple[FieldChange, ...]:
    """What this revision changed against another one of its endpoint, the one before if none is named.

    The first revision changed nothing. Values of variables are `***` for who may not edit. Raises NotFound.
    """
    if number is None and revision.number == 1:
        return ()
    wanted = revision.number - 1 if number is None else number
    other = await context.load.revision_by_number((revision.endpoint_id, wanted)) if 0 < wanted < 2**31 else None
    if other is None:
        raise NotFound(f"There is no revision {wanted}.", path=("number",), hint="Its history tells which there are.")
    role = await context.role(revision.project_id)
    found = differences(document_of(other.spec), document_of(revision.spec))
    return found if role is not None and role.includes(Role.EDITOR) else masked_where(found, "variables")


def document_of(spec: RevisionSpec) -> dict[str, Any]:
    """A spec under the API's names; variables and secrets by the variable that holds them."""
    stored = spec.as_json()
    stored["variables"] = {variable.name: variable.value for variable in spec.variables}
    stored["secrets"] = {reference.variable: reference.secret for reference in spec.secrets}
    kept = {name: stored.pop(name) for name in ("variables", "secrets")}
    return {**_shown(stored), **kept}


def _shown(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {_camel(key): _shown(part) for key, part in value.items()}
    return value.name if isinstance(value, Enum) else value


def _camel(name: str) -> str:
    return re.sub(r"_([a-z])", lambda found: found[1].upper(), name)
