"""`dcshift status -w` ends when nobody is at work, with one sentence and the exit status that its help names."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable

import pytest

from migration.adapters.clock import this_process
from migration.journal import LEASE_SECONDS
from migration.model.lease import Lease
from migration.model.words import Finding, Severity
from tests.support.workspace import Terminal
from tests.support.world import Died, Fault

NOON = Finding(Severity.BLOCKER, "outside-window", "khanhhoa", "it is noon in the province", "wait for the night")


@pytest.fixture
def terminal() -> Terminal:
    made = Terminal()
    made.type("survey")
    made.type("plan")
    return made


def at(terminal: Terminal, verb: str, act: Callable[[], None]) -> None:
    """Do something once, when this verb works."""
    came: list[str] = []

    def tamper(system: str, now: str) -> None:
        if now.endswith(verb) and not came:
            came.append(now)
            act()

    terminal.world.tampering = tamper


def moved(terminal: Terminal) -> None:
    assert terminal.type("run")[0] == 0


def moved_in_part(terminal: Terminal) -> None:
    assert terminal.type("run --wave 1 --until replicate")[0] == 0


def failed(terminal: Terminal) -> None:
    moved_in_part(terminal)
    terminal.world.faults[len(terminal.world.calls) + 6] = Fault()
    assert terminal.type("run --wave 1")[0] == 1


def stuck(terminal: Terminal) -> None:
    at(terminal, "database.hand_over", lambda: _fail_next(terminal, 3))
    terminal.type("run --wave 1")


def _fail_next(terminal: Terminal, count: int) -> None:
    terminal.world.faults.update({len(terminal.world.calls) + number: Fault() for number in range(count)})


def rolled_back(terminal: Terminal) -> None:
    moved_in_part(terminal)
    assert terminal.type("rollback portal")[0] == 0


def blocked(terminal: Terminal) -> None:
    terminal.workspace.findings.append(NOON)
    assert terminal.type("run --wave 1")[0] == 3


def paused(terminal: Terminal) -> None:
    at(terminal, "database.replicate", lambda: terminal.type("pause portal") and None)
    assert terminal.type("run --wave 1")[0] == 130


def interrupted(terminal: Terminal) -> None:
    at(terminal, "install_gate", lambda: os.kill(os.getpid(), signal.SIGINT))
    assert terminal.type("run --wave 1")[0] == 130


def killed(verb: str) -> Callable[[Terminal], None]:
    def kill(terminal: Terminal) -> None:
        at(terminal, verb, lambda: terminal.world.faults.update({len(terminal.world.calls): Fault(die=True)}))
        with pytest.raises(Died):
            terminal.type("run --wave 1")

    return kill


CASES: list[tuple[Callable[[Terminal], None], int, str, str]] = [
    (lambda terminal: None, 130, "nothing of this plan was begun", "dcshift run --plan"),
    (moved, 0, "portal, feedback: moved", "dcshift report"),
    (moved_in_part, 0, "what was asked for is done; portal is moving, 7 of 22 steps", "dcshift run --plan"),
    (failed, 1, "which was undone: the source serves it", "dcshift rollback takes the rest back"),
    (stuck, 4, "is stuck at", "mend it, then dcshift run --plan"),
    (rolled_back, 0, "portal was taken back: the source serves", "dcshift run --plan"),
    (blocked, 3, "was not begun: outside-window forbids it", "dcshift check, then dcshift run"),
    (paused, 130, "portal was paused", "dcshift run --plan"),
    (interrupted, 130, "it was stopped safely before the end of wave-1/portal/", "dcshift run --plan"),
    (killed("database.replicate"), 4, "has died before the end of wave-1/portal/", "looks first and goes on"),
    (killed("database.fence"), 4, "stands inside a freeze: citizens may be waiting", "ends the freeze"),
]


@pytest.mark.parametrize(
    ("before", "status", "sentence", "then"), CASES, ids=lambda each: getattr(each, "__name__", "")
)
def test_it_ends_and_says_how(
    terminal: Terminal, before: Callable[[Terminal], None], status: int, sentence: str, then: str
) -> None:
    before(terminal)
    began = terminal.world.clock.now()
    ended, out, _ = terminal.type("status -w")
    assert ended == status, out
    said = out.partition("ended: ")[2]
    assert sentence in said
    assert then in said.partition("\nnext: ")[2]
    assert terminal.world.clock.now() - began <= LEASE_SECONDS + 6
    told = json.loads(terminal.type("status -w --json")[1])["ended"]
    assert (told["exit_code"], sentence in told["sentence"]) == (status, True)


def test_it_goes_on_while_somebody_is_at_work_and_ends_when_the_lease_has_run_out(terminal: Terminal) -> None:
    moved_in_part(terminal)
    taken = terminal.workspace.journal().take(["system:portal"], this_process())
    assert isinstance(taken, Lease)
    began = terminal.world.clock.now()
    assert terminal.type("status -w")[0] == 0
    assert LEASE_SECONDS <= terminal.world.clock.now() - began <= LEASE_SECONDS + 10


def test_a_moment_without_a_lease_between_two_turns_is_no_end(terminal: Terminal) -> None:
    moved_in_part(terminal)
    journal, clock = terminal.workspace.journal(), terminal.world.clock
    slept, looked, holding = clock.sleep, [0], [journal.take(["system:portal"], this_process())]

    def sleep(seconds: float) -> None:
        looked[0] += 1
        if looked[0] in (2, 6):  # between turns: given back, and taken again three seconds later
            journal.release(holding.pop())  # type: ignore[arg-type]
        if looked[0] == 5:
            holding.append(journal.take(["system:portal"], this_process()))
        slept(seconds)

    clock.sleep = sleep  # type: ignore[method-assign]
    assert terminal.type("status -w")[0] == 0
    assert looked[0] >= 6 + 4


def test_ctrl_c_ends_the_watch_without_a_word(terminal: Terminal) -> None:
    moved_in_part(terminal)

    def press(seconds: float) -> None:
        raise KeyboardInterrupt

    terminal.world.clock.sleep = press  # type: ignore[method-assign]
    ended, out, err = terminal.type("status -w")
    assert ended == 130
    assert "ended:" not in out
    assert "stopped" not in err
    assert terminal.type("status")[0] == 0
