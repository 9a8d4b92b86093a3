"""The mover of MariaDB as far as it decides: what forbids a move, positions, hashes, definitions, its order."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from migration.errors import BlockedError
from migration.model.words import Severity
from migration.movers.mariadb import findings, gtid, schema, stream
from migration.movers.mariadb.facts import Facts, Table
from migration.movers.mariadb.job import MariadbJob, MariadbServer, Reach
from migration.verification.mariadb_hashing import TYPES, Column, row_hash

SERVER = MariadbServer(host="db", user="mover", password=SecretStr('se"cr\\et'))
JOB = MariadbJob(
    system="portal", token=1, source=SERVER, target=SERVER, databases=("portal",), feed=Reach(host="a"),
    back=Reach(host="b"),
)  # fmt: skip
SETTINGS = {
    "version": "10.11.19-MariaDB", "log_bin": "ON", "log_slave_updates": "ON", "binlog_format": "ROW",
    "binlog_row_image": "FULL", "slave_run_triggers_for_rbr": "NO", "server_id": "1", "gtid_domain_id": "0",
    "max_allowed_packet": "16777216", "lower_case_table_names": "0", "event_scheduler": "OFF", "sql_mode": "X",
    "time_zone": "SYSTEM", "system_time_zone": "UTC", "expire_logs_days": "10",
}  # fmt: skip
TABLE = Table(
    "portal.dossier", "BASE TABLE", "InnoDB", frozenset({"utf8mb3_general_ci"}), frozenset({"int", "varchar"}), True,
    frozenset({"int"}),
)  # fmt: skip
SOURCE = Facts(
    where="source", account="mover@%", version="10.5.29-MariaDB", settings=SETTINGS,
    databases={"portal": "utf8_general_ci"}, tables=(TABLE,), bytes=1, defined=(("view", "portal.v", "app@%"),),
    broken_views=(), on_update=frozenset(), asleep=(), accounts=frozenset({"app@%"}), using=frozenset({"app@%"}),
    privileged=frozenset({"mover@%", "root@localhost"}), collations=frozenset({"utf8mb3_general_ci"}), channels=(),
    prepared=0, zones=0, log_filters=" ", gtid_state="0-1-7",
)  # fmt: skip
TARGET = replace(
    SOURCE, where="target", version="10.11.19-MariaDB", settings={**SETTINGS, "server_id": "2"}, databases={},
    tables=(), defined=(), gtid_state="",
)  # fmt: skip


def changed(facts: Facts, **settings: str) -> Facts:
    return replace(facts, settings={**facts.settings, **settings})


def table(**other: Any) -> Facts:
    return replace(SOURCE, tables=(replace(TABLE, **other),))


def test_nothing_speaks_against_a_move_that_is_possible() -> None:
    assert findings.findings(JOB, SOURCE, TARGET) == []


def test_a_name_that_the_list_of_what_is_followed_would_divide_is_refused() -> None:
    job = JOB.model_copy(update={"databases": ("portal", "a,b")})
    there = replace(SOURCE, databases={**SOURCE.databases, "a,b": "utf8_general_ci"})
    (found,) = findings.findings(job, there, TARGET)
    assert (found.severity, found.code) == (Severity.BLOCKER, "mariadb-name")
    assert found.what.endswith(": a,b")


@pytest.mark.parametrize(
    ("code", "source", "target"),
    [
        ("mariadb-version", replace(SOURCE, version="8.0.36"), TARGET),
        ("mariadb-version", replace(SOURCE, version="10.3.39-MariaDB"), TARGET),
        ("target-older", replace(SOURCE, version="11.4.1-MariaDB"), TARGET),
        ("mariadb-no-database", replace(SOURCE, databases={}), TARGET),
        ("mariadb-other-databases", replace(SOURCE, databases={**SOURCE.databases, "x": "utf8_general_ci"}), TARGET),
        ("mariadb-source-follows", replace(SOURCE, channels=("",)), TARGET),
        ("mariadb-source-closed", changed(SOURCE, read_only="ON"), TARGET),
        ("mariadb-prepared-transactions", replace(SOURCE, prepared=1), TARGET),
        ("mariadb-log-filter", replace(SOURCE, log_filters="portal "), TARGET),
        ("mariadb-log-format", changed(SOURCE, binlog_format="MIXED"), TARGET),
        ("mariadb-log-format", changed(SOURCE, binlog_row_image="MINIMAL"), TARGET),
        ("mariadb-no-log", changed(SOURCE, log_bin="OFF"), TARGET),
        ("mariadb-no-log", SOURCE, changed(TARGET, log_slave_updates="OFF")),
        ("mariadb-view-broken", replace(SOURCE, broken_views=("portal.v",)), TARGET),
        ("mariadb-event-asleep", replace(SOURCE, asleep=("portal.e",)), TARGET),
        ("mariadb-engine", table(engine="MyISAM"), TARGET),
        ("mariadb-engine", table(engine="Aria"), TARGET),
        ("mariadb-versioned", table(kind="SYSTEM VERSIONED"), TARGET),
        ("mariadb-type", table(types=frozenset({"vector"})), TARGET),
        ("mariadb-float", table(types=frozenset({"float"}), key_types=frozenset()), TARGET),
        ("mariadb-float", table(types=frozenset({"float"}), key_types=frozenset({"float"})), TARGET),
        ("mariadb-float", replace(table(types=frozenset({"float"})), on_update=frozenset({TABLE.name})), TARGET),
        ("mariadb-triggers-twice", SOURCE, changed(TARGET, slave_run_triggers_for_rbr="YES")),
        ("mariadb-server-id", changed(SOURCE, server_id="2"), TARGET),
        ("mariadb-server-id", changed(SOURCE, server_id="0"), TARGET),
        ("target-not-empty", SOURCE, replace(TARGET, databases={"x": "y"})),
        ("mariadb-target-follows", SOURCE, replace(TARGET, channels=("old",))),
        ("mariadb-gtid-clash", SOURCE, replace(TARGET, gtid_state="0-2-1")),
        ("mariadb-scheduler", replace(SOURCE, defined=(("event", "portal.e", "app@%"),)),
            changed(TARGET, event_scheduler="ON")),
        ("mariadb-packet", SOURCE, changed(TARGET, max_allowed_packet="1024")),
        ("mariadb-collation", table(collations=frozenset({"utf8mb4_new_ci"})), TARGET),
        ("mariadb-table-names", SOURCE, changed(TARGET, lower_case_table_names="1")),
        ("mariadb-time-zones", replace(SOURCE, zones=600), TARGET),
        ("mariadb-definer", replace(SOURCE, defined=(("trigger", "portal.t", "gone@%"),)), TARGET),
        ("mariadb-unstoppable", replace(SOURCE, privileged=frozenset({"app@%"})), TARGET),
    ],
)  # fmt: skip
def test_each_hard_case_forbids_the_move_by_its_name(code: str, source: Facts, target: Facts) -> None:
    found = findings.findings(JOB, source, target)
    assert [one.code for one in found if one.severity is Severity.BLOCKER] == [code]
    with pytest.raises(BlockedError, match="cannot be moved"):
        findings.refuse(JOB, found)


@pytest.mark.parametrize(
    ("code", "source", "target"),
    [
        ("mariadb-keyless", table(keyed=False), TARGET),
        ("mariadb-log-kept", changed(SOURCE, binlog_expire_logs_seconds="600"), TARGET),
        ("mariadb-sql-mode", SOURCE, changed(TARGET, sql_mode="Y")),
        ("mariadb-clock", SOURCE, changed(TARGET, system_time_zone="+07")),
        ("mariadb-settings", SOURCE, changed(TARGET, collation_server="latin1_bin")),
        ("mariadb-accounts", replace(SOURCE, using=frozenset({"app@%", "report@%"})), TARGET),
        ("mariadb-unstoppable", replace(SOURCE, privileged=frozenset({"dba@%"})), TARGET),
    ],
)
def test_what_must_be_known_is_a_warning(code: str, source: Facts, target: Facts) -> None:
    found = findings.findings(JOB, source, target)
    assert [(one.code, one.severity) for one in found] == [(code, Severity.WARNING)]
    assert len(findings.refuse(JOB, found)) == 1


def test_an_account_that_lacks_a_right_is_told_which() -> None:
    (found,) = findings.of_rights("source", findings.RIGHTS - {"EVENT"})
    assert (found.code, found.severity) == ("mariadb-rights", Severity.BLOCKER)
    assert "EVENT" in found.what


def test_what_the_target_once_took_over_is_no_clash() -> None:
    assert gtid.clashes("0-1-5,7-2-3", "0-1-9", 0) == []
    assert [str(one) for one in gtid.clashes("0-1-5,0-2-3", "0-1-9,0-2-2", 0)] == ["0-2-3"]
    assert [str(one) for one in gtid.clashes("0-2-3", "", 0)] == ["0-2-3"]


def test_positions_are_counted_by_domain() -> None:
    assert gtid.behind("0-1-10,1-1-4", "0-2-7") == 7
    assert gtid.behind("0-1-10", "0-2-10,3-3-3") == 0
    assert gtid.behind("", "0-1-1") == 0
    assert [str(one) for one in gtid.strays("0-1-5,0-2-9", 2, "0-1-8")] == ["0-2-9"]
    assert gtid.strays("0-1-5,0-2-8", 2, "0-1-8") == []


def test_both_servers_definitions_are_in_the_words_of_the_newer() -> None:
    old = "CREATE TABLE `t` (`a` text CHARACTER SET utf8) AUTO_INCREMENT=7 DEFAULT CHARSET=utf8 COLLATE=utf8_bin"
    new = "CREATE TABLE `t` (`a` text CHARACTER SET utf8mb3) DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_bin"
    assert schema.written(old) == schema.written(new)
    assert schema.written("CHARSET=utf8mb4") != schema.written("CHARSET=utf8")
    event = "CREATE EVENT `e` ON SCHEDULE EVERY 1 DAY ON COMPLETION NOT PRESERVE {} DO SELECT 1"
    assert len({schema.written(event.format(w)) for w in ("ENABLE", "DISABLE", "DISABLE ON SLAVE")}) == 1


def test_a_row_is_written_so_that_no_other_is_written_alike() -> None:
    columns = (Column("`a`", "varchar", False), Column("`b`", "varchar", True), Column("`c`", "int", False))
    written = row_hash(columns)
    assert "IFNULL(CONCAT(LENGTH(`a`), ':', CAST(`a` AS binary)), '-')" in written
    assert "CONCAT(LENGTH(`b`), ':', CAST(`b` AS binary))" in written
    assert "IFNULL(CAST(`c` AS char), '-')" in written
    assert all(row_hash((Column("`x`", type_, False),)) for type_ in TYPES)


def test_names_of_databases_are_no_patterns_in_the_streams_filter() -> None:
    assert stream._filter(JOB.model_copy(update={"databases": ("a_b", "c%", "d\\")})) == "a\\_b.%,c\\%.%,d\\\\.%"


@pytest.mark.parametrize(
    "wrong",
    [
        {"databases": ["mysql"]},
        {"databases": ["a", "a"]},
        {"databases": []},
        {"source": {"user": "u", "password": "p", "tls": "off"}},
        {"system": "Portal"},
        {"extra": 1},
    ],
)
def test_an_order_that_cannot_be_meant_is_refused(wrong: dict[str, Any]) -> None:
    right: dict[str, Any] = {**JOB.model_dump(), "source": SERVER.revealed(), "target": SERVER.revealed()}
    MariadbJob.model_validate(right)
    with pytest.raises(ValidationError):
        MariadbJob.model_validate({**right, **wrong})


def test_a_password_is_in_the_option_file_alone(tmp_path: Path) -> None:
    assert 'password="se\\"cr\\\\et"' in SERVER.option_file()
    assert 'se"cr' not in repr(JOB)
    assert MariadbJob.model_validate_json(JOB.as_json()) == JOB
    by_socket = SERVER.model_copy(update={"socket": tmp_path / "s", "tls": "off"})
    assert 'protocol="socket"' in by_socket.option_file()
    assert not by_socket.is_encrypted


def test_a_scheduler_that_the_cut_could_not_set_on_forbids_the_move_without_an_event_too() -> None:
    """One may be made until the cut; and nobody would be let in while the server refuses."""
    found = findings.findings(JOB, changed(SOURCE, event_scheduler="ON"), changed(TARGET, event_scheduler="DISABLED"))
    assert [(one.code, one.severity) for one in found] == [("mariadb-scheduler", Severity.BLOCKER)]
