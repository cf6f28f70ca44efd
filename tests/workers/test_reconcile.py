"""What a worker applies: the same twice changes nothing, older never over newer, nothing of others is touched."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from merlin.db import endpoints, outbox
from merlin.db.doorbell import Doorbell
from merlin.db.secrets import SecretKey
from merlin.db.tables import Outbox, Revision, VersionEndpoint
from merlin.db.transaction import transaction
from merlin.domain.environment import ClusterConfig
from merlin.domain.lifecycle import RevisionStatus
from merlin.domain.revision import EnvironmentVariable, Strategy
from merlin.domain.settlement import RevisionMove
from merlin.kube import names
from merlin.kube.client import Cluster, Listed
from merlin.kube.kinds import HTTP_ROUTE, INFERENCE_SERVICE, NAMESPACE, SECRET, SERVICE, Kind, Manifest
from merlin.settings import Settings
from merlin.workers import queue
from merlin.workers.clusters import Clusters
from merlin.workers.reconcile import Reconciler
from merlin.workers.relay import Relay, relay_batch
from merlin.workers.reroute import Rerouter
from merlin.workers.turns import Turns
from tests.db.worlds import a_settlement
from tests.workers.plays import ALICE, Play, until


class Worker:
    """The reconciling half of one worker process, with locks of its own."""

    def __init__(self, settings: Settings, installation_id: UUID, connect: Callable[..., object] = Cluster.connect):
        self.clusters, self.turns = Clusters(connect), Turns()  # type: ignore[arg-type]
        key = SecretKey(settings.secret_key_file)
        self.reconciler = Reconciler(installation_id, self.clusters, self.turns, key)

    async def reconcile(self, endpoint: VersionEndpoint) -> None:
        await self.reconciler.reconcile(str(endpoint.id), endpoint.generation)

    async def close(self) -> None:
        await self.turns.close()
        await self.clusters.close()


@pytest.fixture
async def installation_id(play: Play) -> UUID:
    async with transaction() as tx:
        found: UUID = await tx.value("SELECT id FROM installation")
    return found


@pytest.fixture
async def worker(settings: Settings, play: Play, installation_id: UUID) -> AsyncIterator[Worker]:
    worker = Worker(settings, installation_id)
    yield worker
    await worker.close()


async def objects(play: Play) -> dict[str, str]:
    """Every object of the namespace with its resourceVersion."""
    found = {}
    for kind in (INFERENCE_SERVICE, SERVICE, HTTP_ROUTE):
        for item in (await play.cluster.list_all(kind, play.namespace)).items:
            found[f"{kind.kind} {item['metadata']['name']}"] = item["metadata"]["resourceVersion"]
    return found


async def test_a_job_that_runs_twice_writes_once(play: Play, worker: Worker) -> None:
    endpoint, _ = await play.deploy()
    await worker.reconcile(endpoint)
    before = await objects(play)
    assert set(before) == {"InferenceService iris-1-r1", "Service iris-1", "HTTPRoute iris-1"}
    await worker.reconcile(endpoint)
    await worker.reconcile(endpoint)
    assert await objects(play) == before


async def test_two_workers_at_once_write_what_one_would(play: Play, worker: Worker, settings: Settings) -> None:
    other = Worker(settings, worker.reconciler._installation_id)
    endpoint, _ = await play.deploy()
    await asyncio.gather(*(w.reconcile(endpoint) for w in (worker, other) * 5))
    await other.close()
    assert await play.counts() == {"InferenceService": 1, "Service": 1, "HTTPRoute": 1}
    assert (await Revision.get(endpoint_id=endpoint.id)).status.value == "starting"


class Held(Cluster):
    """A cluster that is slow to take writes: what a paused worker wrote before it was paused."""

    reached: asyncio.Event
    go_on: asyncio.Event

    async def apply(self, manifest: Manifest, **options: object) -> Manifest:
        await self._wait(manifest)
        return await super().apply(manifest, **options)  # type: ignore[arg-type]

    async def create(self, manifest: Manifest) -> Manifest:
        await self._wait(manifest)
        return await super().create(manifest)

    async def _wait(self, manifest: Manifest) -> None:
        if manifest["kind"] != "Namespace":
            self.reached.set()
            await self.go_on.wait()


@pytest.fixture
async def paused(
    settings: Settings, play: Play, installation_id: UUID, kubeconfig: Path
) -> AsyncIterator[tuple[Worker, Held]]:
    """A worker that stops before its first write, until it is told to go on."""
    held = await Held.connect(ClusterConfig(name="held", kubeconfig=kubeconfig))
    held.reached, held.go_on = asyncio.Event(), asyncio.Event()

    async def connect(_: ClusterConfig) -> Cluster:
        return held

    worker = Worker(settings, installation_id, connect)
    yield worker, held
    await worker.close()


async def lose_turn(key: UUID) -> None:
    """The lock's connection breaks: PostgreSQL gives the turn to the next one while the holder still runs."""
    async with transaction() as tx:
        await tx.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND pid <> pg_backend_pid() "
            "AND objid <> 0 AND pid IN (SELECT pid FROM pg_stat_activity WHERE datname = current_database())"
        )


@pytest.mark.parametrize("is_first", [True, False], ids=["nothing was there", "an older one was there"])
async def test_a_worker_with_an_old_generation_never_overwrites_a_newer_one(
    play: Play, worker: Worker, paused: tuple[Worker, Held], is_first: bool
) -> None:
    if not is_first:
        endpoint, _ = await play.deploy()
        await worker.reconcile(endpoint)
    old, _ = await play.deploy()
    slow, held = paused
    task = asyncio.create_task(slow.reconcile(old))
    await held.reached.wait()
    await lose_turn(old.id)
    new, revision = await play.deploy()
    await worker.reconcile(new)
    before = await objects(play)
    held.go_on.set()
    await asyncio.gather(task, return_exceptions=True)
    for kind, name in ((SERVICE, names.service("iris", 1)), (HTTP_ROUTE, names.version_route("iris", 1))):
        manifest = await play.there(kind, name)
        assert manifest["metadata"]["annotations"][names.GENERATION] == str(new.generation)
        assert manifest["metadata"]["resourceVersion"] == before[f"{kind.kind} {name}"]
    assert await play.selected() == revision.service_name
    await worker.reconcile(new)  # what the old one left behind goes
    assert await play.counts() == {"InferenceService": 1, "Service": 1, "HTTPRoute": 1}


async def test_a_job_of_an_old_generation_carries_out_the_newest_wish(play: Play, worker: Worker) -> None:
    old, _ = await play.deploy()
    _, revision = await play.deploy()
    await worker.reconciler.reconcile(str(old.id), old.generation)
    assert await play.selected() == revision.service_name


async def test_a_namespace_of_somebody_else_is_refused_by_name_until_it_is_labelled(play: Play, worker: Worker) -> None:
    theirs = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": play.namespace, "labels": {}}}
    await play.cluster.apply(theirs)
    endpoint, _ = await play.deploy()
    await worker.reconcile(endpoint)
    failed = await VersionEndpoint.get(id=endpoint.id)
    assert (failed.lifecycle.value, failed.failure["code"]) == ("failed", "ADMISSION_REFUSED")
    assert f"kubectl label namespace {play.namespace} {names.ALLOWED}=true" in failed.failure["fix"]
    assert not any((await play.counts()).values())
    theirs["metadata"]["labels"] = {names.ALLOWED: "true"}  # type: ignore[index]
    await play.cluster.apply(theirs)
    again, _ = await play.deploy()
    await worker.reconcile(again)
    assert (await play.counts())["InferenceService"] == 1


async def test_an_object_of_somebody_else_is_refused_by_name(play: Play, worker: Worker, installation_id: UUID) -> None:
    endpoint, _ = await play.deploy()
    await worker.reconciler._namespaces.ensure(play.cluster, play.namespace, play.project.name)
    port = {"name": "http", "port": 80, "protocol": "TCP"}
    metadata = {"name": "iris-1", "namespace": play.namespace}
    theirs = {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": [port]}}
    await play.cluster.apply(theirs)
    await worker.reconcile(endpoint)
    failed = await VersionEndpoint.get(id=endpoint.id)
    assert failed.failure["code"] == "ADMISSION_REFUSED"
    assert "Service iris-1" in failed.failure["message"]


async def test_a_cluster_that_does_not_answer_is_tried_again_later(
    settings: Settings, play: Play, installation_id: UUID, tmp_path: Path
) -> None:
    dead = tmp_path / "kubeconfig"
    dead.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{name: c, context: {cluster: c, user: u}}]\n"
        "clusters: [{name: c, cluster: {server: 'http://127.0.0.1:9'}}]\nusers: [{name: u, user: {token: t}}]\n"
    )

    async def connect(_: ClusterConfig) -> Cluster:
        return await Cluster.connect(ClusterConfig(name="dead", kubeconfig=dead))

    worker = Worker(settings, installation_id, connect)
    endpoint, _ = await play.deploy()
    await worker.reconcile(endpoint)
    await worker.close()
    waiting = await VersionEndpoint.get(id=endpoint.id)
    assert (waiting.lifecycle.value, waiting.wake) == ("pending", 1)
    assert await Outbox.filter(key=str(endpoint.id), wake=1).count() == 1


async def test_a_worker_killed_between_enqueue_and_delete_leaves_the_row_and_nothing_is_done_twice(
    settings: Settings, play: Play, worker: Worker
) -> None:
    endpoint, _ = await play.deploy()
    pool = await queue.connect(settings)

    async def enqueued_then_killed() -> None:
        async with outbox.claim() as claim:
            for row in claim.rows:
                assert await queue.enqueue(pool, row.kind, row.key, generation=row.generation, wake=row.wake)
            raise asyncio.CancelledError  # what a kill leaves: neither done nor postponed

    task = asyncio.create_task(enqueued_then_killed())
    await asyncio.gather(task, return_exceptions=True)
    assert await Outbox.filter(key=str(endpoint.id)).count() == 1
    assert await relay_batch(pool) >= 1
    assert await Outbox.filter(key=str(endpoint.id)).count() == 0
    assert len(await pool.queued_jobs(queue_name=queue.QUEUE)) == 1
    await pool.aclose(close_connection_pool=True)


async def test_a_lost_queue_is_waited_for_and_no_row_is_lost(settings: Settings, play: Play) -> None:
    endpoint, _ = await play.deploy()
    away = settings.model_copy(update={"redis_url": "unix:///tmp/merlin-there-is-no-such-socket?db=0"})
    done = asyncio.Event()

    async def job(_key: str, _generation: int) -> None:
        done.set()

    async with Doorbell(settings.database_url) as doorbell:
        task = asyncio.create_task(Relay(away, doorbell).run())
        await until(lambda: _waits(doorbell), "the relay listens")
        assert await Outbox.filter(key=str(endpoint.id), attempts=0).count() == 1
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        tasks = [
            asyncio.create_task(Relay(settings, doorbell).run()),
            asyncio.create_task(queue.work(settings, {"reconcile_version_endpoint": job})),
        ]
        async with asyncio.timeout(10):
            await done.wait()
        for running in tasks:
            running.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _waits(doorbell: Doorbell) -> bool:
    return doorbell.is_connected


async def test_the_namespace_is_ours_and_says_so(play: Play, worker: Worker, installation_id: UUID) -> None:
    endpoint, _ = await play.deploy()
    await worker.reconcile(endpoint)
    namespace = await play.cluster.get(NAMESPACE, None, play.namespace)
    assert namespace is not None
    assert namespace["metadata"]["labels"][names.INSTALLATION] == str(installation_id)


class HeldAt(Cluster):
    """A cluster that is slow with one kind of call, where a worker is paused until it is told to go on."""

    at: str
    reached: asyncio.Event
    go_on: asyncio.Event

    async def list_all(self, kind: Kind, namespace: str | None = None, **selectors: str) -> Listed:
        if self.at == "before it lists":
            await self._pause()
        listed = await super().list_all(kind, namespace, **selectors)
        if self.at == "after it listed":
            await self._pause()
        return listed

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Manifest | None:
        found = await super().get(kind, namespace, name)
        if self.at == "after it read" and kind is INFERENCE_SERVICE and found is not None:
            await self._pause()
        return found

    async def delete(self, kind: Kind, namespace: str | None, name: str, **preconditions: str | None) -> bool:
        if self.at == "before it deletes":
            await self._pause()
        return await super().delete(kind, namespace, name, **preconditions)

    async def _pause(self) -> None:
        self.reached.set()
        await self.go_on.wait()


@contextlib.asynccontextmanager
async def paused_at(at: str, settings: Settings, installation_id: UUID, kubeconfig: Path) -> AsyncIterator[HeldAt]:
    held = await HeldAt.connect(ClusterConfig(name="held", kubeconfig=kubeconfig))
    held.at, held.reached, held.go_on = at, asyncio.Event(), asyncio.Event()
    yield held
    await held.close()


@pytest.mark.parametrize("at", ["before it lists", "after it listed", "before it deletes"])
async def test_a_worker_that_undeploys_late_removes_nothing_of_a_newer_deploy(
    play: Play, worker: Worker, settings: Settings, installation_id: UUID, kubeconfig: Path, at: str
) -> None:
    endpoint, _ = await play.deploy()
    await worker.reconcile(endpoint)
    going = await play.undeploy(endpoint.id)
    async with paused_at(at, settings, installation_id, kubeconfig) as held:
        slow = Worker(settings, installation_id, lambda _: asyncio.sleep(0, held))
        task = asyncio.create_task(slow.reconcile(going))
        await held.reached.wait()
        await lose_turn(endpoint.id)
        new, revision = await play.deploy()
        await worker.reconcile(new)
        held.go_on.set()
        await asyncio.gather(task, return_exceptions=True)
        await slow.turns.close()
    await play.there(INFERENCE_SERVICE, revision.service_name)
    assert await play.selected() == revision.service_name
    assert await play.get(HTTP_ROUTE, names.version_route("iris", 1)) is not None


async def test_a_worker_that_cleans_up_late_removes_no_newer_revision(
    play: Play, worker: Worker, settings: Settings, installation_id: UUID, kubeconfig: Path
) -> None:
    endpoint, _ = await play.deploy()
    await worker.reconcile(endpoint)
    second, _ = await play.deploy()
    await worker.reconcile(second)
    async with paused_at("before it lists", settings, installation_id, kubeconfig) as held:
        slow = Worker(settings, installation_id, lambda _: asyncio.sleep(0, held))
        task = asyncio.create_task(slow.reconcile(second))
        await held.reached.wait()
        await lose_turn(endpoint.id)
        new, revision = await play.deploy()
        await worker.reconcile(new)
        before = await play.there(INFERENCE_SERVICE, revision.service_name)
        held.go_on.set()
        await asyncio.gather(task, return_exceptions=True)
        await slow.turns.close()
    after = await play.there(INFERENCE_SERVICE, revision.service_name)
    assert after["metadata"]["uid"] == before["metadata"]["uid"]


async def active_then_recreated(play: Play, worker: Worker) -> tuple[VersionEndpoint, Revision, Revision]:
    """The first revision is active; the second one, which was just wished, is to replace it without room for two."""
    endpoint, first = await play.deploy()
    await worker.reconcile(endpoint)
    active = a_settlement(1, moves=(RevisionMove(1, RevisionStatus.ACTIVE),))
    assert await endpoints.record_observation(None, endpoint.id, generation=1, settlement=active)
    variables = (EnvironmentVariable("LEVEL", "debug"),)
    spec = replace(play.config.defaults, strategy=Strategy.RECREATE, variables=variables)
    endpoint, second = await play.deploy(spec)
    return endpoint, second, first


async def record_recreated(endpoint: VersionEndpoint, status: RevisionStatus, **changes: object) -> None:
    """What the watcher saw of the second revision, while the first one is active."""
    stated = {"progressing": True, "settled": False, "target_revision": 2, **changes}
    settlement = a_settlement(1, moves=(RevisionMove(2, status),), **stated)
    assert await endpoints.record_observation(None, endpoint.id, generation=endpoint.generation, settlement=settlement)


@pytest.mark.parametrize("ending", ["none", "failed", "cancelled", "superseded"])
async def test_what_made_room_comes_back_only_when_the_new_one_ended_early(
    play: Play, worker: Worker, ending: str
) -> None:
    endpoint, second, first = await active_then_recreated(play, worker)
    await worker.reconcile(endpoint)
    assert await play.get(INFERENCE_SERVICE, first.service_name) is None
    await worker.reconcile(endpoint)
    await play.there(INFERENCE_SERVICE, second.service_name)
    await record_recreated(endpoint, RevisionStatus.READY)
    if ending == "failed":
        await record_recreated(endpoint, RevisionStatus.FAILED, target_revision=1)
    elif ending == "cancelled":
        await endpoints.cancel_deployment(ALICE, endpoint_id=endpoint.id)
    elif ending == "superseded":
        endpoint, _ = await play.deploy()
    await worker.reconcile(endpoint)
    await worker.reconcile(endpoint)
    there = {
        item["metadata"]["name"] for item in (await play.cluster.list_all(INFERENCE_SERVICE, play.namespace)).items
    }
    expected = {"none": {2}, "superseded": {1, 3}}.get(ending, {1})
    assert there == {f"iris-1-r{number}" for number in expected}
    assert await play.selected() == (second if ending == "none" else first).service_name


@pytest.mark.parametrize(
    ("at", "meanwhile"),
    [("after it read", "cancelled"), ("after it read", "failed"), ("before it deletes", "changed in place")],
)
async def test_a_worker_that_makes_room_late_leaves_what_is_wished_again(
    play: Play, worker: Worker, settings: Settings, installation_id: UUID, kubeconfig: Path, at: str, meanwhile: str
) -> None:
    endpoint, _, first = await active_then_recreated(play, worker)
    async with paused_at(at, settings, installation_id, kubeconfig) as held:
        slow = Worker(settings, installation_id, lambda _: asyncio.sleep(0, held))
        task = asyncio.create_task(slow.reconcile(endpoint))
        await held.reached.wait()
        await lose_turn(endpoint.id)
        if meanwhile == "cancelled":
            await endpoints.cancel_deployment(ALICE, endpoint_id=endpoint.id)
        elif meanwhile == "failed":
            await record_recreated(endpoint, RevisionStatus.FAILED, target_revision=1)
        else:
            _, third = await play.deploy(replace(play.config.defaults, min_replicas=2, max_replicas=2))
            assert third.service_name == first.service_name
        await worker.reconcile(endpoint)
        before = await play.there(INFERENCE_SERVICE, first.service_name)
        held.go_on.set()
        await asyncio.gather(task, return_exceptions=True)
        await slow.turns.close()
    after = await play.get(INFERENCE_SERVICE, first.service_name)
    assert after is not None
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]


async def test_a_worker_that_stops_traffic_late_leaves_the_route_of_a_newer_rule(
    play: Play, worker: Worker, settings: Settings, installation_id: UUID, kubeconfig: Path
) -> None:
    endpoint, revision = await play.deploy()
    await worker.reconcile(endpoint)
    ready = a_settlement(1, moves=(RevisionMove(revision.number, RevisionStatus.ACTIVE),))
    assert await endpoints.record_observation(None, endpoint.id, generation=1, settlement=ready)
    rerouter = Rerouter(installation_id, worker.clusters, worker.turns)
    traffic = await play.serve(endpoint.id)
    await rerouter.reconcile(str(traffic.id), 1)
    await play.serve(None)
    async with paused_at("before it deletes", settings, installation_id, kubeconfig) as held:
        slow = Worker(settings, installation_id, lambda _: asyncio.sleep(0, held))
        late = Rerouter(installation_id, slow.clusters, slow.turns)
        task = asyncio.create_task(late.reconcile(str(traffic.id), 2))
        await held.reached.wait()
        await lose_turn(traffic.id)
        await play.serve(endpoint.id)
        await rerouter.reconcile(str(traffic.id), 3)
        held.go_on.set()
        await asyncio.gather(task, return_exceptions=True)
        await slow.turns.close()
    route = await play.get(HTTP_ROUTE, names.model_route("iris"))
    assert route is not None
    assert route["metadata"]["annotations"][names.GENERATION] == "3"


async def test_a_worker_that_makes_its_objects_late_does_not_undo_a_change_in_place(
    play: Play, worker: Worker, paused: tuple[Worker, Held]
) -> None:
    old, _ = await play.deploy()
    slow, held = paused
    task = asyncio.create_task(slow.reconcile(old))
    await held.reached.wait()
    await lose_turn(old.id)
    new, revision = await play.deploy(replace(play.config.defaults, min_replicas=2, max_replicas=2))
    assert revision.service_name == "iris-1-r1"
    await worker.reconcile(new)
    before = await play.there(INFERENCE_SERVICE, revision.service_name)
    held.go_on.set()
    await asyncio.gather(task, return_exceptions=True)
    after = await play.there(INFERENCE_SERVICE, revision.service_name)
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    assert after["spec"]["predictor"]["minReplicas"] == 2


async def test_a_secret_of_somebody_else_is_not_overwritten(play: Play, worker: Worker) -> None:
    spec = replace(play.config.defaults, variables=(EnvironmentVariable("LEVEL", "debug"),))
    endpoint, _ = await play.deploy(spec)
    await worker.reconciler._namespaces.ensure(play.cluster, play.namespace, play.project.name)
    metadata = {"name": "iris-1-r1", "namespace": play.namespace}
    theirs = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": {"k": "dg=="}}
    await play.cluster.apply(theirs)
    await worker.reconcile(endpoint)
    failed = await VersionEndpoint.get(id=endpoint.id)
    assert (failed.failure or {}).get("code") == "ADMISSION_REFUSED"
    assert "Secret iris-1-r1" in failed.failure["message"]
    kept = await play.get(SECRET, "iris-1-r1")
    assert kept is not None
    assert kept["data"] == {"k": "dg=="}


async def test_a_namespace_that_somebody_makes_meanwhile_does_not_become_ours(
    play: Play, settings: Settings, installation_id: UUID, kubeconfig: Path
) -> None:
    class Slow(Cluster):
        async def get(self, kind: Kind, namespace: str | None, name: str) -> Manifest | None:
            found = await super().get(kind, namespace, name)
            if kind is NAMESPACE and found is None:
                theirs = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {}}}
                await play.cluster.create(theirs)
            return found

    slow = await Slow.connect(ClusterConfig(name="slow", kubeconfig=kubeconfig))
    worker = Worker(settings, installation_id, lambda _: asyncio.sleep(0, slow))
    endpoint, _ = await play.deploy()
    await worker.reconcile(endpoint)
    await worker.close()
    theirs = await play.cluster.get(NAMESPACE, None, play.namespace)
    assert theirs is not None
    assert names.INSTALLATION not in theirs["metadata"]["labels"]
    assert not any((await play.counts()).values())
