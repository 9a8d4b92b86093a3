"""The schema proof on two real servers: equal after pg_dump and restore, and each planted change is named."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from migration.verification import schema
from migration.verification.schema import prove_schema
from tests.support import two_databases
from tests.support.hard_schema import SCHEMA
from tests.support.two_databases import Pair, Sides

TWO = SCHEMA.partition("CREATE VIEW two AS ")[2].partition(";")[0]
INDEX = "CREATE INDEX t_open" + SCHEMA.partition("CREATE INDEX t_open")[2].partition(";")[0]
OTHERWISE = INDEX.replace("s IN", "(s IN").replace("AND (n > 0.5", "AND n > 0.5)").replace("NULL)", "NULL")

PLANTS = {
    "a number in a default": ("ALTER TABLE t ALTER n SET DEFAULT 2.50", "column public.t.n: source has"),
    "a sign in a default": ("ALTER TABLE t ALTER m SET DEFAULT 1", "column public.t.m: source has"),
    "a word in a default": ("ALTER DOMAIN code SET DEFAULT 'z.b'", "type public.code: source has"),
    "brackets in a condition": (
        "ALTER TABLE t DROP CONSTRAINT logic, ADD CONSTRAINT logic CHECK (n > 1.25 OR (m > 2 AND id > 0))",
        "constraint public.t.logic: source has",
    ),
    "brackets in a sum": (
        "ALTER TABLE t DROP CONSTRAINT sum, ADD CONSTRAINT sum CHECK (id + (m * 2) < 1000)",
        "constraint public.t.sum: source has",
    ),
    "a number in a condition": (
        "ALTER TABLE t DROP CONSTRAINT years, ADD CONSTRAINT years CHECK (n BETWEEN 0.5 AND 3.5)",
        "constraint public.t.years: source has",
    ),
    "a value of a list": (
        "ALTER TABLE t DROP CONSTRAINT known, ADD CONSTRAINT known CHECK (s IN ('in', 'out', 'y'))",
        "constraint public.t.known: source has",
    ),
    "a reference to a namesake": (
        "ALTER TABLE t DROP CONSTRAINT t_kind_fkey, ADD FOREIGN KEY (kind) REFERENCES public.kind",
        "constraint public.t.t_kind_fkey: source has",
    ),
    "the side of a column in a view": (
        "CREATE OR REPLACE VIEW two AS " + TWO.replace("a.n > 1.5", "b.n > 1.5"),
        "view public.two: source has",
    ),
    "a number in an index": (
        "DROP INDEX t_tax; CREATE INDEX t_tax ON t ((n * 2.10))",
        "index public.t_tax: source has",
    ),
    "brackets in an index": (
        f"DROP INDEX t_open; {OTHERWISE}",
        "index public.t_open: source has",
    ),
    "a number in a policy": ("ALTER POLICY mine ON t WITH CHECK (n > 1.75)", "policy public.t.mine: source has"),
    "what identifies a row in the stream": (
        "ALTER TABLE kind REPLICA IDENTITY FULL", "replica identity public.kind: source has d, target f"
    ),
    "a partition without identity": (
        "ALTER TABLE parts_1 REPLICA IDENTITY NOTHING", "replica identity public.parts_1: source has d, target n"
    ),
    "when a cast is made": (
        "DROP CAST (text AS sheet); CREATE CAST (text AS sheet) WITH FUNCTION read(text) AS IMPLICIT",
        "cast pg_catalog.text to public.sheet: source has f a public.read, target f i public.read",
    ),
    "what an operator is estimated by": (
        "ALTER OPERATOR ~~~ (sheet, sheet) SET (RESTRICT = eqsel)", "operator public.~~~(public.sheet,public.sheet): "
    ),
    "whether a conversion is the usual one": (
        "DROP CONVERSION bytes; CREATE DEFAULT CONVERSION bytes FOR 'UTF8' TO 'LATIN1' FROM utf8_to_iso8859_1",
        "conversion public.bytes: source has",
    ),
    "the words that a dictionary leaves out": (
        "ALTER TEXT SEARCH DICTIONARY stock (STOPWORDS = french)", "text search dictionary public.stock: source has"
    ),
    "the order of dictionaries": (
        "ALTER TEXT SEARCH CONFIGURATION vi ALTER MAPPING FOR word WITH simple, stock",
        "text search configuration public.vi: source has",
    ),
    "how a collation sorts": (
        "DROP COLLATION sorted; CREATE COLLATION sorted (provider = libc, locale = 'POSIX')",
        "collation public.sorted: source has",
    ),
    "a default of a partition": ("ALTER TABLE parts_1 ALTER v SET DEFAULT 1.1", "column public.parts_1.v: source has"),
}  # fmt: skip


@pytest.fixture(scope="module")
def moved(pair: Pair) -> Iterator[Sides]:
    with two_databases.made(pair, SCHEMA) as sides:
        carry(pair, pair[0].folder.parent)
        sides.as_admin(1, "REFRESH MATERIALIZED VIEW three")
        yield sides


def carry(pair: Pair, folder: Path) -> None:
    """Carry the schema as the mover does: pg_dump, read again by the other server."""
    here, there = (server.endpoint("portal", "postgres") for server in pair)
    file = folder / "pass"
    file.touch(mode=0o600)
    file.write_text(here.pass_line() + there.pass_line())
    dump = ["pg_dump", "--schema-only", "--no-privileges", "--exclude-schema=dcshift"]
    text = subprocess.run(dump, env=here.environment(file), check=True, capture_output=True).stdout
    psql = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1"]
    subprocess.run(psql, env=there.environment(file), check=True, input=text, stdout=subprocess.DEVNULL)


def differences(sides: Sides) -> tuple[str, ...]:
    with sides.moment() as moment:
        return prove_schema(moment).differences


def test_what_was_printed_and_read_by_another_server_is_equal(moved: Sides) -> None:
    assert differences(moved) == ()


def test_each_planted_change_of_a_definition_is_named_and_nothing_else(
    moved: Sides, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "DIFFERENCES_MAX", len(PLANTS) + 10)
    with moved.pair[1].admin("portal") as admin:
        for plant, _ in PLANTS.values():
            admin.execute(plant.encode())
    said = differences(moved)
    missed = {what for what, (_, expected) in PLANTS.items() if not any(line.startswith(expected) for line in said)}
    assert missed == set()
    assert len(said) == len(PLANTS)
