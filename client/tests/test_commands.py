"""What the command line says, on a server that answers with what a test gave it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from merlin_client.cli import main
from merlin_client_tests.facts import FAILURE, VERSION, a_model_endpoint, a_revision, an_endpoint, tell, tell_of
from merlin_client_tests.faulty_server import FaultyServer, faulty_server

PATH = "wine/quality/2"
ENVIRONMENT = {"id": "N", "name": "local", "isDefault": True, "cluster": "here", "gatewayUrl": "http://127.0.0.1:9"}
FAILED = {"lifecycle": "FAILED", "failure": FAILURE, "message": FAILURE["message"], "activeRevision": None}

Run = Callable[..., tuple[int, str, str]]


def connection(*nodes: object) -> dict[str, object]:
    return {"nodes": list(nodes), "pageInfo": {"hasNextPage": False, "endCursor": None}, "totalCount": len(nodes)}


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with faulty_server(FaultyServer()) as server:
        tell_of(server, an_endpoint(), Environments={"environments": connection(ENVIRONMENT)})
        yield server


@pytest.fixture
def merlin(server: FaultyServer, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command; the exit code, stdout and stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        code = 0
        try:
            main([*arguments, "--url", server.url, "--token", "t"])
        except SystemExit as end:
            code = int(end.code or 0)
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return run


def test_status_tells_of_the_failure_once_with_its_log_and_of_what_runs_on(server: FaultyServer, merlin: Run) -> None:
    revisions = connection(a_revision(3, status="FAILED", failure=FAILURE), a_revision(1))
    endpoint = an_endpoint(failure=FAILURE, message=FAILURE["message"])
    tell_of(server, endpoint, Revisions={"node": {"revisions": revisions}})
    code, out, _ = merlin("status", PATH)
    assert code == 0
    assert "MODEL_LOAD_FAILED (revision 3 failed; revision 1 runs on): The model does not load." in out
    assert out.count("The model does not load.") == 1
    assert "  | RuntimeError: the weights are corrupt" in out
    assert "Load it at home first." in out


def test_status_has_no_empty_lines(merlin: Run) -> None:
    _, out, _ = merlin("status", PATH)
    assert "message" not in out


def test_history_tells_the_time_without_microseconds(server: FaultyServer, merlin: Run) -> None:
    tell(server, Revisions={"node": {"revisions": connection(a_revision(1))}})
    _, out, _ = merlin("history", PATH)
    assert "456684" not in out
    assert "2026-11-2" in out


def test_logs_of_pods_that_are_gone_are_what_was_kept_of_them(server: FaultyServer, merlin: Run) -> None:
    server.stream_faults += ["nothing"]
    tell_of(server, an_endpoint(**FAILED))
    code, out, err = merlin("logs", PATH)
    assert code == 0
    assert out.splitlines()[-1] == "RuntimeError: the weights are corrupt"
    assert "MODEL_LOAD_FAILED" in err


def test_logs_say_so_when_there_are_none(server: FaultyServer, merlin: Run) -> None:
    server.stream_faults += ["nothing"]
    code, out, err = merlin("logs", PATH)
    assert (code, out) == (0, "")
    assert "has written anything" in err


def test_deploy_clears_what_is_named(server: FaultyServer, merlin: Run) -> None:
    payload = {"versionEndpoint": an_endpoint(targetRevision={"number": 4}), "revision": {"number": 4}, "errors": []}
    tell(server, DeployVersion={"deployVersion": payload})
    code, out, err = merlin("deploy", PATH, "--clear", "variables", "--clear", "cpu_limit", "--no-wait")
    assert code == 0
    assert server.asked[-1]["variables"]["input"]["clear"] == ["VARIABLES", "CPU_LIMIT"]
    assert "Accepted: revision 4." in err
    assert PATH in out
    code, _, err = merlin("deploy", PATH, "--clear", "cpu")
    assert code == 2
    assert "memory_limit" in err


def test_cancel_says_what_was_cancelled(server: FaultyServer, merlin: Run) -> None:
    tell_of(server, an_endpoint(targetRevision={"number": 4}))
    tell(server, CancelDeployment={"cancelDeployment": {"versionEndpoint": an_endpoint(), "errors": []}})
    code, _, err = merlin("cancel", PATH)
    assert code == 0
    assert "The deploy of wine/quality/2 in local (revision 4) is cancelled." in err


@pytest.mark.parametrize("command", ["status", "history", "undeploy"])
def test_an_environment_that_is_not_there_is_named_with_what_there_is(
    server: FaultyServer, merlin: Run, command: str
) -> None:
    tell_of(server, None, Environment={"environment": None})
    code, _, err = merlin(command, PATH, "--environment", "nope")
    assert code == 3
    assert "There is no environment 'nope'." in err
    assert "There are: local." in err


def test_environments_are_listed(merlin: Run) -> None:
    _, out, _ = merlin("environments")
    assert out.splitlines()[1].split() == ["local", "yes", "here", "http://127.0.0.1:9"]


def test_stopping_what_is_stopped_is_nothing_to_do(server: FaultyServer, merlin: Run) -> None:
    stopped = a_model_endpoint(status="STOPPED", traffic=[], servingVersion=None)
    tell(server, ModelEndpointOfModel={"node": {"endpoint": stopped}})
    code, out, err = merlin("stop-serving", "wine/quality")
    assert code == 0
    assert "STOPPED" in out
    assert "nothing to do" in err


def test_a_refused_deploy_shows_no_progress(server: FaultyServer, merlin: Run) -> None:
    problem = {"code": "INVALID_REPLICAS", "message": "Too few.", "path": ["minReplicas"], "hint": None}
    refused = {"versionEndpoint": None, "revision": None, "errors": [problem]}
    tell(server, DeployVersion={"deployVersion": refused})
    code, _, err = merlin("deploy", PATH)
    assert code == 2
    assert err.startswith("merlin: Too few.")


def test_json_is_one_document_without_notes(server: FaultyServer, merlin: Run) -> None:
    tell(server, CancelDeployment={"cancelDeployment": {"versionEndpoint": an_endpoint(), "errors": []}})
    _, out, err = merlin("cancel", PATH, "--json")
    assert json.loads(out)["version"] == VERSION
    assert err == ""
