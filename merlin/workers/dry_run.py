"""What a deployment would change in a cluster, asked of the cluster itself by server-side-apply dry runs.

The end of the rollout is shown: the new workload answering, the old one gone. Nothing is written, to no cluster and of
no endpoint. An answer always comes while somebody waits for it: whatever goes wrong is one, too.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import asdict
from typing import Any
from uuid import UUID

from merlin.db import dry_runs
from merlin.db.dry_runs import AskedDryRun
from merlin.db.secrets import SecretKey, reveal_secrets
from merlin.domain.failure import FailureCode
from merlin.errors import MerlinError, NotFound, Unavailable
from merlin.kube import names
from merlin.kube.changes import ObjectChange, change_of, with_unknown
from merlin.kube.client import Cluster
from merlin.kube.kinds import INFERENCE_SERVICE, NAMESPACE, SECRET, Manifest, kind_of
from merlin.kube.manifests import (
    Place,
    Workload,
    render_inference_service,
    render_namespace,
    render_secret,
    render_service,
    render_version_route,
)
from merlin.workers.apply import check_namespace, check_owner
from merlin.workers.clusters import Clusters

log = logging.getLogger(__name__)

CLUSTER_SECONDS = 7.0  # so that this is told before the asker gives up
NOT_KNOWN_YET = "(made by the deploy)"


class DryRunner:
    """Dry runs of one worker process."""

    def __init__(self, installation_id: UUID, clusters: Clusters, key: SecretKey) -> None:
        self._installation_id = installation_id
        self._clusters = clusters
        self._key = key

    async def run(self, key: str, _generation: int) -> None:
        """The job `plan_deployment`. Does nothing when nobody waits any more."""
        asked = await dry_runs.asked(UUID(key), most_seconds=dry_runs.WAIT_SECONDS)
        if asked is not None:
            await dry_runs.answer(asked.id, await self._answer(asked))

    async def _answer(self, asked: AskedDryRun) -> dict[str, Any]:
        try:
            async with asyncio.timeout(CLUSTER_SECONDS):
                return {"changes": [_as_json(change) for change in await self._changes(asked)]}
        except TimeoutError:
            late = Unavailable("The cluster did not answer in time.", code=FailureCode.CLUSTER_UNREACHABLE)
            return _refusal(late)
        except MerlinError as error:
            return _refusal(error)
        except Exception:  # the asker must hear of it; the log says what it was
            log.exception("dry run failed", extra={"dry_run": str(asked.id)})
            return _refusal(Unavailable("The plan could not be made; the worker's log says why."))

    async def _changes(self, asked: AskedDryRun) -> list[ObjectChange]:
        run, cluster = asked.run, await self._clusters.of(asked.environment)
        namespace = await cluster.get(NAMESPACE, None, run.namespace)
        wanted = await self._wanted(asked)
        if namespace is None:
            made = await cluster.apply(
                render_namespace(run.namespace, self._installation_id, run.project), dry_run=True
            )
            # Nothing can be asked about what is to be in a namespace that is not there.
            changes = [change_of(None, made), *(change_of(None, manifest) for manifest in wanted)]
        else:
            check_namespace(namespace, run.namespace, self._installation_id)
            changes = [*await asyncio.gather(*(self._change(cluster, asked, manifest) for manifest in wanted))]
            changes += await _left_overs(cluster, asked)
        if run.endpoint_id is not None:
            return changes
        return [with_unknown(change, str(asked.id), NOT_KNOWN_YET) for change in changes]

    async def _change(self, cluster: Cluster, asked: AskedDryRun, wanted: Manifest) -> ObjectChange:
        found = await cluster.get(kind_of(wanted), asked.run.namespace, wanted["metadata"]["name"])
        if found is not None and "deletionTimestamp" in found["metadata"]:
            found = None
        check_owner(found, label=names.ENDPOINT, endpoint_id=asked.run.endpoint_id or asked.id)
        return change_of(found, await cluster.apply(wanted, dry_run=True))

    async def _wanted(self, asked: AskedDryRun) -> list[Manifest]:
        run = asked.run
        place = Place(
            installation_id=self._installation_id,
            endpoint_id=run.endpoint_id or asked.id,
            project=run.project,
            model=run.model,
            version=run.version,
            namespace=run.namespace,
            environment=asked.environment,
        )
        workload = await self._workload(asked)
        features = await self._clusters.features(asked.environment)
        timeout = run.spec.timeout_seconds
        secret = render_secret(place, workload)
        return [
            render_inference_service(place, workload),
            *([secret] if secret is not None else []),
            render_service(place, generation=run.generation, selected=run.service_name),
            render_version_route(place, generation=run.generation, timeout_seconds=timeout, features=features),
        ]

    async def _workload(self, asked: AskedDryRun) -> Workload:
        run = asked.run
        secrets = await reveal_secrets(run.project_id, {s.secret for s in run.spec.secrets}, key=self._key)
        variables = {v.name: v.value for v in run.spec.variables}
        variables.update({s.variable: secrets[s.secret] for s in run.spec.secrets})
        return Workload(run.service_name, run.workload_revision, run.spec, run.storage_uri, variables)


async def _left_overs(cluster: Cluster, asked: AskedDryRun) -> list[ObjectChange]:
    """Workloads of the endpoint that go once the new one answers and the drain is over."""
    if asked.run.endpoint_id is None:
        return []
    labels = f"{names.ENDPOINT}={asked.run.endpoint_id}"
    listed = await asyncio.gather(
        *(cluster.list_all(kind, asked.run.namespace, labels=labels) for kind in (INFERENCE_SERVICE, SECRET))
    )
    return [
        change_of({**manifest, "apiVersion": kind.api_version, "kind": kind.kind}, None)
        for kind, found in zip((INFERENCE_SERVICE, SECRET), listed, strict=True)
        for manifest in found.items
        if manifest["metadata"]["name"] != asked.run.service_name
    ]


def _as_json(change: ObjectChange) -> dict[str, Any]:
    return {**asdict(change), "action": change.action.value}


def _refusal(error: MerlinError) -> dict[str, Any]:
    code = str(getattr(error.code, "value", error.code))
    return {"error": {"code": code, "message": error.message, "hint": error.hint, "again": _helps_again(error)}}


def _helps_again(error: MerlinError) -> bool:
    return isinstance(error, Unavailable | NotFound)
