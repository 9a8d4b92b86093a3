"""Whole sessions at the command line in the fake world, compared with committed transcripts."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from migration.model.words import Finding, Severity
from tests.support.examples import EXAMPLE
from tests.support.workspace import Terminal, golden
from tests.support.world import Fault

GOLDEN = Path(__file__).parents[2] / "golden"
UPDATE = bool(os.environ.get("DCSHIFT_UPDATE_GOLDEN"))


@pytest.fixture(autouse=True)
def _a_dumb_terminal_of_a_known_width(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COLUMNS", "FORCE_COLOR", "TTY_COMPATIBLE", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)


def planned() -> Terminal:
    terminal = Terminal()
    terminal.type("survey")
    terminal.type("plan")
    terminal.transcript = ""
    return terminal


def _good_night(terminal: Terminal) -> None:
    for line in ("survey", "plan", "check", "run --wave 1 --until replicate", "run --wave 1", "status", "verify portal",
                 "rollback portal", "run", "rollback"):  # fmt: skip
        terminal.type(line)


def _bad_night(terminal: Terminal) -> None:
    terminal.type("survey")
    terminal.type("plan --system portal")
    terminal.type("run --until replicate")
    cut = len(terminal.world.calls)
    terminal.world.faults[cut + 6] = Fault()
    terminal.type("run")
    terminal.type("status")
    terminal.type("rollback")
    terminal.world.faults[len(terminal.world.calls) + 14] = Fault(after_effect=True)
    terminal.world.faults[len(terminal.world.calls) + 15] = Fault()
    terminal.type("run")
    terminal.type("run")


@pytest.mark.parametrize("session", [_good_night, _bad_night], ids=["good-night", "bad-night"])
def test_a_session_reads_as_committed(session: Callable[[Terminal], None]) -> None:
    terminal = Terminal()
    session(terminal)
    golden(GOLDEN / f"{session.__name__.strip('_')}.txt", terminal.cleaned(), update=UPDATE)


def test_a_blocker_stops_before_anything_is_done_and_says_what_to_do() -> None:
    terminal = planned()
    terminal.workspace.targets["portal"] = "HTTP 404"
    status, _, err = terminal.type("run --wave 1")
    assert status == 3
    assert "contract-missing" in err
    assert "next:  pulumi up --stack portal" in err
    assert terminal.world.calls == []


def test_a_blocker_before_the_freeze_stops_there() -> None:
    terminal = planned()
    terminal.type("run --wave 1 --until replicate")
    calls = len(terminal.world.calls)
    terminal.workspace.findings.append(Finding(Severity.BLOCKER, "outside-window", "khanhhoa", "it is noon", "wait"))
    status, out, _ = terminal.type("run --wave 1")
    assert status == 3
    assert "outside-window" in out
    assert len(terminal.world.calls) == calls
    assert terminal.world.systems["portal"].site == "source"


def test_a_catalogue_changed_after_planning_is_refused(tmp_path: Path) -> None:
    for file in EXAMPLE.glob("*.yaml"):
        shutil.copy(file, tmp_path)
    terminal = Terminal(tmp_path)
    terminal.type("survey")
    terminal.type("plan")
    portal = tmp_path / "portal.yaml"
    portal.write_text(portal.read_text(encoding="utf-8").replace("level: 3", "level: 4"), encoding="utf-8")
    status, _, err = terminal.type("run")
    assert (status, "catalogue-changed" in err) == (3, True)
    portal.write_text(portal.read_text(encoding="utf-8").replace("level: 4", "level: 9\ncolour: x"), encoding="utf-8")
    status, _, err = terminal.type("run")
    assert status == 2
    assert "portal.yaml:5" in err
    assert "colour is not a known key" in err
    assert "Traceback" not in err
    assert terminal.world.calls == []


def test_a_system_that_another_plan_moved_or_began_is_not_begun_again() -> None:
    terminal = planned()
    terminal.type("run --wave 1")
    terminal.type("run --wave 2 --until prepare")
    calls = len(terminal.world.calls)
    later = terminal.workspace.seen.model_copy(update={"observed_at": "2026-11-24T11:00:00Z"})
    terminal.workspace = dataclasses.replace(terminal.workspace, seen=later)
    terminal.type("survey")
    terminal.type("plan")
    status, _, err = terminal.type("run")
    assert status == 3
    assert "[already-moved] portal" in err
    assert "[begun-by-another-plan] feedback" in err
    assert len(terminal.world.calls) == calls
    assert terminal.world.systems["portal"].target_writable
    first = err.partition("--plan ")[2][:6]
    assert terminal.type(f"rollback feedback --plan {first}")[0] == 0
    assert terminal.type("run --system feedback")[0] == 0


@pytest.mark.parametrize(
    ("line", "status", "code"),
    [
        ("run --until quiesce", 2, "until-inside-the-freeze"),
        ("run --until tomorrow", 2, "choice-unknown"),
        ("run --undo nothing", 2, "choice-unknown"),
        ("run --system gis", 2, "system-unknown"),
        ("run --wave 9", 2, "system-unknown"),
        ("run --plan abcdef", 2, "plan-unknown"),
        ("plan --system gis", 2, "system-unknown"),
        ("plan --wave 9", 2, "system-unknown"),
        ("rollback gis", 2, "system-unknown"),
        ("verify gis", 2, "system-unknown"),
    ],
)
def test_a_wrong_request_changes_nothing_and_says_so_in_words_and_in_json(line: str, status: int, code: str) -> None:
    terminal = planned()
    ended, out, err = terminal.type(line)
    assert (ended, out) == (status, "")
    assert f"error[{code}]" in err
    ended, out, err = terminal.type(f"{line} --json")
    assert (ended, out) == (status, "")
    assert json.loads(err)["error"]["code"] == code
    assert terminal.world.calls == []


@pytest.mark.parametrize("line", ["run", "status", "check", "verify", "rollback", "report", "pause"])
def test_without_a_plan_every_verb_says_what_comes_first(line: str) -> None:
    status, _, err = Terminal().type(line)
    assert (status, "error[no-plan]" in err, "next:  dcshift plan" in err) == (2, True, True)


def test_json_stands_anywhere_and_is_one_document() -> None:
    terminal = planned()
    for line in (
        "--json plan",
        "plan --json",
        "--json check",
        "run --json",
        "status --json",
        "verify --json",
        "report --json",
    ):
        status, out, _ = terminal.type(line)
        assert status == 0
        assert isinstance(json.loads(out), dict), line


def test_a_planted_difference_is_named_by_verify() -> None:
    terminal = planned()
    terminal.type("run --wave 1 --until replicate")
    terminal.world.systems["portal"].target_rows[2] = "somebody else's"
    terminal.world.systems["portal"].target_jobs = True
    status, out, _ = terminal.type("verify portal")
    assert status == 1
    assert "✗ rows" in out
    assert "    2\n" in out
    assert "✗ jobs" in out


def test_the_report_is_written_beside_the_state() -> None:
    terminal = planned()
    terminal.type("run")
    status, _, _ = terminal.type("report")
    assert status == 0
    assert (terminal.workspace.state / "report" / "report.html").stat().st_size > 10_000


@pytest.mark.parametrize("json_at", [None, 0, -1])
@pytest.mark.parametrize(
    ("line", "help_of"),
    [
        ("nonsense", "dcshift"),
        ("run --nope", "dcshift run"),
        ("run --wave x", "dcshift run"),
        ("rollback portal --plan", "dcshift rollback"),
        ("catalogue norms-diff vn-2016", "dcshift catalogue norms-diff"),
        ("lab nonsense", "dcshift lab"),
    ],
)
def test_wrong_words_are_an_error_like_any_other(line: str, help_of: str, json_at: int | None) -> None:
    words = line.split()
    if json_at is not None:
        words.insert(json_at if json_at == 0 else len(words), "--json")
    status, out, err = Terminal().type(" ".join(words))
    assert (status, out) == (2, "")
    if json_at is None:
        assert f"error[words-unclear]: it is not clear what {help_of} shall do\n  why:   " in err
        assert f"next:  {help_of} --help" in err
    else:
        error = json.loads(err)["error"]
        assert (error["code"], error["next"].startswith(f"{help_of} --help")) == ("words-unclear", True)


def test_no_word_at_all_is_answered_with_the_help() -> None:
    status, out, err = Terminal().type("")
    assert (status, out, "Usage: dcshift" in err, "rollback" in err) == (2, "", True, True)
    status, _, err = Terminal().type("--json")
    assert (status, json.loads(err)["error"]["why"]) == (2, "it needs another word")


@pytest.mark.parametrize("mover", ["postgres", "files"])
def test_wrong_words_of_a_mover_are_its_last_line(mover: str) -> None:
    status, out, _ = Terminal().type(f"move {mover} --nope --json")
    assert (status, json.loads(out)["error"]["code"]) == (2, "mover-words-unclear")


def test_a_holiday_of_the_catalogue_is_told_today_and_forbids_nothing_but_the_freeze(tmp_path: Path) -> None:
    folder = tmp_path / "province"
    shutil.copytree(EXAMPLE, folder)
    with (folder / "province.yaml").open("a", encoding="utf-8") as file:
        file.write("holidays: [{name: Ngày hội, date: 2026-11-24}]\n")
    terminal = Terminal(folder)
    for line in ("survey", "plan"):
        assert terminal.type(line)[0] == 0
    status, out, err = terminal.type("check")
    assert status == 0, err
    assert "warning[day-closed] khanhhoa: it is 2026-11-24 in Asia/Ho_Chi_Minh, and nobody cuts over" in out + err
    assert "Ngày hội" in out + err
