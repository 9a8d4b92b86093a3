"""What a level asks for in vain is said: one sentence a system, on the line of its level, and it stops nothing."""

from __future__ import annotations

import datetime
import json
import shutil
from pathlib import Path

import pytest

from catalogue import norms, unanswered
from catalogue.controls import IDS, Controls, rank
from catalogue.load import examine, load
from tests.support.workspace import Terminal
from tests.unit.catalogue.everything import EXAMPLE

NOW = datetime.datetime(2026, 11, 24, 10, tzinfo=datetime.UTC)
LAW = norms.named("vn-2016")


def _province(tmp_path: Path, find: str = "", replace: str = "") -> Path:
    for source in EXAMPLE.glob("*.yaml"):
        shutil.copy(source, tmp_path)
    file = tmp_path / "province.yaml"
    text = file.read_text(encoding="utf-8")
    assert find in text
    file.write_text(text.replace(find, replace), encoding="utf-8")
    return tmp_path


def test_each_system_is_told_once_on_the_line_of_its_level_and_no_other_check_changes() -> None:
    found = examine(EXAMPLE, NOW)
    assert [Path(each.file).stem for each in found.unanswered] == ["feedback", "portal"]
    for each in found.unanswered:
        line = Path(each.file).read_text(encoding="utf-8").splitlines()[each.line - 1]
        assert line.startswith("level: ")
        assert "(docs/norms.md)" in each.sentence
    assert found.unanswered[0].sentence == (
        "level 2 asks for 4 controls that nothing here carries out (docs/norms.md): "
        "backup-copies-min 2, encryption-in-transit pod, access-mfa, log-retention-days-min 90"
    )
    assert (found.faults, found.warnings) == ((), ())


def test_check_says_them_to_people_and_programs_and_ends_well() -> None:
    status, out, err = Terminal().type("catalogue check")
    assert (status, err.count("warning: "), "2 systems, no fault, 2 warnings, hash " in out) == (0, 2, True)
    _, out, _ = Terminal().type("catalogue check --json")
    said = [each["sentence"] for each in json.loads(out)["warnings"]]
    assert [each.split(" asks")[0] for each in said] == ["level 2", "level 3"]


def test_beside_faults_they_wait(tmp_path: Path) -> None:
    folder = _province(tmp_path, "cpu: 8", "cpu: 1")
    status, _, err = Terminal(folder).type("catalogue check")
    assert (status, "capacity is too small" in err, "carries out" in err) == (2, True, False)


@pytest.mark.parametrize("level", norms.LEVELS)
def test_a_control_is_named_exactly_where_the_level_asks_for_more_than_is_there(level: int) -> None:
    asked = norms.controls(LAW, level)
    centre = load(EXAMPLE)
    named = {each.split()[0] for each in unanswered.of(asked, centre.province, centre.system("portal"))}
    more = {
        control
        for control, up_to in (*unanswered.UP_TO.items(), ("node-pool", "shared"))
        if rank(IDS[control], getattr(asked, IDS[control])) > rank(IDS[control], up_to)
    }
    assert named == more
    assert ("second-site" in named, "node-pool" in named) == (level >= 4, level >= 3)


def test_whoever_asks_for_nothing_is_told_nothing() -> None:
    nothing = {IDS[control]: value for control, value in unanswered.UP_TO.items()}
    nothing |= {"central_logs": False, "soc_sink": False, "ncsc_share": False}
    asked, centre = norms.controls(LAW, 1).model_copy(update=nothing), load(EXAMPLE)
    assert unanswered.of(asked, centre.province, centre.system("portal")) == ()


@pytest.mark.parametrize(
    ("find", "replace", "added"),
    [
        ("  national: {name: giamsat.example, address: 192.0.2.21, port: 6514}\n", "", {"ncsc-share"}),
        ("security_log:", "security_log: null\nunused:", {"central-logs", "soc-sink", "ncsc-share"}),
    ],
    ids=["not to the nation", "no log at all"],
)
def test_what_the_province_does_not_declare_is_not_carried_out(
    tmp_path: Path, find: str, replace: str, added: set[str]
) -> None:
    folder = _province(tmp_path, find, replace)
    if "unused" in replace:
        file = folder / "province.yaml"
        file.write_text(file.read_text(encoding="utf-8").split("security_log: null")[0], encoding="utf-8")
    asked: Controls = norms.controls(LAW, 3)
    centres = [load(place) for place in (EXAMPLE, folder)]
    before, after = (unanswered.of(asked, each.province, each.system("portal")) for each in centres)
    assert set(after) - set(before) == added
