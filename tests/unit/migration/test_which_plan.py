"""Which plan a verb means: the one that is on its way comes before the newest, and each verb says which it took."""

from __future__ import annotations

import dataclasses
import json

import pytest

from migration import store
from migration.cli.meant import plan_ids
from migration.cli.session import SESSION
from tests.support.workspace import Terminal

VERBS = ("rollback", "pause", "status", "verify", "check", "report")


def plan_again(terminal: Terminal, minute: int, words: str = "plan") -> str:
    """Survey, so that the plan is another one, and return its hash."""
    later = terminal.workspace.seen.model_copy(update={"observed_at": f"2026-11-24T10:{minute:02d}:00Z"})
    terminal.workspace = dataclasses.replace(terminal.workspace, seen=later)
    terminal.type("survey")
    _, out, _ = terminal.type(f"{words} --json")
    return str(json.loads(out)["id"])


def one_on_its_way() -> tuple[Terminal, str, str]:
    """Return a terminal, the plan that has begun to move portal, and a newer one that has begun nothing."""
    terminal = Terminal()
    going = plan_again(terminal, 1)
    terminal.type("run --wave 1 --until replicate")
    terminal.world.clock.sleep(3600)
    return terminal, going, plan_again(terminal, 2)


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_means_the_plan_that_is_on_its_way_and_says_so_first(verb: str) -> None:
    terminal, going, newest = one_on_its_way()
    _, _, err = terminal.type(verb)
    first = f"plan {going[:6]} of 2026-11-24 17:00: portal, feedback; the newest plan is {newest[:6]}"
    assert err.splitlines()[0] == first
    _, out, _ = terminal.type(f"{verb} --json --plan {going[:8]}")
    assert json.loads(out)["plan"] == going


@pytest.mark.parametrize("verb", VERBS)
def test_another_plan_is_meant_by_name(verb: str) -> None:
    terminal, _, newest = one_on_its_way()
    _, _, err = terminal.type(f"{verb} --plan {newest[:6]}")
    assert err.splitlines()[0] == f"plan {newest[:6]} of 2026-11-24 18:00: portal, feedback"


def test_a_system_is_taken_back_though_a_newer_plan_was_made() -> None:
    terminal, _, _ = one_on_its_way()
    assert terminal.world.systems["portal"].gate
    status, out, _ = terminal.type("rollback portal")
    assert (status, "Taken back" in out) == (0, True)
    assert not terminal.world.systems["portal"].gate


def test_what_has_ended_or_was_taken_back_is_no_longer_on_its_way() -> None:
    terminal, _, newest = one_on_its_way()
    terminal.type("rollback")
    assert terminal.type("status")[2].startswith(f"plan {newest[:6]} of")
    terminal.type("run")
    latest = plan_again(terminal, 3)
    assert terminal.type("status")[2].startswith(f"plan {latest[:6]} of")


def test_when_several_are_on_their_way_none_is_guessed() -> None:
    terminal = Terminal()
    portal = plan_again(terminal, 1, "plan --system portal")
    terminal.type("run --until prepare")
    feedback = plan_again(terminal, 2, "plan --system feedback")
    terminal.type("run --until prepare")
    calls = len(terminal.world.calls)
    for verb in VERBS:
        status, out, err = terminal.type(verb)
        assert (status, out) == (2, "")
        assert "error[several-plans-on-their-way]" in err
        assert f"plan {portal[:6]} of 2026-11-24 17:00 moves portal" in err
        assert f"type it again with --plan {portal[:6]} or --plan {feedback[:6]}" in err
    assert len(terminal.world.calls) == calls
    assert terminal.type("rollback portal")[0] == 0
    assert not terminal.world.systems["portal"].gate
    assert terminal.world.systems["feedback"].gate
    assert terminal.type("status")[2].startswith(f"plan {feedback[:6]} of")


@pytest.mark.parametrize("name", ["", "*", "?"])
def test_a_plan_is_named_by_its_beginning_and_by_nothing_else(name: str) -> None:
    terminal, _, _ = one_on_its_way()
    status, _, err = terminal.type(f"status --plan={name}")
    assert (status, "error[plan-unknown]" in err) == (2, True)


def test_a_shell_completes_the_plans() -> None:
    terminal, going, newest = one_on_its_way()
    SESSION.opener = lambda: terminal.workspace
    assert plan_ids("") == sorted([going[:12], newest[:12]])
    assert plan_ids(going[:5]) == [going[:12]]
    assert store.newest(terminal.workspace.plans) == newest
