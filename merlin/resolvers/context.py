"""What a resolver knows beside its arguments: who calls, and the parts of this process it may use."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from uuid import UUID

from merlin.db.actor import Actor
from merlin.db.doorbell import Doorbell
from merlin.db.feed import EventFeed
from merlin.db.projects import roles_of
from merlin.db.secrets import SecretKey
from merlin.domain.lifecycle import Role
from merlin.resolvers.clusters import Clusters
from merlin.resolvers.loaders import Loaders
from merlin.resolvers.runs import RunReader
from merlin.settings import Settings
from merlin.tracking.client import MlflowClient

ROLE_SECONDS = 2.0  # a context may live as long as a WebSocket; who was removed is out after this time


@dataclass
class Context:
    """One request's, or one WebSocket's. The parts are the process's; only ``actor`` and the loaders are its own."""

    actor: Actor
    settings: Settings
    public_url: str
    mlflow: MlflowClient
    runs: RunReader
    clusters: Clusters
    secret_key: SecretKey
    feed: EventFeed | None = None
    doorbell: Doorbell | None = None
    load: Loaders = field(init=False)
    _roles: dict[UUID, Role] | None = field(default=None, init=False, repr=False)
    _roles_until: float = field(default=0.0, init=False, repr=False)
    _reading_roles: asyncio.Lock = field(default_factory=asyncio.Lock, init=False, repr=False)

    def __post_init__(self) -> None:
        self.load = Loaders(self.runs)

    @property
    def mlflow_url(self) -> str:
        """MLflow's address as users reach it."""
        return (self.settings.mlflow_public_url or self.settings.mlflow_url).rstrip("/")

    async def roles(self) -> dict[UUID, Role] | None:
        """The caller's projects and roles; ``None`` = an administrator, who sees all."""
        if self.actor.is_administrator:
            return None
        async with self._reading_roles:  # a page of a hundred things asks a hundred times at once
            if time.monotonic() >= self._roles_until:
                self._roles = await roles_of(self.actor)
                self._roles_until = time.monotonic() + ROLE_SECONDS
        return self._roles or {}

    async def visible(self) -> tuple[UUID, ...] | None:
        """Ids of the projects the caller may see; ``None`` = all."""
        roles = await self.roles()
        return None if roles is None else tuple(sorted(roles))

    async def role(self, project_id: UUID | None) -> Role | None:
        """What the caller may do in a project; ``None`` = it may not know of it."""
        roles = await self.roles()
        if roles is None:
            return Role.ADMINISTRATOR
        return roles.get(project_id) if project_id is not None else None

    def forget_roles(self) -> None:
        """Read the roles again: they were just changed."""
        self._roles_until = 0.0
