"""Which rule a request belongs to: the Gateway API's order of precedence, found without looking at every route.

More specific hostnames first; then an exact path, the longest prefix, a regular expression; then a method, more
headers, more query parameters, the older route, its name, and its rules' own order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from merlin.localcluster.gateway.rules import EXACT, PREFIX, Key, Match, Route, Rule

Rank = tuple[int, int, int, str, Key, int]


@dataclass(frozen=True, slots=True)
class Entry:
    """One match of one rule; the lower its ``rank``, the sooner it is asked among those with the same path."""

    route: Key
    match: Match
    rule: Rule
    rank: Rank


@dataclass(slots=True)
class _Paths:
    """The entries of one hostname, by how they match the path."""

    exact: dict[str, list[Entry]] = field(default_factory=dict)
    prefix: dict[str, list[Entry]] = field(default_factory=dict)
    regex: dict[str, list[Entry]] = field(default_factory=dict)

    def entries(self, match: Match) -> dict[str, list[Entry]]:
        """Where an entry with that match belongs."""
        return {EXACT: self.exact, PREFIX: self.prefix}.get(match.path_type, self.regex)

    def candidates(self, path: str) -> Iterator[Entry]:
        """Every entry whose path matches, in order of precedence."""
        yield from self.exact.get(path, ())
        prefix = path.rstrip("/")
        while prefix:
            yield from self.prefix.get(prefix, ())
            prefix = prefix.rpartition("/")[0]
        yield from self.prefix.get("/", ())
        for entries in sorted(self.regex.values(), key=lambda found: -len(found[0].match.path)):
            if entries[0].match.expression is not None and entries[0].match.expression.fullmatch(path):
                yield from entries


class Table:
    """All routes of the gateway, changed one by one."""

    def __init__(self) -> None:
        self._routes: dict[Key, Route] = {}
        self._hosts: dict[str, _Paths] = {}

    def put(self, route: Route) -> None:
        """Have the route, in place of an earlier one of that name."""
        self.remove(route.key)
        self._routes[route.key] = route
        for host in route.hostnames or ("",):
            paths = self._hosts.setdefault(host, _Paths())
            for number, (rule, matches) in enumerate(route.rules):
                for match in matches:
                    rank = (not match.method, -len(match.headers), -len(match.query), route.created, route.key, number)
                    entries = paths.entries(match).setdefault(match.path, [])
                    entries.append(Entry(route.key, match, rule, rank))
                    entries.sort(key=lambda entry: entry.rank)

    def remove(self, key: Key) -> None:
        """Forget the route, if it is there."""
        route = self._routes.pop(key, None)
        if route is None:
            return
        for host in route.hostnames or ("",):
            paths = self._hosts[host]
            for _, matches in route.rules:
                for match in matches:
                    found = paths.entries(match)
                    left = [entry for entry in found.get(match.path, ()) if entry.route != key]
                    if left:
                        found[match.path] = left
                    else:
                        found.pop(match.path, None)
            if not (paths.exact or paths.prefix or paths.regex):
                del self._hosts[host]

    def knows(self, host: str) -> bool:
        """Whether some route names that host, itself or by a wildcard."""
        return any(name in self._hosts for name in _names_of(host) if name)

    def find(
        self, host: str, path: str, method: str, headers: Mapping[str, str], query: Mapping[str, str]
    ) -> tuple[Rule, Match] | None:
        """The rule for a request and the match that chose it; ``None`` = no route."""
        for name in _names_of(host):
            paths = self._hosts.get(name)
            if paths is None:
                continue
            for entry in paths.candidates(path):
                if entry.match.accepts(method, headers, query):
                    return entry.rule, entry.match
        return None


def _names_of(host: str) -> Iterator[str]:
    """The host itself, the wildcards that cover it (the longest first), and "" for routes without hostnames."""
    yield host
    rest = host
    while "." in rest:
        rest = rest.partition(".")[2]
        yield f"*.{rest}"
    yield ""
