"""`merlin doctor`: looks at everything Merlin needs and says how to mend what is wrong.

Each finding is independent: one broken part does not hide another. Nothing is changed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any, Final

import aiohttp
import asyncpg
from redis.asyncio import Redis
from redis.exceptions import RedisError

from merlin.db.connection import own_connection
from merlin.db.migrate import check_schema
from merlin.domain.environment import EnvironmentConfig, UrlStyle, read_environments
from merlin.errors import MerlinError, NotFound, Rejected, Unavailable
from merlin.kube import names
from merlin.kube.client import ReadOnlyCluster
from merlin.kube.kinds import (
    CLUSTER_RUNTIME,
    CONFIG_MAP,
    DEPLOYMENT,
    EVENT,
    GATEWAY,
    GATEWAY_CLASS,
    HTTP_ROUTE,
    INFERENCE_SERVICE,
    NAMESPACE,
    POD,
    SECRET,
    SERVICE,
    Kind,
)
from merlin.kube.route import REWRITE, RouteFeatures
from merlin.settings import Settings
from merlin.tracking.client import MlflowClient

OLDEST_POSTGRESQL: Final = 15
TESTED_MLFLOW: Final = "3.17.2"

_DEADLINE_SECONDS: Final = 10
_SERVED: Final = (INFERENCE_SERVICE, CLUSTER_RUNTIME, HTTP_ROUTE, GATEWAY, GATEWAY_CLASS)
_CHANGED: Final = (NAMESPACE, CONFIG_MAP, SECRET, SERVICE, INFERENCE_SERVICE, HTTP_ROUTE)
_WATCHED: Final = (INFERENCE_SERVICE, DEPLOYMENT, POD, SERVICE, HTTP_ROUTE, EVENT)
_RIGHTS: Final[tuple[tuple[Kind, tuple[str, ...]], ...]] = (
    *((kind, ("get", "list", "create", "patch", "delete")) for kind in _CHANGED),
    *((kind, ("list", "watch")) for kind in _WATCHED),
    (CLUSTER_RUNTIME, ("get", "list")),
    *((kind, ("get",)) for kind in (GATEWAY, GATEWAY_CLASS)),
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: whether all is well, what was seen, and what to do if not."""

    subject: str
    well: bool
    seen: str
    mend: str = ""

    def as_json(self) -> dict[str, Any]:
        """For scripts; ``mend`` only where something is wrong."""
        shape = asdict(self)
        if self.well:
            del shape["mend"]
        return shape

    def line(self) -> str:
        """For people."""
        mark = "ok   " if self.well else "WRONG"
        mend = f"\n        {self.mend}" if self.mend and not self.well else ""
        return f"{mark} {self.subject}: {self.seen}{mend}"


async def examine(settings: Settings) -> list[Finding]:
    """All findings, in the order database, queue, MLflow, environments. Raises nothing that is to be expected."""
    found = await asyncio.gather(
        _guarded("database", lambda: _database(settings)),
        _guarded("queue", lambda: _queue(settings)),
        _guarded("MLflow", lambda: _mlflow(settings)),
        _guarded("environments", lambda: _environments(settings), seconds=2 * _DEADLINE_SECONDS),
    )
    return _joined(found)


async def _guarded(
    subject: str, look: Callable[[], Awaitable[list[Finding]]], *, seconds: float = _DEADLINE_SECONDS
) -> list[Finding]:
    """What was found; an expected error, or no answer in time, is a finding too."""
    try:
        async with asyncio.timeout(seconds):
            return await look()
    except MerlinError as error:
        return [Finding(subject, False, error.message, error.hint or "")]
    except TimeoutError:
        return [Finding(subject, False, f"no answer within {seconds:.0f} s", "Check that it runs and can be reached.")]


def _joined(found: Iterable[list[Finding]]) -> list[Finding]:
    return [finding for findings in found for finding in findings]


async def _database(settings: Settings) -> list[Finding]:
    url = settings.database_direct_url or settings.database_url
    async with own_connection(url) as connection:
        version: asyncpg.ServerVersion = connection.get_server_version()
    is_new = version.major >= OLDEST_POSTGRESQL
    mend = f"Use PostgreSQL {OLDEST_POSTGRESQL} or newer."
    findings = [Finding("database", is_new, f"PostgreSQL {version.major}.{version.micro or version.minor}", mend)]
    return [*findings, *await _guarded("database schema", lambda: _schema(url))]


async def _schema(url: str) -> list[Finding]:
    await check_schema(url)
    return [Finding("database schema", True, "fits this version of Merlin")]


async def _queue(settings: Settings) -> list[Finding]:
    try:
        async with Redis.from_url(settings.redis_url, socket_timeout=5, socket_connect_timeout=3) as redis:
            info = await redis.info("server")
    except (RedisError, OSError, ValueError) as error:
        raise Unavailable(
            f"The queue does not answer: {error}", hint="Start Redis, or set MERLIN_REDIS_URL."
        ) from error
    name = str(info.get("server_name", "redis"))
    return [Finding("queue", True, f"{name} {info.get(f'{name}_version', info.get('redis_version'))}")]


async def _mlflow(settings: Settings) -> list[Finding]:
    client = MlflowClient(settings.mlflow_url, timeout_seconds=settings.mlflow_timeout_seconds)
    try:
        version = await client.ping()
    except Unavailable as error:
        raise Unavailable(error.message, hint="Start MLflow, or set MERLIN_MLFLOW_URL.") from error
    finally:
        await client.close()
    is_known = version.partition(".")[0] == TESTED_MLFLOW.partition(".")[0]
    note = "" if version == TESTED_MLFLOW else f" (tested: {TESTED_MLFLOW})"
    return [Finding("MLflow", is_known, f"{version}{note}", f"Use MLflow {TESTED_MLFLOW}.")]


async def _environments(settings: Settings) -> list[Finding]:
    environments = await asyncio.to_thread(read_environments, settings.environments_file)
    named = Finding("environments", True, ", ".join(environment.name for environment in environments))
    found = await asyncio.gather(*(_guarded(_about(e), lambda e=e: _environment(e)) for e in environments))  # type: ignore[misc]
    return [named, *_joined(found)]


async def _environment(environment: EnvironmentConfig) -> list[Finding]:
    cluster = await ReadOnlyCluster.connect(environment.cluster)
    about = _about(environment)
    try:
        version = await cluster.reachable()
        found = await asyncio.gather(
            _guarded(f"{about}: kinds", lambda: _kinds(cluster, about)),
            _guarded(f"{about}: rights", lambda: _rights(cluster, about)),
            _guarded(f"{about}: runtimes", lambda: _runtimes(cluster, environment)),
            _guarded(f"{about}: gateway", lambda: _gateway(cluster, environment)),
            _guarded(f"{about}: address", lambda: _address(environment)),
        )
    finally:
        await cluster.close()
    return [Finding(f"{about}: cluster", True, f"Kubernetes {version}"), *_joined(found)]


async def _kinds(cluster: ReadOnlyCluster, about: str) -> list[Finding]:
    missing = [kind.kind for kind in _SERVED if not await _is_served(cluster, kind)]
    mend = "Install KServe 0.16 or newer and the Gateway API's standard channel."
    seen = f"missing {', '.join(missing)}" if missing else ", ".join(kind.kind for kind in _SERVED)
    return [Finding(f"{about}: kinds", not missing, seen, mend)]


async def _is_served(cluster: ReadOnlyCluster, kind: Kind) -> bool:
    try:
        await cluster.get(kind, names.SYSTEM_NAMESPACE, "merlin-doctor-asks")
    except Rejected as error:
        return error.code != "KIND_NOT_INSTALLED"
    except NotFound:
        return True
    return True


async def _rights(cluster: ReadOnlyCluster, about: str) -> list[Finding]:
    asked = [(verb, kind) for kind, verbs in _RIGHTS for verb in verbs]
    answers = await asyncio.gather(*(cluster.may(verb, kind) for verb, kind in asked))
    missing = [f"{verb} {kind.plural}" for (verb, kind), may in zip(asked, answers, strict=True) if not may]
    seen = f"may not {', '.join(missing)}" if missing else "all that workers need"
    mend = "Give Merlin's account these rights in the whole cluster (docs/operations.md)."
    return [Finding(f"{about}: rights", not missing, seen, mend)]


async def _runtimes(cluster: ReadOnlyCluster, environment: EnvironmentConfig) -> list[Finding]:
    there = await cluster.runtimes()
    missing = sorted(set(environment.runtimes) - there.keys())
    wrong = sorted(
        name for name, formats in environment.runtimes.items() if name in there and not set(formats) & set(there[name])
    )
    seen = f"not there: {', '.join(missing)}" if missing else ", ".join(sorted(environment.runtimes))
    if wrong:
        seen = f"{seen}; without the formats named: {', '.join(wrong)}"
    mend = "Install these ClusterServingRuntimes, or correct `runtimes` in the environments' file."
    return [Finding(f"{_about(environment)}: runtimes", not missing and not wrong, seen, mend)]


async def _gateway(cluster: ReadOnlyCluster, environment: EnvironmentConfig) -> list[Finding]:
    about, gateway = f"{_about(environment)}: gateway", environment.gateway
    name = f"{gateway.namespace}/{gateway.name}"
    found = await cluster.get(GATEWAY, gateway.namespace, gateway.name)
    if found is None:
        return [Finding(about, False, f"there is no Gateway {name}", "Make it, or correct the environments' file.")]
    kind = gateway.gateway_class or str(found.get("spec", {}).get("gatewayClassName", ""))
    if await cluster.get(GATEWAY_CLASS, None, kind) is None:
        return [Finding(about, False, f"there is no GatewayClass {kind!r}", "Install the gateway's controller.")]
    features = await cluster.route_features(gateway.namespace, gateway.name, gateway.gateway_class)
    return [_features(about, f"{name} of class {kind}", features, environment)]


def _features(about: str, seen: str, features: RouteFeatures, environment: EnvironmentConfig) -> Finding:
    if environment.url_style is UrlStyle.PATH and not features.has(REWRITE):
        return Finding(about, False, f"{seen} does not support {REWRITE}", "Use another gateway, or url_style: host.")
    stated = "says nothing of its features" if features.supported is None else f"{len(features.supported)} features"
    return Finding(about, True, f"{seen}, {stated}")


async def _address(environment: EnvironmentConfig) -> list[Finding]:
    about, url = f"{_about(environment)}: address", environment.gateway.url
    timeout = aiohttp.ClientTimeout(total=5)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url, allow_redirects=False) as answer:
            seen = f"{url} answers" if answer.status < 500 else f"{url} answers, with HTTP {answer.status} at its root"
            return [Finding(about, True, seen)]
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        seen = f"{url} does not answer ({type(error).__name__})"
        return [Finding(about, False, seen, "Check gateway.url in the environments' file, and that it is reached.")]


def _about(environment: EnvironmentConfig) -> str:
    return f"environment {environment.name}"
