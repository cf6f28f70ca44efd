"""Commands of the embedded cluster.

`serve`: API server, controllers and kubelet in one process. `node`: the same without the API server, as clients of any
cluster. `gateway`: the gateway. Each runs until SIGTERM or SIGINT; when one part of it fails, the process ends, and
whoever started it starts it again.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, cast

log = logging.getLogger("merlin.localcluster")

Part = Coroutine[Any, Any, None]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; its exit code."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    if asked.command == "serve" and not asked.without_controllers and asked.images is None:
        parser.error("serve: --images is needed, as the kubelet is to run what it names")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)
    commands = {"serve": _serve, "node": _node, "gateway": _gateway}
    try:
        _run(commands[asked.command](asked))
    except OSError as error:
        print(f"merlin.localcluster {asked.command}: {error}", file=sys.stderr)
        return 1
    return 0


def _run(command: Part) -> None:
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_until_told_to_stop(command))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return cast("Callable[[], asyncio.AbstractEventLoop]", uvloop.new_event_loop)


async def _until_told_to_stop(command: Part) -> None:
    loop, task = asyncio.get_running_loop(), asyncio.ensure_future(command)
    stopping = False

    def stop() -> None:
        nonlocal stopping
        stopping = True
        task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        await task
    except asyncio.CancelledError:
        if not stopping:
            raise


async def _serve(asked: argparse.Namespace) -> None:
    from merlin.localcluster.api.server import serving

    async with serving(asked.home, asked.api_port) as (_, port):
        log.info("the API answers on 127.0.0.1:%d", port)
        kubeconfig = asked.home / "kubeconfig"
        if asked.without_controllers:
            await asyncio.Event().wait()
        parts = _parts(asked, kubeconfig, kubernetes=True)
        gc.freeze()  # code lives as long as the process: collections need not walk it
        await _together(*parts)


async def _node(asked: argparse.Namespace) -> None:
    await _together(*_parts(asked, asked.kubeconfig, kubernetes=False))


def _parts(asked: argparse.Namespace, kubeconfig: Path, *, kubernetes: bool) -> list[Part]:
    from merlin.localcluster.controllers import run_controllers
    from merlin.localcluster.kubelet import run_kubelet

    address = f"127.0.0.1:{asked.gateway_port}"
    return [
        run_controllers(kubeconfig, kubernetes=kubernetes, gateway_address=address),
        run_kubelet(kubeconfig, home=asked.home, images=asked.images),
    ]


async def _gateway(asked: argparse.Namespace) -> None:
    from merlin.localcluster.gateway import run_gateway

    await run_gateway(asked.kubeconfig, port=asked.port)


async def _together(*parts: Part) -> None:
    """All parts until cancelled. One that ends by itself, which none should, ends the process as a kill would."""
    async with asyncio.TaskGroup() as group:
        for part in parts:
            group.create_task(_endless(part))


async def _endless(part: Part) -> None:
    """Nothing is unwound after a fault: the kubelet would take it for a stop and end pods that serve."""
    name = getattr(part, "__qualname__", str(part))
    try:
        await part
        log.critical("%s ended by itself", name)
    except Exception:  # the edge of a part: the process ends, and whoever started it starts it again
        log.critical("%s failed", name, exc_info=True)
    logging.shutdown()
    os._exit(1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m merlin.localcluster", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="API server, controllers and kubelet")
    serve.add_argument("--home", type=Path, required=True, help="folder of the state")
    serve.add_argument("--api-port", type=int, required=True, help="0: any free one")
    serve.add_argument("--gateway-port", type=int, default=0, help="where the gateway will answer")
    serve.add_argument("--images", type=Path, help="table of what each image is on this machine")
    serve.add_argument("--without-controllers", action="store_true", help="the API server alone")
    node = commands.add_parser("node", help="controllers and kubelet for any cluster")
    node.add_argument("--kubeconfig", type=Path, required=True)
    node.add_argument("--home", type=Path, required=True, help="folder of the kubelet's state")
    node.add_argument("--images", type=Path, required=True)
    node.add_argument("--gateway-port", type=int, required=True)
    gateway = commands.add_parser("gateway", help="the gateway")
    gateway.add_argument("--kubeconfig", type=Path, required=True)
    gateway.add_argument("--port", type=int, required=True)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
