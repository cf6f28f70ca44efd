"""A wish becomes true in a cluster: worker and watcher together, everybody else played by the test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from merlin.db.connection import Database
from merlin.db.environments import sync_environments
from merlin.db.tables import Environment, ModelEndpoint, VersionEndpoint
from merlin.db.transaction import transaction
from merlin.domain.environment import parse_environments
from merlin.kube import names
from merlin.kube.kinds import HTTP_ROUTE, INFERENCE_SERVICE, SERVICE
from merlin.settings import Settings
from merlin.workers import observe
from merlin.workers.worker import Resync
from tests.workers.plays import Play, until
from tests.workers.staff import lines, statuses, workers


@pytest.fixture
async def running(settings: Settings, database: Database, play: Play) -> AsyncIterator[Play]:
    """The play with a worker and a watcher at work."""
    async with workers(settings, database):
        yield play


async def test_a_first_deploy_passes_every_stop_and_asks_nobody_when_it_is_done(running: Play) -> None:
    endpoint, revision = await running.deploy()
    done = await running.bring_up(endpoint, revision)
    assert (done.lifecycle.value, done.healthy, done.observed_generation) == ("running", True, 1)
    assert await lines(endpoint.id) == [*FIRST_DEPLOY]
    before = running.gateway.asked
    again, second = await running.deploy(version=await running.another_version())
    await running.roll_out(second.service_name)
    await running.accept_route(names.version_route("iris", 2))
    await until(lambda: _told(again.id, "deployment.ready"), "the other one is ready")
    assert running.gateway.asked >= before  # for the other one alone: this one is settled
    assert await lines(endpoint.id) == [*FIRST_DEPLOY]


async def test_a_redeploy_switches_when_the_new_pods_answer_then_drains_and_removes_the_old_ones(running: Play) -> None:
    endpoint, first = await running.deploy()
    await running.bring_up(endpoint, first)
    _, second = await running.deploy()
    await running.roll_out(second.service_name)
    await until(lambda: _selects(running, second.service_name), "the Service selects the new pods")
    assert (await VersionEndpoint.get(id=endpoint.id)).active_revision == 1  # the gateway still leads to the old ones
    await running.accept_route(names.version_route("iris", 1))
    await running.answer(revision=2)
    await running.active(endpoint.id, 2)
    assert (await statuses(endpoint.id))[1] in ("draining", "removed")
    await until(lambda: _gone(running, first.service_name), "the old InferenceService is gone")
    assert await statuses(endpoint.id) == {1: "removed", 2: "active"}
    assert await running.counts() == {"InferenceService": 1, "Service": 1, "HTTPRoute": 1}


async def test_a_failed_redeploy_leaves_the_active_revision_alone_and_nothing_of_its_own(running: Play) -> None:
    endpoint, first = await running.deploy()
    await running.bring_up(endpoint, first)
    _, second = await running.deploy()
    await running.roll_out(second.service_name, ready=False)
    told = '{"code": "MODEL_LOAD_FAILED", "message": "the weights are corrupt"}'
    await running.crash(second.service_name, f"Traceback\nMERLIN_FAILURE {told}")
    await until(lambda: _told(endpoint.id, "deployment.failed"), "the failure is told")
    failed = await VersionEndpoint.get(id=endpoint.id)
    assert (failed.lifecycle.value, failed.active_revision, failed.target_revision, failed.healthy) == (
        "running",
        1,
        1,
        True,
    )
    assert failed.failure["code"] == "MODEL_LOAD_FAILED"
    assert failed.failure["message"] == "the weights are corrupt"
    await until(lambda: _gone(running, second.service_name), "the failed objects are gone")
    await running.remove(second.service_name)
    await until(lambda: _settled(endpoint.id), "settled")
    assert await statuses(endpoint.id) == {1: "active", 2: "failed"}
    assert await running.selected() == first.service_name


async def test_a_failed_first_deploy_ends_as_failed_with_nothing_left(running: Play) -> None:
    endpoint, revision = await running.deploy()
    await running.roll_out(revision.service_name, ready=False)
    await running.crash(revision.service_name, 'MERLIN_FAILURE {"code": "DEPENDENCY_CONFLICT", "message": "numpy"}')
    await until(lambda: _told(endpoint.id, "deployment.failed"), "the failure is told")
    await until(lambda: _nothing_left(running), "nothing is left")
    await running.remove(revision.service_name)
    await until(lambda: _settled(endpoint.id), "settled")
    failed = await VersionEndpoint.get(id=endpoint.id)
    assert (failed.lifecycle.value, failed.progressing, failed.failure["code"]) == (
        "failed",
        False,
        "DEPENDENCY_CONFLICT",
    )


async def test_what_a_container_or_a_cluster_says_is_told_whatever_it_is(running: Play) -> None:
    endpoint, revision = await running.deploy()
    await running.there(INFERENCE_SERVICE, revision.service_name)
    now = "2026-01-01T00:00:00Z"
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "odd", "namespace": running.namespace},
        "involvedObject": {
            "kind": "Pod",
            "name": f"{names.predictor(revision.service_name)}-1",
            "namespace": running.namespace,
        },
        "type": "Warning",
        "reason": "VeryLong" * 15,
        "message": "binary \0 text",
        "firstTimestamp": now,
        "lastTimestamp": now,
    }
    await running.cluster._request("POST", f"/api/v1/namespaces/{running.namespace}/events", body=event)
    await until(lambda: _told(endpoint.id, "cluster.event"), "the cluster's event is told")
    await running.crash(revision.service_name, "Traceback: bad magic \0\1 in model.pkl")
    await until(lambda: _told(endpoint.id, "deployment.failed"), "the failure is told")
    failed = await VersionEndpoint.get(id=endpoint.id)
    assert "bad magic \ufffd" in str(failed.failure)


async def test_a_deploy_fails_at_its_deadline_when_nothing_else_says_why(running: Play) -> None:
    endpoint, _ = await running.deploy(replace(running.config.defaults, deadline_seconds=1))
    await until(lambda: _told(endpoint.id, "deployment.failed"), "the deadline is told")
    assert (await VersionEndpoint.get(id=endpoint.id)).failure["code"] == "DEADLINE_EXCEEDED"


async def test_a_rollback_while_the_old_pods_drain_is_only_a_switch_of_the_selector(running: Play) -> None:
    endpoint, first = await running.deploy()
    await running.bring_up(endpoint, first)
    first_uid = (await running.there(INFERENCE_SERVICE, first.service_name))["metadata"]["uid"]
    _, second = await running.deploy()
    await running.bring_up(endpoint, second)
    _, third = await running.deploy(rollback_to=1)
    assert third.service_name == first.service_name
    await running.accept_route(names.version_route("iris", 1))
    await until(lambda: _selects(running, first.service_name), "the Service selects the old pods again")
    await running.accept_route(names.version_route("iris", 1))
    await running.answer(revision=1)
    await running.active(endpoint.id, 3)
    await until(lambda: _gone(running, second.service_name), "the other one is drained")
    assert (await running.there(INFERENCE_SERVICE, first.service_name))["metadata"]["uid"] == first_uid
    assert await statuses(endpoint.id) == {1: "removed", 2: "removed", 3: "active"}


async def test_a_change_of_replicas_is_applied_to_the_same_pods(running: Play) -> None:
    endpoint, first = await running.deploy()
    await running.bring_up(endpoint, first)
    _, second = await running.deploy(replace(running.config.defaults, min_replicas=2, max_replicas=2))
    assert (second.service_name, second.workload_revision) == (first.service_name, 1)
    await until(lambda: _replicas(running, first.service_name, 2), "two replicas are asked for")
    await running.bring_up(endpoint, second)
    assert await statuses(endpoint.id) == {1: "removed", 2: "active"}


@pytest.mark.parametrize("hours", [-1, 1])
async def test_a_watcher_whose_clock_is_wrong_ends_no_deploy(
    settings: Settings, database: Database, play: Play, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    monkeypatch.setattr(observe, "own_time", lambda: datetime.now(UTC) + timedelta(hours=hours))
    async with workers(settings, database):
        endpoint, first = await play.deploy()
        await play.bring_up(endpoint, first)
        _, second = await play.deploy()
        await play.roll_out(second.service_name)
        await until(lambda: _selects(play, second.service_name), "the Service selects the new pods")
        await play.bring_up(endpoint, second)
        # The drain of a second is over in time as well.
        await until(lambda: _gone(play, first.service_name), "the old one is drained")


async def test_undeploying_ends_as_terminated_once_everything_is_gone(running: Play) -> None:
    endpoint, revision = await running.deploy()
    await running.bring_up(endpoint, revision)
    await running.undeploy(endpoint.id)
    await until(lambda: _nothing_left(running), "nothing is left")
    assert (await VersionEndpoint.get(id=endpoint.id)).lifecycle.value == "running"  # its Deployment is still there
    await running.remove(revision.service_name)
    await until(lambda: _told(endpoint.id, "endpoint.terminated"), "terminated")
    await until(lambda: _settled(endpoint.id), "settled")


async def test_traffic_is_served_switched_and_stopped(running: Play) -> None:
    one, first = await running.deploy()
    await running.bring_up(one, first)
    traffic = await running.serve(one.id)
    await running.accept_route(names.model_route("iris"))
    await until(lambda: _serves(traffic.id, one.id), "version 1 serves")
    two, second = await running.deploy(version=await running.another_version())
    await running.bring_up(two, second)
    await running.answer(version=1, revision=1)
    await running.serve(two.id)
    await until(lambda: _leads_to(running, names.service("iris", 2)), "the route names version 2")
    await running.accept_route(names.model_route("iris"))
    await until(lambda: _asked_again(running), "the gateway is asked")
    assert not await _serves(traffic.id, two.id)  # version 1 still answers
    await running.answer(version=2, revision=1)
    await until(lambda: _serves(traffic.id, two.id), "version 2 serves")
    await running.serve(None)
    await until(lambda: _told(traffic.id, "traffic.stopped"), "stopped")
    assert await running.get(HTTP_ROUTE, names.model_route("iris")) is None


async def test_a_models_route_follows_the_timeout_of_the_version_that_it_leads_to(running: Play) -> None:
    endpoint, first = await running.deploy()
    await running.bring_up(endpoint, first)
    traffic = await running.serve(endpoint.id)
    await running.accept_route(names.model_route("iris"))
    await until(lambda: _serves(traffic.id, endpoint.id), "version 1 serves")
    _, second = await running.deploy(replace(running.config.defaults, timeout_seconds=7))
    await until(lambda: _times_out(running, names.version_route("iris", 1), "7s"), "the version's own route follows")
    await running.bring_up(endpoint, second)
    await until(lambda: _times_out(running, names.model_route("iris"), "7s"), "the model's route follows")


async def test_a_models_route_follows_the_timeout_though_the_watcher_died_before_it_said_so(
    settings: Settings, database: Database, play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nobody(_: UUID) -> list[UUID]:
        return []

    async with workers(settings, database):
        endpoint, first = await play.deploy()
        await play.bring_up(endpoint, first)
        traffic = await play.serve(endpoint.id)
        await play.accept_route(names.model_route("iris"))
        await until(lambda: _serves(traffic.id, endpoint.id), "version 1 serves")
        with monkeypatch.context() as patch:
            patch.setattr(observe, "traffic_to", nobody)
            _, second = await play.deploy(replace(play.config.defaults, timeout_seconds=7))
            await until(lambda: _times_out(play, names.version_route("iris", 1), "7s"), "its own route follows")
            await play.bring_up(endpoint, second)
            await until(lambda: _settled(endpoint.id), "settled")
        assert not await _times_out(play, names.model_route("iris"), "7s")
    async with workers(settings, database):
        await until(lambda: _times_out(play, names.model_route("iris"), "7s"), "the model's route follows")


async def test_an_environment_says_whether_its_cluster_answers(running: Play, tmp_path: Path) -> None:
    async def health(name: str) -> bool | None:
        reachable: bool | None = (await Environment.get(name=name)).health.get("reachable")
        return reachable

    entries = [running.config.as_json()]
    plugin = "{apiVersion: client.authentication.k8s.io/v1, command: 'false'}"
    for far, user in (("far", "{token: t}"), ("locked", f"{{exec: {plugin}}}")):
        dead = tmp_path / far
        dead.write_text(
            "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
            "contexts: [{name: c, context: {cluster: c, user: u}}]\n"
            f"clusters: [{{name: c, cluster: {{server: 'http://127.0.0.1:9'}}}}]\nusers: [{{name: u, user: {user}}}]\n"
        )
        entries.append({**entries[0], "name": far, "default": False, "path_prefix": f"/{far}"})
        entries[-1]["cluster"] = {"name": far, "kubeconfig": str(dead), "in_cluster": False}
    await sync_environments(parse_environments(entries))
    await until(lambda: _holds(health("local"), True), "the near one answers")
    await until(lambda: _holds(health("far"), False), "the far one does not")
    await until(lambda: _holds(health("locked"), False), "the one whose plugin fails is not even asked")


async def test_what_somebody_else_removed_comes_back(running: Play) -> None:
    endpoint, revision = await running.deploy()
    await running.bring_up(endpoint, revision)
    await running.cluster.delete(SERVICE, running.namespace, names.service("iris", 1))
    await running.there(SERVICE, names.service("iris", 1))


async def test_pods_that_fail_later_are_told_once_and_heal_by_themselves(running: Play) -> None:
    endpoint, revision = await running.deploy()
    await running.bring_up(endpoint, revision)
    await running.roll_out(revision.service_name, ready=False)
    await until(lambda: _told(endpoint.id, "endpoint.unhealthy"), "unhealthy")
    await running.roll_out(revision.service_name)
    await until(lambda: _told(endpoint.id, "endpoint.healed"), "healed")
    healed = await VersionEndpoint.get(id=endpoint.id)
    assert (healed.healthy, healed.lifecycle.value, healed.reason) == (True, "running", "")


async def test_settled_endpoints_cost_no_writes(running: Play, database: Database) -> None:
    endpoint, revision = await running.deploy()
    await running.bring_up(endpoint, revision)
    await until(lambda: _settled(endpoint.id), "settled")
    before = await _written(database), await running.there(INFERENCE_SERVICE, revision.service_name)
    # A whole deploy of another version, with all its rings, passes meanwhile.
    other, second = await running.deploy(version=await running.another_version())
    await running.bring_up(other, second)
    assert [row for row in await _written(database) if row[0] == endpoint.id] == before[0]
    assert await running.there(INFERENCE_SERVICE, revision.service_name) == before[1]


async def test_a_flushed_queue_costs_only_time(settings: Settings, database: Database, play: Play) -> None:
    endpoint, revision = await play.deploy()
    async with transaction() as tx:  # relayed, then the queue was flushed
        await tx.execute("DELETE FROM outbox")
    await Resync(60).wake()
    async with workers(settings, database):
        await play.bring_up(endpoint, revision)


FIRST_DEPLOY = ("deployment.requested", "deployment.applied", "deployment.ready", "deployment.active")


async def _told(subject: UUID, kind: str) -> bool:
    return kind in await lines(subject)


async def _selects(play: Play, service_name: str) -> bool:
    return await play.selected() == service_name


async def _gone(play: Play, service_name: str) -> bool:
    return await play.get(INFERENCE_SERVICE, service_name) is None


async def _nothing_left(play: Play) -> bool:
    return not any((await play.counts()).values())


async def _settled(endpoint_id: UUID) -> bool:
    found = await VersionEndpoint.get(id=endpoint_id)
    return found.observed_generation == found.generation and not found.progressing


async def _times_out(play: Play, route: str, seconds: str) -> bool:
    found = await play.there(HTTP_ROUTE, route)
    return bool(found["spec"]["rules"][0]["timeouts"]["request"] == seconds)


async def _holds(claim: Awaitable[bool | None], expected: bool) -> bool:
    return await claim is expected


async def _replicas(play: Play, service_name: str, count: int) -> bool:
    found = await play.there(INFERENCE_SERVICE, service_name)
    return bool(found["spec"]["predictor"]["minReplicas"] == count)


async def _serves(model_endpoint_id: UUID, version_endpoint_id: UUID) -> bool:
    rule = (await ModelEndpoint.get(id=model_endpoint_id)).observed_rule
    return bool(rule and rule["destinations"][0]["version_endpoint_id"] == str(version_endpoint_id))


async def _leads_to(play: Play, service: str) -> bool:
    route = await play.there(HTTP_ROUTE, names.model_route("iris"))
    return bool([ref["name"] for ref in route["spec"]["rules"][0]["backendRefs"]] == [service])


async def _asked_again(play: Play) -> bool:
    asked = play.gateway.asked
    await until(lambda: _more(play, asked), "another question")
    return True


async def _more(play: Play, asked: int) -> bool:
    return play.gateway.asked > asked


async def _written(database: Database) -> list[tuple[UUID, object]]:
    return [(e.id, e.updated_at) for e in await VersionEndpoint.all()]
