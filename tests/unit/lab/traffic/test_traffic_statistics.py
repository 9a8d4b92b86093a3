"""The statistics tell held requests from failed ones and show what waits right now."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from lab.traffic.statistics import HELD_SECONDS, Statistics


def shown(path: Path) -> dict[str, object]:
    systems: dict[str, dict[str, object]] = json.loads(path.read_text())["systems"]
    return systems["portal"]


def test_a_failure_is_counted_by_kind_with_the_first_error_kept(tmp_path: Path) -> None:
    statistics = Statistics(["portal"], tmp_path / "stats.json")
    for error in ("first", "second"):
        with pytest.raises(OSError, match=error), statistics.request("portal", "GET /"):
            raise OSError(error)
        statistics.systems["portal"].fail("home", error)
    statistics.write(finished=True)
    counters = shown(tmp_path / "stats.json")
    assert (counters["requests"], counters["failed"]) == (2, 2)
    failures = counters["failures"]
    assert isinstance(failures, dict)
    assert (failures["home"]["count"], failures["home"]["first_error"]) == (2, "first")


def test_a_held_request_is_seen_while_it_waits_and_after(tmp_path: Path) -> None:
    statistics = Statistics(["portal"], tmp_path / "stats.json")
    counters = statistics.systems["portal"]
    counters.waiting[0] = time.monotonic() - 3
    statistics.write()
    waiting = shown(tmp_path / "stats.json")
    assert (waiting["waiting"], waiting["waiting_over_half_second"]) == (1, 1)
    longest = waiting["longest_in_window_seconds"]
    assert isinstance(longest, float)
    assert longest >= 3
    counters.waiting.clear()
    counters.took(HELD_SECONDS + 2, "POST /x")
    statistics.write()
    after = shown(tmp_path / "stats.json")
    assert (after["held"], after["slowest_request"], after["waiting_over_half_second_max"]) == (1, "POST /x", 1)


def test_every_request_falls_into_one_class_of_the_histogram(tmp_path: Path) -> None:
    statistics = Statistics(["portal"], tmp_path / "stats.json")
    for seconds in (0.001, 0.01, 0.4, 3.0, 100.0):
        statistics.systems["portal"].took(seconds, "GET /")
    statistics.write()
    histogram = shown(tmp_path / "stats.json")["latency_histogram_seconds"]
    assert isinstance(histogram, dict)
    assert sum(histogram.values()) == 5
    assert (histogram["<=0.01"], histogram[">60"]) == (2, 1)
