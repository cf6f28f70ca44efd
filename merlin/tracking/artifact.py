"""What a logged model says of itself (its ``MLmodel`` file), and where its files really lie.

Pure: it is given the texts, it does not fetch them.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import yaml

from merlin.errors import Rejected


@dataclass(frozen=True, slots=True)
class Artifact:
    """A model folder. ``storage_uri`` is where KServe's storage initializer finds it."""

    artifact_uri: str
    storage_uri: str
    flavors: list[str]
    signature: dict[str, Any] | None
    requirements: list[str]
    python_version: str | None
    input_example: Any | None = None

    @property
    def requirements_hash(self) -> str:
        """SHA-256 of Python version and sorted requirements: equal for equal Python environments."""
        text = "\n".join([self.python_version or "", *sorted(self.requirements)])
        return hashlib.sha256(text.encode()).hexdigest()


def read_mlmodel(text: bytes) -> dict[str, Any]:
    """The parsed ``MLmodel`` file. Raises Rejected (NOT_A_MODEL) when it is not one."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise not_a_model("its MLmodel file is not YAML") from error
    if not isinstance(document, dict) or not isinstance(document.get("flavors"), dict):
        raise not_a_model("its MLmodel file names no flavors")
    return document


def not_a_model(why: str) -> Rejected:
    """The refusal of an artifact that is there but cannot be served."""
    return Rejected(
        f"The artifact is no MLflow model: {why}.",
        code="NOT_A_MODEL",
        hint="Log it with log_model (an MLflow flavour); a plain file or folder cannot be served.",
    )


def signature_of(mlmodel: Mapping[str, Any]) -> dict[str, Any] | None:
    """The signature as ``{"inputs": [...], "outputs": [...], "params": [...]}``, or ``None``."""
    signature = mlmodel.get("signature")
    if not isinstance(signature, dict):
        return None
    return {key: json.loads(value) for key, value in signature.items() if isinstance(value, str) and value}


def python_version_of(mlmodel: Mapping[str, Any]) -> str | None:
    """The Python version the model was logged with, such as ``3.11.7``."""
    version = mlmodel["flavors"].get("python_function", {}).get("python_version")
    return str(version) if version else None


def requirements_of(text: bytes | None) -> list[str]:
    """The lines of ``requirements.txt`` that name something."""
    lines = (text or b"").decode("utf-8", "replace").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]


def storage_uri_of(artifact_uri: str, artifact_map: Mapping[str, str]) -> str:
    """Where the files really lie: MLflow's proxied addresses are mapped by the longest prefix that fits.

    Raises Rejected for an address that no mapping covers and that KServe cannot read, or that climbs out (``..``).
    """
    if ".." in posixpath.normpath(urlsplit(artifact_uri).path).split("/") or "/../" in artifact_uri:
        raise Rejected(f"The artifact's address {artifact_uri!r} is not a plain path.", code="ARTIFACT_NOT_FOUND")
    uri = _without_host(artifact_uri)
    for prefix in sorted(artifact_map, key=len, reverse=True):
        if uri.startswith(prefix):
            return artifact_map[prefix].rstrip("/") + "/" + uri[len(prefix) :].lstrip("/")
    if urlsplit(uri).scheme in {"mlflow-artifacts", "runs", "models", "dbfs"}:
        raise Rejected(
            f"Nobody knows where {uri!r} really lies, so a cluster cannot fetch it.",
            code="ARTIFACT_NOT_FOUND",
            hint="An operator adds the prefix to MERLIN_MLFLOW_ARTIFACT_MAP.",
        )
    return uri if urlsplit(uri).scheme else f"file://{uri}"


def _without_host(uri: str) -> str:
    # mlflow-artifacts://host:port/path and mlflow-artifacts:/path name the same file.
    split = urlsplit(uri)
    return f"mlflow-artifacts:{split.path}" if split.scheme == "mlflow-artifacts" else uri
