"""What KServe's storage initializer does, for artifacts that lie on this machine: shown in the pod's folder by links.

Nothing is copied. As the real one, it links the entries of the source into the target folder, and its last log line
says why it could not.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

_CHECKED_FILES: Final = 2000


def provide(source: str, target: Path) -> tuple[int, list[str]]:
    """Make the artifact at ``source`` (a file URL or a path) appear in ``target``; exit code and log lines."""
    lines = [f"Initializing, args: src_uri [{source}] dest_path [{target}]"]
    try:
        path = _local_path(source)
        if not path.exists():
            raise FileNotFoundError(f"Local path {source} does not exist.")
        _link(path, target)
        _check_readable(path)
    except PermissionError as error:
        return 1, [*lines, f"PermissionError: Permission denied: {error.filename or source}"]
    except (OSError, ValueError) as error:
        return 1, [*lines, f"RuntimeError: {error}"]
    return 0, [*lines, f"Linked {path} into {target}"]


def _local_path(source: str) -> Path:
    parts = urlsplit(source)
    if parts.scheme == "" and source.startswith("/"):
        return Path(source)
    if parts.scheme == "file" and parts.netloc in {"", "localhost"}:
        return Path(unquote(parts.path))
    raise ValueError(f"Storage {source} is not on this machine: the local cluster reads file:// only.")


def _link(path: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for entry in [path] if path.is_file() else sorted(path.iterdir()):
        link = target / entry.name
        # A second run (the kubelet was killed after the first) finds its own links.
        link.unlink(missing_ok=True)
        link.symlink_to(entry.absolute())


def _check_readable(path: Path) -> None:
    """Raises PermissionError for the first file that may not be read; the model would only fail later."""
    for file in _files(path):
        if not os.access(file, os.R_OK, effective_ids=os.access in os.supports_effective_ids):
            raise PermissionError(13, "Permission denied", str(file))


def _files(path: Path) -> Iterator[str]:
    if path.is_file():
        yield str(path)
        return
    count = 0
    for folder, _, names in os.walk(path, onerror=_raise):
        for name in names:
            count += 1
            if count > _CHECKED_FILES:
                return
            yield f"{folder}/{name}"


def _raise(error: OSError) -> None:
    raise error
