"""What a server tells about a model with one version, for tests that need no cluster; override what matters."""

from __future__ import annotations

from typing import Any

from merlin_client_tests.faulty_server import FaultyServer

MODEL: dict[str, Any] = {"id": "M", "name": "quality", "project": {"id": "P", "name": "wine"}}
VERSION: dict[str, Any] = {"id": "V", "number": 2, "model": MODEL, "signature": None}
AT = "2026-11-24T21:40:38.456684+00:00"
FAILURE = {
    "code": "MODEL_LOAD_FAILED",
    "message": "The model does not load.",
    "fix": "Load it at home first.",
    "evidence": {"details": {"log": "Traceback (most recent call last):\nRuntimeError: the weights are corrupt"}},
}


def an_endpoint(**facts: Any) -> dict[str, Any]:
    """A version endpoint that runs."""
    return {
        "id": "E", "url": "http://127.0.0.1:9/wine/quality/versions/2", "lifecycle": "RUNNING", "progressing": False,
        "healthy": True, "settled": True, "reason": "", "message": "", "failure": None, "generation": 1,
        "servingWeight": 0, "environment": {"id": "N", "name": "local"}, "version": VERSION, "updatedAt": AT,
        "activeRevision": {"number": 1, "status": "ACTIVE"}, "targetRevision": {"number": 1, "status": "ACTIVE"},
        **facts,
    }  # fmt: skip


def a_revision(number: int = 1, **facts: Any) -> dict[str, Any]:
    """A revision that is active."""
    return {
        "id": f"R{number}", "number": number, "status": "ACTIVE", "cause": "DEPLOY", "comment": "", "createdBy": "ada",
        "createdAt": AT, "failure": None, "spec": {}, **facts,
    }  # fmt: skip


def a_model_endpoint(**facts: Any) -> dict[str, Any]:
    """A model endpoint that serves the version."""
    return {
        "id": "ME", "url": "http://127.0.0.1:9/wine/quality", "status": "SERVING", "progressing": False, "reason": "",
        "message": "", "failure": None, "settled": True, "generation": 1, "desiredTraffic": [],
        "traffic": [{"weight": 100, "versionEndpoint": {"id": "E", "version": {"number": 2}}}],
        "servingVersion": {"id": "V", "number": 2, "signature": None}, "environment": {"id": "N", "name": "local"},
        "model": MODEL, **facts,
    }  # fmt: skip


def tell(server: FaultyServer, **answers: Any) -> None:
    """Have operations answered with data: ``tell(server, Model={"model": MODEL})``."""
    for operation, data in answers.items():
        server.answers[operation] = lambda _, data=data: {"data": data}  # type: ignore[misc]


def tell_of(server: FaultyServer, endpoint: dict[str, Any] | None, **more: Any) -> None:
    """The model, its version, and the version's endpoint."""
    known = {"Model": {"model": MODEL}, "Version": {"model": {"id": "M", "version": VERSION}}}
    tell(server, **known, VersionEndpointOfVersion={"node": {"endpoint": endpoint}}, **more)
