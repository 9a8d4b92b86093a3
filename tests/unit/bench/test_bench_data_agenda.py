"""What is left is guessed, and better on the way; what was measured stays though the bench is stopped."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from bench.data import agenda, results, sizes
from bench.data.__main__ import Bench, Order
from bench.data.agenda import Agenda, Step
from bench.data.kept import RUNS, Kept
from bench.data.names import DUMP, OURS, PHYSICAL, RSYNC, Kind, Work
from bench.data.peers import Peers
from bench.data.results import Run
from bench.progress import Progress
from bench.results import Machine
from tests.support.patience import until

HERE = Path("/nowhere")
EVERYBODY = dict.fromkeys(("pgcopydb", "reladiff", "rclone", "s5cmd", PHYSICAL), HERE)


class Hand:
    """A clock that stands until it is told."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


def bench(tmp_path: Path, now: Hand, said: list[str], **order: object) -> Bench:
    kept = Kept(tmp_path / "kept")
    kept.begin()
    machine = Machine(cores=2, memory_bytes=1 << 30, load_before=0.0)
    on = Agenda(said.append, now=now)
    return Bench(Order(**order), on, kept, tmp_path, Peers(programs=EVERYBODY), machine)  # type: ignore[arg-type]


def test_the_whole_bench_is_expected_to_end_in_time(tmp_path: Path) -> None:
    on = bench(tmp_path, Hand(), []).agenda
    assert 15 * 60 < on.left_seconds < 25 * 60


def test_ours_alone_are_measured_at_the_other_sizes(tmp_path: Path) -> None:
    made = bench(tmp_path, Hand(), [])
    assert made.main.copiers == [OURS, DUMP, "pgcopydb", PHYSICAL]
    small, large = made.others
    assert (small.size_bytes, large.size_bytes) == (500_000_000, 8_000_000_000)
    assert [(each.copiers, each.provers, each.carriers) for each in made.others] == [
        ([OURS, PHYSICAL], [OURS], [OURS])
    ] * 2
    assert (made.main.keepers, large.keepers) == ([OURS, RSYNC], [])
    copies = [step for step in sizes.steps(large, 1) if step.what == f"{OURS} at {Work.DATABASE}"]
    assert copies == [Step(f"{OURS} at {Work.DATABASE}", 8_000_000_000)]


def test_a_slow_machine_makes_what_is_left_longer() -> None:
    now, said = Hand(), list[str]()
    on = Agenda(said.append, [Step(agenda.FILLING, 10**9)] * 4, now)
    assert on.left_seconds == 4 * 23.0
    with on.step(agenda.FILLING, 10**9, "filling"):
        now.at += 46.0
    assert on.left_seconds == 3 * 46.0
    assert on.all_seconds == 4 * 46.0
    with on.step(agenda.FILLING, 10**9, "filling"):
        pass
    assert said == [
        "1/4 filling: about 0:23, of 1:32 in all that is left",
        "2/4 filling: about 0:46, of 2:18 in all that is left",
    ]


def test_a_round_is_left_out_when_all_would_take_too_long_but_never_the_second(tmp_path: Path) -> None:
    now, said = Hand(), list[str]()
    made = bench(tmp_path, now, said, minutes_max=25.0)
    assert not made._is_late(2)
    now.at = 600.0  # of other work before it
    assert not made._is_late(1)
    before = made.agenda.left_seconds
    assert made._is_late(2)
    assert made.agenda.left_seconds < before - 200
    assert "2 rounds must do" in said[-1]


def test_each_run_is_kept_when_it_is_over(tmp_path: Path) -> None:
    made = bench(tmp_path, Hand(), [])
    run = Run(
        work=Work.DATABASE, program=OURS, kind=Kind.OURS, round=1, seconds=1.0, cpu_seconds=1.0,
        server_cpu_seconds=1.0, foreign_cpu_seconds=0.0, peak_memory_bytes=1,
    )  # fmt: skip
    made.main.kept(run)
    made.others[0].kept(run)
    lines = [json.loads(line) for line in (tmp_path / "kept" / RUNS).read_text(encoding="utf-8").splitlines()]
    assert [line.pop("size_bytes") for line in lines] == [2_200_000_000, 500_000_000]
    assert [Run.model_validate_json(json.dumps(line)) for line in lines] == [run, run]
    assert results.FILE.parent != made.kept.folder
    made.kept.begin()
    assert list((tmp_path / "kept").iterdir()) == []


def test_nobody_waits_long_without_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    silent, said = 0.2, list[str]()
    progress = Progress(silent_seconds_max=silent)

    def told() -> bool:
        said.append(capsys.readouterr().out)
        return len("".join(said).splitlines()) >= 3

    began = time.monotonic()
    with progress.alive():
        progress.say("filling")
        until(told)
    lines = ("".join(said) + capsys.readouterr().out).splitlines()
    assert lines[0].endswith("filling")
    assert len(lines) <= 1 + (time.monotonic() - began) / silent
    assert all(line.endswith("… still at it: filling") for line in lines[1:])
