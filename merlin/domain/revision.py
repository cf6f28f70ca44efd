"""What one requested configuration of a version endpoint says.

A `RevisionSpec` is frozen once written. A redeploy lays a `SpecChange` over the spec before it: absent fields keep
their value, clearing is explicit (an empty list, or an entry in ``clear``).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from merlin.domain.limits import EnvironmentLimits
from merlin.domain.names import check_secret_name, check_variable_name
from merlin.domain.quantity import format_cpu, format_memory, parse_cpu, parse_memory
from merlin.errors import InputErrors, InvalidInput


class AutoscalingMetric(StrEnum):
    """What an autoscaler looks at."""

    CPU = "cpu"
    MEMORY = "memory"


class Strategy(StrEnum):
    """How a new revision replaces the old one: beside it (surge), or after it (recreate: room for one only)."""

    SURGE = "surge"
    RECREATE = "recreate"


@dataclass(frozen=True, slots=True)
class Resources:
    """Kubernetes quantities as text, already canonical ("500m", "1Gi"). Limits may be absent."""

    cpu_request: str
    memory_request: str
    cpu_limit: str | None = None
    memory_limit: str | None = None


@dataclass(frozen=True, slots=True)
class Autoscaling:
    """Scale between min and max replicas on one metric; ``target_percent`` of the request (1-100)."""

    metric: AutoscalingMetric
    target_percent: int


@dataclass(frozen=True, slots=True)
class EnvironmentVariable:
    """One variable for the model's process. The value is shown to editors only and masked in events and audit."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class SecretReference:
    """A project's secret, by name, put into the environment variable ``variable``. Never holds the value."""

    secret: str
    variable: str


@dataclass(frozen=True, slots=True)
class RevisionSpec:
    """Everything that a revision asks of the cluster; complete (defaults are filled in when it is made)."""

    resources: Resources
    min_replicas: int
    max_replicas: int
    timeout_seconds: int
    deadline_seconds: int
    runtime: str
    strategy: Strategy = Strategy.SURGE
    autoscaling: Autoscaling | None = None
    variables: tuple[EnvironmentVariable, ...] = ()
    secrets: tuple[SecretReference, ...] = ()

    @property
    def process_timeout_seconds(self) -> int:
        """How long the model's own process lets a prediction take: never less than it does by itself.

        So the gateway's limit, which needs no other pods, is the one that counts up to there.
        """
        return max(PROCESS_TIMEOUT_SECONDS, self.timeout_seconds)

    @property
    def startup_seconds(self) -> int:
        """How long a container may load its model before it is started anew; the rollout's deadline ends it earlier."""
        return max(STARTUP_SECONDS, self.deadline_seconds)

    @classmethod
    def from_change(cls, change: SpecChange, base: RevisionSpec) -> RevisionSpec:
        """``base`` (the revision before, or the environment's defaults) with the change laid over it.

        Quantities become canonical. Raises InputErrors with all of: bad quantities, an unknown name in ``clear``, a
        field both given and cleared. What it makes is still to be judged by `check`.
        """
        return _apply_change(change, base)

    def as_json(self) -> dict[str, Any]:
        """The stored form: fields by name, enums by value, tuples as lists."""
        stored = asdict(self)
        stored["variables"] = list(stored["variables"])
        stored["secrets"] = list(stored["secrets"])
        return stored

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> RevisionSpec:
        """The spec that was stored."""
        scaling = stored.get("autoscaling")
        return cls(
            resources=Resources(**stored["resources"]),
            min_replicas=stored["min_replicas"],
            max_replicas=stored["max_replicas"],
            timeout_seconds=stored["timeout_seconds"],
            deadline_seconds=stored["deadline_seconds"],
            runtime=stored["runtime"],
            strategy=Strategy(stored["strategy"]),
            autoscaling=Autoscaling(AutoscalingMetric(scaling["metric"]), scaling["target_percent"])
            if scaling
            else None,
            variables=tuple(EnvironmentVariable(**v) for v in stored.get("variables", ())),
            secrets=tuple(SecretReference(**s) for s in stored.get("secrets", ())),
        )


@dataclass(frozen=True, slots=True)
class SpecChange:
    """What a deploy or redeploy asks to be different; ``None`` keeps (or takes the environment's default).

    ``clear`` names fields to be emptied: autoscaling, variables, secrets, cpu_limit, memory_limit.
    """

    cpu_request: str | None = None
    memory_request: str | None = None
    cpu_limit: str | None = None
    memory_limit: str | None = None
    min_replicas: int | None = None
    max_replicas: int | None = None
    timeout_seconds: int | None = None
    deadline_seconds: int | None = None
    runtime: str | None = None
    strategy: Strategy | None = None
    autoscaling: Autoscaling | None = None
    variables: tuple[EnvironmentVariable, ...] | None = None
    secrets: tuple[SecretReference, ...] | None = None
    clear: frozenset[str] = frozenset()


CLEARABLE = frozenset({"autoscaling", "variables", "secrets", "cpu_limit", "memory_limit"})
"""Fields that may be emptied by name."""

MOST_REPLICAS = 1000
MOST_TIMEOUT_SECONDS = 3600
PROCESS_TIMEOUT_SECONDS = 60
"""MERLIN_RUNTIME_TIMEOUT_SECONDS of a process that is told nothing (runtime/README.md)."""
STARTUP_SECONDS = 3600
"""The least that a container gets to load its model."""
MOST_DEADLINE_SECONDS = 24 * 3600
MOST_VARIABLES = 200
MOST_VARIABLE_BYTES = 256 * 1024  # all values together; a Kubernetes Secret holds 1 MiB

_ASK_FOR_LESS = "Ask for less; the environment's limits say how much there is."

# Changes of these alone are applied in place: they say how many pods there are and how long to wait, not what runs.
_IN_PLACE = ("min_replicas", "max_replicas", "autoscaling", "timeout_seconds", "deadline_seconds", "strategy")
_KEPT = ("min_replicas", "max_replicas", "timeout_seconds", "deadline_seconds", "runtime", "strategy", "autoscaling")


def check(
    spec: RevisionSpec, limits: EnvironmentLimits, *, runtimes: Collection[str] | None = None
) -> list[InvalidInput]:
    """All that is wrong with a spec in an environment, in the order of its fields; empty when nothing is."""
    errors = [*_check_resources(spec.resources, limits), *_check_replicas(spec, limits)]
    errors += _check_range("timeout_seconds", spec.timeout_seconds, MOST_TIMEOUT_SECONDS)
    errors += _check_range("deadline_seconds", spec.deadline_seconds, MOST_DEADLINE_SECONDS)
    if runtimes is not None and spec.runtime not in runtimes:
        known = ", ".join(sorted(runtimes)) or "none"
        message = f"The environment has no runtime {spec.runtime!r}; it has: {known}."
        errors.append(InvalidInput(message, code="NO_RUNTIME", path=("runtime",), hint="Choose one of these."))
    if spec.autoscaling is not None:
        errors += _check_range("autoscaling", spec.autoscaling.target_percent, 100, "targetPercent")
    return [*errors, *_check_variables(spec)]


def changes_workload(old: RevisionSpec, new: RevisionSpec) -> bool:
    """Whether other pods are needed: false where only replicas, autoscaling, time-outs or the strategy differ.

    Time-outs beyond what pods allow anyway have to be told to them, though.
    """
    told = [(spec.process_timeout_seconds, spec.startup_seconds) for spec in (old, new)]
    if told[0] != told[1]:
        return True
    return replace(new, **{name: getattr(old, name) for name in _IN_PLACE}) != old


def masked(stored: Mapping[str, Any]) -> dict[str, Any]:
    """A stored spec without the values of its variables: what events and audit may hold."""
    return {**stored, "variables": [{"name": v["name"], "value": "***"} for v in stored.get("variables", ())]}


def _apply_change(change: SpecChange, base: RevisionSpec) -> RevisionSpec:
    errors: list[InvalidInput] = _check_clear(change)
    resources = _changed_resources(change, base.resources, errors)
    if errors:
        raise InputErrors(errors)
    given = {name: getattr(change, name) for name in _KEPT if getattr(change, name) is not None}
    if change.variables is not None:
        given["variables"] = change.variables
    if change.secrets is not None:
        given["secrets"] = change.secrets
    cleared: dict[str, Any] = {name: () for name in ("variables", "secrets") if name in change.clear}
    if "autoscaling" in change.clear:
        cleared["autoscaling"] = None
    return replace(base, resources=resources, **given, **cleared)


def _check_clear(change: SpecChange) -> list[InvalidInput]:
    errors = [
        InvalidInput(
            f"{name!r} cannot be cleared; these can: {', '.join(sorted(CLEARABLE))}.",
            path=("clear",),
            hint="Leave it out.",
        )
        for name in sorted(change.clear - CLEARABLE)
    ]
    errors += [
        InvalidInput(f"{name!r} is both given and cleared.", path=("clear",), hint="Leave one of the two out.")
        for name in sorted(change.clear & CLEARABLE)
        if getattr(change, name) is not None
    ]
    return errors


def _changed_resources(change: SpecChange, base: Resources, errors: list[InvalidInput]) -> Resources:
    def changed(field: str, camel: str, kept: str | None, canonical: Callable[[str], str]) -> str | None:
        text: str | None = getattr(change, field)
        if text is None:
            return None if field in change.clear else kept
        try:
            return canonical(text)
        except InvalidInput as error:
            errors.append(_located(error, camel))
            return kept

    def cpu(text: str) -> str:
        return format_cpu(parse_cpu(text))

    def memory(text: str) -> str:
        return format_memory(parse_memory(text))

    return Resources(
        cpu_request=changed("cpu_request", "cpuRequest", base.cpu_request, cpu) or base.cpu_request,
        memory_request=changed("memory_request", "memoryRequest", base.memory_request, memory) or base.memory_request,
        cpu_limit=changed("cpu_limit", "cpuLimit", base.cpu_limit, cpu),
        memory_limit=changed("memory_limit", "memoryLimit", base.memory_limit, memory),
    )


def _check_resources(resources: Resources, limits: EnvironmentLimits) -> list[InvalidInput]:
    cpu = _check_amounts(
        ("cpuRequest", resources.cpu_request, "cpuLimit", resources.cpu_limit),
        parse_cpu,
        limits.max_cpu_millicores,
        format_cpu,
    )
    memory = _check_amounts(
        ("memoryRequest", resources.memory_request, "memoryLimit", resources.memory_limit),
        parse_memory,
        limits.max_memory_bytes,
        format_memory,
    )
    return [*cpu, *memory]


def _check_amounts(
    fields: tuple[str, str, str, str | None],
    parse: Callable[[str], int],
    most: int | None,
    canonical: Callable[[int], str],
) -> list[InvalidInput]:
    request_name, request, limit_name, limit = fields
    errors: list[InvalidInput] = []
    amounts: dict[str, int] = {}
    for name, text in ((request_name, request), (limit_name, limit)):
        if text is None:
            continue
        try:
            amounts[name] = parse(text)
        except InvalidInput as error:
            errors.append(_located(error, name))
            continue
        if most is not None and amounts[name] > most:
            message = f"{name} {text} is above the environment's limit of {canonical(most)}."
            errors.append(InvalidInput(message, code="LIMIT_EXCEEDED", path=("resources", name), hint=_ASK_FOR_LESS))
    if amounts.get(request_name, 0) > amounts.get(limit_name, amounts.get(request_name, 0)):
        message = f"{request_name} {request} is above {limit_name} {limit}."
        hint = f"Raise the limit, or clear {limit_name}."
        errors.append(InvalidInput(message, path=("resources", request_name), hint=hint))
    return errors


def _located(error: InvalidInput, resource: str) -> InvalidInput:
    return InvalidInput(error.message, code=error.code, path=("resources", resource), hint=error.hint)


def _check_replicas(spec: RevisionSpec, limits: EnvironmentLimits) -> list[InvalidInput]:
    def wrong(field: str, message: str) -> InvalidInput:
        hint = "Keep 1 ≤ minReplicas ≤ maxReplicas."
        return InvalidInput(message, code="INVALID_REPLICAS", path=(field,), hint=hint)

    errors = []
    if not 1 <= spec.min_replicas <= MOST_REPLICAS:
        errors.append(wrong("minReplicas", f"minReplicas must be from 1 to {MOST_REPLICAS}."))
    if not 1 <= spec.max_replicas <= MOST_REPLICAS:
        errors.append(wrong("maxReplicas", f"maxReplicas must be from 1 to {MOST_REPLICAS}."))
    if spec.min_replicas > spec.max_replicas:
        errors.append(
            wrong("minReplicas", f"minReplicas {spec.min_replicas} is above maxReplicas {spec.max_replicas}.")
        )
    if limits.max_replicas is not None and spec.max_replicas > limits.max_replicas:
        message = f"maxReplicas {spec.max_replicas} is above the environment's limit of {limits.max_replicas}."
        errors.append(InvalidInput(message, code="LIMIT_EXCEEDED", path=("maxReplicas",), hint=_ASK_FOR_LESS))
    return errors


def _check_range(field: str, value: int, most: int, part: str | None = None) -> list[InvalidInput]:
    first, *rest = field.split("_")
    camel = first + "".join(word.capitalize() for word in rest)
    if 1 <= value <= most:
        return []
    path: tuple[str, ...] = (camel, part) if part else (camel,)
    message = f"{part or camel} must be from 1 to {most}; it is {value}."
    return [InvalidInput(message, path=path, hint=f"Choose a number from 1 to {most}.")]


def _check_variables(spec: RevisionSpec) -> list[InvalidInput]:
    errors: list[InvalidInput] = []
    seen: set[str] = set()
    for index, variable in enumerate(spec.variables):
        errors += _check_name(check_variable_name, variable.name, ("variables", index, "name"), seen)
        if "\0" in variable.value:
            errors.append(
                InvalidInput(
                    "A value cannot hold a NUL.", path=("variables", index, "value"), hint="Leave the NUL out."
                )
            )
    for index, reference in enumerate(spec.secrets):
        errors += _check_name(check_variable_name, reference.variable, ("secrets", index, "variable"), seen)
        errors += _check_name(check_secret_name, reference.secret, ("secrets", index, "secret"), set())
    if len(spec.variables) + len(spec.secrets) > MOST_VARIABLES:
        message = f"At most {MOST_VARIABLES} variables are possible, secrets counted in."
        errors.append(InvalidInput(message, path=("variables",), hint="Leave some out."))
    if sum(len(v.value.encode()) for v in spec.variables) > MOST_VARIABLE_BYTES:
        message = f"Variables hold at most {MOST_VARIABLE_BYTES >> 10} KiB, all together."
        errors.append(InvalidInput(message, path=("variables",), hint="Shorten them."))
    return errors


def _check_name(
    checked: Callable[..., None], name: str, path: Sequence[str | int], seen: set[str]
) -> list[InvalidInput]:
    try:
        checked(name, path=path)
    except InvalidInput as error:
        return [error]
    if name in seen:
        return [InvalidInput(f"The variable {name!r} is given twice.", path=path, hint="Leave one of the two out.")]
    seen.add(name)
    return []
