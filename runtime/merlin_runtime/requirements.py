"""What a model asks of Python, held against the Python that runs here, before anything heavy is imported.

Each requirement that is not met is named, with what was wanted and what was found. Lines that cannot be judged by
name and version (pip's options, files, folders) are left to the import that would fail.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import Any

import yaml
from packaging.requirements import InvalidRequirement, Requirement

from merlin_runtime.failure import LoadFailure
from merlin_runtime.folder import ModelFolder

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Conflict:
    """One requirement that is not met; ``found`` is None where the package is missing."""

    name: str
    wanted: str
    found: str | None

    def __str__(self) -> str:
        return f"{self.name}{self.wanted} (here: {self.found or 'not installed'})"


def check_requirements(folder: ModelFolder) -> None:
    """Raises LoadFailure: PYTHON_NOT_AVAILABLE, or DEPENDENCY_CONFLICT naming every conflict."""
    wanted = wanted_python(folder)
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    if wanted is not None and wanted.split(".")[:2] != running.split("."):
        raise LoadFailure(
            "PYTHON_NOT_AVAILABLE",
            f"The model asks for Python {wanted}, and this runtime has {running}.",
            {"wanted": wanted, "found": running},
        )
    conflicts = [conflict for line in requirement_lines(folder) for conflict in conflicts_of(line)]
    if conflicts:
        named = ", ".join(str(conflict) for conflict in conflicts)
        raise LoadFailure(
            "DEPENDENCY_CONFLICT",
            f"The models' Python environment does not hold what the model requires: {named}.",
            {"conflicts": [asdict(conflict) for conflict in conflicts]},
        )


def wanted_python(folder: ModelFolder) -> str | None:
    """The Python version the model was logged with; None where nothing says it."""
    written = _yaml(folder, "python_env.yaml").get("python")
    if written is None:
        listed = _yaml(folder, "conda.yaml").get("dependencies") or []
        pins = [item.removeprefix("python").lstrip("=") for item in listed if str(item).startswith("python=")]
        written = pins[0] if pins else folder.pyfunc.get("python_version")
    return str(written) if written else None


def requirement_lines(folder: ModelFolder) -> list[str]:
    """The model's requirements, one a line, from requirements.txt or else conda.yaml."""
    path = folder.path / "requirements.txt"
    if path.is_file():
        return path.read_text().replace("\\\n", " ").splitlines()
    listed = _yaml(folder, "conda.yaml").get("dependencies") or []
    return [line for item in listed if isinstance(item, dict) for line in item.get("pip") or []]


def _yaml(folder: ModelFolder, name: str) -> dict[str, Any]:
    path = folder.path / name
    if not path.is_file():
        return {}
    try:
        content = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise LoadFailure("MODEL_LOAD_FAILED", f"The model's {name} is not YAML: {error}") from error
    return content if isinstance(content, dict) else {}


def conflicts_of(line: str) -> list[Conflict]:
    """What of one requirements line is not met here; empty when all is."""
    text = line.split(" #")[0].split(" --")[0].strip()
    if not text or text.startswith(("#", "-")):
        return []
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        log.warning("requirement cannot be judged", extra={"requirement": text})
        return []
    return list(_conflicts(requirement))


def _conflicts(requirement: Requirement, extra: str = "") -> Iterator[Conflict]:
    if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
        return
    try:
        distribution = metadata.distribution(requirement.name)
    except metadata.PackageNotFoundError:
        yield Conflict(requirement.name, str(requirement.specifier), None)
        return
    if not requirement.specifier.contains(distribution.version, prereleases=True):
        yield Conflict(requirement.name, str(requirement.specifier), distribution.version)
        return
    for name in requirement.extras:
        for text in distribution.requires or []:
            wanted = Requirement(text)
            if wanted.marker is not None and "extra" in str(wanted.marker):
                yield from _conflicts(wanted, extra=name)
