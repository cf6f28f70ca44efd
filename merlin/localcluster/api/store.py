"""All objects, in memory for reading and in SQLite for the next start.

A write is committed before it is seen by anybody, so a kill -9 loses nothing that was acknowledged. There is one
writer, the event loop's thread; stored objects are never changed in place.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson

from merlin.localcluster.api.kinds import RESOURCES, Manifest, Resource

_FILE: Final = "state.db"
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS object (
    kind TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (kind, namespace, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS version (one INTEGER PRIMARY KEY CHECK (one = 1), current INTEGER NOT NULL);
INSERT OR IGNORE INTO version VALUES (1, 100);
"""
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Stored:
    """An object, the same as JSON text, and the version of the state that wrote it."""

    manifest: Manifest
    text: bytes
    version: int


@dataclass(frozen=True, slots=True)
class Change:
    """One write: ``old`` is ``None`` for a new object, ``new`` for one that is gone; ``last`` is how it looked last."""

    resource: Resource
    key: Key
    old: Stored | None
    new: Stored | None
    last: Stored


class Store:
    """The state in a folder; `close` it at the end."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / _FILE
        self._connection = sqlite3.connect(self._path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        # Without a sync at each commit: a killed process loses nothing, a power cut may lose the last moments.
        self._connection.execute("PRAGMA synchronous = NORMAL")
        # A checkpoint syncs the disk, which a write must not wait for: see `checkpoint`.
        self._connection.execute("PRAGMA wal_autocheckpoint = 0")
        self._connection.executescript(_TABLES)
        (self.version,) = self._connection.execute("SELECT current FROM version").fetchone()
        self._objects: dict[str, dict[Key, Stored]] = {resource.key: {} for resource in RESOURCES}
        self._by_uid: dict[str, tuple[Resource, Key]] = {}
        self.listeners: list[Callable[[Change], None]] = []
        self._load()

    def checkpoint(self) -> None:
        """Move what was written from the log to the file; to be called from time to time, in a thread of its own."""
        connection = sqlite3.connect(self._path, isolation_level=None)
        try:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
        finally:
            connection.close()

    def close(self) -> None:
        """Close the file; idempotent."""
        self._connection.close()

    def get(self, resource: Resource, namespace: str, name: str) -> Manifest | None:
        """The object, or ``None``."""
        found = self._objects[resource.key].get((namespace, name))
        return found.manifest if found else None

    def stored(self, resource: Resource, namespace: str, name: str) -> Stored | None:
        """The object with its text, or ``None``."""
        return self._objects[resource.key].get((namespace, name))

    def by_uid(self, uid: str) -> tuple[Resource, Manifest] | None:
        """The object with that uid."""
        found = self._by_uid.get(uid)
        return (found[0], self._objects[found[0].key][found[1]].manifest) if found else None

    def listed(self, resource: Resource, namespace: str = "") -> list[tuple[Key, Stored]]:
        """All of a kind, by namespace and name."""
        objects = self._objects[resource.key]
        return [(key, objects[key]) for key in sorted(objects) if not namespace or key[0] == namespace]

    def manifests(self, resource: Resource, namespace: str = "") -> Iterator[Manifest]:
        """All of a kind, in no order."""
        for key, one in list(self._objects[resource.key].items()):
            if not namespace or key[0] == namespace:
                yield one.manifest

    def put(self, resource: Resource, manifest: Manifest) -> Manifest:
        """Keep the object under a new resourceVersion; how it is kept. Raises sqlite3.Error, then nothing changed."""
        version = self.version + 1
        metadata = manifest["metadata"]
        manifest = {**manifest, "metadata": {**metadata, "resourceVersion": str(version)}}
        key = (metadata.get("namespace", ""), metadata["name"])
        stored = Stored(manifest, orjson.dumps(manifest), version)
        self._commit(
            version,
            "INSERT OR REPLACE INTO object VALUES (?, ?, ?, ?)",
            (resource.key, *key, stored.text),
        )
        old = self._objects[resource.key].get(key)
        self._objects[resource.key][key] = stored
        self._by_uid[metadata["uid"]] = (resource, key)
        self._tell(Change(resource, key, old, stored, stored))
        return manifest

    def remove(self, resource: Resource, manifest: Manifest) -> Manifest:
        """Forget the object; how it looked last, with the version of its removal."""
        version = self.version + 1
        metadata = manifest["metadata"]
        key = (metadata.get("namespace", ""), metadata["name"])
        last = {**manifest, "metadata": {**metadata, "resourceVersion": str(version)}}
        self._commit(version, "DELETE FROM object WHERE kind = ? AND namespace = ? AND name = ?", (resource.key, *key))
        old = self._objects[resource.key].pop(key)
        self._by_uid.pop(metadata["uid"], None)
        self._tell(Change(resource, key, old, None, Stored(last, orjson.dumps(last), version)))
        return last

    def _commit(self, version: int, statement: str, values: tuple[str | bytes, ...]) -> None:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.execute(statement, values)
            self._connection.execute("UPDATE version SET current = ?", (version,))
            self._connection.execute("COMMIT")
        except sqlite3.Error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        self.version = version

    def _tell(self, change: Change) -> None:
        for listener in self.listeners:
            listener(change)

    def _load(self) -> None:
        known = {resource.key: resource for resource in RESOURCES}
        for kind, namespace, name, text in self._connection.execute("SELECT kind, namespace, name, body FROM object"):
            manifest = orjson.loads(text)
            version = int(manifest["metadata"]["resourceVersion"])
            self._objects[kind][(namespace, name)] = Stored(manifest, text, version)
            self._by_uid[manifest["metadata"]["uid"]] = (known[kind], (namespace, name))
