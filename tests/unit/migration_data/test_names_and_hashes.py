"""Pure parts of the data plane: names of objects, the text of row hashes, normalised definitions, ETags."""

from __future__ import annotations

import hashlib
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migration.movers.files_names import MANIFEST, RESERVED, key_of, path_of
from migration.movers.files_store import digests
from migration.movers.link import Endpoint, literal, quoted
from migration.verification.hashing import Column, row_hash
from migration.verification.schema import differences_between
from migration.verification.session import between

segments = st.binary(min_size=1, max_size=40).filter(lambda part: b"/" not in part and b"\0" not in part)
paths = st.lists(segments.filter(lambda part: part not in (b".", b"..")), min_size=1, max_size=5).map(b"/".join)


@given(paths)
def test_every_path_comes_back_from_its_key(path: bytes) -> None:
    key = key_of(path)
    assert path_of(key) == path
    assert "//" not in key
    assert "\\" not in key


@given(paths, paths)
def test_two_paths_never_share_a_key(one: bytes, other: bytes) -> None:
    assert (key_of(one) == key_of(other)) == (one == other)


def test_vietnamese_names_stay_as_they_are_in_both_forms() -> None:
    for form in ("NFC", "NFD"):
        name = unicodedata.normalize(form, "hồ sơ/Đơn đề nghị.pdf")
        assert key_of(name.encode()) == name


def test_our_own_objects_are_no_files_and_no_file_can_take_their_place() -> None:
    assert path_of(MANIFEST) is None
    assert key_of(MANIFEST.encode()).startswith(f"{RESERVED}names/")


def test_a_name_that_no_key_can_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be"):
        key_of(b"\xff" * 600)


def test_the_etag_of_parts_is_the_hash_of_their_hashes(tmp_path: Path) -> None:
    file = tmp_path / "file"
    content = bytes(range(256)) * 12_000
    file.write_bytes(content)
    part = 1_000_000
    parts = [hashlib.md5(content[i : i + part]).digest() for i in range(0, len(content), part)]
    expected = hashlib.md5(b"".join(parts)).hexdigest() + f"-{len(parts)}"
    assert digests(file, part) == (hashlib.md5(content).hexdigest(), expected)


def test_each_hash_seeds_the_next_and_null_changes_the_seed() -> None:
    columns = (Column("a", "integer", True), Column("b", "text", False))
    inner = "hashint4extended(a, 0::bigint) # (b IS NULL)::integer::bigint"
    assert row_hash(columns) == f"hashtextextended((coalesce(b, '')) COLLATE \"C\", {inner})"


@pytest.mark.parametrize("type", ["numeric", "jsonb", "interval", "text[]", "public.status", "point"])
def test_types_whose_equality_is_loose_are_hashed_by_their_text(type: str) -> None:
    assert "v::text" in row_hash((Column("v", type, True),))


def test_a_seed_is_written_once_a_column_so_wide_tables_stay_possible() -> None:
    wide = tuple(Column(f"c{i}", "bigint", False) for i in range(400))
    assert len(row_hash(wide)) < 400 * 120


def test_definitions_that_servers_write_differently_are_the_same() -> None:
    thirteen = (
        "public.v | SELECT d.id,\n    d.number\n   FROM public.dossier d\n  WHERE (d.status = 'x'::public.status);"
    )
    seventeen = "public.v | SELECT id,\n    number\n   FROM public.dossier d\n  WHERE (status = 'x'::public.status);"
    assert differences_between([thirteen], [seventeen], "view") == []
    assert differences_between([thirteen], [seventeen.replace("'x'", "'y'")], "view") != []


def test_a_difference_names_the_object_and_both_sides() -> None:
    said = between({"t.a | integer", "t.b | text"}, {"t.a | bigint", "t.c | text"}, "column")
    assert said == [
        "column t.a: source has integer, target bigint",
        "column t.b: missing on the target (text)",
        "column t.c: only on the target (text)",
    ]


def test_names_and_values_are_quoted_whatever_they_hold() -> None:
    assert quoted('a"b', "Đất đai") == '"a""b"."Đất đai"'
    assert literal("o'clock") == "'o''clock'"


def test_a_password_is_in_no_text_form_and_its_file_escapes_it() -> None:
    endpoint = Endpoint.model_validate({"host": "h", "database": "d", "user": "u", "password": "se:cr\\et"})
    assert "cr" not in repr(endpoint).replace("SecretStr", "") + str(endpoint.parameters())
    assert endpoint.pass_line() == "h:5432:*:u:se\\:cr\\\\et\n"


def test_a_cast_that_moved_while_a_definition_was_printed_and_read_is_no_difference() -> None:
    printed = "x | WHERE ((s)::text = ANY ((ARRAY['in'::character varying, 'out'::character varying])::text[]))"
    again = "x | WHERE ((s)::text = ANY (ARRAY[('in'::character varying)::text, ('out'::character varying)::text]))"
    assert differences_between([printed], [again], "index") == []
    assert differences_between([printed], [again.replace("'out'", "'late'")], "index") != []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("default 1.50", "default 2.50"),
        ("default 1.5", "default 1.50"),
        ("default 'v1.0'::text", "default 'v2.0'::text"),
        ("default 'a b'::text", "default 'a  b'::text"),
        ("CHECK (((a OR b) AND c))", "CHECK ((a OR (b AND c)))"),
        ("CHECK ((n > ((a + b) * c)))", "CHECK ((n > (a + (b * c))))"),
        ("CHECK ((a = 1))", "CHECK ((b.a = 2))"),
        ("SELECT a.id FROM a, b", "SELECT b.id FROM a, b"),
        ("FOREIGN KEY (d) REFERENCES one.t(id)", "FOREIGN KEY (d) REFERENCES two.t(id)"),
        ("n::integer", "n::bigint"),
        ("(n)::character varying(20)", "(n)::character varying(10)"),
        ("f(x)", "f x"),
        ("ARRAY[1, 2]", "ARRAY[12]"),
        ("a -1", "a - 1.0"),
        ('"Số" > 1', '"số" > 1'),
    ],
)
def test_a_number_a_bracket_or_a_word_that_changed_is_a_difference(one: str, other: str) -> None:
    assert len(differences_between([f"t | {one}"], [f"t | {other}"], "x")) == 1
    assert len(differences_between([f"t | {one}"], [f"t | {one}", f"t | {other}"], "x")) == 1
    assert differences_between([f"t | {one}", f"t | {other}"], [f"t | {other}", f"t | {one}"], "x") == []


def test_text_that_is_no_sql_is_compared_all_the_same() -> None:
    for remark in ("don't", "a) b (c", '"open', "x::text (", "[", "é ế 名"):
        assert differences_between([f"t | {remark}"], [f"t | {remark}"], "x") == []
        assert differences_between([f"t | {remark} 1"], [f"t | {remark} 2"], "x") != []
