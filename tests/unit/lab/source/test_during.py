"""Nobody waits a silent minute, and nobody reads of work that was done at once."""

from __future__ import annotations

import re

import pytest

from lab.source import during as module
from lab.source.during import during
from tests.support.patience import until

NEVER = 60.0
"""Seconds that no block here takes; a teller that did not stop would be waited for so long, and would tell."""


def test_work_done_at_once_says_nothing() -> None:
    told: list[str] = []
    with during(told.append, "packages of db1", first=NEVER):
        pass
    assert told == []


def test_long_work_is_named_told_again_and_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_AGAIN_AFTER_SECONDS", 0.05)
    told: list[str] = []
    with during(told.append, "filling", first=0.02):
        until(lambda: len(told) > 1)
    assert told[0] == "filling"
    assert told[1].startswith("filling: still working after")
    assert re.fullmatch(r"filling: done in \d+ s", told[-1])


def test_a_failure_passes_and_the_teller_stops() -> None:
    told: list[str] = []
    with pytest.raises(ValueError, match="broken"), during(told.append, "filling", first=NEVER):
        raise ValueError("broken")
    assert told == []
