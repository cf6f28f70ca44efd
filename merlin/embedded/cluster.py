"""The local cluster: API server, controllers and kubelet in one process, the gateway in another.

The gateway goes on serving while the other one restarts. Both are Merlin's own (`merlin.localcluster`) and know nothing
of the rest; what they may run is the image table written here.
"""

from __future__ import annotations

import functools
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from merlin import __version__
from merlin.embedded.home import Home, write_private
from merlin.embedded.process import Program


@dataclass(frozen=True, slots=True)
class LocalCluster:
    """How to run both halves, and where they answer."""

    server: Program
    gateway: Program
    kubeconfig: Path
    gateway_url: str


def prepare(home: Home, *, models_python: Path, api_port: int, gateway_port: int) -> LocalCluster:
    """A local cluster that can be started."""
    folder = home.private_folder("cluster")
    images = write_images(home, models_python)
    kubeconfig = folder / "kubeconfig"
    module = (sys.executable, "-m", "merlin.localcluster")
    server = Program(
        name="local cluster",
        command=[
            *(*module, "serve", "--home", str(folder), "--api-port", str(api_port)),
            *("--gateway-port", str(gateway_port), "--images", str(images)),
        ],
        log_file=home.logs / "cluster.log",
        ready=functools.partial(_answers, f"http://127.0.0.1:{api_port}/readyz"),
        port=api_port,
    )
    gateway = Program(
        name="gateway",
        command=[*module, "gateway", "--kubeconfig", str(kubeconfig), "--port", str(gateway_port)],
        log_file=home.logs / "gateway.log",
        ready=functools.partial(_listens, f"http://127.0.0.1:{gateway_port}/"),
        port=gateway_port,
    )
    return LocalCluster(server, gateway, kubeconfig, f"http://127.0.0.1:{gateway_port}")


def write_images(home: Home, models_python: Path) -> Path:
    """The table of what each image is on this machine; Merlin's runtime in the models' Python environment."""
    path = home.config / "images.json"
    runtime = {
        "image": f"merlin/runtime:{__version__}",
        "command": [str(models_python), "-m", "merlin_runtime"],
        "env": {"MERLIN_RUNTIME_HOST": "127.0.0.1"},
    }
    write_private(path, json.dumps([runtime], indent=1))
    return path


async def _answers(url: str) -> bool:
    return await _status(url) == 200


async def _listens(url: str) -> bool:
    # A gateway without routes answers 404: that is an answer.
    return await _status(url) is not None


async def _status(url: str) -> int | None:
    timeout = aiohttp.ClientTimeout(total=2)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as response:
            return response.status
    except (aiohttp.ClientError, TimeoutError):
        return None
