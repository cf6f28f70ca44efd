"""What is read from an MLmodel file, and where an artifact really lies."""

from __future__ import annotations

import pytest

from merlin.errors import Rejected
from merlin.tracking.artifact import (
    Artifact,
    python_version_of,
    read_mlmodel,
    requirements_of,
    signature_of,
    storage_uri_of,
)

MAP = {"mlflow-artifacts:/": "file:///data/artifacts/", "mlflow-artifacts:/7/": "s3://seven/"}


@pytest.mark.parametrize(
    ("artifact", "storage"),
    [
        ("mlflow-artifacts:/1/models/m-1/artifacts", "file:///data/artifacts/1/models/m-1/artifacts"),
        ("mlflow-artifacts://host:5000/1/r/artifacts/model", "file:///data/artifacts/1/r/artifacts/model"),
        ("mlflow-artifacts:/7/r/artifacts/model", "s3://seven/r/artifacts/model"),
        ("s3://bucket/1/model", "s3://bucket/1/model"),
        ("/plain/path", "file:///plain/path"),
    ],
)
def test_storage_uri_follows_the_longest_prefix(artifact: str, storage: str) -> None:
    assert storage_uri_of(artifact, MAP) == storage


@pytest.mark.parametrize(
    "artifact", ["mlflow-artifacts:/../../etc", "mlflow-artifacts:/1/../../etc/passwd", "file:///a/../../b/../.."]
)
def test_an_address_that_climbs_out_is_refused(artifact: str) -> None:
    with pytest.raises(Rejected):
        storage_uri_of(artifact, MAP)


def test_an_address_nobody_can_read_is_refused_with_the_setting_to_change() -> None:
    with pytest.raises(Rejected) as refused:
        storage_uri_of("mlflow-artifacts:/1/model", {})
    assert "MERLIN_MLFLOW_ARTIFACT_MAP" in (refused.value.hint or "")


@pytest.mark.parametrize("text", [b"", b"just text", b"a: [", b"flavors: 3"])
def test_a_file_that_is_no_mlmodel_is_refused(text: bytes) -> None:
    with pytest.raises(Rejected) as refused:
        read_mlmodel(text)
    assert refused.value.code == "NOT_A_MODEL"


def test_signature_and_python_are_read() -> None:
    mlmodel = read_mlmodel(
        b"flavors: {python_function: {python_version: 3.11.7}, sklearn: {}}\n"
        b'signature: {inputs: \'[{"type": "double", "name": "x"}]\', outputs: null}\n'
    )
    assert python_version_of(mlmodel) == "3.11.7"
    assert signature_of(mlmodel) == {"inputs": [{"type": "double", "name": "x"}]}


def test_equal_environments_have_equal_hashes_whatever_the_order() -> None:
    def artifact(requirements: list[str]) -> Artifact:
        return Artifact("a", "b", [], None, requirements, "3.11.7")

    assert artifact(["a==1", "b==2"]).requirements_hash == artifact(["b==2", "a==1"]).requirements_hash
    assert artifact(["a==1"]).requirements_hash != artifact(["a==2"]).requirements_hash


def test_comments_in_requirements_name_nothing() -> None:
    assert requirements_of(b"# made by us\n\nmlflow==3.17.2\n  numpy\n") == ["mlflow==3.17.2", "numpy"]
