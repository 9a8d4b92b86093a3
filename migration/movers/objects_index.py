"""Remembers on disk what both buckets listed and what was carried, so that no list of keys is held in memory.

Stores list in the order they like (a tree's, some), so keys are put in order here and not taken to come so.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from migration.movers.bucket_store import Listed
from migration.movers.objects_plan import Record, Seen

_MAKE: Final = """
CREATE TABLE IF NOT EXISTS record (key TEXT PRIMARY KEY, size INTEGER, source_etag TEXT, modified INTEGER, md5 TEXT,
    etag TEXT, part_bytes INTEGER, begun INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS source (key TEXT PRIMARY KEY, size INTEGER, etag TEXT, modified INTEGER, class TEXT)
    WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS target (key TEXT PRIMARY KEY, size INTEGER, etag TEXT, modified INTEGER, class TEXT)
    WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS todo (key TEXT PRIMARY KEY, act TEXT NOT NULL, size INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS proved (key TEXT PRIMARY KEY, source TEXT NOT NULL, target TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
_JOINED: Final = """
SELECT k.key, s.size, s.etag, s.modified, t.size, t.etag, t.modified,
    r.size, r.source_etag, r.modified, r.etag, r.begun
FROM (SELECT key FROM source UNION SELECT key FROM target UNION SELECT key FROM record) k
LEFT JOIN source s ON s.key = k.key LEFT JOIN target t ON t.key = k.key LEFT JOIN record r ON r.key = k.key
ORDER BY k.key
"""
_CACHE_KIB: Final = 16 * 1024
_ROWS: Final = 1000


@dataclass(frozen=True, slots=True)
class Carried:
    """One object as it was carried."""

    key: str
    source: Seen
    md5: str
    etag: str
    part_bytes: int | None
    """Part size of an object sent in parts, without which its ETag means nothing; None for a single piece."""


class Key(NamedTuple):
    """What is known of one key."""

    key: str
    source: Seen | None
    target: Seen | None
    record: Record | None


class Todo(NamedTuple):
    """One key to work on."""

    key: str
    act: str
    size: int


class Index:
    """The record in one staging folder; one thread uses it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._database = sqlite3.connect(folder / "objects.sqlite", timeout=30)
        # Sorting goes to files beside it and not to memory; a killed process loses nothing that was committed.
        for setting in ("journal_mode = WAL", "synchronous = NORMAL", f"cache_size = -{_CACHE_KIB}", "temp_store = 1"):
            self._database.execute(f"PRAGMA {setting}")
        self._database.executescript(_MAKE)

    def close(self) -> None:
        self._database.close()

    def keep_listing(self, side: str, listed: Iterable[Listed]) -> tuple[int, int]:
        """Put what a side lists in the place of what it listed before; return how many objects and bytes."""
        assert side in ("source", "target")
        count = size = 0
        with self._database as database:
            database.execute(f"DELETE FROM {side}")
            for one in listed:
                row = (one.key, one.size, one.etag, int(one.modified.timestamp()), one.storage_class)
                # A list that changes while it is read may name a key twice: the later word counts.
                database.execute(f"INSERT OR REPLACE INTO {side} VALUES (?, ?, ?, ?, ?)", row)
                count, size = count + 1, size + one.size
        return count, size

    def every_key(self) -> Iterator[Key]:
        """Yield every key that one of the sides lists or that we remember, in the order of its bytes."""
        for row in self._rows(_JOINED):
            record = Record(_seen(*row[7:10]), row[10], bool(row[11])) if row[11] is not None else None
            yield Key(row[0], _seen(*row[1:4]), _seen(*row[4:7]), record)

    def storage_classes(self) -> dict[str, int]:
        """Return how many of the source's objects are of each storage class."""
        return dict(self._rows("SELECT class, count(*) FROM source GROUP BY class"))

    def remembered(self) -> int:
        """Return how many objects were carried, by our own record."""
        return int(next(self._rows("SELECT count(*) FROM record WHERE etag IS NOT NULL"))[0])

    def is_begun(self, key: str) -> bool:
        """Say whether this object was being written when we last looked."""
        return bool(list(self._rows("SELECT 1 FROM record WHERE key = ? AND begun", (key,))))

    def plan(self, todo: Iterable[Todo]) -> None:
        """Put these keys in the place of what was to be done before."""
        with self._database as database:
            database.execute("DELETE FROM todo")
            database.executemany("INSERT INTO todo VALUES (?, ?, ?)", todo)

    def begin(self, *acts: str) -> None:
        """Note, before anything is written, that all keys with these acts may be ours at the target from now on."""
        marks = ", ".join("?" for _ in acts)
        with self._database as database:
            database.execute(f"INSERT OR IGNORE INTO record (key) SELECT key FROM todo WHERE act IN ({marks})", acts)
            database.execute(
                f"UPDATE record SET begun = 1 WHERE key IN (SELECT key FROM todo WHERE act IN ({marks}))", acts
            )

    def todo(self, *acts: str) -> Iterator[Todo]:
        """Yield what is to be done, in the order of keys: large and small objects mixed, as honest rates need."""
        marks, after = ", ".join("?" for _ in acts), ""
        query = f"SELECT key, act, size FROM todo WHERE act IN ({marks}) AND key > ? ORDER BY key LIMIT {_ROWS}"
        # Page by page: a question left open would keep every change of hours in the journal beside the database.
        while page := list(self._rows(query, (*acts, after))):
            yield from (Todo(*row) for row in page)
            after = page[-1][0]

    def todo_size(self, *acts: str) -> tuple[int, int]:
        """Return how many keys are to be done and their bytes."""
        marks = ", ".join("?" for _ in acts)
        row = next(self._rows(f"SELECT count(*), coalesce(sum(size), 0) FROM todo WHERE act IN ({marks})", acts))
        return int(row[0]), int(row[1])

    def named(self, act: str, count: int = 20) -> list[str]:
        """Return the first keys with this act."""
        return [key for (key,) in self._rows("SELECT key FROM todo WHERE act = ? ORDER BY key LIMIT ?", (act, count))]

    def change(self, put: Iterable[Carried] = (), drop: Iterable[str] = ()) -> None:
        """Record carried and removed objects in one transaction."""
        rows = [(e.key, e.source.size, e.source.etag, e.source.modified, e.md5, e.etag, e.part_bytes) for e in put]
        with self._database as database:
            database.executemany("INSERT OR REPLACE INTO record VALUES (?, ?, ?, ?, ?, ?, ?, 0)", rows)
            database.executemany("DELETE FROM record WHERE key = ?", [(key,) for key in drop])

    def forget(self, act: str) -> None:
        """Drop the records of all keys with this act."""
        with self._database as database:
            database.execute("DELETE FROM record WHERE key IN (SELECT key FROM todo WHERE act = ?)", (act,))

    def doubt(self, key: str) -> None:
        """Note that an object is not as its record says, although lists do not show it: the next pass carries it."""
        with self._database as database:
            database.execute("UPDATE record SET modified = -1 WHERE key = ? AND etag IS NOT NULL", (key,))

    def proved(self, key: str, source: str, target: str) -> bool:
        """Say whether a proof that did not come to its end has read this key on both sides as they are now."""
        return bool(
            list(self._rows("SELECT 1 FROM proved WHERE (key, source, target) = (?, ?, ?)", (key, source, target)))
        )

    def keep_proved(self, rows: Iterable[tuple[str, str, str]]) -> None:
        with self._database as database:
            database.executemany("INSERT OR REPLACE INTO proved VALUES (?, ?, ?)", rows)

    def forget_proved(self) -> None:
        with self._database as database:
            database.execute("DELETE FROM proved")

    def fact(self, name: str) -> str | None:
        found = list(self._rows("SELECT value FROM fact WHERE name = ?", (name,)))
        return str(found[0][0]) if found else None

    def set_fact(self, name: str, value: str) -> None:
        with self._database as database:
            database.execute("INSERT OR REPLACE INTO fact VALUES (?, ?)", (name, value))

    def _rows(self, query: str, values: Iterable[object] = ()) -> Iterator[tuple[Any, ...]]:
        cursor = self._database.execute(query, tuple(values))
        while rows := cursor.fetchmany(_ROWS):
            yield from rows


def _seen(size: int | None, etag: str | None, modified: int | None) -> Seen | None:
    return None if size is None or etag is None or modified is None else Seen(size, etag, modified)
