"""A server that moves by its files: each of its programs lies once, and its mover is killed in every phase."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lab.postgres_server import binaries
from migration.adapters.physical_proof import prove
from migration.errors import StepFailed
from migration.movers import physical
from tests.live import test_physical_move
from tests.live.test_physical_move import cleared, place, processes_in, source
from tests.support import liars
from tests.support import physical as support
from tests.support.liars import EVERYTHING
from tests.support.physical import Source, run

__all__ = ["cleared", "place", "source"]
pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(binaries() is None, reason="no PostgreSQL server here: apt-get install postgresql"),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: the servers run as postgres"),
]
KILLED = (
    "cleaning", "empty server", "standby", "waiting for open transactions", "pg_upgrade --check",
    "subscription of portal", "checking indexes", "subscription of feedback", "catching up",
)  # fmt: skip


def test_a_mover_killed_in_every_other_phase_is_followed_by_one_that_ends_exact(
    source: Source, place: Path, tmp_path: Path, cleared: None
) -> None:
    folder, before = place / "pg", source.catalogue()
    for phase in KILLED:
        killed = run(source.job(folder), tmp_path, kill_at=phase)
        # A short phase may be over, and the last one at its end, when the signal arrives.
        assert phase in killed.phases, killed.text
        assert killed.status == -9 or phase == KILLED[-1], killed.text
    assert set(killed.phases) - {"", *test_physical_move.KILLED} == set(KILLED), "a phase in which nobody was killed"
    ended = run(source.job(folder), tmp_path)
    assert ended.status == 0, ended.text
    proofs = list(prove(source.job(folder), frozen=False))
    assert [(d, p.name, p.differences, p.sentence) for d, p in proofs if not p.passed] == []
    assert run(source.job(folder), tmp_path, "--undo").status == 0
    assert processes_in(folder) == []
    assert source.catalogue() == before


LIES = [
    # program, whose, which of its words, what is said
    ("initdb", "target", EVERYTHING, "program-not-believed", "holds no server"),
    ("pg_basebackup", "source", EVERYTHING, "program-not-believed", "holds no backup"),
    ("pg_upgrade", "target", "*--check", "program-not-believed", "does not say 'Clusters are compatible'"),
    ("pg_upgrade", "target", "*--link", "program-not-believed", "the new server lacks feedback, portal"),
    ("postgres", "source", EVERYTHING, "program-not-believed", "--version says: "),
    ("postgres", "source", "*-D*", "server-failed", "it ended with status 0"),
    ("postgres", "target", "*-D*", "server-failed", "it ended with status 0"),
    # What starts the others: it says nothing for any of them.
    ("setpriv", "machine", EVERYTHING, "program-not-believed", "--version says: "),
    ("env", "machine", EVERYTHING, "program-not-believed", "holds no server"),
]


@pytest.mark.parametrize(
    ("program", "whose", "words", "code", "why"),
    LIES,
    ids=[f"{name}-{whose}-{words}" for name, whose, words, *_ in LIES],
)
def test_a_program_that_says_yes_and_does_nothing_is_not_believed(
    program: str, whose: str, words: str, code: str, why: str, *,
    source: Source, place: Path, cleared: None, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    folder = place / f"liars-{LIES.index((program, whose, words, code, why))}"
    sides: dict[str, Path] = {}
    if whose == "machine":
        liars.plant(folder, monkeypatch, program, words)
    else:
        true = source.binaries if whose == "source" else support.programs_18(place)
        liars.lying(folder, program, true / program, words)
        for each in true.iterdir():
            if each.name != program:
                (folder / each.name).symlink_to(each)
        sides[f"{whose}_binaries"] = folder
    # Whoever lies does so as the servers' user.
    (folder / "lies").touch()
    (folder / "lies").chmod(0o666)
    before = source.catalogue()
    with pytest.raises(StepFailed) as told:
        physical.move(source.job(place / "pg", **sides))
    assert told.value.code == code
    assert why in told.value.why
    liars.assert_lied(folder)
    assert source.catalogue()["slots"] == before["slots"] == []
    assert processes_in(place / "pg") == []
