"""The functions of a notebook: one active server, project, model and version, as Merlin users know them.

They are for one person in one process; a program that works on several things at once takes `Client` or `AsyncClient`.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from merlin_client.client import Client
from merlin_client.environment import Environment
from merlin_client.errors import InputError, MerlinError, NotConfigured, NotFound
from merlin_client.model import Model
from merlin_client.model_endpoint import ModelEndpoint
from merlin_client.project import Project
from merlin_client.run import RunLog
from merlin_client.version import Version
from merlin_client.version_endpoint import VersionEndpoint

# How a version may be named: itself, its endpoint, its number or an alias in the active model, project/model/version.
Which = Version | VersionEndpoint | int | str


@dataclass
class _Active:
    """What the functions work on."""

    client: Client | None = None
    project: Project | None = None
    model: Model | None = None
    version: Version | None = None
    logs: dict[str, RunLog] = field(default_factory=dict)


_active = _Active()


# Where


def set_url(url: str | None = None, token: str | None = None, *, home: str | Path | None = None) -> Client:
    """Work with this server from now on; forgets the active project, model and version.

    The token is taken from MERLIN_TOKEN or from the addresses.json of a platform that runs here, if it is its server.
    Without a URL, MERLIN_URL or that platform's own is taken. Nothing is asked yet.
    """
    global _active
    _active = _Active(client=Client(url, token, home=home))
    return active_client()


def get_url() -> str:
    """The active server's URL."""
    return active_client().address.url


def active_client() -> Client:
    """The active server; one that runs here is found by itself. Raises NotConfigured."""
    if _active.client is None:
        _active.client = Client()
    return _active.client


def list_environments() -> list[Environment]:
    """Where one can deploy to."""
    return list(active_client().environments())


def list_projects() -> list[Project]:
    """The projects you are a member of."""
    return list(active_client().projects())


def set_project(name: str, **how: Any) -> Project:
    """Work in this project from now on; it is made if absent (``how``: description, team, stream, labels)."""
    _active.project = active_client().get_or_create_project(name, **how)
    _active.model = _active.version = None
    return _active.project


def active_project() -> Project:
    """The active project. Raises NotConfigured."""
    if _active.project is None:
        raise NotConfigured("No project is active.", hint="Use set_project(...).")
    return _active.project


def set_model(name: str, **how: Any) -> Model:
    """Work on this model from now on; it is made if absent (``how``: type, description)."""
    _active.model = active_project().get_or_create_model(name, **how)
    _active.version = None
    return _active.model


def active_model() -> Model:
    """The active model. Raises NotConfigured."""
    if _active.model is None:
        raise NotConfigured("No model is active.", hint="Use set_model(...).")
    return _active.model


def set_model_version(version: Which) -> Version:
    """Work on this version from now on: itself, project/model/version, or its number or alias in the active model."""
    _active.version = _which(version)
    return _active.version


def active_model_version() -> Version:
    """The active version. Raises NotConfigured."""
    if _active.version is None:
        raise NotConfigured("No version is active.", hint="Use new_model_version() or set_model_version(...).")
    return _active.version


# A new version


@contextlib.contextmanager
def new_model_version(
    labels: Mapping[str, str] | None = None, *, run_name: str | None = None, properties: Mapping[str, Any] | None = None
) -> Iterator[Version]:
    """A new version of the active model, to be logged to inside the ``with`` block.

    Its MLflow run is the active one meanwhile, for mlflow's own functions and autologging too. At the end the version
    is finished: it can be deployed. If an exception leaves the block, or no model was logged, the version stays OPEN
    (its run is marked FAILED in the first case), and can still be logged to and finished. So it does if MLflow does not
    answer within half a minute: Unavailable (MLFLOW_UNAVAILABLE) names the version then.
    """
    version = active_model().new_version(labels=labels, run_name=run_name, properties=properties)
    _active.version = version
    log = _log()
    with log.active():
        yield version
    _finish(version, log)


def _finish(version: Version, log: RunLog) -> None:
    try:
        version.finish()
    except MerlinError as error:
        if log.logged_model or error.code not in {"ARTIFACT_NOT_FOUND", "NO_ARTIFACT"}:
            raise
        print(f"{version.path} stays open: no model was logged. finish() closes it.", file=sys.stderr)


def log_metric(key: str, value: float, step: int | None = None) -> None:
    """Log one value of a metric to the active version."""
    _log().metric(key, value, step)


def log_metrics(metrics: Mapping[str, float], step: int | None = None) -> None:
    """Log several metrics to the active version."""
    _log().metrics(metrics, step)


def log_param(key: str, value: Any) -> None:
    """Log a parameter to the active version."""
    _log().params({key: value})


def log_params(params: Mapping[str, Any]) -> None:
    """Log several parameters to the active version."""
    _log().params(params)


def set_tag(key: str, value: Any) -> None:
    """Set a tag of the active version's MLflow run."""
    _log().tag(key, value)


def log_artifact(local_path: str | Path, artifact_path: str | None = None) -> None:
    """Upload a file or a folder to the active version."""
    _log().artifact(local_path, artifact_path)


def log_model(model: Any, **options: Any) -> None:
    """Log the model of the active version; its kind is found out. Options as in `RunLog.model`:

    input_example (also gives the signature), flavor, signature, pip_requirements, name, and whatever MLflow's own
    log_model of that flavour takes. Raises ModelNotUnderstood.
    """
    _log().model(model, **options)


def _log() -> RunLog:
    version = active_model_version()
    if version.id not in _active.logs:
        _active.logs[version.id] = RunLog.of(version)
    return _active.logs[version.id]


# Running it


def deploy(version: Which | None = None, environment: str | None = None, **settings: Any) -> VersionEndpoint:
    """Make a version run (the active one, if none is given) and wait until it does, showing how it goes.

    It may be named by its number or an alias in the active model, or by "project/model/version".

    Options as in `Version.deploy`: wait, timeout, progress, resources, min_replicas, max_replicas, variables, ….
    Raises DeploymentFailed with the cause, what to do, and the log's end.
    """
    return _which(version).deploy(_where(version, environment), **settings)


def undeploy(version: Which | None = None, environment: str | None = None, **how: Any) -> VersionEndpoint | None:
    """Stop a version (the active one, if none is given); None if it never ran there."""
    return _which(version).undeploy(_where(version, environment), **how)


def serve_traffic(
    endpoint: Which | Mapping[VersionEndpoint, int], environment: str | None = None, **how: Any
) -> ModelEndpoint:
    """Send all of the model's traffic to this endpoint; its stable URL stays the same.

    A version, its number, an alias or "project/model/version" stand for its endpoint there. The older form
    ``{endpoint: 100}`` works too; other weights are not possible yet. Raises NotAllowed when it does not run, NotFound
    when it was never deployed.
    """
    if isinstance(endpoint, Mapping):
        shares = {target: weight for target, weight in endpoint.items() if weight}
        if list(shares.values()) != [100]:
            raise InputError("All traffic goes to one endpoint.", path=["endpoint"], hint="Give {endpoint: 100}.")
        endpoint = next(iter(shares))
    if not isinstance(endpoint, VersionEndpoint):
        return _endpoint_of(_which(endpoint), environment).serve(**how)
    if environment is not None and endpoint.environment_name != environment:
        raise InputError(f"{endpoint!r} is not in environment {environment!r}.", path=["environment"])
    return endpoint.serve(**how)


def stop_serving_traffic(environment: str | None = None, **how: Any) -> ModelEndpoint | None:
    """Serve nothing of the active model any more; None if nothing was ever served there."""
    endpoint = active_model().endpoint(environment)
    return endpoint.stop(**how) if endpoint else None


def list_model_endpoints() -> list[ModelEndpoint]:
    """The active model's endpoints in all environments."""
    return list(active_model().endpoints())


def _which(version: Which | None) -> Version:
    if version is None:
        return active_model_version()
    if isinstance(version, VersionEndpoint):
        return active_client().version(version.path)
    if isinstance(version, str) and version.count("/") == 2:
        return active_client().version(version)
    return version if isinstance(version, Version) else active_model().version(version)


def _where(version: Which | None, environment: str | None) -> str | None:
    """The environment that was named; where an endpoint was given, else its own."""
    if environment is None and isinstance(version, VersionEndpoint):
        return version.environment_name
    return environment


def _endpoint_of(version: Version, environment: str | None) -> VersionEndpoint:
    endpoint = version.endpoint(environment)
    if endpoint is None:
        raise NotFound(f"{version.path} was never deployed there.", hint="Deploy it first: deploy(...).")
    return endpoint
