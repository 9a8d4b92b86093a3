"""What `dcshift network` answers: may A reach B, at which port, by which policies; and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from infra.ending import UsageError
from infra.reachability.__main__ import asked
from infra.reachability.centre import Centre
from tests.support.commands import run

Document = dict[str, Any]


@pytest.mark.parametrize(
    ("source", "target", "status", "says"),
    [
        ("feedback/web", "feedback/database:5432", 0, "out  open: httt-feedback-app/allow-database"),
        ("portal/web", "portal/pooler:pgbouncer", 0, "in   open: httt-portal-data/allow-pooler"),
        ("portal/web", "portal/database:5432", 3, "in   closed: httt-portal-data/allow-application"),
        ("portal/job", "feedback/database:5432", 3, "no: portal/job → feedback/database:5432"),
        ("gateway", "portal/web:http", 0, "in   open: httt-portal-app/allow-gateway"),
        ("portal/web", "dns:53/udp", 0, "in   open: no policy selects dns"),
        ("feedback/web", "feedback/database", 0, "feedback/web → feedback/database: 5432"),
        ("dcshift-monitoring/prometheus", "portal/database:9187", 0, "in   open: httt-portal-data/allow-metrics"),
        ("internet", "portal/database", 3, "internet → portal/database: nothing"),
    ],
)
def test_a_question_is_answered_with_the_policies_that_decide(
    source: str, target: str, status: int, says: str, centre: Centre
) -> None:
    _, text, ended = asked(centre, source, target)
    assert ended == status
    assert says in text


@pytest.mark.parametrize(
    ("target", "code", "says"),
    [
        ("harbour/web:80", "end-unknown", "it has dcshift-drills/database, "),
        ("portal/web:nine", "path-unclear", "names no port 'nine'"),
        ("portal/web:0", "path-unclear", "0 is no port"),
        ("portal/web:1/icmp", "path-unclear", "'icmp' is none of"),
        ("portal/web:", "path-unclear", "no end with a port"),
    ],
)
def test_a_question_that_is_not_clear_is_refused(target: str, code: str, says: str, centre: Centre) -> None:
    with pytest.raises(UsageError) as told:
        asked(centre, "portal/web", target)
    assert told.value.code == code
    assert says in told.value.why


def test_the_command_answers_in_words_and_in_json_with_its_status(tmp_path: Path) -> None:
    # This checkout may be in use for a centre of its own, whose settings would be judged here.
    settings = ("--settings", str(tmp_path))
    proved = run("network", *settings)
    assert proved.returncode == 0, proved.stderr
    assert "no path between two systems (no integration is declared)" in proved.stdout
    denied = run("network", "internet", "portal/database:5432", *settings, "--json")
    assert denied.returncode == 3
    found = json.loads(denied.stdout)
    assert (found["allowed"], found["in"]["selected"], found["out"]["selected"]) == (False, True, False)
    alone = run("network", "portal/web")
    assert alone.returncode == 2
    assert "error[path-unclear]" in alone.stderr
