"""What becomes of a key, which keys cannot be carried, what lists prove: decided from two lists and a record alone."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migration.errors import StepFailed
from migration.movers import objects_check
from migration.movers.bucket_store import Listed
from migration.movers.objects_index import Carried, Index, Todo
from migration.movers.objects_job import ObjectsJob
from migration.movers.objects_plan import Act, Record, Seen, Verdict, act, refusal, verdict
from migration.movers.s3 import Bucket

A, B = Seen(5, "a" * 32, 100), Seen(5, "b" * 32, 200)
CARRIED = Record(A, A.etag, begun=False)
BEGUN = Record(A, A.etag, begun=True)
NEVER_FINISHED = Record(None, None, begun=True)
PART = 5 * 1024 * 1024


@pytest.mark.parametrize(
    ("source", "target", "record", "wanted"),
    [
        (A, None, None, Act.COPY),
        (A, A, CARRIED, Act.NOTHING),
        (B, A, CARRIED, Act.COPY),
        (A, None, CARRIED, Act.COPY),
        (dataclasses.replace(A, modified=101), A, CARRIED, Act.COPY),  # its description may be another
        (A, B, CARRIED, Act.REFUSE),
        (B, B, CARRIED, Act.REFUSE),
        (A, A, None, Act.LOOK),
        (A, A, NEVER_FINISHED, Act.LOOK_OWN),
        (B, A, BEGUN, Act.LOOK_OWN),
        (A, B, BEGUN, Act.LOOK_OWN),
        (None, A, CARRIED, Act.GONE),
        (None, B, NEVER_FINISHED, Act.GONE),
        (None, B, CARRIED, Act.FOREIGN),
        (None, B, None, Act.FOREIGN),
        (None, None, CARRIED, Act.FORGET),
    ],
)
def test_what_becomes_of_a_key(source: Seen | None, target: Seen | None, record: Record | None, wanted: Act) -> None:
    assert act(source, target, record) is wanted


sides = st.none() | st.sampled_from([A, B])
records = st.none() | st.sampled_from([CARRIED, BEGUN, NEVER_FINISHED, Record(B, B.etag, begun=False)])


@given(sides, sides, records)
def test_nothing_that_we_did_not_write_is_replaced_or_removed(
    source: Seen | None, target: Seen | None, record: Record | None
) -> None:
    what = act(source, target, record)
    may_be_ours = record is not None and target is not None and (record.begun or record.etag == target.etag)
    if target is not None and not may_be_ours:
        assert what in (Act.LOOK, Act.REFUSE, Act.FOREIGN)
    if source is not None and target is None:
        assert what is Act.COPY


def test_what_others_changed_gives_way_only_when_people_say_so() -> None:
    assert act(A, B, CARRIED, overwrite=True) is Act.COPY
    assert act(None, B, None, overwrite=True) is Act.FOREIGN


IN_PARTS = Seen(5, "c" * 32 + "-2", 100)


@pytest.mark.parametrize(
    ("source", "target", "record", "wanted"),
    [
        (A, A, CARRIED, Verdict.EQUAL),
        (A, A, None, Verdict.EQUAL),  # both say one MD5
        (A, B, CARRIED, Verdict.CONTENT),
        (A, B, None, Verdict.UNPROVED),  # a store that encrypts shows something else in this form
        (IN_PARTS, IN_PARTS, None, Verdict.UNPROVED),  # of which part size?
        (IN_PARTS, A, None, Verdict.UNPROVED),
        (IN_PARTS, A, Record(IN_PARTS, A.etag, begun=False), Verdict.EQUAL),
        (A, B, NEVER_FINISHED, Verdict.UNPROVED),
        (A, dataclasses.replace(A, size=6), None, Verdict.SIZE),
        (A, None, CARRIED, Verdict.MISSING),
        (None, A, CARRIED, Verdict.GONE),
        (None, A, None, Verdict.EXTRA),
        (None, B, CARRIED, Verdict.EXTRA),
    ],
)
def test_what_lists_prove(source: Seen | None, target: Seen | None, record: Record | None, wanted: Verdict) -> None:
    assert verdict(source, target, record) is wanted


@given(sides, sides, records)
def test_one_size_alone_proves_nothing(source: Seen | None, target: Seen | None, record: Record | None) -> None:
    if verdict(source, target, record) is Verdict.EQUAL:
        assert source is not None
        assert target is not None
        tags = {source.etag} | ({record.etag} if record is not None and record.source == source else set())
        assert target.etag in tags


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("a//b", "empty segment"),
        ("/a", "empty segment"),
        ("a//", "empty segment"),
        ("a/../b", "dots"),
        ("./a", "dots"),
        ("a\x01b", "control"),
        ("a\nb", "control"),
        ("a\\b", "backslash"),
        ("a\ufffdb", "does not show"),
        ("a/b", None),
        ("a/", None),
        ("...", None),
        (".dcshift/manifest.jsonl", None),
        ("hồ sơ/Đơn đề nghị #1?&=+%41.pdf", None),
    ],
)
def test_which_keys_cannot_be_carried(key: str, why: str | None) -> None:
    said = refusal(key, 0, PART)
    assert (said is None) if why is None else (said is not None and why in said)


def test_an_object_of_too_many_parts_and_a_folder_with_content_are_refused() -> None:
    assert refusal("a", PART * 10_000, PART) is None
    assert "parts" in (refusal("a", PART * 10_000 + 1, PART) or "")
    assert "slash" in (refusal("a/", 1, PART) or "")


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    with closing(Index(tmp_path)) as opened:
        yield opened


def listed(key: str, seen: Seen = A) -> Listed:
    return Listed(key, seen.size, seen.etag, datetime.fromtimestamp(seen.modified, UTC))


def test_two_lists_in_any_order_become_one_in_the_order_of_keys(index: Index) -> None:
    """As a store lists that keeps a tree: `a/x` before `a-b`, which comes first by its bytes; one key twice."""
    keys = ["a/x", "a", "a-b", "a0", "đ", "z"]
    random.Random(3).shuffle(keys)
    index.keep_listing("source", [listed(key) for key in [*keys, keys[0]]])
    index.keep_listing("target", [listed(key, B) for key in reversed([*keys[:3], "only here"])])
    index.change(put=[Carried("remembered", A, A.etag, A.etag, None)])
    found = {one.key: one for one in index.every_key()}
    assert list(found) == sorted({*keys, "only here", "remembered"}, key=str.encode)
    assert {key for key, one in found.items() if one.source} == set(keys)
    assert {key for key, one in found.items() if one.target} == {*keys[:3], "only here"}
    assert found["remembered"].record == CARRIED
    assert found[keys[0]].source == A


def test_what_was_begun_stays_begun_until_it_is_recorded(index: Index) -> None:
    index.change(put=[Carried("old", A, A.etag, A.etag, None)])
    index.plan([Todo("old", Act.COPY, 5), Todo("new", Act.COPY, 5), Todo("theirs", Act.LOOK, 5)])
    index.begin(Act.COPY)
    known = {one.key: one.record for one in index.every_key()}
    assert known == {"old": BEGUN, "new": NEVER_FINISHED}
    index.change(put=[Carried("new", B, B.etag, B.etag, None)])
    assert not index.is_begun("new")
    assert index.is_begun("old")


def test_what_a_proof_doubts_is_carried_again(index: Index) -> None:
    index.keep_listing("source", [listed("a")])
    index.keep_listing("target", [listed("a")])
    index.change(put=[Carried("a", A, A.etag, A.etag, None)])
    index.doubt("a")
    (one,) = index.every_key()
    assert act(one.source, one.target, one.record) is Act.COPY


def test_work_is_handed_out_once_and_whole_however_many_keys_there_are(index: Index) -> None:
    keys = [f"k{number:05}" for number in range(2_500)]
    index.plan(Todo(key, Act.COPY if number % 2 else Act.LOOK, 1) for number, key in enumerate(keys))
    assert [one.key for one in index.todo(Act.COPY, Act.LOOK)] == keys
    assert index.todo_size(Act.COPY) == (1_250, 1_250)


def job(folder: Path, *left_behind: str) -> ObjectsJob:
    side = Bucket("http://127.0.0.1:1", "r", "b", "a", "hidden-key")
    return ObjectsJob(
        system="portal", name="uploads", token=1, source=side, target=side, staging=folder, left_behind=[*left_behind]
    )


def test_keys_that_cannot_be_carried_are_named_before_anything_is_carried(index: Index, tmp_path: Path) -> None:
    index.keep_listing("source", [listed(key) for key in ("a", "a//b", "c\x01d", "fine")])
    with pytest.raises(StepFailed) as refused:
        objects_check.assert_keys(job(tmp_path), index)
    assert refused.value.code == "keys-not-carried"
    assert "a//b (its key has an empty segment), c\\x01d (its key has a control" in refused.value.why
    with pytest.raises(StepFailed, match="1 objects"):
        objects_check.assert_keys(job(tmp_path, "a//*"), index)
    objects_check.assert_keys(job(tmp_path, "a//*", "c?d"), index)


def test_a_job_shows_no_key_of_a_bucket(tmp_path: Path) -> None:
    made = job(tmp_path)
    assert "hidden-key" not in repr(made)
    assert ObjectsJob.model_validate_json(made.as_json()) == made
