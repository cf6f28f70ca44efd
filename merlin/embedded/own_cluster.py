"""A cluster of the operator's own in place of the local one: whether the kubeconfig that was given leads to one."""

from __future__ import annotations

import contextlib
from pathlib import Path

from merlin.domain.environment import ClusterConfig
from merlin.errors import Misconfigured, Unavailable
from merlin.kube.client import ReadOnlyCluster


async def check_kubeconfig(file: Path) -> None:
    """Raises Misconfigured when Merlin could never use it.

    Whether the cluster answers is not asked, and credentials that cannot be had now are no reason to refuse: both may
    come back, and `merlin doctor` tells of them.
    """
    with contextlib.suppress(Unavailable):
        try:
            cluster = await ReadOnlyCluster.connect(ClusterConfig(name=file.name, kubeconfig=file))
        except Misconfigured as error:
            why = " ".join(str(error.__cause__).split()) or "it lacks what is needed, such as the address of a server"
            raise Misconfigured(
                f"{file} is no kubeconfig that can be used: {why}.",
                hint="Mend it, or pass another one with --kubeconfig; without, a small cluster runs here.",
            ) from error
        await cluster.close()
