"""The operator's file: what it means, and how its mistakes are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from merlin.domain.environment import EnvironmentConfig, Fallbacks, parse_environments, read_environments
from merlin.domain.limits import EnvironmentLimits
from merlin.errors import InvalidInput, Misconfigured


def entry(name: str = "local", **changes: Any) -> dict[str, Any]:
    return {
        "name": name,
        "cluster": {"name": name, "kubeconfig": "/kubeconfig"},
        "gateway": {"namespace": "merlin-system", "name": "merlin", "url": "http://127.0.0.1:8081/"},
        **changes,
    }


def one(**changes: Any) -> EnvironmentConfig:
    return parse_environments([entry(**changes)])[0]


def test_a_single_environment_is_the_default() -> None:
    assert one().is_default


def test_an_environment_survives_being_stored() -> None:
    config = one(
        limits={"max_cpu": 2, "max_memory": "4Gi", "max_replicas": 3},
        defaults={"resources": {"cpu_request": "250m"}, "autoscaling": {"metric": "memory"}, "strategy": "recreate"},
        runtimes={"merlin-mlflow": {"formats": ["mlflow"]}, "onnx": {"formats": ["onnx"]}},
        prices={"cpu_hour": 0.03},
    )
    assert EnvironmentConfig.from_json(config.as_json()) == config
    assert config.limits == EnvironmentLimits(2000, 4 * 2**30, 3)


def test_settings_fill_what_an_entry_leaves_out() -> None:
    config = parse_environments([entry()], Fallbacks(120, 5, 7))[0]
    assert (config.defaults.deadline_seconds, config.drain_seconds, config.keep_warm_seconds) == (120, 5, 7)


def test_path_style_addresses() -> None:
    config = one()
    assert config.model_url("fraud", "scorer") == "http://127.0.0.1:8081/fraud/scorer"
    assert config.version_url("fraud", "scorer", 3) == "http://127.0.0.1:8081/fraud/scorer/versions/3"
    assert config.hostname("fraud", "scorer") is None


def test_host_style_addresses() -> None:
    config = one(
        url_style="host", domain="models.example.com", gateway={**entry()["gateway"], "url": "https://gw:8443"}
    )
    assert config.model_url("fraud", "scorer") == "https://scorer--fraud.models.example.com:8443"
    assert config.version_url("fraud", "scorer", 3) == "https://scorer--fraud.models.example.com:8443/versions/3"
    assert config.model_path("fraud", "scorer") == "/"


def test_environments_that_share_a_gateway_are_told_apart_by_path() -> None:
    first, second = parse_environments([entry("live", default=True), entry("staging")])
    assert first.model_path("fraud", "scorer") == "/fraud/scorer"
    assert second.model_path("fraud", "scorer") == "/staging/fraud/scorer"


def test_namespaces_come_from_the_template() -> None:
    config = one(namespace_template="ml-{project}-{environment}")
    assert config.namespace("fraud") == "ml-fraud-local"
    with pytest.raises(InvalidInput, match="at most 32"):
        config.namespace("a-very-long-project-name")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "Bad_Name"}, "not a valid name"),
        ({"name": None}, "name: is missing"),
        ({"cluster": None}, "cluster: is missing"),
        ({"cluster": {"name": "x"}}, "either a kubeconfig file or"),
        ({"cluster": {"name": "x", "kubeconfig": "/a", "in_cluster": True}}, "either a kubeconfig file or"),
        ({"gateway": {"namespace": "n", "name": "g", "url": "ftp://x"}}, "gateway.url: 'ftp://x' is not an http"),
        ({"gateway": "http://x"}, "must hold keys and values"),
        ({"namespace_template": "ml"}, "must hold {project}"),
        ({"namespace_template": "{project}-{team}"}, "must hold {project}"),
        ({"url_style": "port"}, "url_style: must be one of path, host"),
        ({"url_style": "host"}, "domain: host style needs"),
        ({"limits": {"max_cpu": "lots"}}, "limits.max_cpu"),
        ({"limits": {"max_pods": 3}}, "limits.max_pods: is not known"),
        ({"defaults": {"resources": {"memory": "1Gi"}}}, "defaults.resources.memory: is not known"),
        ({"defaults": {"min_replicas": 0}}, "defaults.min_replicas: must be a whole number of at least 1"),
        ({"runtimes": {"x": {}}}, "runtimes.x: needs `formats`"),
        ({"drain_seconds": -1}, "drain_seconds"),
        ({"typo": 1}, "typo: is not known"),
    ],
)
def test_each_mistake_is_named_with_its_place(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(Misconfigured, match="environment") as refused:
        one(**changes)
    assert said in refused.value.message


def test_all_mistakes_of_an_entry_are_told_at_once() -> None:
    with pytest.raises(Misconfigured) as refused:
        one(typo=1, url_style="x", drain_seconds="soon")
    assert all(key in refused.value.message for key in ("typo", "url_style", "drain_seconds"))


def test_the_problems_of_all_environments_are_told_at_once() -> None:
    entries = [entry("a", default=True, url_style="hots"), entry("b", color="red"), entry("c"), entry("c")]
    with pytest.raises(Misconfigured) as refused:
        parse_environments(entries)
    for said in ("url_style: must be one of", "color: is not known", "same name: c"):
        assert said in refused.value.message
    assert "Exactly one" not in refused.value.message


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ([entry("a"), entry("b")], "Exactly one environment must be the default; found: none"),
        ([entry("a", default=True), entry("b", default=True)], "found: a, b"),
        ([entry("a", default=True), entry("a")], "same name: a"),
        (
            [entry("a", default=True), {**entry("b"), "cluster": {"name": "a", "kubeconfig": "/k"}}],
            "same cluster and namespace template",
        ),
        ([entry("a", default=True), entry("b", path_prefix="")], "same address"),
    ],
)
def test_environments_must_not_collide(entries: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        parse_environments(entries)
    assert said in refused.value.message


@pytest.mark.parametrize("content", ["", "{}", "[]", "a: [", "just text"])
def test_a_file_that_is_no_list_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "environments.yaml"
    path.write_text(content)
    with pytest.raises(Misconfigured):
        read_environments(path)


def test_a_missing_file_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured) as refused:
        read_environments(tmp_path / "none.yaml")
    assert refused.value.hint is not None
    assert "MERLIN_ENVIRONMENTS_FILE" in refused.value.hint


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "environments.yaml"
    path.write_text(
        "- name: local\n  cluster: {name: local, kubeconfig: /k}\n"
        "  gateway: {namespace: merlin-system, name: merlin, url: 'http://127.0.0.1:1'}\n"
    )
    assert [config.name for config in read_environments(path)] == ["local"]
