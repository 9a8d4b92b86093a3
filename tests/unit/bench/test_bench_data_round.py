"""A program that did less than the whole work is found out; what is compared, and how, is written down."""

from __future__ import annotations

import json
from itertools import chain
from pathlib import Path

import pytest

from bench.data import peers, shapes, trees
from bench.data.databases import Census
from bench.data.names import Kind
from bench.data.peers import Peers
from bench.data.programs import Program
from bench.data.round import assert_equal, rotated, uncarried, uncompared
from bench.data.shapes import Tree
from lab.errors import LabError

WHOLE = Census({"public.accounts": 5000, "public.items": 10}, {"indexes": 7})
RELADIFF = """5000 rows in table A
5000 rows in table B
0 rows exclusive to table A (not present in B)
0 rows exclusive to table B (not present in A)
0 rows updated
5000 rows unchanged
0.00% difference score
"""


def test_everybody_is_first_once() -> None:
    assert [rotated(["a", "b", "c"], number)[0] for number in (1, 2, 3)] == ["b", "c", "a"]
    assert sorted(rotated(["a", "b", "c"], 2)) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("copy", "difference"),
    [
        (Census({"public.accounts": 4999, "public.items": 10}, {"indexes": 7}), "public.accounts: 5000 and 4999"),
        (Census({"public.accounts": 5000}, {"indexes": 7}), "public.items: 10 and None"),
        (Census({**WHOLE.tables, "x": 1}, {"indexes": 7}), "x: None and 1"),
        (Census(WHOLE.tables, {"indexes": 6}), "indexes: 7 and 6"),
    ],
    ids=["a row less", "a table less", "a table more", "an index less"],
)
def test_a_copy_that_lacks_something_is_named(copy: Census, difference: str) -> None:
    assert WHOLE.lacks(WHOLE) == []
    assert WHOLE.lacks(copy) == [difference]


def test_an_object_that_is_missing_short_or_foreign_is_named() -> None:
    files = Tree({"a": 1, "b": 2})
    assert uncarried(files, {"a": 1, "b": 2}) == []
    assert uncarried(files, {"b": 1, "c": 3}) == ["a: 1 and None bytes", "b: 2 and 1 bytes", "c: None and 3 bytes"]


def test_a_proof_must_say_that_it_compared_every_row() -> None:
    said = {"passed": True, "rows": 5010, "tables": 2}
    assert uncompared("dcshift", json.dumps(said), WHOLE) == []
    for name, value in {"passed": False, "rows": 5009, "tables": 1}.items():
        assert len(uncompared("dcshift", json.dumps(said | {name: value}), WHOLE)) == 1
    assert uncompared("reladiff", RELADIFF, WHOLE) == []
    assert len(uncompared("reladiff", "", WHOLE)) == 3
    assert uncompared("reladiff", RELADIFF.replace("5000 rows unchanged", "4999 rows unchanged"), WHOLE) == [
        "rows unchanged: 4999, not 5000"
    ]


def test_less_than_the_whole_work_ends_the_bench() -> None:
    assert_equal("peer", [])
    with pytest.raises(LabError, match="peer did not do the whole work") as told:
        assert_equal("peer", [f"table {number}" for number in range(6)])
    assert told.value.why.endswith("table 4; …")


def test_a_peer_that_is_not_here_is_named_with_its_reason() -> None:
    def nowhere() -> Path:
        raise LabError(
            "program-failed", what="apt-get exited with 100", why="no such package\nat all", state="", next=""
        )

    found = Peers()
    found.add("gone", "--version", nowhere)
    found.add("broken", "--version", lambda: Path("/nonexistent/broken"))
    found.add("silent", "-n", lambda: Path("/bin/echo"))
    found.add("foreign", "--version", lambda: Path("/etc/passwd"))
    assert found.programs == {}
    assert found.absent["gone"] == "apt-get exited with 100: no such package"
    assert "broken could not be started" in found.absent["broken"]
    assert "says no version" in found.absent["silent"]
    assert "Permission denied" in found.absent["foreign"]
    assert "a physical engine into CloudNativePG" in found.absent


def test_a_program_must_say_a_version() -> None:
    assert peers.version("rclone v1.60.1-DEV\n- os/version: debian 12") == "1.60.1-DEV"
    with pytest.raises(ValueError, match="says no version"):
        peers.version("usage: it")


def test_settings_are_kept_without_the_places_of_one_run() -> None:
    steps = [
        ["/opt/x/pg_dump", "-Z0", "-f", "/tmp/run-1/dump", "postgresql://h:123/b"],
        ["pg_restore", "/tmp/run-1/dump"],
    ]
    places = {"/tmp/run-1": "SCRATCH", "postgresql://h:123/b": "SOURCE"}
    program = Program("both", Kind.PEER, steps, {"PGPASSFILE": "x"}, places)
    assert program.setting == "pg_dump -Z0 -f SCRATCH/dump SOURCE && pg_restore SCRATCH/dump"


@pytest.mark.parametrize("size", [4_000_000, 100_000_000, 2_000_000_000])
def test_a_tree_has_its_size_many_small_files_and_five_big_ones(size: int) -> None:
    tree = shapes.tree(size)
    assert tree == shapes.tree(size)
    assert abs(tree.bytes - size) < size / 20
    big = [number for name, number in tree.sizes.items() if name.startswith("big/")]
    assert len(big) == 5
    assert sum(big) > 0.85 * size
    assert len(tree.sizes) > max(20, size // 110_000)


def test_a_tree_is_written_as_told(tmp_path: Path) -> None:
    shapes.write(Tree({"a/b": 3, "c": 1_500_000, "d": 0}), tmp_path)
    found = {str(path.relative_to(tmp_path)): path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()}
    assert found == {"a/b": 3, "c": 1_500_000, "d": 0}


def test_a_database_of_twice_the_size_has_twice_the_rows() -> None:
    def accounts(size: int) -> str:
        (found,) = [each for each in chain(*shapes.chapters(size)) if each.startswith("INSERT INTO accounts")]
        return found

    assert "generate_series(1, 5000000)" in accounts(2_000_000_000)
    assert "generate_series(1, 10000000)" in accounts(4_000_000_000)
    assert not [each for each in chain(*shapes.chapters(10**9)) if "$" in each.replace("*$'", "")]


def test_every_row_of_data_is_written_in_one_chapter_that_begins_with_its_table() -> None:
    for chapter in shapes.chapters(10**9):
        made = {each.split()[2] for each in chapter if each.startswith("CREATE TABLE")}
        assert {each.split()[2] for each in chapter if each.startswith("INSERT INTO")} <= made


def test_a_folder_holds_what_was_carried_and_not_what_is_ours_there(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    at = trees.made(tmp_path / "tree", tmp_path)
    (at.folder / "a").write_text("x")
    (at.folder / "b").mkdir()
    (at.folder / "b" / ".dcshift").write_text("of the tree, for it lies deeper")
    (at.folder / ".dcshift").mkdir()
    (at.folder / ".dcshift" / "claim.json").write_text("{}")
    first = at.held()
    assert {path: size for path, (size, _) in first.items()} == {"a": 1, "b/.dcshift": 31}
    (at.folder / "a").chmod(0o600)
    assert [path for path, seen in at.held().items() if seen != first[path]] == ["a"]
