"""What a redeploy keeps, what it changes, what is refused, and which changes need other pods."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest

from merlin.domain.limits import EnvironmentLimits
from merlin.domain.quantity import format_cpu, format_memory, parse_cpu, parse_memory
from merlin.domain.revision import (
    Autoscaling,
    AutoscalingMetric,
    EnvironmentVariable,
    Resources,
    RevisionSpec,
    SecretReference,
    SpecChange,
    Strategy,
    changes_workload,
    check,
    masked,
)
from merlin.errors import InputErrors, InvalidInput

BASE = RevisionSpec(
    resources=Resources("100m", "512Mi", "1", "1Gi"),
    min_replicas=1,
    max_replicas=2,
    timeout_seconds=60,
    deadline_seconds=600,
    runtime="merlin-mlflow",
    autoscaling=Autoscaling(AutoscalingMetric.CPU, 80),
    variables=(EnvironmentVariable("LEVEL", "debug"),),
    secrets=(SecretReference("db-password", "DB_PASSWORD"),),
)
NO_LIMITS = EnvironmentLimits()


def test_absent_fields_keep_their_value() -> None:
    assert RevisionSpec.from_change(SpecChange(), BASE) == BASE


@pytest.mark.parametrize(
    "change",
    [
        {"min_replicas": 2},
        {"max_replicas": 5},
        {"timeout_seconds": 10},
        {"deadline_seconds": 20},
        {"runtime": "other"},
        {"strategy": Strategy.RECREATE},
        {"autoscaling": Autoscaling(AutoscalingMetric.MEMORY, 50)},
        {"variables": ()},
        {"secrets": (SecretReference("a", "B"),)},
    ],
)
def test_a_given_field_is_the_only_one_that_changes(change: dict[str, Any]) -> None:
    assert RevisionSpec.from_change(SpecChange(**change), BASE) == replace(BASE, **change)


def test_quantities_become_canonical() -> None:
    spec = RevisionSpec.from_change(SpecChange(cpu_request="0.5", memory_request="1024Mi", cpu_limit="2000m"), BASE)
    assert spec.resources == Resources("500m", "1Gi", "2", "1Gi")


def test_clearing_is_explicit() -> None:
    cleared = frozenset({"autoscaling", "variables", "secrets", "cpu_limit", "memory_limit"})
    spec = RevisionSpec.from_change(SpecChange(clear=cleared), BASE)
    assert spec == replace(BASE, resources=Resources("100m", "512Mi"), autoscaling=None, variables=(), secrets=())


def test_everything_wrong_with_a_change_is_told_at_once() -> None:
    change = SpecChange(
        cpu_request="much", memory_limit="-1", autoscaling=BASE.autoscaling, clear=frozenset({"runtime", "autoscaling"})
    )
    with pytest.raises(InputErrors) as refused:
        RevisionSpec.from_change(change, BASE)
    assert [error.path for error in refused.value.errors] == [
        ("clear",),
        ("clear",),
        ("resources", "cpuRequest"),
        ("resources", "memoryLimit"),
    ]


@pytest.mark.parametrize(
    ("change", "code", "path"),
    [
        ({"min_replicas": 3}, "INVALID_REPLICAS", ("minReplicas",)),
        ({"min_replicas": 0}, "INVALID_REPLICAS", ("minReplicas",)),
        ({"max_replicas": 5000}, "INVALID_REPLICAS", ("maxReplicas",)),
        ({"timeout_seconds": 0}, "INVALID_INPUT", ("timeoutSeconds",)),
        ({"deadline_seconds": 10**6}, "INVALID_INPUT", ("deadlineSeconds",)),
        ({"runtime": "none"}, "NO_RUNTIME", ("runtime",)),
        ({"autoscaling": Autoscaling(AutoscalingMetric.CPU, 0)}, "INVALID_INPUT", ("autoscaling", "targetPercent")),
        ({"resources": Resources("2", "512Mi", "1")}, "INVALID_INPUT", ("resources", "cpuRequest")),
        ({"resources": Resources("x", "512Mi")}, "INVALID_QUANTITY", ("resources", "cpuRequest")),
        ({"variables": (EnvironmentVariable("1", "x"),)}, "INVALID_NAME", ("variables", 0, "name")),
        ({"variables": (EnvironmentVariable("DB_PASSWORD", "x"),)}, "INVALID_INPUT", ("secrets", 0, "variable")),
        ({"variables": (EnvironmentVariable("A", "x\0"),)}, "INVALID_INPUT", ("variables", 0, "value")),
        ({"secrets": (SecretReference("Bad_Name", "A"),)}, "INVALID_NAME", ("secrets", 0, "secret")),
    ],
)
def test_a_wrong_spec_is_named_by_code_and_path(change: dict[str, Any], code: str, path: tuple[object, ...]) -> None:
    errors = check(replace(BASE, **change), NO_LIMITS, runtimes=["merlin-mlflow"])
    assert [(error.code, error.path) for error in errors] == [(code, path)]
    assert all(error.hint for error in errors)


def test_amounts_above_the_environments_limits_are_all_named() -> None:
    limits = EnvironmentLimits(max_cpu_millicores=500, max_memory_bytes=2**29, max_replicas=1)
    errors = check(BASE, limits)
    assert [error.path for error in errors] == [
        ("resources", "cpuLimit"),
        ("resources", "memoryLimit"),
        ("maxReplicas",),
    ]
    assert {error.code for error in errors} == {"LIMIT_EXCEEDED"}


def test_a_sound_spec_has_no_errors() -> None:
    assert check(BASE, EnvironmentLimits(1000, 2**30, 2), runtimes=["merlin-mlflow"]) == []


@pytest.mark.parametrize(
    ("change", "other_pods"),
    [
        ({}, False),
        ({"min_replicas": 2}, False),
        ({"max_replicas": 9}, False),
        ({"autoscaling": None}, False),
        ({"timeout_seconds": 1}, False),
        ({"timeout_seconds": 61}, True),
        ({"deadline_seconds": 1}, False),
        ({"deadline_seconds": 3601}, True),
        ({"strategy": Strategy.RECREATE}, False),
        ({"runtime": "other"}, True),
        ({"resources": Resources("200m", "512Mi")}, True),
        ({"variables": ()}, True),
        ({"secrets": ()}, True),
    ],
)
def test_only_what_pods_are_made_of_needs_other_pods(change: dict[str, Any], other_pods: bool) -> None:
    assert changes_workload(BASE, replace(BASE, **change)) is other_pods


def test_a_spec_survives_being_stored() -> None:
    assert RevisionSpec.from_json(orjson.loads(orjson.dumps(BASE.as_json()))) == BASE


def test_values_of_variables_are_masked() -> None:
    assert "debug" not in orjson.dumps(masked(BASE.as_json())).decode()


@pytest.mark.parametrize(("text", "millicores"), [("500m", 500), ("1", 1000), ("0.25", 250), ("1.5", 1500), ("1m", 1)])
def test_cpu_is_read_in_millicores(text: str, millicores: int) -> None:
    assert parse_cpu(text) == millicores
    assert parse_cpu(format_cpu(millicores)) == millicores


@pytest.mark.parametrize(
    ("text", "size"),
    [("1Gi", 2**30), ("512Mi", 2**29), ("1.5G", 1_500_000_000), ("4Mi", 2**22), ("8000001", 8_000_001), ("2Ti", 2**41)],
)
def test_memory_is_read_in_bytes(text: str, size: int) -> None:
    assert parse_memory(text) == size
    assert parse_memory(format_memory(size)) == size


@pytest.mark.parametrize("text", ["", "0", "-1", "1e3", "0.0001", "1.5m", "NaN", "1 core", "9" * 40])
def test_what_is_no_amount_of_cpu_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_cpu(text)
    assert refused.value.code == "INVALID_QUANTITY"


@pytest.mark.parametrize("text", ["", "0", "-1Gi", "1GiB", "0.5", "1mi", "1e9", "9" * 40 + "Ti"])
def test_what_is_no_amount_of_memory_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_memory(text)
    assert refused.value.code == "INVALID_QUANTITY"


@pytest.mark.parametrize("text", ["1", "512", "1k", "4095Ki"])
def test_memory_in_which_nothing_runs_is_refused_as_one_whose_unit_was_forgotten(text: str) -> None:
    with pytest.raises(InvalidInput, match="at least 4Mi") as refused:
        parse_memory(text)
    assert refused.value.code == "INVALID_QUANTITY"
    assert refused.value.hint == "Write memory with its unit, as 512Mi or 1Gi."
