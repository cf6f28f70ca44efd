"""The notebook client on a real platform: what people do with it, what goes wrong for them, and what they are told."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Iterator

import httpx
import merlin_client as merlin
import numpy as np
import pandas as pd
import pytest
from merlin_client import AsyncClient, Client, portal

from tests.platform import ROW, Deployed, Platform, until

pytestmark = pytest.mark.xdist_group("platform")

COLUMNS = ["sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)"]
FLOWER = [5.1, 3.5, 1.4, 0.2]


@pytest.fixture
def client(platform: Platform) -> Iterator[Client]:
    with Client(home=platform.home) as client:
        yield client


@pytest.fixture
def endpoint(client: Client, running: Deployed) -> merlin.VersionEndpoint:
    """The shared running endpoint, only to be read."""
    found = client.version(f"shared/{running.model}/{running.number}").endpoint()
    assert found is not None
    return found


def a_version(platform: Platform, client: Client, project: str, kind: str = "good") -> merlin.Version:
    """A finished version of a new model."""
    model = client.get_or_create_project(project).create_model("iris")
    _, number = platform.finished_version(model.id, kind)
    return model.version(number)


# What there is


def test_names_are_found_exactly_and_made_once(client: Client) -> None:
    project = client.get_or_create_project("names", team="cellar")
    assert client.get_or_create_project("names") == project
    longer = project.create_model("iris-v2")
    with pytest.raises(merlin.NotFound):
        project.model("iris")
    shorter = project.get_or_create_model("iris")
    assert shorter != longer
    assert [model.name for model in project.models()] == ["iris", "iris-v2"]
    assert "names" in [found.name for found in client.projects()]
    with pytest.raises(merlin.AlreadyExists):
        project.create_model("iris")


def test_versions_are_listed_page_by_page_newest_first(client: Client, platform: Platform) -> None:
    model = client.get_or_create_project("paging").get_or_create_model("iris")
    for number in range(1, 5):
        model.new_version(labels={"parity": "even" if number % 2 == 0 else "odd"})
    assert [v.number for v in model.versions()] == [4, 3, 2, 1]
    assert [v.number for v in itertools.islice(model.versions(), 2)] == [4, 3]
    assert [v.number for v in model.versions(labels={"parity": "odd"})] == [3, 1]
    latest = model.latest_version()
    assert latest is not None
    assert latest.number == 4


def test_labels_and_aliases_come_and_go(client: Client) -> None:
    model = client.get_or_create_project("labels").get_or_create_model("iris")
    version = model.new_version(labels={"team": "cellar"})
    version.set_labels({"team": "garden", "stage": "trial"})
    assert version.labels == {"team": "garden", "stage": "trial"}
    assert version.remove_labels("stage").labels == {"team": "garden"}
    version.set_alias("champion")
    assert model.version("champion") == version
    assert client.version("labels/iris/champion").number == version.number
    assert version.remove_alias("champion").aliases == []
    with pytest.raises(merlin.NotFound):
        model.version("champion")


def test_what_is_wrong_with_a_name_is_said(client: Client) -> None:
    with pytest.raises(merlin.MerlinError) as caught:
        client.create_project("Kube_System")
    assert caught.value.code == "INVALID_NAME"
    assert caught.value.path == ("name",)


def test_all_problems_of_a_deploy_come_at_once(client: Client, running: Deployed) -> None:
    version = client.version(f"shared/{running.model}/{running.number}")
    with pytest.raises(merlin.InputErrors) as caught:
        version.deploy(resources={"cpu": "plenty"}, min_replicas=3, max_replicas=1)
    assert {error.path[0] for error in caught.value.errors} >= {"resources", "minReplicas"}


def test_a_wrong_token_is_unauthorized(platform: Platform) -> None:
    with Client(platform.addresses["graphql"], "wrong") as stranger, pytest.raises(merlin.Unauthorized):
        stranger.project("shared")


def test_a_version_made_while_mlflow_is_down_goes_on_as_the_same_one(
    client: Client, platform: Platform, capsys: pytest.CaptureFixture[str]
) -> None:
    model = client.get_or_create_project("early").create_model("iris")
    platform.kill("mlflow")
    with pytest.raises(merlin.Unavailable, match="Version 1 is kept") as caught:
        model.new_version(timeout=0)
    assert (caught.value.code, "set_model_version" in str(caught.value)) == ("MLFLOW_UNAVAILABLE", True)
    kept = model.version(1)
    assert (kept.state, kept.run_id) == ("OPEN", None)
    assert capsys.readouterr().err == ""

    assert model.new_version(timeout=120).run_id
    assert "MLflow does not answer yet" in capsys.readouterr().err
    assert kept.refresh().run_id is None, "to read it is not to change it"
    assert kept.log.run_id == kept.run_id == model.version(1).run_id
    assert [version.number for version in model.versions()] == [2, 1]


# Predictions


def test_every_form_of_data_gets_an_answer_in_its_form(endpoint: merlin.VersionEndpoint) -> None:
    frame = pd.DataFrame([FLOWER, FLOWER], columns=COLUMNS)
    answer = endpoint.predict(frame)
    assert isinstance(answer, np.ndarray)
    assert answer.tolist() == [0, 0]
    assert endpoint.predict(frame.to_numpy()).tolist() == [0, 0]
    assert endpoint.predict(frame.to_dict(orient="records")) == [0, 0]
    assert endpoint.predict({name: [value] for name, value in zip(COLUMNS, FLOWER, strict=True)}) == [0]
    assert endpoint.predict([FLOWER]) == [0]
    assert endpoint.predict(ROW)["outputs"][0]["data"] == [0]


def test_a_refused_prediction_names_the_column(endpoint: merlin.VersionEndpoint) -> None:
    with pytest.raises(merlin.PredictionFailed) as caught:
        endpoint.predict([{"sepal length (cm)": 5.1}])
    assert caught.value.status == 400
    assert "sepal width (cm)" in caught.value.message
    with pytest.raises(merlin.PredictionFailed, match="sepal length"):
        endpoint.predict([dict.fromkeys(COLUMNS, "long")])


def test_objects_show_themselves_with_links(endpoint: merlin.VersionEndpoint) -> None:
    assert repr(endpoint).startswith("<VersionEndpoint shared/iris/")
    assert f'<a href="{endpoint.url}"' in endpoint._repr_html_()


# Deploying


def test_a_deploy_goes_through_its_phases_and_can_be_rolled_back(
    client: Client, platform: Platform, capsys: pytest.CaptureFixture[str]
) -> None:
    version = a_version(platform, client, "phases")
    endpoint = version.deploy(comment="first")
    assert endpoint.lifecycle == "RUNNING"
    shown = capsys.readouterr().err
    assert shown.index("ACCEPTED") < shown.index("STARTING") < shown.index("RUNNING")
    assert endpoint.predict([FLOWER]) == [0]

    assert version.deploy(variables={"GREETING": "hello"}, progress=False).active_revision == 2
    assert endpoint.rollback(progress=False).active_revision == 3
    history = endpoint.history()
    assert [(r.number, r.cause) for r in history] == [(3, "ROLLBACK"), (2, "REDEPLOY"), (1, "DEPLOY")]
    assert history[2].comment == "first"
    assert capsys.readouterr().err == ""

    serving = endpoint.serve()
    assert serving.traffic == {version.number: 100}
    assert endpoint.refresh().lifecycle == "SERVING"
    assert serving.predict([FLOWER]) == [0]
    with pytest.raises(merlin.NotAllowed) as caught:
        endpoint.undeploy()
    assert caught.value.code == "STILL_SERVING"
    assert serving.stop().traffic == {}
    assert endpoint.undeploy().lifecycle == "TERMINATED"


def test_a_model_that_does_not_load_is_told_with_its_log(client: Client, platform: Platform) -> None:
    version = a_version(platform, client, "broken", "broken")
    with pytest.raises(merlin.DeploymentFailed) as caught:
        version.deploy()
    assert caught.value.code == "MODEL_LOAD_FAILED"
    assert caught.value.fix
    assert "the weights are corrupt" in str(caught.value)
    assert any("the weights are corrupt" in line for line in caught.value.log)
    endpoint = version.endpoint()
    assert endpoint is not None
    failed = endpoint.history()[0]
    assert failed.status == "FAILED"
    assert failed.failure is not None
    assert failed.failure.code == "MODEL_LOAD_FAILED"


def test_giving_up_waiting_leaves_the_deploy_running(client: Client, platform: Platform) -> None:
    version = a_version(platform, client, "impatient")
    with pytest.raises(merlin.TimedOut, match=r"took longer than 0\.2 s"):
        version.deploy(timeout=0.2)
    endpoint = version.endpoint()
    assert endpoint is not None
    until(lambda: endpoint.refresh().lifecycle == "RUNNING", 60, "it went on")


def test_without_waiting_it_returns_at_once_and_can_be_cancelled(client: Client, platform: Platform) -> None:
    version = a_version(platform, client, "hasty")
    endpoint = version.deploy(wait=False)
    assert endpoint.lifecycle == "PENDING"
    endpoint.cancel()
    with pytest.raises(merlin.DeploymentCancelled):
        list(portal.iterate(endpoint._async.rollout(1)))
    until(lambda: endpoint.refresh().lifecycle == "TERMINATED", 30, "it was cancelled")


# Streams


def test_logs_come_from_the_pods(endpoint: merlin.VersionEndpoint) -> None:
    lines = list(endpoint.logs(tail=50))
    assert any("model loaded" in line.text for line in lines)
    assert [line.text for line in itertools.islice(endpoint.logs(follow=True, tail=2), 2)] == [
        line.text for line in lines[-2:]
    ]


def test_events_go_on_over_a_killed_api_without_gap_or_duplicate(client: Client, platform: Platform) -> None:
    version = a_version(platform, client, "resuming")
    project = client.get_or_create_project("resuming")
    seen: list[str] = []
    told = threading.Event()

    def follow() -> None:
        for event in client.events(project="resuming", follow=True):
            seen.append(event.cursor)
            if told.is_set():
                return

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    endpoint = version.deploy(progress=False)
    platform.kill("api")
    until(lambda: endpoint.refresh().lifecycle == "RUNNING", 60, "the API is back")
    endpoint.undeploy(progress=False)
    project.update(description="to be seen")
    everything = [event.cursor for event in client.events(project="resuming")]
    until(lambda: len(seen) >= len(everything), 30, "all events have come")
    assert seen[: len(everything)] == everything
    told.set()
    project.update(description="the last event")
    thread.join(30)
    assert not thread.is_alive()


async def test_the_asynchronous_client_does_the_same(platform: Platform, running: Deployed) -> None:
    async with AsyncClient(home=platform.home) as client:
        version = await client.version(f"shared/{running.model}/{running.number}")
        endpoint = await version.endpoint()
        assert endpoint is not None
        answers = await asyncio.gather(*(endpoint.predict([FLOWER]) for _ in range(8)))
        assert answers == [[0]] * 8
        assert [e.number async for e in (await client.model("shared/iris")).versions()] == [running.number]
        async for seen in endpoint.watch():
            assert seen.id == endpoint.id
            break


def test_a_server_that_is_not_there_is_told_quickly() -> None:
    with Client("http://127.0.0.1:9", "t") as nobody, pytest.raises(merlin.Unavailable, match="does not answer"):
        list(nobody.projects())


def test_the_endpoint_answers_any_http_client(endpoint: merlin.VersionEndpoint) -> None:
    with httpx.Client(trust_env=False) as http:
        assert http.post(endpoint.infer_url, json=ROW, timeout=30).json()["outputs"][0]["data"] == [0]
