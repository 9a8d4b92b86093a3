"""Nobody waits a silent minute, and nobody reads of work that was done at once."""

from __future__ import annotations

import time

import pytest

from lab.source import during as module
from lab.source.during import during


def test_work_done_at_once_says_nothing() -> None:
    told: list[str] = []
    with during(told.append, "packages of db1"):
        pass
    assert told == []


def test_long_work_is_named_told_again_and_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_AGAIN_AFTER_SECONDS", 0.05)
    told: list[str] = []
    with during(told.append, "filling", first=0.02):
        time.sleep(0.2)
    assert told[0] == "filling"
    assert told[1].startswith("filling: still working after")
    assert told[-1] == "filling: done in 0 s"


def test_a_failure_passes_and_the_teller_stops() -> None:
    told: list[str] = []
    with pytest.raises(ValueError, match="broken"), during(told.append, "filling", first=0.02):
        raise ValueError("broken")
    time.sleep(0.05)
    assert told == []
