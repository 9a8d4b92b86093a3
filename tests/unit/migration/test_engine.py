"""The engine on a whole plan in the fake world."""

from migration.model.ending import Outcome
from migration.model.run import Status
from tests.support.runs import Stand


def test_a_run_moves_every_system_and_loses_no_write() -> None:
    stand = Stand()
    ending = stand.go()
    assert ending.outcome is Outcome.DONE, ending
    state = stand.state()
    assert all(state.step(step.id).status is Status.DONE for step in stand.plan.steps)
    for name, system in stand.world.systems.items():
        assert system.site == "target"
        assert stand.world.lost(name) == []
    journal = stand.journal()
    assert journal.verify_chain().broken_at is None
    assert journal.holders() == {}


def test_a_finished_run_has_nothing_more_to_do() -> None:
    stand = Stand("feedback")
    stand.go()
    calls = list(stand.world.calls)
    assert stand.go().outcome is Outcome.DONE
    assert stand.world.calls == calls
