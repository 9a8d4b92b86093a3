"""Ctrl-C at the command line, by a real signal: it is noted at once, obeyed at a safe place, and the run goes on."""

from __future__ import annotations

import os
import signal

import pytest

from migration.cli.main import command
from tests.support.workspace import Terminal


def pressing(terminal: Terminal, verb: str) -> None:
    """Press Ctrl-C once while this verb works."""
    pressed: list[str] = []

    def press(system: str, now: str) -> None:
        if not pressed and now.endswith(verb):
            pressed.append(system)
            os.kill(os.getpid(), signal.SIGINT)

    terminal.world.tampering = press


@pytest.mark.parametrize("verb", ["replicate", "install_gate"])
def test_it_stops_safely_says_who_serves_and_goes_on(verb: str, capfd: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal()
    terminal.type("survey")
    terminal.type("plan")
    before = signal.getsignal(signal.SIGINT)  # ignored, where somebody started the tests in the background
    pressing(terminal, verb)
    status, out, err = terminal.type("run --wave 1")
    assert status == 130
    assert "Stopped safely" in out
    assert "state: the source serves portal" in out
    assert "next: dcshift run" in out
    assert "Traceback" not in err
    assert "SIGINT noted: dcshift stops at the next safe place" in capfd.readouterr().err
    assert signal.getsignal(signal.SIGINT) is before
    assert terminal.type("run --wave 1")[0] == 0
    assert terminal.world.lost("portal") == []


def test_a_command_that_only_reads_ends_at_once_and_says_what_next(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    assert command(["survey"], interrupted) == 130  # type: ignore[arg-type]
    assert "dcshift status shows where the move stands" in capsys.readouterr().err
