"""The journal: append-only, chained, private; every illegal record has a name."""

from __future__ import annotations

import itertools
import sqlite3

import pytest

from migration.errors import NeedsOperator
from migration.model.run import Event, Kind, RunState, Status, Verb, replay
from migration.model.words import StepId
from tests.support.runs import Stand

STEP = StepId("wave-1/portal/database/prepare")


@pytest.mark.parametrize(
    "statement", ["UPDATE event SET content = '{}' WHERE id = 2", "DELETE FROM event WHERE id = 2"]
)
def test_a_record_can_be_neither_changed_nor_removed(statement: str) -> None:
    stand = Stand("portal")
    stand.go()
    with sqlite3.connect(stand.path) as connection, pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE event SET content = replace(content, 'forward', 'backward') WHERE id = 2",
        "UPDATE event SET at = at + 1 WHERE id = 3",
        "DELETE FROM event WHERE id = 4",
        "UPDATE event SET step = NULL WHERE id = 5",
    ],
)
def test_whoever_takes_the_guard_away_is_found_by_the_chain(statement: str) -> None:
    stand = Stand("portal")
    stand.go()
    with sqlite3.connect(stand.path) as connection:
        connection.execute("DROP TRIGGER event_never_changes")
        connection.execute("DROP TRIGGER event_never_goes")
        connection.execute(statement)
    assert stand.journal().verify_chain().broken_at in (2, 3, 5)


def test_only_we_may_read_it() -> None:
    stand = Stand("portal")
    journal = stand.journal()
    journal.open_run(stand.plan.id)
    modes = {path.name: path.stat().st_mode & 0o777 for path in stand.path.parent.iterdir()}
    assert set(modes.values()) == {0o600}
    assert "journal.sqlite-wal" in modes


def test_a_journal_that_cannot_be_written_says_so() -> None:
    stand = Stand("portal")
    journal = stand.journal()
    with sqlite3.connect(stand.path) as connection:
        connection.execute("DROP TABLE event")
    with pytest.raises(NeedsOperator) as broken:
        journal.events()
    assert broken.value.code == "journal-unusable"
    assert broken.value.exit_code == 4


def _event(kind: Kind, verb: Verb | None) -> Event:
    contents = {
        Kind.STARTED: {"verb": verb},
        Kind.PROBED: {"state": "not-done"},
        Kind.DONE: {"facts": {}, "proofs": []},
        Kind.FAILED: {"error": {}, "proofs": [], "unwind": [], "past": False},
    }
    return Event(1, 0.0, "run", kind, STEP, contents.get(kind, {"error": {}}))  # type: ignore[arg-type]


def test_every_pair_of_status_and_record_is_legal_or_a_named_error() -> None:
    """The function is total: nothing else can happen, whatever the journal holds."""
    ways = {
        Status.PENDING: [],
        Status.DOING: [(Kind.STARTED, Verb.DO)],
        Status.HALF: [(Kind.STARTED, Verb.DO), (Kind.FAILED, None)],
        Status.DONE: [(Kind.STARTED, Verb.DO), (Kind.DONE, None)],
        Status.UNDOING: [(Kind.STARTED, Verb.DO), (Kind.STARTED, Verb.UNDO)],
        Status.UNDO_FAILED: [(Kind.STARTED, Verb.DO), (Kind.STARTED, Verb.UNDO), (Kind.UNDO_FAILED, None)],
    }
    kinds = [Kind.STARTED, Kind.PROBED, Kind.DONE, Kind.FAILED, Kind.UNDONE, Kind.UNDO_FAILED, Kind.INTERRUPTED]
    legal = 0
    for (status, way), kind, verb in itertools.product(ways.items(), kinds, Verb):
        state = RunState()
        for each in way:
            state = replay(state, _event(*each))
        assert state.step(STEP).status is status
        try:
            replay(state, _event(kind, verb))
            legal += 1
        except NeedsOperator as illegal:
            assert illegal.code == "journal-illegal-event"
    assert legal == 8 + 2 * 7  # records other than `started` do not depend on the verb, and are counted twice
