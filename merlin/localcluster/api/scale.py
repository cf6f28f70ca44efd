"""The `scale` part of a Deployment or ReplicaSet."""

from __future__ import annotations

from typing import Any

from merlin.localcluster.api import patch
from merlin.localcluster.api.errors import bad_request
from merlin.localcluster.api.kinds import Manifest


def scale_of(live: Manifest) -> Manifest:
    """A `Scale` (autoscaling/v1): what is wanted and what there is."""
    metadata = live["metadata"]
    known = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    labels = ((live.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {name: metadata[name] for name in known if name in metadata},
        "spec": {"replicas": live["spec"].get("replicas", 1)},
        "status": {
            "replicas": (live.get("status") or {}).get("replicas", 0),
            "selector": ",".join(f"{key}={value}" for key, value in labels.items()),
        },
    }


def scaled(live: Manifest, content_type: str, body: Any) -> Manifest:
    """What a written `Scale` changes of the object, as a merge patch. Raises Refused (400, 422)."""
    if content_type == patch.JSON:
        body = patch.json_patched(scale_of(live), body)
    replicas = (body.get("spec") or {}).get("replicas") if isinstance(body, dict) else None
    if not isinstance(replicas, int) or isinstance(replicas, bool):
        raise bad_request("spec.replicas must be a whole number")
    change: Manifest = {"spec": {"replicas": replicas}}
    version = (body.get("metadata") or {}).get("resourceVersion")
    if version:
        change["metadata"] = {"resourceVersion": version}
    return change
