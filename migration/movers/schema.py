"""Carries the schema with pg_dump and pg_restore as the ordinary owner; it never restores what needs a superuser."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg

from migration.movers import link, programs
from migration.movers.job import PostgresJob
from migration.movers.link import Connection, literal, quoted
from migration.movers.programs import Brake

_SECONDS_MAX = 4 * 3600.0
_SETTINGS = {"statement_timeout": "0", "lock_timeout": "60000"}

EXTENSIONS = """
SELECT e.extname, n.nspname, e.extversion FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
WHERE e.extname <> 'plpgsql' ORDER BY e.oid
"""

# Entries of an archive's table of contents by the catalogue they come from and their description. Extensions are made
# beforehand; rights on system catalogues and on the schema `public` belong to the target's own platform.
_LEFT_OUT = re.compile(
    r"^\d+; \d+ \d+ (EXTENSION |COMMENT - EXTENSION |SCHEMA - public |COMMENT - SCHEMA public |ACL - SCHEMA public "
    r"|ACL pg_catalog |ACL information_schema |EVENT TRIGGER |COMMENT - EVENT TRIGGER |PROCEDURAL LANGUAGE |DATABASE )"
)


_CAST = re.compile(r"^\d+; 2605 (\d+) CAST - (.*)$")
_COMMENT = re.compile(r"^\d+; \d+ \d+ COMMENT - (.*)$")
_ENTRY = re.compile(r"^(\d+); (\d+) (\d+) (COMMENT )?")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of an archive's table of contents, known by its numbers: a name may hold anything."""

    number: int
    catalogue: int
    """Number of the catalogue that the object comes from, such as 1259 for pg_class; 0 for what is in none."""
    oid: int
    """Number of the object in that catalogue of the source."""
    comment: bool


class Archive:
    """The schema of the source as it was in one snapshot, in pg_dump's custom format."""

    def __init__(self, job: PostgresJob, folder: Path, pass_file: Path, brake: Brake) -> None:
        self._job, self._folder, self._pass_file, self._brake = job, folder, pass_file, brake
        self._file = folder / "schema.dump"
        self._contents = folder / "schema.list"
        self.left_out: list[str] = []

    def dump(self, snapshot: str, casts_there: Container[int] = ()) -> None:
        """Read the schema of both sections, without large objects, rows and what belongs to the stream.

        Of casts those are left out, with what is said of them, that a superuser has made on the target already: they
        are given by their numbers at the source.
        """
        argv = ["pg_dump", "--format=custom", "--schema-only", "--no-blobs", "--no-publications", "--no-subscriptions"]
        argv += ["--no-tablespaces", "--no-security-labels", "--exclude-schema=dcshift", f"--snapshot={snapshot}"]
        argv += ["--lock-wait-timeout=60000", f"--file={self._file}"]
        self._run(argv, self._job.source, {}, "reading the schema")
        kept, casts = [], set[str]()
        for line in self._list():
            if (cast := _CAST.match(line)) and int(cast[1]) in casts_there:
                casts.add(cast[2])
            comment = _COMMENT.match(line)
            if _LEFT_OUT.match(line) or (cast and cast[2] in casts) or (comment and comment[1] in casts):
                self.left_out.append(line.split(" ", 3)[3])
            else:
                kept.append(line)
        self._contents.write_text("\n".join(kept) + "\n")

    def after_rows(self) -> list[Entry]:
        """Return indexes, constraints, triggers and what else comes after the rows, in an order that works."""
        kept = [line for line in self._list("--section=post-data") if not _LEFT_OUT.match(line)]
        found = filter(None, map(_ENTRY.match, kept))
        return [Entry(int(each[1]), int(each[2]), int(each[3]), each[4] is not None) for each in found]

    def restore_before_rows(self) -> None:
        """Create types, functions, tables, views and sequences."""
        doing = "restoring the schema (pre-data)"
        self._restore(["--section=pre-data"], self._contents, {}, doing)

    def restore(self, entries: Sequence[Entry], settings: Mapping[str, str], *, doing: str) -> None:
        """Create these objects one after another, in a session with these settings."""
        contents = self._folder / f"after-rows-{entries[0].number}.list"
        contents.write_text("".join(f"{entry.number};\n" for entry in entries))
        self._restore([], contents, settings, doing)

    def _list(self, *words: str) -> list[str]:
        argv = ["pg_restore", "--list", *words, str(self._file)]
        return self._run(argv, self._job.target, {}, "listing the schema").splitlines()

    def _restore(self, words: list[str], contents: Path, settings: Mapping[str, str], doing: str) -> None:
        argv = ["pg_restore", *words, "--no-owner", f"--role={self._job.owner}", "--exit-on-error", "--no-tablespaces"]
        argv += [f"--use-list={contents}", f"--dbname={self._job.target.database}", str(self._file)]
        self._run(argv, self._job.target, settings, doing)

    def _run(self, argv: list[str], endpoint: link.Endpoint, settings: Mapping[str, str], doing: str) -> str:
        environment = {
            **endpoint.environment(self._pass_file),
            "PGAPPNAME": self._job.program,
            "PGOPTIONS": " ".join(f"-c {name}={value}" for name, value in {**_SETTINGS, **settings}.items()),
        }
        return programs.run(argv, environment, doing=doing, timeout_seconds=_SECONDS_MAX, brake=self._brake)


def create_extensions(source: Connection, target: Connection, owner: str) -> list[str]:
    """Create the source's extensions as the owner, who may create trusted ones; return their names."""
    made = []
    for name, schema, _version in link.rows(source, EXTENSIONS):
        if link.rows(target, "SELECT 1 FROM pg_extension WHERE extname = %s", (name,)):
            continue
        link.run(target, f"SET ROLE {quoted(owner)}")
        if schema not in ("public", "pg_catalog"):
            link.run(target, f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}")
        link.run(target, f"CREATE EXTENSION {quoted(name)} SCHEMA {quoted(schema)}", "RESET ROLE")
        made.append(str(name))
    return made


MATERIALISED_VIEWS = """
SELECT n.nspname, c.relname, c.relispopulated FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'm' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'dcshift') ORDER BY c.oid
"""


def refresh_materialised_views(source: Connection, target: Connection, owner: str) -> int:
    """Refresh on the target those views that are populated at the source; return how many."""
    wanted = [(schema, name) for schema, name, populated in link.rows(source, MATERIALISED_VIEWS) if populated]
    link.run(target, f"SET ROLE {quoted(owner)}", "SET statement_timeout = 0")
    waiting = list(wanted)
    while waiting:
        # One view may stand on another: go round until a whole round brings nothing further.
        later = []
        for view in waiting:
            try:
                link.run(target, f"REFRESH MATERIALIZED VIEW {quoted(*view)}")
            except psycopg.errors.ObjectNotInPrerequisiteState:
                later.append(view)
        if len(later) == len(waiting):
            names = ", ".join(".".join(view) for view in later)
            raise programs.failed("refresh", 1, f"each waits for another: {names}", doing="refreshing views")
        waiting = later
    link.run(target, "RESET ROLE")
    return len(wanted)


SEQUENCES = """
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'S' AND c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'dcshift')
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
        AND d.deptype = 'e')
ORDER BY 1, 2
"""


def carry_sequences(source: Connection, target: Connection, owner: str) -> int:
    """Set every sequence of the target to exactly what the source says, called or not; return how many."""
    found = link.rows(source, SEQUENCES)
    if not found:
        return 0
    read = " UNION ALL ".join(
        f"SELECT {literal(quoted(*name))} AS sequence, last_value, is_called FROM {quoted(*name)}" for name in found
    )
    values = link.rows(source, read)
    link.run(target, f"SET ROLE {quoted(owner)}")
    write = "SELECT setval(name::regclass, value, called) FROM unnest(%s::text[], %s::bigint[], %s::bool[])"
    write += " AS s(name, value, called)"
    link.rows(target, write, tuple(map(list, zip(*values, strict=True))))
    link.run(target, "RESET ROLE")
    return len(values)
