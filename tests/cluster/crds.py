"""Merlin's custom kinds, out of the Go modules that define them, installed into a real control plane.

Only the kinds Merlin uses. Applied server-side, since KServe's are too large for an annotation, and as the very bytes
of their files: reading a megabyte of YAML in Python takes longer than the API server takes to start. Admission
webhooks are left out: KServe's own controller does not run here.
"""

from __future__ import annotations

import json
import ssl
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tests.cluster import binary

GATEWAY_API = ("sigs.k8s.io/gateway-api", "v1.5.1")
KSERVE = ("github.com/kserve/kserve", "v0.20.0")
FILES = {
    GATEWAY_API: (
        "config/crd/standard/gateway.networking.k8s.io_gatewayclasses.yaml",
        "config/crd/standard/gateway.networking.k8s.io_gateways.yaml",
        "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml",
    ),
    KSERVE: (
        "config/crd/full/serving.kserve.io_inferenceservices.yaml",
        "config/crd/full/serving.kserve.io_servingruntimes.yaml",
        "config/crd/full/serving.kserve.io_clusterservingruntimes.yaml",
    ),
}

ESTABLISHED_SECONDS = 120.0


class NotEstablished(RuntimeError):
    """The API server did not take a kind, or does not serve it in time; the message says which and why."""


def install(server: str, trust: ssl.SSLContext) -> None:
    """Make the API server at that address serve Merlin's kinds; applying them again changes nothing.

    ``trust`` carries an administrator's certificate. Returns once they are served. Raises NotEstablished, BuildFailed.
    """
    files = [file for module, names in FILES.items() for file in _files(module, names)]
    for file in files:
        _send("PATCH", f"{_address(server, file)}?fieldManager=tests&force=true", trust, file.read_bytes())
    deadline = time.monotonic() + ESTABLISHED_SECONDS
    for file in files:
        while not _is_established(_send("GET", _address(server, file), trust)):
            if time.monotonic() > deadline:
                # An API server that was killed while it installed a kind never goes on with it.
                raise NotEstablished(
                    f"{file.stem} is not served after {ESTABLISHED_SECONDS:.0f} s; start with an empty folder"
                )
            time.sleep(0.05)


def _files(module: tuple[str, str], names: tuple[str, ...]) -> list[Path]:
    folder = binary.module_folder(*module)
    return [folder / name for name in names]


def _address(server: str, file: Path) -> str:
    """Where a definition lies: its file is called `group_plural.yaml`, itself `plural.group`."""
    group, _, plural = file.stem.partition("_")
    return f"{server}/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{plural}.{group}"


def _is_established(definition: dict[str, Any]) -> bool:
    conditions = definition.get("status", {}).get("conditions") or []
    return any(stated["type"] == "Established" and stated["status"] == "True" for stated in conditions)


def _send(method: str, address: str, trust: ssl.SSLContext, body: bytes | None = None) -> dict[str, Any]:
    headers = {"Content-Type": "application/apply-patch+yaml", "Accept": "application/json"}
    request = urllib.request.Request(address, data=body, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30, context=trust) as answer:
            answered: dict[str, Any] = json.load(answer)
            return answered
    except urllib.error.HTTPError as error:
        raise NotEstablished(f"{method} {address}: {error.code} {error.read(2000).decode(errors='replace')}") from error
