"""A server of two databases moves by its files from Debian's PostgreSQL to 18, under writers, killed and rerun."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, redirect_stdout
from pathlib import Path

import psutil
import psycopg
import pytest

from lab.loopback import free_ports
from lab.postgres_server import binaries
from migration.adapters import physical_proof
from migration.adapters.physical_proof import prove
from migration.errors import BlockedError, StepFailed
from migration.movers import claim, physical, physical_source, stream
from migration.movers.physical_job import PhysicalJob
from tests.support import physical as support
from tests.support.physical import DATABASES, Source, Writer, run

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(binaries() is None, reason="no PostgreSQL server here: apt-get install postgresql"),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: the servers run as postgres"),
]
KILLED = ("base backup", "recovery to the cut", "pg_upgrade --link")
# A sort order of its own, changed after its index was built: what another C library does to an index of text.
OTHER_ORDER = """
CREATE FUNCTION by_rule(a text, b text) RETURNS integer LANGUAGE sql IMMUTABLE AS
    $$ SELECT CASE WHEN a COLLATE "C" < b COLLATE "C" THEN -1 WHEN a COLLATE "C" > b COLLATE "C" THEN 1 ELSE 0 END $$;
CREATE FUNCTION lt(a text, b text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT public.by_rule(a, b) < 0 $$;
CREATE FUNCTION gt(a text, b text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT public.by_rule(a, b) > 0 $$;
CREATE OPERATOR <~ (LEFTARG = text, RIGHTARG = text, FUNCTION = lt);
CREATE OPERATOR >~ (LEFTARG = text, RIGHTARG = text, FUNCTION = gt);
CREATE OPERATOR CLASS ruled FOR TYPE text USING btree AS
    OPERATOR 1 <~, OPERATOR 3 =, OPERATOR 5 >~, FUNCTION 1 by_rule(text, text);
CREATE INDEX note_ruled ON note (word ruled);
CREATE OR REPLACE FUNCTION by_rule(a text, b text) RETURNS integer LANGUAGE sql IMMUTABLE AS
    $$ SELECT CASE WHEN a COLLATE "C" < b COLLATE "C" THEN 1 WHEN a COLLATE "C" > b COLLATE "C" THEN -1 ELSE 0 END $$;
"""


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    # Not below pytest's own folder: the servers run as another user, who may not enter that.
    with tempfile.TemporaryDirectory(prefix="dcshift-test-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture(scope="module")
def source(place: Path) -> Iterator[Source]:
    found = binaries()
    assert found is not None
    server = Source(place / "source", found[0], free_ports(1)[0])
    server.start()
    try:
        server.fill()
        yield server
    finally:
        server.stop()


@pytest.fixture
def cleared(place: Path, source: Source) -> Iterator[None]:
    """Take away what a test that failed left."""
    yield
    if (place / "pg").exists():
        physical.undo(source.job(place / "pg"))


def processes_in(folder: Path) -> list[str]:
    """Return who works in a folder or was started with it."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        try:
            if str(folder) in " ".join(process.info["cmdline"] or []) or process.cwd().startswith(str(folder)):
                found.append(" ".join(process.info["cmdline"] or [process.name()]))
        except psutil.Error:
            continue
    return found


def numbers(job: PhysicalJob, database: str) -> list[int]:
    with support.connect(job, database) as target:
        return [number for (number,) in target.execute("SELECT id FROM ledger ORDER BY id").fetchall()]


def test_a_server_moves_exactly_though_its_mover_is_killed_three_times(
    source: Source, place: Path, tmp_path: Path, cleared: None
) -> None:
    folder = place / "pg"
    with source.admin("feedback") as admin:
        admin.execute(OTHER_ORDER.encode())
    before = source.catalogue()
    with ExitStack() as stack:
        writers = [stack.enter_context(Writer(source, database)) for database in DATABASES]
        for phase in KILLED:
            killed = run(source.job(folder), tmp_path, kill_at=phase)
            assert killed.status == -9, killed.text
            assert killed.phases[-1] == phase
        job = source.job(folder)
        ended = run(job, tmp_path)
        assert ended.status == 0, ended.text
        facts = ended.last["result"]
        # amcheck cannot judge the GIN index; in the database whose B-trees are whole it stays as it came.
        assert facts["indexes_rebuilt"] == ["feedback: public.note_ruled"]
        assert facts["keyless_tables"] == [
            "portal: public.access_log", "portal: public.no_columns", "portal: public.unique_only",
            "feedback: public.visit",
        ]  # fmt: skip
        assert any("collation-c-utf8 (portal)" in warning for warning in facts["warnings"])
        # A rerun of a copy that follows only follows; one whose turn is over is refused, here and at the source.
        assert physical.move(job).keys() == {
            "lag_bytes",
            "data_directory",
            "port",
            "memory_bytes_most",
            "seconds",
        }
        stale = job.model_copy(update={"token": job.token - 1})
        with pytest.raises(StepFailed) as over:
            physical.move(stale)
        assert over.value.code == "turn-over"
        with pytest.raises(psycopg.errors.ObjectInUse, match=f"turn {stale.token} is over"):
            physical.move(stale.model_copy(update={"folder": place / "pg2"}))
        with pytest.raises(psycopg.errors.ObjectInUse, match="is over"):
            physical_source.release(stale)
        proofs = list(prove(job, frozen=False))
        assert [(d, p.name, p.differences, p.sentence) for d, p in proofs if not p.passed] == []
        assert len(proofs) == 14
    for writer in writers:
        assert writer.refused is None
        assert len(writer.acknowledged) > 200
        with source.admin(writer.database) as admin:
            value = stream.mark(admin)
            ours = [number for (number,) in admin.execute("SELECT id FROM ledger ORDER BY id").fetchall()]
        with support.connect(job, writer.database) as target:
            assert stream.wait_for_mark(target, value, seconds_max=120)
        there = numbers(job, writer.database)
        assert len(there) == len(set(there))
        assert set(writer.acknowledged) <= set(there)
        assert there == ours
    _a_planted_difference_is_found(job, tmp_path)
    _what_was_handed_over_stays(source.job(folder))
    assert run(source.job(folder), tmp_path, "--undo").last["result"] == {"undone": True}
    shutil.rmtree(place / "pg2")
    assert not folder.exists()
    assert processes_in(folder) == []
    assert source.catalogue() == before
    with source.admin("feedback") as admin:
        admin.execute("DROP INDEX note_ruled")


def _a_planted_difference_is_found(job: PhysicalJob, tmp_path: Path) -> None:
    with support.connect(job, "feedback") as target:
        target.execute("UPDATE note SET word = 'khác' WHERE id = 7")
    file = tmp_path / "prove.json"
    file.touch(mode=0o600)
    file.write_text(job.as_json())
    said = io.StringIO()
    with redirect_stdout(said):
        assert physical_proof.main(["--job", str(file)]) == 1
    *proofs, last = map(json.loads, said.getvalue().splitlines())
    assert last["error"]["code"] == "copy-differs"
    found = [each["proof"] for each in proofs if not each["proof"]["passed"]]
    assert [(one["database"], one["name"]) for one in found] == [("feedback", "rows")]


def _what_was_handed_over_stays(job: PhysicalJob) -> None:
    with support.connect(job, "portal") as target:
        claim.set_phase(target, claim.HANDED_OVER)
    for verb in (physical.move, physical.undo):
        with pytest.raises(StepFailed) as told:
            verb(job)
        assert told.value.code == "target-handed-over"
    assert numbers(job, "portal")
    with support.connect(job, "portal") as target:
        claim.set_phase(target, claim.FOLLOWING)


def test_a_mover_that_is_told_to_end_takes_its_slots_away(
    source: Source, place: Path, tmp_path: Path, cleared: None
) -> None:
    ended = run(source.job(place / "pg"), tmp_path, kill_at="standby", by=signal.SIGTERM)
    assert ended.status == 143, ended.text
    with source.admin() as admin:
        assert admin.execute("SELECT count(*) FROM pg_replication_slots").fetchone() == (0,)
    assert processes_in(place / "pg") == []


def test_a_database_that_was_not_prepared_is_named(source: Source, place: Path, cleared: None) -> None:
    with source.admin() as admin:
        admin.execute("CREATE DATABASE bare")
    job = source.job(place / "pg")
    bare = job.databases[0].model_copy(update={"database": "bare", "name": "dcshift_bare"})
    try:
        with pytest.raises(BlockedError) as told:
            physical.move(job.model_copy(update={"databases": (*job.databases, bare)}))
        assert "physical-not-prepared (bare)" in told.value.why
    finally:
        with source.admin() as admin:
            admin.execute("DROP DATABASE bare")


def test_a_folder_of_others_is_refused_and_the_source_not_even_asked(source: Source, place: Path) -> None:
    folder = place / "others"
    folder.mkdir()
    (folder / "PG_VERSION").write_text("18")
    before = source.catalogue()
    for verb in (physical.move, physical.undo):
        with pytest.raises(StepFailed) as told:
            verb(source.job(folder))
        assert told.value.code == "target-folder-foreign"
    assert [entry.name for entry in folder.iterdir()] == ["PG_VERSION"]
    assert source.catalogue() == before


def test_everything_that_forbids_it_is_told_at_once_and_nothing_is_left(
    source: Source, place: Path, cleared: None
) -> None:
    before = source.catalogue()
    space = place / "space"
    space.mkdir()
    shutil.chown(space, "postgres")
    with source.admin() as admin, source.admin("feedback") as inside:
        admin.execute(f"CREATE TABLESPACE fast LOCATION '{space}'".encode())
        admin.execute("CREATE DATABASE another")
        inside.execute("CREATE SUBSCRIPTION s CONNECTION 'host=nowhere' PUBLICATION p WITH (connect = false)")
        try:
            with pytest.raises(BlockedError) as told:
                physical.move(source.job(place / "pg"))
        finally:
            inside.execute("ALTER SUBSCRIPTION s SET (slot_name = NONE)")
            inside.execute("DROP SUBSCRIPTION s")
            admin.execute("DROP DATABASE another")
            admin.execute("DROP TABLESPACE fast")
    for code in ("physical-tablespaces", "physical-other-databases", "physical-subscriptions"):
        assert code in told.value.why
    assert source.catalogue() == before


# What pg_upgrade would lose without a word, or stop at after the copy was made; and how it is taken away again.
RARE = {
    "casts-changed": (
        "UPDATE pg_cast SET castcontext = 'i' WHERE castsource = 'float8'::regtype AND casttarget = 'int4'::regtype",
        "UPDATE pg_cast SET castcontext = 'a' WHERE castsource = 'float8'::regtype AND casttarget = 'int4'::regtype",
    ),
    "objects-in-pg-catalog": (
        "CREATE FUNCTION pg_catalog.text(integer) RETURNS text LANGUAGE sql AS 'SELECT textin(int4out($1))'",
        "DROP FUNCTION pg_catalog.text(integer)",
    ),
    "operator-families": (
        "CREATE FUNCTION apart(integer, numeric) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 0';"
        "ALTER OPERATOR FAMILY integer_ops USING btree ADD FUNCTION 1 (integer, numeric) apart(integer, numeric)",
        "ALTER OPERATOR FAMILY integer_ops USING btree DROP FUNCTION 1 (integer, numeric);"
        "DROP FUNCTION apart(integer, numeric)",
    ),
    "security-labels": (
        "INSERT INTO pg_seclabel VALUES ('note'::regclass, 'pg_class'::regclass, 0, 'guard', 'secret')",
        "DELETE FROM pg_seclabel",
    ),
    "text-search-files": (
        "CREATE TEXT SEARCH DICTIONARY d (TEMPLATE = synonym, SYNONYMS = synonym_sample);"
        "UPDATE pg_ts_dict SET dictinitoption = $$synonyms = 'tu_dong_nghia'$$ WHERE dictname = 'd'",
        "DROP TEXT SEARCH DICTIONARY d",
    ),
}


def test_what_the_new_server_refuses_is_told_before_a_byte_is_carried(
    source: Source, place: Path, tmp_path: Path, cleared: None
) -> None:
    before = source.catalogue()
    with source.admin("feedback") as admin:
        admin.execute("SET allow_system_table_mods = on")
        admin.execute("CREATE COLLATION pg_catalog.of_another_machine (provider = libc, locale = 'C.UTF-8')")
        admin.execute("CREATE TABLE odd (a text COLLATE of_another_machine, b integer)")
        admin.execute(
            "UPDATE pg_attribute SET attoptions = '{pg_attver=1}' WHERE attrelid = 'odd'::regclass AND attnum = 2"
        )
        admin.execute("CREATE FUNCTION lost() RETURNS integer LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_call_handler'")
        admin.execute("UPDATE pg_proc SET probin = '$libdir/nowhere' WHERE proname = 'lost'")
        for made, _ in RARE.values():
            admin.execute(made.encode())
        try:
            ended = run(source.job(place / "pg"), tmp_path)
        finally:
            for _, mended in RARE.values():
                admin.execute(mended.encode())
            admin.execute("DROP FUNCTION lost()")
            admin.execute("DROP TABLE odd")
            admin.execute("DROP COLLATION pg_catalog.of_another_machine")
    assert ended.status == BlockedError.exit_code, ended.text
    assert "base backup" not in ended.phases
    why = ended.last["error"]["why"]
    expected = {"target-collations", "column-options", "physical-libraries", *RARE}
    assert {code for code, _ in re.findall(r"(?:^|; )([a-z-]+) \(([^)]*)\): ", why)} == expected, why
    assert "target-collations (feedback)" in why
    assert source.catalogue() == before
