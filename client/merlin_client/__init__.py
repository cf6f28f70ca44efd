"""Merlin from a notebook, a program or a shell: log a model, deploy it, ask it for predictions.

    import merlin_client as merlin

    merlin.set_url("http://127.0.0.1:8080")
    merlin.set_project("wine")
    merlin.set_model("quality")
    with merlin.new_model_version() as version:
        merlin.log_model(model, input_example=X.head(2))
    endpoint = merlin.deploy(version)
    endpoint.predict(X)
    merlin.serve_traffic(endpoint)

`Client` and `AsyncClient` are the same as objects, without anything active. Names are loaded when they are used, so
that the command `merlin` starts quickly.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from merlin_client.client import AsyncClient, Client
    from merlin_client.environment import AsyncEnvironment, Environment
    from merlin_client.errors import (
        AlreadyExists,
        Conflict,
        CursorExpired,
        DeploymentCancelled,
        DeploymentFailed,
        DeploymentSuperseded,
        InputError,
        InputErrors,
        MerlinError,
        ModelNotUnderstood,
        NotAllowed,
        NotConfigured,
        NotFound,
        PermissionDenied,
        PredictionFailed,
        ServerFault,
        TimedOut,
        Unauthorized,
        Unavailable,
    )
    from merlin_client.event import Event
    from merlin_client.fluent import (
        active_client,
        active_model,
        active_model_version,
        active_project,
        deploy,
        get_url,
        list_environments,
        list_model_endpoints,
        list_projects,
        log_artifact,
        log_metric,
        log_metrics,
        log_model,
        log_param,
        log_params,
        new_model_version,
        serve_traffic,
        set_model,
        set_model_version,
        set_project,
        set_tag,
        set_url,
        stop_serving_traffic,
        undeploy,
    )
    from merlin_client.model import AsyncModel, Model
    from merlin_client.model_endpoint import AsyncModelEndpoint, ModelEndpoint
    from merlin_client.project import AsyncProject, Project
    from merlin_client.revision import Failure, History, Revision
    from merlin_client.run import RunLog
    from merlin_client.version import AsyncVersion, Version
    from merlin_client.version_endpoint import AsyncVersionEndpoint, LogLine, VersionEndpoint

__version__ = "0.1.0"

_HOMES = {
    "client": ("AsyncClient", "Client"),
    "environment": ("AsyncEnvironment", "Environment"),
    "errors": (
        "AlreadyExists",
        "Conflict",
        "CursorExpired",
        "DeploymentCancelled",
        "DeploymentFailed",
        "DeploymentSuperseded",
        "InputError",
        "InputErrors",
        "MerlinError",
        "ModelNotUnderstood",
        "NotAllowed",
        "NotConfigured",
        "NotFound",
        "PermissionDenied",
        "PredictionFailed",
        "ServerFault",
        "TimedOut",
        "Unauthorized",
        "Unavailable",
    ),
    "event": ("Event",),
    "fluent": (
        "active_client",
        "active_model",
        "active_model_version",
        "active_project",
        "deploy",
        "get_url",
        "list_environments",
        "list_model_endpoints",
        "list_projects",
        "log_artifact",
        "log_metric",
        "log_metrics",
        "log_model",
        "log_param",
        "log_params",
        "new_model_version",
        "serve_traffic",
        "set_model",
        "set_model_version",
        "set_project",
        "set_tag",
        "set_url",
        "stop_serving_traffic",
        "undeploy",
    ),
    "model": ("AsyncModel", "Model"),
    "model_endpoint": ("AsyncModelEndpoint", "ModelEndpoint"),
    "project": ("AsyncProject", "Project"),
    "revision": ("Failure", "History", "Revision"),
    "run": ("RunLog",),
    "version": ("AsyncVersion", "Version"),
    "version_endpoint": ("AsyncVersionEndpoint", "LogLine", "VersionEndpoint"),
}
__all__ = [
    "AlreadyExists",
    "AsyncClient",
    "AsyncEnvironment",
    "AsyncModel",
    "AsyncModelEndpoint",
    "AsyncProject",
    "AsyncVersion",
    "AsyncVersionEndpoint",
    "Client",
    "Conflict",
    "CursorExpired",
    "DeploymentCancelled",
    "DeploymentFailed",
    "DeploymentSuperseded",
    "Environment",
    "Event",
    "Failure",
    "History",
    "InputError",
    "InputErrors",
    "LogLine",
    "MerlinError",
    "Model",
    "ModelEndpoint",
    "ModelNotUnderstood",
    "NotAllowed",
    "NotConfigured",
    "NotFound",
    "PermissionDenied",
    "PredictionFailed",
    "Project",
    "Revision",
    "RunLog",
    "ServerFault",
    "TimedOut",
    "Unauthorized",
    "Unavailable",
    "Version",
    "VersionEndpoint",
    "active_client",
    "active_model",
    "active_model_version",
    "active_project",
    "deploy",
    "get_url",
    "list_environments",
    "list_model_endpoints",
    "list_projects",
    "log_artifact",
    "log_metric",
    "log_metrics",
    "log_model",
    "log_param",
    "log_params",
    "new_model_version",
    "serve_traffic",
    "set_model",
    "set_model_version",
    "set_project",
    "set_tag",
    "set_url",
    "stop_serving_traffic",
    "undeploy",
]

_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME_OF])
