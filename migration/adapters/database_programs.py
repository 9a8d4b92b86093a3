"""Says whether this machine's pg_dump can read the source, and leaves out what only that server understands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from migration.adapters import command
from migration.adapters.naming import few
from migration.errors import StepFailed
from migration.model.inventory import DatabaseFacts
from migration.model.words import Finding, Severity
from migration.movers import link
from migration.movers.link import Connection
from migration.movers.releases import released

_WHERE: Final = "pg_dump of this machine"
_MARKED: Final = """
SELECT format('%I.%I.%I', n.nspname, c.relname, a.attname) FROM pg_attribute a
JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace, unnest(a.attoptions) o
WHERE split_part(o, '=', 1) = 'pg_attver' AND NOT a.attisdropped AND n.nspname <> 'dcshift' ORDER BY 1
"""


def from_programs(facts: DatabaseFacts) -> Iterator[Finding]:
    """Yield a finding if pg_dump is not there or too old: it refuses a server newer than itself."""
    major = facts.server_version_number // 10000
    said = _said()
    found = re.search(r"\(PostgreSQL\) (\d+)", said)
    if found is None or int(found[1]) < major:
        what = f"the source is PostgreSQL {facts.server_version}, which it does not read: {said or 'it says nothing'}"
        next_step = f"install postgresql-client-{major} or newer on this machine"
        yield Finding(Severity.BLOCKER, "pg-dump-older", _WHERE, what, next_step)


def of_marks(source: Connection) -> Iterator[Finding]:
    """Yield a finding if late minor releases marked columns and pg_dump came out before them.

    It would write the mark (`pg_attver`) down as an option of the column, at which the restore stops.
    """
    marked = [name for (name,) in link.rows(source, _MARKED)]
    found = re.search(r"\(PostgreSQL\) (\d+)\.(\d+)", _said()) if marked else None
    number = source.info.server_version
    before = released(int(found[1]) * 10000 + int(found[2]), number) if found else None
    if not marked or before is False:
        return
    server = f"{number // 10000}.{number % 10000}"
    what = f"{len(marked)} columns carry a mark that the source, {server}, makes itself ({few(marked)}); "
    next_step = "install the newest minor of postgresql-client, or ALTER TABLE ... ALTER COLUMN ... RESET (pg_attver)"
    if found and before:
        what += f"{found[0].removeprefix('(PostgreSQL) ')} came out before it and would carry it, and the restore stops"
        yield Finding(Severity.BLOCKER, "column-marks", _WHERE, what, next_step)
    else:
        what += "whether pg_dump came out before it, and would carry it, is not known"
        yield Finding(Severity.WARNING, "column-marks", _WHERE, what, next_step)


def _said() -> str:
    try:
        return command.run(["pg_dump", "--version"], check=False).stdout.strip()
    except StepFailed as missing:
        return missing.why
