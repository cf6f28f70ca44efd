"""What can be set, read once at the start and passed on; nobody else looks into the environment.

Every variable is checked here: a bad value ends the process at once with a sentence that names it.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

Batching = Literal["auto", "on", "off"]


class BadSetting(Exception):
    """A variable or argument that cannot be accepted; the message names it and says what is allowed."""


@dataclass(frozen=True)
class Settings:
    """One runtime process. Times in seconds, sizes in bytes; port 0 is any free one."""

    model_dir: Path
    port: int = 8080
    host: str = "0.0.0.0"  # noqa: S104 - a pod listens on its own address; laptops set MERLIN_RUNTIME_HOST
    model_name: str = "model"
    model_version: str = ""
    revision: str = ""
    max_body_bytes: int = 32 * 1024 * 1024
    request_timeout_seconds: float = 60.0
    drain_seconds: float = 25.0
    batching: Batching = "auto"
    max_batch_rows: int = 256
    max_queued: int = 1024
    check_requirements: bool = True
    log_requests: bool = False


def read_settings(arguments: Sequence[str], environ: Mapping[str, str]) -> Settings:
    """Settings from the command line (wins) and the environment. Raises BadSetting."""
    parser = argparse.ArgumentParser(prog="merlin_runtime", description="Serve one MLflow model over HTTP.")
    parser.add_argument("--model-dir", required=True, type=Path, help="folder that holds the MLmodel file")
    parser.add_argument("--port", type=int, default=8080, help="0 takes any free port")
    parser.add_argument("--host", default=environ.get("MERLIN_RUNTIME_HOST", Settings.host))
    given = parser.parse_args(arguments)
    return Settings(
        model_dir=given.model_dir,
        port=given.port,
        host=given.host,
        model_name=environ.get("MERLIN_MODEL_NAME") or Settings.model_name,
        model_version=environ.get("MERLIN_MODEL_VERSION", ""),
        revision=environ.get("MERLIN_REVISION", ""),
        max_body_bytes=_whole(environ, "MERLIN_RUNTIME_MAX_BODY_BYTES", Settings.max_body_bytes),
        request_timeout_seconds=_positive(environ, "MERLIN_RUNTIME_TIMEOUT_SECONDS", Settings.request_timeout_seconds),
        drain_seconds=_positive(environ, "MERLIN_RUNTIME_DRAIN_SECONDS", Settings.drain_seconds),
        batching=_batching(environ),
        max_batch_rows=_whole(environ, "MERLIN_RUNTIME_MAX_BATCH_ROWS", Settings.max_batch_rows),
        max_queued=_whole(environ, "MERLIN_RUNTIME_MAX_QUEUED", Settings.max_queued),
        check_requirements=_switch(environ, "MERLIN_RUNTIME_CHECK_REQUIREMENTS", True),
        log_requests=_switch(environ, "MERLIN_RUNTIME_LOG_REQUESTS", False),
    )


def _whole(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name, "")
    if not text:
        return default
    if not text.isdecimal() or int(text) < 1:
        raise BadSetting(f"{name} must be a whole number of at least 1, not {text!r}.")
    return int(text)


def _positive(environ: Mapping[str, str], name: str, default: float) -> float:
    text = environ.get(name, "")
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise BadSetting(f"{name} must be a number of seconds above 0, not {text!r}.")
    return value


def _switch(environ: Mapping[str, str], name: str, default: bool) -> bool:
    text = environ.get(name, "").lower()
    if not text:
        return default
    if text not in {"true", "false", "1", "0"}:
        raise BadSetting(f"{name} must be true or false, not {text!r}.")
    return text in {"true", "1"}


def _batching(environ: Mapping[str, str]) -> Batching:
    text = environ.get("MERLIN_RUNTIME_BATCHING", "").lower() or "auto"
    if text not in {"auto", "on", "off"}:
        raise BadSetting(f"MERLIN_RUNTIME_BATCHING must be auto, on or off, not {text!r}.")
    return cast(Batching, text)
