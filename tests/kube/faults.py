"""Recorded failures of a real cluster as the domain sees them."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from merlin.domain.observation import ClusterEvent, Workload
from merlin.kube import seen

_FILE = Path(__file__).parent / "recordings" / "faults.json"
RECORDED: dict[str, Any] = json.loads(_FILE.read_text())


class Fault:
    """One failure: its workload and events, and the time some seconds after the create."""

    def __init__(self, name: str) -> None:
        objects: list[dict[str, Any]] = RECORDED[name]["objects"]
        service = next(o for o in objects if o["kind"] == "isvc")
        deployment = next((o for o in objects if o["kind"] == "deploy"), None)
        self.created = datetime.fromisoformat(service["metadata"]["creationTimestamp"])
        self.events: tuple[ClusterEvent, ...] = tuple(seen.cluster_event(o) for o in objects if o["kind"] == "event")
        self.workload = Workload(
            seen.inference_service_seen(service),
            seen.deployment_seen(deployment) if deployment else None,
            tuple(seen.pod_seen(o) for o in objects if o["kind"] == "pod"),
        )

    def after(self, seconds: float) -> datetime:
        return self.created + timedelta(seconds=seconds)
