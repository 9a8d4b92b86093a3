"""Both databases of a restore drill: the living one at one moment, and the one that was restored up to it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Final

import psycopg

from catalogue.target import SecretRef
from migration.adapters.database_access import TargetAccess
from migration.adapters.drill_room import scratch_name
from migration.adapters.postgres import LOCK_SECONDS_MAX, pinned
from migration.errors import StepFailed
from migration.model.drilled import Instant, Totals
from migration.movers import link
from migration.movers.link import Connection, Endpoint
from migration.ports import Clock
from migration.verification.rows import tables
from migration.verification.session import Row, Side

_PROGRAM: Final = "dcshift-drill"
_ATTEMPTS: Final = 60
_SEGMENT_MIB: Final = 16
_TABLES: Final = """
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
    AND n.nspname !~ '^pg_(toast|temp)' AND has_table_privilege(c.oid, 'UPDATE')
ORDER BY 1, 2
"""
_ARCHIVED: Final = """
SELECT coalesce(last_archived_wal >= pg_walfile_name(%s::pg_lsn), false) FROM pg_stat_archiver
WHERE last_archived_wal ~ '^[0-9A-F]{24}$'
"""
# A segment is archived when it is full. Filling it needs no rights beyond a session's, and compresses to nothing.
_PUSH: Final = "SELECT pg_logical_emit_message(false, 'dcshift-drill', repeat(' ', 1048576))"


class _Session:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def rows(self, query: str, parameters: Sequence[object] = ()) -> list[Row]:
        return link.rows(self._connection, query, tuple(parameters))


class DrillDatabases:
    """Port `Databases`, as the migration's role, which reads every table and is no superuser."""

    def __init__(self, system: str, access: TargetAccess, clock: Clock) -> None:
        self._system, self._access, self._clock = system, access, clock
        self._pushed = False

    def instant(self) -> Instant:
        endpoint = self._access.target()
        with ExitStack() as stack:
            reader = pinned(endpoint, stack, program=_PROGRAM)
            lsn, at = self._at_rest(endpoint, reader)
            timeout = link.rows(reader, "SELECT setting::float8 FROM pg_settings WHERE name = 'archive_timeout'")[0][0]
            return Instant(lsn, at, _totals(reader), float(timeout))

    def _at_rest(self, endpoint: Endpoint, reader: Connection) -> tuple[str, float]:
        """Open the reader's snapshot while no writer is under way; return the log's end and the time then.

        Whoever writes afterwards writes behind this place in the log, so that a recovery up to it sees what the
        snapshot sees.
        """
        with link.connect(endpoint, program=_PROGRAM, autocommit=False) as locker:
            names = [link.quoted(*table) for table in link.rows(locker, _TABLES)]
            locker.rollback()
            for attempt in range(_ATTEMPTS):
                try:
                    link.run(locker, f"SET LOCAL statement_timeout = {int(LOCK_SECONDS_MAX * 1000)}")
                    if names:
                        link.run(locker, f"LOCK TABLE ONLY {', ONLY '.join(names)} IN SHARE MODE")
                    link.run(reader, "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                    lsn = str(link.rows(reader, "SELECT pg_current_wal_insert_lsn()")[0][0])
                    return lsn, self._clock.now()
                except (psycopg.errors.QueryCanceled, psycopg.errors.DeadlockDetected):
                    locker.rollback()
                    time.sleep(min(0.2 * (attempt + 1), 2.0))
                finally:
                    locker.rollback()
        raise StepFailed(
            "no-quiet-instant",
            what="no moment was found at which nothing was being written",
            why=f"{_ATTEMPTS} times a transaction was open longer than {LOCK_SECONDS_MAX} s",
            state="nothing was restored; the database serves",
            next="look for long transactions in pg_stat_activity, then try again",
        )

    def archived(self, instant: Instant) -> bool:
        with link.session(self._access.target(), program=_PROGRAM) as session:
            known = link.rows(session, _ARCHIVED, (instant.lsn,))
            if known and known[0][0]:
                return True
            if not self._pushed:
                for _ in range(_SEGMENT_MIB + 1):
                    link.rows(session, _PUSH)
                self._pushed = True
        return False

    def answers(self) -> bool:
        try:
            link.connect(self._restored(), program=_PROGRAM, autocommit=True).close()
        except StepFailed as unreachable:
            if unreachable.code not in ("target-service-unreachable", "target-object-missing"):
                raise
            return False
        except psycopg.OperationalError:
            return False
        return True

    def restored_totals(self) -> Totals:
        with ExitStack() as stack:
            reader = pinned(self._restored(), stack, program=_PROGRAM)
            link.run(reader, "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            return _totals(reader)

    def _restored(self) -> Endpoint:
        backup = self._access.database.backup
        assert backup is not None, "the room refused it"
        name, folder = scratch_name(self._system), self._access.folder / "drill"
        folder.mkdir(mode=0o700, exist_ok=True)
        authority = SecretRef(namespace=backup.drill_namespace, name=f"{name}-ca", keys=["ca.crt"])
        host = f"{name}-rw.{backup.drill_namespace}.svc.cluster.local"
        return self._access.endpoint(host, backup.drill_namespace, authority, folder)


def _totals(reader: Connection) -> Totals:
    """Return rows and sum of row hashes of every table and materialised view, as they are stored."""
    side = Side([_Session(reader)], "", "")
    found = [table for table in tables(side) if table.populated and not table.unlogged]
    answers = side.many([table.total("target", digest=False) for table in found])
    return {table.name: (int(a[0][0]), int(a[0][1])) for table, a in zip(found, answers, strict=True)}
