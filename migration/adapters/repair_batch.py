"""Writes one bounded batch of a repair inside the caller's transaction; versions that are gone are left out of it.

The target's own triggers and rules sleep for the batch: their work at the source is in the rows that come from there.
References are checked as for any writer, because only a superuser may leave that out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from migration.errors import StepFailed
from migration.movers import link
from migration.movers.link import Connection, literal, quoted
from migration.verification.odd_rows import VERSION
from migration.verification.rows import Table

_LOCK_SECONDS: Final = 10
_STATEMENT_SECONDS: Final = 30
"""The stream waits meanwhile, and its server gives it up after a minute of silence by default."""
_FRESH: Final = "pg_temp.dcshift_fresh"

_COLUMNS = """
SELECT quote_ident(attname), attgenerated <> '', attidentity = 'a' FROM pg_attribute
WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""
# What would act on our own writes or forbid them: how it is put to sleep, how it is woken. A constraint that was never
# validated forbids what the source has: it is taken away and made again as it was, unless other tables share it.
_ACTING = """
SELECT 'DISABLE TRIGGER ' || quote_ident(tgname),
    CASE tgenabled WHEN 'A' THEN 'ENABLE ALWAYS' ELSE 'ENABLE' END || ' TRIGGER ' || quote_ident(tgname)
FROM pg_trigger WHERE tgrelid = %s::regclass AND NOT tgisinternal AND tgenabled IN ('O', 'A')
UNION ALL SELECT 'DISABLE RULE ' || quote_ident(rulename),
    CASE ev_enabled WHEN 'A' THEN 'ENABLE ALWAYS' ELSE 'ENABLE' END || ' RULE ' || quote_ident(rulename)
FROM pg_rewrite WHERE ev_class = %s::regclass AND ev_enabled IN ('O', 'A')
UNION ALL SELECT 'DROP CONSTRAINT ' || quote_ident(k.conname),
    'ADD CONSTRAINT ' || quote_ident(k.conname) || ' ' || pg_get_constraintdef(k.oid)
FROM pg_constraint k WHERE k.conrelid = %s::regclass AND NOT k.convalidated AND k.contype IN ('c', 'f')
    AND k.conislocal AND k.coninhcount = 0 AND obj_description(k.oid, 'pg_constraint') IS NULL
    AND NOT EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = k.conrelid) ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class Rows:
    """A batch, as versions `(block,line) transaction` of rows."""

    delete: tuple[str, ...] = ()
    """Of the target."""
    update: tuple[tuple[str, str], ...] = ()
    """Of the source, and of the target whose place it takes."""
    insert: tuple[str, ...] = ()
    """Of the source."""


@dataclass(frozen=True, slots=True)
class Target:
    """A table of the target as it can be written to; names are quoted."""

    name: str
    columns: tuple[str, ...]
    """Those that have a value of their own."""
    changeable: tuple[str, ...]
    """Those that are no key, and that nobody but the server fills."""
    acting: tuple[tuple[str, str], ...] = field(default=())

    @classmethod
    def of(cls, target: Connection, table: Table) -> Target:
        found = link.rows(target, _COLUMNS, (table.name,))
        columns = [name for name, generated, _ in found if not generated]
        keys, always = {column.name for column in table.key}, {name for name, _, always in found if always}
        changeable = [name for name in columns if name not in keys | always] or columns
        acting = link.rows(target, _ACTING, (table.name, table.name, table.name))
        return cls(table.name, tuple(columns), tuple(changeable), tuple((sleep, wake) for sleep, wake in acting))


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch of one table."""

    source: Connection
    target: Connection
    table: Target
    rows: Rows
    owner: str
    binary: bool

    def do(self) -> int:
        """Write it, and return how many rows were written or deleted. Raises `psycopg.Error`, `StepFailed`."""
        there, table = self.target, self.table
        for name, seconds in (("lock_timeout", _LOCK_SECONDS), ("statement_timeout", _STATEMENT_SECONDS)):
            link.run(there, f"SET LOCAL {name} = '{seconds}s'")
        link.run(there, f"SET LOCAL ROLE {quoted(self.owner)}")
        # From here on the stream changes nothing in it. Only now the source is read: what is unchanged there now was so
        # at whatever place of the stream the target stands.
        link.run(there, f"LOCK TABLE ONLY {table.name} IN SHARE ROW EXCLUSIVE MODE")
        with self._asleep():
            self._fetch({one for one, _ in self.rows.update} | set(self.rows.insert))
            standing = self._standing({one for _, one in self.rows.update} | set(self.rows.delete))
            fresh = {str(one) for (one,) in link.rows(there, f"SELECT dcshift_version FROM {_FRESH}")}
            return (
                self._delete([one for one in self.rows.delete if one in standing])
                + self._update([(s, t) for s, t in self.rows.update if s in fresh and t in standing])
                + self._insert([one for one in self.rows.insert if one in fresh])
            )

    @contextmanager
    def _asleep(self) -> Iterator[None]:
        alter = f"ALTER TABLE ONLY {self.table.name}"
        for sleep, _ in self.table.acting:
            link.run(self.target, f"{alter} {sleep}")
        yield
        # What waits for the end of the transaction would forbid to wake them before it.
        link.run(self.target, "SET CONSTRAINTS ALL IMMEDIATE")
        for _, wake in self.table.acting:
            link.run(self.target, f"{alter} {wake}")

    def _fetch(self, versions: set[str]) -> None:
        """Bring those versions of the source's that are still there into a table of this transaction."""
        columns, form = ", ".join(self.table.columns), "binary" if self.binary else "text"
        empty = f"SELECT ''::text AS dcshift_version, {columns} FROM ONLY {self.table.name} WITH NO DATA"
        link.run(self.target, f"CREATE TEMPORARY TABLE dcshift_fresh ON COMMIT DROP AS {empty}")
        if not versions:
            return
        read = f"SELECT {VERSION}, {columns} FROM ONLY {self.table.name} WHERE {_these(versions)}"
        with self.source.cursor() as reading, self.target.cursor() as writing:
            out = f"COPY ({read}) TO STDOUT (FORMAT {form})"
            with (
                reading.copy(out.encode()) as source,
                writing.copy(f"COPY {_FRESH} FROM STDIN (FORMAT {form})".encode()) as target,
            ):
                for data in source:
                    target.write(data)

    def _standing(self, versions: set[str]) -> set[str]:
        if not versions:
            return set()
        query = f"SELECT {VERSION} FROM ONLY {self.table.name} WHERE {_these(versions)}"
        return {str(one) for (one,) in link.rows(self.target, query)}

    def _delete(self, versions: list[str]) -> int:
        if not versions:
            return 0
        return self._done(f"DELETE FROM ONLY {self.table.name} WHERE {_these(versions)}", len(versions))

    def _update(self, pairs: list[tuple[str, str]]) -> int:
        if not pairs:
            return 0
        given = ", ".join(f"{name} = fresh.{name}" for name in self.table.changeable)
        which = ", ".join(f"({literal(s)}, {literal(_place(t))}::tid)" for s, t in pairs)
        change = (
            f"UPDATE ONLY {self.table.name} AS old SET {given} FROM {_FRESH} fresh,"
            f" (VALUES {which}) AS pair (source, target)"
            " WHERE fresh.dcshift_version = pair.source AND old.ctid = pair.target"
        )
        return self._done(change, len(pairs))

    def _insert(self, versions: list[str]) -> int:
        if not versions:
            return 0
        columns, these = ", ".join(self.table.columns), ", ".join(map(literal, versions))
        new = f"SELECT {columns} FROM {_FRESH} WHERE dcshift_version IN ({these})"
        return self._done(f"INSERT INTO {self.table.name} ({columns}) OVERRIDING SYSTEM VALUE {new}", len(versions))

    def _done(self, statement: str, count: int) -> int:
        done = self.target.execute(statement.encode()).rowcount
        if done != count:  # it was locked and asked: something of the target's own acts on what is written
            raise StepFailed(
                "rows-not-written",
                what=f"rows of {self.table.name} are not repaired",
                why=f"{done} of {count} were written by: {statement.partition(' ')[0]}",
                state="the batch was taken back; what was repaired before it stays",
                next="look for what acts on writes to this table on the target",
            )
        return count


def _these(versions: Iterable[str]) -> str:
    """Return the condition of these versions; by their places alone the whole table need not be read."""
    every = sorted(versions)
    places = ", ".join(f"{literal(_place(one))}::tid" for one in every)
    return f"ctid = ANY (ARRAY[{places}]) AND {VERSION} IN ({', '.join(map(literal, every))})"


def _place(version: str) -> str:
    return version.partition(" ")[0]
