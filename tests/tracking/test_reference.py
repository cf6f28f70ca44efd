"""Every form in which a user may name a model in MLflow, and what is refused."""

from __future__ import annotations

import pytest

from merlin.errors import InvalidInput
from merlin.tracking.reference import (
    LoggedModelReference,
    Reference,
    RegisteredReference,
    RunReference,
    parse_reference,
)

RUN = "f683c4490bdf4317ae881837d58263ed"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (RUN, RunReference(RUN)),
        (f" {RUN} ", RunReference(RUN)),
        (f"runs:/{RUN}", RunReference(RUN)),
        (f"runs:/{RUN}/model", RunReference(RUN, "model")),
        (f"runs:/{RUN}/deep/er//model", RunReference(RUN, "deep/er/model")),
        ("models:/iris/3", RegisteredReference("iris", version="3")),
        ("models:/iris@champion", RegisteredReference("iris", alias="champion")),
        (f"models:/m-{'0' * 32}", LoggedModelReference(f"m-{'0' * 32}")),
    ],
)
def test_every_form_is_understood(text: str, meant: Reference) -> None:
    assert parse_reference(text) == meant


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "runs:/",
        "models:/iris",
        "models:/iris/x",
        "models:/a/b/3",
        "file:///etc/passwd",
        f"runs:/{RUN}/../../x",
    ],
)
def test_anything_else_is_refused_with_what_would_be_right(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_reference(text)
    assert refused.value.path == ("adopt",)
    assert refused.value.hint
