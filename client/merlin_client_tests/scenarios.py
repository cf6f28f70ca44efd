# ruff: noqa: S101, S105, S106 these are tests, though they do not lie in a folder of that name
"""What the client's core does when the network fails, as plain functions: run here by pytest on gql 4.4, and as
``python -m merlin_client_tests.scenarios`` in the models' Python environment, which has gql 4.0 and no pytest.

Each gets a running `FaultyServer`; started as a program, this file starts its own.
"""

from __future__ import annotations

import asyncio
import itertools
import time
import warnings
from typing import Any

from merlin_client import AsyncClient, Client, errors, portal

from merlin_client_tests.facts import MODEL, VERSION, tell
from merlin_client_tests.faulty_server import FaultyServer, faulty_server

PROJECT = {"id": "UHJvamVjdDox", "name": "wine", "team": "cellar", "labels": [], "role": "EDITOR"}


def give_project(_: dict[str, Any]) -> dict[str, Any]:
    """The answer to the query Project."""
    return {"data": {"project": PROJECT}}


def a_client(server: FaultyServer, **how: Any) -> Client:
    """A client of the server that is patient enough for a busy machine."""
    return Client(
        server.url, token=how.pop("token", "secret"), **{"timeout_seconds": 10.0, "patience_seconds": 20.0, **how}
    )


def a_lost_answer_is_asked_for_again(server: FaultyServer) -> None:
    """Cut, 502, 503: the third answer counts."""
    server.answers["Project"] = give_project
    server.faults += ["lost answer", "502", "503"]
    assert a_client(server).project("wine").team == "cellar"
    assert len(server.asked) == 4


def a_repeated_mutation_carries_the_same_key(server: FaultyServer) -> None:
    """Else it would be done twice."""
    server.answers["CreateProject"] = lambda _: {"data": {"createProject": {"project": PROJECT, "errors": []}}}
    server.faults += ["lost answer"]
    assert a_client(server).create_project("wine").name == "wine"
    keys = [body["variables"]["input"]["idempotencyKey"] for body in server.asked]
    assert len(keys) == 2
    assert len(set(keys)) == 1
    a_client(server).create_project("wine")
    assert server.asked[-1]["variables"]["input"]["idempotencyKey"] != keys[0]


def a_new_version_waits_for_mlflow_and_stays_one(server: FaultyServer) -> None:
    """As while MLflow starts: the same key again and again, synchronously and asynchronously; then it is given up."""
    tell(server, Model={"model": MODEL})
    down: list[dict[str, Any]] = [
        {"code": "MLFLOW_UNAVAILABLE", "message": "Version 2 is kept.", "path": [], "hint": None}
    ]

    def answer(_: dict[str, Any]) -> dict[str, Any]:
        up = len(keys()) % 3 == 0
        return {"data": {"createVersion": {"version": VERSION if up else None, "errors": [] if up else down}}}

    def keys() -> list[str]:
        inputs = (body["variables"].get("input", {}) for body in server.asked)
        return [asked["idempotencyKey"] for asked in inputs if "idempotencyKey" in asked]

    server.answers["CreateVersion"] = answer
    model = a_client(server).model("wine/quality")
    assert model.new_version(progress=False).number == 2

    async def work() -> int:
        async with AsyncClient(server.url, "secret") as client:
            return (await (await client.model("wine/quality")).new_version(progress=False)).number

    assert asyncio.run(work()) == 2
    assert len(keys()) == 6
    assert len(set(keys()[:3])) == len(set(keys()[3:])) == 1
    assert len(set(keys())) == 2
    try:
        model.new_version(timeout=0)
    except errors.Unavailable as error:
        assert (error.code, error.message) == ("MLFLOW_UNAVAILABLE", "Version 2 is kept.")
        assert "set_model_version" in str(error)
    else:
        raise AssertionError("no error")


def a_wrong_token_is_told_at_once(server: FaultyServer) -> None:
    """No retries: it will not get better."""
    server.token = "the right one"
    try:
        a_client(server, token="a wrong one").project("wine")
    except errors.Unauthorized as error:
        assert "does not know this token (it was given)" in error.message
        assert "wrong one" not in str(error)
    else:
        raise AssertionError("no error")
    assert server.asked == []


def a_server_that_is_not_there_is_told_in_plain_words(server: FaultyServer) -> None:
    """Not with the names of a library's exceptions."""
    try:
        Client("http://127.0.0.1:9", "t", patience_seconds=0).project("wine")
    except errors.Unavailable as error:
        assert error.message == "Merlin does not answer at http://127.0.0.1:9/graphql."
        assert "merlin up" in str(error)
    else:
        raise AssertionError("no error")


def a_slow_server_is_given_up(server: FaultyServer) -> None:
    """Each attempt has its deadline, all of them together have one, too."""
    server.answers["Project"] = give_project
    server.faults += ["slow"] * 20
    started = time.monotonic()
    try:
        a_client(server, timeout_seconds=0.2, patience_seconds=1.0).project("wine")
    except errors.Unavailable as error:
        assert "0.2 s" in str(error)
    else:
        raise AssertionError("no error")
    assert time.monotonic() - started < 10


def all_problems_of_an_input_come_at_once(server: FaultyServer) -> None:
    """With code, path and hint."""
    problems = [
        {"code": "INVALID_NAME", "message": "Too long.", "path": ["name"], "hint": "At most 32."},
        {"code": "INVALID_INPUT", "message": "No team.", "path": ["team"], "hint": None},
    ]
    server.answers["CreateProject"] = lambda _: {"data": {"createProject": {"project": None, "errors": problems}}}
    try:
        a_client(server).create_project("w" * 40)
    except errors.InputErrors as error:
        assert [(e.code, e.path) for e in error.errors] == [("INVALID_NAME", ("name",)), ("INVALID_INPUT", ("team",))]
        assert "At most 32." in str(error)
    else:
        raise AssertionError("no error")


def an_error_of_a_query_has_its_code(server: FaultyServer) -> None:
    """From extensions.code."""
    told = {"message": "Not yours.", "extensions": {"code": "PERMISSION_DENIED"}}
    server.answers["Project"] = lambda _: {"data": None, "errors": [told]}
    try:
        a_client(server).project("wine")
    except errors.PermissionDenied as error:
        assert error.message == "Not yours."
    else:
        raise AssertionError("no error")


def a_list_is_read_page_by_page_as_it_is_used(server: FaultyServer) -> None:
    """Three pages of fifty; the third is never asked for."""

    def give_page(variables: dict[str, Any]) -> dict[str, Any]:
        start = int(variables["after"] or 0)
        nodes = [{**PROJECT, "name": f"p{number}"} for number in range(start, start + variables["first"])]
        page = {"hasNextPage": start < 100, "endCursor": str(start + variables["first"])}
        return {"data": {"projects": {"nodes": nodes, "pageInfo": page, "totalCount": 150}}}

    server.answers["Projects"] = give_page
    names = [project.name for project in itertools.islice(a_client(server).projects(), 60)]
    assert names == [f"p{number}" for number in range(60)]
    assert [body["variables"]["after"] for body in server.asked] == [None, "50"]
    assert len(list(a_client(server).projects())) == 150
    assert len(list(a_client(server).projects(limit=70))) == 70


def a_cut_stream_resumes_over_websocket(server: FaultyServer) -> None:
    """No gap and no duplicate."""
    server.stream_faults += ["cut after 3", "cut after 0", "cut after 4"]
    assert _followed(server) == list(range(1, 11))
    assert {kind for kind, _ in server.streams} == {"websocket"}
    assert [after for _, after in server.streams] == [None, "3", "3", "7"]


def a_stream_that_the_server_ends_for_now_resumes(server: FaultyServer) -> None:
    """As when its database is restarted, or its reader was too slow; without a word before, it is told."""
    server.stream_faults += ["unavailable", "unavailable"]
    assert _followed(server) == list(range(1, 11))
    assert server.streams == [("websocket", None), ("websocket", "3"), ("websocket", "6")]


def where_websockets_do_not_get_through_a_stream_goes_over_sse(server: FaultyServer) -> None:
    """Refused by a proxy; and a cut SSE stream resumes as well."""
    server.websockets = "refused"
    server.stream_faults += ["cut after 3"]
    assert _followed(server) == list(range(1, 11))
    assert server.streams == [("sse", None), ("sse", "3")]


def a_proxy_that_breaks_websockets_is_found_out(server: FaultyServer) -> None:
    """Accepted, and closed without a word."""
    server.websockets = "silent"
    assert _followed(server) == list(range(1, 11))
    assert {kind for kind, _ in server.streams} == {"sse"}


def the_synchronous_client_works_inside_a_running_loop(server: FaultyServer) -> None:
    """As in a notebook."""
    server.answers["Project"] = give_project

    async def cell() -> str:
        return a_client(server).project("wine").name

    assert asyncio.run(cell()) == "wine"


def the_asynchronous_client_runs_on_your_loop(server: FaultyServer) -> None:
    """Several at once."""
    server.answers["Project"] = give_project

    async def work() -> list[str]:
        async with AsyncClient(server.url, "secret") as client:
            return [p.name for p in await asyncio.gather(*(client.project("wine") for _ in range(5)))]

    assert asyncio.run(work()) == ["wine"] * 5


def _followed(server: FaultyServer) -> list[int]:
    """The events' numbers, until the last one there is."""
    client = a_client(server)
    lines = client._async._connection.streams.lines("follow_events")
    seen = []
    for line in portal.iterate(lines):
        seen.append(int(line["cursor"]))
        if seen[-1] == 10:
            break
    return seen


SCENARIOS = [
    a_lost_answer_is_asked_for_again,
    a_repeated_mutation_carries_the_same_key,
    a_new_version_waits_for_mlflow_and_stays_one,
    a_wrong_token_is_told_at_once,
    a_server_that_is_not_there_is_told_in_plain_words,
    a_slow_server_is_given_up,
    all_problems_of_an_input_come_at_once,
    an_error_of_a_query_has_its_code,
    a_list_is_read_page_by_page_as_it_is_used,
    a_cut_stream_resumes_over_websocket,
    a_stream_that_the_server_ends_for_now_resumes,
    where_websockets_do_not_get_through_a_stream_goes_over_sse,
    a_proxy_that_breaks_websockets_is_found_out,
    the_synchronous_client_works_inside_a_running_loop,
    the_asynchronous_client_runs_on_your_loop,
]

if __name__ == "__main__":
    warnings.simplefilter("error", ResourceWarning)
    for scenario in SCENARIOS:
        with faulty_server(FaultyServer()) as running:
            scenario(running)
        print("passed", scenario.__name__, flush=True)
