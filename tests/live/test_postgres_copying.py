"""Indexes beside copies, tables in parts, names of every kind; kills, lies, a later turn: exact, or named."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from migration.adapters.database import PostgresMove
from migration.errors import StepFailed
from migration.model.words import ProbeState, Proof
from migration.movers import link, postgres, stream
from migration.movers.job import PostgresJob
from tests.support import local_servers as servers

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(servers.binaries() is None, reason="no PostgreSQL server here: apt-get install postgresql"),
]
Pair = tuple[servers.Server, servers.Server]


def long_name(start: str) -> str:
    """Return a name of 63 bytes, PostgreSQL's longest, with every sign that breaks a program which reads names."""
    name = start + " \"q\"\n;-- 'x' -- "
    return name + "đ" * ((63 - len(name.encode())) // 2) + "z" * ((63 - len(name.encode())) % 2)


def named(start: str) -> str:
    return '"' + long_name(start).replace('"', '""') + '"'


# What an index, a key or a constraint can be that a copier may get wrong.
KINDS = f"""
SET ROLE portal;
CREATE SCHEMA {named("sch")};
CREATE TABLE {named("sch")}.{named("tbl")} ({named("col")} integer, other integer NOT NULL, at int4range,
    CONSTRAINT {named("key")} PRIMARY KEY ({named("col")}) INCLUDE (other) WITH (fillfactor = 70),
    CONSTRAINT {named("uni")} UNIQUE (other) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT {named("exc")} EXCLUDE USING gist (at WITH &&),
    CONSTRAINT {named("ref")} FOREIGN KEY (other) REFERENCES {named("sch")}.{named("tbl")} ON DELETE CASCADE);
INSERT INTO {named("sch")}.{named("tbl")} SELECT i, i, int4range(i * 2, i * 2 + 1) FROM generate_series(1, 500) i;
CREATE INDEX {named("idx")} ON {named("sch")}.{named("tbl")} USING brin ({named("col")});
COMMENT ON INDEX {named("sch")}.{named("idx")} IS 'of an index';
COMMENT ON CONSTRAINT {named("ref")} ON {named("sch")}.{named("tbl")} IS 'of a foreign key';
COMMENT ON CONSTRAINT {named("key")} ON {named("sch")}.{named("tbl")} IS 'of a key';
CREATE TABLE clustered (id integer CONSTRAINT clustered_key PRIMARY KEY, v text);
CREATE INDEX clustered_v ON clustered USING hash (v);
ALTER TABLE clustered CLUSTER ON clustered_key;
CREATE TABLE by_index (id integer CONSTRAINT by_index_key PRIMARY KEY, code integer NOT NULL);
CREATE UNIQUE INDEX by_index_code ON by_index (code);
ALTER TABLE by_index REPLICA IDENTITY USING INDEX by_index_key;
CREATE TABLE word (id integer PRIMARY KEY, word text NOT NULL);
INSERT INTO word SELECT i, 'w' || i FROM generate_series(1, 200) i;
CREATE FUNCTION word_of(integer) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT word FROM public.word WHERE id = $1';
CREATE TABLE worded (id integer PRIMARY KEY, filler text NOT NULL);
INSERT INTO worded SELECT i, repeat(md5(i::text), 16) FROM generate_series(1, 200) i;
CREATE INDEX worded_word ON worded (word_of(id));
CREATE TABLE loose (id integer PRIMARY KEY, word integer);
INSERT INTO loose VALUES (1, 7777);
ALTER TABLE loose ADD CONSTRAINT never_checked FOREIGN KEY (word) REFERENCES word NOT VALID;
CREATE TABLE year (id integer, at date, word integer REFERENCES word, UNIQUE (id, at)) PARTITION BY RANGE (at);
CREATE TABLE year_1 PARTITION OF year FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE year_2 PARTITION OF year FOR VALUES FROM ('2027-01-01') TO ('2028-01-01');
CREATE INDEX year_word ON year (word);
ALTER TABLE year_1 ADD CONSTRAINT own FOREIGN KEY (id) REFERENCES word;
INSERT INTO year SELECT 1 + i % 200, date '2026-01-01' + i, 1 + i % 7 FROM generate_series(1, 700) i WHERE i < 300;
CREATE STATISTICS year_pairs ON id, word FROM year;
CREATE MATERIALIZED VIEW words AS SELECT word FROM word;
CREATE INDEX words_word ON words (word);
RESET ROLE;
"""
# Most bytes of the database, so that it is read in parts.
MANY = """
SET ROLE portal;
CREATE TABLE many (id integer PRIMARY KEY, a text NOT NULL, b text NOT NULL, filler text NOT NULL);
INSERT INTO many SELECT i, md5(i::text), repeat(md5((i * 7)::text), 2), repeat(md5(i::text), 30)
    FROM generate_series(1, 30000) i;
CREATE INDEX many_a ON many (md5(a));
CREATE INDEX many_b ON many USING gin (b gin_trgm_ops);
RESET ROLE;
"""
# Indexes of that table which take a second on the target: long enough to be seen.
SLOW = """
SET ROLE portal;
CREATE FUNCTION slowly(integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS
    $$ BEGIN IF inet_server_port() = {port} THEN PERFORM pg_sleep(0.002); END IF; RETURN $1; END $$;
CREATE INDEX many_c ON many (slowly(id)) WHERE id <= 500;
CREATE INDEX many_d ON many (slowly(id + 1)) WHERE id <= 500;
RESET ROLE;
"""
# An index that is built on the source at once, and on the target does something for each of its rows.
ON_TARGET = """
SET ROLE portal;
CREATE TABLE odd (id integer PRIMARY KEY);
CREATE FUNCTION oddly(integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS
    $$ BEGIN IF inet_server_port() = {port} THEN {does}; END IF; RETURN $1; END $$;
CREATE INDEX odd_index ON odd (oddly(id));
INSERT INTO odd SELECT i FROM generate_series(1, 900) i;
RESET ROLE;
"""
FAILS, SLOWLY = "RAISE EXCEPTION 'not here'", "PERFORM pg_sleep(0.1)"
AT_WORK = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'dcshift-mover-portal'"
# Asked of the target: what must be at work when the mover is killed.
MOMENTS = {
    "an index beside a copy": "SELECT EXISTS (SELECT FROM pg_stat_progress_create_index)"
    " AND EXISTS (SELECT FROM pg_stat_progress_copy)",
    "two parts of a table": "SELECT count(*) > 1 FROM pg_stat_progress_copy WHERE relid = to_regclass('many')",
    "indexes of one table": "SELECT count(*) > 1 FROM pg_stat_progress_create_index WHERE relid = to_regclass('many')",
}


@pytest.fixture
def move(new_move: PostgresMove) -> PostgresMove:
    new_move.prepare()
    return new_move


def fill(pair: Pair, sql: str) -> None:
    with pair[0].admin("portal") as admin:
        admin.execute(sql.encode())


def apart(move: PostgresMove, **more: object) -> PostgresJob:
    """Return the job with every table big enough for what is done with big ones."""
    return move._job().model_copy(update={"big_table_bytes": 0, **more})


def failed(proofs: list[Proof] | tuple[Proof, ...]) -> list[str]:
    return [difference for proof in proofs if not proof.passed for difference in (*proof.differences, proof.sentence)]


@contextlib.contextmanager
def mover(job: PostgresJob) -> Iterator[subprocess.Popen[str]]:
    argv = [sys.executable, "-m", "migration.movers.postgres", "--job", "-"]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    process.stdin.write(job.as_json())
    process.stdin.close()
    process.stdin = None
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def until(server: servers.Server, query: str, *, seconds: float, process: subprocess.Popen[str] | None = None) -> None:
    """Wait until a query is answered with true, asked as often as can be."""
    deadline = time.monotonic() + seconds
    with server.admin("portal") as admin:
        while not admin.execute(query.encode()).fetchone()[0]:
            assert time.monotonic() < deadline, query
            assert process is None or process.poll() is None, process.stdout.read()[-3000:]
            time.sleep(0.002)


def test_every_kind_of_index_and_constraint_arrives_whatever_it_is_called(pair: Pair, move: PostgresMove) -> None:
    assert len(long_name("tbl").encode()) == 63
    fill(pair, KINDS)
    fill(pair, MANY)
    facts = postgres.move(apart(move))
    assert facts["tables_in_parts"] == ["public.many"]
    assert failed(move.prove(frozen=False)) == []
    with pair[0].admin("portal") as here, pair[1].admin("portal") as there:
        for query in (
            "SELECT count(*), sum(hashtext(a)) FROM many",
            # Built before the words came, this index would find nothing.
            "SELECT count(*) FROM worded WHERE word_of(id) = 'w77'",
            "SELECT relreplident FROM pg_class WHERE relname = 'by_index'",
            "SELECT indisclustered FROM pg_index WHERE indexrelid = 'clustered_key'::regclass",
            "SELECT count(*) FROM pg_description WHERE description LIKE 'of a%'",
        ):
            there.execute("SET enable_seqscan = off")
            assert there.execute(query).fetchone() == here.execute(query).fetchone(), query
        assert there.execute("SELECT reltuples FROM pg_class WHERE relname = 'many'").fetchone() == (30000,)
    # Small tables together, in the way that is usual for them.
    move.unreplicate()
    assert postgres.move(move._job())["tables_in_parts"] == []
    assert failed(move.prove(frozen=False)) == []


def test_a_mover_killed_at_work_leaves_nobody_behind_and_the_next_one_ends_exact(
    pair: Pair, move: PostgresMove, tmp_path: Path
) -> None:
    fill(pair, MANY)
    limit = tmp_path / "limit"
    limit.write_text("12000000")
    for name, moment in MOMENTS.items():
        if name == "indexes of one table":
            fill(pair, SLOW.format(port=pair[1].port))
        with mover(apart(move, limit_file=limit)) as process:
            until(pair[1], moment, seconds=240, process=process)
            process.send_signal(signal.SIGKILL)
            process.wait()
        assert move.replicated().state is ProbeState.NOT_DONE
    fill(pair, "DROP FUNCTION slowly(integer) CASCADE")
    facts = postgres.move(apart(move))
    assert facts["tables_in_parts"] == ["public.many"]
    assert failed(move.prove(frozen=False)) == []


def test_an_index_that_cannot_be_built_is_named_and_ends_the_copy(pair: Pair, move: PostgresMove) -> None:
    fill(pair, ON_TARGET.format(port=pair[1].port, does=FAILS))
    for job in (apart(move), move._job()):
        with pytest.raises(StepFailed) as told:
            postgres.move(job)
        assert "odd_index" in told.value.why
        assert "not here" in told.value.why
        assert move.replicated().state is ProbeState.NOT_DONE
    with pair[1].admin("portal") as there:
        assert there.execute("SELECT count(*) FROM pg_subscription").fetchone() == (0,)
        until(pair[1], AT_WORK.replace("count(*)", "count(*) = 0"), seconds=120)


def test_an_index_of_a_minute_and_a_half_ends_with_its_mover_and_with_its_turn(pair: Pair, move: PostgresMove) -> None:
    fill(pair, ON_TARGET.format(port=pair[1].port, does=SLOWLY))
    building = "SELECT EXISTS (SELECT FROM pg_stat_progress_create_index WHERE relid = to_regclass('odd'))"
    nobody = AT_WORK.replace("count(*)", "count(*) = 0")
    with mover(apart(move)) as process:
        until(pair[1], building, seconds=240, process=process)
        process.kill()
        process.wait()
        # Nobody tells a server that builds an index: it has to ask.
        until(pair[1], nobody, seconds=60)
    with mover(move._job()) as process:
        until(pair[1], building, seconds=240, process=process)
        with pair[0].admin("portal") as source:
            source.execute("SELECT dcshift.take_turn(5)")
        said = process.communicate(timeout=60)[0].splitlines()[-1]
        assert process.returncode == 1
    assert "mover-turn-over" in said
    until(pair[1], nobody, seconds=60)
    assert move.replicated().state is ProbeState.NOT_DONE


def test_an_index_that_became_invalid_on_a_target_that_follows_is_built_anew(pair: Pair, move: PostgresMove) -> None:
    postgres.move(move._job())
    with pair[1].admin("portal") as there:
        there.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'dossier_open'::regclass")
        assert failed(move.prove(frozen=False)) != []
        facts = postgres.move(move._job())
        assert facts["rebuilt_indexes"] == ['"public"."dossier_open"']
    assert failed(move.prove(frozen=False)) == []


def test_a_subscription_that_misses_a_table_is_not_enabled_and_the_next_copy_has_it(
    pair: Pair, move: PostgresMove
) -> None:
    job = move._job()
    postgres.move(job)
    here, there = pair[0].admin("portal"), pair[1].admin("portal")
    with (
        here,
        there,
        link.session(job.source, program="test") as source,
        link.session(job.target, program="test") as target,
    ):

        def refused() -> str:
            there.execute("ALTER SUBSCRIPTION dcshift_portal DISABLE")
            with pytest.raises(StepFailed) as told:
                stream.enable(job.name, job.publication, source, target)
            assert told.value.code == "subscription-misses-tables"
            # Enabled, it would discard what the source wrote into that table, and nobody would say so.
            assert there.execute("SELECT subenabled FROM pg_subscription").fetchone() == (False,)
            return told.value.why

        here.execute("CREATE TABLE late (id integer PRIMARY KEY)")
        here.execute("ALTER TABLE late OWNER TO portal")
        here.execute("ALTER PUBLICATION dcshift ADD TABLE late")
        here.execute("INSERT INTO late VALUES (1)")
        assert refused() == "they differ in: public.late"
        here.execute("ALTER PUBLICATION dcshift DROP TABLE late")
        there.execute("UPDATE pg_subscription_rel SET srsubstate = 'i' WHERE srrelid = 'dossier'::regclass")
        assert refused() == "they differ in: public.dossier"
    postgres.move(job)
    assert failed(move.prove(frozen=False)) == []
    with pair[1].admin("portal") as target:
        assert target.execute("SELECT id FROM late").fetchall() == [(1,)]
