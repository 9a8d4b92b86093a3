"""Whatever happens in whatever order, the world is whole in the end: a state machine looks for a counterexample."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from migration.decisions import Do, End, decide, holding, past_point_of_no_return
from migration.model.ending import Outcome
from migration.model.run import Policy, Status, Want
from migration.model.words import Stage
from tests.support.runs import Stand
from tests.support.world import Died, Fault

SYSTEM = "portal"


class Night(RuleBasedStateMachine):
    """Operators run, roll back and are killed; verbs fail before and after their effect; time passes."""

    def __init__(self) -> None:
        super().__init__()
        self.stand = Stand(SYSTEM)
        self.beginning = self.stand.world.configuration()

    @rule(
        want=st.sampled_from([Want.FORWARD, Want.ROLLBACK]),
        until=st.sampled_from([Stage.PREPARE, Stage.REPLICATE, Stage.CUTOVER, Stage.WATCH]),
        policy=st.sampled_from(list(Policy)),
        dies_at=st.none() | st.integers(1, 40),
        before=st.booleans(),
        fault=st.none() | st.tuples(st.integers(0, 30), st.booleans(), st.booleans()),
    )
    def somebody_runs_dcshift(
        self,
        *,
        want: Want,
        until: Stage,
        policy: Policy,
        dies_at: int | None,
        before: bool,
        fault: tuple[int, bool, bool] | None,
    ) -> None:
        if fault is not None:
            ahead, dies, after = fault
            self.stand.world.faults = {len(self.stand.world.calls) + ahead: Fault(die=dies, after_effect=after)}
        try:
            ending = self.stand.go(want, until=until, policy=policy, dies_at=dies_at, before=before)
        except Died:
            return
        if ending.outcome in (Outcome.DONE, Outcome.FAILED, Outcome.ROLLED_BACK):
            assert self.stand.world.systems[SYSTEM].site != "hold", "a process ended and left citizens waiting"
        if ending.outcome is Outcome.ROLLED_BACK:
            assert self.stand.world.configuration() == self.beginning

    @rule(seconds=st.floats(1, 300))
    def time_passes(self, seconds: float) -> None:
        self.stand.clock.sleep(seconds)

    @invariant()
    def nothing_that_a_citizen_was_told_is_lost(self) -> None:
        if self.stand.world.systems[SYSTEM].site != "hold":
            assert self.stand.world.lost(SYSTEM) == []

    @invariant()
    def the_journal_can_be_replayed_and_says_what_is_true(self) -> None:
        state, world = self.stand.state(), self.stand.world.systems[SYSTEM]
        if world.site == "hold":
            assert holding(state, self.stand.plan, SYSTEM), "citizens wait and the journal does not know"
        release = next(step for step in self.stand.plan.steps if step.point_of_no_return)
        if past_point_of_no_return(state, self.stand.plan, SYSTEM):
            assert world.site == "target"
        if world.site == "target":
            assert state.step(release.id).status in (Status.DOING, Status.HALF, Status.DONE)

    @invariant()
    def what_comes_next_is_the_same_whoever_asks(self) -> None:
        state, now = self.stand.state(), self.stand.clock.now()
        decision = decide(state, self.stand.plan, [SYSTEM], now)
        assert decision == decide(state, self.stand.plan, [SYSTEM], now)
        if isinstance(decision, Do):
            earlier = self.stand.plan.steps[: self.stand.plan.steps.index(self.stand.plan.step(decision.step))]
            assert all(state.step(step.id).status is Status.DONE for step in earlier), "a step was skipped"
        if isinstance(decision, End) and decision.outcome is Outcome.FAILED:
            assert not holding(state, self.stand.plan, SYSTEM)

    def teardown(self) -> None:
        """In the end somebody runs it with nobody to disturb, twice: once may only finish a way back."""
        self.stand.world.faults.clear()
        for _ in range(3):
            ending = self.stand.go()
        assert ending.outcome is Outcome.DONE, ending
        assert self.stand.world.systems[SYSTEM].site == "target"
        assert self.stand.world.lost(SYSTEM) == []
        journal = self.stand.journal()
        assert journal.verify_chain().broken_at is None
        journal.close()


TestNight = Night.TestCase
TestNight.settings = settings(
    max_examples=30, stateful_step_count=8, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
