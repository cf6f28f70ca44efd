"""Label selectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def matches(labels: Mapping[str, str] | None, wanted: Mapping[str, str]) -> bool:
    """Whether the labels hold all that is wanted (``matchLabels``, or a Service's selector)."""
    have = labels or {}
    return all(have.get(key) == value for key, value in wanted.items())


def selects(selector: Mapping[str, Any], labels: Mapping[str, str] | None) -> bool:
    """Whether a LabelSelector (matchLabels and matchExpressions) selects these labels."""
    if not matches(labels, selector.get("matchLabels") or {}):
        return False
    return all(_meets(expression, labels or {}) for expression in selector.get("matchExpressions") or [])


def _meets(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    value, values = labels.get(expression["key"]), expression.get("values") or []
    match expression["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case _:
            return value is None
