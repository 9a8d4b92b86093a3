"""Every finding about a database's two servers, planted: in what the survey saw, on the target, in the stream."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from migration.adapters import database_findings
from migration.model.inventory import DatabaseFacts, TableFacts
from migration.model.words import Finding, Severity
from migration.movers import claim, link, stream
from tests.support import two_databases
from tests.support.findings import found, planted
from tests.support.moving import context, database_move
from tests.support.patience import until
from tests.support.two_databases import SOURCE_ROLE, Pair, Sides

BLOCKER, WARNING, INFO = Severity.BLOCKER, Severity.WARNING, Severity.INFO


@pytest.fixture(scope="module")
def sides(pair: Pair) -> Iterator[Sides]:
    with two_databases.made(pair, "SET ROLE portal; CREATE TABLE t (id integer PRIMARY KEY)") as both:
        yield both


def facts(folder: Path, **changed: Any) -> DatabaseFacts:
    plain = {"collation": "vi_VN.UTF-8", "large_objects": 0}
    return context(folder, None).facts.database.model_copy(update={**plain, **changed})


def by_code(findings: Iterator[Finding]) -> dict[str, Finding]:
    return {one.code: one for one in findings}


def table(name: str, *, key: bool = False, identity: str = "d") -> TableFacts:
    return TableFacts(
        schema_name="public", name=name, rows_estimate=1, size_bytes=1, has_primary_key=key, replica_identity=identity
    )


SURVEYED = [
    ({"wal_level": "replica"}, BLOCKER, "source-wal-level", "wal_level is replica"),
    ({"replication_slots_used": 10}, BLOCKER, "source-slots", "10 of 10 replication slots"),
    ({"max_wal_senders": 1}, BLOCKER, "source-senders", "max_wal_senders is 1"),
    ({"server_version_number": 110022, "server_version": "11.22"}, BLOCKER, "source-version", "11.22"),
    ({"server_version_number": 180001, "server_version": "18.1"}, BLOCKER, "source-version", "18.1"),
    ({"encoding": "SQL_ASCII"}, BLOCKER, "source-encoding", "SQL_ASCII"),
    ({"collation": "C.UTF-8"}, WARNING, "collation-c-utf8", "C.UTF-8"),
    ({"collation": "C.utf8"}, WARNING, "collation-c-utf8", "C.UTF-8"),
    ({"prepared_transactions": 3}, BLOCKER, "source-prepared-transactions", "3 prepared"),
    ({"longest_transaction_seconds": 61.0}, WARNING, "source-long-transaction", "61 s"),
    ({"tables": [table("bare"), table("keyed", key=True)]}, WARNING, "tables-without-key", "1 tables have no primary"),
    ({"large_objects": 7}, INFO, "large-objects", "7 large objects"),
]


@pytest.mark.parametrize(("changed", "severity", "code", "said"), SURVEYED, ids=[case[2] for case in SURVEYED])
def test_what_the_survey_saw_is_named(
    changed: dict[str, Any], severity: Severity, code: str, said: str, tmp_path: Path
) -> None:
    assert by_code(database_findings.from_inventory(facts(tmp_path))) == {}
    seen = by_code(database_findings.from_inventory(facts(tmp_path, **changed)))
    assert (set(seen), seen[code].severity) == ({code}, severity)
    assert said in seen[code].what
    assert seen[code].next


NEEDED = [
    ({"server_version_number": 170001}, {}, "target-older", "is PostgreSQL 15, older"),
    ({"encoding": "LATIN1"}, {}, "target-encoding", "UTF8, the source's LATIN1"),
    ({"collation": "vi_VN.UTF-8"}, {}, "target-collation", "sorts by C.UTF-8, the source by vi_VN.UTF-8"),
    ({"extensions": {"postgis": "3.3"}}, {}, "target-extensions", "postgis"),
    ({}, {"owner": "nobody_here"}, "target-owner-role", "dcshift_migration is not a member of nobody_here"),
]


@pytest.mark.parametrize("case", NEEDED, ids=lambda case: case[2])
def test_what_the_target_cannot_hold_is_named(
    case: tuple[dict[str, Any], dict[str, Any], str, str], sides: Sides, tmp_path: Path
) -> None:
    declared = context(tmp_path, None).contract.database

    def asked(source: dict[str, Any], contract: dict[str, Any]) -> dict[str, Finding]:
        known = facts(tmp_path, **{"collation": "C.utf8", **source})
        return by_code(database_findings.from_target(sides.target, known, declared.model_copy(update=contract)))

    source, contract, code, said = case
    assert asked({}, {}) == {}
    seen = asked(source, contract)
    assert (set(seen), seen[code].severity, bool(seen[code].next)) == ({code}, BLOCKER, True)
    assert said in seen[code].what


def test_a_target_that_others_use_and_a_role_that_may_not_become_the_owner_are_named(
    sides: Sides, tmp_path: Path
) -> None:
    contract = context(tmp_path, None).contract.database
    with planted(sides, "CREATE TABLE theirs ()", "DROP TABLE theirs", side=1):
        seen = by_code(database_findings.from_target(sides.target, facts(tmp_path, collation="C.UTF-8"), contract))
    assert (set(seen), "public.theirs" in seen["target-not-empty"].what) == ({"target-not-empty"}, True)
    with link.session(sides.pair[1].endpoint("portal", "reader"), program="test") as outsider:
        seen = by_code(database_findings.from_target(outsider, facts(tmp_path, collation="C.UTF-8"), contract))
    assert set(seen) == {"target-owner-role"}


def test_a_prepared_transaction_of_today_is_named(sides: Sides) -> None:
    made, mended = "BEGIN; INSERT INTO t VALUES (1); PREPARE TRANSACTION 'theirs'", "ROLLBACK PREPARED 'theirs'"
    assert "source-prepared-transactions" not in found(sides)
    with planted(sides, made, mended):
        seen = found(sides)["source-prepared-transactions"]
    assert (seen.severity, "1 prepared transactions" in seen.what, bool(seen.next)) == (BLOCKER, True, True)


@pytest.fixture
def following(sides: Sides) -> Iterator[Sides]:
    """A target that says of itself that it follows, with the source's definitions, and a slot that nobody reads."""
    claim.take(sides.target, "portal")
    claim.set_phase(sides.target, claim.FOLLOWING)
    stream.publish(sides.source, "dcshift")
    sides.as_admin(1, "SET ROLE portal; CREATE TABLE t (id integer PRIMARY KEY)")
    sides.as_admin(0, f"SELECT pg_create_logical_replication_slot('{SOURCE_ROLE}', 'pgoutput')")
    yield sides
    sides.as_admin(1, "DROP TABLE t")
    claim.leave(sides.target)
    link.run(sides.source, "DROP PUBLICATION dcshift")
    sides.as_admin(0, f"SELECT pg_drop_replication_slot('{SOURCE_ROLE}')")


def of_stream(sides: Sides, name: str = SOURCE_ROLE) -> dict[str, Finding]:
    return by_code(database_findings.from_stream(sides.source, sides.target, "portal", name))


def test_a_stream_that_cannot_be_trusted_forbids_a_freeze(following: Sides) -> None:
    assert set(of_stream(following)) == {"stream-stopped"}
    following.as_admin(0, "SELECT pg_logical_emit_message(true, 'x', repeat('x', 17 * 1024 * 1024))")
    assert set(of_stream(following)) == {"stream-behind"}
    assert set(of_stream(following, "no_such_slot")) == {"stream-lost"}
    following.as_admin(0, "ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'", "SELECT pg_reload_conf()")
    try:
        following.as_admin(0, *("SELECT pg_switch_wal()", "CREATE TABLE log ()", "DROP TABLE log") * 2)

        def lost() -> bool:
            """A checkpoint takes away what the slot would need, once its process has read the new limit."""
            following.as_admin(0, "CHECKPOINT")
            return set(of_stream(following)) == {"stream-lost"}

        until(lost)
        seen = of_stream(following)
    finally:
        following.as_admin(0, "ALTER SYSTEM RESET max_slot_wal_keep_size", "SELECT pg_reload_conf()")
    assert set(seen) == {"stream-lost"}
    assert (seen["stream-lost"].severity, seen["stream-lost"].next) == (BLOCKER, "dcshift run copies anew")


def test_a_transaction_that_a_freeze_would_break_off_is_told(following: Sides) -> None:
    with following.pair[0].admin("portal", "portal") as owner:
        owner.execute("BEGIN")
        owner.execute("SELECT count(*), pg_sleep(5.2) FROM t")
        seen = of_stream(following)["source-long-transaction"]
    assert (seen.severity, "1 transactions are open" in seen.what) == (WARNING, True)


def test_a_side_that_does_not_answer_is_a_blocker_and_tells_no_password(pair: Pair, tmp_path: Path) -> None:
    move = database_move(*pair, tmp_path)
    secret = "hunter2 of nobody"
    move._access.cluster.kept["portal-db-migration"]["password"] = secret
    seen = by_code(iter(move.check()))["database-not-read"]
    assert (seen.severity, "password authentication failed" in seen.what) == (BLOCKER, True)
    assert secret not in str(dataclasses.asdict(seen))
