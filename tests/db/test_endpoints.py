"""Wishes about version endpoints: the table of moves, what is refused, what is kept, and who wins a race.

The matrix of the design (section 3), each line once through the writers; pure pairs are in tests/domain.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from merlin.db import endpoints, environments, outbox
from merlin.db.endpoint_views import model_endpoint_view, version_endpoint_view
from merlin.db.tables import Environment, Revision, VersionEndpoint
from merlin.domain.failure import Failure, FailureCode
from merlin.domain.lifecycle import Desired, Lifecycle, RevisionStatus
from merlin.domain.revision import EnvironmentVariable, RevisionSpec
from merlin.domain.settlement import RevisionMove
from merlin.domain.traffic import TrafficRule
from merlin.errors import Conflict, InputErrors, InvalidInput, NotAllowed, NotFound
from tests.db.worlds import (
    ALICE,
    SPEC,
    World,
    a_settlement,
    a_version,
    configs,
    environment_entry,
    fetch,
    revisions,
    statuses,
    traces,
)

pytestmark = pytest.mark.usefixtures("database")

OTHER = replace(SPEC, variables=(EnvironmentVariable("LEVEL", "secret-value"),))
IN_PLACE = replace(SPEC, max_replicas=4)
BROKEN = Failure(FailureCode.MODEL_LOAD_FAILED, "No module named x.", "Log the requirement.", {"exit_code": 3})


async def refused(act: Any, code: str) -> NotAllowed:
    """The act is refused with that code, a path and a hint, and leaves nothing behind."""
    before = await traces()
    with pytest.raises(NotAllowed) as error:
        await act
    assert error.value.code == code
    assert error.value.path
    assert error.value.hint
    assert await traces() == before
    return error.value


# Deploying


async def test_a_first_deploy_is_pending_with_everything_beside_it() -> None:
    world = await World.make()
    before = await traces()
    endpoint, revision = await world.deploy(OTHER, comment="try")
    assert (endpoint.lifecycle, endpoint.progressing, endpoint.generation) == (Lifecycle.PENDING, True, 1)
    assert (endpoint.target_revision, endpoint.active_revision) == (1, None)
    assert (revision.number, revision.status, revision.service_name) == (1, RevisionStatus.QUEUED, "scorer-1-r1")
    assert {k: v - before[k] for k, v in (await traces()).items()} == {
        "event": 1,
        "audit": 1,
        "outbox": 1,
        "revision": 1,
        "idempotency_key": 0,
    }
    [row] = await fetch("SELECT kind, key, generation, wake FROM outbox ORDER BY id DESC LIMIT 1")
    assert row == {"kind": "reconcile_version_endpoint", "key": str(endpoint.id), "generation": 1, "wake": 0}


async def test_values_of_variables_stand_in_no_event_and_no_audit_line() -> None:
    world = await World.make()
    await world.deploy(OTHER)
    for table in ("event", "audit"):
        assert await fetch(f"SELECT id FROM {table} AS t WHERE t::text LIKE '%secret-value%'") == []


async def test_an_open_version_is_not_deployed() -> None:
    world = await World.make()
    world.version = await a_version(world.model, finished=False)
    await refused(world.deploy(), "VERSION_OPEN")


async def test_a_detached_environment_takes_no_deployment() -> None:
    world = await World.make()
    await world.deploy()
    await environments.sync_environments(configs(environment_entry("other")))
    await refused(world.deploy(), "ENVIRONMENT_DETACHED")


async def test_unknown_things_are_not_found() -> None:
    world = await World.make()
    with pytest.raises(NotFound):
        await world.deploy(version_id=uuid4())
    with pytest.raises(NotFound) as unknown:
        await world.deploy(environment_id=uuid4())
    assert unknown.value.code == "ENVIRONMENT_UNKNOWN"
    for act in (endpoints.request_undeploy, endpoints.cancel_deployment):
        with pytest.raises(NotFound):
            await act(ALICE, endpoint_id=uuid4())


async def test_the_quota_counts_other_versions_that_are_wished() -> None:
    world = await World.make()
    endpoint = await world.running()
    other = await world.sibling()
    await refused(other.deploy(most_deployed_versions=1), "QUOTA_EXCEEDED")
    await world.deploy(IN_PLACE, most_deployed_versions=1)
    await endpoints.request_undeploy(ALICE, endpoint_id=endpoint.id)
    await other.deploy(most_deployed_versions=1)


async def test_a_spec_made_from_the_one_before_leaves_nothing_when_it_is_wrong() -> None:
    world = await World.make()
    await world.running()

    def wrong(base: RevisionSpec | None) -> RevisionSpec:
        raise InputErrors([InvalidInput(f"not with {base}", path=("resources",))])

    before = await traces()
    with pytest.raises(InputErrors):
        await world.deploy(wrong)
    assert await traces() == before


async def test_a_redeploy_shows_the_target_beside_the_active_revision() -> None:
    world = await World.make()
    endpoint = await world.running()
    endpoint, revision = await world.deploy(OTHER)
    assert (endpoint.lifecycle, endpoint.progressing, endpoint.healthy) == (Lifecycle.RUNNING, True, True)
    assert (endpoint.target_revision, endpoint.active_revision, endpoint.generation) == (2, 1, 2)
    assert (revision.service_name, revision.workload_revision) == ("scorer-1-r2", 2)
    endpoint = await world.become_active(endpoint, revision)
    assert await statuses(endpoint.id) == {1: "draining", 2: "active"}


async def test_a_change_in_place_keeps_the_service_and_the_workload() -> None:
    world = await World.make()
    await world.running()
    endpoint, revision = await world.deploy(IN_PLACE)
    assert (revision.number, revision.service_name, revision.workload_revision) == (2, "scorer-1-r1", 1)
    await world.become_active(endpoint, revision)
    _, third = await world.deploy(replace(IN_PLACE, timeout_seconds=9))
    assert (third.number, third.service_name, third.workload_revision) == (3, "scorer-1-r1", 1)


async def test_a_change_in_place_of_what_is_on_its_way_keeps_that_service() -> None:
    world = await World.make()
    await world.running()
    await world.deploy(OTHER)
    endpoint, revision = await world.deploy(replace(OTHER, max_replicas=3))
    assert (revision.service_name, revision.workload_revision) == ("scorer-1-r2", 2)
    assert await statuses(endpoint.id) == {1: "active", 2: "superseded", 3: "queued"}


async def test_the_same_spec_again_gets_pods_of_its_own() -> None:
    world = await World.make()
    await world.running()
    _, revision = await world.deploy(SPEC)
    assert (revision.service_name, revision.workload_revision) == ("scorer-1-r2", 2)


async def test_the_newest_wish_wins_over_a_pending_one() -> None:
    world = await World.make()
    first, _ = await world.deploy()
    assert await endpoints.record_applied(first.id, generation=1, revision=1)
    endpoint, revision = await world.deploy(OTHER)
    assert (endpoint.lifecycle, endpoint.target_revision, endpoint.generation) == (Lifecycle.PENDING, 2, 2)
    assert await statuses(endpoint.id) == {1: "superseded", 2: "queued"}
    assert (revision.service_name, (await revisions(endpoint.id))[0].finished_at is not None) == ("scorer-1-r2", True)


async def test_the_spec_before_is_what_is_still_wished() -> None:
    world = await World.make()
    where = {"version_id": world.version.id, "environment_id": world.environment.id}
    assert await endpoints.base_spec(**where) is None
    endpoint = await world.running(IN_PLACE)
    await world.deploy(OTHER)
    assert await endpoints.base_spec(**where) == OTHER
    await endpoints.cancel_deployment(ALICE, endpoint_id=endpoint.id)
    assert await endpoints.base_spec(**where) == IN_PLACE
    await endpoints.request_undeploy(ALICE, endpoint_id=endpoint.id)
    assert await endpoints.base_spec(**where) is None


async def test_after_a_failed_first_deploy_its_spec_is_the_base() -> None:
    world = await World.make()
    endpoint, _ = await world.deploy(OTHER)
    await endpoints.record_failure(endpoint.id, generation=1, failure=BROKEN)
    assert await endpoints.base_spec(version_id=world.version.id, environment_id=world.environment.id) == OTHER


# Rolling back


async def test_a_rollback_to_a_revision_that_still_drains_uses_its_service_again() -> None:
    world = await World.make()
    await world.running()
    await world.become_active(*await world.deploy(OTHER))
    _, revision = await world.rollback()
    assert (revision.number, revision.cause.value, revision.rollback_to) == (3, "rollback", 1)
    assert (revision.service_name, revision.workload_revision) == ("scorer-1-r1", 1)
    assert RevisionSpec.from_json(revision.spec) == SPEC


async def test_a_rollback_to_a_revision_that_is_removed_gets_a_service_of_its_own() -> None:
    world = await World.make()
    endpoint = await world.running()
    endpoint = await world.become_active(*await world.deploy(OTHER))
    gone = a_settlement(2, moves=(RevisionMove(1, RevisionStatus.REMOVED),))
    assert await endpoints.record_observation(None, endpoint.id, generation=2, settlement=gone)
    _, revision = await world.rollback(1)
    assert (revision.service_name, revision.workload_revision) == ("scorer-1-r3", 3)


async def test_a_rollback_of_a_change_in_place_is_one_too() -> None:
    world = await World.make()
    await world.running()
    endpoint, revision = await world.deploy(IN_PLACE)
    moves = (RevisionMove(1, RevisionStatus.REMOVED), RevisionMove(2, RevisionStatus.ACTIVE))
    assert await endpoints.record_observation(None, endpoint.id, generation=2, settlement=a_settlement(2, moves=moves))
    _, revision = await world.rollback()
    assert (revision.number, revision.service_name, revision.workload_revision) == (3, "scorer-1-r1", 1)
    assert RevisionSpec.from_json(revision.spec) == SPEC


async def test_a_rollback_to_what_drains_under_another_number_uses_its_service_again() -> None:
    world = await World.make()
    await world.running()
    endpoint, _ = await world.deploy(IN_PLACE)
    moves = (RevisionMove(1, RevisionStatus.REMOVED), RevisionMove(2, RevisionStatus.ACTIVE))
    assert await endpoints.record_observation(None, endpoint.id, generation=2, settlement=a_settlement(2, moves=moves))
    await world.become_active(*await world.deploy(OTHER))
    _, revision = await world.rollback(1)
    assert (revision.number, revision.service_name, revision.workload_revision) == (4, "scorer-1-r1", 1)


async def test_a_rollback_while_being_undeployed_never_uses_what_is_terminating() -> None:
    world = await World.make()
    endpoint = await world.running()
    endpoint = await world.become_active(*await world.deploy(OTHER))
    await endpoints.request_undeploy(ALICE, endpoint_id=endpoint.id)
    endpoint, revision = await world.rollback(1)
    assert (endpoint.lifecycle, endpoint.active_revision) == (Lifecycle.PENDING, None)
    assert revision.service_name == "scorer-1-r3"
    assert await statuses(endpoint.id) == {1: "removed", 2: "removed", 3: "queued"}


async def test_a_rollback_during_a_redeploy_goes_back_to_the_active_one() -> None:
    world = await World.make()
    await world.running()
    await world.deploy(OTHER)
    endpoint, revision = await world.rollback(1)
    assert (revision.number, revision.service_name) == (3, "scorer-1-r1")
    assert await statuses(endpoint.id) == {1: "active", 2: "superseded", 3: "queued"}


async def test_a_rollback_needs_a_revision_that_ran_and_is_not_the_active_one() -> None:
    world = await World.make()
    with pytest.raises(NotFound):
        await world.rollback(1)
    endpoint = await world.running()
    with pytest.raises(NotFound):
        await world.rollback()
    with pytest.raises(NotFound):
        await world.rollback(7)
    await refused(world.rollback(1), "NO_CHANGE")
    await world.deploy(OTHER)
    await endpoints.record_failure(endpoint.id, generation=2, failure=BROKEN)
    await refused(world.rollback(2), "NOT_ALLOWED")


# Cancelling, undeploying


async def test_a_cancelled_first_deploy_ends_terminated() -> None:
    world = await World.make()
    endpoint, _ = await world.deploy()
    endpoint = await endpoints.cancel_deployment(ALICE, endpoint_id=endpoint.id)
    assert (endpoint.lifecycle, endpoint.desired, endpoint.generation) == (
        Lifecycle.TERMINATED,
        Desired.TERMINATED,
        2,
    )
    assert (endpoint.target_revision, endpoint.progressing) == (None, False)
    assert await statuses(endpoint.id) == {1: "cancelled"}


async def test_a_cancelled_redeploy_leaves_the_active_revision_the_target() -> None:
    world = await World.make()
    await world.running()
    endpoint, _ = await world.deploy(OTHER)
    endpoint = await endpoints.cancel_deployment(ALICE, endpoint_id=endpoint.id)
    assert (endpoint.lifecycle, endpoint.target_revision, endpoint.active_revision) == (Lifecycle.RUNNING, 1, 1)
    assert (endpoint.desired, endpoint.generation, endpoint.observed_generation) == (Desired.DEPLOYED, 3, 1)
    assert await statuses(endpoint.id) == {1: "active", 2: "cancelled"}


async def test_there_is_nothing_to_cancel_but_what_is_on_its_way() -> None:
    world = await World.make()
    endpoint = await world.running()
    await refused(endpoints.cancel_deployment(ALICE, endpoint_id=endpoint.id), "NOTHING_TO_CANCEL")
    await endpoints.request_undeploy(ALICE, endpoint_id=endpoint.id)
    await refused(endpoints.cancel_deployment(ALICE, endpoint_id=endpoint.id), "NOTHING_TO_CANCEL")
    await world.gone(await world.endpoint(endpoint.id))
    await refused(endpoints.cancel_deployment(ALICE, endpoint_id=endpoint.id), "NOTHING_TO_CANCEL")


async def test_an_undeploy_progresses_until_the_objects_are_gone() -> None:
    world = await World.make()
    endpoint = await world.running()
    endpoint = await endpoints.request_undeploy(ALICE, endpoint_id=endpoint.id)
    assert (endpoint.lifecycle, endpoint.desired, endpoint.progressing) == (
        Lifecycle.RUNNING,
        Desired.TERMINATED,
        True,
    )
    assert await endpoints.request_undeploy(ALICE, endpoint_id=endpoint.id) == endpoint
    assert (await world.endpoint(endpoint.id)).generation == endpoint.generation
    endpoint = await world.gone(endpoint)
    assert endpoint.lifecycle is Lifecycle.TERMINATED
    await refused(endpoints.request_undeploy(ALICE, endpoint_id=endpoint.id), "NOT_RUNNING")


async def test_an_undeploy_cancels_what_is_on_its_way() -> None:
    world = await World.make()
    await world.running()
    endpoint, _ = await world.deploy(OTHER)
    await endpoints.request_undeploy(ALICE, endpoint_id=endpoint.id)
    assert await statuses(endpoint.id) == {1: "active", 2: "cancelled"}


async def test_a_deploy_over_an_undeploy_starts_anew() -> None:
    world = await World.make()
    endpoint = await world.running()
    await endpoints.request_undeploy(ALICE, endpoint_id=endpoint.id)
    endpoint, revision = await world.deploy()
    assert (endpoint.lifecycle, endpoint.desired, endpoint.active_revision) == (
        Lifecycle.PENDING,
        Desired.DEPLOYED,
        None,
    )
    assert (revision.cause.value, revision.service_name) == ("deploy", "scorer-1-r2")
    assert await statuses(endpoint.id) == {1: "removed", 2: "queued"}


async def test_what_serves_or_is_to_serve_is_not_undeployed() -> None:
    world = await World.make()
    endpoint = await world.running()
    other = await world.sibling()
    second = await other.running()
    wished = await world.serve(TrafficRule.all_to(endpoint.id))
    error = await refused(endpoints.request_undeploy(ALICE, endpoint_id=endpoint.id), "STILL_SERVING")
    assert "is to get 100 %" in error.message
    await world.observe_traffic(wished, TrafficRule.all_to(endpoint.id))
    wished = await world.serve(TrafficRule.all_to(second.id))
    error = await refused(endpoints.request_undeploy(ALICE, endpoint_id=endpoint.id), "STILL_SERVING")
    assert "gets 100 %" in error.message
    await world.observe_traffic(wished, TrafficRule.all_to(second.id))
    await endpoints.request_undeploy(ALICE, endpoint_id=endpoint.id)


# What is seen in the cluster


async def test_an_older_generation_is_left_alone() -> None:
    world = await World.make()
    endpoint, _ = await world.deploy()
    await world.deploy(OTHER)
    before = await traces()
    seen = a_settlement(1, moves=(RevisionMove(1, RevisionStatus.ACTIVE),))
    assert not await endpoints.record_observation(None, endpoint.id, generation=1, settlement=seen)
    assert not await endpoints.record_applied(endpoint.id, generation=1, revision=1)
    assert not await endpoints.record_failure(endpoint.id, generation=1, failure=BROKEN)
    assert not await endpoints.record_observation(None, uuid4(), generation=1, settlement=seen)
    assert await traces() == before
    assert (await world.endpoint(endpoint.id)).lifecycle is Lifecycle.PENDING


async def test_the_same_observation_twice_is_written_once() -> None:
    world = await World.make()
    endpoint, revision = await world.deploy()
    await world.become_active(endpoint, revision)
    [once] = await fetch("SELECT xmin::text, updated_at FROM version_endpoint")
    before = await traces()
    await world.become_active(endpoint, revision)
    assert await traces() == before
    assert await fetch("SELECT xmin::text, updated_at FROM version_endpoint") == [once]


async def test_a_keyed_line_is_told_once_even_without_a_change() -> None:
    from merlin.domain.settlement import Happening

    world = await World.make()
    endpoint = await world.running()
    line = Happening("pod.event", "Pulled image.", key="pod-1/uid-7", data={"pod": "a"})
    silent = Happening("deployment.ready", "said with a change only")
    seen = a_settlement(1, happenings=(line, silent))
    for _ in range(2):
        assert await endpoints.record_observation(None, endpoint.id, generation=1, settlement=seen)
    told = await fetch("SELECT type, data ->> 'key' AS key FROM event WHERE type IN ('pod.event', 'deployment.ready')")
    assert told == [{"type": "pod.event", "key": "pod-1/uid-7"}]


async def test_times_of_every_step_are_noted_even_when_it_was_seen_late() -> None:
    world = await World.make()
    endpoint = await world.running()
    [revision] = await revisions(endpoint.id)
    assert None not in (revision.applied_at, revision.ready_at, revision.active_at)
    assert revision.finished_at is None


async def test_a_move_that_does_not_exist_is_refused_and_nothing_is_written() -> None:
    world = await World.make()
    endpoint = await world.running()
    await world.gone(await endpoints.request_undeploy(ALICE, endpoint_id=endpoint.id))
    before = await traces()
    with pytest.raises(NotAllowed):
        await endpoints.record_observation(None, endpoint.id, generation=2, settlement=a_settlement(1))
    with pytest.raises(NotAllowed):
        gone = a_settlement(1, lifecycle=Lifecycle.TERMINATED, moves=(RevisionMove(1, RevisionStatus.ACTIVE),))
        await endpoints.record_observation(None, endpoint.id, generation=2, settlement=gone)
    assert await traces() == before


async def test_what_was_applied_is_noted_once() -> None:
    world = await World.make()
    endpoint, _ = await world.deploy()
    for _ in range(2):
        assert await endpoints.record_applied(endpoint.id, generation=1, revision=1)
    assert await statuses(endpoint.id) == {1: "starting"}
    assert len(await fetch("SELECT id FROM event WHERE type = 'deployment.applied'")) == 1


async def test_a_failed_first_deploy_is_failed_and_cleaned_up_by_one_more_reconcile() -> None:
    world = await World.make()
    endpoint, _ = await world.deploy()
    assert await endpoints.record_failure(endpoint.id, generation=1, failure=BROKEN)
    endpoint = await world.endpoint(endpoint.id)
    assert (endpoint.lifecycle, endpoint.reason, endpoint.wake) == (Lifecycle.FAILED, "MODEL_LOAD_FAILED", 1)
    assert endpoint.failure == BROKEN.as_json()
    [revision] = await revisions(endpoint.id)
    assert (revision.status, revision.failure) == (RevisionStatus.FAILED, BROKEN.as_json())
    rows = await fetch("SELECT wake FROM outbox WHERE key = $1 ORDER BY id", str(endpoint.id))
    assert [row["wake"] for row in rows] == [0, 1]


async def test_a_failed_redeploy_leaves_the_old_revision_running_and_shows_the_cause() -> None:
    world = await World.make()
    await world.running()
    endpoint, _ = await world.deploy(OTHER)
    assert await endpoints.record_failure(endpoint.id, generation=2, failure=BROKEN)
    endpoint = await world.endpoint(endpoint.id)
    assert (endpoint.lifecycle, endpoint.healthy, endpoint.progressing) == (Lifecycle.RUNNING, True, False)
    assert (endpoint.target_revision, endpoint.active_revision) == (1, 1)
    assert endpoint.failure == BROKEN.as_json()
    endpoint, _ = await world.deploy(OTHER)
    assert endpoint.failure is None


async def test_a_failure_without_a_deploy_under_way_makes_it_unhealthy_once() -> None:
    world = await World.make()
    endpoint = await world.running()
    for _ in range(2):
        assert await endpoints.record_failure(endpoint.id, generation=1, failure=BROKEN)
    endpoint = await world.endpoint(endpoint.id)
    assert (endpoint.lifecycle, endpoint.healthy) == (Lifecycle.RUNNING, False)
    assert len(await fetch("SELECT id FROM event WHERE type = 'endpoint.unhealthy'")) == 1


async def test_waking_counts_and_asks_for_work() -> None:
    world = await World.make()
    endpoint, _ = await world.deploy()
    assert await endpoints.bump_wake(endpoint.id)
    assert await endpoints.bump_wake(endpoint.id, delay_seconds=60)
    rows = await fetch(
        "SELECT wake, scheduled_for <= now() AS due FROM outbox WHERE key = $1 ORDER BY id", str(endpoint.id)
    )
    assert [(row["wake"], row["due"]) for row in rows] == [(2, True)]
    assert not await endpoints.bump_wake(uuid4())


async def test_a_view_holds_all_that_a_worker_needs() -> None:
    world = await World.make()
    endpoint = await world.running()
    wished = await world.serve(TrafficRule.all_to(endpoint.id))
    await world.deploy(OTHER)
    view = await version_endpoint_view(endpoint.id)
    assert view is not None
    assert (view.version.id, view.model.name, view.project.name, view.environment.name) == (
        world.version.id,
        "scorer",
        "fraud",
        "local",
    )
    assert [revision.number for revision in view.revisions] == [1, 2]
    assert view.revision(2) is view.revisions[1]
    traffic = await model_endpoint_view(wished.id)
    assert traffic is not None
    assert traffic.destinations[endpoint.id].version.number == 1
    assert await version_endpoint_view(uuid4()) is None
    assert await model_endpoint_view(uuid4()) is None


# Races


async def test_two_first_deploys_at_once_make_one_endpoint_and_two_revisions() -> None:
    world = await World.make()
    both = await asyncio.gather(*(world.deploy(spec) for spec in (SPEC, OTHER)))
    assert {endpoint.id for endpoint, _ in both} == {both[0][0].id}
    assert sorted(revision.number for _, revision in both) == [1, 2]
    assert await statuses(both[0][0].id) == {1: "superseded", 2: "queued"}


async def test_many_redeploys_at_once_number_without_gap_and_one_is_left() -> None:
    world = await World.make()
    endpoint = await world.running()
    await asyncio.gather(*(world.deploy(replace(OTHER, timeout_seconds=n)) for n in range(1, 11)))
    kept = await revisions(endpoint.id)
    assert [revision.number for revision in kept] == list(range(1, 12))
    assert [r.status.value for r in kept] == ["active", *["superseded"] * 9, "queued"]
    assert (await world.endpoint(endpoint.id)).generation == 11


async def test_two_changes_at_once_both_come_through() -> None:
    world = await World.make()
    await world.running()

    def change(**changes: Any) -> Any:
        return lambda base: replace(base, **changes)

    await asyncio.gather(world.deploy(change(max_replicas=7)), world.deploy(change(timeout_seconds=7)))
    spec = await endpoints.base_spec(version_id=world.version.id, environment_id=world.environment.id)
    assert spec == replace(SPEC, max_replicas=7, timeout_seconds=7)


@pytest.mark.parametrize("generation", [0, 1])
async def test_of_two_deploys_meant_for_the_same_generation_one_is_done(generation: int) -> None:
    world = await World.make()
    if generation:
        await world.running()
    both = await asyncio.gather(
        *(world.deploy(spec, expected_generation=generation) for spec in (SPEC, OTHER)), return_exceptions=True
    )
    refused = [each for each in both if isinstance(each, BaseException)]
    assert [type(each) for each in refused] == [Conflict]
    assert f"generation {generation + 1}, not {generation}" in str(refused[0])
    (done,) = (each for each in both if not isinstance(each, BaseException))
    assert len(await revisions(done[0].id)) == generation + 1


async def test_a_deploy_meant_for_another_generation_is_judged_by_nothing_else() -> None:
    world = await World.make()
    await world.deploy()
    await (await world.sibling()).deploy()

    def spec(base: RevisionSpec | None) -> RevisionSpec:
        raise AssertionError(f"judged on top of {base}")

    with pytest.raises(Conflict):
        await world.deploy(spec, expected_generation=0, most_deployed_versions=1)


@pytest.mark.parametrize("attempt", range(3))
async def test_a_deploy_racing_an_undeploy_ends_as_one_of_them(attempt: int) -> None:
    world = await World.make()
    endpoint = await world.running()
    await asyncio.gather(world.deploy(OTHER), endpoints.request_undeploy(ALICE, endpoint_id=endpoint.id))
    endpoint = await world.endpoint(endpoint.id)
    assert endpoint.generation == 3
    if endpoint.desired is Desired.DEPLOYED:
        assert (endpoint.lifecycle, await statuses(endpoint.id)) == (Lifecycle.PENDING, {1: "removed", 2: "queued"})
    else:
        assert await statuses(endpoint.id) == {1: "active", 2: "cancelled"}


@pytest.mark.parametrize("attempt", range(3))
async def test_serving_racing_an_undeploy_never_leaves_a_rule_to_what_goes(attempt: int) -> None:
    world = await World.make()
    endpoint = await world.running()
    served, undeployed = await asyncio.gather(
        world.serve(TrafficRule.all_to(endpoint.id)),
        endpoints.request_undeploy(ALICE, endpoint_id=endpoint.id),
        return_exceptions=True,
    )
    failures = [e for e in (served, undeployed) if isinstance(e, NotAllowed)]
    assert [failure.code for failure in failures] in (["NOT_RUNNING"], ["STILL_SERVING"])


async def test_records_and_wishes_at_once_never_deadlock() -> None:
    world = await World.make()
    endpoint = await world.running()

    async def observe() -> None:
        for _ in range(15):
            now = await world.endpoint(endpoint.id)
            seen = a_settlement(1, target_revision=now.target_revision, progressing=True, message=str(now.wake))
            await endpoints.record_observation(None, endpoint.id, generation=now.generation, settlement=seen)
            await endpoints.bump_wake(endpoint.id)

    async def wish() -> None:
        for number in range(1, 10):
            await world.deploy(replace(OTHER, timeout_seconds=number))

    async with asyncio.timeout(60):
        await asyncio.gather(observe(), observe(), wish(), wish())
    assert (await world.endpoint(endpoint.id)).generation == 19


# What the tables themselves refuse


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE version_endpoint SET generation = 0",
        "UPDATE version_endpoint SET observed_generation = generation + 1",
        "UPDATE version_endpoint SET active_revision = 7",
        "UPDATE version_endpoint SET active_revision = NULL",
        "UPDATE revision SET number = 0",
        "UPDATE revision SET workload_revision = 9",
        "UPDATE revision SET rollback_to = 1",
        "UPDATE version SET state = 'finished', artifact_uri = NULL",
        "UPDATE model_endpoint SET desired_rule = '{\"destinations\": []}'",
        "UPDATE model_endpoint SET desired_rule = jsonb_set(desired_rule, '{destinations,0,weight}', '99')",
        "UPDATE model_endpoint SET status = 'stopped'",
        "INSERT INTO installation (id, epoch, pruned_through) VALUES (gen_random_uuid(), 'x', 0)",
        "UPDATE environment SET detached = true",
    ],
)
async def test_the_tables_refuse_what_can_never_be(change: str) -> None:
    world = await World.make()
    endpoint = await world.running()
    await world.serving(TrafficRule.all_to(endpoint.id))
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        await fetch(change)


async def test_a_row_read_by_the_orm_is_the_row_that_was_written() -> None:
    world = await World.make()
    written, revision = await world.deploy(OTHER)
    assert await VersionEndpoint.get(id=written.id).values() == {
        name: getattr(written, name) for name in VersionEndpoint._meta.fields_db_projection
    }
    assert RevisionSpec.from_json((await Revision.get(id=revision.id)).spec) == OTHER
    assert environments.config_of(await Environment.get(id=world.environment.id)) == configs()[0]


async def test_wakes_that_nobody_relays_stay_one_row_and_a_row_that_a_relay_has_is_left_alone() -> None:
    world = await World.make()
    endpoint, _ = await world.deploy()
    for delay in (5.0, 0.0, 9.0):
        assert await endpoints.bump_wake(endpoint.id, delay_seconds=delay)
    rows = "SELECT generation, wake, scheduled_for <= now() AS due FROM outbox WHERE key = $1 ORDER BY id"
    assert await fetch(rows, str(endpoint.id)) == [{"generation": 1, "wake": 3, "due": True}]
    async with outbox.claim():
        assert await endpoints.bump_wake(endpoint.id)
    assert await fetch(rows, str(endpoint.id)) == [{"generation": 1, "wake": 4, "due": True}]
