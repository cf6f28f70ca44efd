"""How users name a model in MLflow: a run id, ``runs:/…``, ``models:/name/3``, ``models:/name@alias``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from merlin.errors import InvalidInput

_RUN_ID = re.compile(r"[0-9a-zA-Z]{8,64}\Z")
_RUNS = re.compile(r"runs:/(?P<run>[0-9a-zA-Z]{8,64})(?:/(?P<path>.+))?\Z")
_MODELS = re.compile(r"models:/(?P<name>[^/@]+)(?:/(?P<version>[0-9]{1,9})|@(?P<alias>[A-Za-z0-9._-]+))\Z")
_LOGGED_MODEL = re.compile(r"models:/(?P<id>m-[0-9a-f]{32})\Z")


@dataclass(frozen=True, slots=True)
class RunReference:
    """A run, and perhaps where in it the model lies."""

    run_id: str
    path: str | None = None


@dataclass(frozen=True, slots=True)
class RegisteredReference:
    """A registered model by version number or by alias (one of both)."""

    name: str
    version: str | None = None
    alias: str | None = None


@dataclass(frozen=True, slots=True)
class LoggedModelReference:
    """An MLflow 3 LoggedModel."""

    model_id: str


Reference = RunReference | RegisteredReference | LoggedModelReference


def parse_reference(text: str) -> Reference:
    """What the text names. Raises InvalidInput that lists the forms there are."""
    text = text.strip()
    if found := _RUNS.match(text):
        return RunReference(found["run"], _safe_path(found["path"]))
    if found := _LOGGED_MODEL.match(text):
        return LoggedModelReference(found["id"])
    if found := _MODELS.match(text):
        return RegisteredReference(found["name"], found["version"], found["alias"])
    if _RUN_ID.match(text):
        return RunReference(text)
    raise InvalidInput(
        f"{text[:100]!r} does not name a model in MLflow.",
        path=("adopt",),
        hint="Give a run id, runs:/<run id>[/<path>], models:/<name>/<version> or models:/<name>@<alias>.",
    )


def _safe_path(path: str | None) -> str | None:
    if path is None:
        return None
    parts = [part for part in path.split("/") if part]
    if not parts or any(part in {".", ".."} for part in parts):
        raise InvalidInput(f"{path[:100]!r} is not a path inside a run.", path=("adopt",), hint="Leave out . and ..")
    return "/".join(parts)
