"""`dcshift catalogue` as people and programs hear it."""

from __future__ import annotations

import datetime
import json
import shutil
from pathlib import Path

from tests.support.examples import EXAMPLE
from tests.support.workspace import Terminal
from tests.support.world import VirtualClock, World


def _spoilt(tmp_path: Path, find: str, replace: str) -> Terminal:
    for file in EXAMPLE.glob("*.yaml"):
        shutil.copy(file, tmp_path)
    portal = tmp_path / "portal.yaml"
    text = portal.read_text(encoding="utf-8")
    assert find in text
    portal.write_text(text.replace(find, replace), encoding="utf-8")
    return Terminal(tmp_path)


def _behind_the_same_door(folder: Path) -> None:
    """Give the portal another exposure than feedback's, which shares its door: a warning."""
    portal = folder / "portal.yaml"
    text = portal.read_text(encoding="utf-8")
    portal.write_text(text.replace("exposure: internet", "exposure: internal"), encoding="utf-8")


def test_check_says_which_norms_it_read_and_how_far_they_are_to_be_trusted() -> None:
    status, out, err = Terminal().type("catalogue check")
    assert (status, err.count("\n"), err.count("that nothing here carries out")) == (0, 2, 2)
    assert "norms vn-2016: 37 of 37 controls not compared with the text of the law" in out
    assert "2 systems, no fault, 2 warnings, hash " in out


def test_check_names_every_fault_of_every_file_with_its_line(tmp_path: Path) -> None:
    terminal = _spoilt(tmp_path, "integrations: []", "integrations: [feedback]\ncolour: blue")
    (tmp_path / "feedback.yaml").write_text("level: 9\n", encoding="utf-8")
    status, _, err = terminal.type("catalogue check")
    assert status == 2
    assert "portal.yaml:39: colour is not a known key" in err
    assert "feedback.yaml:1: level is 9" in err
    assert "Traceback" not in err


def test_check_names_warnings_beside_faults_and_without_them(tmp_path: Path) -> None:
    terminal = _spoilt(tmp_path, "integrations: []", "integrations: [feedback]")
    _behind_the_same_door(tmp_path)
    status, _, err = terminal.type("catalogue check")
    assert (status, "portal.yaml:38: integration 'feedback' is not declared on its other end" in err) == (2, True)
    assert f"warning: {tmp_path}/province.yaml:" in err
    feedback = tmp_path / "feedback.yaml"
    text = feedback.read_text(encoding="utf-8").replace("integrations: []", "integrations: [portal]")
    feedback.write_text(text, encoding="utf-8")
    status, out, err = terminal.type("catalogue check")
    assert (status, err.count("warning: "), "no fault, 3 warnings," in out) == (0, 3, True)


def test_check_gives_faults_and_warnings_as_json(tmp_path: Path) -> None:
    terminal = _spoilt(tmp_path, "integrations: []", "integrations: [feedback]")
    _behind_the_same_door(tmp_path)
    status, out, err = terminal.type("catalogue check --json")
    read = json.loads(out)
    assert status == 2
    assert [(Path(each["file"]).name, each["line"]) for each in read["faults"]] == [("portal.yaml", 38)]
    assert "other end" in read["faults"][0]["sentence"]
    assert "gateway_class" in read["warnings"][0]["sentence"]
    assert json.loads(err)["error"]["code"] == "catalogue-faulty"


def test_check_goes_by_the_clock_that_it_is_given() -> None:
    terminal = Terminal()
    for day, status, said in (("2027-12-24", 0, "warning: "), ("2028-03-02", 2, "ended on 2028-03-01")):
        now = datetime.datetime.fromisoformat(f"{day}T00:00:00+00:00").timestamp()
        object.__setattr__(terminal.workspace, "world", World(("portal", "feedback"), VirtualClock(now)))
        terminal.workspace.__dict__.pop("clock", None)
        ended, _, err = terminal.type("catalogue check")
        assert (ended, said in err) == (status, True)
        assert "portal.yaml:7: " in err


def test_norms_diff_says_per_system_what_changes_and_by_which_text() -> None:
    status, out, _ = Terminal().type("catalogue norms-diff vn-2016 vn-2026")
    assert status == 0
    assert "portal, level 3: 2 changes" in out
    assert "feedback, level 2: 1 change\n" in out
    assert "90 → 365  stricter, unverified" in out
    assert "116/2025/QH15, " in out


def test_norms_diff_as_json_is_the_same_and_the_way_back_is_looser() -> None:
    _, out, _ = Terminal().type("catalogue norms-diff vn-2026 vn-2016 --json")
    read = json.loads(out)
    assert (read["from"], read["to"], read["in_force"]) == ("vn-2026", "vn-2016", "2016-07-01")
    [feedback, portal] = read["systems"]
    assert [change["control"] for change in portal["changes"]] == ["runtime-sensor", "log-retention-days-min"]
    [change] = feedback["changes"]
    assert (change["from"], change["to"], change["stricter"], change["verified"]) == (365, 90, False, False)
    assert change["reference"].startswith("12/2022/TT-BTTTT, ")
    assert change["sentence"].keys() == {"vi", "en"}


def test_norms_that_do_not_exist_are_refused_with_those_that_do() -> None:
    status, _, err = Terminal().type("catalogue norms-diff vn-2016 vn-1999")
    assert status == 2
    assert "error[norms-unknown]: there are no norms vn-1999" in err
    assert "vn-2016, vn-2026" in err
