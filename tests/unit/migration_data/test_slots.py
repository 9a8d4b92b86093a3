"""Pieces of a copy: the longest way first, nothing too early, one failure ends all, and the forecast is honest."""

from __future__ import annotations

import itertools
import json
import random
import subprocess
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from migration.movers.copy import Table, split
from migration.movers.copy_watch import CopyWatch, Seen, seconds_left
from migration.movers.programs import Brake, Stopped
from migration.movers.slots import Kind, Piece, Slots, Standing, gate, ways
from migration.movers.throttle import Throttle
from tests.support.patience import SECONDS_MAX

MEGABYTE = 10**6


def piece(
    name: str, weight: int = 0, after: tuple[Piece, ...] = (), run: Callable[[Slots], None] = lambda _: None
) -> Piece:
    return Piece(Kind.BUILD, name, weight, run, after, name)


def test_the_longest_way_to_the_end_goes_first_and_not_the_largest_piece() -> None:
    done: list[str] = []

    def noted(name: str, weight: int, after: tuple[Piece, ...] = ()) -> Piece:
        return piece(name, weight, after, lambda _: done.append(name))

    small, large, middle = noted("small table", 2), noted("large table", 9), noted("middle", 5)
    index = noted("expensive index of the small table", 20, (small,))
    everything = [small, large, middle, index, gate("end", (small, large, middle, index))]
    assert ways(everything)[small] == 22
    Slots(everything, 1, Brake()).run()
    assert done == ["small table", "expensive index of the small table", "large table", "middle"]


@pytest.mark.parametrize("seed", range(20))
def test_nothing_begins_before_what_it_needs_and_never_more_at_once_than_slots(seed: int) -> None:
    chance = random.Random(seed)
    ended: set[Piece] = set()
    at_work, most = 0, 0
    lock = threading.Lock()
    everything: list[Piece] = []

    def work(number: int) -> Callable[[Slots], None]:
        def run(_: Slots) -> None:
            nonlocal at_work, most
            with lock:
                at_work += 1
                most = max(most, at_work)
                assert ended.issuperset(everything[number].after)
            time.sleep(0.0005)
            with lock:
                at_work -= 1
                ended.add(everything[number])

        return run

    for number in range(40):
        after = tuple(chance.sample(everything, min(len(everything), chance.randrange(3))))
        everything.append(piece(str(number), chance.randrange(100), after, work(number)))
    Slots(everything, 3, Brake()).run()
    assert len(ended) == 40
    assert most <= 3


def test_the_first_failure_ends_programs_that_run_and_begins_nothing_more() -> None:
    brake, begun, ended = Brake(), threading.Event(), list[int]()

    def long(_: Slots) -> None:
        process = subprocess.Popen(["sleep", "600"])
        with brake.hold(process.kill):
            begun.set()
            ended.append(process.wait())

    def fails(_: Slots) -> None:
        assert begun.wait(SECONDS_MAX)
        raise ValueError("this index")

    def never(_: Slots) -> None:
        raise AssertionError("it was begun")

    slow, bad = piece("slow", 9, run=long), piece("bad", 8, run=fails)
    with pytest.raises(ValueError, match="this index"):
        Slots([slow, bad, piece("behind", 5, (bad,), never), piece("waiting", 1, run=never)], 2, brake).run()
    assert ended == [-9]
    with pytest.raises(Stopped), brake.hold(lambda: None):
        pass


def test_a_brake_that_somebody_else_pulls_ends_it_with_that_reason() -> None:
    brake, begun = Brake(), threading.Event()

    def long(_: Slots) -> None:
        process = subprocess.Popen(["sleep", "600"])
        with brake.hold(process.kill):
            begun.set()
            process.wait()

    def pull() -> None:
        begun.wait(SECONDS_MAX)
        brake.pull(KeyError("turn"))

    puller = threading.Thread(target=pull)
    puller.start()
    with pytest.raises(KeyError, match="turn"):
        Slots([piece("slow", run=long)], 1, brake).run()
    puller.join()


def test_idle_slots_are_lent_only_when_nothing_else_can_begin() -> None:
    seen: dict[str, int] = {}
    together = threading.Barrier(2)

    def look(name: str, meet: Callable[[], object]) -> Callable[[Slots], None]:
        def run(slots: Slots) -> None:
            meet()  # both have begun
            seen[name] = slots.spare()
            meet()  # neither has ended

        return run

    def meet() -> None:
        together.wait(SECONDS_MAX)

    first, second = piece("first", 2, run=look("first", meet)), piece("second", 1, run=look("second", meet))
    last = piece("last", 1, (first, second), look("last", lambda: None))
    Slots([first, second, last], 2, Brake()).run()
    assert seen == {"first": 0, "second": 0, "last": 1}


@pytest.mark.parametrize(("pages", "count"), [(4, 4), (5, 4), (1000, 7), (1, 4), (0, 4), (3, 8)])
def test_parts_of_a_table_are_all_of_it_and_no_page_is_in_two(pages: int, count: int) -> None:
    parts = split(Table("public", "t", pages * 8192, pages, False, ("a",), True), count)
    assert parts[0].first_page == 0
    assert parts[-1].end_page is None, "rows may lie behind the last page that was counted"
    for one, following in itertools.pairwise(parts):
        assert one.first_page < following.first_page == one.end_page
    assert 1 <= len(parts) <= count
    assert sum(part.size_bytes for part in parts) <= pages * 8192


def rows(name: str, weight: int) -> Piece:
    return Piece(Kind.CARRY, name, weight, lambda _: None, (), name)


def test_indexes_count_in_the_time_that_is_left() -> None:
    a, b = rows("a", 10 * MEGABYTE), rows("b", 10 * MEGABYTE)
    index = piece("index", 20 * MEGABYTE, (a,))
    # Ten seconds for ten megabytes: ten more of rows, and twenty of an index that nobody has begun.
    standing = Standing([a], [], [b, index], {Kind.CARRY: 10.0, Kind.BUILD: 0.0})
    assert seconds_left(standing, {}, 1, limited=False) == pytest.approx(30)
    # Two slots cannot be quicker than the longest piece.
    assert seconds_left(standing, {}, 2, limited=False) == pytest.approx(20)
    # Half of b is there, and a quarter of the index, which took one second.
    seen = {(Kind.CARRY, "b"): 5.0 * MEGABYTE, (Kind.BUILD, "index"): 0.25}
    standing = Standing([a], [b, index], [], {Kind.CARRY: 15.0, Kind.BUILD: 1.0})
    assert seconds_left(standing, seen, 1, limited=False) == pytest.approx(5 + 3)


def test_the_pace_of_rows_that_people_slow_down_says_nothing_of_indexes() -> None:
    a, index = rows("a", MEGABYTE), piece("index", MEGABYTE)
    standing = Standing([], [a], [index], {Kind.CARRY: 10.0, Kind.BUILD: 0.0})
    seen = {(Kind.CARRY, "a"): MEGABYTE / 2}
    assert seconds_left(standing, seen, 1, limited=True) is None
    assert seconds_left(standing, seen, 1, limited=False) == pytest.approx(30)


def test_nothing_is_foretold_before_anything_was_seen() -> None:
    waiting = Standing([], [], [rows("a", MEGABYTE)], {Kind.CARRY: 0.0, Kind.BUILD: 0.0})
    assert seconds_left(waiting, {}, 2, limited=False) is None
    assert seconds_left(Standing([], [], [], {Kind.CARRY: 0.0, Kind.BUILD: 0.0}), {}, 2, limited=False) == 0.0


def test_rows_that_have_come_are_said_beside_the_bytes_and_never_taken_back(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ended: list[int] = []
    said = {"a": Seen({(Kind.CARRY, "a"): 100.0}, {"a": 40.0, "b": 9.0}), "b": Seen({}, {"b": 2.0}, rows_ended=41)}
    looked: list[dict[str, Any]] = []

    def look(table: str, count: int) -> Callable[[Slots], None]:
        def run(slots: Slots) -> None:
            watch._slots = slots
            watch._say(said[table])
            looked.append(json.loads(capsys.readouterr().out)["progress"])
            ended.append(count)

        return run

    a = Piece(Kind.CARRY, "a", MEGABYTE, look("a", 41), (), "a")
    b = Piece(Kind.CARRY, "b", MEGABYTE, look("b", 3), (a,), "b")
    slots = Slots([a, b], 1, Brake())
    watch = CopyWatch(cast("Any", SimpleNamespace(workers=1)), slots, Throttle(None), ended)
    slots.run()
    assert [(line["what"], line["unit"], line["rows_done"]) for line in looked] == [
        ("rows", "bytes", 40), ("rows", "bytes", 43)
    ]  # fmt: skip
    watch._rows_said = 50
    again = Slots([Piece(Kind.CARRY, "c", 1, lambda _: None, (), "c")], 1, Brake())
    watch._slots = again
    watch._say(Seen(rows_ended=44))
    assert json.loads(capsys.readouterr().out)["progress"]["rows_done"] == 50
