"""MLflow's own protocol against real servers: every form of body, and the health paths that MLflow's server has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from merlin_runtime_tests.served import Runtime

Served = Callable[[str], Runtime]


def predictions(server: Runtime, body: dict[str, Any]) -> Any:
    answer = server.http.post("/invocations", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["predictions"]


def refused(server: Runtime, **request: Any) -> str:
    answer = server.http.post("/invocations", **request)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error_code"] == "BAD_REQUEST"
    return str(answer.json()["message"])


@pytest.mark.parametrize("model", ["iris", "without_signature"])
def test_every_json_form_answers_as_mlflow_does(served: Served, expected: Any, model: str) -> None:
    rows, columns = expected["iris_rows"], expected["columns"]
    records = [dict(zip(columns, row, strict=True)) for row in rows]
    turned = {name: list(values) for name, values in zip(columns, zip(*rows, strict=True), strict=True)}
    bodies: list[dict[str, Any]] = [
        {"dataframe_split": {"columns": columns, "data": rows}},
        {"dataframe_split": {"columns": columns[::-1], "data": [row[::-1] for row in rows]}},
        {"dataframe_records": records},
        {"instances": rows},
        {"instances": records},
        {"inputs": rows},
        {"inputs": turned},
    ]
    for body in bodies:
        if model == "without_signature" and body.get("dataframe_split", {}).get("columns") == columns[::-1]:
            continue  # without a signature nobody knows the order but the model, which refuses another
        assert predictions(served(model), body) == expected[model], body.keys()


def test_mixed_columns_come_in_every_form(served: Served, expected: Any) -> None:
    columns = expected["people_rows"]
    rows = [list(row) for row in zip(*columns.values(), strict=True)]
    records = [dict(zip(columns, row, strict=True)) for row in rows]
    for body in (
        {"dataframe_split": {"columns": list(columns), "data": rows}},
        {"dataframe_records": records},
        {"inputs": columns},
        {"instances": rows},
    ):
        assert predictions(served("people"), body) == expected["people"], body.keys()


def test_csv_is_read_by_the_signature(served: Served, expected: Any) -> None:
    columns = expected["people_rows"]
    lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    answer = served("people").http.post(
        "/invocations", content="\n".join(lines), headers={"content-type": "text/csv; charset=utf-8"}
    )
    assert answer.json() == {"predictions": expected["people"]}


def test_tables_become_records_and_params_are_passed_on(served: Served) -> None:
    body = {"dataframe_split": {"columns": ["text"], "data": [["ab"], ["c"]]}, "params": {"times": 3}}
    assert predictions(served("echo"), body) == [{"text": "ababab", "length": 2}, {"text": "ccc", "length": 1}]


def test_a_dict_stays_a_dict(served: Served) -> None:
    found = predictions(served("summary"), {"inputs": {"a": [1, 2], "b": [3, 50]}})
    assert found == {"total": [56.0], "rows": [2], "label": ["big"]}


def test_bad_bodies_name_the_fault(served: Served) -> None:
    iris, people = served("iris"), served("people")
    assert "exactly one of" in refused(iris, json={"data": [[1, 2, 3, 4]]})
    assert "shape [rows, 4] expected" in refused(iris, json={"instances": [[1, 2]]})
    assert "not JSON" in refused(iris, content=b"nope")
    assert "row 1 must be a list of 2 values" in refused(
        people, json={"dataframe_split": {"columns": ["age", "city"], "data": [[1, "a"], [2]]}}
    )
    missing = refused(people, json={"dataframe_records": [{"city": "Oslo", "agee": 3, "income": 1.0}]})
    assert "['age']" in missing
    assert "agee" in missing
    wrong = refused(people, json={"dataframe_records": [{"city": "Oslo", "age": "old", "income": 1.0}]})
    assert "'age': INT64 expected, found 'old'" in wrong
    null = refused(people, json={"dataframe_records": [{"city": "Oslo", "age": None, "income": 1.0}]})
    assert "cannot hold null (NaN)" in null
    fraction = refused(people, json={"dataframe_records": [{"city": "Oslo", "age": 1.5, "income": 1.0}]})
    assert "INT64 expected, found 1.5" in fraction
    assert "CSV line 2 has 1 values" in refused(people, content="a,b\n1", headers={"content-type": "text/csv"})


def test_other_content_types_are_415(served: Served) -> None:
    post = served("iris").http.post
    assert post("/invocations", content=b"x", headers={"content-type": "image/png"}).status_code == 415
    assert post("/invocations", content=b"x", headers={"content-encoding": "gzip"}).status_code == 415


def test_ping_health_and_version_answer_as_mlflows_server_does(served: Served) -> None:
    http = served("iris").http
    assert http.get("/ping").status_code == 200
    assert http.get("/health").status_code == 200
    assert http.get("/version").text.startswith("3.")
