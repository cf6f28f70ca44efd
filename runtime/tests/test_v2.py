"""The V2 protocol against real servers: health, metadata, every form of input, every kind of refusal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from merlin_runtime_tests.served import Runtime, tensor

Served = Callable[[str], Runtime]
ROW = [5.1, 3.5, 1.4, 0.2]


def outputs(answer: Any) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["outputs"]
    return found


def refused(answer: Any, status: int = 400) -> str:
    assert answer.status_code == status, answer.text
    return str(answer.json()["error"])


def test_a_column_without_a_name_is_numbered_as_mlflow_numbers_it(served: Served) -> None:
    answer = served("unnamed").infer(tensor("input-0", ["good wine", "bad wine"], "BYTES"))
    assert outputs(answer)[0]["data"] == ["int 0", "int 0"]


def test_health_and_metadata_name_the_model(served: Served) -> None:
    iris = served("iris")
    assert iris.http.get("/v2/health/live").json() == {"live": True}
    assert iris.http.get("/v2/health/ready").json() == {"ready": True}
    for base in ("/v2/models/iris", "/v2/models/iris/versions/3"):
        assert iris.http.get(f"{base}/ready").json() == {"name": "iris", "ready": True}
        metadata = iris.http.get(base).json()
        assert metadata["versions"] == ["3"]
        assert metadata["inputs"][0]["name"] == "sepal length (cm)"
        assert {(part["datatype"], *part["shape"]) for part in metadata["inputs"]} == {("FP64", -1)}
        assert metadata["outputs"] == [{"name": "output-0", "datatype": "INT64", "shape": [-1]}]
    assert iris.http.get("/v2").json()["name"] == "merlin-runtime"


def test_every_answer_says_who_gave_it(served: Served) -> None:
    iris = served("iris")
    for path in ("/v2/health/live", "/v2/models/iris/ready", "/metrics", "/nowhere", "/v2/models/other/ready"):
        headers = iris.http.get(path).headers
        named = (headers["merlin-model"], headers["merlin-version"], headers["merlin-revision"])
        assert named == ("iris", "3", "7")


def test_one_2d_tensor_answers_as_mlflow_does(served: Served, expected: Any) -> None:
    for name in ("iris", "without_signature"):
        (output,) = outputs(served(name).infer(tensor("input-0", expected["iris_rows"])))
        assert output == {"name": "output-0", "datatype": "INT64", "shape": [15], "data": expected[name]}


def test_columns_in_any_order_and_either_shape_answer_alike(served: Served, expected: Any) -> None:
    columns = dict(zip(expected["columns"], zip(*expected["iris_rows"], strict=True), strict=True))
    for name in ("iris", "without_signature"):
        flat = [tensor(column, list(columns[column])) for column in expected["columns"]]
        assert outputs(served(name).infer(*flat))[0]["data"] == expected[name]
    reverse = [tensor(name, [[value] for value in columns[name]]) for name in reversed(expected["columns"])]
    assert outputs(served("iris").infer(*reverse))[0]["data"] == expected["iris"]


def test_probabilities_come_as_a_2d_tensor(served: Served, expected: Any) -> None:
    (output,) = outputs(served("iris_proba").infer(tensor("x", expected["iris_rows"])))
    assert (output["datatype"], output["shape"]) == ("FP64", [15, 3])
    flat = [value for row in expected["iris_proba"] for value in row]
    assert output["data"] == pytest.approx(flat, rel=1e-12)


def test_a_tensor_signature_checks_shape_and_names_its_output(served: Served, expected: Any) -> None:
    server = served("tensor")
    (output,) = outputs(server.infer(tensor("anything", expected["iris_rows"])))
    assert (output["name"], output["data"]) == ("species", expected["tensor"])
    assert "shape [-1, 4] expected" in refused(server.infer(tensor("x", [[1.0, 2.0]])))


def test_text_and_whole_number_columns_reach_a_pipeline(served: Served, expected: Any) -> None:
    rows = expected["people_rows"]
    server = served("people")
    inputs = [
        tensor("city", rows["city"], "BYTES"),
        tensor("age", rows["age"], "INT64"),
        tensor("income", rows["income"], "FP64"),
    ]
    (output,) = outputs(server.infer(*inputs))
    assert (output["datatype"], output["data"]) == ("BYTES", expected["people"])
    datatypes = [part["datatype"] for part in server.http.get("/v2/models/iris").json()["inputs"]]
    assert datatypes == ["BYTES", "INT64", "FP64"]


def test_a_dataframe_comes_back_as_one_output_per_column(served: Served) -> None:
    answer = served("echo").infer(tensor("text", ["ab", "c"], "BYTES"))
    assert outputs(answer) == [
        {"name": "text", "datatype": "BYTES", "shape": [2], "data": ["ab", "c"]},
        {"name": "length", "datatype": "INT64", "shape": [2], "data": [2, 1]},
    ]


def test_a_dict_comes_back_as_one_output_per_key(served: Served) -> None:
    answer = served("summary").infer(tensor("a", [1.0, 2.0]), tensor("b", [3.0, 5.0]))
    named = {output["name"]: (output["datatype"], output["data"]) for output in outputs(answer)}
    assert named == {"total": ("FP64", [11.0]), "rows": ("INT64", [2]), "label": ("BYTES", ["big"])}


def test_id_parameters_and_outputs_are_honoured(served: Served) -> None:
    answer = served("echo").infer(
        tensor("text", ["ab"], "BYTES"), id="r-1", parameters={"times": 2}, outputs=[{"name": "text"}]
    )
    assert answer.json()["id"] == "r-1"
    assert [(output["name"], output["data"]) for output in outputs(answer)] == [("text", ["abab"])]
    assert "no outputs ['nope']" in refused(
        served("echo").infer(tensor("text", ["ab"], "BYTES"), outputs=[{"name": "nope"}])
    )


REFUSALS: list[tuple[dict[str, Any], str]] = [
    (tensor("x", [[1.0, 2.0, 3.0]]), "shape [rows, 4] expected, found [1, 3]"),
    (tensor("x", [ROW], shape=[2, 4]), "`shape` [2, 4] does not match the data"),
    (tensor("x", [["a", "b", "c", "d"]], "FP64"), "FP64 expected, found 'a'"),
    (tensor("x", [["a", "b", "c", "d"]], "BYTES"), "FP64 expected, found BYTES"),
    (tensor("x", [[1.0, 2.0], [3.0]], shape=[2, 2]), "rows have different lengths"),
    (tensor("x", [ROW], "FP65"), "`datatype` must be one of"),
    (tensor("x", [ROW], shape=[-1, 4]), "`shape` must be a list of whole numbers"),
    (tensor("sepal length (cm)", [5.1]), "missing"),
    (tensor("x", [[True, False, True, False]], "FP64"), "FP64 expected, found True"),
    (tensor("x", [], shape=[0, 4]), "no rows"),
    ({"name": "x"}, "`datatype`"),
]


@pytest.mark.parametrize(("sent", "reason"), REFUSALS, ids=[reason for _, reason in REFUSALS])
def test_bad_tensors_are_refused_with_the_reason(served: Served, sent: dict[str, Any], reason: str) -> None:
    assert reason in refused(served("iris").infer(sent))
    assert outputs(served("iris").infer(tensor("x", [ROW])))[0]["data"] == [0]


def test_missing_and_unknown_columns_are_both_named(served: Served) -> None:
    said = refused(served("people").infer(tensor("city", ["Oslo"], "BYTES"), tensor("agee", [3], "INT64")))
    assert "['age', 'income']" in said
    assert "agee" in said


def test_missing_values_are_refused_for_whole_numbers_and_by_the_model(served: Served) -> None:
    city, income = tensor("city", ["Oslo"], "BYTES"), tensor("income", [1.0])
    for age in (tensor("age", [None], "INT64"), {**tensor("age", [None]), "datatype": "FP64"}):
        said = refused(served("people").infer(city, age, income))
        assert "'age'" in said
        assert "NaN" in said
    # Floats may be missing; whether the model takes it is the model's word.
    assert "NaN" in refused(served("iris").infer(tensor("x", [[None, 1.0, 1.0, 1.0]])))


def test_bodies_that_are_no_request_are_refused(served: Served) -> None:
    post = served("iris").http.post
    path = "/v2/models/iris/infer"
    assert "not JSON" in refused(post(path, content=b"{"))
    assert "empty" in refused(post(path, content=b""))
    assert "not JSON" in refused(post(path, content=b"\xff\xfe\x00"))
    assert "JSON object" in refused(post(path, json=[1]))
    assert "`inputs`" in refused(post(path, json={}))
    assert "given twice" in refused(served("iris").infer(tensor("x", [ROW]), tensor("x", [ROW])))
    assert "`id`" in refused(served("iris").infer(tensor("x", [ROW]), id=3))


def test_unknown_models_versions_paths_and_methods(served: Served) -> None:
    http = served("iris").http
    assert "this server has model 'iris', version 3" in refused(http.get("/v2/models/other"), 404)
    assert "unknown version '4'" in refused(http.get("/v2/models/iris/versions/4/ready"), 404)
    assert "nothing at" in refused(http.get("/admin"), 404)
    answer = http.get("/v2/models/iris/infer")
    assert "POST only" in refused(answer, 405)
    assert answer.headers["allow"] == "POST"


def test_a_model_that_raises_is_a_500_and_the_server_lives(served: Served) -> None:
    echo = served("echo")
    assert "RuntimeError: boom from the model" in refused(echo.infer(tensor("text", ["explode"], "BYTES")), 500)
    assert outputs(echo.infer(tensor("text", ["fine"], "BYTES")))[0]["data"] == ["fine"]
    assert "boom from the model" in echo.lines("prediction failed")[-1]["exception"]


def test_python_style_nan_and_widening_types_are_read(served: Served) -> None:
    body = b'{"inputs":[{"name":"x","datatype":"FP64","shape":[1,4],"data":[NaN,1,2,3]}]}'
    assert "NaN" in refused(served("iris").http.post("/v2/models/iris/infer", content=body))
    whole = served("iris").infer(tensor("x", [[5, 3, 1, 0]], "INT64"))
    single = served("iris").infer(tensor("x", [[5, 3, 1, 0]], "FP32"))
    assert outputs(whole) == outputs(single)
