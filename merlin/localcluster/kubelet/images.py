"""What each image is on this machine: a table of local commands, read again whenever it changed."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

log = logging.getLogger(__name__)

_INITIALIZER: Final = "storage-initializer"


@dataclass(frozen=True, slots=True)
class Image:
    """A local command in place of an image's entrypoint, and the environment that the image brings."""

    command: tuple[str, ...]
    environment: Mapping[str, str]


class ImageNotFound(Exception):
    """The table knows no such image; the text is what a real kubelet says."""

    def __init__(self, image: str) -> None:
        super().__init__(
            f'failed to pull and unpack image "{image}": failed to resolve reference "{image}": {image}: not found'
        )


class ImageTable:
    """The table in a JSON file: a list of ``{"image", "command", "env"}``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_at = -1
        self._images: dict[str, Image] = {}

    def find(self, name: str) -> Image:
        """The image of that name; a registry and a missing tag do not matter. Raises ImageNotFound."""
        self._refresh()
        found = self._images.get(_short(name)) or self._images.get(_short(name).partition("@")[0])
        if found is None:
            raise ImageNotFound(name)
        return found

    def _refresh(self) -> None:
        try:
            changed_at = self._path.stat().st_mtime_ns
            if changed_at == self._read_at:
                return
            entries = json.loads(self._path.read_text())
            self._images = {_short(str(entry["image"])): _image(entry) for entry in entries}
            self._read_at = changed_at
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("the image table cannot be read", extra={"path": str(self._path), "reason": str(error)})


def is_storage_initializer(image: str) -> bool:
    """Whether it is KServe's storage initializer, which the kubelet itself plays."""
    return _INITIALIZER in image.rpartition("/")[2]


def _image(entry: Mapping[str, object]) -> Image:
    command, environment = entry["command"], entry.get("env") or {}
    if not isinstance(command, list) or not command or not isinstance(environment, dict):
        raise ValueError(f"image {entry['image']}: command must be a list, env an object")
    return Image(tuple(str(part) for part in command), {str(key): str(value) for key, value in environment.items()})


def _short(name: str) -> str:
    """Without docker.io/ and library/, with a tag: as names of images are compared."""
    short = name.removeprefix("docker.io/").removeprefix("library/")
    return short if ":" in short.rpartition("/")[2] or "@" in short else f"{short}:latest"
