"""`dcshift repair`: says what it would write, asks, records, compares again; refuses whatever is past its time."""

from __future__ import annotations

import json

import pytest

from migration.model.run import Kind
from tests.support.workspace import Terminal
from tests.support.world import Died, Fault


@pytest.fixture
def terminal() -> Terminal:
    made = Terminal()
    for line in ("survey", "plan", "run --wave 1 --until replicate"):
        assert made.type(line)[0] == 0
    return made


def spoil(terminal: Terminal) -> None:
    rows = terminal.world.systems["portal"].target_rows
    first, second, *_ = sorted(rows)
    rows[first] = "another value"
    del rows[second]
    rows[-1] = "nobody wrote this at the source"


def repairs(terminal: Terminal) -> list[dict[str, object]]:
    return [dict(event.content) for event in terminal.workspace.journal().events() if event.kind is Kind.REPAIR]


def test_equal_rows_need_no_repair_and_leave_no_record(terminal: Terminal) -> None:
    status, out, _ = terminal.type("repair portal")
    assert (status, out) == (0, "every row of portal is equal: none to repair\n")
    assert repairs(terminal) == []


def test_nothing_is_written_before_somebody_agreed(terminal: Terminal) -> None:
    spoil(terminal)
    before = dict(terminal.world.systems["portal"].target_rows)
    for line in ("repair portal", "repair portal --json"):
        status, _, err = terminal.type(line)
        assert status == 2
        assert "not-agreed" in err
        said = "1 row to be made what the source has, 1 row to be brought from it, 1 row to be deleted"
        assert f"table public.dossier: {said}" in err
        assert "another value" not in err
    assert before.items() <= terminal.world.systems["portal"].target_rows.items()
    assert repairs(terminal) == []


def test_what_was_agreed_to_is_done_recorded_compared_again_and_told_in_the_report(terminal: Terminal) -> None:
    spoil(terminal)
    status, out, _ = terminal.type("repair portal --yes")
    assert status == 0
    assert "portal: 2 rows were written and 1 deleted on the target" in out
    assert out.splitlines()[-1] == "every row is equal now"
    state = terminal.world.systems["portal"]
    assert state.target_rows == state.source_rows
    begun, ended = repairs(terminal)
    assert (begun["phase"], ended["phase"]) == ("begun", "ended")
    assert begun["by"]
    assert ended["sentence"] == "2 rows were written and 1 deleted on the target"
    assert json.loads(terminal.type("repair portal --yes --json")[1])["odd"] == []
    # A record of a repair is none of a step: the move goes on as it would have.
    assert terminal.type("run")[0] == 0
    assert terminal.type("report --out " + str(terminal.workspace.state / "report"))[0] == 0
    page = (terminal.workspace.state / "report" / "report.json").read_text(encoding="utf-8")
    assert "repair of portal, asked for by" in page


def test_a_repair_that_fails_or_dies_is_recorded_and_done_again(terminal: Terminal) -> None:
    spoil(terminal)
    calls = len(terminal.world.calls)
    terminal.world.faults[calls + 1] = Fault()
    status, _, err = terminal.type("repair portal --yes")
    assert status == 1
    assert "error[planted]" in err
    assert [each["phase"] for each in repairs(terminal)] == ["begun", "broken-off"]
    terminal.world.faults[len(terminal.world.calls) + 1] = Fault(die=True, after_effect=True)
    with pytest.raises(Died):
        terminal.type("repair portal --yes")
    assert [each["phase"] for each in repairs(terminal)][2:] == ["begun"]
    assert terminal.type("status")[0] == 0
    assert terminal.type("repair portal --yes")[:2] == (0, "every row of portal is equal: none to repair\n")


def test_after_the_release_nothing_is_repaired(terminal: Terminal) -> None:
    assert terminal.type("run --wave 1")[0] == 0
    spoil(terminal)
    status, _, err = terminal.type("repair portal --yes")
    assert status == 2
    assert "error[past-point-of-no-return]" in err
    assert "dcshift verify portal --rows" in err
    assert repairs(terminal) == []
    assert not any(call.endswith(("odd_rows", "database.repair")) for call in terminal.world.calls)


def test_inside_a_freeze_nothing_is_repaired(terminal: Terminal) -> None:
    def strike(system: str, verb: str) -> None:
        if verb == "portal.database.fence":
            raise Died(verb)

    terminal.world.tampering = strike
    with pytest.raises(Died):
        terminal.type("run --wave 1")
    terminal.world.tampering = lambda system, verb: None
    status, _, err = terminal.type("repair portal --yes")
    assert status == 2
    assert "error[inside-the-freeze]" in err
