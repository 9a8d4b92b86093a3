"""Differences of every kind, planted between two real stores: each is named, and a proof that was killed goes on."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.store_server import Store
from tests.support.decay import decay
from tests.support.moving_objects import DESCRIBED, Pair, delete, fill, get, listed, make, put

pytestmark = pytest.mark.live
KEY = "ho-so/01/tệp số 1.pdf"


@pytest.fixture(scope="module")
def moved(other_store: Store, store: Store, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """A bucket that was carried, and proved in full."""
    made = make(other_store, store, tmp_path_factory.mktemp("objects"))
    fill(made.source, 30)
    assert made.do().code == 0
    assert made.verified_in_full("--frozen") == []
    return made


@pytest.fixture
def pair(moved: Pair) -> Iterator[Pair]:
    """The move; what a test plants, the mover takes away."""
    yield moved
    moved.do(overwrite=True, deletions="follow")
    assert moved.verified_in_full("--frozen", deletions="follow") == []


def test_an_object_that_is_missing_is_found(pair: Pair) -> None:
    delete(pair.target, KEY)
    for found in (pair.verified("--frozen"), pair.verified(), pair.verified_in_full("--frozen")):
        assert found == [f"object {KEY}: missing at the target"]


def test_other_content_of_one_size_is_found(pair: Pair) -> None:
    before = get(pair.source, KEY).content
    put(pair.target, KEY, bytes([before[0] ^ 1]) + before[1:])
    for found in (pair.verified("--frozen"), pair.verified()):
        assert found == [f"object {KEY}: other content at the target (by ETag)"]
    assert pair.verified_in_full("--frozen") == [f"object {KEY}: other content at the target (by ETag)"]


def test_an_object_too_many_is_found(pair: Pair) -> None:
    put(pair.target, "thừa.txt", b"x")
    assert pair.verified("--frozen") == ["object thừa.txt: only at the target"]
    delete(pair.target, "thừa.txt")


def test_the_right_tag_over_other_bytes_is_found_when_it_is_read(store: Store, pair: Pair) -> None:
    before = get(pair.source, KEY).content
    tag = listed(pair.target)[KEY]
    decay(store.folder, before, bytes([before[0] ^ 1]) + before[1:])
    assert listed(pair.target)[KEY] == tag
    assert pair.verified("--frozen") == [], "its record says nothing of it: only reading does"
    assert pair.verified_in_full("--frozen") == [f"object {KEY}: content differs (read on both sides)"]
    assert pair.do().result["carried"] == 1


def test_another_description_and_other_tags_are_found(pair: Pair) -> None:
    put(
        pair.target,
        "described.pdf",
        b"described",
        **{**DESCRIBED, "cache-control": "no-store", "x-amz-meta-so-ho-so": "H"},
    )
    assert pair.verified_in_full("--frozen") == [
        "object described.pdf: its description differs (Cache-Control, so-ho-so)"
    ]
    pair.do(overwrite=True)
    put(pair.target, "described.pdf", b"described", **{**DESCRIBED, "x-amz-tagging": "loai=don"})
    assert pair.verified_in_full("--frozen") == ["object described.pdf: its tags differ"]


def test_what_the_source_changed_after_the_last_pass_is_no_difference_until_it_is_frozen(pair: Pair) -> None:
    put(pair.source, KEY, b"changed")
    put(pair.source, "mới.txt", b"new")
    (running, frozen) = (pair.do("--do", "verify").result, pair.do("--do", "verify", "--frozen").result)
    assert (running["passed"], running["figures"]["changed_meanwhile"]) == (True, 2)
    assert (frozen["passed"], frozen["figures"]["differences"]) == (False, 2)


def test_a_target_that_nobody_carried_to_is_not_equal(store: Store, pair: Pair, tmp_path: Path) -> None:
    nothing = make(store, store, tmp_path)
    for words in ([], ["--frozen"]):
        said = pair.do("--do", "verify", *words, target=nothing.target, staging=tmp_path / "other").result
        assert (said["passed"], said["figures"]["differences"]) == (False, len(listed(pair.source)))


def test_a_proof_that_was_killed_goes_on_and_reads_again_what_changed_since(tmp_path: Path, pair: Pair) -> None:
    limit = tmp_path / "limit"
    limit.write_text(str(4_000_000))
    proof = pair.begin("--do", "verify-full", "--frozen", limit_file=limit)
    proof.until_noted(11)
    proof.kill()
    put(pair.target, KEY, random.Random(1).randbytes(len(get(pair.source, KEY).content)))
    said = pair.do("--do", "verify-full", "--frozen").result
    assert said["figures"]["resumed"] > 10
    assert said["differences"] == [f"object {KEY}: other content at the target (by ETag)"]
    assert pair.do("--do", "verify-full", "--frozen").result["figures"]["resumed"] == 0
