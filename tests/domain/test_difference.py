"""Differences of two documents: a table of every shape there is."""

from __future__ import annotations

from typing import Any

import pytest

from merlin.domain.difference import FieldChange, differences, masked_where


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        (None, None, []),
        ({}, {}, []),
        ({"a": 1, "b": {"c": [1, 2]}}, {"b": {"c": [1, 2]}, "a": 1}, []),
        ({"a": 1}, {"a": 2}, [("a", 1, 2)]),
        ({"a": 1}, {"a": True}, [("a", 1, True)]),
        ({"a": 1}, {}, [("a", 1, None)]),
        ({}, {"a": 0}, [("a", None, 0)]),
        (None, {"a": {"b": 1, "c": ""}}, [("a.b", None, 1), ("a.c", None, "")]),
        ({"a": {"b": 1}}, None, [("a.b", 1, None)]),
        ({"a": {}}, {"a": {"b": 1}}, [("a.b", None, 1)]),
        ({"a": []}, {"a": {}, "b": None}, []),
        ({"a": {"b": 1}}, {"a": 5}, [("a", None, 5), ("a.b", 1, None)]),
        ({"a": 5}, {"a": {"b": 1}}, [("a", 5, None), ("a.b", None, 1)]),
        ({"a": None}, {"a": {"b": 1}}, [("a.b", None, 1)]),
        ({"a": [1, 2]}, {"a": [1, 3, 4]}, [("a[1]", 2, 3), ("a[2]", None, 4)]),
        ({"a": [{"b": 1}]}, {"a": [{"b": 2}]}, [("a[0].b", 1, 2)]),
        (
            {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]},
            {"env": [{"name": "B", "value": "3"}]},
            [("env[B].value", "2", "3"), ("env[A].name", "A", None), ("env[A].value", "1", None)],
        ),
        ({"env": [{"name": "A"}, {"name": "A"}]}, {"env": [{"name": "A"}]}, [("env[1].name", "A", None)]),
        ({"e": [{"name": "A"}]}, {"e": [{"value": "A"}]}, [("e[0].value", None, "A"), ("e[0].name", "A", None)]),
        (
            {"metadata": {"annotations": {"a.b/c": "1"}}},
            {"metadata": {"annotations": {"a.b/c": "2"}}},
            [('metadata.annotations["a.b/c"]', "1", "2")],
        ),
    ],
)
def test_what_differs(before: Any, after: Any, changes: list[tuple[str, Any, Any]]) -> None:
    assert [(c.path, c.before, c.after) for c in differences(before, after)] == changes


def test_values_are_masked_and_absence_is_not() -> None:
    changes = differences({"data": {"a": "x"}, "b": 1}, {"data": {"a": "y", "c": "z"}, "b": 2})
    assert masked_where(changes, "data") == (
        FieldChange("data.a", "***", "***"),
        FieldChange("data.c", None, "***"),
        FieldChange("b", 1, 2),
    )
