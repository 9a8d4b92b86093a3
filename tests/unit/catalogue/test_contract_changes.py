"""What differs between two contracts is told by name, with both values, and shortly."""

from __future__ import annotations

from typing import Any

import pytest

from catalogue.contract_changes import told
from catalogue.target import TargetContract, TargetJob
from tests.support.examples import contracts

PORTAL = contracts()["portal"]
JOB = PORTAL.jobs[0]


def changed(**parts: Any) -> TargetContract:
    return PORTAL.model_copy(update={"hash": "0" * 64, **parts})


def one_more() -> list[TargetJob]:
    return [JOB.model_copy(update={"name": "first", "cronjob": "c", "schedule": "@daily"}), *PORTAL.jobs]


@pytest.mark.parametrize(
    ("after", "sentence"),
    [
        (changed(web=PORTAL.web.model_copy(update={"replicas": 7})), f"web.replicas {PORTAL.web.replicas} → 7"),
        (changed(limits={**PORTAL.limits, "gpu": "1"}), "limits.gpu nothing → 1"),
        (
            changed(jobs=[JOB.model_copy(update={"schedule": "@daily"}), *PORTAL.jobs[1:]]),
            f"jobs.{JOB.name}.schedule {JOB.schedule} → @daily",
        ),
        # One more at the head of a list is one more, and not every other one changed.
        (
            changed(jobs=one_more()),
            f"jobs.first.namespace nothing → {JOB.namespace}; jobs.first.cronjob nothing → c; "
            "jobs.first.schedule nothing → @daily",
        ),
        (
            changed(database=PORTAL.database.model_copy(update={"extensions": ["e" * 80]})),
            f"database.extensions {', '.join(PORTAL.database.extensions) or 'nothing'} → {'e' * 59}…",
        ),
        # What it came from is told only where it is all that there is to tell.
        (changed(code_hash="1" * 64, level=None), "it says the same, from another version of the program"),
        (
            changed(code_hash="1" * 64, catalogue_hash="2" * 64),
            "it says the same, from another catalogue and another version of the program",
        ),
        (changed(code_hash="1" * 64, norms="vn-2030"), "norms nothing → vn-2030"),
        (changed(norms=None), "it says the same in other words"),
    ],
)
def test_what_differs_is_told_by_name_with_both_values(after: TargetContract, sentence: str) -> None:
    assert told(PORTAL, after) == sentence


def test_of_many_differences_the_first_are_told_and_the_others_counted() -> None:
    many = changed(limits={f"l{number}": str(number) for number in range(9)})
    assert told(PORTAL, many).endswith("; and 4 more")
    assert told(PORTAL, many).count(" → ") == 5
