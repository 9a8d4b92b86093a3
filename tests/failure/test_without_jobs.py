"""A system without jobs and workers moves and is taken back by the same laws; the adapter is the real one, of none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from migration.adapters.background import BackgroundMove
from migration.adapters.jobs import CronMove
from migration.adapters.workers import ServiceWorkers
from migration.model.context import SystemContext
from migration.model.ending import Outcome
from migration.model.run import Policy, Want
from migration.model.words import Facts, Finding, Probe, Proof, Side, Stage
from tests.failure.test_laws import Moment, each_moment, either_side
from tests.support import examples
from tests.support.runs import Stand
from tests.support.world import Died, Fault
from tests.support.world_parts import Part, verb

SYSTEM = "portal"


class _Jobs(Part):
    """The real move of a system without jobs and workers: it may ask neither a host nor the cluster."""

    @property
    def real(self) -> BackgroundMove:
        system = examples.catalogue().system(self.system)
        source = system.source.model_copy(update={"jobs": {}, "workers": {}})
        without = system.model_copy(update={"jobs": [], "workers": [], "source": source})
        contract = examples.contracts()[self.system].model_copy(update={"jobs": [], "workers": []})
        facts = examples.inventory().systems[self.system]
        context = SystemContext(without, contract, facts, {}, self.token, Path("/nowhere"), None)
        nobody: Any = None
        of_nothing = {"playbooks": nobody, "cluster": nobody, "clock": self.world.clock}
        return BackgroundMove(CronMove(context, **of_nothing), ServiceWorkers(context, **of_nothing))

    @verb
    def check(self) -> Sequence[Finding]:
        return self.real.check()

    @verb
    def disarm_source(self) -> Facts:
        return self.real.disarm_source()

    def source_disarmed(self) -> Probe:
        return self.real.source_disarmed()

    @verb
    def rearm_source(self) -> None:
        self.real.rearm_source()

    @verb
    def arm_target(self) -> Facts:
        return self.real.arm_target()

    def target_armed(self) -> Probe:
        return self.real.target_armed()

    @verb
    def disarm_target(self) -> None:
        self.real.disarm_target()

    @verb
    def prove(self, *, serving: Side | None) -> Sequence[Proof]:
        return self.real.prove(serving=serving)


def stand_without_jobs() -> Stand:
    stand = Stand(SYSTEM)
    usual = stand.world.moves

    def moves(system: str, token: Any) -> Any:
        made = usual(system, token)
        return type(made)(made.database, made.files, _Jobs(stand.world, system, token), made.web, made.traffic)

    stand.world.moves = moves  # type: ignore[method-assign]
    return stand


def test_it_moves() -> None:
    stand = stand_without_jobs()
    assert stand.go().outcome is Outcome.DONE
    assert stand.world.systems[SYSTEM].site == "target"
    assert stand.world.lost(SYSTEM) == []


@each_moment
@either_side
def test_a_failure_before_the_release_restores_the_beginning(moment: Moment, after_effect: bool) -> None:
    stand = stand_without_jobs()
    beginning = stand.world.configuration()
    stand.world.faults[moment.number] = Fault(after_effect=after_effect)
    ending = stand.go(policy=Policy.ALL)
    if moment.past or (after_effect and moment.verb.endswith("release_to_target")):
        assert ending.outcome is Outcome.STUCK
    else:
        assert (ending.outcome, ending.step) == (Outcome.FAILED, moment.step)
        assert stand.world.configuration() == beginning
    assert stand.go().outcome is Outcome.DONE
    assert stand.world.lost(SYSTEM) == []


@each_moment
def test_it_is_taken_back_wherever_a_process_died(moment: Moment) -> None:
    stand = stand_without_jobs()
    beginning = stand.world.configuration()
    stand.world.faults[moment.number] = Fault(die=True, after_effect=True)
    with pytest.raises(Died):
        stand.go()
    ending = stand.go(Want.ROLLBACK)
    if moment.past or moment.verb.endswith("release_to_target"):
        assert ending.outcome is Outcome.REFUSED
        assert stand.go().outcome is Outcome.DONE
    else:
        assert ending.outcome is Outcome.ROLLED_BACK
        assert stand.world.configuration() == beginning


@each_moment
def test_whoever_resumes_it_reaches_the_end(moment: Moment) -> None:
    stand = stand_without_jobs()
    stand.world.faults[moment.number] = Fault(die=True)
    with pytest.raises(Died):
        stand.go()
    assert stand.go().outcome is Outcome.DONE
    assert stand.world.lost(SYSTEM) == []


def test_a_proof_of_no_jobs_names_their_number() -> None:
    stand = stand_without_jobs()
    stand.go(until=Stage.REPLICATE)
    jobs = stand.world.moves(SYSTEM, lambda: 1).jobs
    proofs: Sequence[Proof] = jobs.prove(serving=Side.SOURCE)
    assert [(proof.passed, proof.sentence) for proof in proofs] == [
        (True, "0 jobs are armed on the source alone"),
        (True, "0 workers are at work on the source alone"),
    ]
