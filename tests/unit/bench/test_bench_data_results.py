"""Ratios are worked out from every single run, to the cheapest peer; nothing is left out in silence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bench import results as infra
from bench.data import results
from bench.data.results import Data, Kind, Run, Work

MIB = 2**20


def run(work: Work, program: str, kind: Kind, *, round: int = 1, seconds: float = 1.0, **more: Any) -> Run:
    fixed = {"cpu_seconds": 1.0, "server_cpu_seconds": 1.0, "foreign_cpu_seconds": 0.1, "peak_memory_bytes": 50 * MIB}
    return Run(work=work, program=program, kind=kind, round=round, seconds=seconds, **{**fixed, **more})


def runs() -> list[Run]:
    """Three rounds of the copy of a database, one of everything else, which is then refused."""
    ours, slow, fast = (9.0, 8.0, 30.0), (20.0, 18.0, 19.0), (10.0, 10.0, 10.5)
    found = []
    for number in (1, 2, 3):
        found += [
            run(Work.DATABASE, "dcshift", Kind.OURS, round=number, seconds=ours[number - 1]),
            run(Work.DATABASE, "slow", Kind.PEER, round=number, seconds=slow[number - 1]),
            run(Work.DATABASE, "fast", Kind.PEER, round=number, seconds=fast[number - 1]),
            run(Work.DATABASE, "reading", Kind.FLOOR, round=number, seconds=2.0),
        ]
    return found


def data(found: list[Run], rounds: int = 3, **more: Any) -> Data:
    return Data.model_validate({
        "measured": "2026-12-01",
        "versions": {"fast": "1.2"},
        "settings": {"fast at database": "fast --really"},
        "machine": infra.Machine(cores=2, memory_bytes=24 << 30, load_before=0.1),
        "moved": results.Moved(database_bytes=10**9, rows=5, large_objects=1, files=3, file_bytes=10**8),
        "rounds": rounds,
        **results.derived(found),
        "absent": {"reladiff": "the registry did not answer"},
        "runs": found,
        **more,
    })  # fmt: skip


def test_a_ratio_is_of_medians_and_to_the_cheapest_peer() -> None:
    assert results.medians(runs(), Work.DATABASE) == {"dcshift": 9.0, "slow": 19.0, "fast": 10.0, "reading": 2.0}
    assert results.ratios(runs(), Work.DATABASE) == {"slow": 0.47, "fast": 0.9}
    assert data(runs()).postgres_logical_ratio == 0.9


def test_proofs_are_compared_by_the_cpu_of_program_and_servers_and_not_by_time() -> None:
    found = [
        run(Work.VERIFICATION, "dcshift", Kind.OURS, seconds=100.0, cpu_seconds=1.0, server_cpu_seconds=3.0),
        run(Work.VERIFICATION, "peer", Kind.PEER, seconds=1.0, cpu_seconds=2.0, server_cpu_seconds=6.0),
    ]
    assert data(found, rounds=1).verification_cpu_ratio == 0.5


def test_what_was_not_compared_has_no_figure_and_a_reason(tmp_path: Path) -> None:
    results.write(data(runs()), tmp_path / "data.json")
    document = json.loads((tmp_path / "data.json").read_text(encoding="utf-8"))
    assert "postgres_logical_ratio" in document
    assert not [key for key in document if key.endswith("_ratio") and key != "postgres_logical_ratio"]
    assert results.read(tmp_path / "data.json") == data(runs())
    assert "- not compared: reladiff: the registry did not answer" in results.table(data(runs()))


def test_the_peak_of_all_rounds_is_kept_for_each_program_and_work() -> None:
    found = runs()
    found[4] = found[4].model_copy(update={"peak_memory_bytes": 70 * MIB})
    assert data(found).peak_memory_bytes["dcshift at database"] == 70 * MIB


def test_a_peak_that_nobody_saw_is_no_figure() -> None:
    found = [each.model_copy(update={"peak_memory_bytes": 0}) if each.program == "reading" else each for each in runs()]
    assert set(data(found).peak_memory_bytes) == {"dcshift at database", "slow at database", "fast at database"}
    assert "*reading* (floor) | 2.0 s (2.0–2.0) | 1.0 + 1.0 s |  | too short to see |" in results.table(data(found))


def test_a_figure_that_the_runs_do_not_give_is_refused() -> None:
    with pytest.raises(ValidationError, match="not what the runs give: postgres_logical_ratio"):
        data(runs(), postgres_logical_ratio=0.5)
    with pytest.raises(ValidationError, match="not what the runs give: objects_ratio"):
        data(runs(), objects_ratio=0.5)
    with pytest.raises(ValidationError, match="not what the runs give: peak_memory_bytes"):
        data(runs(), peak_memory_bytes={})


def test_a_run_that_is_missing_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"slow has the rounds \[1, 2\] at database, not 1 to 3"):
        data([run for run in runs() if (run.program, run.round) != ("slow", 3)])


def test_the_table_names_whose_a_program_is_cheapest_first() -> None:
    rows = [line.split(" | ")[1] for line in results.table(data(runs())).splitlines() if line.startswith("| database")]
    assert rows == ["*reading* (floor)", "**dcshift**", "fast", "slow"]
    assert "| database | fast | 10.0 s (10.0–10.5) | 1.0 + 1.0 s | 0.90 | 50 MiB |" in results.table(data(runs()))


@pytest.mark.parametrize(("held", "word"), [(300 * MIB, "300 MiB: kept"), (300 * MIB + 1, "300 MiB: **broken**")])
def test_the_bound_of_memory_is_said_to_be_kept_or_broken(held: int, word: str) -> None:
    found = runs()
    found[0] = found[0].model_copy(update={"peak_memory_bytes": held})
    found[1] = found[1].model_copy(update={"peak_memory_bytes": 900 * MIB})  # a peer's is no bound of ours
    assert word in results.table(data(found))


def test_the_docs_show_the_committed_results_or_that_there_are_none(tmp_path: Path) -> None:
    text = infra.PAGE.read_text(encoding="utf-8")
    assert results.page(results.read(), text) == text, "make docs"
    assert results.read(tmp_path / "none.json") is None
    assert "Not measured yet" in results.page(None, text)
    assert "| database | fast |" in results.page(data(runs()), text)
