"""Says what speaks against moving a database, before anything is changed; it only reads."""

from __future__ import annotations

from collections.abc import Iterator

from catalogue.target import TargetDatabase
from migration.adapters.database_sorting import is_c_utf8
from migration.adapters.naming import few
from migration.model.inventory import DatabaseFacts
from migration.model.words import Finding, Severity
from migration.movers import claim, identity, kept_log, link, schema_changes, stream
from migration.movers.link import Connection

_LONG_TRANSACTION_SECONDS = 60.0
_LAG_BYTES_MAX = 16 * 1024 * 1024


def from_inventory(facts: DatabaseFacts) -> Iterator[Finding]:
    """Yield findings that the survey's facts already tell."""
    where = f"{facts.host}/{facts.name}"
    if facts.wal_level != "logical":
        yield Finding(
            Severity.BLOCKER,
            "source-wal-level",
            where,
            f"wal_level is {facts.wal_level}; changes can be followed only with wal_level = logical",
            "set wal_level = logical in postgresql.conf and restart PostgreSQL in a maintenance window",
        )
    if facts.replication_slots_used >= facts.max_replication_slots:
        used = f"{facts.replication_slots_used} of {facts.max_replication_slots} replication slots are used"
        yield Finding(Severity.BLOCKER, "source-slots", where, used, "raise max_replication_slots and restart")
    if facts.max_wal_senders < 2:
        what = f"max_wal_senders is {facts.max_wal_senders}; the move needs 2"
        yield Finding(Severity.BLOCKER, "source-senders", where, what, "raise max_wal_senders and restart")
    if not 120000 <= facts.server_version_number < 180000:
        what = f"PostgreSQL {facts.server_version} is outside of what was tried (12 to 17)"
        yield Finding(Severity.BLOCKER, "source-version", where, what, "move by dump, or extend the tested range first")
    if facts.encoding != "UTF8":
        what = f"the encoding is {facts.encoding}; only UTF8 is carried unchanged"
        yield Finding(Severity.BLOCKER, "source-encoding", where, what, "convert the database to UTF8 first")
    if is_c_utf8(facts.collation):
        yield Finding(
            Severity.WARNING,
            "collation-c-utf8",
            where,
            "the order of C.UTF-8 differs between C libraries and no version is recorded for it",
            "nothing: indexes are built anew on the target; queries that sort by text may order them otherwise",
        )
    if facts.prepared_transactions:
        what = f"{facts.prepared_transactions} prepared transactions are open"
        yield Finding(Severity.BLOCKER, "source-prepared-transactions", where, what, "commit or roll them back")
    if facts.longest_transaction_seconds > _LONG_TRANSACTION_SECONDS:
        what = f"a transaction has been open for {facts.longest_transaction_seconds:.0f} s; the copy waits for its end"
        yield Finding(Severity.WARNING, "source-long-transaction", where, what, "end it before the copy begins")
    keyless = [f"{t.schema_name}.{t.name}" for t in facts.tables if not t.has_primary_key and t.replica_identity == "d"]
    if keyless:
        yield Finding(
            Severity.WARNING,
            "tables-without-key",
            where,
            f"{len(keyless)} tables have no primary key: {', '.join(keyless[:10])}",
            "nothing: they get an identity before they are published; updating many of their rows is slow meanwhile",
        )
    if facts.large_objects:
        what = f"{facts.large_objects} large objects; those that change during the move are carried in the freeze"
        yield Finding(Severity.INFO, "large-objects", where, what, "nothing")


def from_target(target: Connection, facts: DatabaseFacts, contract: TargetDatabase) -> Iterator[Finding]:
    """Yield findings about the target, and about the source's needs there."""
    where = f"{contract.cluster}/{contract.name}"
    version = target.info.server_version
    if version < facts.server_version_number:
        what = f"the target is PostgreSQL {version // 10000}, older than the source"
        yield Finding(Severity.BLOCKER, "target-older", where, what, "give the target the same or a newer version")
    encoding, collation = link.rows(
        target,
        "SELECT pg_encoding_to_char(encoding), datcollate FROM pg_database WHERE datname = current_database()",
    )[0]
    if encoding != facts.encoding:
        what = f"the target's encoding is {encoding}, the source's {facts.encoding}"
        yield Finding(Severity.BLOCKER, "target-encoding", where, what, "create the target database with that encoding")
    if _plain(collation) != _plain(facts.collation):
        what = f"the target sorts by {collation}, the source by {facts.collation}"
        yield Finding(
            Severity.BLOCKER, "target-collation", where, what, "set database.locale in the catalogue and redo"
        )
    available = {name for (name,) in link.rows(target, "SELECT name FROM pg_available_extensions")}
    if missing := sorted(facts.extensions.keys() - available):
        what = f"extensions are not available on the target: {', '.join(missing)}"
        yield Finding(Severity.BLOCKER, "target-extensions", where, what, "add them to the target's image")
    if others := claim.foreign(target):
        what = f"the target already holds {len(others)} relations that are not ours: {', '.join(others[:5])}"
        yield Finding(Severity.BLOCKER, "target-not-empty", where, what, "empty it by hand if they are not needed")
    user, granted = contract.migration_role, "pg_create_subscription"
    roles = {contract.owner: "target-owner-role"} | ({granted: "target-subscription-role"} if version >= 160000 else {})
    for role, code in roles.items():
        query = "SELECT pg_has_role(current_user, oid, 'MEMBER') FROM pg_roles WHERE rolname = %s"
        found = link.rows(target, query, (role,))
        if not found or not found[0][0]:
            what = f"{user} is not a member of {role}"
            yield Finding(Severity.BLOCKER, code, where, what, "pulumi up on the system's data layer")


def from_source(source: Connection, facts: DatabaseFacts) -> Iterator[Finding]:
    """Yield findings that need a session at the source; possible once the migration's role exists there."""
    where = f"{facts.host}/{facts.name}"
    if unlogged := link.rows(source, "SELECT relname FROM pg_class WHERE relkind = 'r' AND relpersistence = 'u'"):
        what = f"{len(unlogged)} unlogged tables; no change of them is followed, they are copied in the freeze"
        yield Finding(Severity.WARNING, "unlogged-tables", where, what, "nothing")
    for table in identity.cannot_follow(source):
        what = f"{table} has no key and a column that cannot be compared; updates could not be followed"
        yield Finding(Severity.BLOCKER, "table-cannot-follow", where, what, "give it a primary key")
    # 12 has no such setting: a slot keeps what it needs.
    limit = link.rows(source, "SELECT setting::int FROM pg_settings WHERE name = 'max_slot_wal_keep_size'")
    yield kept_log.of_limit(where, limit[0][0] if limit else -1)
    query = "SELECT count(*) FROM pg_prepared_xacts WHERE database = current_database()"
    if count := link.rows(source, query)[0][0]:
        what = f"{count} prepared transactions are open"
        yield Finding(Severity.BLOCKER, "source-prepared-transactions", where, what, "commit or roll them back")


def from_stream(source: Connection, target: Connection, system: str, name: str) -> Iterator[Finding]:
    """Yield findings about a copy that follows: a freeze must not begin while it is behind."""
    if claim.phase(target, system) != claim.FOLLOWING:
        return
    where, lag = f"{system}/{name}", stream.lag(source, name)
    if lag is None or lag.lost:
        what = "the source no longer keeps the changes that the target lacks"
        yield Finding(Severity.BLOCKER, "stream-lost", where, what, "dcshift run copies anew")
    elif lag.bytes > _LAG_BYTES_MAX:
        what = f"the target is {lag.bytes:,} bytes behind"
        yield Finding(Severity.BLOCKER, "stream-behind", where, what, "wait, and look at dcshift status")
    elif not link.rows(target, "SELECT 1 FROM pg_stat_subscription WHERE subname = %s AND pid IS NOT NULL", (name,)):
        what = "nothing on the target applies the changes"
        yield Finding(Severity.BLOCKER, "stream-stopped", where, what, "read the log of the target's database")
    yield from _of_changes(source, target, system, where)
    query = """SELECT count(*), max(extract(epoch FROM now() - xact_start)) FROM pg_stat_activity
        WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
            AND xact_start < now() - interval '5 seconds'"""
    count, longest = link.rows(source, query)[0]
    if count:
        what = f"{count} transactions are open, the longest for {longest:.0f} s; a freeze would break them off"
        yield Finding(Severity.WARNING, "source-long-transaction", where, what, "let them end first")


def _of_changes(source: Connection, target: Connection, system: str, where: str) -> Iterator[Finding]:
    anew = f"dcshift rollback {system}, then dcshift run copies anew"
    if changed := schema_changes.definitions(source, target):
        what = f"{len(changed)} definitions differ since the copy, and no stream carries them: {few(changed)}"
        mend = f"as the owner, make the same change on the target or take it back at the source; otherwise {anew}"
        yield Finding(Severity.BLOCKER, "schema-changed", where, what, mend)
    if missed := schema_changes.not_followed(source, "dcshift"):
        what = f"tables were made since the copy, and nobody follows their rows: {few(missed)}"
        yield Finding(Severity.BLOCKER, "table-not-followed", where, what, f"drop them at the source; otherwise {anew}")


def _plain(collation: str) -> str:
    return collation.lower().replace("-", "").replace("utf8", "")
