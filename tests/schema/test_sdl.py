"""The schema as text: committed, complete, described; what is shipped with the server fits it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    build_schema,
    parse,
    validate,
)

from merlin.schema import print_sdl

ROOT = Path(__file__).parent.parent.parent
SCHEMA = build_schema(print_sdl())


def test_the_committed_schema_is_the_one_that_is_served() -> None:
    committed = (ROOT / "schema.graphql").read_text()
    assert committed == print_sdl(), "run `.venv/bin/python -m merlin.cli schema > schema.graphql`"


def things() -> Iterator[tuple[str, str | None]]:
    for name, kind in SCHEMA.type_map.items():
        if name.startswith("__") or name in {"String", "Int", "Float", "Boolean", "ID"}:
            continue
        yield name, kind.description
        yield from parts(name, kind)


def parts(name: str, kind: GraphQLNamedType) -> Iterator[tuple[str, str | None]]:
    if isinstance(kind, GraphQLEnumType):
        yield from ((f"{name}.{value}", enum.description) for value, enum in kind.values.items())
    if isinstance(kind, GraphQLInputObjectType):
        yield from ((f"{name}.{field}", one.description) for field, one in kind.fields.items())
    if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
        for field, output in kind.fields.items():
            yield f"{name}.{field}", output.description
            for argument, one in output.args.items():
                yield f"{name}.{field}({argument})", one.description


def test_everything_is_described() -> None:
    assert [name for name, description in things() if not (description or "").strip()] == []


def test_no_description_talks_of_the_code() -> None:
    assert [name for name, description in things() if "See the field" in (description or "")] == []


CHANGE_NOTHING = {"tryVersionEndpoint", "tryModelEndpoint", "planDeployment"}  # so they need no key


def test_every_mutation_takes_one_input_with_a_key_and_answers_with_errors() -> None:
    mutation = SCHEMA.mutation_type
    assert mutation is not None
    for name, field in mutation.fields.items():
        capital = name[0].upper() + name[1:]
        assert list(field.args) == ["input"], name
        assert str(field.args["input"].type) == f"{capital}Input!", name
        assert str(field.type) == f"{capital}Payload!", name
        kind, payload = SCHEMA.type_map[f"{capital}Input"], SCHEMA.type_map[f"{capital}Payload"]
        assert isinstance(kind, GraphQLInputObjectType)
        keys = [str(one.type) for key, one in kind.fields.items() if key == "idempotencyKey"]
        assert keys == ([] if name in CHANGE_NOTHING else ["String"]), name
        assert isinstance(payload, GraphQLObjectType) and str(payload.fields["errors"].type) == "[UserError!]!"
        things_of = {key: str(field.type) for key, field in payload.fields.items() if key != "errors"}
        assert things_of and all(not kind.endswith("!") for kind in things_of.values()), name


def test_every_list_is_a_connection_with_a_filter_and_an_order() -> None:
    without = {"Query.audit"}  # it is a log: the newest first, by subject
    for name, kind in SCHEMA.type_map.items():
        for field, output in getattr(kind, "fields", {}).items() if isinstance(kind, GraphQLObjectType) else ():
            if str(output.type).rstrip("!").endswith("Connection") and f"{name}.{field}" not in without:
                assert {"first", "after", "last", "before", "filter", "order"} == set(output.args), f"{name}.{field}"


def examples() -> list[str]:
    text = (ROOT / "ui" / "graphiql" / "src" / "examples.js").read_text()
    return re.findall(r"query: `(.*?)`", text, re.S)


@pytest.mark.parametrize("operation", examples())
def test_the_examples_of_graphiql_fit_the_schema(operation: str) -> None:
    assert validate(SCHEMA, parse(operation)) == []


@pytest.mark.parametrize("name", ["platform.py", "e2e/test_main_job.py"])
def test_the_queries_of_the_end_to_end_tests_fit_the_schema(name: str) -> None:
    operations = re.findall(r'= """((?:query|mutation)\(.*?)"""', (ROOT / "tests" / name).read_text(), re.S)
    assert operations
    for operation in operations:
        assert validate(SCHEMA, parse(operation)) == []
