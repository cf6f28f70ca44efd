"""Which names are taken and which are refused, and with which code."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from merlin.domain import names
from merlin.errors import InvalidInput

GOOD = [
    (names.check_project_name, ["fraud", "a", "1st", "a-b-c", "x" * 32, "defaults", "my-merlin", "graphql-2"]),
    (names.check_model_name, ["scorer", "a", "a1-b2", "m" * 25]),
    (names.check_alias, ["champion", "Blue", "prod_eu.1", "a", "x" * 63, "version"]),
    (names.check_secret_name, ["db-password", "a", "1"]),
    (names.check_variable_name, ["HOME_DIR", "_x", "a1", "MERLINS_HAT", "MERLIN_RUNTIME_BATCHING"]),
    (names.check_namespace, ["fraud", "n" * 32]),
]
BAD = [
    (names.check_project_name, ["", "Fraud", "a_b", "-a", "a-", "a.b", "x" * 33, "a--b", "ä", "a\n"]),
    (names.check_model_name, ["", "1st", "Scorer", "a--b", "m" * 26, "-a", "a b", "a\x00"]),
    (names.check_alias, ["", "1", ".a", "a.", "a b", "x" * 64, "a/b"]),
    (names.check_secret_name, ["", "A", "a_b", "x" * 64]),
    (names.check_variable_name, ["", "1a", "a-b", "A=B", "x" * 129, "é"]),
    (names.check_namespace, ["n" * 33, "a_b"]),
]
RESERVED = [
    (
        names.check_project_name,
        ["default", "kserve", "knative-serving", "istio-system", "kube-system", "cert-manager", "gateway-x", "merlin2"],
    ),
    (names.check_project_name, ["graphql", "graphiql", "session", "healthz", "projects"]),
    (names.check_alias, ["v1", "V20", "latest", "Latest"]),
    (names.check_variable_name, ["MERLIN_TOKEN", "merlin_x", "KUBERNETES_PORT", "KSERVE_X"]),
    (names.check_variable_name, ["MERLIN_RUNTIME_HOST", "merlin_runtime_host", "MERLIN_MODEL_NAME", "MERLIN_REVISION"]),
]


def cases(table: list[tuple[Callable[..., None], list[str]]]) -> list[tuple[Callable[..., None], str]]:
    return [(check, name) for check, given in table for name in given]


@pytest.mark.parametrize(("check", "name"), cases(GOOD))
def test_a_good_name_passes(check: Callable[..., None], name: str) -> None:
    check(name)


@pytest.mark.parametrize(("check", "name"), cases(BAD))
def test_a_bad_name_is_refused_with_its_path(check: Callable[..., None], name: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check(name, path=("input", "name"))
    assert refused.value.code == "INVALID_NAME"
    assert refused.value.path == ("input", "name")


@pytest.mark.parametrize(("check", "name"), cases(RESERVED))
def test_a_reserved_name_has_its_own_code(check: Callable[..., None], name: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check(name)
    assert refused.value.code == "RESERVED_NAME"


def test_a_project_called_as_an_address_of_the_api_is_told_why() -> None:
    with pytest.raises(InvalidInput, match="addresses of Merlin's own begin with /graphql"):
        names.check_project_name("graphql")


@pytest.mark.parametrize(
    ("key", "value"), [("team", "risk"), ("a/b.c-d_e", ""), ("k" * 63, "v" * 255), ("n", "größe 1")]
)
def test_a_good_label_passes(key: str, value: str) -> None:
    names.check_label(key, value)


@pytest.mark.parametrize(
    ("key", "value", "code"),
    [
        ("", "x", "INVALID_NAME"),
        ("k" * 64, "x", "INVALID_NAME"),
        ("-a", "x", "INVALID_NAME"),
        ("a", "v" * 256, "INVALID_INPUT"),
        ("a", "two\nlines", "INVALID_INPUT"),
        ("merlin.version_id", "x", "RESERVED_NAME"),
        ("mlflow.user", "x", "RESERVED_NAME"),
    ],
)
def test_a_bad_label_is_refused(key: str, value: str, code: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        names.check_label(key, value)
    assert refused.value.code == code
