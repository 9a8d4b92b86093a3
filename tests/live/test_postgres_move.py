"""Two real PostgreSQL servers, a steady writer, planted differences, kills: the copy is exact or says where not."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from migration.adapters.clock import SystemClock
from migration.adapters.database import PostgresMove
from migration.adapters.postgres import moment
from migration.errors import StepFailed
from migration.model.words import ProbeState, Severity
from migration.movers import link
from migration.movers.job import PostgresJob
from tests.support import catalogues
from tests.support import local_servers as servers
from tests.support.moving import database_move, failed
from tests.support.writer import Writer

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(servers.binaries() is None, reason="no PostgreSQL server here: apt-get install postgresql"),
]
Pair = tuple[servers.Server, servers.Server]


@pytest.fixture
def move(new_move: PostgresMove) -> PostgresMove:
    return new_move


@pytest.fixture(scope="module")
def handed_over(pair: Pair, tmp_path_factory: pytest.TempPathFactory) -> PostgresMove:
    """A portal that was handed over, clean; tests plant a difference and take it away again."""
    servers.new_databases(*pair, "portal", servers.SAMPLE)
    made = database_move(*pair, tmp_path_factory.mktemp("work"))
    made.prepare()
    made.replicate(lambda _: None)
    made.fence()
    made.hand_over()
    assert failed(made.prove(frozen=True)) == []
    return made


def test_a_move_under_writes_is_exact_there_and_back_and_there_again(pair: Pair, move: PostgresMove) -> None:
    source, target = pair
    with Writer(source) as writer:
        assert move.prepared().state is ProbeState.NOT_DONE
        move.prepare()
        assert move.prepared().state is ProbeState.DONE
        assert [f for f in move.check() if f.severity is Severity.BLOCKER] == []
        facts = move.replicate(lambda _: None)
        assert facts["keyless_tables"] == ["public.access_log", "public.no_columns", "public.unique_only"]
        for _ in range(20):  # none of them may cry wolf
            assert failed(move.prove(frozen=False)) == []
        with moment(*move._at.access.places(), SystemClock(), frozen=False):
            writer.must_come_back()  # what is compared was seen at one moment, and whoever writes waits for no more
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction), target.admin("portal", "portal") as application:
            application.execute("INSERT INTO dossier (name) VALUES ('too early')")
        before_fence = len(writer.acknowledged)
        move.fence()
        assert move.fenced().state is ProbeState.DONE
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            source.admin("portal", "portal")
        move.hand_over()
        assert failed(move.prove(frozen=True)) == []
        move.take_back()
        move.unfence()
        assert (move.fenced().state, move.handed_over().state) == (ProbeState.NOT_DONE, ProbeState.NOT_DONE)
        writer.must_come_back()
        assert failed(move.prove(frozen=False)) == []
        move.fence()
        move.hand_over()
        move.hand_over()
    assert failed(move.prove(frozen=True)) == []
    assert before_fence > 100
    with target.admin("portal", "portal") as application:
        known = {number for (number,) in application.execute("SELECT id FROM dossier").fetchall()}
        assert set(writer.acknowledged) <= known
        (fresh,) = application.execute("INSERT INTO dossier (name) VALUES ('đầu tiên') RETURNING id").fetchone()
        assert fresh not in known
    move.retire_stream()
    assert move.stream_retired().state is ProbeState.DONE
    with source.admin("portal") as admin:
        assert admin.execute("SELECT count(*) FROM pg_replication_slots").fetchone() == (0,)
        assert admin.execute("SELECT relreplident FROM pg_class WHERE relname = 'access_log'").fetchone() == ("d",)


PLANTED = {
    "a changed value": (
        "UPDATE dossier SET fee = fee + 1 WHERE id = 7",
        "UPDATE dossier SET fee = fee - 1 WHERE id = 7",
        "public.dossier: row with key hash",
        " differs in fee",
    ),
    "a numeric scale": ("UPDATE month SET v = 1.00 WHERE v = 1", "UPDATE month SET v = 1 WHERE v = 1", "differs in v"),
    "a jsonb number form": (
        """UPDATE dossier SET form = jsonb_set(form, '{n}', '9.0') WHERE id = 9""",
        """UPDATE dossier SET form = jsonb_set(form, '{n}', '9') WHERE id = 9""",
        "differs in form",
    ),
    "an interval's form": (
        "UPDATE dossier SET stay = '1 day' WHERE id = 24",
        "UPDATE dossier SET stay = '24 hours' WHERE id = 24",
        "differs in stay",
    ),
    "null for a value": (
        'UPDATE "Đất đai".thua SET ve = NULL',
        "UPDATE \"Đất đai\".thua SET ve = 'dossier'",
        'table "Đất đai".thua: row',
        "differs in ve",
    ),
    "a row twice, without a key": (
        "INSERT INTO access_log SELECT * FROM access_log LIMIT 1",
        "DELETE FROM access_log WHERE ctid = (SELECT max(ctid) FROM access_log)",
        "access_log: 500 rows at the source, 501 on the target",
    ),
    "a sequence behind": (
        "SELECT setval('dossier_id_seq', 5)",
        "SELECT setval('dossier_id_seq', 20000)",
        "sequence public.dossier_id_seq: source is at 20000",
    ),
    "a sequence that was never drawn": (
        "SELECT setval('never_called', 1, true)",
        "SELECT setval('never_called', 1, false)",
        "never_called: source is at 1 (not yet drawn), target at 1 (drawn)",
    ),
    "a byte of a large object": (
        "SELECT lo_put(100005, 3, 'z')",
        "SELECT lo_put(100005, 3, substr(decode(md5('5'), 'hex'), 4, 1))",
        "large object 100005",
    ),
    "a large object's right": (
        "REVOKE SELECT ON LARGE OBJECT 100001 FROM reader",
        "GRANT SELECT ON LARGE OBJECT 100001 TO reader",
        "large object 100001",
    ),
    "a missing right": (
        "REVOKE SELECT ON dossier FROM reader",
        "GRANT SELECT ON dossier TO reader",
        "rights on relation public.dossier: missing on the target (reader may SELECT)",
    ),
    "a missing right on a column": (
        "REVOKE UPDATE (note) ON event FROM reader",
        "GRANT UPDATE (note) ON event TO reader",
        "rights on column public.event.note",
    ),
    "another owner": (
        "ALTER VIEW open_dossiers OWNER TO reader",
        "ALTER VIEW open_dossiers OWNER TO portal",
        "owner of public.open_dossiers: source has owned by the owner, target owned by reader",
    ),
    "an invalid index": (
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'dossier_open'::regclass",
        "UPDATE pg_index SET indisvalid = true WHERE indexrelid = 'dossier_open'::regclass",
        "index public.dossier_open",
    ),
    "a trigger that woke up": (
        "ALTER TABLE counted ENABLE TRIGGER asleep",
        "ALTER TABLE counted DISABLE TRIGGER asleep",
        "trigger public.counted.asleep",
    ),
    "a default that is gone": (
        "ALTER TABLE counted ALTER n DROP DEFAULT",
        "ALTER TABLE counted ALTER n SET DEFAULT 0",
        "column public.counted.n",
    ),
    "a setting that is gone": (
        "ALTER ROLE portal IN DATABASE portal RESET statement_timeout",
        "ALTER ROLE portal IN DATABASE portal SET statement_timeout = '40s'",
        "setting statement_timeout: missing on the target (40s)",
    ),
    "a view that was emptied": (
        "REFRESH MATERIALIZED VIEW statistics WITH NO DATA",
        "REFRESH MATERIALIZED VIEW statistics",
        "view public.statistics: not populated on the target",
    ),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_difference_is_found_and_named(name: str, pair: Pair, handed_over: PostgresMove) -> None:
    plant, mend, *expected = PLANTED[name]
    with pair[1].admin("portal") as admin:
        admin.execute(plant)
        try:
            said = "\n".join(failed(handed_over.prove(frozen=True)))
        finally:
            admin.execute(mend)
    for part in expected:
        assert part in said
    assert failed(handed_over.prove(frozen=True)) == []


def test_lost_rows_are_named_by_the_hash_of_their_key_and_never_by_value(pair: Pair, handed_over: PostgresMove) -> None:
    with pair[1].admin("portal") as admin:
        admin.execute("CREATE TABLE pg_temp.kept AS SELECT * FROM month WHERE id IN (59, 118)")
        admin.execute("DELETE FROM month WHERE id IN (59, 118)")
        said = failed(handed_over.prove(frozen=True))
        admin.execute("INSERT INTO month SELECT * FROM pg_temp.kept")
    assert sum("public.month_1: row with key hash" in line and "missing on the target" in line for line in said) == 2
    assert "2026" not in "\n".join(said)


def test_a_comparison_that_cannot_run_is_a_failure(pair: Pair, handed_over: PostgresMove) -> None:
    with pair[1].admin("portal") as admin:
        admin.execute("ALTER ROLE dcshift_migration NOLOGIN")
        try:
            proofs = handed_over.prove(frozen=True)
        finally:
            admin.execute("ALTER ROLE dcshift_migration LOGIN")
    assert len(proofs) == 7
    assert not any(proof.passed for proof in proofs)


def test_a_target_that_was_handed_over_is_never_emptied(handed_over: PostgresMove) -> None:
    with pytest.raises(StepFailed, match="was not removed"):
        handed_over.unreplicate()
    with pytest.raises(StepFailed, match="is not copied again") as refused:
        handed_over.replicate(lambda _: None)
    assert refused.value.code == "target-handed-over"
    assert failed(handed_over.prove(frozen=True)) == []


def test_a_target_with_tables_of_others_is_refused(pair: Pair, move: PostgresMove) -> None:
    with pair[1].admin("portal", "portal") as owner:
        owner.execute("CREATE TABLE theirs (id integer)")
    move.prepare()
    assert "target-not-empty" in [f.code for f in move.check() if f.severity is Severity.BLOCKER]
    with pytest.raises(StepFailed) as refused:
        move.replicate(lambda _: None)
    assert refused.value.code == "target-not-empty"
    move.unreplicate()
    with pair[1].admin("portal", "portal") as owner:
        assert owner.execute("SELECT count(*) FROM theirs").fetchone() == (0,)


def world(pair: Pair) -> list[catalogues.Catalogue]:
    """Everything of both sides that an undo must bring back."""
    return [catalogues.of(server, "portal") for server in pair]


def test_the_way_back_leaves_both_sides_as_they_were(pair: Pair, move: PostgresMove) -> None:
    before = world(pair)
    move.prepare()
    move.replicate(lambda _: None)
    move.fence()
    move.hand_over()
    for undo in (move.take_back, move.unfence, move.unreplicate, move.unprepare):
        undo()
        undo()
    assert world(pair) == before


def test_a_hand_over_that_died_halfway_is_finished_or_taken_back(pair: Pair, move: PostgresMove) -> None:
    move.prepare()
    move.replicate(lambda _: None)
    for finish in (move.take_back, move.hand_over):
        move.fence()
        with pair[1].admin("portal") as admin:  # the stream was stopped, and nothing after it was done
            admin.execute("ALTER SUBSCRIPTION dcshift_portal DISABLE")
        finish()
        if finish == move.take_back:
            move.unfence()
            with pair[0].admin("portal", "portal") as application:
                application.execute("UPDATE dossier SET fee = 0 WHERE id = 1")
            assert failed(move.prove(frozen=False)) == []
    assert failed(move.prove(frozen=True)) == []


def test_a_freeze_is_not_begun_while_nothing_applies_the_changes(pair: Pair, move: PostgresMove) -> None:
    move.prepare()
    move.replicate(lambda _: None)
    assert [f for f in move.check() if f.severity is Severity.BLOCKER] == []
    with pair[1].admin("portal") as admin:
        admin.execute("ALTER SUBSCRIPTION dcshift_portal DISABLE")
    time.sleep(1)
    assert [f.code for f in move.check() if f.severity is Severity.BLOCKER] == ["stream-stopped"]


def test_an_orchestrator_whose_turn_is_over_changes_nothing(pair: Pair, move: PostgresMove, tmp_path: Path) -> None:
    move.prepare()
    late = database_move(*pair, tmp_path / "late", lambda: 0)
    late._access.cluster = move._access.cluster
    with pytest.raises(psycopg.Error, match="turn 0 is over"):
        late.fence()
    assert move.fenced().state is ProbeState.NOT_DONE


@pytest.mark.parametrize("round", range(2))
def test_a_mover_killed_at_any_moment_begins_again_and_ends_exact(round: int, pair: Pair, move: PostgresMove) -> None:
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    chance = random.Random(seed)
    move.prepare()
    job = move._job().as_json()
    argv = [sys.executable, "-m", "migration.movers.postgres", "--job", "-"]
    with Writer(pair[0]):
        for _ in range(4):
            mover = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            assert mover.stdin is not None
            mover.stdin.write(job)
            mover.stdin.close()
            time.sleep(chance.uniform(0.6, 4.0))
            mover.send_signal(signal.SIGKILL)
            mover.wait()
        move.replicate(lambda _: None)
        assert failed(move.prove(frozen=False)) == []
        move.fence()
    move.hand_over()
    assert failed(move.prove(frozen=True)) == []


def test_the_mover_says_how_far_it_is_and_no_secret(move: PostgresMove) -> None:
    move.prepare()
    job = move._job()
    argv = [sys.executable, "-m", "migration.movers.postgres", "--job", "-"]
    ended = subprocess.run(argv, input=job.as_json(), text=True, capture_output=True, check=True, timeout=120)
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    assert "result" in lines[-1]
    assert {"rows", "catching up"} <= {line["progress"]["what"] for line in lines if "progress" in line}
    for secret in (servers.PASSWORD, job.source.password.get_secret_value()):
        assert secret not in ended.stdout + ended.stderr


def test_a_broken_job_is_refused_without_repeating_a_password() -> None:
    job = {"system": "portal", "source": {"password": "hunter2", "unknown": "hunter2"}}
    argv = [sys.executable, "-m", "migration.movers.postgres", "--job", "-"]
    ended = subprocess.run(argv, input=json.dumps(job), text=True, capture_output=True, check=False)
    assert ended.returncode == 2
    assert "hunter2" not in ended.stdout + ended.stderr
    assert PostgresJob.__name__ not in ended.stderr


def test_a_program_finds_its_password_by_a_private_file_alone(move: PostgresMove, tmp_path: Path) -> None:
    move.prepare()
    endpoint: link.Endpoint = move._access.source()
    environment = endpoint.environment(tmp_path / "pass")
    assert endpoint.password.get_secret_value() not in "".join(environment.values())
    assert "PGPASSWORD" not in environment
