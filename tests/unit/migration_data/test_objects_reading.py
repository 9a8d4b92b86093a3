"""Lists are read as stores send them, hashes as parts make them; work is spread within bounds; time left is honest."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from migration.errors import StepFailed
from migration.movers import bucket_listing, lines, s3
from migration.movers.bucket_store import Digests
from migration.movers.s3 import Bucket
from migration.movers.spread import Budget, spread

BUCKET = Bucket("http://store.example", "r", "bucket", "a", "s")
PAGE = """<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{more}{objects}</ListBucketResult>"""
OBJECT = """<Contents><Key>{key}</Key><LastModified>2026-12-01T03:45:23.123Z</LastModified><ETag>&#34;abc-2&#34;</ETag>
<Size>7</Size></Contents>"""


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[httpx.Request]]:
    """Return what makes the store answer so, one after the other, and gives what it was asked."""

    def given(*answers: tuple[int, str] | Exception) -> list[httpx.Request]:
        asked: list[httpx.Request] = []

        def answer(request: httpx.Request) -> httpx.Response:
            asked.append(request)
            one = answers[min(len(asked), len(answers)) - 1]
            if isinstance(one, Exception):
                raise one
            return httpx.Response(one[0], text=one[1])

        client = httpx.Client(transport=httpx.MockTransport(answer))
        monkeypatch.setattr(s3, "_client", lambda: client)
        monkeypatch.setattr(bucket_listing, "_WAIT_SECONDS", 0.0)
        return asked

    return given


def page(*keys: str, more: str = "") -> tuple[int, str]:
    truncated = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{more}</NextContinuationToken>" if more else ""
    return 200, PAGE.format(more=truncated, objects="".join(OBJECT.format(key=key) for key in keys))


def test_keys_are_as_the_store_has_them(answers: Callable[..., list[httpx.Request]]) -> None:
    asked = answers(page("a", "a/", "a//b", more="n=1&amp;x"), page("c&#x1;d", "e&amp;f +%20", "đ"))
    found = list(bucket_listing.listing(BUCKET))
    assert [one.key for one in found] == ["a", "a/", "a//b", "c\x01d", "e&f +%20", "đ"]
    assert {(one.size, one.etag, one.storage_class) for one in found} == {(7, "abc-2", "STANDARD")}
    assert asked[1].url.params["continuation-token"] == "n=1&x"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ((403, "<Error>AccessDenied</Error>"), "HTTP 403"),
        ((200, "<html>"), "cannot be read"),
        ((200, PAGE.format(more="<IsTruncated>true</IsTruncated>", objects="")), "not where"),
        (page("a", more="the same"), "not where"),
        (httpx.ConnectError("refused"), "ConnectError"),
        ((503, "slow down"), "HTTP 503"),
    ],
)
def test_a_list_that_is_not_whole_is_an_error(
    wrong: tuple[int, str] | Exception, says: str, answers: Callable[..., list[httpx.Request]]
) -> None:
    answers(wrong)
    with pytest.raises(StepFailed) as refused:
        list(bucket_listing.listing(BUCKET))
    assert (refused.value.code, says in refused.value.why) == ("store-not-listed", True)


def test_a_busy_store_is_asked_again(answers: Callable[..., list[httpx.Request]]) -> None:
    asked = answers((503, "slow down"), httpx.ReadError("broken"), page("a"))
    assert [one.key for one in bucket_listing.listing(BUCKET)] == ["a"]
    assert len(asked) == 3


@given(st.lists(st.binary(max_size=50)), st.integers(1, 30))
def test_hashes_of_what_passes_do_not_depend_on_the_pieces(pieces: list[bytes], part: int) -> None:
    seen, content = Digests(part), b"".join(pieces)
    for piece in pieces:
        seen.update(piece)
    parts = [hashlib.md5(content[i : i + part]).digest() for i in range(0, len(content), part)]
    assert seen.md5 == hashlib.md5(content).hexdigest()
    assert seen.etag_in_parts() == f"{hashlib.md5(b''.join(parts)).hexdigest()}-{len(parts)}"
    assert seen.bytes == len(content)


def test_no_more_work_is_taken_in_than_can_be_done_soon() -> None:
    taken, most, done = 0, 0, 0
    release = threading.Event()

    def things() -> object:
        nonlocal taken
        for number in range(1_000):
            taken += 1
            yield number

    def on_done(_: object) -> None:
        nonlocal done, most
        most = max(most, taken - done)
        done += 1

    threading.Timer(0.2, release.set).start()
    spread(things(), lambda _: release.wait(), workers=4, on_done=on_done)  # type: ignore[arg-type]
    assert done == 1_000
    assert most <= 9


def test_the_first_failure_ends_it_and_what_was_done_before_is_told() -> None:
    done: list[int] = []
    begun: list[int] = []

    def work(number: int) -> int:
        begun.append(number)
        if number == 20:
            raise ValueError("twenty")
        return number

    with pytest.raises(ValueError, match="twenty"):
        spread(range(1_000), work, workers=4, on_done=done.append)
    assert set(range(20)) <= set(done)
    assert set(done) == set(begun) - {20}
    assert len(begun) < 60


def test_a_budget_is_never_exceeded_and_the_largest_gets_its_turn() -> None:
    budget, lock = Budget(10), threading.Lock()
    held, most = 0, 0

    def work(count: int) -> int:
        nonlocal held, most
        with budget.hold(count):
            with lock:
                held += min(count, 10)
                most = max(most, held)
            time.sleep(0.001)
            with lock:
                held -= min(count, 10)
        return count

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(work, [3, 1, 50, 2, 7] * 20)) == 63 * 20
    assert 5 < most <= 10


def said(capsys: pytest.CaptureFixture[str]) -> dict[str, float]:
    return json.loads(capsys.readouterr().out.splitlines()[-1])["progress"]


def test_the_time_that_is_left_is_that_of_bytes_or_of_objects_whichever_is_longer(
    capsys: pytest.CaptureFixture[str],
) -> None:
    now = [0.0]
    standing = lines.Standing("objects", 1_000, 1_000_000, now=lambda: now[0])
    now[0] = 10.0
    standing.say(10, 500_000)  # large ones first: by bytes half is done, by number a hundredth
    assert said(capsys)["seconds_left"] == pytest.approx(990.0)
    now[0] = 20.0
    standing.say(990, 600_000)
    assert said(capsys)["seconds_left"] == pytest.approx(400_000 / 30_000, rel=0.01)


def test_the_rate_is_that_of_lately(capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    standing = lines.Standing("objects", 2, 1_000_000, now=lambda: now[0])
    for second in range(1, 121):  # a limit was lifted after a minute
        now[0] = float(second)
        standing.say(1, min(second, 60) * 100 + max(second - 60, 0) * 10_000)
    assert said(capsys)["rate_per_second"] == pytest.approx(10_000, rel=0.05)


def test_no_time_is_told_while_nothing_moves(capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    standing = lines.Standing("objects", 2, 1_000_000, now=lambda: now[0])
    now[0] = 60.0
    standing.say(0, 0)
    assert "seconds_left" not in said(capsys)
