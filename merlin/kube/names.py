"""What Merlin calls its objects in a cluster, and the labels they carry.

A name is a pure function of what it names, so that it can be told without asking anybody. Names that Kubernetes or
KServe would refuse (or accept and then silently ignore) are shortened with a hash.
"""

from __future__ import annotations

import hashlib
from typing import Final

FIELD_MANAGER: Final = "merlin"
SYSTEM_NAMESPACE: Final = "merlin-system"
INSTALLATION_CONFIG_MAP: Final = "merlin-installation"

MANAGED_BY: Final = "app.kubernetes.io/managed-by"
INSTALLATION: Final = "merlin.dev/installation"
ENDPOINT: Final = "merlin.dev/endpoint"
MODEL_ENDPOINT: Final = "merlin.dev/model-endpoint"
PROJECT: Final = "merlin.dev/project"
MODEL: Final = "merlin.dev/model"
VERSION: Final = "merlin.dev/version"
REVISION: Final = "merlin.dev/revision"
ALLOWED: Final = "merlin.dev/allowed"
"""An operator's label on a namespace that Merlin did not make but may use ("true")."""

GENERATION: Final = "merlin.dev/generation"
"""Annotation on what an endpoint's revisions share: the generation that was written."""
WORKLOAD_REVISION: Final = "merlin.dev/workload-revision"
"""Annotation on the predictor, which KServe passes to the pods: the revision that they were made for."""
PRUNE_WAITING: Final = "merlin.dev/prune-waiting"
"""Annotation on the installation's ConfigMap: what prune would remove, and the token that confirms it."""
PRUNE_CONFIRMED: Final = "merlin.dev/prune-confirmed"
"""Annotation that an operator sets there to that token."""

_LONGEST_LABEL = 63
_LONGEST_INFERENCE_SERVICE = 48  # the label value `isvc.<name>-predictor` must fit 63
_HASH_LENGTH = 8


def inference_service(model: str, version: int, revision: int, namespace: str) -> str:
    """`{model}-{version}-r{revision}`, short enough that `{name}-predictor-{namespace}` fits a host name's label.

    KServe accepts longer ones, makes no Deployment and reports no error.
    """
    longest = min(_LONGEST_INFERENCE_SERVICE, _LONGEST_LABEL - len("-predictor-") - len(namespace))
    return _shortened(f"{model}-{version}-r{revision}", longest)


def predictor(inference_service_name: str) -> str:
    """The Deployment (and Service, and HPA) that KServe makes for an InferenceService."""
    return f"{inference_service_name}-predictor"


def predictor_app(inference_service_name: str) -> str:
    """The value of the label ``app`` on the pods of an InferenceService."""
    return f"isvc.{inference_service_name}-predictor"


def inference_service_of(app: str | None) -> str | None:
    """The InferenceService whose pods carry that ``app`` label; ``None`` for any other label."""
    if app is None or not (app.startswith("isvc.") and app.endswith("-predictor")):
        return None
    return app.removeprefix("isvc.").removesuffix("-predictor")


def service(model: str, version: int) -> str:
    """A version endpoint's own Service, which every route names, for ever."""
    return _shortened(f"{model}-{version}", _LONGEST_LABEL)


def version_route(model: str, version: int) -> str:
    """A version endpoint's HTTPRoute."""
    return service(model, version)


def model_route(model: str) -> str:
    """A model endpoint's HTTPRoute.

    A model called `iris-3` must not take the route of version 3 of `iris`; a dot can stand in a route's name, not in a
    model's.
    """
    return f"{model}.model" if model.rpartition("-")[2].isdigit() else model


def _shortened(name: str, longest: int) -> str:
    if len(name) <= longest:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:_HASH_LENGTH]
    return f"{name[: longest - _HASH_LENGTH - 1].rstrip('-')}-{digest}"
