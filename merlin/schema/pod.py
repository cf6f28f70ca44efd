"""Pods of a version endpoint."""

from __future__ import annotations

from datetime import datetime

from merlin.domain.observation import PodSeen
from merlin.schema.view import read_as, shown, view


@view(of=PodSeen)
class Pod:
    """A pod, as its cluster showed it a moment ago."""

    name: str = shown("Its name.")
    phase: str = shown("Kubernetes' word for where it stands.")
    ready: bool = shown("Whether it takes calls.")
    restarts: int = shown("How often its containers were started again.")
    revision: int | None = read_as("workload_revision", "The revision it was made for.")
    created_at: datetime | None = shown("When it was made.")
    message: str = shown("What is wrong with it, if something is.")
