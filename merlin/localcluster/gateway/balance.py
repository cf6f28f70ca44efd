"""Which backend, and which of its endpoints, gets the next request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from merlin.localcluster.gateway.rules import BackendRef, Rule

Address = tuple[str, int]


class Balancer:
    """Backends by smooth weighted round robin (9:1 is exactly nine of ten, evenly spread), endpoints by least load."""

    def __init__(self) -> None:
        self._rules: dict[str, tuple[Rule, list[int]]] = {}
        self._turn = 0
        self.in_flight: Counter[Address] = Counter()

    def backend(self, rule: Rule) -> BackendRef | None:
        """The rule's next backend; ``None`` when it has none with a weight."""
        if len(rule.backends) == 1:
            return rule.backends[0] if rule.backends[0].weight > 0 else None
        known, credits = self._rules.get(rule.name, (None, []))
        if known is None or known.backends != rule.backends:
            credits = [0] * len(rule.backends)
            self._rules[rule.name] = (rule, credits)
        total = sum(backend.weight for backend in rule.backends)
        if total == 0:
            return None
        for index, backend in enumerate(rule.backends):
            credits[index] += backend.weight
        chosen = max(range(len(credits)), key=lambda index: (rule.backends[index].weight > 0, credits[index]))
        credits[chosen] -= total
        return rule.backends[chosen]

    def endpoint(self, endpoints: Sequence[Address], tried: Collection[Address]) -> Address | None:
        """An endpoint with the fewest requests in flight, in turns among equals; ``None`` when all were tried."""
        left = [address for address in endpoints if address not in tried] if tried else endpoints
        if not left:
            return None
        if len(left) == 1:
            return left[0]
        self._turn += 1
        start = self._turn % len(left)
        return min((*left[start:], *left[:start]), key=lambda address: self.in_flight[address])
