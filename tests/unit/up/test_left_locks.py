"""A lock is taken away only when it is certain that nobody holds it."""

from __future__ import annotations

import pytest

from infra.locks import left_behind

HEAD = "error: the stack is currently locked by {} lock(s). Either wait for the other process(es) to end or …"
LOCK = "\n  file:///state/locks/s01/1.json: created by root@{} (pid {}) at 2026-11-30T05:00:00Z"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (HEAD.format(1) + LOCK.format("here", 7), True),
        (HEAD.format(2) + LOCK.format("here", 7) + LOCK.format("here", 8), True),
        (HEAD.format(1) + LOCK.format("here", 1), False),
        (HEAD.format(2) + LOCK.format("here", 7) + LOCK.format("here", 1), False),
        (HEAD.format(1) + LOCK.format("elsewhere", 7), False),
        (HEAD.format(2) + LOCK.format("here", 7), False),
        (HEAD.format(1), False),
        ("error: something else" + LOCK.format("here", 7), False),
    ],
    ids=["gone", "all gone", "alive", "one alive", "another machine", "one not named", "none named", "no lock"],
)
def test_only_what_nobody_holds_is_left_behind(said: str, expected: bool) -> None:
    assert left_behind(said, "here", lambda pid: pid == 1) is expected
