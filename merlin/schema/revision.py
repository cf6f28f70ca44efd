"""Revisions."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

from merlin.db.records import RevisionRecord
from merlin.resolvers import endpoints as endpoint_reads
from merlin.schema.difference import FieldChange, changes_from
from merlin.schema.enums import Cause, RevisionStatus
from merlin.schema.parts import Failure
from merlin.schema.spec import RevisionSpec
from merlin.schema.view import Node, node_id, resolved_by, shown, view

if TYPE_CHECKING:
    from merlin.schema.version_endpoint import VersionEndpoint

LazyVersionEndpoint = Annotated["VersionEndpoint", strawberry.lazy("merlin.schema.version_endpoint")]


@view(of=RevisionRecord)
class Revision(Node):
    """An immutable snapshot of one requested configuration of a version endpoint."""

    id: strawberry.ID = node_id("Revision")
    number: int = shown("1, 2, 3 … within its endpoint.")
    status: RevisionStatus = shown("Where it stands.")
    cause: Cause = shown("Why it was made.")
    rollback_to: int | None = shown("For a rollback: the number of the revision whose spec it has.")
    comment: str = shown("What was said when it was asked for.")
    spec: RevisionSpec = resolved_by(endpoint_reads.spec_of, "What it asks for.")
    changes_from: list[FieldChange] = changes_from()
    service_name: str = shown("Its InferenceService in the cluster.")
    workload_revision: int = shown("The revision its pods were made for: changes in place keep it.")
    failure: Failure | None = shown("Why it failed, if it did.")
    created_by: str = shown("Who asked for it.")
    created_at: datetime = shown("When it was accepted.")
    applied_at: datetime | None = shown("When its objects were in the cluster.")
    ready_at: datetime | None = shown("When its pods were ready.")
    active_at: datetime | None = shown("When it became active.")
    drain_until: datetime | None = shown("Until when it is kept after another became active.")
    finished_at: datetime | None = shown("When it ended.")
    version_endpoint: LazyVersionEndpoint = resolved_by(endpoint_reads.endpoint_of_revision, "The endpoint it is of.")
