"""One hard database between servers of different majors: each move is exact and quiet, and can be taken back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from lab.toolchain import postgres_servers
from migration.adapters import database_findings
from migration.adapters.database import PostgresMove
from migration.adapters.postgres import pinned
from migration.errors import BlockedError, StepFailed
from migration.model.words import ProbeState, Severity
from migration.movers import link
from migration.verification.hashing import CANARIES
from migration.verification.settings import CARRIED
from tests.support import local_servers as servers
from tests.support import version_servers
from tests.support.hard_versions import CHANGES, SINCE_15_PLANTS, sample
from tests.support.hard_versions import PLANTS as ALWAYS
from tests.support.moving import context, database_move, failed, surveyed
from tests.support.version_servers import Standing
from tests.support.writer import Writer

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(not postgres_servers.installed(), reason="PostgreSQL's other majors are not here: make setup"),
]
PAIRS = [(old, new) for old in (12, 13, 15) for new in (17, 18)]


@pytest.fixture(scope="module")
def standing() -> Iterator[Standing]:
    with version_servers.standing() as made:
        yield made


@pytest.fixture(autouse=True)
def _clients_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the mover find Debian's clients and not its script before them, which takes longer than a small table."""
    if found := servers.binaries():
        monkeypatch.setenv("PATH", f"{found[1]}:{os.environ['PATH']}")


@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_a_hard_database_moves_to_a_newer_major_there_and_back_and_there_again(
    old: int, new: int, standing: Standing, tmp_path: Path
) -> None:
    source, target = standing[old], standing[new]
    assert (source.major, target.major) == (old, new)
    servers.new_databases(source, target, "portal", sample(old))
    move = database_move(source, target, tmp_path, database=surveyed(source))
    try:
        with Writer(source) as writer:
            move.prepare()
            assert blockers(move) == []
            move.replicate(lambda _: None)
            with source.admin("portal", "portal") as owner:
                owner.execute(CHANGES.encode())
            assert encrypted(source, move) == [(True,)]
            assert failed(move.prove(frozen=False)) == []
            assert blockers(move) == []
            move.fence()
            move.hand_over()
            assert move.at_rest().state is ProbeState.DONE
            assert failed(move.prove(frozen=True)) == []
            move.take_back()
            move.unfence()
            writer.must_come_back()
            move.fence()
            move.hand_over()
        assert failed(move.prove(frozen=True)) == []
        with target.admin("portal", "portal") as application:
            known = {number for (number,) in application.execute("SELECT id FROM dossier").fetchall()}
        assert set(writer.acknowledged) <= known
        each_planted_difference_is_named(move, source, target)
        move.retire_stream()
        assert move.stream_retired().state is ProbeState.DONE
    finally:
        move._units.stop("portal-database")


def each_planted_difference_is_named(move: PostgresMove, source: servers.Server, target: servers.Server) -> None:
    plants = {**ALWAYS, **(SINCE_15_PLANTS if source.major >= 15 else {})}
    with target.admin("portal") as admin:
        admin.execute("SET ROLE portal")
        for plant in plants:
            admin.execute(plant.encode())
    said = [difference for proof in move.prove(frozen=True) for difference in proof.differences]
    assert [plant for plant, expected in plants.items() if not any(line.startswith(expected) for line in said)] == []
    assert len(said) == len(plants), said


def encrypted(source: servers.Server, move: PostgresMove) -> list[tuple[object, ...]]:
    """Say of each session that the target's server reads the changes by whether it speaks TLS."""
    query = "SELECT ssl FROM pg_stat_replication JOIN pg_stat_ssl USING (pid) WHERE application_name = %s"
    with source.admin() as admin:
        return admin.execute(query, (move._name,)).fetchall()


def blockers(move: PostgresMove) -> list[str]:
    return [f"{found.code}: {found.what}" for found in move.check() if found.severity is Severity.BLOCKER]


def test_a_login_that_may_neither_become_the_owner_nor_subscribe_is_named(standing: Standing, tmp_path: Path) -> None:
    servers.new_databases(standing[15], standing[17], "portal", "SELECT 1")
    known = context(tmp_path, None)
    facts = known.facts.database.model_copy(update={"extensions": {}})
    with link.session(standing[17].endpoint("portal", "reader"), program="test") as outsider:
        found = database_findings.from_target(outsider, facts, known.contract.database)
        assert {one.code for one in found} == {"target-owner-role", "target-subscription-role"}


def test_every_major_hashes_and_writes_the_canaries_alike(standing: Standing) -> None:
    answers = {}
    for major, server in standing.items():
        with ExitStack() as stack:
            answers[major] = link.rows(pinned(server.endpoint("postgres", "postgres"), stack), CANARIES)
    assert len(answers) == len(postgres_servers.versions())
    for major, answer in answers.items():
        assert answer == answers[min(answers)], f"PostgreSQL {major} answers the canaries otherwise"


def test_every_setting_that_is_carried_is_an_owners_to_set_in_every_major(standing: Standing) -> None:
    for major, server in standing.items():
        with server.admin() as admin:
            settable = admin.execute("SELECT lower(name) FROM pg_settings WHERE context = 'user'").fetchall()
        assert CARRIED - {name for (name,) in settable} == set(), f"PostgreSQL {major} does not have these"


REMOVED = """
SET ROLE portal;
CREATE FUNCTION half(bigint) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT $1 / 2.0';
CREATE OPERATOR !/ (LEFTARG = bigint, FUNCTION = half);
CREATE AGGREGATE gather(anyelement) (SFUNC = array_append, STYPE = anyarray, INITCOND = '{}');
CREATE OPERATOR +> (LEFTARG = anyarray, RIGHTARG = anyelement, FUNCTION = array_append);
CREATE AGGREGATE numbers(integer) (SFUNC = array_append, STYPE = integer[], INITCOND = '{}');
CREATE VIEW written AS SELECT buffers_checkpoint AS buffers FROM pg_stat_bgwriter;
CREATE VIEW at_work AS SELECT pid, query FROM pg_stat_activity;
RESET ROLE;
"""
WITHOUT = "DROP OPERATOR !/ (bigint, NONE); DROP AGGREGATE gather(anyelement); DROP OPERATOR +> (anyarray, anyelement)"


def test_what_a_newer_major_took_away_is_named_before_anything_is_copied(standing: Standing, tmp_path: Path) -> None:
    source, target = standing[13], standing[17]
    servers.new_databases(source, target, "portal", REMOVED)
    move = database_move(source, target, tmp_path, database=surveyed(source))
    move.prepare()

    def removed() -> dict[str, str]:
        codes = ("removed-postfix-operators", "removed-array-arguments", "views-of-catalogue")
        return {one.code: one.what.partition(": ")[2] for one in move.check() if one.code in codes}

    view = {"views-of-catalogue": "public.written reads pg_stat_bgwriter.buffers_checkpoint"}
    assert removed() == view | {
        "removed-postfix-operators": "public.!/ (bigint)",
        "removed-array-arguments": "aggregate public.gather(anyelement), operator public.+>",
    }
    with pytest.raises(BlockedError) as told:
        move.replicate(lambda _: None)
    assert "removed-array-arguments" in told.value.why
    with source.admin("portal") as admin:
        admin.execute(WITHOUT)
    assert removed() == view
    with pytest.raises(StepFailed, match="buffers_checkpoint"):
        move.replicate(lambda _: None)
    with source.admin("portal") as admin:
        admin.execute("DROP VIEW written")
    assert removed() == {}
    move.replicate(lambda _: None)
    assert failed(move.prove(frozen=False)) == []
    move._units.stop("portal-database")
