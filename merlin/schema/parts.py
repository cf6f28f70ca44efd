"""Small types that several nouns are made of."""

from __future__ import annotations

from datetime import datetime

import strawberry

from merlin.db.records import MemberRecord, SecretRecord
from merlin.domain import failure as domain
from merlin.resolvers.versions import MetricValue, Pair
from merlin.schema.enums import Role
from merlin.schema.scalars import JSON
from merlin.schema.view import made_by, shown, view


@view(of=Pair)
class KeyValue:
    """A key with its text."""

    key: str = shown("The key.")
    value: str = shown("Its text.")


@strawberry.input(description="A key with its text.")
class KeyValueInput:
    """See the fields."""

    key: str = strawberry.field(description="The key.")
    value: str = strawberry.field(description="Its text.")


@view(of=MetricValue)
class Metric:
    """The latest value of a metric."""

    key: str = shown("The metric's name.")
    value: float | None = shown("The value; null when it is no finite number (see `text`).")
    text: str = shown("The value as text: 0.93, nan, inf.")
    step: int = shown("The step it was logged at.")
    at: datetime | None = shown("When it was logged.")


@view(of=domain.Failure)
class Failure:
    """Why something failed: a named root cause, what was seen, and what to do."""

    code: str = made_by(lambda failure: failure.code.value, "The root cause; docs/errors.md lists them.")
    message: str = shown("What happened.")
    fix: str = shown("What to do about it.")
    evidence: JSON = shown("What was seen: pod, container, exit_code, log_tail (a list of lines), event.")


@view(of=MemberRecord)
class Member:
    """A subject and what it may do in a project."""

    subject: str = shown("Who: a person or a program.")
    role: Role = shown("What it may do.")


@view(of=SecretRecord)
class Secret:
    """A secret by its name; the value is never shown."""

    name: str = shown("What revisions refer to it by.")
    updated_by: str = shown("Who set it last.")
    updated_at: datetime = shown("When that was.")
