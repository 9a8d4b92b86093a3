"""Every program that a data mover calls, replaced by one that exits 0 without doing its work: the step fails."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from lab.store_server import Store
from migration.adapters.database import PostgresMove
from migration.adapters.files import BucketMove
from migration.errors import StepFailed
from migration.model.words import ProbeState, Proof
from tests.support import liars
from tests.support import local_servers as servers
from tests.support.liars import EVERYTHING
from tests.support.moving_files import make, tree

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(servers.binaries() is None, reason="no PostgreSQL server here: apt-get install postgresql"),
]
Pair = tuple[servers.Server, servers.Server]
Liars = Callable[[str, str], None]


@pytest.fixture
def move(new_move: PostgresMove) -> PostgresMove:
    new_move.prepare()
    return new_move


@pytest.fixture
def liar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Liars:
    """Return what puts a liar before a program."""
    return lambda program, words: liars.plant(tmp_path / "liars", monkeypatch, program, words)


def differences(proofs: Sequence[Proof]) -> list[str]:
    return [difference for proof in proofs if not proof.passed for difference in (*proof.differences, proof.sentence)]


@pytest.mark.parametrize(
    ("program", "words", "says"),
    [
        ("pg_dump", EVERYTHING, "listing the schema failed"),
        ("pg_restore", EVERYTHING, "does not exist"),
        ("pg_restore", "*--list*", "does not exist"),
        ("pg_restore", "*section=pre-data*", "does not exist"),
        ("pg_restore", "*section=post-data*", "are not on the target as at the source"),
        ("pg_restore", "*after-rows-*", "no unique constraint matching"),
        # Whoever starts every program for us starts none: all of them say nothing, and say it well.
        ("setpriv", EVERYTHING, "did not say how many rows it wrote"),
        ("psql", EVERYTHING, "did not say how many rows it wrote"),
        ("psql", "*FROM?STDIN*", "did not say how many rows it wrote"),
        ("psql", "*TO?STDOUT*binary*", "COPY file signature not recognized"),
    ],
)
def test_a_copy_by_a_liar_fails_and_is_not_called_done(
    program: str, words: str, says: str, *, move: PostgresMove, liar: Liars, tmp_path: Path
) -> None:
    liar(program, words)
    with pytest.raises(StepFailed) as told:
        move.replicate(lambda _: None)
    assert says in str(told.value)
    liars.assert_lied(tmp_path / "liars")
    assert move.replicated().state is not ProbeState.DONE


@pytest.mark.parametrize(
    ("program", "words", "says"),
    [
        # In text, nothing at all looks like a table without rows.
        ("psql", "*thua*TO?STDOUT*", ".thua: "),
    ],
)
def test_a_lie_that_no_program_can_see_is_found_by_the_proofs_of_the_same_step(
    program: str, words: str, says: str, *, move: PostgresMove, liar: Liars, tmp_path: Path
) -> None:
    liar(program, words)
    try:
        move.replicate(lambda _: None)
    except StepFailed as told:
        found = [str(told)]
    else:
        found = differences(move.prove(frozen=False))
    assert any(says in each for each in found), found
    liars.assert_lied(tmp_path / "liars")


@pytest.fixture
def files(store: Store, tmp_path: Path) -> BucketMove:
    made = make(store, tree(tmp_path / "uploads", 20), tmp_path)
    made.prepare()
    return made


@pytest.mark.parametrize(
    ("program", "says"),
    [
        ("rsync", "did not say how many files it compared"),
        ("find", "lists no file where rsync"),
        ("env", "did not say how many files it compared"),
        ("setpriv", "did not say how many files it compared"),
    ],
)
def test_files_carried_by_a_liar_are_not_called_carried(
    program: str, says: str, *, files: BucketMove, liar: Liars, tmp_path: Path
) -> None:
    liar(program, EVERYTHING)
    try:
        files.replicate(lambda _: None)
    except StepFailed as told:
        found = [str(told)]
    else:
        found = differences(files.prove(frozen=False, full=True))
    assert any(says in each for each in found), found
    liars.assert_lied(tmp_path / "liars")


def test_a_comparison_by_a_liar_is_no_proof(files: BucketMove, liar: Liars, tmp_path: Path) -> None:
    files.replicate(lambda _: None)
    files.converge()
    files.hand_over()
    changed = tmp_path / "uploads/big.bin"
    before = changed.stat()
    with changed.open("r+b") as file:
        file.write(b"other")
    os.utime(changed, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert differences(files.prove(frozen=True, full=True)), "the true rsync finds it"
    liar("rsync", "*--dry-run*")
    found = differences(files.prove(frozen=True, full=True))
    assert any("did not say how many files it compared" in each for each in found), found
