"""Runs turns: decide, take the leases, decide again, record the attempt, act, record the result; it makes no choice.

A turn is one attempt of one step. Whatever dies, the journal holds an attempt without a result, and the next process
probes the world before anything else. The order was settled by the planner; what follows from a failure is settled
by `decisions`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from migration import evidence
from migration.decisions import (
    Decision,
    Do,
    End,
    GiveUp,
    Probe,
    Undo,
    decide,
    frozen,
    hold_seconds_left,
    hold_seconds_limit,
    holding,
    past_point_of_no_return,
    unwind,
)
from migration.errors import MigrationError
from migration.journal import Journal
from migration.leasing import Leasing
from migration.model.ending import Ending, Outcome, Wish
from migration.model.lease import Busy, Holder, Lease
from migration.model.plan import Plan, Step
from migration.model.run import Event, Kind, RunState, Verb, Want
from migration.model.words import Facts, Finding, Json, ProbeState, Progress, Proof, RunId, Severity
from migration.ports import Clock, Moves
from migration.stages.registry import handler
from migration.stages.step import Turn

_LEASE_POLL_SECONDS = 1.0


class Stopped(BaseException):
    """A signal came while a step was at work; not an `Exception`, so that no move takes it for a failure of its own."""


class Listener(Protocol):
    """Whoever shows the run to people."""

    def recorded(self, event: Event, step: Step | None) -> None: ...

    def progressed(self, step: Step, progress: Progress) -> None: ...

    def said(self, sentence: str) -> None: ...


@dataclass(slots=True)
class Engine:
    """One process's hands on one run."""

    plan: Plan
    journal: Journal
    clock: Clock
    holder: Holder
    moves: Callable[[str, Callable[[], int]], Moves]
    """Build the moves of a system; the second argument gives the token of the turn under way."""
    checks: Callable[[Step, Moves], Sequence[Finding]]
    """What speaks against beginning this step now; asked before its attempt is recorded."""
    listener: Listener
    signalled: Callable[[], str | None] = lambda: None
    """Return the name of a signal that came, if any."""
    _run: RunId = field(default_factory=lambda: RunId(""))
    _built: dict[str, Moves] = field(default_factory=dict)
    _refused: bool = False

    def go(self, wish: Wish) -> Ending:
        """Run turns until there is nothing more to do for the wish; every effect is on record before and after."""
        self._run = self.journal.open_run(self.plan.id)
        systems = tuple(name for name in self.plan.systems() if name in wish.systems)
        deadline = self.clock.monotonic() + wish.wait_seconds
        with Leasing(self.journal, self.holder) as leasing:
            busy = self._wish(wish, systems, leasing, deadline)
            if busy is not None:
                return busy
            while True:
                ending = self._turn(systems, leasing, deadline)
                if ending is not None:
                    return ending

    def _wish(self, wish: Wish, systems: Sequence[str], leasing: Leasing, deadline: float) -> Ending | None:
        """Record what is wanted, unless another process is at work and nothing was asked of that one.

        A wish to go back counts for whoever is at work. One to go forward is this process's own: if it is turned away,
        it must not have changed where the other goes.
        """
        own = [f"system:{name}" for name in systems] if wish.want is Want.FORWARD else []
        while own and isinstance(held := leasing.hold(own), Busy):
            if self.clock.monotonic() >= deadline:
                name = held.resource.partition(":")[2]
                return Ending(Outcome.BUSY, name, None, f"{held.resource} is held by {held.holder}")
            self.clock.sleep(_LEASE_POLL_SECONDS)
        content: dict[str, Json] = {
            "want": wish.want,
            "systems": list(systems),
            "until": wish.until,
            "policy": wish.policy,
            "by": wish.by,
            "holder": str(self.holder),
        }
        self._record(Kind.WANTED, None, content, leasing.lease if own else None)
        return None

    # ------------------------------------------------------------------ one turn

    def _turn(self, systems: Sequence[str], leasing: Leasing, deadline: float) -> Ending | None:
        decision = self._decide(systems)
        if isinstance(decision, End):
            return self._ending(decision)
        step = self.plan.step(decision.step)
        if self._must_stop(step):
            return Ending(Outcome.INTERRUPTED, step.system, step.id, "stopped between two steps, as the signal asked")
        held = leasing.hold(step.leases)
        if isinstance(held, Busy):
            return self._wait(held, step, deadline)
        if self._decide(systems) != decision:
            return None  # another process has recorded something since: what we saw is no longer so
        moves = self._moves(step.system, leasing)
        match decision:
            case Do():
                return self._attempt(step, moves, leasing)
            case Probe():
                self._probe(step, moves, leasing)
            case Undo():
                self._undo(step, moves, held)
            case GiveUp(held_seconds_max=limit):
                self._fail_unbegun(step, evidence.held_too_long(step, limit), moves, leasing)
        return None

    def _attempt(self, step: Step, moves: Moves, leasing: Leasing) -> Ending | None:
        lease = leasing.lease
        findings = self._find(step, moves)
        blockers = tuple(finding for finding in findings if finding.severity is Severity.BLOCKER)
        if findings:
            self._record(Kind.FOUND, step, {"findings": [evidence.of_finding(finding) for finding in findings]}, lease)
        if blockers and not frozen(self._state(), self.plan, step.system):
            return Ending(Outcome.BLOCKED, step.system, step.id, f"{step.id} was not begun", blockers)
        # Inside a freeze nothing may stop and leave it open: before the release it is taken back, after it the jobs are
        # still to be armed, and what was found is on record.
        if blockers and not past_point_of_no_return(self._state(), self.plan, step.system):
            self._fail_unbegun(step, evidence.blocked_inside_the_freeze(step, blockers), moves, leasing)
            return None
        # The attempt is on disk before its first effect: after a crash this is what tells us to look. For the release
        # it is the record of the point of no return.
        self._record(Kind.STARTED, step, {"verb": Verb.DO, "token": lease.token, "holder": str(self.holder)}, lease)
        began = self.clock.monotonic()
        try:
            facts = handler(step.stage, step.component).do(self._context(step, moves))
        except Stopped:
            self._record(Kind.INTERRUPTED, step, {"signal": self.signalled() or ""}, lease)
            return Ending(Outcome.INTERRUPTED, step.system, step.id, f"{step.id} goes on from here at the next run")
        except Exception as failure:
            self._fail(step, moves, leasing, evidence.as_error(failure, step))
            return None
        self._prove(step, moves, leasing, facts, began)
        return None

    def _prove(self, step: Step, moves: Moves, leasing: Leasing, facts: Facts, began: float) -> None:
        effect_seconds = round(self.clock.monotonic() - began, 3)
        proofs: Sequence[Proof] = ()
        try:
            left = hold_seconds_left(self._state(), self.plan, step, self.clock.now())
            if left is not None and left < 0 and not step.point_of_no_return:
                raise evidence.held_too_long(step, hold_seconds_limit(self.plan, step.system))
            proofs = handler(step.stage, step.component).proofs(self._context(step, moves))
            evidence.assert_proved(step, proofs)
        except Exception as failure:
            self._fail(step, moves, leasing, evidence.as_error(failure, step), proofs)
            return
        # A step is done only here: its effect was reached and every proof that it owes has passed.
        took = round(self.clock.monotonic() - began, 3)
        content: dict[str, Json] = {
            "facts": evidence.plain(facts),
            "proofs": [evidence.of_proof(proof) for proof in proofs],
            "effect_seconds": effect_seconds,
            "seconds": took,
        }
        self._record(Kind.DONE, step, content, leasing.lease)

    def _probe(self, step: Step, moves: Moves, leasing: Leasing) -> None:
        lease = leasing.lease
        began = self.clock.monotonic()
        verbs = handler(step.stage, step.component)
        answer = evidence.ask(verbs.probe, moves)
        unknown = answer.state is ProbeState.UNKNOWN
        sentence = answer.sentence
        if unknown and verbs.idempotent:
            sentence += "; the step may be repeated, so it is done again"
        self._record(Kind.PROBED, step, {"state": answer.state, "sentence": sentence}, lease)
        if answer.state is ProbeState.DONE:
            self._prove(step, moves, leasing, {"found_done_after_a_crash": answer.sentence}, began)
        elif unknown and not verbs.idempotent:
            error = evidence.unknown_effect(step, answer)
            self._record(Kind.FAILED, step, {"error": error, "proofs": [], "unwind": [], "past": True}, lease)

    def _undo(self, step: Step, moves: Moves, lease: Lease) -> None:
        verbs = handler(step.stage, step.component)
        self._record(Kind.STARTED, step, {"verb": Verb.UNDO, "token": lease.token, "holder": str(self.holder)}, lease)
        try:
            verbs.undo(moves)
            if verbs.undo_is_seen:
                evidence.assert_undone(step, evidence.ask(verbs.probe, moves))
        except Exception as failure:
            self._record(Kind.UNDO_FAILED, step, {"error": dict(evidence.as_error(failure, step).as_dict())}, lease)
            return
        self._record(Kind.UNDONE, step, {}, lease)

    def _fail_unbegun(self, step: Step, error: MigrationError, moves: Moves, leasing: Leasing) -> None:
        """Fail a step before it begins, so that the freeze is taken back."""
        lease = leasing.lease
        self._record(Kind.STARTED, step, {"verb": Verb.DO, "token": lease.token, "holder": str(self.holder)}, lease)
        self._fail(step, moves, leasing, error)

    # ------------------------------------------------------------------ failing

    def _fail(
        self, step: Step, moves: Moves, leasing: Leasing, error: MigrationError, proofs: Sequence[Proof] = ()
    ) -> None:
        if error.code == "lease-lost":
            raise error  # not the step's failure: this process may no longer record or undo anything
        state = self._state()
        # What failed here may still be on its way over there: a release, a hold. Asked and undone under a new turn, a
        # host answers after it or refuses it from then on, so what follows from the answer stays true.
        leasing.next_turn()
        if step.point_of_no_return:
            past = evidence.ask(handler(step.stage, step.component).probe, moves).state is not ProbeState.NOT_DONE
        else:
            past = past_point_of_no_return(state, self.plan, step.system)
        back = () if past else unwind(state, self.plan, step, state.system(step.system).policy)
        self._record(
            Kind.FAILED,
            step,
            {
                "error": dict(error.as_dict()),
                "proofs": [evidence.of_proof(proof) for proof in proofs],
                "unwind": list(back),
                "past": past,
            },
            leasing.lease,
        )

    # ------------------------------------------------------------------ small parts

    def _state(self) -> RunState:
        return self.journal.state(self._run)

    def _decide(self, systems: Sequence[str]) -> Decision:
        stopping = self.signalled() is not None
        return decide(self._state(), self.plan, systems, self.clock.now(), stopping=stopping)

    def _record(self, kind: Kind, step: Step | None, content: dict[str, Json], lease: Lease | None = None) -> None:
        event = self.journal.append(self._run, kind, step=step.id if step else None, content=content, lease=lease)
        self.listener.recorded(event, step)

    def _moves(self, system: str, leasing: Leasing) -> Moves:
        if system not in self._built:
            self._built[system] = self.moves(system, leasing.token)
        return self._built[system]

    def _find(self, step: Step, moves: Moves) -> Sequence[Finding]:
        try:
            return self.checks(step, moves)
        except Exception as failure:
            error = evidence.as_error(failure, step)
            return [Finding(Severity.BLOCKER, error.code, step.id, f"{error.what}: {error.why}", error.next)]

    def _context(self, step: Step, moves: Moves) -> Turn:
        state = self._state()
        facts = {(other.stage, other.component): state.step(other.id).facts for other in self.plan.of(step.system)}

        def on_progress(progress: Progress) -> None:
            self.listener.progressed(step, progress)
            if not step.holds_users and self.signalled():
                raise Stopped

        left = hold_seconds_left(state, self.plan, step, self.clock.now())
        return Turn(moves, self.clock, on_progress, facts, left)

    def _must_stop(self, step: Step) -> bool:
        signal = self.signalled()
        if signal is None:
            return False
        if frozen(self._state(), self.plan, step.system):
            if not self._refused:
                self._refused = True
                self.listener.said(f"{signal} is not obeyed now: {self._why_not_now(step.system)}")
            return False
        self._record(Kind.INTERRUPTED, None, {"signal": signal, "before": step.id})
        return True

    def _why_not_now(self, system: str) -> str:
        state = self._state()
        if past_point_of_no_return(state, self.plan, system):
            return f"{system} was released, and its jobs are armed on no side yet; dcshift stops as soon as they are"
        if holding(state, self.plan, system):
            return (
                f"citizens of {system} are waiting, and stopping here would keep them waiting; dcshift stops as soon "
                "as they are served again"
            )
        return f"the jobs of {system} are at rest; dcshift arms them on the source again and stops then"

    def _wait(self, busy: Busy, step: Step, deadline: float) -> Ending | None:
        sentence = f"{busy.resource} is held by {busy.holder}"
        # Hosts are shared by systems that move side by side, so waiting for one is ordinary; a system is not.
        if busy.resource.startswith("system:") and self.clock.monotonic() >= deadline:
            return Ending(Outcome.BUSY, step.system, step.id, sentence)
        self.listener.said(f"{step.id} waits: {sentence}")
        self.clock.sleep(_LEASE_POLL_SECONDS)
        return None

    def _ending(self, end: End) -> Ending:
        state = self._state()
        error = None
        if end.step is not None and end.system is not None:
            failure = state.system(end.system).failure
            error = failure.error if failure is not None and failure.step == end.step else state.step(end.step).error
        return Ending(end.outcome, end.system, end.step, str(error["what"]) if error else "")
