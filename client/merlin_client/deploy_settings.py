"""Settings of a deploy in Python's spelling, and as the API's input. What is unknown is refused with what there is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from merlin_client.errors import InputError, InputErrors

_SETTINGS = {
    "min_replicas": "minReplicas",
    "max_replicas": "maxReplicas",
    "timeout_seconds": "timeoutSeconds",
    "deadline_seconds": "deadlineSeconds",
    "runtime": "runtime",
    "strategy": "strategy",
    "clear": "clear",
    "comment": "comment",
}
CLEARABLE = ("autoscaling", "variables", "secrets", "cpu_limit", "memory_limit")
STRATEGIES = ("surge", "recreate")
METRICS = ("cpu", "memory")
_AUTOSCALING = {"metric", "target_percent", "targetPercent"}
_RESOURCES = {
    "cpu": "cpuRequest",
    "memory": "memoryRequest",
    "cpu_request": "cpuRequest",
    "memory_request": "memoryRequest",
    "cpu_limit": "cpuLimit",
    "memory_limit": "memoryLimit",
}


def deploy_fields(**settings: Any) -> dict[str, Any]:
    """Settings in Python's spelling as the API's input. Raises InputErrors naming every one that is unknown."""
    given = {name: value for name, value in settings.items() if value is not None}
    fields: dict[str, Any] = {_SETTINGS[name]: given.pop(name) for name in list(given) if name in _SETTINGS}
    fields |= _resources(given.pop("resources", None))
    if autoscaling := given.pop("autoscaling", None):
        fields["autoscaling"] = _autoscaling(autoscaling)
    if (variables := given.pop("variables", None)) is not None:
        fields["variables"] = [{"name": str(name), "value": str(value)} for name, value in variables.items()]
    if (secrets := given.pop("secrets", None)) is not None:
        fields["secrets"] = [{"secret": str(secret), "variable": str(name)} for name, secret in secrets.items()]
    if "strategy" in fields:
        fields["strategy"] = _one_of(STRATEGIES, fields["strategy"], "strategy")
    if "clear" in fields:
        asked = [fields["clear"]] if isinstance(fields["clear"], str) else fields["clear"]
        fields["clear"] = [_one_of(CLEARABLE, field, "clear") for field in asked]
    _refuse_unknown(given, "deploy", [*_SETTINGS, "resources", "autoscaling", "variables", "secrets"])
    return fields


def _resources(given: Mapping[str, Any] | None) -> dict[str, Any]:
    if not given:
        return {}
    known = {*_RESOURCES, *_RESOURCES.values()}
    _refuse_unknown({key: given[key] for key in given if key not in known}, "resources", list(_RESOURCES))
    return {"resources": {_RESOURCES.get(key, key): str(value) for key, value in given.items()}}


def _autoscaling(given: Any) -> dict[str, Any]:
    if not isinstance(given, Mapping) or not {"metric"} <= given.keys() <= _AUTOSCALING:
        hint = 'Write {"metric": "cpu", "target_percent": 70}.'
        raise InputError(f"{given!r} is no autoscaling.", path=["autoscaling"], hint=hint)
    metric = _one_of(METRICS, given["metric"], "autoscaling", "metric")
    return {"metric": metric, "targetPercent": given.get("target_percent", given.get("targetPercent"))}


def _one_of(known: tuple[str, ...], value: Any, *path: str) -> str:
    """The API's word for it. Raises InputError that lists what there is."""
    if str(value).lower() not in known:
        raise InputError(f"{value!r} is not known here.", path=path, hint=f"There are: {', '.join(known)}.")
    return str(value).upper()


def _refuse_unknown(unknown: Mapping[str, Any], where: str, known: list[str]) -> None:
    errors = [InputError(f"{name!r} is no setting of {where}.", path=[where, name]) for name in unknown]
    if not errors:
        return
    hint = f"There are: {', '.join(known)}."
    if len(errors) == 1:
        raise InputError(errors[0].message, path=errors[0].path, hint=hint)
    raise InputErrors(errors)
