"""Says what speaks against a move of MariaDB before a byte is carried; it decides on facts and asks nobody."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from migration.errors import BlockedError
from migration.model.words import Finding, Severity
from migration.movers.mariadb import gtid
from migration.movers.mariadb.facts import Facts, Table, modern
from migration.movers.mariadb.job import MariadbJob
from migration.verification.mariadb_hashing import TYPES

_OLDEST: Final = (10, 5)
RIGHTS: Final = {
    "SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "RELOAD", "PROCESS", "ALTER", "SUPER", "LOCK TABLES",
    "REPLICATION SLAVE", "BINLOG MONITOR", "SLAVE MONITOR", "REPLICATION SLAVE ADMIN", "BINLOG ADMIN", "SHOW VIEW",
    "CREATE USER", "EVENT", "TRIGGER", "SET USER", "CONNECTION ADMIN", "READ_ONLY ADMIN", "CREATE ROUTINE",
    "CREATE VIEW", "INDEX", "REFERENCES", "ALTER ROUTINE", "SHOW DATABASES",
}  # fmt: skip
"""Each side may become the one that is read and the one that is written: `GRANT ALL ON *.* ... WITH GRANT OPTION`."""
_LISTED_MAX: Final = 10


def findings(job: MariadbJob, source: Facts, target: Facts) -> list[Finding]:
    """Return all that speaks against it, or has to be known."""
    if not (source.is_mariadb and target.is_mariadb):
        odd = next(one for one in (source, target) if not one.is_mariadb)
        return [_blocker("mariadb-version", odd.where, f"{odd.version} is no MariaDB", "move it by another tool")]
    found = [
        *_of_names(job, source),
        *_of_source(job, source),
        *_of_tables(source),
        *_of_log(source, "source"),
        *_of_log(target, "target"),
    ]
    found += [*_of_target(job, source, target), *_of_both(source, target), *_of_people(source, target)]
    return found


def of_rights(where: str, rights: frozenset[str]) -> Iterator[Finding]:
    """Yield what the mover's account may not do; asked first, because the rest cannot be asked without."""
    if missing := sorted(RIGHTS - rights):
        what = f"the mover's account lacks {_list(missing)}"
        yield _blocker("mariadb-rights", where, what, "GRANT ALL PRIVILEGES ON *.* TO it WITH GRANT OPTION")


def refuse(job: MariadbJob, found: list[Finding]) -> list[str]:
    """Raise `BlockedError` with all blockers; return the warnings as sentences."""
    if blockers := [finding for finding in found if finding.severity is Severity.BLOCKER]:
        raise BlockedError(
            "mariadb-not-possible",
            what=f"the databases of {job.system} cannot be moved as they are",
            why="; ".join(f"{one.code} ({one.where}): {one.what}" for one in blockers),
            state="nothing was copied; the source was only read and serves",
            next="; ".join(dict.fromkeys(one.next for one in blockers)),
        )
    return [f"{one.code} ({one.where}): {one.what}" for one in found]


def _of_names(job: MariadbJob, source: Facts) -> Iterator[Finding]:
    if divided := sorted(name for name in job.databases if "," in name):
        what = f"what is followed is told the server as a list, which a comma in a name divides: {_list(divided)}"
        step = "give those databases other names, or move them by another tool"
        yield _blocker("mariadb-name", source.where, what, step)


def _of_source(job: MariadbJob, source: Facts) -> Iterator[Finding]:
    where = source.where
    if source.number < _OLDEST:
        yield _blocker("mariadb-version", where, f"{source.version} is older than 10.5", "upgrade it to 10.5 first")
    if missing := sorted(set(job.databases) - source.databases.keys()):
        yield _blocker("mariadb-no-database", where, f"there is no {_list(missing)}", "mend the order's databases")
    if others := sorted(source.databases.keys() - set(job.databases)):
        what = f"databases that the order does not name would be left behind: {_list(others)}"
        yield _blocker("mariadb-other-databases", where, what, "name all of the server's databases in the order")
    if source.channels:
        what = "the source itself follows another server"
        yield _blocker("mariadb-source-follows", where, what, "name the server that is written to")
    if source.prepared:
        what = f"{source.prepared} prepared XA transactions are open: their rows are in no dump and before its position"
        yield _blocker("mariadb-prepared-transactions", where, what, "commit or roll them back (XA RECOVER)")
    if source.log_filters.strip():
        what = f"its binary log leaves databases out (binlog_do_db, binlog_ignore_db: {source.log_filters.strip()})"
        yield _blocker("mariadb-log-filter", where, what, "take the filter out of the configuration and restart")
    if not source.has("binlog_format", "ROW"):
        what = f"binlog_format is {source.settings.get('binlog_format')}: a statement may do another thing elsewhere"
        step = "SET GLOBAL binlog_format = ROW, put it into the configuration, and let the application connect anew"
        yield _blocker("mariadb-log-format", where, what, step)
    if not source.has("binlog_row_image", "FULL"):
        what = f"binlog_row_image is {source.settings.get('binlog_row_image')}"
        yield _blocker("mariadb-log-format", where, what, "SET GLOBAL binlog_row_image = FULL")
    if source.asleep:
        what = f"events that are disabled as on a replica would be woken by the cut: {_list(source.asleep)}"
        yield _blocker("mariadb-event-asleep", where, what, "ALTER EVENT ... DISABLE, or ENABLE")
    if source.has("read_only", "ON"):
        yield _blocker("mariadb-source-closed", where, "the source is read-only", "name the server that is written to")
    if source.broken_views:
        what = f"views that refer to what is not there; a dump stops at them: {_list(source.broken_views)}"
        yield _blocker("mariadb-view-broken", where, what, "mend or drop them")
    kept = float(source.settings.get("binlog_expire_logs_seconds") or 0) or 86400 * float(
        source.settings.get("expire_logs_days") or 0
    )
    if 0 < kept < job.copy_seconds_max:
        what = f"its binary log is removed after {kept:.0f} s; a copy may take {job.copy_seconds_max:.0f} s"
        yield _warning("mariadb-log-kept", where, what, "raise expire_logs_days if the copy takes that long")


def _of_tables(source: Facts) -> Iterator[Finding]:
    real = [table for table in source.tables if table.kind in ("BASE TABLE", "SYSTEM VERSIONED")]

    def named(which: list[Table]) -> str:
        return _list([table.name for table in which])

    if odd := [table for table in real if table.engine.upper() != "INNODB"]:
        what = f"no dump of one moment is possible of {named(odd)} ({_list(sorted({t.engine for t in odd}))})"
        yield _blocker("mariadb-engine", source.where, what, "ALTER TABLE ... ENGINE = InnoDB, or drop them")
    if odd := [table for table in real if table.kind == "SYSTEM VERSIONED"]:
        what = f"a dump loses the history of system-versioned tables: {named(odd)}"
        yield _blocker("mariadb-versioned", source.where, what, "keep the history in tables of its own, or wait for us")
    if odd := [table for table in real if table.types - TYPES]:
        what = f"columns of types that we cannot compare: {named(odd)}"
        yield _blocker("mariadb-type", source.where, what, "change their type, or move them by another tool")
    rounded = [table for table in real if "float" in table.types]
    if odd := [
        t for t in rounded if not t.key_types or t.key_types & {"float", "double"} or t.name in source.on_update
    ]:
        what = f"a dump rounds FLOAT, and it cannot be mended without a key or past triggers on updates: {named(odd)}"
        yield _blocker("mariadb-float", source.where, what, "make the columns DOUBLE, or give the tables a primary key")
    keyless = [table for table in real if not table.keyed]
    if keyless:
        what = f"tables without a key: each change of a row reads the whole table on the target: {named(keyless)}"
        yield _warning("mariadb-keyless", source.where, what, "give large ones that are changed a primary key")


def _of_log(server: Facts, side: str) -> Iterator[Finding]:
    """Yield what a server lacks to be followed; each side will be."""
    if not server.has("log_bin", "ON"):
        what = f"the {side} writes no binary log, so nobody can follow it"
        yield _blocker("mariadb-no-log", server.where, what, "set log_bin and log_slave_updates, and restart")
    elif not server.has("log_slave_updates", "ON"):
        what = f"the {side} does not log what it takes over, so it could not be followed once the sides were exchanged"
        yield _blocker("mariadb-no-log", server.where, what, "set log_slave_updates and restart")
    if not server.has("slave_run_triggers_for_rbr", "NO"):
        what = "triggers would run a second time for rows that come over"
        yield _blocker("mariadb-triggers-twice", server.where, what, "SET GLOBAL slave_run_triggers_for_rbr = NO")
    if server.settings.get("server_id") == "0":
        yield _blocker("mariadb-server-id", server.where, "server_id is 0", "give it a number of its own and restart")


def _of_target(job: MariadbJob, source: Facts, target: Facts) -> Iterator[Finding]:
    where = target.where
    if target.number < source.number:
        what = f"{target.version} is older than the source's {source.version}"
        yield _blocker("target-older", where, what, "name a server that is not older")
    if target.databases:
        what = f"the target server already holds {_list(sorted(target.databases))}"
        yield _blocker(
            "target-not-empty", where, what, "drop them by hand if they are not needed, or name another server"
        )
    if target.channels:
        what = "the target already follows another server"
        yield _blocker("mariadb-target-follows", where, what, "name a server of its own, or RESET SLAVE ALL there")
    if target.settings.get("server_id") == source.settings.get("server_id"):
        what = "both sides have the same server_id: each would take the other's changes for its own"
        yield _blocker("mariadb-server-id", where, what, "give the target another server_id")
    domain = int(source.settings.get("gtid_domain_id", "0"))
    if clash := gtid.clashes(target.gtid_state, source.gtid_state, domain):
        what = f"its binary log has transactions of its own in the source's GTID domain: {', '.join(map(str, clash))}"
        yield _blocker("mariadb-gtid-clash", where, what, "RESET MASTER on the empty target")
    events = [name for kind, name, _ in source.defined if kind == "event"]
    if events and target.has("event_scheduler", "ON"):
        what = f"its scheduler runs and would begin {_list(events)} before the cut"
        yield _blocker("mariadb-scheduler", where, what, "SET GLOBAL event_scheduler = OFF there; the cut sets it on")
    if (events or source.has("event_scheduler", "ON")) and target.has("event_scheduler", "DISABLED"):
        what = "its scheduler is disabled and cannot be set on by the cut"
        yield _blocker("mariadb-scheduler", where, what, "start it with event_scheduler = OFF")
    if int(target.settings["max_allowed_packet"]) < int(source.settings["max_allowed_packet"]):
        what = "its max_allowed_packet is smaller than the source's: it may refuse rows"
        yield _blocker("mariadb-packet", where, what, "set it to the source's, at least")


def _of_both(source: Facts, target: Facts) -> Iterator[Finding]:
    where = target.where
    used = {modern(collation) for collation in source.databases.values()}
    used |= {collation for table in source.tables for collation in table.collations}
    if missing := sorted(used - target.collations):
        what = f"the target does not know the collations {_list(missing)}"
        yield _blocker("mariadb-collation", where, what, "convert those columns, or name a target that knows them")
    if source.settings["lower_case_table_names"] != target.settings["lower_case_table_names"]:
        what = "lower_case_table_names differs: names that differ here would be the same there"
        yield _blocker("mariadb-table-names", where, what, "make the target anew with the source's setting")
    if source.zones and not target.zones:
        what = "the source knows time zones by name, the target does not: CONVERT_TZ would answer NULL"
        step = "mariadb-tzinfo-to-sql --skip-write-binlog /usr/share/zoneinfo | mariadb mysql"
        yield _blocker("mariadb-time-zones", where, what, step)
    for name, code in (
        ("sql_mode", "mariadb-sql-mode"),
        ("time_zone", "mariadb-clock"),
        ("system_time_zone", "mariadb-clock"),
    ):
        if source.settings.get(name) != target.settings.get(name):
            what = f"{name} is {target.settings.get(name)!r} there, {source.settings.get(name)!r} at the source"
            yield _warning(code, where, what, "set it alike, unless the application sets its own")
    for name in ("character_set_server", "collation_server", "innodb_strict_mode", "explicit_defaults_for_timestamp"):
        if modern(source.settings.get(name, "")) != modern(target.settings.get(name, "")):
            what = f"{name} is {target.settings.get(name)!r} there, {source.settings.get(name)!r} at the source"
            yield _warning("mariadb-settings", where, what, "set it alike if the application makes tables itself")


def _of_people(source: Facts, target: Facts) -> Iterator[Finding]:
    lost: dict[str, list[str]] = {}
    for kind, name, definer in source.defined:
        if definer not in target.accounts:
            lost.setdefault(definer, []).append(f"{kind} {name}")
    for definer, names in sorted(lost.items()):
        what = f"{definer}, whose rights {_list(names)} has, does not exist on the target"
        yield _blocker("mariadb-definer", target.where, what, "make the account there, with its rights")
    if missing := sorted(source.using - target.accounts):
        what = f"accounts with rights in these databases are not on the target: {_list(missing)}"
        yield _warning(
            "mariadb-accounts", target.where, what, "make them there before the cut (SHOW CREATE USER, GRANTS)"
        )
    if privileged := sorted(source.privileged & source.using):
        what = f"read_only does not stop {_list(privileged)}"
        yield _blocker("mariadb-unstoppable", source.where, what, "REVOKE SUPER, READ_ONLY ADMIN from the application")
    elif others := sorted(source.privileged - {source.account, "root@localhost"}):
        what = f"read_only does not stop {_list(others)}, whose sessions are ended at the cut"
        yield _warning("mariadb-unstoppable", source.where, what, "see that nobody writes as one of them afterwards")


def _list(names: list[str] | tuple[str, ...]) -> str:
    more = f" and {len(names) - _LISTED_MAX} more" if len(names) > _LISTED_MAX else ""
    return ", ".join(names[:_LISTED_MAX]) + more


def _blocker(code: str, where: str, what: str, next_step: str) -> Finding:
    return Finding(Severity.BLOCKER, code, where, what, next_step)


def _warning(code: str, where: str, what: str, next_step: str) -> Finding:
    return Finding(Severity.WARNING, code, where, what, next_step)
