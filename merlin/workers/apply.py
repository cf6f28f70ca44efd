"""Manifests into a cluster, with the care that shared objects need: never over a newer generation, or over others'."""

from __future__ import annotations

import contextlib
import time
from uuid import UUID

from merlin.domain.failure import FailureCode
from merlin.errors import Conflict, NotFound, Rejected, Unavailable
from merlin.kube import names
from merlin.kube.client import ABSENT, Cluster
from merlin.kube.covers import covers
from merlin.kube.kinds import NAMESPACE, Manifest
from merlin.kube.manifests import render_namespace
from merlin.kube.refusals import NAMESPACE_MISSING
from merlin.kube.seen import generation_of

NAMESPACE_SECONDS = 30.0


class Superseded(Conflict):
    """The cluster holds a newer generation of this endpoint: whoever wrote it knows better."""

    code = "SUPERSEDED"


def check_owner(found: Manifest | None, *, label: str, endpoint_id: UUID) -> None:
    """Raise Rejected (ADMISSION_REFUSED) when the object is there but is not this endpoint's."""
    if found is None:
        return
    owner = (found["metadata"].get("labels") or {}).get(label)
    if owner != str(endpoint_id):
        name = f"{found.get('kind', 'object')} {found['metadata']['name']}"
        raise Rejected(
            f"The cluster has a {name} that is not this endpoint's.",
            code=FailureCode.ADMISSION_REFUSED,
            hint="Remove it or rename it, then deploy again.",
        )


def check_generation(found: Manifest | None, generation: int) -> None:
    """Raise Superseded when the object was written for a newer generation."""
    if found is not None and generation_of(found) > generation:
        raise Superseded("A newer generation was written meanwhile.")


async def apply_over(cluster: Cluster, found: Manifest | None, wanted: Manifest) -> bool:
    """Apply over what was read; false when that says the same already. Raises Conflict when it changed since."""
    if found is None:
        await cluster.create(wanted)
        return True
    if "deletionTimestamp" in found["metadata"]:
        # An apply would be answered with 200 and then vanish with the object.
        raise Unavailable(f"{wanted['kind']} {wanted['metadata']['name']} is still being removed.")
    if covers(found, wanted):
        return False
    await cluster.apply(wanted, resource_version=found["metadata"]["resourceVersion"])
    return True


async def apply_workload(cluster: Cluster, found: Manifest | None, wanted: Manifest) -> bool:
    """The same for an InferenceService and its Secret, whose fields may go away again: so they are applied when new."""
    if found is None:
        await cluster.apply(wanted, resource_version=ABSENT)
        return True
    return await apply_over(cluster, found, wanted)


class Namespaces:
    """Namespaces that may be used: made by this installation, or labelled by an operator."""

    def __init__(self, installation_id: UUID) -> None:
        self._installation_id = installation_id
        self._known: dict[tuple[int, str], float] = {}

    async def ensure(self, cluster: Cluster, name: str, project: str) -> None:
        """Make it if it is not there. Raises Rejected when it is somebody else's, Unavailable while it goes away."""
        key = (id(cluster), name)
        if time.monotonic() - self._known.get(key, -NAMESPACE_SECONDS) < NAMESPACE_SECONDS:
            return
        found = await cluster.get(NAMESPACE, None, name)
        if found is None:
            with contextlib.suppress(Conflict):
                await cluster.create(render_namespace(name, self._installation_id, project))
            # Somebody may have been faster: then it is theirs.
            found = await cluster.get(NAMESPACE, None, name)
        if found is None:
            raise Unavailable(f"The namespace {name} vanished; it is made anew.")
        check_namespace(found, name, self._installation_id)
        self._known[key] = time.monotonic()

    def forget(self, cluster: Cluster, name: str) -> None:
        """Look again next time: the cluster said it is not there."""
        self._known.pop((id(cluster), name), None)


def check_namespace(found: Manifest, name: str, installation_id: UUID) -> None:
    """Raise Rejected when the namespace may not be used, Unavailable while it goes away."""
    labels = found["metadata"].get("labels") or {}
    if "deletionTimestamp" in found["metadata"]:
        raise Unavailable(f"The namespace {name} is being deleted; it is made anew once it is gone.")
    if labels.get(names.INSTALLATION) != str(installation_id) and labels.get(names.ALLOWED) != "true":
        raise Rejected(
            f"The namespace {name} was not made by this Merlin.",
            code=FailureCode.ADMISSION_REFUSED,
            hint=f"If Merlin may use it: kubectl label namespace {name} {names.ALLOWED}=true",
        )


def is_namespace_missing(error: NotFound) -> bool:
    """Whether an apply failed because its namespace vanished."""
    return error.code == NAMESPACE_MISSING
