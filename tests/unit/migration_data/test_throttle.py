"""A mover keeps to its limit, all workers together; a changed limit holds at once; what passes is what was sent."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path

import pytest

from migration.movers.throttle import BYTES_PER_SECOND_MIN, Throttle, read, relay
from tests.support.patience import SECONDS_MAX


class Time:
    """A clock that goes on when somebody sleeps; `at` changes the world when it is reached."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.at: list[tuple[float, Path, str]] = []

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        for moment, file, text in [each for each in self.at if each[0] <= self.now]:
            self.at.remove((moment, file, text))
            file.write_text(text)


@pytest.fixture
def limit(tmp_path: Path) -> Path:
    return tmp_path / "bytes-per-second"


def throttle(limit: Path | None, time: Time) -> Throttle:
    return Throttle(limit, now=lambda: time.now, sleep=time.sleep)


def passed(held: Throttle, time: Time, count: int, chunk: int) -> float:
    """Return the seconds in which so many bytes pass."""
    began = time.now
    for _ in range(count // chunk):
        held.take(chunk)
    return time.now - began


@pytest.mark.parametrize("chunk", [1_000, 65_536, 10_000_000])
@pytest.mark.parametrize("rate", [100_000, 5_000_000])
def test_so_many_bytes_pass_in_a_second_and_no_more(limit: Path, rate: int, chunk: int) -> None:
    time = Time()
    limit.write_text(f"{rate}\n")
    count = max(rate * 10, chunk * 2) // chunk * chunk
    assert passed(throttle(limit, time), time, count, chunk) == pytest.approx(count / rate, rel=0.1, abs=0.6)


def test_without_a_limit_nobody_waits(limit: Path) -> None:
    for file in (None, limit):
        time = Time()
        assert passed(throttle(file, time), time, 10**12, 10**11) == 0.0


@pytest.mark.parametrize("text", ["", "fast", "0", "-5", "1.5", str(BYTES_PER_SECOND_MIN - 1), "9" * 400, "\udcff"])
def test_what_can_be_no_limit_is_none(limit: Path, text: str) -> None:
    limit.write_bytes(os.fsencode(text))
    assert read(limit) is None
    assert read(limit.parent) is None


@pytest.mark.parametrize("after", ["", "100000000"])
def test_a_limit_that_is_raised_or_taken_away_frees_who_waits(limit: Path, after: str) -> None:
    time = Time()
    limit.write_text("20000")
    time.at.append((time.now + 3, limit, after))
    # Ten minutes at the old speed.
    assert passed(throttle(limit, time), time, 12_000_000, 12_000_000) < 5.0


def test_a_limit_that_is_lowered_holds_within_a_second(limit: Path) -> None:
    time = Time()
    limit.write_text("50000000")
    time.at.append((time.now + 1, limit, "100000"))
    assert passed(throttle(limit, time), time, 102_000_000, 100_000) > 4.0


def test_workers_share_one_limit(limit: Path) -> None:
    limit.write_text("200000")
    held, done = Throttle(limit), []

    def work() -> None:
        for _ in range(5):
            held.take(20_000)
            done.append(20_000)

    import time

    began = time.monotonic()
    workers = [threading.Thread(target=work) for _ in range(4)]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    assert sum(done) / (time.monotonic() - began) < 320_000  # 200,000, and what the first instant gives


def test_everything_passes_unchanged_and_both_ends_close() -> None:
    content = os.urandom(5_000_000)
    reader = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    writer = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert reader.stdout is not None and writer.stdin is not None
    between = threading.Thread(target=relay, args=(reader.stdout, writer.stdin, Throttle(None), writer.kill))
    feed = threading.Thread(target=reader.communicate, args=(content,))
    reader.stdout = writer.stdin = None
    between.start()
    feed.start()
    assert writer.communicate(timeout=SECONDS_MAX)[0] == content
    between.join(SECONDS_MAX)
    feed.join(SECONDS_MAX)
    assert not between.is_alive()


def test_a_writer_that_dies_ends_the_reader_too() -> None:
    reader = subprocess.Popen(["cat", "/dev/zero"], stdout=subprocess.PIPE)
    writer = subprocess.Popen(["head", "-c", "1000"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    assert reader.stdout is not None and writer.stdin is not None
    between = threading.Thread(target=relay, args=(reader.stdout, writer.stdin, Throttle(None), writer.kill))
    reader.stdout = writer.stdin = None
    between.start()
    assert writer.wait(SECONDS_MAX) == 0
    assert reader.wait(SECONDS_MAX) == -13  # SIGPIPE: nobody reads any more
    between.join(SECONDS_MAX)
    assert not between.is_alive()


class Broken(Throttle):
    """Fails in the middle of the data."""

    def take(self, count: int) -> None:
        raise OSError("the disk of the limit is gone")


def test_data_that_were_broken_off_do_not_look_whole_to_who_reads_them() -> None:
    reader = subprocess.Popen(["head", "-c", "3000000", "/dev/zero"], stdout=subprocess.PIPE)
    # What a COPY does: it counts what it got as done once the data end.
    writer = subprocess.Popen(["sh", "-c", "cat > /dev/null; echo done"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert reader.stdout is not None and writer.stdin is not None and writer.stdout is not None
    with pytest.raises(OSError, match="the disk of the limit"):
        relay(reader.stdout, writer.stdin, Broken(None), writer.kill)
    assert (writer.wait(SECONDS_MAX), writer.stdout.read()) == (-9, b"")
    assert reader.wait(SECONDS_MAX) in (0, -13)
    writer.stdout.close()


@pytest.mark.parametrize("whole", [True, False])
def test_who_reads_less_than_everything_never_sees_an_end(whole: bool) -> None:
    reader = subprocess.Popen(["printf", "half of it"], stdout=subprocess.PIPE)
    writer = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    assert reader.stdout is not None and writer.stdin is not None
    relay(reader.stdout, writer.stdin, Throttle(None), writer.kill, lambda: whole)
    reader.stdout = writer.stdin = None
    assert writer.wait(SECONDS_MAX) == (0 if whole else -9)
