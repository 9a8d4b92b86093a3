"""`dcshift drill` tells what it measured also where the cluster does not take it, and then ends with 1."""

from __future__ import annotations

import json
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
