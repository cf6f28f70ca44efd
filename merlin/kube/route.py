"""Routes of the Gateway API: what a rule looks like, and whether a gateway can do it.

Gateways differ. What a GatewayClass says it supports is read; what an address cannot do without is refused early, and
a time-out is left out where it would only be ignored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from merlin.domain.environment import EnvironmentConfig
from merlin.domain.failure import FailureCode
from merlin.errors import Rejected
from merlin.kube.kinds import GATEWAY, SERVICE, Manifest

REWRITE: Final = "HTTPRoutePathRewrite"
TIMEOUT: Final = "HTTPRouteRequestTimeout"


@dataclass(frozen=True, slots=True)
class RouteFeatures:
    """What a gateway says it can do; ``None`` = it says nothing, so everything is tried."""

    supported: frozenset[str] | None = None

    def has(self, feature: str) -> bool:
        """Whether the feature may be used."""
        return self.supported is None or feature in self.supported


@dataclass(frozen=True, slots=True)
class Backend:
    """A Service in the route's own namespace and its weight (shares are weight / sum)."""

    service: str
    port: int
    weight: int


def features_of(gateway_class: Manifest) -> RouteFeatures:
    """What a GatewayClass's status says (a list of names, or of objects since Gateway API 1.2)."""
    stated = gateway_class.get("status", {}).get("supportedFeatures")
    if not stated:
        return RouteFeatures()
    return RouteFeatures(frozenset(str(f["name"]) if isinstance(f, dict) else str(f) for f in stated))


def route_spec(
    environment: EnvironmentConfig,
    *,
    hostname: str | None,
    prefix: str,
    backends: Sequence[Backend],
    timeout_seconds: int,
    features: RouteFeatures,
) -> dict[str, Any]:
    """The spec of an HTTPRoute that sends ``prefix`` to the backends, without the prefix.

    Raises Rejected (ROUTE_FEATURE_UNSUPPORTED) when the gateway cannot take the prefix away.
    """
    gateway = environment.gateway
    rule: dict[str, Any] = {
        "matches": [{"path": {"type": "PathPrefix", "value": prefix}}],
        "backendRefs": [
            {"group": "", "kind": SERVICE.kind, "name": b.service, "port": b.port, "weight": b.weight} for b in backends
        ],
    }
    if prefix != "/":
        if not features.has(REWRITE):
            raise Rejected(
                f"The gateway {gateway.namespace}/{gateway.name} does not support {REWRITE}, which addresses with a "
                "path need.",
                code=FailureCode.ROUTE_FEATURE_UNSUPPORTED,
                hint="Use a gateway that supports it, or url_style: host.",
            )
        rewrite = {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}
        rule["filters"] = [{"type": "URLRewrite", "urlRewrite": rewrite}]
    if features.has(TIMEOUT):
        rule["timeouts"] = {"request": f"{timeout_seconds}s"}
    spec: dict[str, Any] = {
        "parentRefs": [
            {
                "group": GATEWAY.api_version.partition("/")[0],
                "kind": GATEWAY.kind,
                "namespace": gateway.namespace,
                "name": gateway.name,
            }
        ],
        "rules": [rule],
    }
    if hostname is not None:
        spec["hostnames"] = [hostname]
    return spec
