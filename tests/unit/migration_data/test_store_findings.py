"""What a store says of itself that forbids a move or does not come along, each said by a store that says so."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from migration.adapters import files_check
from migration.errors import StepFailed
from migration.model.inventory import FilesFacts
from migration.model.words import Finding, Severity
from migration.movers import bucket_check, bucket_listing, objects_check, s3
from migration.movers.objects_index import Index
from migration.movers.objects_job import ObjectsJob
from migration.movers.s3 import Bucket
from tests.support.moving import context

SOURCE, TARGET = (Bucket(f"http://{side}.example", "r", "bucket", "a", "s") for side in ("old", "new"))
PAGE = """<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{objects}</ListBucketResult>"""
OBJECT = """<Contents><Key>{key}</Key><LastModified>2026-12-01T03:45:23.123Z</LastModified><ETag>"abc"</ETag>
<Size>7</Size><StorageClass>{kind}</StorageClass></Contents>"""
TAGS = """<Tagging><TagSet/></Tagging>"""
Answer = Callable[[httpx.Request], httpx.Response]


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Callable[[Answer], None]:
    """Return what makes every store answer so."""
    monkeypatch.setattr(bucket_listing, "_WAIT_SECONDS", 0.0)

    def answer(by: Answer) -> None:
        client = httpx.Client(transport=httpx.MockTransport(by))
        monkeypatch.setattr(s3, "_client", lambda: client)

    return answer


def careful(tag: Callable[[bytes], str]) -> Answer:
    """Return a store that checks what it takes and names it by this tag."""

    def answer(request: httpx.Request) -> httpx.Response:
        body = request.content
        wanted = request.headers.get("content-md5")
        if wanted and wanted != base64.b64encode(hashlib.md5(body).digest()).decode():
            return httpx.Response(400, text="BadDigest")
        if "x-amz-checksum-sha256" in request.headers:
            return httpx.Response(400, text="XAmzContentChecksumMismatch")
        return httpx.Response(200, headers={"etag": f'"{tag(body)}"'})

    return answer


def test_a_store_whose_tag_is_not_the_md5_of_the_content_is_not_used(answering: Callable[[Answer], None]) -> None:
    """As with keys of its own (SSE-KMS): it checks what comes, and nobody can compare what it has."""
    answering(careful(lambda body: hashlib.sha1(body).hexdigest()))
    trust = s3.probe(TARGET, "probe")
    [found] = bucket_check.of_trust(TARGET.url, trust)
    assert (found.code, found.severity) == ("store-etag-opaque", Severity.BLOCKER)
    with pytest.raises(StepFailed, match="not used") as refused:
        bucket_check.assert_trusted(TARGET, trust)
    assert (refused.value.code, "not the MD5" in refused.value.why) == ("store-not-trusted", True)
    answering(careful(lambda body: hashlib.md5(body).hexdigest()))
    assert list(bucket_check.of_trust(TARGET.url, s3.probe(TARGET, "probe"))) == []


def source_of(kinds: dict[str, str], tagging: httpx.Response) -> Answer:
    """Return a source with these objects; the target of the same job takes nothing, as it is not asked about here."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.host == "new.example":
            return httpx.Response(403, text="AccessDenied")
        if "list-type" in request.url.params:
            objects = "".join(OBJECT.format(key=key, kind=kind) for key, kind in kinds.items())
            return httpx.Response(200, text=PAGE.format(objects=objects))
        return tagging if request.url.path != "/bucket" else httpx.Response(404)

    return answer


@pytest.fixture
def checked(tmp_path: Path) -> Iterator[Callable[[], dict[str, Finding]]]:
    job = ObjectsJob(system="portal", name="uploads", token=1, source=SOURCE, target=TARGET, staging=tmp_path)
    with closing(Index(tmp_path)) as index:
        yield lambda: {one.code: one for one in objects_check.findings(job, index)}


def test_other_storage_classes_are_counted_and_named(
    answering: Callable[[Answer], None], checked: Callable[[], dict[str, Finding]]
) -> None:
    kinds = {"a": "STANDARD", "b": "GLACIER", "c": "GLACIER", "d": "STANDARD_IA"}
    answering(source_of(kinds, httpx.Response(200, text=TAGS)))
    found = checked()["storage-class"]
    assert (found.severity, "2 GLACIER, 1 STANDARD_IA" in found.what) == (Severity.WARNING, True)
    answering(source_of({"a": "STANDARD"}, httpx.Response(200, text=TAGS)))
    assert "storage-class" not in checked()


def test_a_source_that_does_not_tell_tags_is_said(
    answering: Callable[[Answer], None], checked: Callable[[], dict[str, Finding]]
) -> None:
    answering(source_of({"a": "STANDARD"}, httpx.Response(403, text="AccessDenied")))
    found = checked()["tags-not-read"]
    assert (found.severity, "HTTP 403" in found.what) == (Severity.WARNING, True)
    answering(source_of({"a": "STANDARD"}, httpx.Response(200, text=TAGS)))
    assert "tags-not-read" not in checked()


def test_a_disk_too_small_for_staging_forbids_the_move_until_the_copy_lies_there(tmp_path: Path) -> None:
    plain = context(tmp_path, None)
    large = FilesFacts(host="files1", path="/srv", files=1, size_bytes=10**15, special_files=[])
    facts = plain.facts.model_copy(update={"files": {"uploads": large}})
    asked = dataclasses.replace(plain, facts=facts, state_folder=tmp_path)

    def said() -> list[Finding]:
        found = files_check.findings(asked, lambda: [], lambda name: tmp_path / name)
        return [one for one in found if one.code == "staging-space"]

    [found] = said()
    assert (found.severity, "1,100,000,000,000,000 bytes" in found.what) == (Severity.BLOCKER, True)
    (tmp_path / "uploads").mkdir()
    assert said() == [], "what lies there already needs no room again"
