"""Remembers which file became which object, in a small database beside the copy; what is not in it was not carried."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import astuple, dataclass
from pathlib import Path

from migration.movers.files_listing import Described

_MAKE = """
CREATE TABLE IF NOT EXISTS object (path BLOB PRIMARY KEY, key TEXT NOT NULL, size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL, mode INTEGER NOT NULL, md5 TEXT NOT NULL, etag TEXT NOT NULL, part_bytes INTEGER);
CREATE TABLE IF NOT EXISTS described (path BLOB PRIMARY KEY, kind TEXT NOT NULL, leads_to BLOB NOT NULL,
    mode INTEGER NOT NULL, owner INTEGER NOT NULL, "group" INTEGER NOT NULL, links INTEGER NOT NULL,
    changed_ns INTEGER NOT NULL, attributes TEXT);
CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file as it was carried."""

    path: bytes
    key: str
    size: int
    mtime_ns: int
    mode: int
    md5: str
    etag: str
    part_bytes: int | None
    """Part size of an object sent in parts, without which its ETag means nothing; None for a single piece."""


class Index:
    """The index of one staging folder."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "index.sqlite"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with closing(self._open()) as database:
            database.executescript(_MAKE)

    def entries(self) -> dict[bytes, Entry]:
        with closing(self._open()) as database:
            return {row[0]: Entry(*row) for row in database.execute("SELECT * FROM object")}

    def change(self, put: Iterable[Entry] = (), drop: Iterable[bytes] = ()) -> None:
        """Record carried and removed files in one transaction."""
        with closing(self._open()) as database, database:
            rows = [(e.path, e.key, e.size, e.mtime_ns, e.mode, e.md5, e.etag, e.part_bytes) for e in put]
            database.executemany("INSERT OR REPLACE INTO object VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
            database.executemany("DELETE FROM object WHERE path = ?", [(path,) for path in drop])

    def described(self) -> dict[bytes, Described]:
        """Return how the source described what lies in it, files and everything else."""
        with closing(self._open()) as database:
            return {path: Described(*said) for path, *said in database.execute("SELECT * FROM described")}

    def describe(self, put: Mapping[bytes, Described], drop: Iterable[bytes]) -> None:
        """Record what is new and what went, in one transaction."""
        with closing(self._open()) as database, database:
            rows = [(path, *astuple(one)) for path, one in put.items()]
            database.executemany("INSERT OR REPLACE INTO described VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
            database.executemany("DELETE FROM described WHERE path = ?", [(path,) for path in drop])

    def count_with_attributes(self) -> int:
        """Return of how many files and folders attributes were read, and there were some."""
        with closing(self._open()) as database:
            query = "SELECT count(*) FROM described WHERE attributes <> '{}'"
            return int(database.execute(query).fetchone()[0])

    def fact(self, name: str) -> str | None:
        with closing(self._open()) as database:
            row = database.execute("SELECT value FROM fact WHERE name = ?", (name,)).fetchone()
            return None if row is None else str(row[0])

    def set_fact(self, name: str, value: str | None) -> None:
        with closing(self._open()) as database, database:
            database.execute("DELETE FROM fact WHERE name = ?", (name,))
            if value is not None:
                database.execute("INSERT INTO fact VALUES (?, ?)", (name, value))

    def _open(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._file, timeout=30)
        # A lost index costs one comparison with the store's own list, so the disk's promise is not waited for.
        database.execute("PRAGMA synchronous = OFF")
        return database
