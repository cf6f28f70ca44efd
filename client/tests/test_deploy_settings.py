"""Settings of a deploy in Python's spelling: what is unknown is told before anything is sent."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from merlin_client import InputError, InputErrors
from merlin_client.deploy_settings import CLEARABLE, METRICS, STRATEGIES, deploy_fields

SCHEMA = (Path(__file__).parent.parent.parent / "schema.graphql").read_text()


def test_settings_become_the_apis_input() -> None:
    fields = deploy_fields(
        strategy="surge", clear="variables", autoscaling={"metric": "cpu", "target_percent": 70}, resources={"cpu": 1}
    )
    assert fields == {
        "strategy": "SURGE",
        "clear": ["VARIABLES"],
        "autoscaling": {"metric": "CPU", "targetPercent": 70},
        "resources": {"cpuRequest": "1"},
    }


@pytest.mark.parametrize(
    ("settings", "path", "known"),
    [
        ({"strategy": "canary"}, ("strategy",), "There are: surge, recreate."),
        ({"clear": ["cpu"]}, ("clear",), "memory_limit"),
        ({"autoscaling": {"metric": "rps"}}, ("autoscaling", "metric"), "There are: cpu, memory."),
        ({"autoscaling": {"cpu": 70}}, ("autoscaling",), "target_percent"),
        ({"autoscaling": 70}, ("autoscaling",), "target_percent"),
        ({"replicas": 2}, ("deploy", "replicas"), "min_replicas"),
    ],
)
def test_what_is_not_known_is_told_with_what_there_is(
    settings: dict[str, Any], path: tuple[str, ...], known: str
) -> None:
    with pytest.raises((InputError, InputErrors)) as caught:
        deploy_fields(**settings)
    assert caught.value.path == path
    assert known in str(caught.value)


@pytest.mark.parametrize(
    ("enum", "known"), [("ClearableField", CLEARABLE), ("Strategy", STRATEGIES), ("AutoscalingMetric", METRICS)]
)
def test_the_words_are_the_schemas(enum: str, known: tuple[str, ...]) -> None:
    found = re.search(rf"^enum {enum} {{\n(.*?)^}}", SCHEMA, re.MULTILINE | re.DOTALL)
    assert found is not None
    assert tuple(name.lower() for name in re.findall(r"^  ([A-Z_]+)$", found[1], re.MULTILINE)) == known
