"""A named place to deploy to, as an operator's file describes it: cluster, namespaces, gateway, defaults, limits.

Parsed once into frozen values. A file that cannot be used is Misconfigured, and the error names every problem with its
place in the file. Addresses are made here and nowhere else, so that an endpoint's URL never depends on who asks.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from merlin.domain.environment_entry import Entry
from merlin.domain.limits import EnvironmentLimits
from merlin.domain.names import LONGEST_NAMESPACE, check_environment_name, check_namespace
from merlin.domain.quantity import format_cpu, format_memory, parse_cpu, parse_memory
from merlin.domain.revision import Autoscaling, AutoscalingMetric, Resources, RevisionSpec, Strategy
from merlin.errors import InvalidInput, Misconfigured

DEFAULT_RUNTIMES: Mapping[str, Sequence[str]] = {"merlin-mlflow": ("mlflow",)}
_HOST = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
KEYS = {
    *("name", "default", "cluster", "namespace_template", "gateway", "url_style", "domain", "path_prefix", "runtimes"),
    *("defaults", "limits", "prices", "drain_seconds", "keep_warm_seconds", "deadline_seconds"),
}
"""All that an entry of the environments' file may say; docs/settings.md describes each."""


class UrlStyle(StrEnum):
    """How endpoints are told apart: by path on one host, or by host."""

    PATH = "path"
    HOST = "host"


@dataclass(frozen=True, slots=True)
class ClusterConfig:
    """How to reach a Kubernetes cluster: a kubeconfig file, or the pod's own account (both unset)."""

    name: str
    kubeconfig: Path | None = None
    in_cluster: bool = False


@dataclass(frozen=True, slots=True)
class GatewayConfig:
    """The Gateway that routes attach to, and the address callers reach it at (no slash at its end)."""

    namespace: str
    name: str
    url: str
    gateway_class: str = ""


@dataclass(frozen=True, slots=True)
class EnvironmentConfig:
    """One environment. ``defaults`` is a complete spec; ``path_prefix`` is "" or "/…" before every path."""

    name: str
    is_default: bool
    cluster: ClusterConfig
    namespace_template: str
    gateway: GatewayConfig
    url_style: UrlStyle
    domain: str
    path_prefix: str
    runtimes: Mapping[str, tuple[str, ...]]
    defaults: RevisionSpec
    limits: EnvironmentLimits
    drain_seconds: int
    keep_warm_seconds: int
    prices: Mapping[str, Any] = field(default_factory=dict)

    def namespace(self, project: str) -> str:
        """The project's namespace here. Raises InvalidInput when it would be too long or no namespace's name."""
        name = self.namespace_template.replace("{project}", project).replace("{environment}", self.name)
        check_namespace(name)
        return name

    def version_path(self, project: str, model: str, number: int) -> str:
        """The path that a version endpoint's route matches, as a prefix; its host is `hostname`."""
        if self.url_style is UrlStyle.HOST:
            return f"/versions/{number}"
        return f"{self.path_prefix}/{project}/{model}/versions/{number}"

    def model_path(self, project: str, model: str) -> str:
        """The path that a model endpoint's route matches, as a prefix ("/" in host style)."""
        return "/" if self.url_style is UrlStyle.HOST else f"{self.path_prefix}/{project}/{model}"

    def hostname(self, project: str, model: str) -> str | None:
        """The host that a model's routes match; ``None`` in path style, where every host is answered."""
        return f"{model}--{project}.{self.domain}" if self.url_style is UrlStyle.HOST else None

    def version_url(self, project: str, model: str, number: int) -> str:
        """The stable address of a version endpoint."""
        return self._base(project, model) + self.version_path(project, model, number)

    def model_url(self, project: str, model: str) -> str:
        """The stable address of a model endpoint; no slash at its end."""
        return (self._base(project, model) + self.model_path(project, model)).rstrip("/")

    def _base(self, project: str, model: str) -> str:
        host = self.hostname(project, model)
        if host is None:
            return self.gateway.url
        address = urlsplit(self.gateway.url)
        port = f":{address.port}" if address.port else ""
        return f"{address.scheme}://{host}{port}"

    def as_json(self) -> dict[str, Any]:
        """The form stored with the environment; `from_json` reads it back."""
        return {
            "name": self.name,
            "default": self.is_default,
            "cluster": {
                "name": self.cluster.name,
                "kubeconfig": str(self.cluster.kubeconfig) if self.cluster.kubeconfig else None,
                "in_cluster": self.cluster.in_cluster,
            },
            "namespace_template": self.namespace_template,
            "gateway": {
                "namespace": self.gateway.namespace,
                "name": self.gateway.name,
                "url": self.gateway.url,
                "class": self.gateway.gateway_class,
            },
            "url_style": self.url_style.value,
            "domain": self.domain,
            "path_prefix": self.path_prefix,
            "runtimes": {name: {"formats": list(formats)} for name, formats in self.runtimes.items()},
            "defaults": self.defaults.as_json(),
            "limits": {
                "max_cpu": _text(self.limits.max_cpu_millicores, format_cpu),
                "max_memory": _text(self.limits.max_memory_bytes, format_memory),
                "max_replicas": self.limits.max_replicas,
                "max_deployed_versions_per_model": self.limits.max_deployed_versions_per_model,
            },
            "prices": dict(self.prices),
            "drain_seconds": self.drain_seconds,
            "keep_warm_seconds": self.keep_warm_seconds,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> EnvironmentConfig:
        """The environment that was stored. Raises Misconfigured if another version of Merlin stored it otherwise."""
        return parse_environment(stored)


@dataclass(frozen=True, slots=True)
class Fallbacks:
    """What an entry that says nothing about it gets; from the settings."""

    deadline_seconds: int = 600
    drain_seconds: int = 30
    keep_warm_seconds: int = 0


def read_environments(path: Path, fallbacks: Fallbacks | None = None) -> list[EnvironmentConfig]:
    """The environments of a YAML file (a list). Raises Misconfigured: no file, no YAML, or any problem in it."""
    try:
        content = yaml.safe_load(path.read_text())
    except OSError as error:
        raise Misconfigured(
            f"The environments' file {path} cannot be read: {error.strerror}.", hint="Set MERLIN_ENVIRONMENTS_FILE."
        ) from error
    except yaml.YAMLError as error:
        raise Misconfigured(f"{path} is not YAML: {error}", hint="See docs/settings.md.") from error
    if not isinstance(content, list) or not content:
        raise Misconfigured(f"{path} must hold a list of at least one environment.", hint="See docs/settings.md.")
    return parse_environments(content, fallbacks)


def parse_environments(
    entries: Sequence[Mapping[str, Any]], fallbacks: Fallbacks | None = None
) -> list[EnvironmentConfig]:
    """All environments of a file, checked against each other. Raises Misconfigured that tells all problems of all.

    Names are unique, (cluster, namespace template) too, exactly one is the default (a single one is without saying
    so). Where several share a gateway's address in path style, the first has no prefix and the others have their name.
    """
    prepared = [dict(entry) if isinstance(entry, Mapping) else {} for entry in entries]
    if len(prepared) == 1:
        prepared[0].setdefault("default", True)
    _give_prefixes(prepared)
    configs, problems = [], []
    for entry in prepared:
        try:
            configs.append(parse_environment(entry, fallbacks))
        except Misconfigured as error:
            problems.append(error.message)
    problems += _problems_together(configs, whole=len(configs) == len(prepared))
    if problems:
        raise Misconfigured(" ".join(problems), hint="Mend the environments' file; docs/settings.md tells its keys.")
    return configs


def parse_environment(entry: Mapping[str, Any], fallbacks: Fallbacks | None = None) -> EnvironmentConfig:
    """One environment from one entry. Raises Misconfigured that names all problems of the entry."""
    given = Entry(entry)
    fallbacks = fallbacks or Fallbacks()
    given.only(KEYS)
    name = given.text("name")
    given.collect(check_environment_name, name)
    style = given.choice("url_style", UrlStyle, UrlStyle.PATH)
    config = EnvironmentConfig(
        name=name,
        is_default=given.flag("default"),
        cluster=_cluster(given.part("cluster")),
        namespace_template=_namespace_template(given),
        gateway=_gateway(given.part("gateway")),
        url_style=style,
        domain=_domain(given, style),
        path_prefix=given.text("path_prefix", ""),
        runtimes=_runtimes(given),
        defaults=_defaults(given, fallbacks),
        limits=_limits(given.part("limits", optional=True)),
        prices=given.mapping("prices"),
        drain_seconds=given.number("drain_seconds", fallbacks.drain_seconds, least=0),
        keep_warm_seconds=given.number("keep_warm_seconds", fallbacks.keep_warm_seconds, least=0),
    )
    given.raise_problems(f"environment {name or '(without a name)'}")
    return config


def _cluster(given: Entry) -> ClusterConfig:
    given.only({"name", "kubeconfig", "in_cluster"})
    kubeconfig = given.text("kubeconfig", "")
    in_cluster = given.flag("in_cluster")
    if bool(kubeconfig) == in_cluster:
        given.problem("kubeconfig", "give either a kubeconfig file or `in_cluster: true`")
    path = Path(kubeconfig) if kubeconfig else None
    return ClusterConfig(name=given.text("name"), kubeconfig=path, in_cluster=in_cluster)


def _gateway(given: Entry) -> GatewayConfig:
    given.only({"namespace", "name", "url", "class"})
    url = given.text("url").rstrip("/")
    address = urlsplit(url)
    if url and (address.scheme not in ("http", "https") or not address.hostname or address.query or address.fragment):
        given.problem("url", f"{url!r} is not an http(s) address")
    return GatewayConfig(given.text("namespace"), given.text("name"), url, given.text("class", ""))


def _namespace_template(given: Entry) -> str:
    template = given.text("namespace_template", "{project}")
    plain = template.replace("{project}", "").replace("{environment}", "")
    if "{project}" not in template or not re.fullmatch(r"[-a-z0-9]*", plain):
        given.problem(
            "namespace_template",
            f"{template!r} must hold {{project}}; beside it {{environment}}, lower-case letters, digits and '-'",
        )
    if len(plain) >= LONGEST_NAMESPACE:
        given.problem("namespace_template", f"leaves no room: namespaces have at most {LONGEST_NAMESPACE} characters")
    return template


def _domain(given: Entry, style: UrlStyle) -> str:
    domain = given.text("domain", "")
    if style is UrlStyle.HOST and not _HOST.fullmatch(domain):
        given.problem("domain", "host style needs the domain under which each model has a host")
    return domain


def _runtimes(given: Entry) -> dict[str, tuple[str, ...]]:
    stated = given.mapping("runtimes")
    if not stated:
        return {name: tuple(formats) for name, formats in DEFAULT_RUNTIMES.items()}
    runtimes = {}
    for name, says in stated.items():
        formats = says.get("formats") if isinstance(says, Mapping) else None
        if not isinstance(formats, list) or not all(isinstance(f, str) for f in formats):
            given.problem(f"runtimes.{name}", "needs `formats`, a list such as [mlflow]")
            continue
        runtimes[str(name)] = tuple(formats)
    return runtimes


def _defaults(given: Entry, fallbacks: Fallbacks) -> RevisionSpec:
    part = given.part("defaults", optional=True)
    part.only(set(RevisionSpec.__dataclass_fields__))
    resources = part.part("resources", optional=True)
    resources.only(set(Resources.__dataclass_fields__))
    first_runtime = next(iter(given.mapping("runtimes") or DEFAULT_RUNTIMES))
    scaling = part.part("autoscaling", optional=True)
    return RevisionSpec(
        resources=Resources(
            cpu_request=_quantity(resources, "cpu_request", "100m", parse_cpu) or "",
            memory_request=_quantity(resources, "memory_request", "512Mi", parse_memory) or "",
            cpu_limit=_quantity(resources, "cpu_limit", None, parse_cpu),
            memory_limit=_quantity(resources, "memory_limit", None, parse_memory),
        ),
        min_replicas=part.number("min_replicas", 1, least=1),
        max_replicas=part.number("max_replicas", 1, least=1),
        timeout_seconds=part.number("timeout_seconds", 60, least=1),
        deadline_seconds=part.number(
            "deadline_seconds", given.number("deadline_seconds", fallbacks.deadline_seconds, least=1), least=1
        ),
        runtime=part.text("runtime", str(first_runtime)),
        strategy=part.choice("strategy", Strategy, Strategy.SURGE),
        autoscaling=Autoscaling(
            scaling.choice("metric", AutoscalingMetric, AutoscalingMetric.CPU),
            scaling.number("target_percent", 80, least=1),
        )
        if scaling.given
        else None,
    )


def _limits(given: Entry) -> EnvironmentLimits:
    given.only({"max_cpu", "max_memory", "max_replicas", "max_deployed_versions_per_model"})
    cpu = _quantity(given, "max_cpu", None, parse_cpu)
    memory = _quantity(given, "max_memory", None, parse_memory)
    return EnvironmentLimits(
        max_cpu_millicores=parse_cpu(cpu) if cpu else None,
        max_memory_bytes=parse_memory(memory) if memory else None,
        max_replicas=given.number("max_replicas", 0, least=0) or None,
        max_deployed_versions_per_model=given.number("max_deployed_versions_per_model", 0, least=0) or None,
    )


def _quantity(given: Entry, key: str, default: str | None, parse: Any) -> str | None:
    text = given.scalar(key, default)
    if text is None:
        return None
    try:
        parse(text)
    except InvalidInput as error:
        given.problem(key, error.message)
        return default
    return text


def _text(amount: int | None, canonical: Any) -> str | None:
    return None if amount is None else str(canonical(amount))


def _give_prefixes(entries: Sequence[dict[str, Any]]) -> None:
    seen: set[str] = set()
    for entry in entries:
        gateway = entry.get("gateway")
        url = str(gateway.get("url", "")).rstrip("/") if isinstance(gateway, Mapping) else ""
        if entry.get("url_style", "path") == "path" and url in seen:
            entry.setdefault("path_prefix", f"/{entry.get('name', '')}")
        seen.add(url)


def _problems_together(configs: Sequence[EnvironmentConfig], *, whole: bool) -> list[str]:
    """What is wrong with environments beside each other; which is the default can be told of ``whole`` files only."""
    problems = [
        *_same("name", [c.name for c in configs]),
        *_same("cluster and namespace template", [f"{c.cluster.name} {c.namespace_template}" for c in configs]),
        *_same("address", [f"{c.gateway.url}{c.path_prefix}" for c in configs if c.url_style is UrlStyle.PATH]),
        *_same("address", [c.domain for c in configs if c.url_style is UrlStyle.HOST]),
    ]
    defaults = [c.name for c in configs if c.is_default]
    if whole and len(defaults) != 1:
        found = ", ".join(defaults) or "none"
        problems.append(f"Exactly one environment must be the default; found: {found}. Set `default: true` on one.")
    return problems


def _same(what: str, values: Sequence[str]) -> list[str]:
    counted = Counter(values).items()
    return [f"{count} environments have the same {what}: {value}." for value, count in counted if count > 1]
