"""The model folder: what MLflow wrote beside the model, read without MLflow.

Reading costs milliseconds and no imports but YAML, so that a wrong folder, Python or package is named before the
expensive part of the start begins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from merlin_runtime.failure import LoadFailure
from merlin_runtime.signature import Signature, SignatureError, read_signature

PYFUNC = "python_function"


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """One logged model on disk: its flavours' settings by name, its signature, what it asks of Python."""

    path: Path
    flavors: Mapping[str, Mapping[str, Any]]
    signature: Signature
    mlmodel: Mapping[str, Any]

    @property
    def pyfunc(self) -> Mapping[str, Any]:
        return self.flavors[PYFUNC]

    @property
    def flavor(self) -> str:
        """The library's flavour: `sklearn` for loader module `mlflow.sklearn`, `python_function` for custom ones."""
        loader = str(self.pyfunc.get("loader_module", ""))
        name = loader.removeprefix("mlflow.").split(".")[0]
        return name if name in self.flavors else PYFUNC


def read_folder(path: Path) -> ModelFolder:
    """The model in a folder. Raises LoadFailure: ARTIFACT_NOT_FOUND without one, MODEL_LOAD_FAILED if it is broken."""
    file = path / "MLmodel"
    try:
        text = file.read_text()
    except (FileNotFoundError, NotADirectoryError) as error:
        found = sorted(entry.name for entry in path.iterdir())[:20] if path.is_dir() else None
        what = f"{path} holds no MLmodel file" if found is not None else f"{path} does not exist"
        raise LoadFailure(
            "ARTIFACT_NOT_FOUND",
            f"There is no MLflow model here: {what}. Check the version's artifact.",
            {"path": str(path), "found": found},
        ) from error
    except OSError as error:
        raise LoadFailure("ARTIFACT_NOT_FOUND", f"{file} cannot be read: {error}", {"path": str(path)}) from error
    # A storage initializer may show the model by links (KServe's does, for local files); MLflow refuses files that lead
    # out of the folder it was given, so it is given the one where they really lie.
    return _folder_from(file.resolve().parent, text)


def _folder_from(path: Path, text: str) -> ModelFolder:
    try:
        mlmodel = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe
    except yaml.YAMLError as error:
        raise LoadFailure("MODEL_LOAD_FAILED", f"{path / 'MLmodel'} is not YAML: {error}") from error
    flavors = mlmodel.get("flavors") if isinstance(mlmodel, dict) else None
    if not isinstance(flavors, dict) or not isinstance(flavors.get(PYFUNC), dict):
        raise LoadFailure(
            "MODEL_LOAD_FAILED",
            "The model has no python_function flavour, so it cannot predict. Log it with a flavour that has predict().",
            {"flavors": sorted(flavors) if isinstance(flavors, dict) else []},
        )
    try:
        signature = read_signature(mlmodel.get("signature"))
    except SignatureError as error:
        raise LoadFailure("MODEL_LOAD_FAILED", f"The model's signature cannot be read: {error}") from error
    return ModelFolder(path=path, flavors=flavors, signature=signature, mlmodel=mlmodel)
