"""One object is carried: no answer of the target counts but the right hash, no reading but that of one moment."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from migration.errors import StepFailed
from migration.movers.bucket_store import Changed, Digests
from migration.movers.objects_copy import Copier
from migration.movers.objects_job import ObjectsJob
from migration.movers.objects_plan import Act, Seen
from migration.movers.objects_store import ObjectStore, Reading, TagsUnread
from migration.movers.s3 import Bucket

PART = 5 * 1024 * 1024
SMALL, LARGE = b"a dossier".ljust(100), bytes(range(256)) * 24 * 1024  # 6 MiB


def tag(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


@dataclass
class Source:
    """What the source has, and what happens to it while it is read."""

    content: bytes
    etag: str | None = None
    """None: the MD5 of the content."""
    while_read: list[Callable[[Source], None]] = field(default_factory=list)
    tags_of: Mapping[str, str] | None = field(default_factory=dict)
    asked_for_tags: int = 0

    def seen(self, key: str) -> Seen | None:
        return Seen(len(self.content), self.etag or tag(self.content), 1)

    def open(self, key: str, size: int = 0, *, only_description: bool = False) -> Reading | None:
        seen, content = self.seen(key), self.content
        assert seen is not None

        def pieces() -> Iterator[Any]:
            yield content[: len(content) // 2]
            if self.while_read:
                self.while_read.pop(0)(self)
            yield content[len(content) // 2 :]

        return Reading(seen, {"Content-Type": "x/y"}, pieces)

    def tags(self, key: str) -> Mapping[str, str]:
        self.asked_for_tags += 1
        if self.tags_of is None:
            raise TagsUnread("HTTP 403")
        return self.tags_of

    def not_read(self, key: str, why: str) -> StepFailed:
        return StepFailed("object-not-read", what=key, why=why, state="", next="")


class Target:
    """Keeps what it is sent; `answer` is what it says of it."""

    def __init__(self, answer: Callable[[bytes], str] | None = None) -> None:
        self.answer = answer
        self.kept: list[tuple[bytes, Mapping[str, str], Mapping[str, str]]] = []

    def write(
        self, key: str, content: bytes | Iterable[bytes], attributes: Mapping[str, str], tags: Mapping[str, str]
    ) -> str:
        whole = content if isinstance(content, bytes) else b"".join(content)
        self.kept.append((whole, attributes, tags))
        digests = Digests(PART)
        digests.update(whole)
        return self.answer(whole) if self.answer else (tag(whole) if len(whole) <= PART else digests.etag_in_parts())


class Turn:
    def assert_ours(self) -> None:
        return


def copier(folder: Path, source: Source, target: Target) -> Copier:
    side = Bucket("http://127.0.0.1:1", "r", "b", "a", "s")
    job = ObjectsJob(system="p", name="u", token=1, source=side, target=side, staging=folder, part_bytes=PART)
    as_store: Callable[[Any], ObjectStore] = lambda one: one  # noqa: E731
    return Copier(job, as_store(source), as_store(target), Turn())  # type: ignore[arg-type]


@pytest.mark.parametrize("content", [SMALL, LARGE, b""])
def test_what_is_recorded_is_what_was_read_and_sent(content: bytes, tmp_path: Path) -> None:
    target = Target()
    made = copier(tmp_path, Source(content, tags_of={"a": "b"}), target)
    done = made.carry("k", Act.COPY, len(content))
    assert done.carried is not None
    assert (done.sent, done.carried.md5, done.carried.source.etag) == (True, tag(content), tag(content))
    assert done.carried.part_bytes == (PART if content is LARGE else None)
    assert target.kept == [(content, {"Content-Type": "x/y"}, {"a": "b"})]
    assert made.bytes_passed == len(content)


@pytest.mark.parametrize("content", [SMALL, LARGE])
@pytest.mark.parametrize("answer", [lambda _: "", lambda _: "d41d8cd98f00b204e9800998ecf8427e", lambda c: tag(c[:-1])])
def test_another_hash_in_the_targets_answer_is_an_error(
    content: bytes, answer: Callable[[bytes], str], tmp_path: Path
) -> None:
    with pytest.raises(StepFailed) as refused:
        copier(tmp_path, Source(content), Target(answer)).carry("k", Act.COPY, len(content))
    assert refused.value.code == "object-not-written"


def change(source: Source) -> None:
    source.content, source.etag = source.content[::-1], "opaque-2"


def fail(source: Source) -> None:
    change(source)
    raise Changed("k")


@pytest.mark.parametrize("content", [SMALL, LARGE])
@pytest.mark.parametrize("event", [change, fail])
def test_an_object_that_changes_while_it_is_read_is_read_again(
    content: bytes, event: Callable[[Source], None], tmp_path: Path
) -> None:
    """Its ETag is no MD5: only asking again tells that what was read is of two moments."""
    source, target = Source(content, "opaque-1", [event]), Target()
    made = copier(tmp_path, source, target)
    done = made.carry("k", Act.COPY, len(content))
    assert target.kept[-1][0] == content[::-1]
    assert done.carried is not None
    assert (done.carried.source.etag, made.changed_while_read, made.bytes_passed) == ("opaque-2", 1, len(content))


def test_one_that_never_rests_is_an_error(tmp_path: Path) -> None:
    def always(source: Source) -> None:
        source.etag = f"{source.etag}x"
        source.while_read.append(always)

    with pytest.raises(StepFailed, match="k") as refused:
        copier(tmp_path, Source(SMALL, "o-1", [always]), Target()).carry("k", Act.COPY, len(SMALL))
    assert "every one of 3 readings" in refused.value.why


def test_a_source_that_does_not_tell_tags_is_asked_once_and_that_is_said(tmp_path: Path) -> None:
    source = Source(SMALL, tags_of=None)
    made = copier(tmp_path, source, Target())
    for key in ("a", "b"):
        made.carry(key, Act.COPY, len(SMALL))
    assert (source.asked_for_tags, made.tags_unread) == (1, "HTTP 403")
