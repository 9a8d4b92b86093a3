"""When a mover waits for its source, goes on and stops: decided from readings alone, without a server or a clock."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from migration.adapters import units
from migration.cli import progress
from migration.errors import StepFailed
from migration.movers import limits, lines
from migration.movers.limits import (
    CALM_SECONDS,
    STOP_SECONDS,
    UNREAD_SECONDS_MAX,
    Limits,
    Mean,
    Reading,
    Standing,
    Unread,
)
from migration.movers.programs import Brake, Stopped
from migration.movers.sparing import Sparing
from migration.movers.throttle import Throttle
from tests.support.patience import SECONDS_MAX, until

MIB = 1024**2
LOAD, BEGUN = Limits(wait_load=2.0), Standing()


def after(
    readings: Iterable[float | Reading | Unread], wanted: Limits = LOAD, before: Standing = BEGUN
) -> list[Standing]:
    """Return what was decided at one reading a second."""
    decided = []
    for second, each in enumerate(readings):
        reading = Reading(each) if isinstance(each, int | float) else each
        before = limits.decide(before, wanted, reading, second, copying=True)
        decided.append(before)
    return decided


def test_it_waits_above_the_limit_and_says_why_and_since_when() -> None:
    assert after([2.0])[-1].waits(0) is None
    assert after([3.2] * 41)[-1].waits(40) == "source load 3.2 above 2.0 since 40 s"
    lag = Reading(0.0, "berlin", 70 * MIB)
    said = after([lag] * 81, Limits(wait_lag_bytes=64 * MIB))[-1].waits(80)
    assert said == "replica berlin is 70.0 MiB behind, more than 64.0 MiB since 1:20 min"
    both = after([Reading(5.0, "berlin", 70 * MIB)], Limits(wait_load=2, wait_lag_bytes=64 * MIB))[-1].waits(0)
    assert both is not None
    assert "source load 5.0 above 2.0 and replica berlin" in both


def test_it_goes_on_only_after_it_was_clearly_calm_for_a_while() -> None:
    calm = round(CALM_SECONDS)
    nearly = after([3.0, *[1.9] * 60])
    assert all(one.why for one in nearly)
    assert nearly[-1].waits(60) == "source load 1.9, 1.6 or less for 10 s is wanted; waiting since 1:00 min"
    assert [one.why is None for one in after([3.0, *[1.6] * (calm + 1)])] == [False] * (calm + 1) + [True]
    broken_off = after([3.0, *[1.0] * calm, 1.7, *[1.0] * calm])
    assert all(one.why for one in broken_off)


def test_a_load_around_the_limit_does_not_make_it_flap() -> None:
    decided = after([2.1 if second % 3 else 1.7 for second in range(120)], before=after([2.5])[-1])
    changes = sum(a.why is None is not (b.why is None) for a, b in itertools.pairwise(decided))
    assert changes == 0
    assert decided[-1].since == 0.0


@pytest.mark.parametrize("wanted", [Limits(wait_load=4.0), Limits(), Limits(wait_lag_bytes=MIB)])
def test_a_limit_that_is_raised_or_taken_away_holds_at_once(wanted: Limits) -> None:
    waiting = after([3.0] * 5)[-1]
    assert limits.decide(waiting, wanted, Reading(3.0), 5, copying=True).why is None
    lowered = limits.decide(waiting, Limits(wait_load=1.0), Reading(3.0), 5, copying=True)
    assert lowered.waits(5) == "source load 3.0 above 1.0 since 5 s"


def test_a_load_stops_it_when_it_lasts_and_a_hiccup_does_not() -> None:
    wanted, last = Limits(stop_load=20.0), round(STOP_SECONDS)
    assert all(one.stop is None for one in after([*[25.0] * last, 3.0, *[25.0] * last], wanted))
    stopped = after([25.0] * (last + 1), wanted)[-1]
    assert stopped.stop == "source load 25.0 above 20.0 for 10 s"
    assert limits.decide(stopped, Limits(), Reading(0.0), 99, copying=True).stop == stopped.stop
    assert after([25.0] * (last + 1), Limits())[-1].stop is None


def test_the_log_that_the_source_keeps_for_it_stops_it_at_once_also_when_all_is_copied() -> None:
    wanted = Limits(stop_log_bytes=1024 * MIB)
    assert after([Reading(0.0, log_bytes=1024 * MIB), Reading(0.0)], wanted)[-1].stop is None
    for copying in (True, False):
        one = limits.decide(Standing(), wanted, Reading(0.0, log_bytes=1025 * MIB), 0, copying=copying)
        assert one.stop == "the source keeps 1,025 MiB of log for the copy, more than 1,024 MiB"


def test_what_is_copied_waits_for_no_load_and_is_not_stopped_by_it() -> None:
    wanted, standing = Limits(wait_load=2.0, stop_load=20.0), Standing()
    for second in range(60):
        standing = limits.decide(standing, wanted, Reading(30.0), second, copying=False)
    assert (standing.why, standing.stop) == (None, None)


def test_a_source_that_does_not_say_how_it_is_is_waited_for_and_then_given_up() -> None:
    silent = [Unread("no route")] * round(UNREAD_SECONDS_MAX + 1)
    decided = after(silent)
    assert decided[30].waits(30) == "the source does not say how it is (no route) since 30 s"
    assert all(one.stop is None for one in decided[:-1])
    assert decided[-1].stop == "the source did not say for 2:00 min how it is: no route"
    assert after([*silent[:-1], 1.0, *silent[:-1]])[-1].stop is None
    assert after(silent[:-1], Limits(stop_load=9.0))[-1].why is None


def test_a_mean_forgets_a_moment_and_follows_what_lasts() -> None:
    mean = Mean()
    said = [mean.of(10.0 if second == 30 else 0.0, second) for second in range(45)]
    assert said[30] < 2.0
    assert said[44] < 0.2
    lasting = [mean.of(4.0, second) for second in range(45, 70)]
    assert lasting[2] < 2.0 < lasting[5]
    assert lasting[-1] == pytest.approx(4.0, abs=0.1)


def test_limits_are_written_and_read_back_and_what_could_not_be_meant_is_none(tmp_path: Path) -> None:
    file = tmp_path / limits.FILE
    assert limits.read(None) == limits.read(file) == Limits()
    every = Limits(2.5, 64 * MIB, 20.0, 20 * 1024 * MIB)
    file.write_text(every.as_json())
    assert limits.read(file) == every
    for text in ("", "[]", "{", '{"wait_load": "2"}', '{"wait_load": true}', '{"wait_load": -1}', '{"wait_load": NaN}'):
        file.write_text(text)
        assert limits.read(file) == Limits()


def test_work_that_waits_says_why_and_promises_no_end(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    lines.progress("rows", 45, 100, "bytes", 10.0)
    lines.progress("rows", 45, 100, "bytes", 10.0, waits="source load 3.2 above 2.0 since 40 s")
    told = capsys.readouterr().out
    goes, waits = (json.loads(line)["progress"] for line in told.splitlines())
    assert goes["seconds_left"] == 5.5
    assert (waits["rate_per_second"], "seconds_left" in waits) == (None, False)
    (tmp_path / "log").write_text(told)
    said = units._words(tmp_path / "log")[0]
    assert said is not None
    assert progress._sentence(said) == "rows 45 %  waits: source load 3.2 above 2.0 since 40 s"
    with_rows = replace(said, rate_per_second=10.0, waits=None, rows_done=12_345)
    assert progress._sentence(with_rows) == "rows 45 % (12,345 rows)  10 bytes/s  5.5 s left"


class Told:
    """A source that says what the test wants it to say."""

    name, every_seconds = "portal", 0.0

    def __init__(self) -> None:
        self.says: Reading | Unread = Reading(0.0)
        self.asked = self.let_gone = 0

    def concerned(self, wanted: Limits) -> Limits:
        return wanted

    def read(self) -> Reading | Unread:
        self.asked += 1
        return self.says

    def let_go(self) -> str:
        self.let_gone += 1
        return "its slot is gone"

    def close(self) -> None:
        pass


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / limits.FILE
    made.write_text(LOAD.as_json())
    return made


def test_workers_wait_together_and_go_on_when_the_limit_is_taken_away(file: Path) -> None:
    source, said = Told(), list[str | None]()
    source.says = Reading(3.0)
    with Sparing(file, source) as sparing, sparing.reading(said.append):
        held = Throttle(None, sparing=sparing)
        workers = [threading.Thread(target=held.take, args=(1,)) for _ in range(3)]
        for each in workers:
            each.start()
        workers[0].join(1.5)
        assert all(each.is_alive() for each in workers)
        assert held.is_slowed()
        file.write_text("")
        for each in workers:
            each.join(SECONDS_MAX)
        assert not any(each.is_alive() for each in workers)
        assert not held.is_slowed()
        until(lambda: said[-1] is None)  # told by another thread, a moment after the workers were let go
    assert said[0] == "source load 3.0 above 2.0 since 0 s"
    assert said[-1] is None


def test_nobody_is_asked_without_limits_or_before_anything_is_read(file: Path) -> None:
    source = Told()
    source.says = Reading(99.0)
    with Sparing(file, source) as sparing:
        sparing.hold()
        assert source.asked == 0
        file.write_text("")
        with sparing.reading():
            sparing.hold()
    assert source.asked == 0


def test_who_is_stopped_says_why_whatever_ends_his_work_and_lets_go_once(file: Path) -> None:
    source = Told()
    source.says = Reading(0.0, log_bytes=2 * MIB)
    file.write_text(Limits(stop_log_bytes=MIB).as_json())
    for end in (lambda sparing: sparing.hold(), lambda _: 1 / 0, lambda _: None):
        source.let_gone = 0
        with (
            pytest.raises(StepFailed, match="to spare the source") as stopped,
            Sparing(file, source) as sparing,
        ):
            end(sparing)
        assert stopped.value.code == "source-spared"
        assert "its slot is gone" in stopped.value.state
        assert source.let_gone == 1


def test_nobody_waits_for_a_calm_source_once_the_work_was_ended(file: Path) -> None:
    """An index that failed, or a later turn, ends the workers that wait as well."""
    source, brake, ended = Told(), Brake(), list[BaseException]()
    source.says = Reading(3.0)

    def wait(sparing: Sparing) -> None:
        try:
            sparing.hold()
        except Stopped as stopped:
            ended.append(stopped)

    with Sparing(file, source) as sparing, sparing.reading():
        sparing.tie(brake)
        worker = threading.Thread(target=wait, args=(sparing,))
        worker.start()
        worker.join(0.3)
        assert worker.is_alive()
        brake.pull(ValueError("an index failed"))
        worker.join(SECONDS_MAX)
        assert not worker.is_alive()
    assert len(ended) == 1


def test_a_stop_ends_what_only_builds_as_well(file: Path) -> None:
    source, brake, stopped = Told(), Brake(), list[str]()
    file.write_text(Limits(stop_log_bytes=MIB).as_json())
    with pytest.raises(StepFailed) as failed, Sparing(file, source) as sparing:
        sparing.tie(brake)
        with brake.hold(lambda: stopped.append("the build")):
            source.says = Reading(0.0, log_bytes=2 * MIB)
            sparing.look()
    assert stopped == ["the build"]
    assert isinstance(brake.why, StepFailed)
    assert "its slot is gone" in failed.value.state


def test_nobody_waits_for_ever_for_a_look_that_failed(file: Path) -> None:
    class Broken(Told):
        def read(self) -> Reading | Unread:
            if self.asked:
                raise RuntimeError("a fault of ours")
            return super().read()

    source = Broken()
    source.says = Reading(3.0)
    with pytest.raises(StepFailed, match="a fault of ours"), Sparing(file, source) as sparing, sparing.reading():
        sparing.hold()
