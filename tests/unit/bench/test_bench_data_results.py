"""Ratios are worked out from every single run, each to the peer that it names; nothing is left out in silence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from pydantic import ValidationError

from bench import results as infra
from bench.data import picture, results, shown
from bench.data.names import DUMP, Kind, Work
from bench.data.results import Data, Run

MIB = 2**20
SVG = "{http://www.w3.org/2000/svg}"


def run(work: Work, program: str, kind: Kind, *, round: int = 1, seconds: float = 1.0, **more: Any) -> Run:
    fixed = {"cpu_seconds": 1.0, "server_cpu_seconds": 1.0, "foreign_cpu_seconds": 0.1, "peak_memory_bytes": 50 * MIB}
    return Run(work=work, program=program, kind=kind, round=round, seconds=seconds, **{**fixed, **more})


def runs() -> list[Run]:
    """Three rounds of the copy of a database, one of everything else, which is then refused."""
    ours, slow, fast = (9.0, 8.0, 30.0), (20.0, 18.0, 19.0), (10.0, 10.0, 10.5)
    whole = (3.0, 4.0, 5.0)
    found = []
    for number in (1, 2, 3):
        found += [
            run(Work.DATABASE, "dcshift", Kind.OURS, round=number, seconds=ours[number - 1]),
            run(Work.DATABASE, "dcshift physical", Kind.OURS, round=number, seconds=whole[number - 1]),
            run(Work.DATABASE, DUMP, Kind.PEER, round=number, seconds=slow[number - 1]),
            run(Work.DATABASE, "fast", Kind.PEER, round=number, seconds=fast[number - 1]),
            run(Work.DATABASE, "reading", Kind.FLOOR, round=number, seconds=2.0),
        ]
    return found


def data(found: list[Run], rounds: int = 3, **more: Any) -> Data:
    moved = results.Moved(database_bytes=10**9, rows=5, large_objects=1, files=3, file_bytes=10**8)
    return Data.model_validate({
        "measured": "2026-12-01",
        "versions": {"fast": "1.2"},
        "settings": {"fast at database": "fast --really"},
        "machine": infra.Machine(cores=2, memory_bytes=24 << 30, load_before=0.1),
        "moved": moved,
        "rounds": rounds,
        **results.derived(found),
        "absent": {"reladiff": "the registry did not answer"},
        "growth": results.points(found, moved),
        "runs": found,
        **more,
    })  # fmt: skip


def test_a_ratio_is_of_medians_and_to_the_peer_that_it_names() -> None:
    medians = {"dcshift": 9.0, "dcshift physical": 4.0, DUMP: 19.0, "fast": 10.0, "reading": 2.0}
    assert results.medians(runs(), Work.DATABASE) == medians
    assert results.ratios(runs(), Work.DATABASE) == {DUMP: 0.47, "fast": 0.9}
    found = data(runs())
    assert (found.postgres_logical_ratio, found.postgres_physical_ratio) == (0.47, 0.21)


def test_the_cheapest_peer_is_named_too_though_no_ratio_asks_for_it() -> None:
    assert data(runs()).to_the_cheapest_peer == {"dcshift at database": 0.9, "dcshift physical at database": 0.4}
    assert "- by the cheapest peer: dcshift at database: 0.90" in shown.table(data(runs()))


def test_a_ratio_whose_peer_was_not_there_is_left_out() -> None:
    found = data([each for each in runs() if each.program != DUMP])
    assert (found.postgres_logical_ratio, found.postgres_physical_ratio) == (None, None)
    assert found.to_the_cheapest_peer["dcshift at database"] == 0.9


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
    there = {key for key in document if key.endswith("_ratio")}
    assert there == {"postgres_logical_ratio", "postgres_physical_ratio"}
    assert results.read(tmp_path / "data.json") == data(runs())
    assert "- not compared: reladiff: the registry did not answer" in shown.table(data(runs()))


def test_the_peak_of_all_rounds_is_kept_for_each_program_and_work() -> None:
    found = runs()
    found[5] = found[5].model_copy(update={"peak_memory_bytes": 70 * MIB})
    assert data(found).peak_memory_bytes["dcshift at database"] == 70 * MIB


def test_a_peak_that_nobody_saw_is_no_figure() -> None:
    found = [each.model_copy(update={"peak_memory_bytes": 0}) if each.program == "reading" else each for each in runs()]
    assert "reading at database" not in data(found).peak_memory_bytes
    assert "fast at database" in data(found).peak_memory_bytes
    assert "*reading* (floor) | 2.0 s (2.0–2.0) | 1.0 + 1.0 s |  | too short to see |" in shown.table(data(found))


def test_a_figure_that_the_runs_do_not_give_is_refused() -> None:
    with pytest.raises(ValidationError, match="not what the runs give: postgres_logical_ratio"):
        data(runs(), postgres_logical_ratio=0.5)
    with pytest.raises(ValidationError, match="not what the runs give: objects_ratio"):
        data(runs(), objects_ratio=0.5)
    with pytest.raises(ValidationError, match="not what the runs give: peak_memory_bytes"):
        data(runs(), peak_memory_bytes={})


def test_a_run_that_is_missing_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"fast has the rounds \[1, 2\] at database, not 1 to 3"):
        data([run for run in runs() if (run.program, run.round) != ("fast", 3)])


def test_growth_holds_what_the_runs_give_at_their_size() -> None:
    larger = [
        point.model_copy(update={"bytes": 4 * 10**9, "seconds": 40.0, "rounds": 1}) for point in data(runs()).growth
    ]
    found = data(runs(), growth=[*data(runs()).growth, *larger])
    (ours,) = [point for point in data(runs()).growth if point.program == "dcshift"]
    assert (ours.seconds, ours.bytes, ours.rounds, ours.cpu_seconds) == (9.0, 10**9, 3, 2.0)
    assert {point.program for point in found.growth} == {"dcshift", "dcshift physical", "reading"}
    assert "| database: dcshift | 9.0 (2.0) | 40.0 (2.0) |" in shown.table(found)
    with pytest.raises(ValidationError, match="not what the runs give: growth of dcshift at database"):
        data(runs(), growth=larger)


def test_the_plot_shows_every_program_and_a_line_of_each_of_ours() -> None:
    larger = [point.model_copy(update={"bytes": 4 * 10**9, "seconds": 40.0}) for point in data(runs()).growth]
    root = ElementTree.fromstring(picture.plot(data(runs(), growth=[*data(runs()).growth, *larger])))
    said = [each.text for each in root.iter(f"{SVG}text")]
    assert {"dcshift", "dcshift physical", DUMP, "fast", "reading", "9.0 s", "19.0 s"} <= set(said)
    assert len(list(root.iter(f"{SVG}polyline"))) == 2
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    for line in root.iter(f"{SVG}polyline"):
        for place in line.attrib["points"].split():
            x, y = map(float, place.split(","))
            assert 0 < x < width
            assert 0 < y < height
    for bar in root.iter(f"{SVG}rect"):
        assert float(bar.attrib.get("x", 0)) + float(bar.attrib["width"]) <= width


def test_a_plot_without_results_is_taken_away(tmp_path: Path) -> None:
    file = tmp_path / "plot.svg"
    shown.draw(data(runs()), file)
    assert file.read_text(encoding="utf-8") == picture.plot(data(runs()))
    shown.draw(None, file)
    shown.draw(None, file)
    assert not file.exists()


def test_the_table_names_whose_a_program_is_cheapest_first() -> None:
    rows = [line.split(" | ")[1] for line in shown.table(data(runs())).splitlines() if line.startswith("| database |")]
    assert rows == ["*reading* (floor)", "**dcshift physical**", "**dcshift**", "fast", DUMP]
    line = "| database | fast | 10.0 s (10.0–10.5) | 1.0 + 1.0 s | 0.90, physical 0.40 | 50 MiB |"
    assert line in shown.table(data(runs()))


@pytest.mark.parametrize(("held", "word"), [(300 * MIB, "300 MiB: kept"), (300 * MIB + 1, "300 MiB: **broken**")])
def test_the_bound_of_memory_is_said_to_be_kept_or_broken(held: int, word: str) -> None:
    found = runs()
    found[0] = found[0].model_copy(update={"peak_memory_bytes": held})
    found[2] = found[2].model_copy(update={"peak_memory_bytes": 900 * MIB})  # a peer's is no bound of ours
    assert word in shown.table(data(found))


def test_the_docs_show_the_committed_results_or_that_there_are_none(tmp_path: Path) -> None:
    text = infra.PAGE.read_text(encoding="utf-8")
    assert shown.page(results.read(), text) == text, "make docs"
    assert results.read(tmp_path / "none.json") is None
    assert "Not measured yet" in shown.page(None, text)
    assert "| database | fast |" in shown.page(data(runs()), text)


def test_the_docs_show_the_plot_of_the_committed_results_or_none() -> None:
    found = results.read()
    drawn = shown.PICTURE.read_text(encoding="utf-8") if shown.PICTURE.exists() else None
    assert drawn == (picture.plot(found) if found else None), "make docs"


def test_a_tree_in_a_folder_is_compared_by_time_with_rsync_at_one_size() -> None:
    found = data([
        run(Work.TREE, "dcshift", Kind.OURS, seconds=3.0),
        run(Work.TREE, "rsync", Kind.PEER, seconds=4.0),
        run(Work.TREE_UNCHANGED, "dcshift", Kind.OURS, seconds=1.0),
        run(Work.TREE_UNCHANGED, "rsync", Kind.PEER, seconds=0.5),
    ], rounds=1)  # fmt: skip
    assert (found.tree_ratio, found.tree_unchanged_ratio) == (0.75, 2.0)
    assert found.growth == []
    assert "tree carried into a folder" in picture.plot(found)
    assert "| tree | **dcshift** | 3.0 s" in shown.table(found)
