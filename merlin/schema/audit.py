"""The audit of a project."""

from __future__ import annotations

from datetime import datetime

import strawberry

from merlin.db.records import AuditRecord
from merlin.schema.ids import global_id
from merlin.schema.public_data import public_data
from merlin.schema.scalars import JSON
from merlin.schema.view import made_by, shown, view


@view(of=AuditRecord)
class AuditEntry:
    """Who did what to what; values of variables and secrets are masked."""

    id: strawberry.ID = made_by(lambda entry: global_id("AuditEntry", entry.id), "Its id.")
    at: datetime = shown("When it was done.")
    actor: str = shown("Who did it.")
    action: str = shown("What was done: project.updated, deployment.rollback, …")
    subject_type: str = shown("The type of what it was done to.")
    subject: strawberry.ID = made_by(
        lambda entry: global_id(entry.subject_type, entry.subject_id), "What it was done to."
    )
    before: JSON | None = made_by(lambda entry: public_data(entry.before), "What it was before.")
    after: JSON | None = made_by(lambda entry: public_data(entry.after), "What it was after.")
    request_id: str = shown("The request that did it; the API's log has it too.")
