"""Logins, rights, encodings, transactions that forbid a copy: it ends with its reason, and the source is as before."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from migration.errors import BlockedError, StepFailed
from migration.model.words import ProbeState
from migration.movers import identity, letting_go, link, postgres
from tests.support import local_servers as servers
from tests.support.refused import AT_WORK, FEW, SLOW, Case, Pair, begun, meanwhile, until

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(servers.binaries() is None, reason="no PostgreSQL server here: apt-get install postgresql"),
]
ROLES = ("dcshift_portal", "dcshift_migration")
NO_LOGIN = {
    "PASSWORD 'quite another'": "password authentication failed",
    "VALID UNTIL '2020-01-01'": "password authentication failed",
    "NOLOGIN": "is not permitted to log in",
}
RIGHTS = {
    "NOREPLICATION": ("ALTER ROLE dcshift_portal NOREPLICATION", "ALTER ROLE dcshift_portal REPLICATION"),
    "no member": ("REVOKE portal FROM dcshift_portal", "GRANT portal TO dcshift_portal"),
    "no large objects": (
        "REVOKE SELECT ON pg_catalog.pg_largeobject FROM dcshift_portal",
        "GRANT SELECT ON pg_catalog.pg_largeobject TO dcshift_portal",
    ),
    "no schema": (
        "REVOKE USAGE ON SCHEMA dcshift FROM dcshift_portal",
        "GRANT USAGE ON SCHEMA dcshift TO dcshift_portal",
    ),
}
# What is built on the source at once, and not on the target.
NOT_THERE = """
CREATE FUNCTION oddly(integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS
    $$ BEGIN IF inet_server_port() = {port} THEN RAISE EXCEPTION 'not here'; END IF; RETURN $1; END $$;
ALTER FUNCTION oddly OWNER TO portal;
CREATE INDEX odd_index ON dossier (oddly(id));
"""
SLOTS = "SELECT count(*) FROM pg_replication_slots"


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with tempfile.TemporaryDirectory(prefix="dcshift-test-", ignore_cleanup_errors=True) as folder:
        both = servers.pair(Path(folder))
        try:
            restarted(both[0], max_prepared_transactions="5")
            yield both
        finally:
            for server in both:
                server.stop()


def restarted(server: servers.Server, **settings: str) -> None:
    with server.admin() as admin:
        for name, value in settings.items():
            admin.execute(f"ALTER SYSTEM SET {name} = '{value}'".encode())
    server.stop()
    server.start()


@pytest.fixture
def case(pair: Pair, tmp_path: Path) -> Iterator[Case]:
    with begun(pair, tmp_path) as made:
        yield made


def let_in_again(case: Case, side: int) -> None:
    kept = case.job().source if side == 0 else case.job().target
    password = kept.password.get_secret_value().replace("'", "''")
    case.as_admin(side, f"ALTER ROLE {ROLES[side]} LOGIN VALID UNTIL 'infinity' PASSWORD '{password}'")


@pytest.mark.parametrize("side", [0, 1], ids=["source", "target"])
def test_a_login_that_is_refused_is_told_before_and_by_the_mover_and_by_the_step(case: Case, side: int) -> None:
    for change, says in NO_LOGIN.items():
        case.as_admin(side, f"ALTER ROLE {ROLES[side]} {change}")
        try:
            found = case.blockers()
            error = case.ends()
            with pytest.raises(StepFailed) as told:
                case.move.replicate(lambda _: None)
        finally:
            let_in_again(case, side)
        assert says in found["database-not-read"]
        assert error["code"] == "database-failed"
        assert says in error["why"]
        assert told.value.code == "database-not-reached"
        assert says in told.value.why
        assert ("source" if side == 0 else "target") in told.value.what
        case.assert_source_as_prepared()
    case.assert_exact()


@pytest.mark.parametrize("side", [0, 1], ids=["source", "target"])
def test_a_login_that_is_taken_away_in_the_middle_ends_the_copy_and_burdens_nobody(case: Case, side: int) -> None:
    change = ("PASSWORD 'quite another'", "NOLOGIN")[side]
    case.limit.write_text(SLOW)

    def take_away(_: object) -> None:
        case.as_admin(side, f"ALTER ROLE {ROLES[side]} {change}")
        case.limit.write_text("")

    with meanwhile(case.pair[1], AT_WORK, take_away):
        error = case.ends()
    # Sessions that are there go on; the next program is refused.
    assert error["code"] == "mover-program-failed"
    assert NO_LOGIN[change] in error["why"]
    assert "nothing of the copy is left at the source" in error["state"]
    let_in_again(case, side)
    case.assert_source_as_prepared()
    case.assert_exact()


def test_a_feed_that_may_not_log_in_is_told_without_its_password(case: Case) -> None:
    job = case.job()
    error = case.ends(feed=job.feed.model_copy(update={"password": SecretStr("an 'odd' word")}))
    assert error["code"] == "subscription-refused"
    assert "password authentication failed" in error["why"]
    case.assert_source_as_prepared()
    case.assert_exact()


def test_rights_that_the_source_took_back_are_named_with_the_words_that_give_them(case: Case) -> None:
    for taken, given in RIGHTS.values():
        case.as_admin(0, taken)
        try:
            found = case.move.check()
            with pytest.raises(BlockedError, match="cannot be copied as it is"):
                case.move.replicate(lambda _: None)
        finally:
            case.as_admin(0, given)
        words = given.replace("dcshift_portal", '"dcshift_portal"').replace(" portal ", ' "portal" ')
        told_of = [(each.code, each.next) for each in found if each.code.startswith("source-")]
        assert told_of == [("source-rights", f"psql as postgres: {words}")]
    for name, code, says in (
        ("NOREPLICATION", "database-failed", "replication"),
        ("no member", "database-failed", "must be owner of"),
        ("no schema", "database-failed", "permission denied for schema dcshift"),
    ):
        case.as_admin(0, RIGHTS[name][0])
        error = case.ends()
        case.as_admin(0, RIGHTS[name][1])
        assert (error["code"], says in error["why"]) == (code, True), error
        # What a role without rights could not take away, it takes away or uses when it begins again.
        with case.pair[0].admin() as admin:
            assert admin.execute(SLOTS).fetchone() == (0,)
    case.assert_exact()


def test_a_source_that_keeps_no_log_for_changes_is_refused(pair: Pair, tmp_path: Path) -> None:
    restarted(pair[0], wal_level="replica")
    try:
        with begun(pair, tmp_path) as case:
            assert "wal_level is replica" in case.blockers()["source-wal-level"]
            error = case.ends()
            assert (error["code"], "wal_level" in error["why"]) == ("slot-not-created", True)
            case.assert_source_as_prepared()
    finally:
        restarted(pair[0], wal_level="logical")


LATIN1 = "ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'"
ANY_BYTES = "ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'"
WITH_A_BAD_BYTE = FEW + "INSERT INTO dossier (name) VALUES (E'caf\\351');"


@pytest.mark.parametrize(
    ("source", "target", "codes", "says"),
    [
        (ANY_BYTES, "", {"source-encoding", "target-encoding"}, 'invalid byte sequence for encoding "UTF8"'),
        ("", LATIN1, {"target-encoding"}, 'no equivalent in encoding "LATIN1"'),
    ],
    ids=["any bytes", "too few signs"],
)
def test_text_that_does_not_fit_is_refused_before_and_never_bent(
    source: str, target: str, codes: set[str], says: str, *, pair: Pair, tmp_path: Path
) -> None:
    with begun(pair, tmp_path, source=source, target=target, sample=WITH_A_BAD_BYTE if source else FEW) as case:
        assert codes <= case.blockers().keys()
        error = case.ends()
        assert (error["code"], says in error["why"]) == ("mover-program-failed", True), error
        assert case.move.replicated().state is ProbeState.NOT_DONE
        case.assert_source_as_prepared()


def test_a_transaction_that_stays_open_is_waited_for_so_long_and_no_slot_is_left(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "_SLOT_SECONDS_MAX", 1.0)
    with case.pair[0].admin("portal") as other, other.transaction():
        other.execute("INSERT INTO dossier (name) VALUES ('lâu')")
        error = case.ends()
        assert (error["code"], "open at its beginning" in error["why"]) == ("slot-not-created", True)
        case.assert_source_as_prepared()
        argv = [sys.executable, "-m", "migration.movers.postgres", "--job", str(case.folder / "job.json")]
        with subprocess.Popen(argv, stdout=subprocess.DEVNULL) as waiting:
            until(case.pair[0], SLOTS, 1)
            waiting.terminate()
            assert waiting.wait(120) == 128 + signal.SIGTERM
        case.assert_source_as_prepared()
    with case.pair[0].admin("portal") as other:
        other.execute("BEGIN")
        other.execute("INSERT INTO dossier (name) VALUES ('hai pha')")
        other.execute("PREPARE TRANSACTION 'held'")
    try:
        assert "1 prepared transactions are open" in case.blockers()["source-prepared-transactions"]
        assert case.ends()["code"] == "slot-not-created"
    finally:
        case.as_admin(0, "COMMIT PREPARED 'held'")
    case.assert_source_as_prepared()
    case.assert_exact()


def test_a_table_that_is_never_free_is_named_and_not_waited_for_twice(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identity, "_ATTEMPTS", 2)
    with case.pair[0].admin("portal") as other, other.transaction():
        other.execute("LOCK TABLE access_log IN ACCESS SHARE MODE")
        error = case.ends()
        assert (error["code"], "access_log" in error["what"]) == ("table-never-free", True)
        assert "nothing of the copy is left at the source" in error["state"]
        case.assert_source_as_prepared()


def test_a_target_that_does_not_come_close_is_given_up_and_goes_on_by_itself(case: Case) -> None:
    case.assert_exact()
    with case.pair[1].admin("portal") as other, other.transaction():
        other.execute("LOCK TABLE dossier IN ACCESS EXCLUSIVE MODE")
        case.as_admin(0, "INSERT INTO dossier (name) VALUES ('chậm')")
        error = case.ends(catch_up_seconds_max=1.0, lag_bytes_max=0)
    assert (error["code"], "within 1 s" in error["why"]) == ("catch-up-too-slow", True)
    assert error["state"] == "the source serves; the stream goes on"
    assert case.move.replicated().state is ProbeState.DONE
    case.assert_exact()


def test_a_copy_that_fails_or_is_told_to_end_takes_away_what_it_put_at_the_source(case: Case) -> None:
    case.as_admin(0, NOT_THERE.format(port=case.pair[1].port))
    case.note()
    error = case.ends()
    assert "not here" in error["why"]
    assert "nothing of the copy is left at the source" in error["state"]
    case.assert_source_as_prepared()
    case.as_admin(0, "DROP FUNCTION oddly CASCADE")
    case.note()
    case.limit.write_text(SLOW)
    argv = [sys.executable, "-m", "migration.movers.postgres", "--job", str(case.folder / "job.json")]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL) as told:
        until(case.pair[1], AT_WORK, True)
        told.terminate()
        assert told.wait(120) == 128 + signal.SIGTERM
    case.assert_source_as_prepared()
    case.assert_exact()


def test_what_a_later_turn_put_at_the_source_is_not_taken_away(case: Case) -> None:
    stale = case.job()
    case.turn[0] = 7
    case.assert_exact()
    case.note()
    with link.session(stale.source, program=stale.program) as source:
        said = letting_go.after_failure(stale, source)
    assert "could not be taken away (turn 1 is over: turn 7 has begun" in said
    case.assert_source_as_prepared()
    assert case.move.replicated().state is ProbeState.DONE
