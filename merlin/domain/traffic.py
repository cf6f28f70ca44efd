"""Who gets the calls to a model endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from merlin.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Destination:
    """A version endpoint and its weight in percent (0-100)."""

    version_endpoint_id: UUID
    weight: int


@dataclass(frozen=True, slots=True)
class TrafficRule:
    """Destinations whose weights add up to 100; stored as ``{"destinations": [{"version_endpoint_id", "weight"}]}``."""

    destinations: tuple[Destination, ...]

    @classmethod
    def all_to(cls, version_endpoint_id: UUID) -> TrafficRule:
        """All traffic to one version endpoint."""
        return cls((Destination(version_endpoint_id, 100),))

    def weight_of(self, version_endpoint_id: UUID) -> int:
        """The endpoint's weight; 0 when the rule does not name it."""
        return sum(d.weight for d in self.destinations if d.version_endpoint_id == version_endpoint_id)

    def check(self) -> None:
        """Raise InvalidInput unless each endpoint is named once and the weights, 0 to 100 each, add up to 100."""
        weights = [d.weight for d in self.destinations]
        named = {d.version_endpoint_id for d in self.destinations}
        if len(named) != len(weights):
            raise InvalidInput("A traffic rule names each version endpoint once.", path=("destinations",))
        if sum(weights) != 100 or any(not 0 <= weight <= 100 for weight in weights):
            raise InvalidInput("The weights of a traffic rule must add up to 100.", path=("destinations",))

    def as_json(self) -> dict[str, Any]:
        """The stored form."""
        return {
            "destinations": [
                {"version_endpoint_id": str(d.version_endpoint_id), "weight": d.weight} for d in self.destinations
            ]
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> TrafficRule:
        """The rule that was stored."""
        return cls(tuple(Destination(UUID(d["version_endpoint_id"]), int(d["weight"])) for d in stored["destinations"]))
