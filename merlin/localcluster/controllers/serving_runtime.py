"""Which ServingRuntime serves a model, by KServe's rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from merlin.localcluster.client import Manifest

# What a runtime without protocolVersions speaks.
_DEFAULT_PROTOCOLS: Final = ("v1",)


class InvalidModel(Exception):
    """KServe cannot serve the model as it is specified: ``reason`` and ``message`` go to modelStatus, ``said`` to an
    event."""

    def __init__(self, reason: str, message: str, said: str) -> None:
        super().__init__(said)
        self.reason = reason
        self.message = message
        self.said = said


@dataclass(frozen=True, slots=True)
class ServingRuntime:
    """A runtime by name, and whether it is the cluster's or the namespace's own."""

    name: str
    spec: Mapping[str, Any]
    of_cluster: bool


def runtime_for(model: Mapping[str, Any], own: Iterable[Manifest], of_cluster: Iterable[Manifest]) -> ServingRuntime:
    """The runtime that the model names, or the first that supports its format. Raises InvalidModel."""
    known = [ServingRuntime(r["metadata"]["name"], r["spec"], False) for r in own]
    known += [ServingRuntime(r["metadata"]["name"], r["spec"], True) for r in of_cluster]
    if model.get("runtime"):
        return _named(str(model["runtime"]), model, known)
    fitting = [
        r for r in known if not r.spec.get("disabled") and _speaks(r, model) and _supports(r, model, named=False)
    ]
    if not fitting:
        raise InvalidModel(
            "NoSupportingRuntime",
            "No runtime found to support specified framework/version",
            f"no runtime found to support predictor with model type: {_shown(model)}",
        )
    return min(fitting, key=lambda r: (r.of_cluster, -_priority(r, model), r.name))


def _named(name: str, model: Mapping[str, Any], known: Iterable[ServingRuntime]) -> ServingRuntime:
    found = next((r for r in known if r.name == name), None)
    if found is None:
        raise InvalidModel(
            "RuntimeNotRecognized",
            "Waiting for runtime to become available",
            f"No ServingRuntimes or ClusterServingRuntimes with the name: {name}",
        )
    if found.spec.get("disabled"):
        raise InvalidModel("RuntimeDisabled", "Specified runtime is disabled", f"specified runtime {name} is disabled")
    if not _speaks(found, model):
        raise _unsupported(name, "protocol version")
    if not _supports(found, model, named=True):
        raise _unsupported(name, "framework/version")
    return found


def _unsupported(name: str, what: str) -> InvalidModel:
    return InvalidModel(
        "NoSupportingRuntime",
        f"Specified runtime does not support specified {what}",
        f"specified runtime {name} does not support specified {what}",
    )


def _speaks(runtime: ServingRuntime, model: Mapping[str, Any]) -> bool:
    protocol = model.get("protocolVersion")
    return not protocol or protocol in (runtime.spec.get("protocolVersions") or _DEFAULT_PROTOCOLS)


def _supports(runtime: ServingRuntime, model: Mapping[str, Any], *, named: bool) -> bool:
    wanted = model.get("modelFormat") or {}
    for known in runtime.spec.get("supportedModelFormats") or []:
        if not named and not known.get("autoSelect"):
            continue
        if known.get("name") == wanted.get("name") and wanted.get("version") in (None, "", known.get("version")):
            return True
    return False


def _priority(runtime: ServingRuntime, model: Mapping[str, Any]) -> int:
    name = (model.get("modelFormat") or {}).get("name")
    formats = runtime.spec.get("supportedModelFormats") or []
    return max((int(f.get("priority") or 0) for f in formats if f.get("name") == name), default=0)


def _shown(model: Mapping[str, Any]) -> str:
    wanted = model.get("modelFormat") or {}
    return f"{{{wanted.get('name', '')} {wanted.get('version') or '<nil>'}}}"
