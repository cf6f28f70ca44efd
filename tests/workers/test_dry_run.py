"""Plans: what the cluster says would change, in a first deploy, a redeploy, a change in place; nothing is written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from merlin.db import dry_runs
from merlin.db.connection import Database
from merlin.db.doorbell import Doorbell
from merlin.db.environments import sync_environments
from merlin.db.outbox import Work
from merlin.db.secrets import SecretKey
from merlin.db.tables import VersionEndpoint
from merlin.db.transaction import transaction
from merlin.domain.difference import differences
from merlin.domain.environment import parse_environments
from merlin.kube import names
from merlin.kube.client import Cluster
from merlin.kube.kinds import HTTP_ROUTE, INFERENCE_SERVICE, NAMESPACE, SECRET, SERVICE
from merlin.kube.manifests import render_namespace
from merlin.schema.ids import global_id
from merlin.settings import Settings
from merlin.workers import queue
from merlin.workers.clusters import Clusters
from merlin.workers.dry_run import NOT_KNOWN_YET, DryRunner
from merlin.workers.reconcile import Reconciler
from merlin.workers.relay import Relay
from merlin.workers.turns import Turns
from tests.db.worlds import count, traces
from tests.schema.asking import Api, an_api
from tests.workers.plays import Play

PLAN = (
    "plan { revisionNumber serviceName makesPods changes { action kind name namespace fields { path before after } } }"
)


@pytest.fixture
async def api(play: Play, database: Database, tmp_path: Path) -> AsyncIterator[Api]:
    """The API, with its doorbell."""
    api = an_api(tmp_path)
    async with Doorbell(database.direct_url) as doorbell:
        await doorbell.connected()
        api.context.doorbell = doorbell
        yield api
    await api.context.mlflow.close()


@pytest.fixture
async def worker(play: Play, settings: Settings, database: Database) -> AsyncIterator[None]:
    """A worker that makes plans and nothing else."""
    clusters = Clusters()
    runner = DryRunner(await installation(), clusters, SecretKey(settings.secret_key_file))
    async with Doorbell(database.direct_url) as doorbell:
        work = queue.work(settings, {Work.PLAN_DEPLOYMENT: runner.run})
        tasks = [asyncio.create_task(one) for one in (Relay(settings, doorbell).run(), work)]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    await clusters.close()


async def installation() -> UUID:
    async with transaction() as tx:
        found: UUID = await tx.value("SELECT id FROM installation")
    return found


async def reconciled(play: Play, settings: Settings) -> None:
    """What is wished is applied."""
    endpoint = await VersionEndpoint.get(version_id=play.version.id)
    clusters, turns = Clusters(), Turns()
    worker = Reconciler(await installation(), clusters, turns, SecretKey(settings.secret_key_file))
    await worker.reconcile(str(endpoint.id), endpoint.generation)
    await turns.close()
    await clusters.close()


@pytest.fixture
async def applied(play: Play, settings: Settings) -> None:
    """Revision 1 is in the cluster."""
    await play.deploy()
    await reconciled(play, settings)


async def planned(api: Api, play: Play, **wish: Any) -> Any:
    version = global_id("Version", play.version.id)
    payload = await api.change("planDeployment", PLAN, versionId=version, **wish)
    return payload["plan"]


def told(plan: Any) -> list[tuple[str, str, str]]:
    return [(change["action"], change["kind"], change["name"]) for change in plan["changes"]]


def fields(plan: Any, kind: str, name: str = "") -> dict[str, tuple[Any, Any]]:
    (change,) = [c for c in plan["changes"] if c["kind"] == kind and name in ("", c["name"])]
    return {field["path"]: (field["before"], field["after"]) for field in change["fields"]}


async def everything(cluster: Cluster, namespace: str) -> list[tuple[str, str]]:
    found = [
        (m["metadata"]["name"], m["metadata"]["resourceVersion"])
        for kind in (INFERENCE_SERVICE, SERVICE, HTTP_ROUTE, SECRET)
        for m in (await cluster.list_all(kind, namespace)).items
    ]
    return sorted(found)


async def test_a_first_deploy_would_make_everything(api: Api, play: Play, worker: None) -> None:
    before = await traces()
    plan = await planned(api, play, minReplicas=2, maxReplicas=2)
    assert (plan["revisionNumber"], plan["serviceName"], plan["makesPods"]) == (1, "iris-1-r1", True)
    assert told(plan) == [
        ("CREATE", "Namespace", play.namespace),
        ("CREATE", "InferenceService", "iris-1-r1"),
        ("CREATE", "Service", "iris-1"),
        ("CREATE", "HTTPRoute", "iris-1"),
    ]
    service = fields(plan, "InferenceService")
    assert service["spec.predictor.minReplicas"] == (None, 2)
    assert service['metadata.labels["merlin.dev/endpoint"]'] == (None, NOT_KNOWN_YET)
    assert await play.cluster.get(NAMESPACE, None, play.namespace) is None
    assert await traces() == before
    assert await count("dry_run") == await count("version_endpoint") == 0


async def test_a_redeploy_replaces_the_workload(api: Api, play: Play, worker: None, applied: None) -> None:
    before, written = await everything(play.cluster, play.namespace), await traces()
    plan = await planned(api, play, variables=[{"name": "PASSWORD", "value": "hunter2"}])
    assert (plan["revisionNumber"], plan["makesPods"]) == (2, True)
    assert told(plan) == [
        ("CREATE", "InferenceService", "iris-1-r2"),
        ("CREATE", "Secret", "iris-1-r2"),
        ("UPDATE", "Service", "iris-1"),
        ("UPDATE", "HTTPRoute", "iris-1"),
        ("DELETE", "InferenceService", "iris-1-r1"),
    ]
    assert fields(plan, "Secret")["data.PASSWORD"] == (None, "***")
    assert "hunter2" not in str(plan)
    selected = (names.predictor_app("iris-1-r1"), names.predictor_app("iris-1-r2"))
    assert fields(plan, "Service") == {
        "spec.selector.app": selected,
        'metadata.annotations["merlin.dev/generation"]': ("1", "2"),
    }
    assert await everything(play.cluster, play.namespace) == before
    assert await traces() == written


async def test_a_change_in_place_says_the_one_field(api: Api, play: Play, worker: None, applied: None) -> None:
    plan = await planned(api, play, minReplicas=3, maxReplicas=3)
    assert (plan["serviceName"], plan["makesPods"]) == ("iris-1-r1", False)
    assert [(action, kind) for action, kind, _ in told(plan)] == [
        ("UPDATE", "InferenceService"),
        ("UPDATE", "Service"),
        ("UPDATE", "HTTPRoute"),
    ]
    assert fields(plan, "InferenceService") == {
        "spec.predictor.minReplicas": (1, 3),
        "spec.predictor.maxReplicas": (1, 3),
    }


async def test_what_was_planned_is_what_is_applied(api: Api, play: Play, worker: None, settings: Settings) -> None:
    wish = {"minReplicas": 2, "maxReplicas": 4, "timeoutSeconds": 7}
    await play.cluster.apply(render_namespace(play.namespace, await installation(), play.namespace))
    plan = await planned(api, play, **wish)
    await api.change("deployVersion", "", versionId=global_id("Version", play.version.id), **wish)
    await reconciled(play, settings)
    for kind, name in ((INFERENCE_SERVICE, "iris-1-r1"), (SERVICE, "iris-1"), (HTTP_ROUTE, "iris-1")):
        made = {change.path: change.after for change in differences(None, await play.there(kind, name))}
        promised = {path: after for path, (_, after) in fields(plan, kind.kind).items() if after != NOT_KNOWN_YET}
        assert promised == {path: made.get(path) for path in promised}


async def test_refusals_of_a_deploy_are_the_plans(api: Api, play: Play, worker: None) -> None:
    version = global_id("Version", play.version.id)
    wish = {"versionId": version, "minReplicas": 2, "maxReplicas": 1, "runtime": "none"}
    refused = await api.refusals("planDeployment", **wish)
    assert refused == await api.refusals("deployVersion", **wish)
    assert [code for code, _ in refused] == ["INVALID_REPLICAS", "NO_RUNTIME"]


async def test_a_namespace_of_somebody_else_is_refused(api: Api, play: Play, worker: None) -> None:
    await play.cluster.apply(render_namespace(play.namespace, UUID(int=1), play.namespace))
    refused = await api.refusals("planDeployment", versionId=global_id("Version", play.version.id))
    assert refused == [("ADMISSION_REFUSED", [])]


async def test_a_cluster_that_is_away_is_named(api: Api, play: Play, worker: None) -> None:
    entry = {
        "name": play.environment.name,
        "cluster": {"name": "away", "kubeconfig": "/nowhere"},
        "gateway": {"namespace": "merlin-system", "name": "merlin", "url": "http://gone"},
    }
    await sync_environments(parse_environments([entry]))
    refused = await api.refusals("planDeployment", versionId=global_id("Version", play.version.id))
    assert refused == [("MISCONFIGURED", [])]


async def test_nobody_waits_for_ever(api: Api, play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dry_runs, "WAIT_SECONDS", 0.1)
    before = await traces()
    refused = await api.refusals("planDeployment", versionId=global_id("Version", play.version.id))
    assert refused == [("UNAVAILABLE", [])]
    assert (await count("dry_run"), await traces()) == (0, before)


async def test_what_nobody_reads_is_pruned(api: Api, play: Play, settings: Settings) -> None:
    asking = asyncio.create_task(planned(api, play))
    while await count("dry_run") == 0:  # noqa: ASYNC110 (a row of another task)
        await asyncio.sleep(0.01)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    async with transaction() as tx:
        key = await tx.value("SELECT id FROM dry_run")
    assert await dry_runs.prune_dry_runs() == 0
    assert await dry_runs.prune_dry_runs(seconds=0) == 1
    clusters = Clusters()
    runner = DryRunner(await installation(), clusters, api.context.secret_key)
    await runner.run(str(key), 0)  # a job for what is gone does nothing
    await clusters.close()


async def test_an_object_of_somebody_else_is_refused(api: Api, play: Play, worker: None) -> None:
    await play.cluster.apply(render_namespace(play.namespace, await installation(), play.namespace))
    metadata = {"name": "iris-1", "namespace": play.namespace}
    spec = {"ports": [{"port": 80, "protocol": "TCP"}]}
    await play.cluster.create({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})
    refused = await api.refusals("planDeployment", versionId=global_id("Version", play.version.id))
    assert refused == [("ADMISSION_REFUSED", [])]
