"""The data folder of an embedded platform: what lies where, who holds it, and the small files in it.

Everything with a secret is 0600 in a 0700 folder. One instance at a time: an `flock` on ``DIR/lock``.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from merlin.errors import Misconfigured

_LONGEST_SOCKET_FOLDER = 70  # a socket's whole path must stay under 100 bytes
_FREE_BYTES_NEEDED = 300 * 1024 * 1024
_OURS = ("config", "logs", "run", "mlflow", "cluster", "postgres", "lock")  # the lock last: until then nobody begins


class Home:
    """One data folder, made if absent. Raises Misconfigured, in one sentence, when it cannot be used."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.logs = self.folder / "logs"
        self.config = self.folder / "config"
        self.addresses = self.folder / "addresses.json"
        # What `prepare` found: folders that were not there, innermost first, and what was in this one.
        self._missing: list[Path] = []
        self._before: set[str] = set()

    def prepare(self) -> None:
        """Make the folders. Raises Misconfigured: no permission, disk full, not a folder; then none is left."""
        try:
            self._missing = [path for path in (self.folder, *self.folder.parents) if not path.exists()]
            free = os.statvfs(self._missing[-1].parent if self._missing else self.folder)
        except OSError as error:
            raise unusable(self.folder, error) from error
        if free.f_bavail * free.f_frsize < _FREE_BYTES_NEEDED:
            raise Misconfigured(
                f"The disk of {self.folder} is full (less than {_FREE_BYTES_NEEDED >> 20} MiB free).",
                hint="Make room, or choose another folder with --home.",
            )
        try:
            self._before = set() if self._missing else {path.name for path in self.folder.iterdir()}
            self._make_folders()
        except OSError as error:
            self._remove_empty_folders()
            raise unusable(self.folder, error) from error

    def forget(self) -> None:
        """Take away what was made here since `prepare`, unless a program has run: its log may be asked for next.

        For who holds the folder alone. What was there before stays.
        """
        if self.logs.is_dir() and any(self.logs.iterdir()):
            return
        for path in (self.folder / name for name in _OURS if name not in self._before):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        self._remove_empty_folders()

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the folder for this process. Raises Misconfigured that names the holder's pid when it is in use."""
        path = self.folder / "lock"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            self._remove_empty_folders()
            raise unusable(self.folder, error) from error
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
                raise Misconfigured(
                    f"{self.folder} is in use by another Merlin (pid {holder}).",
                    hint="Stop that one first, or choose another folder with --home.",
                ) from error
            self._check_lock(descriptor, path)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
            yield
        finally:
            os.close(descriptor)

    def _make_folders(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        # As root the database runs as another user, who must pass through (not look into) this one folder.
        self.folder.chmod(0o711 if os.geteuid() == 0 else 0o700)
        for folder in (self.logs, self.config):
            folder.mkdir(exist_ok=True)
            folder.chmod(0o700)

    def _remove_empty_folders(self) -> None:
        """Those that were not there before; as they are empty, nobody uses them."""
        ours = [folder for folder in (self.logs, self.config) if folder.name not in self._before]
        for folder in (*ours, *self._missing):
            with contextlib.suppress(OSError):
                folder.rmdir()

    def _check_lock(self, descriptor: int, path: Path) -> None:
        """Whoever was refused meanwhile may have taken the lock away, and the folders with it (see `forget`)."""
        try:
            is_there = os.path.samestat(os.fstat(descriptor), path.stat())
            self._make_folders()
        except OSError:
            is_there = False
        if not is_there:
            raise Misconfigured(f"{self.folder} was just given up by another Merlin.", hint="Start it again.")

    @property
    def sockets(self) -> Path:
        """A 0700 folder for sockets whose path is short enough: in the data folder, else in the temporary one."""
        inside = self.folder / "run"
        folder = inside if len(str(inside)) <= _LONGEST_SOCKET_FOLDER else _temporary_folder(self.folder)
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.stat().st_uid != os.geteuid():
            raise Misconfigured(f"{folder} belongs to somebody else.", hint="Remove it, or set TMPDIR.")
        folder.chmod(0o700)
        return folder

    def private_folder(self, name: str) -> Path:
        """A folder of that name that only its owner may enter, made or mended: as root all may pass through the home.

        Raises Misconfigured.
        """
        folder = self.folder / name
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            folder.chmod(0o700)
        except OSError as error:
            raise unusable(folder, error) from error
        return folder

    def secret(self, name: str, *, make: Any = lambda: secrets.token_urlsafe(32)) -> Path:
        """The file ``config/NAME`` with a secret in it, made once (0600)."""
        path = self.config / name
        if not path.exists():
            write_private(path, make())
        return path

    def remember(self, name: str, value: Any) -> None:
        """Keep a small JSON value as ``config/NAME.json``; atomic."""
        write_private(self.config / f"{name}.json", json.dumps(value, indent=1))

    def recall(self, name: str, default: Any) -> Any:
        """The value kept under that name; the default when there is none, or it is not readable."""
        try:
            return json.loads((self.config / f"{name}.json").read_text())
        except (OSError, ValueError):
            return default


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read; readers see the old content or the new, never half of it."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    draft.replace(path)


def unusable(folder: Path, error: OSError) -> Misconfigured:
    """One sentence for why a folder cannot be used, with what to do."""
    if error.errno == errno.ENOSPC:
        return Misconfigured(f"The disk of {folder} is full.", hint="Make room, or choose another folder with --home.")
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return Misconfigured(f"No permission to write to {folder}.", hint="Choose another folder with --home.")
    if error.errno in {errno.ENOTDIR, errno.EEXIST}:
        return Misconfigured(f"{folder} is not a folder.", hint="Choose another one with --home.")
    return Misconfigured(f"{folder} cannot be used: {error.strerror}.", hint="Choose another folder with --home.")


def _temporary_folder(folder: Path) -> Path:
    digest = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"merlin-{os.geteuid()}-{digest}"
