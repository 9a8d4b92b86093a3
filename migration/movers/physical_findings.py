"""Says what speaks against a physical move before a byte is carried; it changes nothing."""

from __future__ import annotations

import locale
import os
import platform
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from migration.errors import BlockedError
from migration.model.words import Finding, Severity
from migration.movers import cluster, kept_log, physical_rare
from migration.movers.physical_facts import DatabaseRow, SourceFacts, TargetFacts
from migration.movers.physical_job import PhysicalJob
from migration.movers.releases import released

_SOURCE_PROGRAMS: Final = ("postgres", "pg_controldata", "pg_ctl", "pg_resetwal")
_TARGET_PROGRAMS: Final = (
    "postgres", "initdb", "pg_ctl", "pg_controldata", "pg_resetwal", "pg_dump", "pg_dumpall", "pg_restore", "psql",
    "pg_upgrade", "vacuumdb",
)  # fmt: skip
_SAME: Final = (
    "block_size", "wal_block_size", "segment_size", "wal_segment_size", "max_identifier_length", "max_index_keys",
    "data_checksums",
)  # fmt: skip
_MACHINES: Final = {"amd64": "x86_64", "arm64": "aarch64", "powerpc64le": "ppc64le"}
_ROOM_FACTOR: Final = 1.3
"""What the log of the copy's time and the new catalogues need beside the copy itself."""
_ROOM_BYTES: Final = 1 << 30


def of_machine(job: PhysicalJob, source: SourceFacts, free_bytes: int) -> Iterator[Finding]:
    """Yield what this machine lacks."""
    where = str(job.folder)
    for folder, names in ((job.source_binaries, _SOURCE_PROGRAMS), (job.target_binaries, _TARGET_PROGRAMS)):
        if missing := [name for name in names if not os.access(folder / name, os.X_OK)]:
            what = f"{folder} lacks {', '.join(missing)}"
            yield _blocker("physical-programs", str(folder), what, "install that version's server and client here")
        elif names is _SOURCE_PROGRAMS and (major := cluster.major_of(folder)) != source.major:
            what = f"the programs in {folder} are of {major}, the source is {source.major}"
            yield _blocker(
                "physical-programs", str(folder), what, f"name the folder of {source.major} (source_binaries)"
            )
    if not basebackup(job):
        what = "neither folder of programs has pg_basebackup"
        yield _blocker("physical-programs", where, what, "install the client programs of either version here")
    built, here = machine_of(source.version), platform.machine()
    if built != here:
        what = f"the source runs on {built}, this machine is {here}"
        yield _blocker("physical-machine", where, what, "move this server with --engine logical")
    needed = int(source.size_bytes * _ROOM_FACTOR) + _ROOM_BYTES
    if free_bytes < needed:
        what = f"{free_bytes:,} bytes are free, the copy needs about {needed:,}"
        yield _blocker("physical-room", where, what, "make room, or name a folder on another disk")
    for row in source.databases:
        if missing := missing_locales(row):
            what = f"database {row.name} needs {', '.join(missing)}, which this machine does not have"
            yield _blocker("physical-locale", row.name, what, "install the locale here (dpkg-reconfigure locales)")


def of_source(job: PhysicalJob, source: SourceFacts) -> Iterator[Finding]:
    """Yield what the source server has or lacks."""
    where, settings = job.source.host, source.settings
    slots, senders = int(settings["max_replication_slots"]), int(settings["max_wal_senders"])
    needed = len(job.databases) + 1
    if source.number < 130000:
        yield _blocker("physical-version", where, f"{source.version} is older than 13", "use --engine logical")
    if source.standby:
        what = "the source is a standby: nothing can be followed from its own log"
        yield _blocker("physical-standby", where, what, "name the primary")
    if settings["wal_level"] != "logical":
        what = f"wal_level is {settings['wal_level']}; changes can be followed only with wal_level = logical"
        yield _blocker("source-wal-level", where, what, "set wal_level = logical and restart in a maintenance window")
    if source.slots_used + needed > slots:
        what = f"{source.slots_used} of {slots} replication slots are used, the move needs {needed}"
        yield _blocker("source-slots", where, what, "raise max_replication_slots and restart")
    if senders < needed + 1:
        what = f"max_wal_senders is {senders}; the move needs {needed + 1}"
        yield _blocker("source-senders", where, what, "raise max_wal_senders and restart")
    if source.prepared_transactions:
        what = f"{source.prepared_transactions} prepared transactions are open: no slot can begin before they end"
        yield _blocker("source-prepared-transactions", where, what, "commit or roll them back")
    if source.tablespaces:
        what = f"tablespaces outside of the data directory: {', '.join(source.tablespaces)}"
        yield _blocker("physical-tablespaces", where, what, "move their tables to pg_default, or use --engine logical")
    if source.subscriptions:
        what = f"the source itself subscribes ({', '.join(source.subscriptions)}); its copy would do so too"
        yield _blocker("physical-subscriptions", where, what, "drop them, or use --engine logical")
    named = {moved.database for moved in job.databases} | {"postgres"}
    if others := sorted(row.name for row in source.databases if not row.template and row.name not in named):
        what = f"databases that the order does not name would come along and stand still: {', '.join(others)}"
        yield _blocker("physical-other-databases", where, what, "name them in the order, or use --engine logical")
    yield kept_log.of_limit(where, int(settings["max_slot_wal_keep_size"]))
    if source.settings_changed:
        what = f"settings of the source that are not taken over: {', '.join(source.settings_changed)}"
        yield _warning("physical-settings", where, what, "put those that the application needs into the order")
    yield from _of_databases(source)


def _of_databases(source: SourceFacts) -> Iterator[Finding]:
    for database, inside in source.inside.items():
        if not inside.prepared:
            what = "the database lacks the schema dcshift with turn and marker"
            yield _blocker("physical-not-prepared", database, what, "dcshift run --until prepare")
        if not inside.may_publish:
            what = "the migration's role is no member of the database's owner, so it cannot publish its tables"
            yield _blocker("physical-not-prepared", database, what, "dcshift run --until prepare")
        if inside.cannot_follow:
            what = f"tables without a key and with a column that cannot be compared: {', '.join(inside.cannot_follow)}"
            yield _blocker("table-cannot-follow", database, what, "give them a primary key")
    for row in source.databases:
        columns = (
            sorted(c for c in source.inside[row.name].collations if _is_c_utf8(c)) if row.name in source.inside else []
        )
        if not row.template and row.provider == "c" and (_is_c_utf8(row.collate) or columns):
            which = "the whole database sorts" if _is_c_utf8(row.collate) else "columns sort"
            what = f"{which} by C.UTF-8, whose order differs between C libraries and has no version that would warn"
            yield _warning(
                "collation-c-utf8", row.name, what, "nothing: every index is checked, broken ones are rebuilt"
            )


def of_target(job: PhysicalJob, source: SourceFacts, target: TargetFacts) -> Iterator[Finding]:
    """Yield what the new server would refuse, or do otherwise."""
    where = str(job.target_binaries)
    if target.number // 10000 < source.major:
        what = f"the programs are of {target.number // 10000}, older than the source's {source.major}"
        yield _blocker("target-older", where, what, "name the programs of a newer version")
    elif (older := released(target.number, source.number)) is None:
        what = f"whether {_named(target.number)} came out before {_named(source.number)} is not known here"
        yield _warning("physical-minor", where, what, "look it up: a target must not be older than its source's minor")
    elif older:
        what = f"{_named(target.number)} came out before {_named(source.number)} and may not know what that writes"
        yield _blocker("physical-minor", where, what, "name the programs of the newest minor release")
    for name in _SAME:
        if source.settings[name] != target.settings[name]:
            what = f"{name} is {source.settings[name]} at the source, {target.settings[name]} here"
            yield _blocker("physical-format", where, what, "use --engine logical, or programs that were built alike")
    if not job.feed.host.startswith("/") and not target.tls:
        what = "the target's server was built without TLS, so it cannot follow a source on another machine"
        yield _blocker("physical-no-tls", where, what, "name programs that were built with TLS")
    if "amcheck" not in target.extensions:
        what = "the extension amcheck, which says whether an index is whole, is not there"
        yield _blocker("physical-amcheck", where, what, "install the version's contrib package")
    yield from _of_contents(source, target, where)


def _of_contents(source: SourceFacts, target: TargetFacts, where: str) -> Iterator[Finding]:
    for database, inside in source.inside.items():
        if missing := sorted(set(inside.extensions) - target.extensions):
            what = f"extensions are not installed for the target's version: {', '.join(missing)}"
            yield _blocker("target-extensions", database, what, "install their packages here")
        if missing := sorted(set(inside.collations) - target.collations):
            what = f"columns sort by collations that the target does not have: {', '.join(missing)}"
            next_step = "install their locales here; for C.UTF-8: ln -s C.utf8 /usr/lib/locale/C.UTF-8"
            yield _blocker("target-collations", database, what, next_step)
        yield from physical_rare.findings(database, inside.rare, target.rare)
    for library, why in target.libraries_missing.items():
        what = f"the target cannot load {library}: {why}"
        yield _blocker("physical-libraries", where, what, "install its package for the target's version here")
    if target.options_unknown:
        what = f"columns carry options that the target refuses: {', '.join(sorted(set(target.options_unknown)))}"
        yield _blocker("column-options", where, what, "ALTER TABLE ... ALTER COLUMN ... RESET (OPTION)")
    for provider in sorted(source.sorters.keys() & target.sorters.keys()):
        before, after = source.sorters[provider], target.sorters[provider]
        if before != after:
            what = (
                f"{'ICU' if provider == 'i' else 'the C library'} sorts by version {after} here, {before} at the source"
            )
            yield _warning("collation-version", where, what, "nothing: every index is checked, broken ones are rebuilt")


def refuse(job: PhysicalJob, found: list[Finding]) -> list[str]:
    """Raise `BlockedError` with all blockers; return the warnings as sentences."""
    if blockers := [finding for finding in found if finding.severity is Severity.BLOCKER]:
        raise BlockedError(
            "physical-not-possible",
            what=f"the server of {job.system} cannot be moved physically as it is",
            why="; ".join(f"{finding.code} ({finding.where}): {finding.what}" for finding in blockers),
            state="nothing was copied; the source was only read and serves",
            next="; ".join(dict.fromkeys(finding.next for finding in blockers)),
        )
    return [f"{finding.code} ({finding.where}): {finding.what}" for finding in found]


def basebackup(job: PhysicalJob) -> Path | None:
    """Return the pg_basebackup to use: the source's own version if it is here, else the newer one, which knows it."""
    programs = (folder / "pg_basebackup" for folder in (job.source_binaries, job.target_binaries))
    return next((program for program in programs if os.access(program, os.X_OK)), None)


def machine_of(version: str) -> str:
    """Return the machine out of what a server says of itself: `PostgreSQL 15.18 on x86_64-pc-linux-gnu, …`."""
    found = re.search(r" on ([^-]+)-", version)
    name = found[1] if found else "an unknown machine"
    return _MACHINES.get(name, name)


def missing_locales(row: DatabaseRow) -> list[str]:
    """Return the locales of a database that this machine's C library does not know."""
    missing = []
    for category, name in ((locale.LC_COLLATE, row.collate), (locale.LC_CTYPE, row.ctype)):
        before = locale.setlocale(category)
        try:
            locale.setlocale(category, name)
        except locale.Error:
            missing.append(name)
        finally:
            locale.setlocale(category, before)
    return sorted(set(missing))


def _is_c_utf8(name: str) -> bool:
    return name.upper().replace("-", "") == "C.UTF8"


def _named(number: int) -> str:
    return f"{number // 10000}.{number % 10000}"


def _blocker(code: str, where: str, what: str, next_step: str) -> Finding:
    return Finding(Severity.BLOCKER, code, where, what, next_step)


def _warning(code: str, where: str, what: str, next_step: str) -> Finding:
    return Finding(Severity.WARNING, code, where, what, next_step)
