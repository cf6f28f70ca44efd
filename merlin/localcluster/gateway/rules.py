"""HTTPRoutes as the gateway reads them: matches, filters and backends as plain values. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from merlin.localcluster.client import Manifest

Key = tuple[str, str]
"""(namespace, name)."""

EXACT: Final = "Exact"
PREFIX: Final = "PathPrefix"
REGEX: Final = "RegularExpression"

_DURATION: Final = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?")


@dataclass(frozen=True, slots=True)
class Pattern:
    """A name with a value that must be the same, or must match as a whole."""

    name: str
    value: str
    expression: re.Pattern[str] | None = None

    def accepts(self, value: str | None) -> bool:
        """Whether a request with that value is meant; ``None`` = it has none."""
        if value is None:
            return False
        return self.expression.fullmatch(value) is not None if self.expression else value == self.value


@dataclass(frozen=True, slots=True)
class Match:
    """One match of a rule; all of it must hold."""

    path_type: str = PREFIX
    path: str = "/"
    expression: re.Pattern[str] | None = None
    method: str = ""
    headers: tuple[Pattern, ...] = ()
    query: tuple[Pattern, ...] = ()

    def accepts(self, method: str, headers: Mapping[str, str], query: Mapping[str, str]) -> bool:
        """Whether the request is meant, its path apart. Names of ``headers`` are in lower case."""
        if self.method and method != self.method:
            return False
        return all(p.accepts(headers.get(p.name)) for p in self.headers) and all(
            p.accepts(query.get(p.name)) for p in self.query
        )


@dataclass(frozen=True, slots=True)
class HeaderChange:
    """What a HeaderModifier does; names in lower case."""

    set: tuple[tuple[str, str], ...] = ()
    add: tuple[tuple[str, str], ...] = ()
    remove: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.set or self.add or self.remove)

    def applied(self, headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """The headers after it."""
        replaced = self.remove | {name for name, _ in self.set}
        return [(name, value) for name, value in headers if name.lower() not in replaced] + [*self.set, *self.add]


@dataclass(frozen=True, slots=True)
class Rewrite:
    """What a URLRewrite does; ``None`` leaves that part alone."""

    hostname: str | None = None
    full_path: str | None = None
    prefix: str | None = None

    def path(self, path: str, matched: Match) -> str:
        """The path after it. A prefix is only replaced where the match was a prefix, as the Gateway API says."""
        if self.full_path is not None:
            return self.full_path
        if self.prefix is None or matched.path_type != PREFIX:
            return path
        rest = path[len(matched.path.rstrip("/")) :]
        head = self.prefix.rstrip("/")
        return (head + rest if rest.startswith("/") or not rest else f"{head}/{rest}") or "/"


@dataclass(frozen=True, slots=True)
class BackendRef:
    """A Service's port and its weight. ``service`` is ``None`` for a reference that nobody can follow (HTTP 500)."""

    service: Key | None
    port: int
    weight: int


@dataclass(frozen=True, slots=True)
class Mirror:
    """Where a share of the requests is sent a second time."""

    backend: BackendRef
    share: float


@dataclass(frozen=True, slots=True)
class Rule:
    """What happens to a request that one of the rule's matches chose."""

    name: str
    backends: tuple[BackendRef, ...] = ()
    rewrite: Rewrite = field(default_factory=Rewrite)
    request_headers: HeaderChange = field(default_factory=HeaderChange)
    response_headers: HeaderChange = field(default_factory=HeaderChange)
    mirrors: tuple[Mirror, ...] = ()
    timeout: float | None = None
    redirect: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """An HTTPRoute: its hostnames (none: every host), and its rules with their matches."""

    key: Key
    created: str
    hostnames: tuple[str, ...]
    rules: tuple[tuple[Rule, tuple[Match, ...]], ...]


def route_of(manifest: Manifest, gateway: Key) -> Route | None:
    """The route; ``None`` when it does not belong to that gateway. A rule that cannot be read answers 500."""
    metadata, spec = manifest["metadata"], manifest.get("spec") or {}
    namespace = str(metadata.get("namespace", ""))
    parents = spec.get("parentRefs") or []
    if not any(_names(parent, gateway, namespace) for parent in parents):
        return None
    name = str(metadata["name"])
    rules = []
    for number, rule in enumerate(spec.get("rules") or [{}]):
        try:
            read = _rule(rule, namespace, f"{namespace}/{name}/{number}")
        except (ValueError, KeyError, TypeError, re.error):
            read = Rule(f"{namespace}/{name}/{number}", (BackendRef(None, 0, 1),))
        rules.append((read, _matches(rule)))
    hostnames = tuple(str(host).lower() for host in spec.get("hostnames") or [])
    return Route((namespace, name), str(metadata.get("creationTimestamp", "")), hostnames, tuple(rules))


def seconds_of(duration: str) -> float | None:
    """A GEP-2257 duration (``1h2m3s4ms``) in seconds; ``None`` for none, which "0s" means too. Raises ValueError."""
    match = _DURATION.fullmatch(duration)
    if match is None or not duration:
        raise ValueError(f"{duration!r} is no duration")
    hours, minutes, seconds, milliseconds = (int(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds + milliseconds / 1000 or None


def _names(parent: Mapping[str, Any], gateway: Key, namespace: str) -> bool:
    return (
        parent.get("kind", "Gateway") == "Gateway"
        and parent.get("group", "gateway.networking.k8s.io") == "gateway.networking.k8s.io"
        and (str(parent.get("namespace") or namespace), str(parent.get("name"))) == gateway
    )


def _rule(rule: Mapping[str, Any], namespace: str, name: str) -> Rule:
    filters = {}
    mirrors = []
    for item in rule.get("filters") or []:
        kind = item["type"]
        if kind == "RequestMirror":
            mirrors.append(_mirror(item["requestMirror"], namespace))
        elif kind in {"URLRewrite", "RequestHeaderModifier", "ResponseHeaderModifier", "RequestRedirect"}:
            filters[kind] = item[kind[0].lower() + kind[1:] if kind != "URLRewrite" else "urlRewrite"]
        else:
            raise ValueError(f"filter {kind} is not supported")
    timeouts = rule.get("timeouts") or {}
    limits = [seconds_of(str(timeouts[kind])) for kind in ("request", "backendRequest") if timeouts.get(kind)]
    return Rule(
        name=name,
        backends=tuple(_backend(ref, namespace) for ref in rule.get("backendRefs") or []),
        rewrite=_rewrite(filters.get("URLRewrite") or {}),
        request_headers=_change(filters.get("RequestHeaderModifier") or {}),
        response_headers=_change(filters.get("ResponseHeaderModifier") or {}),
        mirrors=tuple(mirrors),
        timeout=min((limit for limit in limits if limit), default=None),
        redirect=filters.get("RequestRedirect"),
    )


def _matches(rule: Mapping[str, Any]) -> tuple[Match, ...]:
    found = []
    for match in rule.get("matches") or [{}]:
        try:
            found.append(_match(match))
        except (ValueError, KeyError, TypeError, re.error):
            continue
    return tuple(found)


def _match(match: Mapping[str, Any]) -> Match:
    path = match.get("path") or {}
    kind, value = str(path.get("type", PREFIX)), str(path.get("value", "/"))
    if kind not in {EXACT, PREFIX, REGEX}:
        raise ValueError(f"path type {kind} is not supported")
    return Match(
        path_type=kind,
        path=value.rstrip("/") or "/" if kind == PREFIX else value,
        expression=re.compile(value) if kind == REGEX else None,
        method=str(match.get("method", "")),
        headers=_patterns(match.get("headers"), lower=True),
        query=_patterns(match.get("queryParams"), lower=False),
    )


def _patterns(entries: Any, *, lower: bool) -> tuple[Pattern, ...]:
    found: dict[str, Pattern] = {}
    for entry in entries or []:
        name, value = str(entry["name"]), str(entry["value"])
        name = name.lower() if lower else name
        expression = re.compile(value) if entry.get("type") == REGEX else None
        found.setdefault(name, Pattern(name, value, expression))  # of equal names the first one wins
    return tuple(found.values())


def _backend(ref: Mapping[str, Any], namespace: str) -> BackendRef:
    weight = int(ref.get("weight", 1))
    is_service = ref.get("kind", "Service") == "Service" and ref.get("group", "") in {"", "core"}
    # A Service of another namespace would need a ReferenceGrant, which this cluster does not have.
    is_own = str(ref.get("namespace") or namespace) == namespace
    if not is_service or not is_own or ref.get("port") is None or ref.get("filters"):
        return BackendRef(None, 0, weight)
    return BackendRef((namespace, str(ref["name"])), int(ref["port"]), weight)


def _mirror(mirror: Mapping[str, Any], namespace: str) -> Mirror:
    share = 1.0
    if mirror.get("percent") is not None:
        share = int(mirror["percent"]) / 100
    elif fraction := mirror.get("fraction"):
        share = int(fraction["numerator"]) / int(fraction.get("denominator", 100))
    return Mirror(_backend(mirror["backendRef"], namespace), share)


def _rewrite(rewrite: Mapping[str, Any]) -> Rewrite:
    path = rewrite.get("path") or {}
    return Rewrite(
        hostname=rewrite.get("hostname"),
        full_path=path.get("replaceFullPath") if path.get("type") == "ReplaceFullPath" else None,
        prefix=path.get("replacePrefixMatch") if path.get("type") == "ReplacePrefixMatch" else None,
    )


def _change(change: Mapping[str, Any]) -> HeaderChange:
    def pairs(kind: str) -> tuple[tuple[str, str], ...]:
        return tuple((str(entry["name"]).lower(), str(entry["value"])) for entry in change.get(kind) or [])

    return HeaderChange(pairs("set"), pairs("add"), frozenset(str(name).lower() for name in change.get("remove") or []))
