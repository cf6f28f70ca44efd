"""Global ids: any of them finds its thing, anything else is refused with a reason."""

from __future__ import annotations

import base64
from uuid import UUID, uuid4

import pytest

from merlin.errors import InvalidInput
from merlin.schema.ids import NODE_TYPES, global_id, parse_any_id, parse_id

KEY = UUID(int=1)  # the same in every test process: names of tests are made of it


@pytest.mark.parametrize("type_name", sorted(NODE_TYPES))
def test_an_id_says_what_it_is_of(type_name: str) -> None:
    key = uuid4()
    assert parse_any_id(global_id(type_name, key)) == (type_name, key)
    assert parse_id(global_id(type_name, key), type_name) == key


def encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "text",
    ["", "x", str(KEY), "?" * 40, encoded("Project:1"), encoded(f"Secret:{KEY}"), "ÿ", "a" * 10_000],
)
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_any_id(text, path=("input", "id"))
    assert (refused.value.code, refused.value.path) == ("INVALID_ID", ("input", "id"))


def test_an_id_of_another_type_is_named() -> None:
    with pytest.raises(InvalidInput, match="of a Model; one of a Version") as refused:
        parse_id(global_id("Model", uuid4()), "Version", path=("versionId",))
    assert refused.value.path == ("versionId",)


def test_padding_does_not_matter() -> None:
    key = uuid4()
    assert parse_any_id(encoded(f"Model:{key}")) == ("Model", key)
