"""`dcshift drill` tells what it measured also where the cluster does not take it, and then ends with 1."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from migration.errors import StepFailed
from migration.model.drilled import Base, Drilled, Instant
from tests.support.workspace import FakeWorkspace, Terminal

TOTALS = {"public.dossier": (300_000, 17)}
FOUND = Drilled("portal", Base("b", "1", 1_000.0), Instant("0/5", 40_000.0, TOTALS, 300.0), 4.0, 9.0, 1.0, ())


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setattr(FakeWorkspace, "drill", lambda *_, **__: FOUND)
    return Terminal()


def test_where_it_was_written_down_is_told(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[tuple[str, object]] = []

    def take(_: FakeWorkspace, system: str, document: object) -> str:
        taken.append((system, document))
        return "dcshift-drills/portal-drill"

    monkeypatch.setattr(FakeWorkspace, "record_drill", take)
    status, out, err = terminal.type("drill portal --json")
    assert (status, err) == (0, "")
    said = json.loads(out)
    assert said["recorded"] == "dcshift-drills/portal-drill"
    kept = json.loads(Path(said["kept"]).read_text(encoding="utf-8"))
    assert taken == [("portal", kept)]
    assert (
        terminal.type("drill portal")[1].splitlines()[-1].endswith("and in the cluster as dcshift-drills/portal-drill")
    )


def test_a_cluster_that_refuses_it_hides_no_figure_and_is_a_failure(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> str:
        raise StepFailed("target-refused", what="ConfigMap is refused", why="403", state="ended", next="apply platform")

    monkeypatch.setattr(FakeWorkspace, "record_drill", refuse)
    status, out, err = terminal.type("drill portal")
    assert status == 1
    assert "RTO 10 s" in out
    assert out.splitlines()[-1].endswith("NOT written down in the cluster, see above")
    assert "target-refused" in err
    assert "apply platform" in err
    assert json.loads(terminal.type("drill portal --json")[1])["recorded"] is None


@pytest.mark.parametrize(
    ("code", "marked"),
    [("backup-not-restored", True), ("log-not-archived", True), ("backup-failed", True), ("target-unreachable", False)],
)
def test_a_backup_that_became_no_database_is_left_word_of_and_its_own_error_is_told(
    code: str, marked: bool, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> Drilled:
        raise StepFailed(code, what="no database came of it", why="after 9 s", state="it serves", next="look")

    taken: list[tuple[str, str]] = []
    monkeypatch.setattr(FakeWorkspace, "drill", fail)
    monkeypatch.setattr(FakeWorkspace, "mark_failed_drill", lambda _, *words: taken.append(words))
    status, _, err = terminal.type("drill portal")
    assert (status, err.count(f"error[{code}]")) == (1, 1)
    assert taken == ([("portal", f"{code}: after 9 s")] if marked else [])


def test_a_word_that_the_cluster_does_not_take_hides_no_failure(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusing(code: str) -> Callable[..., Drilled]:
        def refuse(*_: object, **__: object) -> Drilled:
            raise StepFailed(code, what=f"it is {code}", why="so", state="it serves", next="look")

        return refuse

    monkeypatch.setattr(FakeWorkspace, "drill", refusing("backup-not-restored"))
    monkeypatch.setattr(FakeWorkspace, "mark_failed_drill", refusing("target-refused"))
    status, _, err = terminal.type("drill portal")
    assert status == 1
    assert "it is target-refused" in err
    assert "error[backup-not-restored]: it is backup-not-restored" in err
