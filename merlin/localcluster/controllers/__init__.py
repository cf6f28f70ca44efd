"""What makes a cluster move: ordinary clients of the Kubernetes API, each one kind, level-triggered, safe to kill.

On a real Kubernetes only the controllers of KServe's and the Gateway API's kinds run; the embedded one also gets those
that Kubernetes brings itself.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Protocol

from merlin.localcluster.client import KubeClient, KubeError
from merlin.localcluster.controllers.cache import Cache
from merlin.localcluster.controllers.defaults import install_defaults
from merlin.localcluster.controllers.deployment import DeploymentController
from merlin.localcluster.controllers.endpoint_slice import EndpointSliceController
from merlin.localcluster.controllers.gateway import GatewayController
from merlin.localcluster.controllers.horizontal_pod_autoscaler import AutoscalerController
from merlin.localcluster.controllers.http_route import HttpRouteController
from merlin.localcluster.controllers.inference_service import InferenceServiceController
from merlin.localcluster.controllers.recorder import EventLog
from merlin.localcluster.controllers.replica_set import ReplicaSetController
from merlin.localcluster.controllers.scheduler import SchedulerController

log = logging.getLogger(__name__)


class Controller(Protocol):
    """Subscribes to a cache when it is made, and reconciles when it is run."""

    async def run(self) -> None:
        """Reconcile until cancelled; the cache must be complete."""


async def run_controllers(kubeconfig: Path, *, kubernetes: bool, gateway_address: str) -> None:
    """Run them until cancelled. ``kubernetes``: also what a real cluster has by itself (Deployments, scheduler, …).

    An API server that is not there yet, or goes away, is waited for. Raises ValueError or OSError for a kubeconfig that
    cannot be used.
    """
    async with KubeClient.from_kubeconfig(kubeconfig) as client:
        await _install(client, gateway_address)
        cache, events = Cache(client), EventLog(client)
        controllers: list[Controller] = [
            InferenceServiceController(client, cache, events),
            HttpRouteController(client, cache),
            GatewayController(client, cache, address=gateway_address),
        ]
        if kubernetes:
            controllers += [
                DeploymentController(client, cache, events),
                ReplicaSetController(client, cache, events),
                SchedulerController(client, cache, events),
                EndpointSliceController(client, cache),
                AutoscalerController(client, cache),
            ]
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(cache.run(), name="cache")
            tasks.create_task(events.run(), name="events")
            await cache.complete()
            for controller in controllers:
                tasks.create_task(controller.run(), name=type(controller).__name__)


async def _install(client: KubeClient, gateway_address: str) -> None:
    pause = 0.05
    while True:
        try:
            await install_defaults(client, gateway_address=gateway_address)
        except KubeError as error:
            log.info("defaults are not installed yet", extra={"reason": error.message})
            await asyncio.sleep(pause)
            pause = min(pause * 2, 5.0)
        else:
            return
