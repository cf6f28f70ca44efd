"""The local gateway: serves the HTTPRoutes of one Gateway on a loopback port.

An ordinary client of the Kubernetes API. What it has learnt it keeps: it goes on serving when the API is away, and it
may start before the API does. A change of routes or endpoints holds for the next request after its watch event.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path
from typing import Final

from merlin.localcluster.client import KubeClient, Manifest, Resource
from merlin.localcluster.gateway.conversation import Conversation, Site
from merlin.localcluster.gateway.endpoints import Endpoints
from merlin.localcluster.gateway.exchange import Exchange
from merlin.localcluster.gateway.rules import Key, route_of
from merlin.localcluster.gateway.table import Table
from merlin.localcluster.informer import Informer

__all__ = ["run_gateway"]

log = logging.getLogger(__name__)

GATEWAY: Final[Key] = ("merlin-system", "merlin")
_ROUTES: Final = Resource("gateway.networking.k8s.io/v1", "httproutes")
_SERVICES: Final = Resource("v1", "services")
_SLICES: Final = Resource("discovery.k8s.io/v1", "endpointslices")
_PODS: Final = Resource("v1", "pods")
_RETRY_SECONDS: Final = 0.2
_SWEEP_SECONDS: Final = 1.0
_DRAIN_SECONDS: Final = 5.0


async def run_gateway(kubeconfig: Path, *, port: int) -> None:
    """Serve on 127.0.0.1:``port`` until cancelled; then requests at hand get some seconds to finish.

    Raises OSError when the port is taken. A kubeconfig that is not there yet is waited for.
    """
    endpoints, table = Endpoints(), Table()
    site = Site(table, Exchange(endpoints), asyncio.Event(), set())
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Conversation(site), "127.0.0.1", port, backlog=1024)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_sweep(site.exchange), name="idle connections")
            group.create_task(_follow(kubeconfig, endpoints, table, site.complete), name="routes")
    finally:
        server.close()
        await _drained(site)
        site.exchange.close()


async def _follow(kubeconfig: Path, endpoints: Endpoints, table: Table, complete: asyncio.Event) -> None:
    """Keep routes and endpoints up to date."""
    async with await _client(kubeconfig) as client:
        routes = Informer(client, _ROUTES)
        services, slices, pods = (Informer(client, kind) for kind in (_SERVICES, _SLICES, _PODS))
        routes.subscribe(lambda before, now: _route_changed(table, before, now))
        services.subscribe(endpoints.service_changed)
        slices.subscribe(endpoints.slice_changed)
        pods.subscribe(endpoints.pod_changed)
        async with asyncio.TaskGroup() as group:
            for informer in (routes, services, slices, pods):
                group.create_task(informer.run(), name=f"watch of {informer.resource.plural}")
            for informer in (routes, services, slices, pods):
                await informer.complete.wait()
            complete.set()


async def _client(kubeconfig: Path) -> KubeClient:
    told = False
    while True:
        try:
            return KubeClient.from_kubeconfig(kubeconfig)
        except (OSError, ValueError) as error:
            if not told:
                log.warning("waiting for the kubeconfig", extra={"path": str(kubeconfig), "reason": str(error)})
            told = True
            await asyncio.sleep(_RETRY_SECONDS)


def _route_changed(table: Table, before: Manifest | None, now: Manifest | None) -> None:
    route = route_of(now, GATEWAY) if now is not None else None
    if route is not None:
        table.put(route)
        return
    gone = now or before
    if gone is not None:
        table.remove((str(gone["metadata"].get("namespace", "")), str(gone["metadata"]["name"])))


async def _sweep(exchange: Exchange) -> None:
    while True:
        await asyncio.sleep(_SWEEP_SECONDS)
        exchange.pool.sweep()


async def _drained(site: Site) -> None:
    """Let every conversation finish the request at hand."""
    for conversation in list(site.open):
        conversation.leave()
    if ending := [conversation.ended.wait() for conversation in site.open]:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_SECONDS):
                await asyncio.gather(*ending)
