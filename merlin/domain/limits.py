"""What an environment allows at most. ``None`` = no limit."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EnvironmentLimits:
    """Highest amounts per version endpoint (``max_cpu``, ``max_memory`` per pod), and per model."""

    max_cpu_millicores: int | None = None
    max_memory_bytes: int | None = None
    max_replicas: int | None = None
    max_deployed_versions_per_model: int | None = None
