"""The loads of one context: single things by id, and pages of lists by parent, each level in one statement."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID

from merlin.db.listing import (
    Condition,
    Listing,
    ListRequest,
    Page,
    count_of_parents,
    read_by_key,
    read_pages,
)
from merlin.db.read_endpoints import MODEL_ENDPOINTS, REVISIONS, VERSION_ENDPOINTS, revisions_by_number
from merlin.db.read_environments import ENVIRONMENTS
from merlin.db.read_models import MODELS, ModelSummary, summaries_of_models
from merlin.db.read_projects import PROJECTS, ProjectSummary, members_of, secrets_of, summaries_of
from merlin.db.read_versions import VERSIONS
from merlin.db.records import (
    EnvironmentRecord,
    MemberRecord,
    ModelEndpointRecord,
    ModelRecord,
    ProjectRecord,
    RevisionRecord,
    SecretRecord,
    VersionEndpointRecord,
    VersionRecord,
)
from merlin.resolvers.batch import Batch
from merlin.resolvers.runs import RunKey, RunReader
from merlin.tracking.client import RunData

Record = TypeVar("Record")
_PageKey = tuple[UUID, ListRequest]
_CountKey = tuple[UUID, tuple[Condition, ...]]


class Loaders:
    """Ask for one thing at a time; what is asked for together is read together. Nothing is cached."""

    def __init__(self, runs: RunReader) -> None:
        self.project: Batch[UUID, ProjectRecord] = Batch(_by_id(PROJECTS))
        self.model: Batch[UUID, ModelRecord] = Batch(_by_id(MODELS))
        self.version: Batch[UUID, VersionRecord] = Batch(_by_id(VERSIONS))
        self.environment: Batch[UUID, EnvironmentRecord] = Batch(_by_id(ENVIRONMENTS))
        self.version_endpoint: Batch[UUID, VersionEndpointRecord] = Batch(_by_id(VERSION_ENDPOINTS))
        self.revision: Batch[UUID, RevisionRecord] = Batch(_by_id(REVISIONS))
        self.model_endpoint: Batch[UUID, ModelEndpointRecord] = Batch(_by_id(MODEL_ENDPOINTS))
        self.revision_by_number: Batch[tuple[UUID, int], RevisionRecord] = Batch(revisions_by_number)
        self.members: Batch[UUID, list[MemberRecord]] = Batch(members_of)
        self.secrets: Batch[UUID, list[SecretRecord]] = Batch(secrets_of)
        self.project_summary: Batch[UUID, ProjectSummary] = Batch(summaries_of)
        self.model_summary: Batch[UUID, ModelSummary] = Batch(summaries_of_models)
        self.run: Batch[RunKey, RunData] = Batch(runs.read)
        self._pages: dict[tuple[int, str], Batch[_PageKey, Page[Any]]] = {}
        self._counts: dict[tuple[int, str], Batch[_CountKey, int]] = {}

    async def page(self, listing: Listing[Record], parent: str, parent_id: UUID, request: ListRequest) -> Page[Record]:
        """A parent's page of a list."""
        batch = self._pages.setdefault((id(listing), parent), Batch(_grouped(listing, parent, read_pages)))
        return await batch((parent_id, request)) or Page([])

    async def count(
        self, listing: Listing[Any], parent: str, parent_id: UUID, conditions: tuple[Condition, ...]
    ) -> int:
        """How many a parent has."""
        batch = self._counts.setdefault((id(listing), parent), Batch(_grouped(listing, parent, count_of_parents)))
        return await batch((parent_id, conditions)) or 0

    async def first(
        self, listing: Listing[Record], parent: str, parent_id: UUID, request: ListRequest
    ) -> Record | None:
        """The first of a parent's list."""
        page = await self.page(listing, parent, parent_id, request)
        return page.records[0] if page.records else None


def _by_id(listing: Listing[Record]) -> Callable[[Sequence[UUID]], Awaitable[Mapping[UUID, Record]]]:
    async def load(keys: Sequence[UUID]) -> Mapping[UUID, Record]:
        return await read_by_key(listing, keys)

    return load


def _grouped(
    listing: Listing[Any], parent: str, read: Callable[..., Awaitable[Mapping[UUID, Any]]]
) -> Callable[[Sequence[tuple[UUID, Any]]], Awaitable[Mapping[tuple[UUID, Any], Any]]]:
    """One statement per question, whatever the number of parents; there is mostly one question."""

    async def load(keys: Sequence[tuple[UUID, Any]]) -> Mapping[tuple[UUID, Any], Any]:
        parents: dict[Any, list[UUID]] = {}
        for parent_id, question in keys:
            parents.setdefault(question, []).append(parent_id)
        answers = await asyncio.gather(
            *(read(listing, parent, ids, question) for question, ids in parents.items()), return_exceptions=False
        )
        return {
            (parent_id, question): found
            for question, answer in zip(parents, answers, strict=True)
            for parent_id, found in answer.items()
        }

    return load
