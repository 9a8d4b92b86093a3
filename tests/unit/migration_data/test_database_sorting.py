"""Text that another library sorts otherwise, planted on two real servers: what stands on its order is named."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from migration.adapters import database_sorting
from migration.model.words import Severity
from tests.support import two_databases
from tests.support.findings import found, planted
from tests.support.two_databases import Pair, Sides

PLAIN = """
SET ROLE portal; CREATE TABLE t (id integer PRIMARY KEY, s text, plain text COLLATE "C", j jsonb);
CREATE COLLATION vi (locale = 'C.UTF-8'); CREATE TYPE names AS RANGE (subtype = text);
ALTER TABLE t ADD CHECK (plain > 'a'), ADD CHECK (s <> 'a'), ADD CHECK (j ->> 'a' = s), ADD CHECK (id > 0);
CREATE TABLE numbered (n integer) PARTITION BY RANGE (n); CREATE TABLE listed (s text) PARTITION BY LIST (s);
CREATE TABLE plainly (s text COLLATE "C") PARTITION BY RANGE (s)
"""
STANDS = {
    "partitions": ("CREATE TABLE p (s text) PARTITION BY RANGE (s)", "DROP TABLE p", "partitions of public.p"),
    "a check": ("ALTER TABLE t ADD CONSTRAINT k CHECK (s >= 'a')", "ALTER TABLE t DROP CONSTRAINT k", "public.t.k"),
    "a check between": (
        "ALTER TABLE t ADD CONSTRAINT k CHECK (s BETWEEN 'a' AND 'đ')",
        "ALTER TABLE t DROP CONSTRAINT k",
        "public.t.k",
    ),
    "an exclusion": ("CREATE TABLE x (r names, EXCLUDE USING gist (r WITH &&))", "DROP TABLE x", "public.x.x_r_excl"),
}
OTHER = "SELECT 'c', CASE WHEN current_setting('port') = '{}' THEN '2.31' ELSE '2.41' END"


@pytest.fixture(scope="module")
def sides(pair: Pair) -> Iterator[Sides]:
    with two_databases.made(pair, PLAIN) as both:
        yield both


@pytest.mark.parametrize("case", STANDS)
def test_what_stands_on_the_order_of_text_is_named(case: str, sides: Sides) -> None:
    made, mended, name = STANDS[case]
    plain = {"collation": "vi_VN.UTF-8"}
    assert "order-of-text" not in found(sides)
    with planted(sides, made, mended):
        seen = found(sides)["order-of-text"]
        assert "order-of-text" not in found(sides, plain), "both sort alike"
    assert (seen.severity, name in seen.what, bool(seen.next)) == (Severity.WARNING, True, True)


def test_another_library_is_told_with_both_versions(sides: Sides, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_sorting, "_SORTERS", OTHER.format(sides.pair[0].port))
    made, mended, name = STANDS["partitions"]
    with planted(sides, made, mended):
        seen = found(sides, {"collation": "vi_VN.UTF-8"}, passed_over=frozenset())
    assert seen["collation-version"].severity is Severity.WARNING
    assert "the C library sorts text by version 2.31 at the source, 2.41 on" in seen["collation-version"].what
    assert name in seen["order-of-text"].what
    monkeypatch.setattr(database_sorting, "_SORTERS", OTHER.format("none"))
    assert "collation-version" not in found(sides, passed_over=frozenset())


def test_a_column_by_c_utf8_is_named_where_the_database_sorts_otherwise(sides: Sides) -> None:
    elsewhere = {"collation": "vi_VN.UTF-8"}
    assert "collation-c-utf8" not in found(sides, elsewhere)
    with planted(sides, "ALTER TABLE t ADD c text COLLATE vi", "ALTER TABLE t DROP c"):
        seen = found(sides, elsewhere)["collation-c-utf8"]
    assert (seen.severity, "public.t.c" in seen.what) == (Severity.WARNING, True)
