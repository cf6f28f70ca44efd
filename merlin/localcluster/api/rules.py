"""What single kinds ask of their objects: pods and templates, Services, HTTPRoutes, InferenceServices."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from merlin.localcluster.api.errors import (
    Cause,
    Refused,
    denied_by_webhook,
    forbidden_field,
    invalid_value,
    required_value,
    unsupported_value,
)
from merlin.localcluster.api.kinds import (
    AUTOSCALERS,
    DEPLOYMENTS,
    EVENTS,
    HTTP_ROUTES,
    INFERENCE_SERVICES,
    PODS,
    REPLICA_SETS,
    RESOURCE_QUOTAS,
    SERVICES,
    Manifest,
    Resource,
)
from merlin.localcluster.quantity import amount

_LABEL: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_ENV_NAME: Final = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
_WEBHOOK: Final = 'admission webhook "inferenceservice.kserve-webhook-server.'
_AUTOSCALERS: Final = ("hpa", "external", "none", "keda", "kpa", "")
_PROTOCOLS: Final = ("SCTP", "TCP", "UDP")
_POD_CHOICES: Final = {
    "restartPolicy": ("Always", "Never", "OnFailure"),
    "dnsPolicy": ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"),
}
_SERVICE_CHOICES: Final = {
    "type": ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort"),
    "sessionAffinity": ("ClientIP", "None"),
}
_CONTAINER_CHOICES: Final = {
    "imagePullPolicy": ("Always", "IfNotPresent", "Never"),
    "terminationMessagePolicy": ("FallbackToLogsOnError", "File"),
}


def causes(resource: Resource, new: Manifest) -> Iterator[Cause]:
    """What is wrong with the object's spec. Raises Refused where a webhook would refuse it."""
    check = _CHECKS.get(resource.key)
    if check is not None:
        yield from check(new)


def _pod(new: Manifest) -> Iterator[Cause]:
    yield from _pod_spec(new.get("spec") or {}, "spec")


def _pod_spec(spec: Manifest, path: str) -> Iterator[Cause]:
    volumes = {volume.get("name") for volume in spec.get("volumes") or []}
    names: set[str] = set()
    for listed in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(listed) or []):
            at = f"{path}.{listed}[{index}]"
            name = str(container.get("name", ""))
            if name and not re.fullmatch(_LABEL, name):
                yield invalid_value(
                    f"{at}.name",
                    name,
                    "a lowercase RFC 1123 label must consist of lower case "
                    "alphanumeric characters or '-', and must start and end with an alphanumeric character",
                )
            if name in names:
                yield Cause("FieldValueDuplicate", f"{at}.name", f'Duplicate value: "{name}"')
            names.add(name)
            yield from _container(container, at, volumes)
    yield from _choices(spec, path, _POD_CHOICES)


def _choices(value: Manifest, path: str, known: dict[str, tuple[str, ...]]) -> Iterator[Cause]:
    for name, choices in known.items():
        if value.get(name, choices[0]) not in choices:
            yield unsupported_value(f"{path}.{name}", value[name], choices)


def _container(container: Manifest, path: str, volumes: set[Any]) -> Iterator[Cause]:
    if not container.get("image"):
        yield required_value(f"{path}.image")
    yield from _choices(container, path, _CONTAINER_CHOICES)
    for index, port in enumerate(container.get("ports") or []):
        yield from _choices(port, f"{path}.ports[{index}]", {"protocol": _PROTOCOLS})
    for index, variable in enumerate(container.get("env") or []):
        if not _ENV_NAME.fullmatch(str(variable.get("name", ""))):
            yield invalid_value(
                f"{path}.env[{index}].name",
                variable.get("name"),
                "a valid environment variable name must consist only of printable ASCII characters other than '='",
            )
    for index, mount in enumerate(container.get("volumeMounts") or []):
        if mount.get("name") not in volumes:
            yield Cause("FieldValueNotFound", f"{path}.volumeMounts[{index}].name", f'Not found: "{mount.get("name")}"')
    resources = container.get("resources") or {}
    limits = resources.get("limits") or {}
    for listed in ("limits", "requests"):
        for name, quantity in (resources.get(listed) or {}).items():
            if amount_or_none(quantity) is None:
                continue  # refused before, as of a wrong type
            if amount(quantity) < 0:
                yield invalid_value(
                    f"{path}.resources.{listed}[{name}]", quantity, "must be greater than or equal to 0"
                )
            elif listed == "requests" and name in limits and amount(quantity) > amount(limits[name]):
                yield invalid_value(
                    f"{path}.resources.requests",
                    quantity,
                    f"must be less than or equal to {name} limit of {limits[name]}",
                )


def amount_or_none(quantity: Any) -> Any:
    """The value of a quantity, ``None`` when it is none."""
    try:
        return amount(quantity)
    except ValueError:
        return None


def _workload(new: Manifest) -> Iterator[Cause]:
    spec = new.get("spec") or {}
    yield from _choices(spec.get("strategy") or {}, "spec.strategy", {"type": ("Recreate", "RollingUpdate")})
    if (spec.get("strategy") or {}).get("type") == "Recreate" and spec["strategy"].get("rollingUpdate"):
        why = "may not be specified when strategy `type` is 'Recreate'"
        yield forbidden_field("spec.strategy.rollingUpdate", why)
    if isinstance(spec.get("replicas"), int) and spec["replicas"] < 0:
        yield invalid_value("spec.replicas", spec["replicas"], "must be greater than or equal to 0")
    selector = (spec.get("selector") or {}).get("matchLabels") or {}
    if "selector" in spec and not selector and not (spec["selector"] or {}).get("matchExpressions"):
        yield invalid_value("spec.selector", {}, "empty selector is invalid for deployment")
    template = spec.get("template") or {}
    labels = (template.get("metadata") or {}).get("labels") or {}
    if any(labels.get(key) != value for key, value in selector.items()):
        yield invalid_value("spec.template.metadata.labels", labels, "`selector` does not match template `labels`")
    yield from _pod_spec(template.get("spec") or {}, "spec.template.spec")


def _service(new: Manifest) -> Iterator[Cause]:
    spec = new.get("spec") or {}
    ports = spec.get("ports") or []
    if not ports and spec.get("clusterIP") != "None" and spec.get("type") != "ExternalName":
        yield required_value("spec.ports")
    for index, port in enumerate(ports):
        for name in ("port", "targetPort"):
            number = port.get(name)
            if isinstance(number, int) and not 1 <= number <= 65535:
                yield invalid_value(f"spec.ports[{index}].{name}", number, "must be between 1 and 65535, inclusive")
        if len(ports) > 1 and not port.get("name"):
            yield required_value(f"spec.ports[{index}].name")
        yield from _choices(port, f"spec.ports[{index}]", {"protocol": _PROTOCOLS})
    yield from _choices(spec, "spec", _SERVICE_CHOICES)


def _quota(new: Manifest) -> Iterator[Cause]:
    for name, quantity in ((new.get("spec") or {}).get("hard") or {}).items():
        value = amount_or_none(quantity)
        if value is not None and value < 0:
            yield invalid_value(f"spec.hard[{name}]", quantity, "must be greater than or equal to 0")


def _autoscaler(new: Manifest) -> Iterator[Cause]:
    spec = new.get("spec") or {}
    low, high = spec.get("minReplicas", 1), spec.get("maxReplicas")
    if isinstance(high, int) and high < 1:
        yield invalid_value("spec.maxReplicas", high, "must be greater than 0")
    elif isinstance(high, int) and isinstance(low, int) and high < low:
        yield invalid_value("spec.maxReplicas", high, "must be greater than or equal to `minReplicas`")


def _event(new: Manifest) -> Iterator[Cause]:
    """An event lies where its object lies; one about an object without a namespace lies in "default"."""
    about = (new.get("involvedObject") or {}).get("namespace", "")
    if new["metadata"]["namespace"] != (about or "default"):
        yield invalid_value("involvedObject.namespace", about, "does not match event.namespace")


def _route(new: Manifest) -> Iterator[Cause]:
    for index, rule in enumerate((new.get("spec") or {}).get("rules") or []):
        path = f"spec.rules[{index}]"
        filters = rule.get("filters") or []
        kinds = [one.get("type") for one in filters]
        if "RequestRedirect" in kinds and rule.get("backendRefs"):
            yield invalid_value(path, rule, "RequestRedirect filter must not be used together with backendRefs")
        if "RequestRedirect" in kinds and "URLRewrite" in kinds:
            text = "May specify either httpRouteFilterRequestRedirect or httpRouteFilterRequestRewrite, but not both"
            yield invalid_value(f"{path}.filters", rule, text)
        yield from _rewrites(rule, path)
        for number, match in enumerate(rule.get("matches") or []):
            yield from _match(match.get("path") or {}, f"{path}.matches[{number}].path")
        for number, backend in enumerate(rule.get("backendRefs") or []):
            is_service = backend.get("kind", "Service") == "Service" and backend.get("group", "") == ""
            if is_service and backend.get("port") is None:
                yield invalid_value(f"{path}.backendRefs[{number}]", backend, "Must have port for Service reference")
        yield from _timeouts(rule.get("timeouts") or {}, f"{path}.timeouts")


def _rewrites(rule: Manifest, path: str) -> Iterator[Cause]:
    replaces = any(
        ((one.get("urlRewrite") or {}).get("path") or {}).get("type") == "ReplacePrefixMatch"
        for one in rule.get("filters") or []
    )
    matches = rule.get("matches") or [{}]
    one_prefix = len(matches) == 1 and (matches[0].get("path") or {}).get("type", "PathPrefix") == "PathPrefix"
    if replaces and not one_prefix:
        text = (
            "When using URLRewrite filter with path.replacePrefixMatch, exactly one PathPrefix match must be specified"
        )
        yield invalid_value(path, rule, text)


def _match(match: Manifest, path: str) -> Iterator[Cause]:
    kind, value = match.get("type", "PathPrefix"), str(match.get("value", "/"))
    if kind == "RegularExpression":
        return
    if not value.startswith("/"):
        text = "value must be an absolute path and start with '/' when type one of ['Exact', 'PathPrefix']"
        yield invalid_value(path, match, text)
    for part in ("//", "/./", "/../", "%2f", "%2F", "#"):
        if part in value:
            yield invalid_value(path, match, f"must not contain '{part}' when type one of ['Exact', 'PathPrefix']")


def _timeouts(timeouts: Manifest, path: str) -> Iterator[Cause]:
    whole, backend = (_seconds(str(timeouts.get(name, "0s"))) for name in ("request", "backendRequest"))
    if whole and backend and backend > whole:
        yield invalid_value(path, timeouts, "backendRequest timeout cannot be longer than request timeout")


def _seconds(text: str) -> float:
    units = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
    return sum(float(number) * units[unit] for number, unit in re.findall(r"([0-9]+)(ms|h|m|s)", text))


def _inference_service(new: Manifest) -> Iterator[Cause]:
    name = new["metadata"]["name"]
    if re.fullmatch(rf"{_LABEL}(\.{_LABEL})*", name) and not re.fullmatch("[a-z]([-a-z0-9]*[a-z0-9])?", name):
        raise _denied(
            f'the InferenceService "{name}" is invalid: a InferenceService name must consist of lower case '
            "alphanumeric characters or '-', and must start with alphabetical character. (e.g. \"my-name\" or "
            "\"abc-123\", regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
        )
    predictor = (new.get("spec") or {}).get("predictor") or {}
    low, high = predictor.get("minReplicas"), predictor.get("maxReplicas") or 0
    if isinstance(low, int) and low < 0:
        raise _denied("'MinReplicas' cannot be less than 0")
    if high < 0:
        raise _denied("'MaxReplicas' cannot be less than 0")
    if isinstance(low, int) and 0 < high < low:
        raise _denied("'MinReplicas' cannot be greater than MaxReplicas")
    scaler = (new["metadata"].get("annotations") or {}).get("serving.kserve.io/autoscalerClass", "")
    if scaler not in _AUTOSCALERS:
        raise _denied(f"[{scaler}] is not a supported autoscaler class type")
    yield from ()


def check_unchanged_mode(new: Manifest, old: Manifest) -> None:
    """The deployment mode of an InferenceService stays what it is. Raises Refused (403)."""
    annotation = "serving.kserve.io/deploymentMode"
    was, now = ((one["metadata"].get("annotations") or {}).get(annotation) for one in (old, new))
    if was and now and was != now:
        raise _denied(f"update rejected: deploymentMode cannot be changed from '{was}' to '{now}'")


def _denied(text: str) -> Refused:
    return denied_by_webhook(f'{_WEBHOOK}validator" denied the request: {text}')


_CHECKS: Final[dict[str, Callable[[Manifest], Iterator[Cause]]]] = {
    PODS.key: _pod,
    DEPLOYMENTS.key: _workload,
    REPLICA_SETS.key: _workload,
    SERVICES.key: _service,
    RESOURCE_QUOTAS.key: _quota,
    AUTOSCALERS.key: _autoscaler,
    EVENTS.key: _event,
    HTTP_ROUTES.key: _route,
    INFERENCE_SERVICES.key: _inference_service,
}
