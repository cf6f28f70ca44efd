"""Every operation that the client ships is valid against the server's schema."""

from __future__ import annotations

from pathlib import Path

import pytest
from graphql import GraphQLEnumType, GraphQLSchema, build_schema, parse, validate
from merlin_client import operations
from merlin_client.errors import knows

SDL = Path(__file__).parent.parent.parent / "schema.graphql"


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return build_schema(SDL.read_text())


@pytest.mark.parametrize("name", operations.names())
def test_operation_fits_the_schema(name: str, schema: GraphQLSchema) -> None:
    assert [error.message for error in validate(schema, parse(operations.document(name)))] == []


def test_every_error_code_of_the_server_has_a_class(schema: GraphQLSchema) -> None:
    codes = schema.type_map["ErrorCode"]
    assert isinstance(codes, GraphQLEnumType)
    assert [code for code in codes.values if not knows(code)] == []


def test_fragments_that_nothing_uses_are_not_shipped() -> None:
    folder = Path(operations.__file__).parent
    texts = {path.stem: path.read_text() for path in folder.glob("*.graphql")}
    for fragment in (name for name in texts if name.endswith("Fields")):
        assert any(f"...{fragment}" in text for text in texts.values()), fragment
