"""A place to deploy to."""

from __future__ import annotations

from typing import Self

from merlin_client.thing import AsyncThing, Facts, Thing, card, link


class EnvironmentFacts(Facts):
    """What is known of an environment."""

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.facts["name"])

    @property
    def is_default(self) -> bool:
        """Whether it is taken where none is named."""
        return bool(self.facts["isDefault"])

    @property
    def cluster(self) -> str:
        """The Kubernetes cluster's name."""
        return str(self.facts["cluster"])

    @property
    def gateway_url(self) -> str:
        """Where its endpoints answer."""
        return str(self.facts["gatewayUrl"])

    def __repr__(self) -> str:
        return f"<Environment {self.name}{' (default)' if self.is_default else ''} on {self.cluster}>"

    def _repr_html_(self) -> str:
        return card(
            f"Environment {link(None, self.name)}",
            {"cluster": link(None, self.cluster), "gateway": link(None, self.gateway_url)},
        )


class AsyncEnvironment(AsyncThing, EnvironmentFacts):
    """An environment."""

    async def refresh(self) -> Self:
        """Read it again; returns itself."""
        self._facts = dict((await self._connection.ask("environment", name=self.name))["environment"])
        return self


class Environment(Thing[AsyncEnvironment], EnvironmentFacts, half=AsyncEnvironment):
    """An environment."""
