"""Who an object belongs to: its one controlling owner, by uid."""

from __future__ import annotations

from typing import Any

from merlin.localcluster.client import Manifest


def owned_by(owner: Manifest) -> dict[str, Any]:
    """The ownerReference with which ``owner`` controls what it makes."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def controller_of(item: Manifest, kind: str | None = None) -> dict[str, Any] | None:
    """The reference to the controlling owner; ``None`` if there is none, or none of that kind."""
    for reference in item["metadata"].get("ownerReferences") or []:
        if reference.get("controller") and (kind is None or reference["kind"] == kind):
            found: dict[str, Any] = reference
            return found
    return None


def belongs_to(item: Manifest, owner: Manifest) -> bool:
    """Whether ``owner`` controls it. Names can be used again, uids cannot."""
    reference = controller_of(item)
    return reference is not None and reference["uid"] == owner["metadata"]["uid"]
