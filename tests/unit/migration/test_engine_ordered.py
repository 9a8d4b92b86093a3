"""Which engine copies a database is said at the command line, and may be ordered there where it can be obeyed."""

from __future__ import annotations

import dataclasses
import json

from migration import store
from tests.support.workspace import Terminal


def unwrapped(said: str) -> str:
    """Return it as on a terminal that is wide enough."""
    return " ".join(said.split())


def test_plan_and_status_say_the_engine_and_why() -> None:
    terminal = Terminal()
    terminal.type("survey")
    _, said, _ = terminal.type("plan")
    assert (
        "portal/database is copied by the engine logical: the target is the CloudNativePG cluster portal-db"
        in unwrapped(said)
    )
    _, said, _ = terminal.type("status")
    assert "database by the engine logical: the target is the CloudNativePG cluster portal-db" in unwrapped(said)
    _, said, _ = terminal.type("status --json")
    engine = json.loads(said)["systems"]["portal"]["engine"]
    assert (engine["system"], engine["name"]) == ("portal", "logical")


def test_an_order_that_cannot_be_obeyed_makes_no_plan() -> None:
    terminal = Terminal()
    terminal.type("survey")
    status, _, error = terminal.type("plan --engine physical")
    assert status == 3
    assert "error[engine-not-possible]" in error
    assert "into which its operator alone puts files" in error
    assert store.newest(terminal.workspace.plans) is None
    assert terminal.type("plan --engine logical")[0] == 0
    ordered = store.newest(terminal.workspace.plans)
    assert terminal.type("plan")[0] == 0
    assert store.newest(terminal.workspace.plans) == ordered


def test_a_plan_of_before_the_choice_is_shown_and_runs_to_its_end() -> None:
    terminal = Terminal()
    terminal.type("survey")
    terminal.type("plan --wave 1")
    pinned = store.load(terminal.workspace.plans)
    older = dataclasses.replace(pinned, plan=dataclasses.replace(pinned.plan, engines=()))
    store.save(terminal.workspace.plans, older)
    status, said, _ = terminal.type(f"status --plan {older.plan.id[:12]}")
    assert status == 0
    assert "by the engine" not in said
    assert terminal.type(f"run --plan {older.plan.id[:12]}")[0] == 0
