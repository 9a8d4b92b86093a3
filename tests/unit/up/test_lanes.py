"""Foundations alone and in order, systems side by side, no stack begun after a fault, and no fault unheard."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator

import pytest

from infra.up import lanes
from tests.support.patience import until

STACKS = ("platform", "ground.portal", "data", "security", "portal", "feedback")


def run(stacks: tuple[str, ...], work: lanes.Work[str], width: int = 2) -> list[BaseException]:
    heard: list[BaseException] = []
    lanes.run(stacks, [str(number) for number in range(width)], work, heard.append)
    return heard


def test_what_others_stand_on_is_done_before_they_begin() -> None:
    said: list[str] = []

    def work(stack: str, lane: str) -> None:
        said.append(f"+{stack}")
        said.append(f"-{stack}")

    assert run(STACKS, work, width=1) == []
    assert said[:6] == ["+platform", "-platform", "+ground.portal", "-ground.portal", "+data", "-data"]
    assert sorted(said[6::2]) == ["+feedback", "+portal", "+security"]


@pytest.mark.parametrize(
    ("stacks", "width"),
    [(STACKS, 2), (("platform", "data"), 1), (("ground.a", "ground.b", "data"), 2), (("portal",), 1), ((), 1)],
)
def test_there_are_no_more_lanes_than_work_for_them(stacks: tuple[str, ...], width: int) -> None:
    assert lanes.width(stacks) == width


def test_systems_are_side_by_side_each_in_a_lane_of_its_own() -> None:
    """Each waits for the other: one after the other they would wait for ever."""
    together, used = threading.Barrier(2), set()

    def work(stack: str, lane: str) -> None:
        if stack in ("portal", "feedback"):
            used.add(lane)
            together.wait(timeout=60)

    assert run(("platform", "portal", "feedback"), work) == []
    assert used == {"0", "1"}


def test_after_a_fault_what_is_at_work_ends_and_nothing_begins() -> None:
    done: list[str] = []
    together, failed = threading.Barrier(2), threading.Event()

    def work(stack: str, lane: str) -> None:
        if stack in ("security", "portal"):
            together.wait(timeout=60)
        if stack == "security":
            assert failed.wait(timeout=60)
        if stack == "portal":
            failed.set()
            raise ValueError(stack)
        # The fault is noted a moment after it is raised; none of the rest is quick enough to let all of them begin.
        time.sleep({"platform": 0.0, "security": 0.2}.get(stack, 3.0))
        done.append(stack)

    with pytest.raises(ValueError, match="portal"):
        run(("platform", "security", "portal", *(f"s{n}" for n in range(20))), work)
    assert "security" in done
    assert len(done) < 20


def test_a_foundation_that_failed_keeps_everything_from_beginning() -> None:
    done: list[str] = []

    def work(stack: str, lane: str) -> None:
        if stack == "data":
            raise ValueError(stack)
        done.append(stack)

    with pytest.raises(ValueError, match="data"):
        run(STACKS, work)
    assert done == ["platform", "ground.portal"]


def test_two_that_fail_at_once_are_both_heard() -> None:
    together, heard = threading.Barrier(2), list[BaseException]()

    def work(stack: str, lane: str) -> None:
        together.wait(timeout=60)
        raise ValueError(stack)

    with pytest.raises(ValueError, match="portal"):
        lanes.run(("portal", "feedback"), ["0", "1"], work, heard.append)
    assert [str(other) for other in heard] == ["feedback"]


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """A program that a shell started in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def heard() -> bool:
    """Say whether the caller, who heard of it, only waits any more for what is at work: then nothing may begin."""
    frame = sys._current_frames()[threading.main_thread().ident or 0]
    names = [each.f_code.co_name for each, _ in traceback.walk_stack(frame)]
    return "shutdown" in names[: names.index("run")]


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_lets_what_is_at_work_end_and_begins_nothing() -> None:
    """The terminal sends it to the engines too, which end in order; here the work ends by itself a moment later."""
    together, began, done = threading.Barrier(2), list[str](), list[str]()

    def work(stack: str, lane: str) -> None:
        began.append(stack)
        together.wait(timeout=60)
        if stack == "portal":
            os.kill(os.getpid(), signal.SIGINT)
        until(heard)
        done.append(stack)

    with pytest.raises(KeyboardInterrupt):
        run(("portal", "feedback", *(f"s{n}" for n in range(20))), work)
    assert sorted(done) == sorted(began) == ["feedback", "portal"]


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_while_a_lane_is_being_started_leaves_nothing_at_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pool has not noted that thread yet, so it would not wait for it."""
    done: list[str] = []
    start = threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        start(thread)
        if thread.name.endswith("_1"):
            monkeypatch.undo()
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(("portal", "feedback", "reporting"), lambda stack, _: done.append(stack))
    lanes_left = [thread for thread in threading.enumerate() if thread.name.startswith("lane")]
    for thread in lanes_left:
        thread.join(timeout=60)
        assert not thread.is_alive()
    assert done == []
