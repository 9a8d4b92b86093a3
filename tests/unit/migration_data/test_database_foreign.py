"""What ties a database to other servers or sessions, planted on two real ones: each is named with what to do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from migration.model.words import Severity
from tests.support import two_databases
from tests.support.findings import found, planted
from tests.support.two_databases import Pair, Sides

BLOCKER, WARNING = Severity.BLOCKER, Severity.WARNING
WRAPPER = "CREATE FOREIGN DATA WRAPPER w; GRANT USAGE ON FOREIGN DATA WRAPPER w TO portal"
UNWRAPPED = "DROP FOREIGN DATA WRAPPER w CASCADE"
FAR = f"{WRAPPER}; SET ROLE portal; CREATE SERVER far FOREIGN DATA WRAPPER w; RESET ROLE"
SUBSCRIBED = """
CREATE SUBSCRIPTION theirs CONNECTION 'host=127.0.0.1 port=1 dbname=x' PUBLICATION p
    WITH (connect = false, slot_name = NONE)
"""
UNSUBSCRIBED = "ALTER SUBSCRIPTION theirs DISABLE; DROP SUBSCRIPTION theirs"
PLANTS = {
    "foreign-servers": (FAR, UNWRAPPED, BLOCKER, "w of far"),
    "foreign-tables": (f"{FAR}; CREATE FOREIGN TABLE away (a int) SERVER far", UNWRAPPED, WARNING, "as definitions"),
    "user-mappings": (
        f"{FAR}; CREATE USER MAPPING FOR reader SERVER far OPTIONS (password 'hunter2')",
        UNWRAPPED,
        WARNING,
        "reader at far",
    ),
    "publications": ("CREATE PUBLICATION theirs FOR TABLE t", "DROP PUBLICATION theirs", WARNING, "theirs"),
    "subscriptions": (SUBSCRIBED, UNSUBSCRIBED, WARNING, "theirs is not carried"),
    "large-object-comments": ("COMMENT ON LARGE OBJECT 4711 IS 'x'", "COMMENT ON LARGE OBJECT 4711 IS NULL", WARNING,
        "large object 4711"),
    "extension-rights": ("CREATE EXTENSION pageinspect", "DROP EXTENSION pageinspect", BLOCKER, "pageinspect"),
}  # fmt: skip


@pytest.fixture(scope="module")
def sides(pair: Pair) -> Iterator[Sides]:
    plain = "SET ROLE portal; CREATE TABLE t (id integer PRIMARY KEY); SELECT lo_create(4711)"
    with two_databases.made(pair, plain) as both:
        yield both


@pytest.mark.parametrize("code", PLANTS)
def test_what_ties_it_to_others_is_named(code: str, sides: Sides) -> None:
    made, mended, severity, said = PLANTS[code]
    assert code not in found(sides)
    with planted(sides, made, mended):
        seen = found(sides)[code]
    assert (seen.severity, said in seen.what, bool(seen.next)) == (severity, True, True)
    assert "hunter2" not in seen.what + seen.next


def test_a_wrapper_that_the_owner_may_use_there_and_an_extension_that_is_there_forbid_nothing(sides: Sides) -> None:
    with planted(sides, FAR, UNWRAPPED), planted(sides, WRAPPER, UNWRAPPED, side=1):
        assert "foreign-servers" not in found(sides)
    made, mended, *_ = PLANTS["extension-rights"]
    with planted(sides, made, mended), planted(sides, made, mended, side=1):
        assert "extension-rights" not in found(sides)


def test_a_subscription_at_work_forbids_a_move(sides: Sides) -> None:
    # Enabled in the catalogue alone: a worker of it would only fail.
    enabled = "UPDATE pg_subscription SET subenabled = true, subslotname = 'x' WHERE subname = 'theirs'"
    disabled = "UPDATE pg_subscription SET subenabled = false, subslotname = NULL WHERE subname = 'theirs'"
    with planted(sides, f"{SUBSCRIBED}; {enabled}", f"{disabled}; DROP SUBSCRIPTION theirs"):
        seen = found(sides)["subscriptions"]
    assert (seen.severity, "also while it is frozen" in seen.what) == (BLOCKER, True)


def test_the_log_that_a_slot_keeps_is_told_with_its_bound(sides: Sides) -> None:
    assert "nothing bounds the log" in found(sides, passed_over=frozenset())["source-keeps-log"].what
    with sides.pair[0].admin() as admin:
        for value, said in (("'5GB'", "more than 5,120 MB of log behind"), ("-1", "nothing bounds the log")):
            admin.execute(f"ALTER SYSTEM SET max_slot_wal_keep_size = {value}".encode())
            admin.execute("SELECT pg_reload_conf()")
            with sides.pair[0].admin("portal") as source:
                seen = found(Sides(sides.pair, source, sides.target), passed_over=frozenset())["source-keeps-log"]
            assert (seen.severity, said in seen.what) == (WARNING, True)
        admin.execute("ALTER SYSTEM RESET max_slot_wal_keep_size")


KEPT = {
    "an advisory lock": ("SELECT pg_advisory_lock(7)", "advisory lock of worker"),
    "a channel": ("LISTEN events", "LISTEN of worker"),
    "a prepared statement": ("PREPARE q AS SELECT 1", "prepared statement of worker"),
    "a setting": ("SET work_mem = '8MB'", "SET of worker"),
    "nothing": ("SELECT pg_advisory_xact_lock(7)", None),
}


@pytest.mark.parametrize("kind", KEPT)
def test_what_an_idle_session_keeps_is_named_where_a_pool_shares_them(kind: str, sides: Sides) -> None:
    statement, said = KEPT[kind]
    pool = {"pooler": "portal-db-pooler"}
    with sides.pair[0].admin("portal", "portal") as worker:
        worker.execute("SET application_name = 'worker'")
        worker.execute(statement.encode())
        shared, alone = found(sides, contract=pool), found(sides)
    assert "session-state" not in alone
    assert ("session-state" in shared) is (said is not None)
    if said is not None:
        assert (shared["session-state"].severity, said in shared["session-state"].what) == (WARNING, True)
