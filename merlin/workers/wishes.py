"""What is wished of endpoints, read afresh: rows as the plain values that the domain judges. Reads only."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson

from merlin.db.transaction import transaction
from merlin.domain.environment import EnvironmentConfig
from merlin.domain.failure import Failure
from merlin.domain.lifecycle import Desired, Lifecycle, ModelEndpointStatus, RevisionStatus
from merlin.domain.revision import RevisionSpec
from merlin.domain.traffic import TrafficRule
from merlin.domain.wish import DestinationState, TrafficWish, Wish, WishedRevision

_PAGE = 500


async def read_wish(endpoint_id: UUID) -> Wish | None:
    """One version endpoint; ``None`` when there is none."""
    return (await read_wishes([endpoint_id])).get(endpoint_id)


async def read_wishes(endpoint_ids: list[UUID]) -> dict[UUID, Wish]:
    """Version endpoints by id, as one moment shows them; five hundred per statement."""
    found: dict[UUID, Wish] = {}
    for start in range(0, len(endpoint_ids), _PAGE):
        async with transaction() as tx:
            rows = await tx.rows(_WISH, endpoint_ids[start : start + _PAGE])
        found.update((row["id"], _wish(row)) for row in rows)
    return found


async def read_traffic_wish(model_endpoint_id: UUID) -> TrafficWish | None:
    """One model endpoint; ``None`` when there is none."""
    return (await read_traffic_wishes([model_endpoint_id])).get(model_endpoint_id)


async def read_traffic_wishes(model_endpoint_ids: list[UUID]) -> dict[UUID, TrafficWish]:
    """Model endpoints by id, as one moment shows them."""
    async with transaction() as tx:
        rows = await tx.rows(_TRAFFIC, model_endpoint_ids)
    return {row["id"]: _traffic_wish(row) for row in rows}


async def traffic_to(version_endpoint_id: UUID) -> list[UUID]:
    """Model endpoints whose wished or observed rule names the version endpoint."""
    async with transaction() as tx:
        rows = await tx.rows(_TRAFFIC_TO, version_endpoint_id)
    return [row["id"] for row in rows]


async def unsettled_endpoints(environment_id: UUID | None = None) -> tuple[list[UUID], list[UUID]]:
    """Version endpoints and model endpoints whose cluster was not yet seen to match, of one environment or of all."""
    async with transaction() as tx:
        versions = await tx.rows(_UNSETTLED, environment_id)
        models = await tx.rows(_UNSETTLED_TRAFFIC, environment_id)
    return [row["id"] for row in versions], [row["id"] for row in models]


async def endpoints_with_objects(environment_id: UUID) -> tuple[list[UUID], list[UUID]]:
    """All version endpoints and model endpoints of an environment that may have objects there."""
    async with transaction() as tx:
        versions = await tx.rows(_DEPLOYED, environment_id)
        models = await tx.rows(_SERVING, environment_id)
    return [row["id"] for row in versions], [row["id"] for row in models]


def _wish(row: Mapping[str, Any]) -> Wish:
    failure = _json(row["failure"])
    return Wish(
        endpoint_id=row["id"],
        generation=row["generation"],
        observed_generation=row["observed_generation"],
        desired=Desired(row["desired"]),
        lifecycle=Lifecycle(row["lifecycle"]),
        progressing=row["progressing"],
        healthy=row["healthy"],
        reason=row["reason"],
        message=row["message"],
        failure=Failure.from_json(failure) if failure else None,
        target_revision=row["target_revision"],
        active_revision=row["active_revision"],
        revisions=tuple(_revision(stored) for stored in _json(row["revisions"]) or []),
        project_id=row["project_id"],
        project=row["project"],
        model=row["model"],
        version=row["version"],
        storage_uri=row["storage_uri"] or "",
        namespace=row["namespace"],
        url=row["url"],
        environment_id=row["environment_id"],
        environment=_environment(row["config"]),
    )


def _revision(stored: Mapping[str, Any]) -> WishedRevision:
    failure = stored["failure"]
    return WishedRevision(
        number=stored["number"],
        status=RevisionStatus(stored["status"]),
        spec=RevisionSpec.from_json(stored["spec"]),
        service_name=stored["service_name"],
        workload_revision=stored["workload_revision"],
        created_at=_time(stored["created_at"]),
        drain_until=_time(stored["drain_until"]) if stored["drain_until"] is not None else None,
        failure=Failure.from_json(failure) if failure else None,
    )


def _traffic_wish(row: Mapping[str, Any]) -> TrafficWish:
    failure = _json(row["failure"])
    return TrafficWish(
        endpoint_id=row["id"],
        generation=row["generation"],
        observed_generation=row["observed_generation"],
        desired_rule=_rule(row["desired_rule"]),
        observed_rule=_rule(row["observed_rule"]),
        status=ModelEndpointStatus(row["status"]),
        progressing=row["progressing"],
        reason=row["reason"],
        message=row["message"],
        failure=Failure.from_json(failure) if failure else None,
        deadline_at=row["deadline_at"],
        destinations={UUID(d["id"]): _destination(d) for d in _json(row["destinations"]) or []},
        project=row["project"],
        model=row["model"],
        namespace=row["namespace"],
        url=row["url"],
        environment_id=row["environment_id"],
        environment=_environment(row["config"]),
    )


def _destination(stored: Mapping[str, Any]) -> DestinationState:
    return DestinationState(
        endpoint_id=UUID(stored["id"]),
        version=stored["version"],
        service=stored["service_name"],
        workload_revision=stored["workload_revision"],
        timeout_seconds=stored["timeout_seconds"] or 60,
        can_serve=stored["lifecycle"] == Lifecycle.RUNNING.value and stored["healthy"],
    )


def _rule(stored: str | None) -> TrafficRule | None:
    rule = _json(stored)
    return TrafficRule.from_json(rule) if rule else None


def _json(stored: str | None) -> Any:
    return orjson.loads(stored) if stored is not None else None


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


@lru_cache(maxsize=64)
def _environment(config: str) -> EnvironmentConfig:
    return EnvironmentConfig.from_json(orjson.loads(config))


_WISH = """
SELECT e.id, e.generation, e.observed_generation, e.desired, e.lifecycle, e.progressing, e.healthy, e.reason,
  e.message, e.failure, e.target_revision, e.active_revision, e.namespace, e.url, e.environment_id,
  v.number AS version, v.storage_uri, m.name AS model, p.name AS project, p.id AS project_id, n.config,
  (SELECT jsonb_agg(jsonb_build_object('number', r.number, 'status', r.status, 'spec', r.spec,
      'service_name', r.service_name, 'workload_revision', r.workload_revision, 'failure', r.failure,
      'created_at', extract(epoch FROM r.created_at)::float8,
      'drain_until', extract(epoch FROM r.drain_until)::float8) ORDER BY r.number)
   FROM revision r WHERE r.endpoint_id = e.id AND (r.status IN ('queued', 'starting', 'ready', 'active', 'draining')
      OR r.number >= coalesce(e.active_revision, e.target_revision, r.number + 1))) AS revisions
FROM version_endpoint e JOIN version v ON v.id = e.version_id JOIN model m ON m.id = v.model_id
JOIN project p ON p.id = m.project_id JOIN environment n ON n.id = e.environment_id
WHERE e.id = ANY($1::uuid[])
"""
_TRAFFIC = """
SELECT t.id, t.generation, t.observed_generation, t.desired_rule, t.observed_rule, t.status, t.progressing, t.reason,
  t.message, t.failure, t.deadline_at, t.namespace, t.url, t.environment_id,
  m.name AS model, p.name AS project, n.config,
  (SELECT jsonb_agg(jsonb_build_object('id', e.id, 'version', v.number, 'service_name', e.service_name,
      'lifecycle', e.lifecycle, 'healthy', e.healthy, 'workload_revision', r.workload_revision,
      'timeout_seconds', (r.spec ->> 'timeout_seconds')::int))
   FROM version_endpoint e JOIN version v ON v.id = e.version_id
   LEFT JOIN revision r ON r.endpoint_id = e.id AND r.number = e.active_revision
   WHERE v.model_id = t.model_id AND e.environment_id = t.environment_id AND e.id::text IN (
      SELECT d ->> 'version_endpoint_id' FROM jsonb_array_elements(
        coalesce(t.desired_rule -> 'destinations', '[]') || coalesce(t.observed_rule -> 'destinations', '[]')) d)
  ) AS destinations
FROM model_endpoint t JOIN model m ON m.id = t.model_id JOIN project p ON p.id = m.project_id
JOIN environment n ON n.id = t.environment_id WHERE t.id = ANY($1::uuid[])
"""
_TRAFFIC_TO = """
SELECT t.id FROM model_endpoint t JOIN version v ON v.model_id = t.model_id
JOIN version_endpoint e ON e.version_id = v.id AND e.environment_id = t.environment_id
WHERE e.id = $1 AND EXISTS (SELECT FROM jsonb_array_elements(
  coalesce(t.desired_rule -> 'destinations', '[]') || coalesce(t.observed_rule -> 'destinations', '[]')) d
  WHERE d ->> 'version_endpoint_id' = e.id::text)
"""
_UNSETTLED = """
SELECT e.id FROM version_endpoint e WHERE ($1::uuid IS NULL OR e.environment_id = $1)
AND (e.observed_generation < e.generation OR EXISTS (
  SELECT FROM revision r WHERE r.endpoint_id = e.id AND r.status = 'draining'))
"""
_UNSETTLED_TRAFFIC = """
SELECT id FROM model_endpoint WHERE ($1::uuid IS NULL OR environment_id = $1) AND observed_generation < generation
"""
_DEPLOYED = """
SELECT id FROM version_endpoint WHERE environment_id = $1
AND (desired = 'deployed' OR observed_generation < generation)
"""
_SERVING = """
SELECT id FROM model_endpoint WHERE environment_id = $1
AND (desired_rule IS NOT NULL OR observed_generation < generation)
"""
