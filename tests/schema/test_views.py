"""Views against the records that fill them, and records against the tables they are read from."""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from tortoise import Tortoise

import merlin.db.records as records
from merlin.db.connection import APP
from merlin.schema import build_schema
from merlin.schema.view import ROW_OF, MadeField

build_schema()
# Until then a table does not know the columns of its foreign keys.
Tortoise.init_models(["merlin.db.tables"], APP)
RECORDS = [kind for kind in vars(records).values() if inspect.isclass(kind) and hasattr(kind, "TABLE")]


def plain_fields() -> list[tuple[type, str]]:
    found = []
    for view in ROW_OF:
        definition: Any = view.__strawberry_definition__  # type: ignore[attr-defined]
        found += [
            (view, field.python_name)
            for field in definition.fields
            if field.base_resolver is None and not isinstance(field, MadeField)
        ]
    return found


@pytest.mark.parametrize(("view", "name"), plain_fields(), ids=lambda part: getattr(part, "__name__", part))
def test_every_plain_field_is_read_off_its_record(view: type, name: str) -> None:
    record = ROW_OF[view]
    assert name in members(record), f"{record.__name__} has no {name}"


def members(record: type) -> set[str]:
    """Fields and properties of a record."""
    names = {field.name for field in dataclasses.fields(record)} if dataclasses.is_dataclass(record) else set()
    return names | {name for name, value in vars(record).items() if isinstance(value, property)}


@pytest.mark.parametrize(("view", "name"), plain_fields(), ids=lambda part: getattr(part, "__name__", part))
def test_a_field_that_may_not_be_null_is_not_null_in_its_record(view: type, name: str) -> None:
    stated = hints(ROW_OF[view]).get(name)
    if stated is None:
        return
    field: Any = next(f for f in view.__strawberry_definition__.fields if f.python_name == name)  # type: ignore[attr-defined]
    shown_nullable = type(field.type).__name__ == "StrawberryOptional"
    assert shown_nullable or not is_optional(stated), f"{ROW_OF[view].__name__}.{name}"


def hints(record: type) -> dict[str, Any]:
    found = get_type_hints(record)
    for name, value in vars(record).items():
        if isinstance(value, property) and value.fget is not None:
            found[name] = get_type_hints(value.fget)["return"]
    return found


def is_optional(stated: Any) -> bool:
    return get_origin(stated) in (types.UnionType, typing.Union) and type(None) in get_args(stated)


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_every_record_is_made_of_columns(record: Any) -> None:
    columns = set(record.TABLE._meta.fields_db_projection.values()) | set(record.TABLE._meta.fields_db_projection)
    stated = {field.name for field in dataclasses.fields(record)}
    assert stated - columns == record.FROM_ELSEWHERE


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_a_column_that_may_be_null_may_be_none(record: Any) -> None:
    stated = hints(record)
    for field in dataclasses.fields(record):
        column = record.TABLE._meta.fields_map.get(field.name)
        if column is not None and column.null and stated[field.name] is not Any:
            assert is_optional(stated[field.name]), field.name
